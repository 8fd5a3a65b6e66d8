//! What the operators ask about a type: its family, its bounds, its digits.

use arrow::datatypes::{DataType, TimeUnit};

use crate::error::{Backend, Error, Result};

use super::range::Range;

/// The type whose values a column shows: a dictionary stands for its values.
///
/// ```
/// use arrow::datatypes::DataType;
/// use pilaster_kernels::expr::value_type;
///
/// let codes = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
/// assert_eq!(value_type(&codes), &DataType::Utf8);
/// ```
#[must_use]
pub fn value_type(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, values) => value_type(values),
        other => other,
    }
}

/// Types whose values compare with each other belong to one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Null,
    Boolean,
    Integer,
    Float,
    Decimal { scale: i8 },
    Date32,
    Date64,
    Time(TimeUnit),
    Timestamp(TimeUnit),
    Duration(TimeUnit),
    Text,
    Binary,
}

pub(crate) fn family(data_type: &DataType) -> Result<Family> {
    use DataType as T;
    Ok(match value_type(data_type) {
        T::Null => Family::Null,
        T::Boolean => Family::Boolean,
        T::Int8 | T::Int16 | T::Int32 | T::Int64 => Family::Integer,
        T::UInt8 | T::UInt16 | T::UInt32 | T::UInt64 => Family::Integer,
        T::Float32 | T::Float64 => Family::Float,
        T::Decimal32(_, scale) | T::Decimal64(_, scale) | T::Decimal128(_, scale) => {
            Family::Decimal { scale: *scale }
        }
        T::Date32 => Family::Date32,
        T::Date64 => Family::Date64,
        T::Time32(unit) | T::Time64(unit) => Family::Time(*unit),
        T::Timestamp(unit, _) => Family::Timestamp(*unit),
        T::Duration(unit) => Family::Duration(*unit),
        T::Utf8 | T::LargeUtf8 | T::Utf8View => Family::Text,
        T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => Family::Binary,
        other => return Err(Error::unsupported(format!("{other} in an expression"), Backend::Cpu)),
    })
}

/// True where an array of either type may stand for the other without changing a value.
pub(crate) fn same_type(left: &DataType, right: &DataType) -> bool {
    let (left, right) = (value_type(left), value_type(right));
    if left == right {
        return true;
    }
    match (family(left), family(right)) {
        (Ok(Family::Decimal { .. }), Ok(Family::Decimal { .. })) => digits(left) == digits(right),
        (Ok(a @ (Family::Text | Family::Binary | Family::Timestamp(_))), Ok(b)) => a == b,
        _ => false,
    }
}

/// Precision and scale of a decimal.
pub(crate) fn digits(data_type: &DataType) -> Option<(u8, i8)> {
    match value_type(data_type) {
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) => Some((*p, *s)),
        _ => None,
    }
}

/// Values that an integer-like type (integers, decimals unscaled, dates, times, timestamps, durations) can hold; none
/// for other types.
///
/// ```
/// use arrow::datatypes::DataType;
/// use pilaster_kernels::expr::{range::Range, type_bounds};
///
/// assert_eq!(type_bounds(&DataType::Decimal128(3, 1)), Some(Range { min: -999, max: 999 }));
/// ```
#[must_use]
pub fn type_bounds(data_type: &DataType) -> Option<Range> {
    use DataType as T;
    let signed = |bits: u32| Range { min: -(1 << (bits - 1)), max: (1 << (bits - 1)) - 1 };
    let unsigned = |bits: u32| Range { min: 0, max: (1 << bits) - 1 };
    Some(match value_type(data_type) {
        T::Int8 => signed(8),
        T::Int16 => signed(16),
        T::Int32 | T::Date32 | T::Time32(_) => signed(32),
        T::Int64 | T::Date64 | T::Time64(_) | T::Timestamp(..) | T::Duration(_) => signed(64),
        T::UInt8 => unsigned(8),
        T::UInt16 => unsigned(16),
        T::UInt32 => unsigned(32),
        T::UInt64 => unsigned(64),
        T::Decimal32(p, _) | T::Decimal64(p, _) | T::Decimal128(p, _) => {
            let max = power_of_ten(u32::from(*p))? - 1;
            Range { min: -max, max }
        }
        _ => return None,
    })
}

/// `10^exponent` where it fits.
pub(crate) fn power_of_ten(exponent: u32) -> Option<i128> {
    10i128.checked_pow(exponent)
}

/// Units of a time type in a second.
pub(crate) fn units_per_second(unit: TimeUnit) -> i128 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// Runs `$body` with `$native` as the Arrow primitive type behind an integer-like `DataType`, or `$otherwise`.
macro_rules! with_integer_type {
    ($data_type:expr, $native:ident => $body:expr, else $otherwise:expr) => {{
        use arrow::datatypes as types;
        use arrow::datatypes::{DataType as D, TimeUnit as U};
        macro_rules! run {
            ($t:ty) => {{
                type $native = $t;
                $body
            }};
        }
        match $data_type {
            D::Int8 => run!(types::Int8Type),
            D::Int16 => run!(types::Int16Type),
            D::Int32 => run!(types::Int32Type),
            D::Int64 => run!(types::Int64Type),
            D::UInt8 => run!(types::UInt8Type),
            D::UInt16 => run!(types::UInt16Type),
            D::UInt32 => run!(types::UInt32Type),
            D::UInt64 => run!(types::UInt64Type),
            D::Decimal32(..) => run!(types::Decimal32Type),
            D::Decimal64(..) => run!(types::Decimal64Type),
            D::Decimal128(..) => run!(types::Decimal128Type),
            D::Date32 => run!(types::Date32Type),
            D::Date64 => run!(types::Date64Type),
            D::Time32(U::Second) => run!(types::Time32SecondType),
            D::Time32(U::Millisecond) => run!(types::Time32MillisecondType),
            D::Time64(U::Microsecond) => run!(types::Time64MicrosecondType),
            D::Time64(U::Nanosecond) => run!(types::Time64NanosecondType),
            D::Timestamp(U::Second, _) => run!(types::TimestampSecondType),
            D::Timestamp(U::Millisecond, _) => run!(types::TimestampMillisecondType),
            D::Timestamp(U::Microsecond, _) => run!(types::TimestampMicrosecondType),
            D::Timestamp(U::Nanosecond, _) => run!(types::TimestampNanosecondType),
            D::Duration(U::Second) => run!(types::DurationSecondType),
            D::Duration(U::Millisecond) => run!(types::DurationMillisecondType),
            D::Duration(U::Microsecond) => run!(types::DurationMicrosecondType),
            D::Duration(U::Nanosecond) => run!(types::DurationNanosecondType),
            _ => $otherwise,
        }
    }};
}
pub(crate) use with_integer_type;

/// A machine integer that holds values of an integer-like type.
pub(crate) trait Integer: Copy + Send + Sync + 'static {
    /// Exactly.
    fn widen(self) -> i128;
    /// Keeps the low bits.
    fn truncate(value: i128) -> Self;
}

macro_rules! integer {
    ($($t:ty),*) => {$(
        impl Integer for $t {
            #[inline(always)]
            fn widen(self) -> i128 {
                self as i128
            }
            #[inline(always)]
            fn truncate(value: i128) -> Self {
                value as $t
            }
        }
    )*};
}
integer!(i8, i16, i32, i64, i128, u8, u16, u32, u64);
