//! Bitmaps that grow at their end: runs and packed bits, collected in a word and stored once.
//!
//! What is added is known by its length before it comes, so that words are made (zeros) and counted once; a run or 64 packed
//! bits are then a shift, an or and a store of the word at hand, without a branch on whether it is full: runs between nulls are
//! short and of any length. Bytes moved per bit: an eighth read where packed, an eighth written.

use arrow::buffer::{BooleanBuffer, Buffer};

use super::dispatched;
use super::words::Words;

#[cfg(test)]
mod tests;

/// A growing bitmap, least significant bit first.
#[derive(Debug, Clone, Default)]
pub struct Bitmap {
    /// Little-endian words, as many as the bits need; zeros past the last bit.
    words: Vec<u64>,
    len: usize,
}

impl Bitmap {
    /// Bits in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no bits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a bit several times.
    pub fn append_n(&mut self, len: usize, bit: bool) {
        self.tail(len).repeat(bit, len);
    }

    /// Forgets the bits and keeps the room.
    pub fn clear(&mut self) {
        self.words.clear();
        self.len = 0;
    }

    /// The bits, as Arrow has them; none are left.
    #[must_use]
    pub fn finish(&mut self) -> BooleanBuffer {
        let len = std::mem::take(&mut self.len);
        BooleanBuffer::new(Buffer::from_vec(std::mem::take(&mut self.words)), 0, len)
    }

    /// Makes room for so many bits more.
    pub(crate) fn reserve(&mut self, len: usize) {
        self.words.reserve((self.len.saturating_add(len)).div_ceil(64) - self.words.len());
    }

    /// Appends packed bits.
    pub(crate) fn append(&mut self, bits: Words<'_>) {
        self.tail(bits.len()).packed(bits);
    }

    /// Bits from `from` on.
    pub(crate) fn since(&self, from: usize) -> Words<'_> {
        Words::new(bytemuck::cast_slice(&self.words), from, self.len - from)
    }

    /// Appends `len` zeros, and lets them be written in order.
    pub(crate) fn tail(&mut self, len: usize) -> Tail<'_> {
        let (at, held) = (self.len / 64, self.len % 64);
        self.len += len;
        self.words.resize(self.len.div_ceil(64), 0);
        let words = &mut self.words[at..];
        let word = words.first().map_or(0, |word| u64::from_le(*word));
        Tail { words, at: 0, word, held: held as u32 }
    }
}

/// The bits to be written. What is written beyond their number is lost.
pub(crate) struct Tail<'a> {
    /// From the word at hand at the beginning on.
    words: &'a mut [u64],
    at: usize,
    /// The word at hand, of whose bits `held`, below 64, are written.
    word: u64,
    held: u32,
}

impl Drop for Tail<'_> {
    /// Stores what the last piece has carried over.
    fn drop(&mut self) {
        if let Some(place) = self.words.get_mut(self.at) {
            *place = self.word.to_le();
        }
    }
}

impl Tail<'_> {
    /// Writes the next `len` bits, 1 to 64; `bits` has zeros above them.
    #[inline(always)]
    pub(crate) fn push(&mut self, bits: u64, len: u32) {
        let word = self.word | bits << self.held;
        if let Some(place) = self.words.get_mut(self.at) {
            *place = word.to_le();
        }
        let held = self.held + len;
        let full = held >= 64;
        self.at += usize::from(full);
        // Two shifts: by 64 together where the word was empty.
        self.word = if full { bits >> 1 >> (63 - self.held) } else { word };
        self.held = held % 64;
    }

    /// Writes a bit several times.
    #[inline(always)]
    pub(crate) fn repeat(&mut self, bit: bool, len: usize) {
        let bits = if bit { u64::MAX } else { 0 };
        match len {
            0 => {}
            1..=64 => self.push(bits >> (64 - len), len as u32),
            _ => self.repeat_words(bits, len),
        }
    }

    #[inline(never)]
    fn repeat_words(&mut self, bits: u64, len: usize) {
        let head = 64 - self.held;
        self.push(bits >> (64 - head), head);
        let (whole, rest) = ((len - head as usize) / 64, (len - head as usize) % 64);
        if let Some(words) = self.words.get_mut(self.at..self.at + whole) {
            words.fill(bits);
        }
        self.at += whole;
        if rest > 0 {
            self.push(bits >> (64 - rest), rest as u32);
        }
    }

    /// Writes packed bits.
    #[inline(always)]
    pub(crate) fn packed(&mut self, bits: Words<'_>) {
        for at in 0..bits.len() / 64 {
            self.push(bits.word(at), 64);
        }
        let rest = bits.len() % 64;
        if rest > 0 {
            self.push(bits.word(bits.len() / 64), rest as u32);
        }
    }
}

dispatched! {
    /// How many of the bits are set.
    pub(crate) fn count(bits: Words<'_>) -> usize {
        (0..bits.len().div_ceil(64)).map(|at| bits.word(at).count_ones() as usize).sum()
    }
}
