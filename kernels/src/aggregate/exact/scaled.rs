//! What is made of exact numbers: quotients and roots with 64 bits.

use super::{Exact, round};

/// `+-mantissa * 2^exponent` with the highest bit of `mantissa` set, or zero. Each operation cuts off below the 64th bit,
/// a relative error of less than `2^-63`; a result that takes eight of them is within `2^-60`, which is 2^-7 of the last
/// place of a float, beside the final rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scaled {
    pub(super) negative: bool,
    pub(super) mantissa: u64,
    pub(super) exponent: i32,
}

/// The greatest power of ten in 128 bits.
const POWERS_OF_TEN: u32 = 38;

impl Scaled {
    fn new(negative: bool, value: u128, exponent: i32) -> Self {
        let shift = value.leading_zeros();
        if value == 0 {
            return Self { negative: false, mantissa: 0, exponent: 0 };
        }
        Self { negative, mantissa: (value << shift >> 64) as u64, exponent: exponent + 64 - shift as i32 }
    }

    pub(crate) fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    #[must_use]
    pub(crate) fn times(self, other: Self) -> Self {
        let product = u128::from(self.mantissa) * u128::from(other.mantissa);
        Self::new(self.negative != other.negative, product, self.exponent + other.exponent)
    }

    /// The quotient; zero where `divisor` is zero, which callers rule out.
    #[must_use]
    pub(crate) fn over(self, divisor: Self) -> Self {
        let quotient = (u128::from(self.mantissa) << 64).checked_div(divisor.mantissa.into()).unwrap_or(0);
        Self::new(self.negative != divisor.negative, quotient, self.exponent - 64 - divisor.exponent)
    }

    /// This over `10^digits`.
    #[must_use]
    pub(crate) fn decimal(self, digits: i32) -> Self {
        let (mut left, mut result) = (digits.unsigned_abs(), self);
        while left > 0 {
            let step = left.min(POWERS_OF_TEN);
            let power = Self::new(false, 10u128.pow(step), 0);
            result = if digits > 0 { result.over(power) } else { result.times(power) };
            left -= step;
        }
        result
    }

    /// The square root of the magnitude.
    #[must_use]
    pub(crate) fn root(self) -> Self {
        let odd = self.exponent.rem_euclid(2);
        // 127 or 128 bits, so that the root has 64.
        let (value, exponent) = match odd {
            0 => (u128::from(self.mantissa) << 64, self.exponent - 64),
            _ => (u128::from(self.mantissa) << 63, self.exponent - 63),
        };
        Self::new(false, value.isqrt(), exponent / 2)
    }

    /// The nearest float.
    pub(crate) fn to_f64(self) -> f64 {
        if self.mantissa == 0 {
            return 0.0;
        }
        let magnitude = round(u128::from(self.mantissa) << 64, false, self.exponent - 64);
        if self.negative { -magnitude } else { magnitude }
    }
}

impl<const N: usize> From<&Exact<N>> for Scaled {
    fn from(value: &Exact<N>) -> Self {
        value.top().map_or(Self::new(false, 0, 0), |top| Self::new(value.negative, top.top, top.exponent))
    }
}

impl From<u64> for Scaled {
    fn from(value: u64) -> Self {
        Self::new(false, value.into(), 0)
    }
}
