//! Which physical values become which words, and how.

use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};

use crate::parquet::{Malformed, Physical};
use crate::simd::dispatched;

use super::column::Column;
use super::decimal;
use super::fixed::{Conversion, Convert, Fixed, Word};

/// The column of words for a pair of types; none where there is no conversion.
pub(super) fn column(physical: Physical, to: &DataType) -> Option<Box<dyn Column>> {
    use DataType as A;
    use Physical as P;
    match (physical, to) {
        (P::Int32, A::Int8 | A::UInt8) => fixed(physical, to, Some(cut_u8)),
        (P::Int32, A::Int16 | A::UInt16) => fixed(physical, to, Some(cut_u16)),
        (P::Int32, A::Int32 | A::UInt32 | A::Date32) => fixed::<u32>(physical, to, None),
        (P::Int32, A::Time32(TimeUnit::Second | TimeUnit::Millisecond)) => fixed::<u32>(physical, to, None),
        (P::Int32, A::Int64 | A::Timestamp(..)) => fixed(physical, to, Some(widen_signed)),
        (P::Int32, A::UInt64) => fixed(physical, to, Some(widen_unsigned)),
        (P::Int32, A::Date64) => fixed(physical, to, Some(days_to_milliseconds)),
        (P::Int64, A::Int64 | A::UInt64 | A::Date64 | A::Timestamp(..) | A::Duration(_)) => {
            fixed::<u64>(physical, to, None)
        }
        (P::Int64, A::Time64(TimeUnit::Microsecond | TimeUnit::Nanosecond)) => {
            fixed::<u64>(physical, to, None)
        }
        (P::Int96, A::Timestamp(unit, _)) => fixed(physical, to, Some(int96(*unit))),
        (P::Float, A::Float32) => fixed::<u32>(physical, to, None),
        (P::Float, A::Float64) => fixed(physical, to, Some(widen_float)),
        (P::Double, A::Float64) => fixed::<u64>(physical, to, None),
        (P::FixedLenByteArray(2), A::Float16) => fixed::<u16>(physical, to, None),
        (P::FixedLenByteArray(12), A::Interval(IntervalUnit::YearMonth)) => fixed(physical, to, Some(months)),
        (P::FixedLenByteArray(12), A::Interval(IntervalUnit::DayTime)) => {
            fixed(physical, to, Some(days_and_milliseconds))
        }
        (_, A::Decimal32(..) | A::Decimal64(..) | A::Decimal128(..) | A::Decimal256(..)) => {
            decimal::column(physical, to)
        }
        _ => None,
    }
}

/// A column; without conversion the physical values are the words.
pub(super) fn fixed<T: Word>(
    physical: Physical,
    to: &DataType,
    convert: Option<Convert<T>>,
) -> Option<Box<dyn Column>> {
    Some(Box::new(Fixed::new(Conversion { physical, convert }, to.clone())))
}

fn int96(unit: TimeUnit) -> Convert<u64> {
    match unit {
        TimeUnit::Second => int96_to::<1>,
        TimeUnit::Millisecond => int96_to::<1_000>,
        TimeUnit::Microsecond => int96_to::<1_000_000>,
        TimeUnit::Nanosecond => int96_to::<1_000_000_000>,
    }
}

/// Appends `f` of each value of `N` bytes.
#[inline(always)]
pub(super) fn each<const N: usize, T>(bytes: &[u8], out: &mut Vec<T>, f: impl FnMut([u8; N]) -> T) {
    out.extend(bytes.as_chunks::<N>().0.iter().copied().map(f));
}

dispatched! {
    fn cut_u8(bytes: &[u8], _width: usize, out: &mut Vec<u8>) -> Result<(), Malformed> {
        each(bytes, out, |[low, _, _, _]| low);
        Ok(())
    }

    fn cut_u16(bytes: &[u8], _width: usize, out: &mut Vec<u16>) -> Result<(), Malformed> {
        each(bytes, out, |[low, high, _, _]| u16::from_le_bytes([low, high]));
        Ok(())
    }

    fn widen_signed(bytes: &[u8], _width: usize, out: &mut Vec<u64>) -> Result<(), Malformed> {
        each(bytes, out, |value| i64::from(i32::from_le_bytes(value)) as u64);
        Ok(())
    }

    fn widen_unsigned(bytes: &[u8], _width: usize, out: &mut Vec<u64>) -> Result<(), Malformed> {
        each(bytes, out, |value| u64::from(u32::from_le_bytes(value)));
        Ok(())
    }

    fn days_to_milliseconds(bytes: &[u8], _width: usize, out: &mut Vec<u64>) -> Result<(), Malformed> {
        each(bytes, out, |value| (i64::from(i32::from_le_bytes(value)) * 86_400_000) as u64);
        Ok(())
    }

    fn widen_float(bytes: &[u8], _width: usize, out: &mut Vec<u64>) -> Result<(), Malformed> {
        each(bytes, out, |value| f64::from(f32::from_le_bytes(value)).to_bits());
        Ok(())
    }

    /// The nanoseconds of the day as a signed number, the Julian day after it; what overflows wraps.
    fn int96_to[const PER_SECOND: i64](bytes: &[u8], _width: usize, out: &mut Vec<u64>) -> Result<(), Malformed> {
        const JULIAN_DAY_OF_EPOCH: i64 = 2_440_588;
        each(bytes, out, |[a, b, c, d, e, f, g, h, i, j, k, l]: [u8; 12]| {
            let nanoseconds = i64::from_le_bytes([a, b, c, d, e, f, g, h]);
            let day = i64::from(i32::from_le_bytes([i, j, k, l])) - JULIAN_DAY_OF_EPOCH;
            let of_day = nanoseconds / (1_000_000_000 / PER_SECOND);
            day.wrapping_mul(86_400 * PER_SECOND).wrapping_add(of_day) as u64
        });
        Ok(())
    }

    /// The months of an interval, which are its first number; days and milliseconds are dropped.
    fn months(bytes: &[u8], _width: usize, out: &mut Vec<u32>) -> Result<(), Malformed> {
        each(bytes, out, |[a, b, c, d, ..]: [u8; 12]| u32::from_le_bytes([a, b, c, d]));
        Ok(())
    }

    /// The days and milliseconds of an interval; months are dropped.
    fn days_and_milliseconds(bytes: &[u8], _width: usize, out: &mut Vec<u64>) -> Result<(), Malformed> {
        each(bytes, out, |[_, _, _, _, low @ ..]: [u8; 12]| u64::from_le_bytes(low));
        Ok(())
    }
}
