//! Percentiles, by sorting all values.

use std::cmp::Ordering;

use num_bigint::BigInt;
use pilaster_kernels::aggregate::Aggregate;

use super::functions::Answered;
use super::sums::floats;
use crate::Datum;
use crate::reference::number::{decimal, fits, fraction, round, ten, to_f64, to_i128};
use crate::reference::{Answer, Kind, fails};

fn sorted(values: &[Datum]) -> Vec<Datum> {
    let mut values = values.to_vec();
    values.sort_by(Datum::order);
    values
}

/// The first value up to which there are `share` of the values at least.
pub(super) fn discrete(values: &[Datum], share: f64) -> Datum {
    let rank = (share * values.len() as f64).ceil() as usize;
    sorted(values)[rank.max(1) - 1].clone()
}

/// Between the two values around `share * (n - 1)`.
pub(super) fn continuous(aggregate: &Aggregate, values: Vec<Datum>, share: f64) -> Answer<Answered> {
    let values = sorted(&values);
    let place = share * (values.len() - 1) as f64;
    let rest = place.fract();
    let low = values[place as usize].clone();
    let high = values.get(place as usize + 1).cloned().unwrap_or_else(|| low.clone());
    let to = &aggregate.data_type;
    let from = aggregate.operand().expect("a percentile has an operand").data_type();
    match (low, high) {
        (Datum::Float(low), Datum::Float(high)) => Ok(between_floats(low, high, rest)),
        (Datum::Int(low), Datum::Int(high)) => {
            let scale = decimal(&from).map_or(0, |(_, scale)| scale);
            // In steps of 2^-53.
            let steps = BigInt::from((rest * 2f64.powi(53)).round() as i128);
            let one = BigInt::from(1) << 53usize;
            let numerator = BigInt::from(low) * &one + (BigInt::from(high) - low) * steps;
            if to.is_floating() {
                let value = to_f64(&numerator, &(one * ten(scale as u32)));
                let size = to_f64(&(BigInt::from(low.abs()) + high.abs()), &ten(scale as u32));
                return Ok((Datum::Float(value), Some(size * 2f64.powi(-50))));
            }
            let digits = decimal(to).map_or(0, |(_, scale)| scale) - scale;
            let value = if digits >= 0 {
                round(&(numerator * ten(digits as u32)), &one, aggregate.rounding)
            } else {
                round(&numerator, &(one * ten(digits.unsigned_abs())), aggregate.rounding)
            };
            if fits(&value, to) {
                Ok((Datum::Int(to_i128(&value)), None))
            } else {
                Err(fails(Kind::Overflow))
            }
        }
        other => panic!("no percentile between {other:?}"),
    }
}

/// Exactly, rounded once, where both are finite.
fn between_floats(low: f64, high: f64, rest: f64) -> Answered {
    if rest == 0.0 || low == high {
        return (Datum::Float(low), Some(0.0));
    }
    if !(low.is_finite() && high.is_finite()) {
        let value = match (low == f64::NEG_INFINITY, high) {
            (_, high) if high.is_nan() => f64::NAN,
            (true, f64::INFINITY) => f64::NAN,
            (true, _) => f64::NEG_INFINITY,
            (false, _) => f64::INFINITY,
        };
        return (Datum::Float(value), Some(0.0));
    }
    let [(a, b), (c, d), (e, f)] = [low, high, rest].map(fraction);
    // a/b + (c/d - a/b) * e/f
    let numerator = &a * &d * &f + (&c * &b - &a * &d) * &e;
    let value = to_f64(&numerator, &(b * d * f));
    let within = low.abs() * 2f64.powi(-51) + high.abs() * 2f64.powi(-51);
    (Datum::Float(value), Some(within + f64::from_bits(1)))
}

/// The discrete percentile, exact where values are few; else within the bound of the histogram: so many bits of the
/// mantissa as there are buckets for each power of two that occurs.
pub(super) fn approximate(aggregate: &Aggregate, values: &[Datum], share: f64) -> Answered {
    let from = aggregate.operand().expect("a percentile has an operand").data_type();
    let scale = decimal(&from).map_or(0, |(_, scale)| scale);
    let float = |value: &Datum| match value {
        Datum::Int(value) => Datum::Float(to_f64(&BigInt::from(*value), &ten(scale as u32))),
        other => other.canonical(),
    };
    let values: Vec<Datum> = values.iter().map(float).collect();
    let Datum::Float(exact) = discrete(&values, share) else { panic!("a float became none") };
    let mut known = floats(&sorted(&values));
    known.dedup_by(|a, b| a.total_cmp(b) == Ordering::Equal);
    // Integers beyond 2^53 and decimals are rounded to a float, decimals by a division more.
    let conversion = if from.is_floating() { 0.0 } else { exact.abs() * 2f64.powi(-51) };
    if known.len() <= 4096 {
        return (Datum::Float(exact), Some(conversion));
    }
    let mut octaves: Vec<u64> = known.iter().map(|value| value.to_bits() >> 52).collect();
    octaves.dedup();
    let bits = (4096 / octaves.len()).ilog2();
    let least = f64::MIN_POSITIVE;
    (Datum::Float(exact), Some(conversion + exact.abs().max(least) * 0.5f64.powi(bits as i32)))
}
