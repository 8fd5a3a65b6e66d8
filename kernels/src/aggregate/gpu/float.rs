//! Exact sums of floats and of their squares: fixed-point numbers, rounded once when a result leaves.
//!
//! ```text
//! sum:      [flags][positive: limbs words][negative: limbs words]    bit 0: the lowest bit of the smallest value
//! squares:  [limbs words]                                            bit 0: that of its square
//! ```
//! The sum of all positive values and the sum of all negated negative ones are exact, and so is the sum of squares: what is
//! rounded here is rounded once, whatever the order of rows. (Kulisch's long accumulator, in `u32` words because WGSL's
//! atomics have no more.)
//!
//! Where the exponents of a column were measured when it was packed, numbers are as wide as these and the rows need: 36
//! bytes for a sum of values within 20 binary orders of magnitude. Otherwise they span the type's whole range: 548 bytes
//! for a sum, 536 for squares. Widths are powers of two, so that data decide about few shaders.

use crate::aggregate::exact::{Exact, special};
use crate::aggregate::partial::LARGE_SCALE;

/// A float type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Format {
    F32,
    F64,
}

impl Format {
    fn significand_bits(self) -> u32 {
        match self {
            Format::F32 => 24,
            Format::F64 => 53,
        }
    }

    /// Least and greatest exponent of finite values, as their bits have it; 1 for subnormals.
    fn exponents(self) -> (u32, u32) {
        match self {
            Format::F32 => (1, 0xfe),
            Format::F64 => (1, 0x7fe),
        }
    }

    /// Exponent of the lowest bit of values of exponent 1.
    fn lowest(self) -> i32 {
        match self {
            Format::F32 => -149,
            Format::F64 => -1074,
        }
    }
}

/// A fixed-point number for the sum of some rows' values, or of their squares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Accumulator {
    pub format: Format,
    /// Words of the number.
    pub limbs: usize,
    /// The least exponent that a value has, as its bits have it.
    pub base: u32,
    /// 1 for values, 2 for squares.
    factors: u32,
}

/// Fewer words would save little.
const LEAST_LIMBS: usize = 4;

const MOST_LIMBS: usize = most_limbs(53, 2045, 2);

/// Words for values of a whole type, and 64 bits for carries of as many rows.
const fn most_limbs(significand_bits: u32, exponents: u32, factors: u32) -> usize {
    (factors * (significand_bits + exponents) + 64).div_ceil(32) as usize
}

impl Accumulator {
    /// For `rows` values with `exponents`, or with any.
    pub fn of_values(format: Format, exponents: Option<(u32, u32)>, rows: u64) -> Self {
        Self::new(format, exponents, rows, 1)
    }

    /// For the squares of `rows` values with `exponents`, or with any.
    pub fn of_squares(format: Format, exponents: Option<(u32, u32)>, rows: u64) -> Self {
        Self::new(format, exponents, rows, 2)
    }

    fn new(format: Format, exponents: Option<(u32, u32)>, rows: u64, factors: u32) -> Self {
        let (low, high) = format.exponents();
        let (least, greatest) = exponents.unwrap_or((low, high));
        let bits =
            factors * (format.significand_bits() + greatest - least) + (u64::BITS - rows.leading_zeros());
        let limbs = (bits.div_ceil(32) as usize).next_power_of_two().max(LEAST_LIMBS);
        let most = most_limbs(format.significand_bits(), high - low, factors);
        Accumulator { format, limbs: limbs.min(most), base: least, factors }
    }

    fn number(self, limbs: &[u32]) -> Exact {
        let mut words = [0; MOST_LIMBS.div_ceil(2)];
        for (word, limbs) in words.iter_mut().zip(limbs.chunks(2)) {
            *word = limbs.iter().rev().fold(0, |word, &limb| word << 32 | u64::from(limb));
        }
        let lowest = self.format.lowest() + self.base as i32 - 1;
        Exact::from_words(false, &words, self.factors as i32 * lowest)
    }

    /// Words of a sum of values.
    pub fn sum_words(self) -> usize {
        1 + 2 * self.limbs
    }

    /// The exact sum of values, and the flags of what is no number.
    pub fn exact(self, state: &[u32]) -> (Exact, u8) {
        let (positive, negative) = state[1..self.sum_words()].split_at(self.limbs);
        (self.number(positive).minus(&self.number(negative)), state[0] as u8)
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

    /// The exact sum of squares.
    pub fn squares(self, state: &[u32]) -> Exact {
        self.number(&state[..self.limbs])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::exact::{NAN, power_of_two};

    /// What the device does, on the host: adds a magnitude at its bit.
    fn deposit(number: &mut [u32], magnitude: u128, offset: u32) {
        let mut at = offset as usize / 32;
        let (mut low, mut high) = (magnitude << (offset % 32), magnitude >> 1 >> (127 - offset % 32));
        let mut carry = 0;
        while low != 0 || high != 0 || carry != 0 {
            let sum = u64::from(number[at]) + u64::from(low as u32) + carry;
            number[at] = sum as u32;
            carry = sum >> 32;
            (low, high) = (low >> 32 | high << 96, high >> 32);
            at += 1;
        }
    }

    fn whole((sum, large): (f64, f64)) -> f64 {
        assert!(sum == 0.0 || large == 0.0, "{sum} and {large}");
        assert!(large.is_finite());
        sum + large * power_of_two(LARGE_SCALE)
    }

    /// Values that are no number left out: significand, exponent as the bits have it.
    fn parts(value: f64) -> Option<(u128, u32)> {
        let bits = value.to_bits();
        let exponent = (bits >> 52 & 0x7ff) as u32;
        let significand = bits & ((1 << 52) - 1) | u64::from(exponent != 0) << 52;
        (exponent != 0x7ff).then_some((significand.into(), exponent.max(1)))
    }

    fn exponents(values: &[f64]) -> Option<(u32, u32)> {
        let exponents =
            values.iter().filter(|value| **value != 0.0).filter_map(|&value| Some(parts(value)?.1));
        Some((exponents.clone().min().unwrap_or(1), exponents.max().unwrap_or(1)))
    }

    /// The sum, and the sum of squares, in a number as wide as these values need, and in the widest.
    fn sums(values: &[f64]) -> [(f64, Exact); 2] {
        [exponents(values), None].map(|exponents| {
            let rows = values.len() as u64;
            let sum = Accumulator::of_values(Format::F64, exponents, rows);
            let squares = Accumulator::of_squares(Format::F64, exponents, rows);
            let (mut state, mut squared) = (vec![0; sum.sum_words()], vec![0; squares.limbs]);
            for &value in values {
                let Some((significand, exponent)) = parts(value) else {
                    state[0] |= if value.is_nan() { u32::from(NAN) } else { 2 << u32::from(value < 0.0) };
                    continue;
                };
                if significand > 0 {
                    let first = 1 + if value.is_sign_negative() { sum.limbs } else { 0 };
                    deposit(&mut state[first..][..sum.limbs], significand, exponent - sum.base);
                    deposit(&mut squared, significand * significand, 2 * (exponent - squares.base));
                }
            }
            (whole(sum.parts(&state)), squares.squares(&squared))
        })
    }

    fn sum_of(values: &[f64]) -> f64 {
        let [(narrow, narrow_squares), (wide, wide_squares)] = sums(values);
        assert_eq!(narrow.to_bits(), wide.to_bits());
        assert_eq!(narrow_squares.minus(&wide_squares).to_f64(), 0.0);
        wide
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

        /// Squares against products of exact numbers, which the CPU's sums are made of.
        #[test]
        fn squares_are_products(values in proptest::collection::vec(-1e200..1e200f64, 0..40), scale in -250..1i32) {
            let values: Vec<f64> = values.iter().map(|value| value * power_of_two(scale)).collect();
            let square = |&value: &f64| Exact::<104>::from_f64(value).times(&Exact::from_f64(value));
            let expected = values.iter().map(square).fold(Exact::ZERO, |sum, square| sum.plus(&square));
            for (_, squares) in sums(&values) {
                proptest::prop_assert!(squares.minus(&expected).is_zero());
            }
        }

        #[test]
        fn float32_agrees_with_integer_arithmetic(values in proptest::collection::vec((0u32..1 << 24, 0u32..60, proptest::bool::ANY), 0..100)) {
            let sum = Accumulator::of_values(Format::F32, None, 100);
            let mut state = vec![0; sum.sum_words()];
            let mut exact = 0i128;
            for (significand, offset, negative) in values {
                let first = 1 + if negative { sum.limbs } else { 0 };
                deposit(&mut state[first..][..sum.limbs], significand.into(), offset);
                exact += (i128::from(significand) << offset) * if negative { -1 } else { 1 };
            }
            proptest::prop_assert_eq!(whole(sum.parts(&state)), exact as f64 * power_of_two(-149));
        }
    }

    /// The largest values of the widest range fill a number, and no more.
    #[test]
    fn numbers_have_room_for_all_rows() {
        for (format, exponents) in [
            (Format::F64, Some((1000, 1010))),
            (Format::F64, Some((1, 1))),
            (Format::F64, None),
            (Format::F32, Some((1, 254))),
            (Format::F32, Some((127, 140))),
            (Format::F32, None),
        ] {
            for rows in [1, 1000, (1 << 20) - 1, 1 << 20, u64::MAX] {
                for (sums, factors) in [
                    (Accumulator::of_values(format, exponents, rows), 1),
                    (Accumulator::of_squares(format, exponents, rows), 2),
                ] {
                    let (least, greatest) = exponents.unwrap_or(format.exponents());
                    let row_bits = u64::BITS - rows.leading_zeros();
                    let bits = factors * (format.significand_bits() + greatest - least) + row_bits;
                    assert!(sums.limbs * 32 >= bits as usize && sums.limbs <= MOST_LIMBS);
                }
            }
        }
        let usual = Accumulator::of_values(Format::F64, Some((1010, 1030)), 1 << 22);
        assert_eq!((usual.limbs, usual.sum_words()), (4, 9));
        assert_eq!(Accumulator::of_squares(Format::F64, Some((1010, 1030)), 1 << 22).limbs, 8);
        assert_eq!(Accumulator::of_values(Format::F64, None, 1).limbs, 68);
        assert_eq!(Accumulator::of_squares(Format::F64, None, 1).limbs, 134);
    }
}
