//! Floats on their bits: one NaN, one zero, a total order.

/// `value` with the canonical NaN for every NaN and 0.0 for -0.0.
#[inline]
#[must_use]
pub fn canonical(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value + 0.0 }
}

/// Integer whose order is the total order of the semantics page: NaN greatest and equal to itself, -0.0 = 0.0.
#[inline]
#[must_use]
pub fn to_ordered(value: f64) -> i64 {
    let bits = canonical(value).to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// Inverse of [`to_ordered`].
#[inline]
#[must_use]
pub fn from_ordered(ordered: i64) -> f64 {
    f64::from_bits((ordered ^ (((ordered >> 63) as u64) >> 1) as i64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_total_with_one_nan_and_one_zero() {
        let ascending =
            [f64::NEG_INFINITY, f64::MIN, -1.0, -5e-324, 0.0, 5e-324, 1.0, f64::MAX, f64::INFINITY, f64::NAN];
        assert!(ascending.windows(2).all(|pair| to_ordered(pair[0]) < to_ordered(pair[1])));
        assert_eq!(to_ordered(-0.0), to_ordered(0.0));
        assert_eq!(to_ordered(-f64::NAN), to_ordered(f64::from_bits(0x7ff0_0000_0000_0001)));
        for value in ascending {
            assert_eq!(from_ordered(to_ordered(value)).to_bits(), value.to_bits());
        }
    }
}
