//! One column as machine lanes: the type dispatch of keys, aggregates and sorts.
//!
//! Whatever a value means (a date, a decimal, a count), here it is an integer, a float or bytes. Narrow integers widen to
//! 32 or 64 bits, so that a kernel has five loops and not fifteen.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::*;

use crate::error::{Backend, Error, Result};
use crate::expr::cpu::{Values, Vector};
use crate::expr::value_type;

/// Values of a column, without its nulls: what lies under a null is unspecified.
#[derive(Debug, Clone)]
pub enum Lanes {
    /// Booleans, integers, decimals and times of up to 32 bits.
    I32(ScalarBuffer<i32>),
    /// Integers, decimals and times of up to 64 bits.
    I64(ScalarBuffer<i64>),
    /// Decimals of up to 128 bits, and `UInt64` beyond `i64::MAX`.
    I128(ScalarBuffer<i128>),
    /// Decimals of up to 256 bits.
    I256(ScalarBuffer<i256>),
    /// Floats, widened.
    F64(ScalarBuffer<f64>),
    /// A dictionary over strings or binaries. A code under a null may be anything.
    Codes {
        /// Index into `values`, per row.
        codes: ScalarBuffer<i32>,
        /// Plain strings or binaries; may hold nulls and repeat values.
        values: ArrayRef,
    },
    /// Plain strings or binaries: an array of one of the six layouts, or fixed-size binary.
    Bytes(ArrayRef),
}

/// A column as lanes.
#[derive(Debug, Clone)]
pub struct LaneColumn {
    /// Values.
    pub lanes: Lanes,
    /// Validity; none where no row is null.
    pub nulls: Option<NullBuffer>,
    /// Rows.
    pub rows: usize,
    /// What [`LaneColumn::range`] returns, where it is known.
    known_range: Option<Option<(i128, i128)>>,
}

impl LaneColumn {
    /// Takes `array` apart.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for nested types and composite intervals.
    pub fn from_array(array: &ArrayRef) -> Result<Self> {
        let rows = array.len();
        let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        let lanes = lanes_of(array, nulls.as_ref())?;
        Ok(Self { lanes, nulls, rows, known_range: None })
    }

    /// Takes the result of an expression apart; nothing is copied but narrow floats and booleans.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for nested types and composite intervals.
    pub fn from_vector(vector: &Vector) -> Result<Self> {
        let rows = vector.len();
        let range = || Some(vector.range().map(|range| (range.min, range.max)));
        let (lanes, known_range) = match vector.values() {
            Values::I32(values) => (Lanes::I32(values.clone()), range()),
            Values::I64(values) => (Lanes::I64(values.clone()), range()),
            Values::I128(values) => (Lanes::I128(values.clone()), range()),
            Values::Boolean(bits) => (Lanes::I32(bits.iter().map(i32::from).collect()), None),
            Values::F32(values) => (Lanes::F64(values.iter().map(|&value| f64::from(value)).collect()), None),
            Values::F64(values) => (Lanes::F64(values.clone()), None),
            Values::Bytes(array) => (Lanes::Bytes(Arc::clone(array)), None),
            Values::Dictionary { codes, values } => {
                (Lanes::Codes { codes: codes.clone(), values: Arc::clone(values) }, None)
            }
            Values::Other(array) => return Self::from_array(array),
        };
        Ok(Self { lanes, nulls: vector.nulls().cloned(), rows, known_range })
    }

    /// Smallest and largest value over valid rows, where the lanes are integers of up to 128 bits.
    #[must_use]
    pub fn range(&self) -> Option<(i128, i128)> {
        if let Some(known) = self.known_range {
            return known;
        }
        let nulls = self.nulls.as_ref();
        match &self.lanes {
            Lanes::I32(values) => range_of(values, nulls).map(widen),
            Lanes::I64(values) => range_of(values, nulls).map(widen),
            Lanes::I128(values) => range_of(values, nulls),
            _ => None,
        }
    }
}

fn widen<T: Into<i128>>((low, high): (T, T)) -> (i128, i128) {
    (low.into(), high.into())
}

/// Smallest and largest valid value.
pub(crate) fn range_of<T: Copy + Ord + Send + Sync>(
    values: &[T],
    nulls: Option<&NullBuffer>,
) -> Option<(T, T)> {
    match nulls {
        None => {
            let first = *values.first()?;
            Some(range_dense(values, first))
        }
        Some(nulls) => {
            let mut valid = nulls.valid_indices().map(|row| values[row]);
            let first = valid.next()?;
            Some(valid.fold((first, first), |(low, high), value| (low.min(value), high.max(value))))
        }
    }
}

#[multiversion::multiversion(targets("x86_64+avx512f+avx512dq+avx512bw+avx512vl", "x86_64+avx2"))]
fn range_dense<T: Copy + Ord>(values: &[T], first: T) -> (T, T) {
    values.iter().fold((first, first), |(low, high), &value| (low.min(value), high.max(value)))
}

fn lanes_of(array: &ArrayRef, nulls: Option<&NullBuffer>) -> Result<Lanes> {
    use DataType as D;
    macro_rules! as_is {
        ($lane:ident, $($kind:ty),+) => {{
            let data = array.to_data();
            let buffer = data.buffers().first().cloned().unwrap_or_default();
            Ok(Lanes::$lane(ScalarBuffer::new(buffer, data.offset(), data.len())))
        }};
    }
    macro_rules! widened {
        ($lane:ident, $kind:ty, $to:ty) => {
            Ok(Lanes::$lane(
                array.as_primitive::<$kind>().values().iter().map(|&value| <$to>::from(value)).collect(),
            ))
        };
    }
    match array.data_type() {
        D::Null => Ok(Lanes::I32(vec![0; array.len()].into())),
        D::Boolean => Ok(Lanes::I32(boolean_lanes(array.as_boolean()))),
        D::Int8 => widened!(I32, Int8Type, i32),
        D::Int16 => widened!(I32, Int16Type, i32),
        D::UInt8 => widened!(I32, UInt8Type, i32),
        D::UInt16 => widened!(I32, UInt16Type, i32),
        D::UInt32 => widened!(I64, UInt32Type, i64),
        D::UInt64 => Ok(unsigned_lanes(array.as_primitive::<UInt64Type>().values(), nulls)),
        D::Int32 | D::Date32 | D::Time32(_) | D::Decimal32(..) | D::Interval(IntervalUnit::YearMonth) => {
            as_is!(I32, Int32Type)
        }
        D::Int64 | D::Date64 | D::Time64(_) | D::Timestamp(..) | D::Duration(_) | D::Decimal64(..) => {
            as_is!(I64, Int64Type)
        }
        D::Decimal128(..) => as_is!(I128, Decimal128Type),
        D::Decimal256(..) => as_is!(I256, Decimal256Type),
        D::Float16 => widened!(F64, Float16Type, f64),
        D::Float32 => widened!(F64, Float32Type, f64),
        D::Float64 => as_is!(F64, Float64Type),
        D::Dictionary(_, values) if is_bytes(values) => dictionary_lanes(array, nulls),
        D::Dictionary(..) => {
            let plain = arrow::compute::cast(array.as_ref(), value_type(array.data_type()))?;
            lanes_of(&plain, nulls)
        }
        plain if is_bytes(plain) => Ok(Lanes::Bytes(Arc::clone(array))),
        other => Err(Error::unsupported(format!("{other} as a key or aggregate input"), Backend::Cpu)),
    }
}

pub(super) fn is_bytes(data_type: &DataType) -> bool {
    use DataType as D;
    matches!(
        data_type,
        D::Utf8
            | D::LargeUtf8
            | D::Utf8View
            | D::Binary
            | D::LargeBinary
            | D::BinaryView
            | D::FixedSizeBinary(_)
    )
}

fn boolean_lanes(array: &BooleanArray) -> ScalarBuffer<i32> {
    array.values().iter().map(i32::from).collect()
}

fn unsigned_lanes(values: &ScalarBuffer<u64>, nulls: Option<&NullBuffer>) -> Lanes {
    match range_of(values, nulls) {
        Some((_, high)) if i64::try_from(high).is_err() => {
            Lanes::I128(values.iter().map(|&value| i128::from(value)).collect())
        }
        _ => Lanes::I64(ScalarBuffer::new(values.inner().clone(), 0, values.len())),
    }
}

fn dictionary_lanes(array: &ArrayRef, nulls: Option<&NullBuffer>) -> Result<Lanes> {
    let dictionary = array.as_any_dictionary();
    let values = Arc::clone(dictionary.values());
    let codes = match dictionary.keys().data_type() {
        DataType::Int32 => {
            let keys = dictionary.keys().as_primitive::<Int32Type>().values().clone();
            match nulls {
                None => keys,
                // What lies under a null may be no code at all.
                Some(nulls) => {
                    keys.iter().zip(nulls).map(|(&key, valid)| if valid { key } else { 0 }).collect()
                }
            }
        }
        _ => {
            let keys = dictionary.keys().len();
            let wide = arrow::compute::cast(dictionary.keys(), &DataType::Int32)?;
            let wide = wide.as_primitive::<Int32Type>();
            (0..keys).map(|row| if wide.is_valid(row) { wide.value(row) } else { 0 }).collect()
        }
    };
    Ok(Lanes::Codes { codes, values })
}

/// Row `row` of a plain string or binary array.
macro_rules! with_bytes {
    ($array:expr, |$get:ident| $body:expr) => {{
        use arrow::array::AsArray as _;
        use arrow::datatypes::DataType as D;
        let array = $array;
        match array.data_type() {
            D::Utf8 => {
                let typed = array.as_string::<i32>();
                let $get = |row: usize| typed.value(row).as_bytes();
                $body
            }
            D::LargeUtf8 => {
                let typed = array.as_string::<i64>();
                let $get = |row: usize| typed.value(row).as_bytes();
                $body
            }
            D::Utf8View => {
                let typed = array.as_string_view();
                let $get = |row: usize| typed.value(row).as_bytes();
                $body
            }
            D::Binary => {
                let typed = array.as_binary::<i32>();
                let $get = |row: usize| typed.value(row);
                $body
            }
            D::LargeBinary => {
                let typed = array.as_binary::<i64>();
                let $get = |row: usize| typed.value(row);
                $body
            }
            D::BinaryView => {
                let typed = array.as_binary_view();
                let $get = |row: usize| typed.value(row);
                $body
            }
            _ => {
                let typed = array.as_fixed_size_binary();
                let $get = |row: usize| typed.value(row);
                $body
            }
        }
    }};
}
pub(crate) use with_bytes;
