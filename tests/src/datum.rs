//! One value of one row, whatever array it came from.

use std::cmp::Ordering;
use std::fmt;

use arrow::array::{Array, AsArray, BooleanArray, Float32Array, Float64Array, PrimitiveArray, RecordBatch};
use arrow::datatypes::{self as types, ArrowPrimitiveType, DataType, TimeUnit};
use pilaster_kernels::expr::{Scalar, Value};

/// A value without its type. Decimals are unscaled, dates and times are their stored integers, dictionaries are their
/// values.
#[derive(Debug, Clone)]
pub enum Datum {
    /// Null.
    Null,
    /// Boolean.
    Bool(bool),
    /// Integers, decimals, dates, times.
    Int(i128),
    /// Float32, widened, and Float64.
    Float(f64),
    /// Strings and binaries.
    Bytes(Vec<u8>),
    /// Lists.
    List(Vec<Datum>),
}

impl Datum {
    /// Null or not.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Datum::Null)
    }

    /// Row `row` of `array`.
    ///
    /// # Panics
    /// On a type that the tests do not use.
    #[must_use]
    pub fn read(array: &dyn Array, row: usize) -> Datum {
        // A dictionary's nulls are its keys' and its values'.
        if array.is_null(row) {
            return Datum::Null;
        }
        match array.data_type() {
            DataType::Null => Datum::Null,
            DataType::Boolean => Datum::Bool(downcast::<BooleanArray>(array).value(row)),
            DataType::Float32 => Datum::Float(f64::from(downcast::<Float32Array>(array).value(row))),
            DataType::Float64 => Datum::Float(downcast::<Float64Array>(array).value(row)),
            DataType::Utf8 => Datum::Bytes(array.as_string::<i32>().value(row).as_bytes().to_vec()),
            DataType::LargeUtf8 => Datum::Bytes(array.as_string::<i64>().value(row).as_bytes().to_vec()),
            DataType::Utf8View => Datum::Bytes(array.as_string_view().value(row).as_bytes().to_vec()),
            DataType::Binary => Datum::Bytes(array.as_binary::<i32>().value(row).to_vec()),
            DataType::LargeBinary => Datum::Bytes(array.as_binary::<i64>().value(row).to_vec()),
            DataType::BinaryView => Datum::Bytes(array.as_binary_view().value(row).to_vec()),
            DataType::FixedSizeBinary(_) => Datum::Bytes(array.as_fixed_size_binary().value(row).to_vec()),
            DataType::Dictionary(key, _) => read_dictionary(array, key, row),
            DataType::List(_) => Datum::List(values_of(array.as_list::<i32>().value(row).as_ref())),
            DataType::LargeList(_) => Datum::List(values_of(array.as_list::<i64>().value(row).as_ref())),
            _ => Datum::Int(read_integer(array, row)),
        }
    }

    /// The value of a constant.
    #[must_use]
    pub fn of_scalar(scalar: &Scalar) -> Datum {
        match &scalar.value {
            Value::Null => Datum::Null,
            Value::Boolean(value) => Datum::Bool(*value),
            Value::Integer(value) => Datum::Int(*value),
            Value::Float(value) => Datum::Float(*value),
            Value::Bytes(value) => Datum::Bytes(value.clone()),
        }
    }

    /// Order of two values that are not null: NaN is the greatest number and equal to itself, -0.0 equals 0.0, bytes are
    /// unsigned.
    ///
    /// # Panics
    /// On values of different classes.
    #[must_use]
    pub fn order(&self, other: &Datum) -> Ordering {
        match (self, other) {
            (Datum::Bool(a), Datum::Bool(b)) => a.cmp(b),
            (Datum::Int(a), Datum::Int(b)) => a.cmp(b),
            (Datum::Bytes(a), Datum::Bytes(b)) => a.cmp(b),
            // Item by item: only for rows to be compared in some order.
            (Datum::List(a), Datum::List(b)) => {
                let items = a.iter().zip(b).map(|(a, b)| a.order_nulls_first(b));
                items.fold(Ordering::Equal, Ordering::then).then(a.len().cmp(&b.len()))
            }
            (Datum::Float(a), Datum::Float(b)) => match (a.is_nan(), b.is_nan()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) if a < b => Ordering::Less,
                (false, false) if a > b => Ordering::Greater,
                (false, false) => Ordering::Equal,
            },
            _ => panic!("{self:?} and {other:?} do not compare"),
        }
    }

    /// [`Datum::order`], with nulls equal to each other and before everything.
    #[must_use]
    pub fn order_nulls_first(&self, other: &Datum) -> Ordering {
        match (self.is_null(), other.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.order(other),
        }
    }

    /// The same value to the last bit, except that all NaNs are one.
    #[must_use]
    pub fn same(&self, other: &Datum) -> bool {
        match (self, other) {
            (Datum::Null, Datum::Null) => true,
            (Datum::Bool(a), Datum::Bool(b)) => a == b,
            (Datum::Int(a), Datum::Int(b)) => a == b,
            (Datum::Bytes(a), Datum::Bytes(b)) => a == b,
            (Datum::List(a), Datum::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b)),
            (Datum::Float(a), Datum::Float(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
            _ => false,
        }
    }

    /// What a group's key shows: one NaN, one zero.
    #[must_use]
    pub fn canonical(&self) -> Datum {
        match self {
            Datum::Float(value) if value.is_nan() => Datum::Float(f64::NAN),
            Datum::Float(0.0) => Datum::Float(0.0),
            other => other.clone(),
        }
    }
}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Datum::Null => f.write_str("null"),
            Datum::Bool(value) => write!(f, "{value}"),
            Datum::Int(value) => write!(f, "{value}"),
            Datum::Float(value) => write!(f, "{value:?}"),
            Datum::Bytes(value) => write!(f, "{:?}", String::from_utf8_lossy(value)),
            Datum::List(items) => {
                let items: Vec<String> = items.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
        }
    }
}

/// All rows of a batch.
#[must_use]
pub fn rows_of(batch: &RecordBatch) -> Vec<Vec<Datum>> {
    let row = |row| batch.columns().iter().map(|column| Datum::read(column.as_ref(), row)).collect();
    (0..batch.num_rows()).map(row).collect()
}

/// All values of an array.
#[must_use]
pub fn values_of(array: &dyn Array) -> Vec<Datum> {
    (0..array.len()).map(|row| Datum::read(array, row)).collect()
}

fn downcast<T: 'static>(array: &dyn Array) -> &T {
    array.as_any().downcast_ref().expect("the array is of its own type")
}

fn read_dictionary(array: &dyn Array, key: &DataType, row: usize) -> Datum {
    macro_rules! read {
        ($($variant:ident => $key:ident),*) => {
            match key {
                $(DataType::$variant => {
                    let dictionary = array.as_dictionary::<types::$key>();
                    Datum::read(dictionary.values().as_ref(), dictionary.keys().value(row) as usize)
                })*
                other => panic!("dictionary keys of type {other}"),
            }
        };
    }
    read!(Int8 => Int8Type, Int16 => Int16Type, Int32 => Int32Type, Int64 => Int64Type,
          UInt8 => UInt8Type, UInt16 => UInt16Type, UInt32 => UInt32Type, UInt64 => UInt64Type)
}

fn native<T: ArrowPrimitiveType>(array: &dyn Array, row: usize) -> i128
where
    T::Native: Into<i128>,
{
    downcast::<PrimitiveArray<T>>(array).value(row).into()
}

fn read_integer(array: &dyn Array, row: usize) -> i128 {
    match array.data_type() {
        DataType::Int8 => native::<types::Int8Type>(array, row),
        DataType::Int16 => native::<types::Int16Type>(array, row),
        DataType::Int32 => native::<types::Int32Type>(array, row),
        DataType::Int64 => native::<types::Int64Type>(array, row),
        DataType::UInt8 => native::<types::UInt8Type>(array, row),
        DataType::UInt16 => native::<types::UInt16Type>(array, row),
        DataType::UInt32 => native::<types::UInt32Type>(array, row),
        DataType::UInt64 => native::<types::UInt64Type>(array, row),
        DataType::Decimal32(..) => native::<types::Decimal32Type>(array, row),
        DataType::Decimal64(..) => native::<types::Decimal64Type>(array, row),
        DataType::Decimal128(..) => native::<types::Decimal128Type>(array, row),
        DataType::Date32 => native::<types::Date32Type>(array, row),
        DataType::Date64 => native::<types::Date64Type>(array, row),
        DataType::Timestamp(TimeUnit::Second, _) => native::<types::TimestampSecondType>(array, row),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            native::<types::TimestampMillisecondType>(array, row)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            native::<types::TimestampMicrosecondType>(array, row)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => native::<types::TimestampNanosecondType>(array, row),
        other => panic!("the tests have no column of type {other}"),
    }
}
