//! Exact float sums that come back from the device: two fixed-point numbers and flags, rounded once.
//!
//! ```text
//! state:  [flags][positive: limbs words][negative: limbs words]     bit 0 is the smallest subnormal of the type
//! ```
//! The sum of all positive values and the sum of all negated negative ones are exact, so the one rounding here is the
//! only one: the result is the correctly rounded sum, whatever the order of rows. (Kulisch's long accumulator, in `u32`
//! words because WGSL's atomics have no more.)

use crate::aggregate::exact::{Exact, special};
use crate::aggregate::partial::LARGE_SCALE;

/// How a float type lies in its accumulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Accumulator {
    /// Words of each of the two numbers: the type's whole range, and more than 40 bits for carries of as many rows.
    pub limbs: usize,
    /// Exponent of bit 0.
    pub lowest_exponent: i32,
}

/// Float32: values reach from bit 0 (2^-149) to bit 276.
pub(super) const FLOAT32: Accumulator = Accumulator { limbs: 10, lowest_exponent: -149 };
/// Float64: values reach from bit 0 (2^-1074) to bit 2097.
pub(super) const FLOAT64: Accumulator = Accumulator { limbs: 67, lowest_exponent: -1074 };

// From bit 0 to the highest bit of the largest value, and 40 bits for rows.
const _: () = assert!(FLOAT32.limbs * 32 >= 277 + 40 && FLOAT64.limbs * 32 >= 2098 + 40);

impl Accumulator {
    /// Words of a state.
    pub fn words(self) -> usize {
        1 + 2 * self.limbs
    }

    /// The exact sum, and the flags of what is no number.
    pub fn exact(self, state: &[u32]) -> (Exact, u8) {
        let (positive, negative) = state[1..self.words()].split_at(self.limbs);
        let number = |limbs: &[u32]| {
            let mut words = [0; FLOAT64.limbs.div_ceil(2)];
            for (word, limbs) in words.iter_mut().zip(limbs.chunks(2)) {
                *word = limbs.iter().rev().fold(0, |word, &limb| word << 32 | u64::from(limb));
            }
            Exact::from_words(false, &words, self.lowest_exponent)
        };
        (number(positive).minus(&number(negative)), state[0] as u8)
    }

    /// The sum, correctly rounded, in the two parts of [`crate::aggregate::partial::StateColumn::Float`]: the first one where
    /// it is within the range of floats. Any NaN, or infinities of both signs, give NaN. An exact zero is `0.0`.
    pub fn parts(self, state: &[u32]) -> (f64, f64) {
        if let Some(special) = special(state[0] as u8) {
            return (special, 0.0);
        }
        let exact = self.exact(state).0;
        let sum = exact.to_f64();
        if sum.is_finite() { (sum, 0.0) } else { (0.0, exact.scaled(-LARGE_SCALE).to_f64()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::exact::{NAN, power_of_two};

    /// What the device does, on the host: adds a value's significand at its bit.
    fn deposit(accumulator: Accumulator, state: &mut [u32], significand: u64, offset: usize, negative: bool) {
        let first = 1 + if negative { accumulator.limbs } else { 0 };
        let mut addend = u128::from(significand) << (offset % 32);
        let mut at = first + offset / 32;
        while addend != 0 {
            let sum = u64::from(state[at]) + u64::from(addend as u32);
            state[at] = sum as u32;
            addend = (addend >> 32) + u128::from(sum >> 32);
            at += 1;
        }
    }

    fn whole((sum, large): (f64, f64)) -> f64 {
        assert!(sum == 0.0 || large == 0.0, "{sum} and {large}");
        assert!(large.is_finite());
        sum + large * power_of_two(LARGE_SCALE)
    }

    fn sum_of(values: &[f64]) -> f64 {
        let mut state = vec![0; FLOAT64.words()];
        for value in values {
            let bits = value.to_bits();
            let exponent = (bits >> 52 & 0x7ff) as usize;
            let fraction = bits & ((1 << 52) - 1);
            if exponent == 0x7ff {
                state[0] |= if fraction != 0 { u32::from(NAN) } else { 2 << (bits >> 63) };
                continue;
            }
            let significand = fraction | if exponent == 0 { 0 } else { 1 << 52 };
            deposit(FLOAT64, &mut state, significand, exponent.max(1) - 1, value.is_sign_negative());
        }
        whole(FLOAT64.parts(&state))
    }

    #[test]
    fn one_value_comes_back_as_it_is() {
        let mut values = vec![
            0.0,
            1.0,
            -1.5,
            f64::MAX,
            f64::MIN,
            f64::MIN_POSITIVE,
            5e-324,
            -5e-324,
            0.1,
            1e300,
            -2.5e-310,
        ];
        values.extend((-1074..1024).map(power_of_two));
        for value in values {
            assert_eq!(sum_of(&[value]).to_bits(), value.to_bits(), "{value:e}");
        }
        assert_eq!(sum_of(&[-0.0]).to_bits(), 0.0f64.to_bits());
    }

    #[test]
    fn cancels_exactly() {
        assert_eq!(sum_of(&[1e300, 1.0, -1e300]), 1.0);
        assert_eq!(sum_of(&[f64::MAX, f64::MAX, -f64::MAX]), f64::MAX);
        assert_eq!(sum_of(&[f64::MAX, 5e-324, -f64::MAX]), 5e-324);
        assert_eq!(sum_of(&[1.0, -1.0]).to_bits(), 0.0f64.to_bits());
        assert_eq!(sum_of(&[f64::MAX, f64::MAX]), f64::INFINITY);
        assert_eq!(sum_of(&[-f64::MAX, -f64::MAX]), f64::NEG_INFINITY);
    }

    #[test]
    fn ties_go_to_even_and_sticky_bits_break_them() {
        let ulp = f64::EPSILON;
        assert_eq!(sum_of(&[1.0, ulp / 2.0]), 1.0);
        assert_eq!(sum_of(&[1.0 + ulp, ulp / 2.0]), 1.0 + 2.0 * ulp);
        assert_eq!(sum_of(&[1.0, ulp / 2.0, 5e-324]), 1.0 + ulp);
        assert_eq!(sum_of(&[1.0, ulp / 2.0, -5e-324]), 1.0);
        assert_eq!(sum_of(&[-1.0, -ulp / 2.0, -5e-324]), -1.0 - ulp);
        // All ones round up into the next power.
        assert_eq!(sum_of(&[2.0 - ulp, ulp / 2.0]), 2.0);
    }

    #[test]
    fn specials() {
        assert!(sum_of(&[f64::NAN, 1.0]).is_nan());
        assert!(sum_of(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert_eq!(sum_of(&[f64::INFINITY, -1.0]), f64::INFINITY);
        assert_eq!(sum_of(&[f64::NEG_INFINITY, 1.0]), f64::NEG_INFINITY);
    }

    proptest::proptest! {
        /// Against 128-bit integers: values are multiples of 2^-40 below 2^60, so the integer sum is exact, and the
        /// language's conversion of an integer to `f64` rounds to nearest, ties to even.
        #[test]
        fn agrees_with_integer_arithmetic(values in proptest::collection::vec((-(1i64 << 53)..=1i64 << 53, 0u32..48), 0..200)) {
            let floats: Vec<f64> =
                values.iter().map(|&(value, shift)| value as f64 * power_of_two(shift as i32 - 40)).collect();
            let exact: i128 = values.iter().map(|&(value, shift)| i128::from(value) << shift).sum();
            proptest::prop_assert_eq!(sum_of(&floats), exact as f64 * power_of_two(-40));
        }

        #[test]
        fn float32_agrees_with_integer_arithmetic(values in proptest::collection::vec((0u32..1 << 24, 0usize..60, proptest::bool::ANY), 0..100)) {
            let mut state = vec![0; FLOAT32.words()];
            let mut exact = 0i128;
            for (significand, offset, negative) in values {
                deposit(FLOAT32, &mut state, u64::from(significand), offset, negative);
                exact += (i128::from(significand) << offset) * if negative { -1 } else { 1 };
            }
            proptest::prop_assert_eq!(whole(FLOAT32.parts(&state)), exact as f64 * power_of_two(-149));
        }
    }
}
