//! Exact numbers as bytes, for partial states that travel.
//!
//! ```text
//! [specials: u8][sign: u8][exponent: i32 le][words: u64 le ...]      an odd integer in as few words as it needs; none for zero
//! ```
//! A number has one such form, whatever it was the sum of.

use std::sync::Arc;

use arrow::array::{ArrayRef, LargeBinaryBuilder, UInt64Array};

use super::{Exact, MOST_WORDS};
use crate::aggregate::partial::StateColumn;
use crate::error::{Error, Result};

const HEAD: usize = 6;

/// Appends `number` and the flags of what is no number to `bytes`.
fn encode(number: &Exact, specials: u8, bytes: &mut Vec<u8>) {
    let (lowest, highest) = if number.is_zero() { (0, -1) } else { number.bits() };
    let mut words = [0; MOST_WORDS];
    number.magnitude_at(lowest, &mut words);
    bytes.extend([specials, number.negative.into()]);
    bytes.extend(lowest.to_le_bytes());
    let len = (highest - lowest + 64) as usize / 64;
    words[..len].iter().for_each(|word| bytes.extend(word.to_le_bytes()));
}

/// Exact sums with their flags, and of how many values each is, as the state of a sum.
pub(crate) fn states(sums: impl Iterator<Item = (Exact, u8)>, counts: Vec<u64>) -> StateColumn {
    StateColumn::Arrays(vec![encoded(sums), Arc::new(UInt64Array::from(counts))])
}

/// One number per row.
pub(crate) fn encoded(sums: impl Iterator<Item = (Exact, u8)>) -> ArrayRef {
    let mut builder = LargeBinaryBuilder::new();
    let mut bytes = Vec::new();
    for (sum, specials) in sums {
        bytes.clear();
        encode(&sum, specials, &mut bytes);
        builder.append_value(&bytes);
    }
    Arc::new(builder.finish())
}

/// What [`encode`] wrote, a number with bits of exponents `lowest..=highest` only.
///
/// # Errors
/// [`Error::InvalidInput`] for bytes that are no such number.
pub(crate) fn decode(bytes: &[u8], lowest: i32, highest: i32) -> Result<(Exact, u8)> {
    let invalid = || Error::invalid("bytes that are no exact sum");
    let (&[specials, sign, e0, e1, e2, e3], words) = bytes.split_first_chunk::<HEAD>().ok_or_else(invalid)?;
    let exponent = i32::from_le_bytes([e0, e1, e2, e3]);
    let (words, rest) = words.as_chunks::<8>();
    if sign > 1 || !rest.is_empty() || words.len() > MOST_WORDS {
        return Err(invalid());
    }
    let mut all = [0; MOST_WORDS];
    all.iter_mut().zip(words).for_each(|(into, &word)| *into = u64::from_le_bytes(word));
    if words.is_empty() {
        return Ok((Exact::ZERO, specials));
    }
    // First the exponent alone, so that what follows cannot overflow.
    if exponent < lowest || exponent > highest {
        return Err(invalid());
    }
    let number = Exact::from_words(sign == 1, &all[..words.len()], exponent);
    let (low, high) = number.bits();
    if number.len > 0 && (low < lowest || high > highest) {
        return Err(invalid());
    }
    Ok((number, specials))
}
