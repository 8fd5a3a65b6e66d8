//! Constants.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, FixedSizeBinaryArray, Float32Array, Float64Array, PrimitiveArray,
    new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int32Type};

use crate::error::{Error, Result};

use super::types::{Family, Integer, family, type_bounds, value_type, with_integer_type};

/// A constant's value by storage class; its logical type is in [`Scalar`]. Floats are equal where their bits are.
#[derive(Debug, Clone)]
pub enum Value {
    /// Null.
    Null,
    /// Booleans.
    Boolean(bool),
    /// Integers, decimals (unscaled), dates, times, timestamps, durations.
    Integer(i128),
    /// Float32 (widened exactly) and Float64.
    Float(f64),
    /// Strings and binaries.
    Bytes(Vec<u8>),
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Boolean(a), Value::Boolean(b)) => a == b,
            (Value::Integer(a), Value::Integer(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
            (Value::Bytes(a), Value::Bytes(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Value::Null => {}
            Value::Boolean(value) => value.hash(state),
            Value::Integer(value) => value.hash(state),
            Value::Float(value) => value.to_bits().hash(state),
            Value::Bytes(value) => value.hash(state),
        }
    }
}

/// A typed constant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scalar {
    /// Its logical type.
    pub data_type: DataType,
    /// Its value.
    pub value: Value,
}

impl Scalar {
    /// A constant of `data_type`; a dictionary type stands for its values' type.
    ///
    /// ```
    /// use arrow::datatypes::DataType;
    /// use pilaster_kernels::expr::{Scalar, Value};
    ///
    /// assert!(Scalar::new(DataType::Int8, Value::Integer(127)).is_ok());
    /// assert!(Scalar::new(DataType::Int8, Value::Integer(128)).is_err());
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the value is of another class than the type or does not fit it;
    /// [`Error::Unsupported`] for types that expressions do not know.
    pub fn new(data_type: DataType, value: Value) -> Result<Self> {
        let data_type = value_type(&data_type).clone();
        let fits = match (&value, family(&data_type)?) {
            (Value::Null, _) | (Value::Boolean(_), Family::Boolean) => true,
            (Value::Float(value), Family::Float) => {
                data_type == DataType::Float64 || value.is_nan() || f64::from(*value as f32) == *value
            }
            (Value::Bytes(bytes), Family::Text) => std::str::from_utf8(bytes).is_ok(),
            (Value::Bytes(bytes), Family::Binary) => match &data_type {
                DataType::FixedSizeBinary(size) => {
                    usize::try_from(*size).is_ok_and(|size| size == bytes.len())
                }
                _ => true,
            },
            (Value::Integer(value), _) => type_bounds(&data_type).is_some_and(|range| range.contains(*value)),
            _ => false,
        };
        if !fits {
            return Err(Error::invalid(format!("{value:?} is not a value of type {data_type}")));
        }
        Ok(Self { data_type, value })
    }

    /// The null of `data_type`.
    #[must_use]
    pub fn null(data_type: DataType) -> Self {
        Self { data_type: value_type(&data_type).clone(), value: Value::Null }
    }

    /// `unscaled * 10^-scale` as `Decimal128(precision, scale)`.
    ///
    /// ```
    /// use pilaster_kernels::expr::Scalar;
    ///
    /// assert_eq!(Scalar::decimal128(5, 15, 2)?.to_string(), "0.05");
    /// assert!(Scalar::decimal128(1_000, 3, 2).is_err());
    /// # Ok::<(), pilaster_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the value has more digits than `precision`.
    pub fn decimal128(unscaled: i128, precision: u8, scale: i8) -> Result<Self> {
        Self::new(DataType::Decimal128(precision, scale), Value::Integer(unscaled))
    }

    /// A date: days since 1970-01-01.
    #[must_use]
    pub fn date32(days: i32) -> Self {
        Self { data_type: DataType::Date32, value: Value::Integer(i128::from(days)) }
    }

    /// A string (`Utf8`; it compares with every string type).
    #[must_use]
    pub fn utf8(value: &str) -> Self {
        Self { data_type: DataType::Utf8, value: Value::Bytes(value.as_bytes().to_vec()) }
    }

    /// True for the null of any type.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// Row `row` of `array`; a dictionary gives its value.
    ///
    /// ```
    /// use arrow::array::StringArray;
    /// use pilaster_kernels::expr::Scalar;
    ///
    /// let names = StringArray::from(vec![Some("a"), None]);
    /// assert_eq!(Scalar::from_array(&names, 0)?, Scalar::utf8("a"));
    /// assert!(Scalar::from_array(&names, 1)?.is_null());
    /// # Ok::<(), pilaster_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`] past the end, [`Error::Unsupported`] for types that expressions do not know.
    pub fn from_array(array: &dyn Array, row: usize) -> Result<Self> {
        if row >= array.len() {
            return Err(Error::invalid(format!("row {row} of an array of {} rows", array.len())));
        }
        let data_type = array.data_type().clone();
        family(&data_type)?;
        if array.is_null(row) {
            return Ok(Self::null(data_type));
        }
        if let DataType::Dictionary(..) = &data_type {
            let dictionary = array.as_any_dictionary();
            return Self::from_array(dictionary.values().as_ref(), dictionary.normalized_keys()[row]);
        }
        let value = with_integer_type!(&data_type,
            T => Value::Integer(array.as_primitive::<T>().value(row).widen()),
            else match &data_type {
                D::Boolean => Value::Boolean(array.as_boolean().value(row)),
                D::Float32 => Value::Float(f64::from(array.as_primitive::<Float32Type>().value(row))),
                D::Float64 => Value::Float(array.as_primitive::<Float64Type>().value(row)),
                D::Utf8 => Value::Bytes(array.as_string::<i32>().value(row).into()),
                D::LargeUtf8 => Value::Bytes(array.as_string::<i64>().value(row).into()),
                D::Utf8View => Value::Bytes(array.as_string_view().value(row).into()),
                D::Binary => Value::Bytes(array.as_binary::<i32>().value(row).into()),
                D::LargeBinary => Value::Bytes(array.as_binary::<i64>().value(row).into()),
                D::BinaryView => Value::Bytes(array.as_binary_view().value(row).into()),
                D::FixedSizeBinary(_) => Value::Bytes(array.as_fixed_size_binary().value(row).into()),
                _ => Value::Null,
            }
        );
        Ok(Self { data_type, value })
    }

    /// `len` rows of this value, as an array of its type.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the scalar was put together by hand from a value of another class.
    pub fn to_array(&self, len: usize) -> Result<ArrayRef> {
        let mismatch =
            || Error::invalid(format!("{:?} is not a value of type {}", self.value, self.data_type));
        Ok(match (&self.value, &self.data_type) {
            (Value::Null, data_type) => new_null_array(data_type, len),
            (Value::Boolean(value), DataType::Boolean) => Arc::new(BooleanArray::from(vec![*value; len])),
            (Value::Float(value), DataType::Float64) => Arc::new(Float64Array::from_value(*value, len)),
            (Value::Float(value), DataType::Float32) => {
                Arc::new(Float32Array::from_value(*value as f32, len))
            }
            (Value::Integer(value), data_type) => with_integer_type!(data_type,
                T => Arc::new(
                    PrimitiveArray::<T>::from_value(Integer::truncate(*value), len).with_data_type(data_type.clone())
                ) as ArrayRef,
                else return Err(mismatch())
            ),
            (Value::Bytes(bytes), data_type) => repeat_bytes(bytes, data_type, len)?,
            _ => return Err(mismatch()),
        })
    }
}

/// The bytes once, then gathered: no type needs a builder of its own.
fn repeat_bytes(bytes: &[u8], data_type: &DataType, len: usize) -> Result<ArrayRef> {
    let one: ArrayRef = match family(data_type)? {
        Family::Text => {
            let text = std::str::from_utf8(bytes).map_err(Error::invalid)?;
            cast(&arrow::array::StringArray::from(vec![text]), data_type)?
        }
        _ => match data_type {
            DataType::FixedSizeBinary(size) => {
                Arc::new(FixedSizeBinaryArray::try_new(*size, bytes.to_vec().into(), None)?)
            }
            _ => cast(&arrow::array::BinaryArray::from(vec![bytes]), data_type)?,
        },
    };
    let rows = PrimitiveArray::<Int32Type>::from_value(0, len);
    Ok(arrow::compute::take(&one, &rows, None)?)
}

macro_rules! from_integer {
    ($($native:ty => $data_type:ident),*) => {$(
        impl From<$native> for Scalar {
            fn from(value: $native) -> Self {
                Self { data_type: DataType::$data_type, value: Value::Integer(i128::from(value)) }
            }
        }
    )*};
}
from_integer!(i8 => Int8, i16 => Int16, i32 => Int32, i64 => Int64, u8 => UInt8, u16 => UInt16, u32 => UInt32, u64 => UInt64);

impl From<bool> for Scalar {
    fn from(value: bool) -> Self {
        Self { data_type: DataType::Boolean, value: Value::Boolean(value) }
    }
}

impl From<f32> for Scalar {
    fn from(value: f32) -> Self {
        Self { data_type: DataType::Float32, value: Value::Float(f64::from(value)) }
    }
}

impl From<f64> for Scalar {
    fn from(value: f64) -> Self {
        Self { data_type: DataType::Float64, value: Value::Float(value) }
    }
}

impl From<&str> for Scalar {
    fn from(value: &str) -> Self {
        Self::utf8(value)
    }
}

/// As SQL shows it: decimals with their scale, dates and times spelled out, strings quoted.
impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.value, &self.data_type) {
            (Value::Null, _) => f.write_str("NULL"),
            (Value::Boolean(value), _) => write!(f, "{value}"),
            (Value::Float(value), _) => write!(f, "{value}"),
            (Value::Bytes(bytes), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => {
                write!(f, "'{}'", String::from_utf8_lossy(bytes).replace('\'', "''"))
            }
            (Value::Bytes(bytes), _) => {
                f.write_str("X'")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02X}"))?;
                f.write_str("'")
            }
            (Value::Integer(value), DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64) => {
                write!(f, "{value}")
            }
            (Value::Integer(value), _) => {
                let text = self.to_array(1).ok().and_then(|array| cast(&array, &DataType::Utf8).ok());
                match text {
                    Some(text) => f.write_str(text.as_string::<i32>().value(0)),
                    None => write!(f, "{value}"),
                }
            }
        }
    }
}
