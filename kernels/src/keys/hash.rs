//! Hashing of key words: folded multiplication, with constants drawn per table so that no input can be prepared to
//! collide. Results never depend on it: groups are numbered in order of appearance.

use std::hash::{BuildHasher, RandomState};

/// 2^64 over the golden ratio: its multiples modulo 2^64 are as evenly spread as can be.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A keyed hash function.
#[derive(Debug, Clone)]
pub struct Hasher {
    seed: u64,
    multiplier: u64,
}

impl Default for Hasher {
    fn default() -> Self {
        let random = RandomState::new();
        Self { seed: random.hash_one(0), multiplier: random.hash_one(1) | 1 << 63 | 1 }
    }
}

impl Hasher {
    /// Hash of one word; all bits are mixed.
    #[inline]
    #[must_use]
    pub fn word(&self, word: u64) -> u64 {
        fold(word ^ self.seed, self.multiplier)
    }

    /// A hash whose top bits are as good as its low ones.
    #[inline]
    #[must_use]
    pub fn mixed(&self, hash: u64) -> u64 {
        fold(hash ^ self.multiplier, GOLDEN ^ self.seed | 1)
    }

    /// Hash of two words.
    #[inline]
    #[must_use]
    pub fn wide(&self, word: u128) -> u64 {
        fold(self.word(word as u64) ^ (word >> 64) as u64, self.multiplier)
    }

    /// Hash of several words.
    #[inline]
    #[must_use]
    pub fn words(&self, words: &[u64]) -> u64 {
        words.iter().fold(self.seed, |hash, word| fold(hash ^ word, self.multiplier).wrapping_add(*word))
    }

    /// Hash of bytes, which includes their number. 16 bytes per multiplication, the last of which may be read twice.
    #[inline]
    #[must_use]
    pub fn bytes(&self, bytes: &[u8]) -> u64 {
        let mut hash = self.word(bytes.len() as u64);
        let mut rest = bytes;
        while let Some((chunk, after)) = rest.split_first_chunk::<16>()
            && !after.is_empty()
        {
            hash = self.join(hash, u128::from_le_bytes(*chunk));
            rest = after;
        }
        self.join(hash, last_16(bytes))
    }

    #[inline]
    fn join(&self, hash: u64, wide: u128) -> u64 {
        fold(wide as u64 ^ self.multiplier, (wide >> 64) as u64 ^ hash)
    }
}

/// The last 16 bytes, or all where they are fewer: some twice, and none left out.
#[inline]
fn last_16(bytes: &[u8]) -> u128 {
    if let Some(last) = bytes.last_chunk::<16>() {
        return u128::from_le_bytes(*last);
    }
    let both = |low: u64, high: u64| u128::from(high) << 64 | u128::from(low);
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        return both(u64::from_le_bytes(*first), u64::from_le_bytes(*last));
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return both(u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into());
    }
    let byte = |at: usize| bytes.get(at).map_or(0, |&byte| u64::from(byte));
    both(byte(0), byte(1) << 8 | byte(2))
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that differ in one place, or in length only, have hashes of their own; so have prefixes of one another.
    #[test]
    fn every_byte_counts() {
        let hasher = Hasher::default();
        let mut seen = std::collections::HashSet::new();
        for length in 0..70 {
            let plain = vec![b'x'; length];
            assert!(seen.insert(hasher.bytes(&plain)), "{length}");
            for at in 0..length {
                for byte in [0, b'y', 0xff] {
                    let mut changed = plain.clone();
                    changed[at] = byte;
                    assert!(seen.insert(hasher.bytes(&changed)), "{at} of {length}");
                }
            }
            assert!(
                length < 1 || seen.insert(hasher.bytes(&vec![0; length])) || length == 1,
                "{length} zeros"
            );
        }
    }
}
