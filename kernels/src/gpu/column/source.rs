//! Arrow arrays without their types: native buffers, offsets resolved.

use arrow::array::{Array, ArrayData, ArrayRef};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowNativeType, DataType};

use crate::error::{Backend, Error, Result};
use crate::simd::lanes::{append, finite_bounds, min_max_valid};

/// Width of the types that are integers to a machine.
pub(super) fn integer_bytes(data_type: &DataType) -> Option<u64> {
    match data_type {
        DataType::Int8 | DataType::UInt8 => Some(1),
        DataType::Int16 | DataType::UInt16 => Some(2),
        DataType::Int32 | DataType::UInt32 | DataType::Date32 | DataType::Time32(_) => Some(4),
        DataType::Int64 | DataType::UInt64 | DataType::Date64 | DataType::Time64(_) => Some(8),
        DataType::Timestamp(_, _) | DataType::Duration(_) => Some(8),
        DataType::Decimal32(_, _) => Some(4),
        DataType::Decimal64(_, _) => Some(8),
        DataType::Decimal128(_, _) => Some(16),
        _ => None,
    }
}

/// Native values of one array, without Arrow's type; floats are their bits.
pub(super) enum Values {
    Bits(BooleanBuffer),
    I8(ScalarBuffer<i8>),
    I16(ScalarBuffer<i16>),
    I32(ScalarBuffer<i32>),
    I64(ScalarBuffer<i64>),
    I128(ScalarBuffer<i128>),
    U8(ScalarBuffer<u8>),
    U16(ScalarBuffer<u16>),
    U32(ScalarBuffer<u32>),
    U64(ScalarBuffer<u64>),
}

/// Runs `$body` with `$values` bound to the typed buffer, for all variants but bits.
macro_rules! with_values {
    ($source:expr, $values:ident => $body:expr, $bits:pat => $other:expr) => {
        match $source {
            Values::Bits($bits) => $other,
            Values::I8($values) => $body,
            Values::I16($values) => $body,
            Values::I32($values) => $body,
            Values::I64($values) => $body,
            Values::I128($values) => $body,
            Values::U8($values) => $body,
            Values::U16($values) => $body,
            Values::U32($values) => $body,
            Values::U64($values) => $body,
        }
    };
}

pub(super) use with_values;

/// One array's values and nulls, offsets resolved.
pub(super) struct Source {
    pub values: Values,
    /// Logical nulls; none where there are none.
    pub nulls: Option<NullBuffer>,
}

pub(super) fn plain_source(array: &ArrayRef) -> Result<Source> {
    let data = array.to_data();
    fn buffer<T: ArrowNativeType>(data: &ArrayData) -> ScalarBuffer<T> {
        ScalarBuffer::new(data.buffers()[0].clone(), data.offset(), data.len())
    }
    let values = match array.data_type() {
        DataType::Boolean => {
            Values::Bits(BooleanBuffer::new(data.buffers()[0].clone(), data.offset(), data.len()))
        }
        DataType::Float32 => Values::U32(buffer(&data)),
        DataType::Float64 => Values::U64(buffer(&data)),
        DataType::UInt8 => Values::U8(buffer(&data)),
        DataType::UInt16 => Values::U16(buffer(&data)),
        DataType::UInt32 => Values::U32(buffer(&data)),
        DataType::UInt64 => Values::U64(buffer(&data)),
        other => match integer_bytes(other) {
            Some(1) => Values::I8(buffer(&data)),
            Some(2) => Values::I16(buffer(&data)),
            Some(4) => Values::I32(buffer(&data)),
            Some(8) => Values::I64(buffer(&data)),
            Some(16) => Values::I128(buffer(&data)),
            _ => return Err(Error::unsupported(format!("a column of type {other}"), Backend::Gpu)),
        },
    };
    Ok(Source { values, nulls: nulls_of(array) })
}

/// Logical nulls, none where there are none.
pub(super) fn nulls_of(array: &ArrayRef) -> Option<NullBuffer> {
    array.logical_nulls().filter(|nulls| nulls.null_count() > 0)
}

/// Smallest and largest valid value.
pub(super) fn measure(source: &Source) -> Option<(i128, i128)> {
    with_values!(&source.values, values => {
        let range = min_max_valid(values, source.nulls.as_ref());
        range.map(|(low, high)| (widen(low), widen(high)))
    }, _ => None)
}

/// Least and greatest exponent of the valid values, which are floats: finite ones beside zero, 1 for subnormals.
pub(super) fn measure_exponents(source: &Source) -> Option<(u32, u32)> {
    let nulls = source.nulls.as_ref();
    let exponent = |magnitude: u64, fraction_bits: u32| ((magnitude >> fraction_bits) as u32).max(1);
    match &source.values {
        Values::U32(bits) => {
            let magnitude = |bits: u32| u64::from(bits & (u32::MAX >> 1));
            let bounds = bounds_valid(bits, nulls, magnitude, f32::INFINITY.to_bits().into());
            bounds.map(|(least, greatest)| (exponent(least, 23), exponent(greatest, 23)))
        }
        Values::U64(bits) => {
            let bounds = bounds_valid(bits, nulls, |bits| bits & (u64::MAX >> 1), f64::INFINITY.to_bits());
            bounds.map(|(least, greatest)| (exponent(least, 52), exponent(greatest, 52)))
        }
        _ => None,
    }
}

fn bounds_valid<T: Copy>(
    values: &[T],
    nulls: Option<&NullBuffer>,
    magnitude: impl Fn(T) -> u64 + Copy,
    infinity: u64,
) -> Option<(u64, u64)> {
    let Some(nulls) = nulls else { return finite_bounds(values, magnitude, infinity) };
    let runs = nulls.valid_slices().map(|(start, end)| &values[start..end]);
    let bounds = runs.filter_map(|run| finite_bounds(run, magnitude, infinity));
    bounds.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

fn widen(value: impl Into<i128>) -> i128 {
    value.into()
}

/// Appends the low bits of each value of rows `start..start + rows`; zero under nulls.
pub(super) fn append_low_bits<U: Word>(out: &mut Vec<U>, source: &Source, start: usize, rows: usize) {
    let nulls = source.nulls.as_ref().map(|nulls| nulls.slice(start, rows));
    with_values!(&source.values, values => append_narrowed(out, &values[start..start + rows], nulls.as_ref()), _ => ());
}

fn append_narrowed<T: Copy, U: Copy + Default + LowBits<T>>(
    out: &mut Vec<U>,
    values: &[T],
    nulls: Option<&NullBuffer>,
) {
    let Some(nulls) = nulls else {
        append(out, values, U::low_bits);
        return;
    };
    let start = out.len();
    out.resize(start + values.len(), U::default());
    let out = &mut out[start..];
    for (start, end) in nulls.valid_slices() {
        for (slot, &value) in out[start..end].iter_mut().zip(&values[start..end]) {
            *slot = U::low_bits(value);
        }
    }
}

/// Truncation of a `T` to its low bits.
pub(super) trait LowBits<T> {
    fn low_bits(value: T) -> Self;
}

/// A machine word that the values of any [`Source`] can be cut down to.
pub(super) trait Word:
    ArrowNativeType
    + Default
    + LowBits<i8>
    + LowBits<i16>
    + LowBits<i32>
    + LowBits<i64>
    + LowBits<i128>
    + LowBits<u8>
    + LowBits<u16>
    + LowBits<u32>
    + LowBits<u64>
{
}

macro_rules! words {
    ($($to:ty),*) => {$(
        impl Word for $to {}
        words!(@to $to: i8, i16, i32, i64, i128, u8, u16, u32, u64);
    )*};
    (@to $to:ty: $($from:ty),*) => {$(
        impl LowBits<$from> for $to {
            #[inline(always)]
            fn low_bits(value: $from) -> $to {
                value as $to
            }
        }
    )*};
}
words!(u8, u16, u32, u64, i128);
