//! Sums and means: exactly, and how far a backend may be off.

use num_bigint::BigInt;
use pilaster_kernels::aggregate::{Aggregate, AggregateFunction as F, FloatSum};
use pilaster_kernels::expr::OverflowMode;

use super::functions::Answered;
use crate::Datum;
use crate::reference::arithmetic::settle;
use crate::reference::number::{decimal, fits, parts, round, ten, to_f64, to_i128, wrap};
use crate::reference::{Answer, Kind, fails};

/// sum or avg of values, of which there is one at least.
pub(super) fn total(aggregate: &Aggregate, mode: FloatSum, values: &[Datum]) -> Answer<Answered> {
    let mean = aggregate.function == F::Avg;
    let ints: Option<Vec<i128>> =
        values.iter().map(|value| if let Datum::Int(v) = value { Some(*v) } else { None }).collect();
    match ints {
        Some(ints) => exact(aggregate, ints.iter().map(|&v| BigInt::from(v)).sum(), ints.len(), mean),
        None => Ok(float(&floats(values), mean, mode)),
    }
}

/// Values that are floats.
pub(super) fn floats(values: &[Datum]) -> Vec<f64> {
    let float = |value: &Datum| match value {
        Datum::Float(value) => *value,
        other => panic!("{other:?} is no float"),
    };
    values.iter().map(float).collect()
}

fn exact(aggregate: &Aggregate, sum: BigInt, count: usize, mean: bool) -> Answer<Answered> {
    let input = aggregate.operand().expect("a sum has an operand").data_type();
    let to = &aggregate.data_type;
    if !mean {
        // Engines that wrap do so in the machine integer, also beyond a decimal's precision.
        if aggregate.overflow == OverflowMode::Wrap {
            return Ok((Datum::Int(to_i128(&wrap(&sum, to))), None));
        }
        return Ok((settle(&sum, to, aggregate.overflow)?, None));
    }
    let Some((_, scale)) = decimal(&input) else {
        let value = to_f64(&sum, &BigInt::from(count));
        // The sum is rounded to a float, then the quotient.
        return Ok((Datum::Float(value), Some(value.abs() * 2f64.powi(-52))));
    };
    let (_, out) = decimal(to).expect("the average of decimals is a decimal");
    let (mut numerator, mut denominator) = (sum, BigInt::from(count));
    if out >= scale {
        numerator *= ten(out.abs_diff(scale))
    } else {
        denominator *= ten(out.abs_diff(scale))
    }
    let value = round(&numerator, &denominator, aggregate.rounding);
    if fits(&value, to) { Ok((Datum::Int(to_i128(&value)), None)) } else { Err(fails(Kind::Overflow)) }
}

/// Floats: exactly, then, but for reproducible sums, which are the exact one rounded, the bound of the semantics page: `n * 2^-53` of the sum of magnitudes, one rounding more for
/// this reference's own result and one for a division.
pub(super) fn float(values: &[f64], mean: bool, mode: FloatSum) -> Answered {
    let has = |wanted: f64| values.contains(&wanted);
    let (up, down) = (has(f64::INFINITY), has(f64::NEG_INFINITY));
    if values.iter().any(|value| value.is_nan()) || (up && down) {
        return (Datum::Float(f64::NAN), Some(0.0));
    }
    if up || down {
        return (Datum::Float(if up { f64::INFINITY } else { f64::NEG_INFINITY }), Some(0.0));
    }
    let (mut sum, mut magnitudes) = (BigInt::from(0), BigInt::from(0));
    for &value in values {
        let (mantissa, exponent) = parts(value);
        let fixed = mantissa << (exponent + 1074) as usize;
        magnitudes += BigInt::from(fixed.magnitude().clone());
        sum += fixed;
    }
    let unit = BigInt::from(1) << 1074usize;
    let divisor = if mean { &unit * values.len() } else { unit };
    if mode == FloatSum::Reproducible && !mean {
        return (Datum::Float(to_f64(&sum, &divisor)), Some(0.0));
    }
    let bound = to_f64(&(magnitudes * (values.len() + 2)), &(&divisor << 53usize));
    // A division may end among the subnormals.
    (Datum::Float(to_f64(&sum, &divisor)), Some(bound + f64::from_bits(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> f64 {
        match float(values, false, FloatSum::Fast).0 {
            Datum::Float(value) => value,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn float_sums_are_exact() {
        assert_eq!(sum(&[1e308, 1e308, -1e308, -1e308, 3.0]), 3.0);
        assert_eq!(sum(&[1.0, 1e-30, -1.0]), 1e-30);
        assert_eq!(sum(&[f64::MAX, f64::MAX]), f64::INFINITY);
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert_eq!(sum(&[f64::from_bits(1), f64::from_bits(1)]), f64::from_bits(2));
    }
}
