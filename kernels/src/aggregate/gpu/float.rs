//! Exact float sums that come back from the device: two fixed-point numbers and flags, rounded once.
//!
//! ```text
//! state:  [flags][positive: limbs words][negative: limbs words]     bit 0 is the smallest subnormal of the type
//! ```
//! The sum of all positive values and the sum of all negated negative ones are exact, so the one rounding here is the
//! only one: the result is the correctly rounded sum, whatever the order of rows. (Kulisch's long accumulator, in `u32`
//! words because WGSL's atomics have no more.)

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

/// Flags of `aggregate/float.wgsl`.
pub(super) const FLAG_NAN: u32 = 1;
/// Likewise.
pub(super) const FLAG_POSITIVE_INFINITY: u32 = 2;
/// Likewise.
pub(super) const FLAG_NEGATIVE_INFINITY: u32 = 4;

impl Accumulator {
    /// Words of a state.
    pub fn words(self) -> usize {
        1 + 2 * self.limbs
    }

    /// The sum, correctly rounded. Any NaN, or infinities of both signs, give NaN. An exact zero is `0.0`.
    pub fn sum(self, state: &[u32]) -> f64 {
        let flags = state[0];
        let both = FLAG_POSITIVE_INFINITY | FLAG_NEGATIVE_INFINITY;
        if flags & FLAG_NAN != 0 || flags & both == both {
            return f64::NAN;
        }
        if flags & FLAG_POSITIVE_INFINITY != 0 {
            return f64::INFINITY;
        }
        if flags & FLAG_NEGATIVE_INFINITY != 0 {
            return f64::NEG_INFINITY;
        }
        let (positive, negative) = state[1..self.words()].split_at(self.limbs);
        let is_negative = positive.iter().rev().lt(negative.iter().rev());
        let difference =
            if is_negative { subtract(negative, positive) } else { subtract(positive, negative) };
        let magnitude = round(&difference, self.lowest_exponent);
        if is_negative { -magnitude } else { magnitude }
    }
}

/// `greater - less`, both little-endian and of the same length.
fn subtract(greater: &[u32], less: &[u32]) -> Vec<u32> {
    let mut borrow = 0u64;
    let words = greater.iter().zip(less).map(|(&greater, &less)| {
        let difference = u64::from(greater).wrapping_sub(u64::from(less)).wrapping_sub(borrow);
        borrow = difference >> 63;
        difference as u32
    });
    words.collect()
}

/// `number * 2^lowest_exponent` to the nearest `f64`, ties to even. `lowest_exponent` is at least -1074, so that bit 0
/// is never below the last place of a subnormal.
fn round(number: &[u32], lowest_exponent: i32) -> f64 {
    let Some(top_word) = number.iter().rposition(|&word| word != 0) else { return 0.0 };
    let top = top_word * 32 + 31 - number[top_word].leading_zeros() as usize;
    let last = top.saturating_sub(f64::MANTISSA_DIGITS as usize - 1);
    let bit = |at: usize| u64::from(number[at / 32] >> (at % 32) & 1);
    let mut significand = (last..=top).rev().fold(0u64, |value, at| value << 1 | bit(at));
    if last > 0 && bit(last - 1) == 1 {
        let is_tie = !has_bits_below(number, last - 1);
        significand += u64::from(!is_tie || significand & 1 == 1);
    }
    // Both factors are exact, and so is their product: at most 53 bits, none below 2^-1074. Past the range it is infinite.
    significand as f64 * power_of_two(last as i32 + lowest_exponent)
}

fn has_bits_below(number: &[u32], at: usize) -> bool {
    let (word, bit) = (at / 32, at % 32);
    number[..word].iter().any(|&word| word != 0) || number[word] & ((1u32 << bit) - 1) != 0
}

/// `2^exponent` for exponents from -1074 to 1023.
fn power_of_two(exponent: i32) -> f64 {
    let is_normal = exponent >= f64::MIN_EXP - 1;
    f64::from_bits(if is_normal { ((exponent + 1023) as u64) << 52 } else { 1 << (exponent + 1074) })
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn sum_of(values: &[f64]) -> f64 {
        let mut state = vec![0; FLOAT64.words()];
        for value in values {
            let bits = value.to_bits();
            let exponent = (bits >> 52 & 0x7ff) as usize;
            let fraction = bits & ((1 << 52) - 1);
            if exponent == 0x7ff {
                state[0] |= if fraction != 0 { FLAG_NAN } else { 2 << (bits >> 63) };
                continue;
            }
            let significand = fraction | if exponent == 0 { 0 } else { 1 << 52 };
            deposit(FLOAT64, &mut state, significand, exponent.max(1) - 1, value.is_sign_negative());
        }
        FLOAT64.sum(&state)
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
            proptest::prop_assert_eq!(FLOAT32.sum(&state), exact as f64 * power_of_two(-149));
        }
    }
}
