//! Casts of one row.

use arrow::datatypes::DataType;
use num_bigint::BigInt;
use pilaster_kernels::expr::{CastMode, Rounding, value_type};

use super::number::{
    decimal, fits, floor, fraction, per_second, rescale, round, ten, to_f32, to_f64, to_i128,
};
use super::{Answer, Kind, fails};
use crate::Datum;

const DAY: i64 = 86_400;

/// `CAST(input AS to)`; `TRY_CAST` by mode.
pub(super) fn cast(input: &Datum, from: &DataType, to: &DataType, mode: CastMode) -> Answer<Datum> {
    if input.is_null() {
        return Ok(Datum::Null);
    }
    match (convert(input, value_type(from), value_type(to)), mode) {
        (Some(value), _) => Ok(value),
        (None, CastMode::Try) => Ok(Datum::Null),
        (None, CastMode::Strict) => Err(fails(Kind::Cast)),
    }
}

/// The value in the other type; none where it has no counterpart.
fn convert(input: &Datum, from: &DataType, to: &DataType) -> Option<Datum> {
    let int = |value: BigInt| fits(&value, to).then(|| Datum::Int(to_i128(&value)));
    match (input, to) {
        (Datum::Bytes(_), _) => Some(input.clone()),
        (Datum::List(_), _) => panic!("the tests cast no lists"),
        (Datum::Bool(_), DataType::Boolean) => Some(input.clone()),
        (Datum::Bool(value), DataType::Float32 | DataType::Float64) => {
            Some(Datum::Float(f64::from(u8::from(*value))))
        }
        (Datum::Bool(value), _) => int(BigInt::from(*value)),
        (Datum::Int(value), DataType::Boolean) => Some(Datum::Bool(*value != 0)),
        (Datum::Float(value), DataType::Boolean) => Some(Datum::Bool(value.is_nan() || *value != 0.0)),
        (Datum::Float(value), DataType::Float64) => Some(Datum::Float(*value)),
        (Datum::Float(value), DataType::Float32) => {
            let narrow = *value as f32;
            (!value.is_finite() || narrow.is_finite()).then(|| Datum::Float(f64::from(narrow)))
        }
        (Datum::Int(value), DataType::Float32 | DataType::Float64) => {
            let scale = decimal(from).map_or(0, |(_, scale)| scale);
            let (mut numerator, mut denominator) = (BigInt::from(*value), BigInt::from(1));
            if scale >= 0 {
                denominator = ten(scale.unsigned_abs())
            } else {
                numerator *= ten(scale.unsigned_abs())
            }
            let nearest = if to == &DataType::Float32 { to_f32 } else { to_f64 };
            Some(Datum::Float(nearest(&numerator, &denominator)))
        }
        (Datum::Float(value), _) if !value.is_finite() => None,
        (Datum::Float(value), _) => match decimal(to) {
            None => {
                let (numerator, denominator) = fraction(value.round_ties_even());
                int(numerator / denominator)
            }
            Some((_, scale)) => {
                let (mut numerator, mut denominator) = fraction(*value);
                if scale >= 0 {
                    numerator *= ten(scale.unsigned_abs())
                } else {
                    denominator *= ten(scale.unsigned_abs())
                }
                int(round(&numerator, &denominator, Rounding::HalfAwayFromZero))
            }
        },
        (Datum::Int(value), _) => int(integer(&BigInt::from(*value), from, to)),
        (Datum::Null, _) => Some(Datum::Null),
    }
}

/// Between stored integers: decimals by scale, times by unit, everything else as it is.
fn integer(value: &BigInt, from: &DataType, to: &DataType) -> BigInt {
    let is_decimal = |data_type| decimal(data_type).is_some();
    if is_decimal(from) || is_decimal(to) {
        let scale = |data_type| decimal(data_type).map_or(0, |(_, scale)| scale);
        return rescale(value, scale(from), scale(to), Rounding::HalfAwayFromZero);
    }
    // A day holds this many units, for dates and timestamps.
    let per_day = |data_type: &DataType| match data_type {
        DataType::Date32 => Some(1),
        DataType::Date64 => Some(DAY * 1_000),
        DataType::Timestamp(unit, _) => Some(DAY * per_second(*unit)),
        _ => None,
    };
    match (per_day(from), per_day(to)) {
        (Some(from), Some(to)) => floor(&(value * to), &BigInt::from(from)),
        _ => value.clone(),
    }
}
