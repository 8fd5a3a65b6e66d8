//! Exact numbers: fractions of big integers, rounded once where a result is wanted.

use std::cmp::Ordering;

use arrow::datatypes::{DataType, TimeUnit};
use num_bigint::{BigInt, Sign};
use pilaster_kernels::expr::{Rounding, value_type};

/// `10^exponent`.
#[must_use]
pub fn ten(exponent: u32) -> BigInt {
    BigInt::from(10).pow(exponent)
}

/// `numerator / denominator` to an integer. `denominator` is positive.
#[must_use]
pub fn round(numerator: &BigInt, denominator: &BigInt, rounding: Rounding) -> BigInt {
    let quotient = numerator / denominator;
    let rest = numerator - &quotient * denominator;
    let twice = BigInt::from(rest.magnitude() * 2u32);
    if rounding == Rounding::Truncate || twice < *denominator {
        return quotient;
    }
    if numerator.sign() == Sign::Minus { quotient - 1 } else { quotient + 1 }
}

/// An unscaled decimal brought from one scale to another.
#[must_use]
pub fn rescale(value: &BigInt, from: i32, to: i32, rounding: Rounding) -> BigInt {
    let factor = ten(from.abs_diff(to));
    if to >= from { value * factor } else { round(value, &factor, rounding) }
}

/// Integer division towards minus infinity, by a positive divisor.
#[must_use]
pub fn floor(value: &BigInt, divisor: &BigInt) -> BigInt {
    let quotient = value / divisor;
    if value.sign() == Sign::Minus && &quotient * divisor != *value { quotient - 1 } else { quotient }
}

/// A finite float as `integer * 2^exponent`.
#[must_use]
pub fn parts(value: f64) -> (BigInt, i32) {
    let bits = value.to_bits();
    let exponent = (bits >> 52 & 0x7ff) as i32;
    let fraction = bits & ((1 << 52) - 1);
    let (mantissa, exponent) =
        if exponent == 0 { (fraction, -1074) } else { (fraction | 1 << 52, exponent - 1075) };
    let mantissa = BigInt::from(mantissa);
    (if bits >> 63 == 1 { -mantissa } else { mantissa }, exponent)
}

/// A finite float as a fraction with a positive denominator.
#[must_use]
pub fn fraction(value: f64) -> (BigInt, BigInt) {
    let (mantissa, exponent) = parts(value);
    if exponent >= 0 {
        (mantissa << exponent as usize, BigInt::from(1))
    } else {
        (mantissa, BigInt::from(1) << (-exponent) as usize)
    }
}

/// The nearest float with `bits` of mantissa and least exponent `least`, ties to even.
fn nearest(numerator: &BigInt, denominator: &BigInt, bits: i64, least: i64) -> f64 {
    if numerator.sign() == Sign::NoSign {
        return 0.0;
    }
    let magnitude = BigInt::from(numerator.magnitude().clone());
    // Exponent such that the quotient has `bits` bits, or fewer where the float would be subnormal.
    let guess = magnitude.bits() as i64 - denominator.bits() as i64 - bits;
    let mut best = None;
    for exponent in (guess - 1).max(least)..=(guess + 1).max(least) {
        let (scaled, divisor) = if exponent >= 0 {
            (magnitude.clone(), denominator << exponent as usize)
        } else {
            (&magnitude << (-exponent) as usize, denominator.clone())
        };
        let quotient = &scaled / &divisor;
        if quotient.bits() as i64 > bits {
            continue;
        }
        let rest: BigInt = (&scaled - &quotient * &divisor) * 2;
        let odd = quotient.bit(0);
        let up = match rest.cmp(&divisor) {
            Ordering::Greater => true,
            Ordering::Equal => odd,
            Ordering::Less => false,
        };
        best = Some((if up { quotient + 1 } else { quotient }, exponent));
        break;
    }
    let (mantissa, exponent) = best.expect("one of three exponents fits");
    let mantissa: u64 = mantissa.try_into().expect("a mantissa fits 64 bits");
    let value = scale_by_two(mantissa as f64, exponent);
    if numerator.sign() == Sign::Minus { -value } else { value }
}

/// `value * 2^exponent`, exact where the result is a float.
fn scale_by_two(mut value: f64, mut exponent: i64) -> f64 {
    while exponent > 1000 {
        value *= 2f64.powi(1000);
        exponent -= 1000;
        if value.is_infinite() {
            return value;
        }
    }
    while exponent < -1000 {
        value *= 2f64.powi(-1000);
        exponent += 1000;
    }
    value * 2f64.powi(exponent as i32)
}

/// The nearest Float64 of a fraction.
#[must_use]
pub fn to_f64(numerator: &BigInt, denominator: &BigInt) -> f64 {
    nearest(numerator, denominator, 53, -1074)
}

/// The nearest Float32 of a fraction, widened; an infinity beyond the largest.
#[must_use]
pub fn to_f32(numerator: &BigInt, denominator: &BigInt) -> f64 {
    let value = nearest(numerator, denominator, 24, -149);
    if value.abs() > f64::from(f32::MAX) { f64::INFINITY.copysign(value) } else { value }
}

/// Precision and scale of a decimal type.
#[must_use]
pub fn decimal(data_type: &DataType) -> Option<(u32, i32)> {
    match value_type(data_type) {
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) => {
            Some((u32::from(*p), i32::from(*s)))
        }
        _ => None,
    }
}

/// Machine bits of an integer-like type and whether it has a sign.
#[must_use]
pub fn machine(data_type: &DataType) -> Option<(u32, bool)> {
    use DataType as T;
    Some(match data_type {
        T::Int8 => (8, true),
        T::Int16 => (16, true),
        T::Int32 | T::Date32 => (32, true),
        T::Decimal32(..) => (32, true),
        T::Decimal64(..) => (64, true),
        T::Decimal128(..) => (128, true),
        T::Int64 | T::Date64 | T::Timestamp(..) | T::Duration(_) => (64, true),
        T::UInt8 => (8, false),
        T::UInt16 => (16, false),
        T::UInt32 => (32, false),
        T::UInt64 => (64, false),
        _ => return None,
    })
}

/// True where an unscaled value is one of the type's.
///
/// # Panics
/// On a type that holds no integers.
#[must_use]
pub fn fits(value: &BigInt, data_type: &DataType) -> bool {
    if let Some((precision, _)) = decimal(data_type) {
        return BigInt::from(value.magnitude().clone()) < ten(precision);
    }
    let (bits, signed) = machine(data_type).expect("an integer type");
    if signed {
        let limit = BigInt::from(1) << (bits - 1) as usize;
        -&limit <= *value && *value < limit
    } else {
        value.sign() != Sign::Minus && value.bits() <= u64::from(bits)
    }
}

/// Two's complement wrapping into an integer type.
///
/// # Panics
/// On a type that holds no integers.
#[must_use]
pub fn wrap(value: &BigInt, data_type: &DataType) -> BigInt {
    let (bits, signed) = machine(data_type).expect("an integer type");
    let modulus = BigInt::from(1) << bits as usize;
    let rest = value - floor(value, &modulus) * &modulus;
    if signed && rest >= (BigInt::from(1) << (bits - 1) as usize) { rest - modulus } else { rest }
}

/// A big integer that is known to fit.
///
/// # Panics
/// Where it does not.
#[must_use]
pub fn to_i128(value: &BigInt) -> i128 {
    value.try_into().expect("values of all types fit 128 bits")
}

/// Units of a time type in a second.
#[must_use]
pub fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn big(value: i128) -> BigInt {
        BigInt::from(value)
    }

    #[test]
    fn floats_round_as_the_machine_does() {
        let mut state = 1u64;
        for _ in 0..2_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let value = (state as i64 as i128) << (state % 60);
            assert_eq!(to_f64(&big(value), &big(1)), value as f64);
            assert_eq!(to_f32(&big(value), &big(1)), f64::from(value as f32));
            let float = f64::from_bits(state);
            if float.is_finite() {
                let (n, d) = fraction(float);
                assert_eq!(to_f64(&n, &d), float);
                assert_eq!(to_f32(&n, &d), f64::from(float as f32), "{float:e}");
            }
        }
        assert_eq!(to_f64(&big(1), &big(3)), 1.0 / 3.0);
        assert_eq!(to_f64(&big(-2), &big(3)), -2.0 / 3.0);
        assert_eq!(to_f64(&fraction(f64::MAX).0, &big(1)), f64::MAX);
        assert_eq!(to_f64(&(fraction(f64::MAX).0 * 2), &big(1)), f64::INFINITY);
        let least = f64::from_bits(1);
        assert_eq!(to_f64(&fraction(least).0, &fraction(least).1), least);
    }

    #[test]
    fn integers_round_and_wrap() {
        let half = Rounding::HalfAwayFromZero;
        assert_eq!(round(&big(5), &big(2), half), big(3));
        assert_eq!(round(&big(-5), &big(2), half), big(-3));
        assert_eq!(round(&big(-5), &big(2), Rounding::Truncate), big(-2));
        assert_eq!(round(&big(-1), &big(3), half), big(0));
        assert_eq!(floor(&big(-1), &big(3)), big(-1));
        assert_eq!(floor(&big(-3), &big(3)), big(-1));
        assert_eq!(wrap(&big(128), &DataType::Int8), big(-128));
        assert_eq!(wrap(&big(-1), &DataType::UInt8), big(255));
        assert!(fits(&big(255), &DataType::UInt8) && !fits(&big(256), &DataType::UInt8));
        assert!(fits(&big(-128), &DataType::Int8) && !fits(&big(128), &DataType::Int8));
        assert!(
            fits(&big(999), &DataType::Decimal128(3, 1)) && !fits(&big(-1000), &DataType::Decimal128(3, 1))
        );
    }
}
