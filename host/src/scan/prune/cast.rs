//! Facts through casts that keep the order of values.

use arrow::datatypes::{DataType, TimeUnit};
use pilaster_kernels::expr::{CastMode, Value};

use crate::scan::matching::widens;
use crate::scan::statistics::Facts;

const DAY_NANOS: i128 = 86_400_000_000_000;

/// What holds for the values of `facts` once they are cast, where the cast keeps their order; none elsewhere. Values that
/// the cast refuses are null or an error, and have no value that a bound could miss.
pub(super) fn facts(facts: &Facts, from: &DataType, to: &DataType, mode: CastMode) -> Option<Facts> {
    let map = Map::of(from, to)?;
    Some(Facts {
        min: facts.min.as_ref().and_then(|min| map.bound(min, i128::div_euclid)),
        max: facts.max.as_ref().and_then(|max| map.bound(max, ceil)),
        nulls: facts.nulls || (mode == CastMode::Try && !widens(from, to)),
        ..facts.clone()
    })
}

fn ceil(value: i128, divisor: i128) -> i128 {
    -(-value).div_euclid(divisor)
}

/// How a cast changes values, up to rounding.
#[derive(Debug, Clone, Copy)]
enum Map {
    Same,
    /// Integers, by a fraction.
    Scale {
        times: i128,
        over: i128,
    },
    Float32,
    Float64,
}

impl Map {
    fn of(from: &DataType, to: &DataType) -> Option<Self> {
        use DataType as D;
        let plain = |data_type: &DataType| match data_type {
            D::Dictionary(_, values) => values.as_ref().clone(),
            other => other.clone(),
        };
        let (from, to) = (plain(from), plain(to));
        if from != to && from.is_temporal() && to.is_temporal() {
            return Self::between_times(&from, &to);
        }
        match (&from, &to) {
            (from, to) if from.is_integer() && to.is_integer() => Some(Map::Same),
            (from, D::Float64) if from.is_integer() => Some(Map::Float64),
            (from, D::Float32) if from.is_integer() => Some(Map::Float32),
            (D::Float32, D::Float64) => Some(Map::Same),
            (D::Float64, D::Float32) => Some(Map::Float32),
            (D::Decimal128(_, from), D::Decimal128(_, to)) => {
                let power = |scale: i16| 10i128.checked_pow(u32::try_from(scale).unwrap_or(0));
                let shift = i16::from(*to) - i16::from(*from);
                Some(Map::Scale { times: power(shift)?, over: power(-shift)? })
            }
            (from, to) => widens(from, to).then_some(Map::Same),
        }
    }

    /// Between dates and timestamps, where a zone shifts nothing.
    fn between_times(from: &DataType, to: &DataType) -> Option<Self> {
        let zoned = |data_type: &DataType| matches!(data_type, DataType::Timestamp(_, Some(_)));
        let (times, over) = (nanos(from)?, nanos(to)?);
        (zoned(from) == zoned(to)).then_some(Map::Scale { times, over })
    }

    /// A bound in the cast's type; `divide` rounds away from the values.
    fn bound(self, value: &Value, divide: fn(i128, i128) -> i128) -> Option<Value> {
        match (self, value) {
            (Map::Same, value) => Some(value.clone()),
            (Map::Scale { times, over }, Value::Integer(value)) => {
                Some(Value::Integer(divide(value.checked_mul(times)?, over)))
            }
            // The same rounding as the cast's, which keeps order.
            (Map::Float64, Value::Integer(value)) => Some(Value::Float(*value as f64)),
            (Map::Float32, Value::Integer(value)) => Some(Value::Float(f64::from(*value as f32))),
            (Map::Float32, Value::Float(value)) => Some(Value::Float(f64::from(*value as f32))),
            _ => None,
        }
    }
}

/// Nanoseconds of a date's or timestamp's unit.
fn nanos(data_type: &DataType) -> Option<i128> {
    match data_type {
        DataType::Date32 => Some(DAY_NANOS),
        DataType::Timestamp(unit, _) => Some(match unit {
            TimeUnit::Second => 1_000_000_000,
            TimeUnit::Millisecond => 1_000_000,
            TimeUnit::Microsecond => 1_000,
            TimeUnit::Nanosecond => 1,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(from: DataType, to: DataType, min: i128, max: i128) -> Option<(Value, Value)> {
        let known =
            Facts { min: Some(Value::Integer(min)), max: Some(Value::Integer(max)), ..Facts::default() };
        facts(&known, &from, &to, CastMode::Strict).and_then(|facts| facts.min.zip(facts.max))
    }

    #[test]
    fn casts_that_keep_order_move_the_bounds_outwards() {
        use DataType as D;
        let integers = |min, max| Some((Value::Integer(min), Value::Integer(max)));
        let micros = || D::Timestamp(TimeUnit::Microsecond, None);
        assert_eq!(bounds(D::Int32, D::Int64, -3, 7), integers(-3, 7));
        assert_eq!(bounds(D::Date32, micros(), 1, 2), integers(86_400_000_000, 172_800_000_000));
        assert_eq!(bounds(micros(), D::Timestamp(TimeUnit::Second, None), -1, 1_000_001), integers(-1, 2));
        assert_eq!(bounds(D::Decimal128(9, 2), D::Decimal128(12, 4), -5, 5), integers(-500, 500));
        assert_eq!(bounds(D::Decimal128(9, 4), D::Decimal128(9, 2), -149, 151), integers(-2, 2));
        let zoned = |unit| D::Timestamp(unit, Some("Europe/Berlin".into()));
        let (millis, nanos) = (TimeUnit::Millisecond, TimeUnit::Nanosecond);
        assert_eq!(bounds(zoned(millis), zoned(nanos), -1, 2), integers(-1_000_000, 2_000_000));
        assert_eq!(bounds(D::Timestamp(millis, None), zoned(millis), 0, 1), None);
        assert_eq!(bounds(D::Time32(TimeUnit::Second), D::Time32(millis), 0, 1), None);
        let floats = Some((Value::Float(-3.0), Value::Float(16_777_216.0)));
        assert_eq!(bounds(D::Int32, D::Float32, -3, 16_777_217), floats);
        for (from, to) in [(D::Int32, D::Utf8), (D::Boolean, D::Int32), (D::Decimal128(9, 2), D::Int64)] {
            assert_eq!(bounds(from, to, 0, 1), None);
        }
    }

    #[test]
    fn a_cast_that_may_fail_may_give_nulls() {
        let known = Facts { nulls: false, ..Facts::default() };
        let nulls = |to: DataType, mode| facts(&known, &DataType::Int32, &to, mode).map(|facts| facts.nulls);
        assert_eq!(nulls(DataType::Int64, CastMode::Try), Some(false));
        assert_eq!(nulls(DataType::Int8, CastMode::Try), Some(true));
        assert_eq!(nulls(DataType::Int8, CastMode::Strict), Some(false));
    }
}
