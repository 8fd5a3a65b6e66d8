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

    /// Hash of bytes, which includes their number.
    #[inline]
    #[must_use]
    pub fn bytes(&self, bytes: &[u8]) -> u64 {
        let (chunks, rest) = bytes.as_chunks::<8>();
        let mut hash = self.word(bytes.len() as u64);
        for chunk in chunks {
            hash = fold(hash ^ u64::from_le_bytes(*chunk), self.multiplier);
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        fold(hash ^ u64::from_le_bytes(last), self.multiplier)
    }
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}
