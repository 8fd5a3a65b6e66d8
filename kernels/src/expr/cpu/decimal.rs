//! Quotients and scales of decimals, value by value.

use arrow::datatypes::i256;

use crate::expr::Rounding;
use crate::expr::types::power_of_ten;

/// `dividend / divisor`, rounded; none for zero and for `MIN / -1`.
pub(crate) fn divide(dividend: i128, divisor: i128, rounding: Rounding) -> Option<i128> {
    let quotient = dividend.checked_div(divisor)?;
    let remainder = dividend.checked_rem(divisor)?.unsigned_abs();
    let away = rounding == Rounding::HalfAwayFromZero && remainder >= divisor.unsigned_abs() - remainder;
    let sign = if (dividend < 0) == (divisor < 0) { 1 } else { -1 };
    if away && remainder > 0 { quotient.checked_add(sign) } else { Some(quotient) }
}

/// Likewise for 64 bits and a divisor above one.
pub(super) fn divide_64(dividend: i64, divisor: i64, rounding: Rounding) -> i64 {
    let quotient = dividend.wrapping_div(divisor);
    let remainder = dividend.wrapping_rem(divisor).unsigned_abs();
    let away = rounding == Rounding::HalfAwayFromZero && remainder >= divisor.unsigned_abs() - remainder;
    quotient + i64::from(away && remainder > 0) * dividend.signum()
}

pub(super) fn divide_256(dividend: i256, divisor: i256, rounding: Rounding) -> i256 {
    let quotient = dividend.wrapping_div(divisor);
    let remainder = dividend.wrapping_rem(divisor).wrapping_abs();
    let away = rounding == Rounding::HalfAwayFromZero
        && remainder != i256::ZERO
        && remainder >= divisor.wrapping_abs().wrapping_sub(remainder);
    let same_sign = (dividend < i256::ZERO) == (divisor < i256::ZERO);
    match (away, same_sign) {
        (false, _) => quotient,
        (true, true) => quotient.wrapping_add(i256::ONE),
        (true, false) => quotient.wrapping_sub(i256::ONE),
    }
}

pub(super) fn scale_256(value: i256, exponent: i32) -> Option<i256> {
    value.checked_mul(i256::from_i128(10).checked_pow(u32::try_from(exponent).ok()?)?)
}

/// One value from one decimal scale to another; none beyond 128 bits.
pub(crate) fn rescale_value(value: i128, from: i32, to: i32, rounding: Rounding) -> Option<i128> {
    let factor = power_of_ten(from.abs_diff(to));
    if to >= from {
        return if value == 0 { Some(0) } else { value.checked_mul(factor?) };
    }
    factor.map_or(Some(0), |factor| divide(value, factor, rounding))
}
