//! Exact numbers that sums of floats, and of their products, are: `integer * 2^exponent`, rounded once at the end.
//!
//! ```text
//! value = +-(words[0] + words[1] * 2^64 + ...) * 2^exponent
//! ```
//! A sum of floats needs at most 34 words, a sum of products of two floats 67, and what variances and regressions make of
//! them 101; all lie inline, since a number is made per group. Only the words in use are touched.

use arrow::datatypes::i256;

mod encode;
mod scaled;
#[cfg(test)]
mod tests;
mod words;

pub(crate) use encode::{decode, encoded, states};
pub(crate) use scaled::Scaled;

/// Flags of what a sum has met beside numbers; those of `aggregate/float.wgsl`.
pub(crate) const NAN: u8 = 1;
/// Likewise.
pub(crate) const PLUS_INFINITY: u8 = 2;
/// Likewise.
pub(crate) const MINUS_INFINITY: u8 = 4;

/// What a sum is because of its flags; none where there are none.
pub(crate) fn special(flags: u8) -> Option<f64> {
    match flags {
        0 => None,
        PLUS_INFINITY => Some(f64::INFINITY),
        MINUS_INFINITY => Some(f64::NEG_INFINITY),
        _ => Some(f64::NAN),
    }
}

/// Words that the greatest number met can have: a sum of floats times a sum of products.
const MOST_WORDS: usize = 104;

/// An exact number of at most `N` words.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exact<const N: usize = MOST_WORDS> {
    negative: bool,
    /// Words in use: the highest is not zero. None for zero.
    len: usize,
    exponent: i32,
    words: [u64; N],
}

/// The top of a number: `(top + fraction) * 2^exponent`, with the highest bit of `top` set and `0 <= fraction < 1`.
struct Top {
    top: u128,
    inexact: bool,
    exponent: i32,
}

impl<const N: usize> Exact<N> {
    pub(crate) const ZERO: Self = Self { negative: false, len: 0, exponent: 0, words: [0; N] };

    /// The number whose magnitude is `words`, lowest first.
    pub(crate) fn from_words(negative: bool, words: &[u64], exponent: i32) -> Self {
        let low = words.iter().take_while(|&&word| word == 0).count();
        let used = words::trimmed(words.get(low..).unwrap_or_default());
        let mut number = Self { negative, len: used.len(), ..Self::ZERO };
        if number.len > 0 {
            number.words[..used.len()].copy_from_slice(used);
            number.exponent = exponent + 64 * low as i32;
        } else {
            number.negative = false;
        }
        number
    }

    /// A two's complement number, lowest word first.
    pub(crate) fn from_signed(words: &[u64], exponent: i32) -> Self {
        let negative = words.last().is_some_and(|&word| word >> 63 == 1);
        if !negative {
            return Self::from_words(false, words, exponent);
        }
        let mut magnitude = [0; N];
        let magnitude = &mut magnitude[..words.len()];
        magnitude.copy_from_slice(words);
        words::negate(magnitude);
        Self::from_words(true, magnitude, exponent)
    }

    pub(crate) fn from_i256(value: i256, exponent: i32) -> Self {
        let (low, high) = value.to_parts();
        let words = [low as u64, (low >> 64) as u64, high as u64, (high >> 64) as u64];
        Self::from_signed(&words, exponent)
    }

    pub(crate) fn from_u64(value: u64) -> Self {
        Self::from_words(false, &[value], 0)
    }

    /// A finite float.
    pub(crate) fn from_f64(value: f64) -> Self {
        let bits = value.to_bits();
        let biased = (bits >> 52 & 0x7ff) as i32;
        let significand = bits & ((1 << 52) - 1) | u64::from(biased != 0) << 52;
        Self::from_words(value.is_sign_negative(), &[significand], biased.max(1) - 1075)
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn is_negative(&self) -> bool {
        self.negative
    }

    /// Exponents of the lowest and the highest bit that is set; of no meaning for zero.
    pub(crate) fn bits(&self) -> (i32, i32) {
        let low = self.words[0].trailing_zeros() as i32;
        let high = self.used().last().map_or(0, |word| 63 - word.leading_zeros() as i32);
        (self.exponent + low, self.exponent + 64 * (self.len.max(1) as i32 - 1) + high)
    }

    /// The magnitude over `2^lowest`, which divides it, as words into `into`, which is zero and long enough.
    pub(crate) fn magnitude_at(&self, lowest: i32, into: &mut [u64]) {
        let by = self.exponent - lowest;
        if by >= 0 {
            words::shift_left(self.used(), by as usize, into);
        } else {
            words::shift_right(self.used(), by.unsigned_abs() as usize, into);
        }
    }

    fn used(&self) -> &[u64] {
        &self.words[..self.len]
    }

    #[must_use]
    pub(crate) fn negated(mut self) -> Self {
        self.negative = !self.negative && self.len > 0;
        self
    }

    /// This times `2^by`.
    #[must_use]
    pub(crate) fn scaled(mut self, by: i32) -> Self {
        self.exponent += by;
        self
    }

    #[must_use]
    pub(crate) fn plus(&self, other: &Self) -> Self {
        if self.is_zero() || other.is_zero() {
            return if self.is_zero() { *other } else { *self };
        }
        let exponent = self.exponent.min(other.exponent);
        let highest = self.bits().1.max(other.bits().1);
        let len = N.min((highest - exponent) as usize / 64 + 2);
        let shifted = |number: &Self| {
            let mut words = [0; N];
            words::shift_left(number.used(), (number.exponent - exponent) as usize, &mut words[..len]);
            words
        };
        let (mut left, mut right) = (shifted(self), shifted(other));
        let mut negative = self.negative;
        if self.negative == other.negative {
            words::add(&mut left[..len], &right[..len]);
        } else if words::is_less(&left[..len], &right[..len]) {
            words::subtract(&mut right[..len], &left[..len]);
            (left, negative) = (right, other.negative);
        } else {
            words::subtract(&mut left[..len], &right[..len]);
        }
        Self::from_words(negative, &left[..len], exponent)
    }

    #[must_use]
    pub(crate) fn minus(&self, other: &Self) -> Self {
        self.plus(&other.negated())
    }

    #[must_use]
    pub(crate) fn times(&self, other: &Self) -> Self {
        let mut product = [0; N];
        words::multiply(self.used(), other.used(), &mut product);
        Self::from_words(self.negative != other.negative, &product, self.exponent + other.exponent)
    }

    fn top(&self) -> Option<Top> {
        let highest = *self.used().last()?;
        let mut window = [0u64; 3];
        let taken = self.len.min(3);
        window[3 - taken..].copy_from_slice(&self.used()[self.len - taken..]);
        let shift = highest.leading_zeros();
        let wide = u128::from(window[2]) << 64 | u128::from(window[1]);
        let (below, rest) = match shift {
            0 => (0, window[0]),
            shift => (window[0] >> (64 - shift), window[0] << shift),
        };
        let dropped = self.len.saturating_sub(3);
        Some(Top {
            top: wide << shift | u128::from(below),
            inexact: rest != 0 || self.used()[..dropped].iter().any(|&word| word != 0),
            exponent: self.exponent + 64 * (self.len as i32 - 2) - shift as i32,
        })
    }

    /// The nearest float, ties to even; infinite beyond the greatest, `0.0` for zero.
    pub(crate) fn to_f64(self) -> f64 {
        self.top().map_or(0.0, |top| with_sign(self.negative, top.nearest()))
    }

    /// The float nearest to this over `count`, rounded once.
    pub(crate) fn over(self, count: u64) -> f64 {
        self.top().map_or(0.0, |top| with_sign(self.negative, top.over(count)))
    }
}

/// The float nearest to `value * 2^exponent / count`, rounded once.
pub(crate) fn quotient(value: i256, exponent: i32, count: u64) -> f64 {
    let negative = value.is_negative();
    let (low, high) = if negative { value.wrapping_neg() } else { value }.to_parts();
    let high = high.cast_unsigned();
    let (top, rest, exponent) = match (high, high.leading_zeros()) {
        (0, _) if low == 0 => return 0.0,
        (0, _) => (low << low.leading_zeros(), 0, exponent - low.leading_zeros() as i32),
        (_, 0) => (high, low, exponent + 128),
        (_, by) => (high << by | low >> (128 - by), low << by, exponent + 128 - by as i32),
    };
    let top = Top { top, inexact: rest != 0, exponent };
    with_sign(negative, if count == 1 { top.nearest() } else { top.over(count) })
}

/// `count * product - first * second`, where that takes no more than `N` words.
pub(crate) fn spread<const N: usize>(
    count: u64,
    product: &Exact<N>,
    first: &Exact<N>,
    second: &Exact<N>,
) -> Option<Scaled> {
    let (product_bits, first_bits, second_bits) = (product.bits(), first.bits(), second.bits());
    let mut low = product_bits.0;
    let mut high = product_bits.1 + 64;
    if !(first.is_zero() || second.is_zero()) {
        low = low.min(first_bits.0 + second_bits.0);
        high = high.max(first_bits.1 + second_bits.1 + 1);
    }
    // A number starts anywhere in its lowest word, and a difference has room for a carry.
    if (high - low) as usize / 64 + 4 > N {
        return None;
    }
    let squares = Exact::from_u64(count).times(product);
    Some(Scaled::from(&squares.minus(&first.times(second))))
}

impl Top {
    fn nearest(self) -> f64 {
        round(self.top, self.inexact, self.exponent)
    }

    fn over(self, count: u64) -> f64 {
        let divisor = u128::from(count.max(1));
        // At least 64 bits remain. What is below the last of `top` changes no bit of the quotient.
        let (quotient, rest) = (self.top / divisor, self.top % divisor);
        let shift = quotient.leading_zeros();
        round(quotient << shift, self.inexact || rest != 0, self.exponent - shift as i32)
    }
}

fn with_sign(negative: bool, magnitude: f64) -> f64 {
    if negative { -magnitude } else { magnitude }
}

/// `(top + fraction) * 2^exponent` to the nearest float, ties to even. The highest bit of `top` is set; the fraction is
/// not zero where `inexact`.
fn round(top: u128, inexact: bool, exponent: i32) -> f64 {
    const DROPPED: i32 = 128 - f64::MANTISSA_DIGITS as i32;
    let highest = exponent + 127;
    if highest > 1023 {
        return f64::INFINITY;
    }
    // Below the normal range fewer bits are kept, none below 2^-1074.
    let dropped = DROPPED.max(-1074 - exponent);
    if dropped > 128 {
        return 0.0;
    }
    let (kept, rest, half) = if dropped == 128 {
        (0, top, 1 << 127)
    } else {
        ((top >> dropped) as u64, top & ((1 << dropped) - 1), 1 << (dropped - 1))
    };
    let up = rest > half || (rest == half && (inexact || kept & 1 == 1));
    // Both factors are exact, and so is their product unless it is infinite.
    (kept + u64::from(up)) as f64 * power_of_two(exponent + dropped)
}

/// `2^exponent` for exponents from -1074 to 1023.
pub(crate) fn power_of_two(exponent: i32) -> f64 {
    let is_normal = exponent >= f64::MIN_EXP - 1;
    f64::from_bits(if is_normal { ((exponent + 1023) as u64) << 52 } else { 1 << (exponent + 1074) })
}
