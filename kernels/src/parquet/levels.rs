//! Definition and repetition levels.
//!
//! A level over the maximum of its column is [`Malformed`] wherever one is read here.

use arrow::buffer::Buffer;

use super::hybrid::{Hybrid, Run};
use super::{Levels, Malformed, bits};
use crate::simd::bitmap::{self, Bitmap};
use crate::simd::compare;
use crate::simd::level::Level;
use crate::simd::words::Words;

#[cfg(test)]
mod tests;

/// Levels handled at a time.
const BLOCK: usize = 1024;

/// Words of a block's bits.
const WORDS: usize = BLOCK / 64;

/// A reader of one page's levels that keeps its place between calls.
#[derive(Debug, Clone)]
pub struct LevelReader {
    max: u16,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    /// All levels are 0.
    Zero {
        left: usize,
    },
    Hybrid(Hybrid),
    BitPacked {
        bytes: Buffer,
        width: u32,
        first: usize,
        left: usize,
    },
}

/// Bits that levels up to `max` take.
#[must_use]
pub fn level_width(max: u16) -> u32 {
    u16::BITS - max.leading_zeros()
}

impl LevelReader {
    /// A reader of `len` levels up to `max`. [`Levels::None`] stands for levels that are all 0.
    ///
    /// # Errors
    /// [`Malformed`] where the bytes cannot hold the levels.
    pub fn new(levels: &Levels, max: u16, len: usize) -> Result<Self, Malformed> {
        let width = level_width(max);
        let source = match levels {
            Levels::None => Source::Zero { left: len },
            Levels::Hybrid(bytes) => Source::Hybrid(Hybrid::new(bytes.clone(), width, len)?),
            Levels::BitPacked(bytes) => {
                if bits::packed_len(len, width).is_none_or(|needed| needed > bytes.len()) {
                    return Err(early());
                }
                Source::BitPacked { bytes: bytes.clone(), width, first: 0, left: len }
            }
        };
        Ok(LevelReader { max, source })
    }

    /// Levels not yet read.
    #[must_use]
    pub fn remaining(&self) -> usize {
        match &self.source {
            Source::Zero { left } | Source::BitPacked { left, .. } => *left,
            Source::Hybrid(hybrid) => hybrid.remaining(),
        }
    }

    /// Fills `out` with the next levels.
    ///
    /// # Errors
    /// [`Malformed`] where fewer levels are left, the bytes end early or a level is over the maximum.
    pub fn read(&mut self, out: &mut [u16]) -> Result<(), Malformed> {
        if out.len() > self.remaining() {
            return Err(early());
        }
        match &mut self.source {
            Source::Zero { left } => {
                out.fill(0);
                *left -= out.len();
            }
            Source::Hybrid(hybrid) => hybrid.read_u16(out)?,
            Source::BitPacked { bytes, width, first, left } => {
                bits::unpack_u16_msb(bytes, *first, *width, out)?;
                *first += out.len();
                *left -= out.len();
            }
        }
        match largest(out) {
            largest if largest > self.max => Err(over()),
            _ => Ok(()),
        }
    }

    /// Appends for each of the next `len` levels whether it is the maximum; gives how many are.
    ///
    /// # Errors
    /// As for [`LevelReader::read`].
    pub fn read_validity(&mut self, len: usize, out: &mut Bitmap) -> Result<usize, Malformed> {
        if len > self.remaining() {
            return Err(early());
        }
        match &mut self.source {
            Source::Hybrid(hybrid) if self.max == 1 => return hybrid.read_bitmap(len, out),
            _ => {}
        }
        let max = self.max;
        self.runs(len, |levels| match levels {
            Stretch::Same { level, len } => {
                out.append_n(len, level == max);
                if level == max { len } else { 0 }
            }
            Stretch::Block(levels) => validity(levels, max, out),
        })
    }

    /// Passes over the next `len` levels; gives how many of them are the maximum.
    ///
    /// # Errors
    /// As for [`LevelReader::read`].
    pub fn skip(&mut self, len: usize) -> Result<usize, Malformed> {
        if len > self.remaining() {
            return Err(early());
        }
        let max = self.max;
        self.runs(len, |levels| match levels {
            Stretch::Same { level, len } if level == max => len,
            Stretch::Same { .. } => 0,
            Stretch::Block(levels) => count(levels, max),
        })
    }

    /// The sum of `f` over the next `len` levels, a stretch at a time.
    fn runs(&mut self, len: usize, mut f: impl FnMut(Stretch<'_>) -> usize) -> Result<usize, Malformed> {
        let (mut block, mut sum, mut left) = ([0; BLOCK], 0, len);
        while left > 0 {
            let len = left.min(BLOCK);
            if let Source::Hybrid(hybrid) = &mut self.source {
                let width = hybrid.width();
                match hybrid.next_run(left)? {
                    Some(Run::Repeat { value, .. }) if value > u32::from(self.max) => return Err(over()),
                    Some(Run::Repeat { value, len }) => {
                        sum += f(Stretch::Same { level: value as u16, len });
                        left -= len;
                        continue;
                    }
                    Some(Run::Packed { bytes, first, len: packed }) => {
                        for at in (0..packed).step_by(BLOCK) {
                            let block = &mut block[..(packed - at).min(BLOCK)];
                            bits::unpack_u16_from(bytes, first + at, width, block)?;
                            if largest(block) > self.max {
                                return Err(over());
                            }
                            sum += f(Stretch::Block(block));
                        }
                        left -= packed;
                        continue;
                    }
                    None => return Err(early()),
                }
            }
            let block = &mut block[..len];
            self.read(block)?;
            sum += f(Stretch::Block(block));
            left -= len;
        }
        Ok(sum)
    }
}

/// Consecutive levels.
enum Stretch<'a> {
    Same { level: u16, len: usize },
    Block(&'a [u16]),
}

fn over() -> Malformed {
    Malformed::new("level over the maximum")
}

fn early() -> Malformed {
    Malformed::new("levels end early")
}

/// The largest level; 0 of none.
#[must_use]
pub fn largest(levels: &[u16]) -> u16 {
    compare::largest(Level::detected(), levels)
}

/// Appends for each level whether it is `max`; gives how many are.
pub fn validity(levels: &[u16], max: u16, out: &mut Bitmap) -> usize {
    let mut words = [0; WORDS];
    let mut valid = 0;
    for levels in levels.chunks(BLOCK) {
        let words = &mut words[..levels.len().div_ceil(64)];
        compare::equal(Level::detected(), levels, max, words);
        valid += append(words, levels.len(), out);
    }
    valid
}

/// How many levels are `level`.
#[must_use]
pub fn count(levels: &[u16], level: u16) -> usize {
    let mut words = [0; WORDS];
    let mut count = 0;
    for levels in levels.chunks(BLOCK) {
        let words = &mut words[..levels.len().div_ceil(64)];
        compare::equal(Level::detected(), levels, level, words);
        count += ones(words);
    }
    count
}

/// Slots of a stretch of levels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Slots {
    /// Levels that make a slot.
    pub slots: usize,
    /// Slots that hold a value.
    pub valid: usize,
}

/// Appends for each level that makes a slot (`slot_definition` or more) whether it is `max`.
pub fn slots(levels: &[u16], max: u16, slot_definition: u16, out: &mut Bitmap) -> Slots {
    if slot_definition == 0 {
        return Slots { slots: levels.len(), valid: validity(levels, max, out) };
    }
    let level = Level::detected();
    let (mut valid, mut slot, mut picked) = ([0; WORDS], [0; WORDS], [0; WORDS]);
    let mut count = Slots::default();
    for levels in levels.chunks(BLOCK) {
        let words = levels.len().div_ceil(64);
        let (valid, slot, picked) = (&mut valid[..words], &mut slot[..words], &mut picked[..words]);
        compare::equal(level, levels, max, valid);
        compare::at_least(level, levels, slot_definition, slot);
        let slots = compare::pick(level, valid, slot, picked);
        count.slots += slots;
        count.valid += append(picked, slots, out);
    }
    count
}

fn ones(words: &[u64]) -> usize {
    words.iter().map(|word| word.count_ones() as usize).sum()
}

/// Appends the first `len` bits; gives how many of them are set.
fn append(words: &mut [u64], len: usize, out: &mut Bitmap) -> usize {
    for word in &mut *words {
        *word = word.to_le();
    }
    let bits = Words::new(bytemuck::cast_slice(words), 0, len);
    out.append(bits);
    bitmap::count(bits)
}
