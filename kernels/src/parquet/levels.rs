//! Definition and repetition levels.
//!
//! A level over the maximum of its column is [`Malformed`] wherever one is read here.

use arrow::array::BooleanBufferBuilder;
use arrow::buffer::Buffer;

use super::hybrid::Hybrid;
use super::{Levels, Malformed, bits};

#[cfg(test)]
mod tests;

/// Levels handled at a time.
const BLOCK: usize = 1024;

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
            largest if largest > self.max => Err(Malformed::new("level over the maximum")),
            _ => Ok(()),
        }
    }

    /// Appends for each of the next `len` levels whether it is the maximum; gives how many are.
    ///
    /// # Errors
    /// As for [`LevelReader::read`].
    pub fn read_validity(&mut self, len: usize, out: &mut BooleanBufferBuilder) -> Result<usize, Malformed> {
        if len > self.remaining() {
            return Err(early());
        }
        if let Source::Hybrid(hybrid) = &mut self.source
            && self.max == 1
        {
            return hybrid.read_bitmap(len, out);
        }
        let (mut block, mut valid) = ([0; BLOCK], 0);
        let mut left = len;
        while left > 0 {
            let block = &mut block[..left.min(BLOCK)];
            self.read(block)?;
            valid += validity(block, self.max, out);
            left -= block.len();
        }
        Ok(valid)
    }

    /// Passes over the next `len` levels; gives how many of them are the maximum.
    ///
    /// # Errors
    /// As for [`LevelReader::read`].
    pub fn skip(&mut self, len: usize) -> Result<usize, Malformed> {
        let (mut block, mut valid, mut left) = ([0; BLOCK], 0, len);
        while left > 0 {
            let block = &mut block[..left.min(BLOCK)];
            self.read(block)?;
            valid += block.iter().filter(|&&level| level == self.max).count();
            left -= block.len();
        }
        Ok(valid)
    }
}

fn early() -> Malformed {
    Malformed::new("levels end early")
}

/// The largest level; 0 of none.
#[must_use]
pub fn largest(levels: &[u16]) -> u16 {
    levels.iter().copied().fold(0, u16::max)
}

/// Appends for each level whether it is `max`; gives how many are.
pub fn validity(levels: &[u16], max: u16, out: &mut BooleanBufferBuilder) -> usize {
    let mut valid = 0;
    for chunk in levels.chunks(64) {
        let word = chunk.iter().rev().fold(0u64, |word, &level| (word << 1) | u64::from(level == max));
        out.append_packed_range(0..chunk.len(), &word.to_le_bytes());
        valid += word.count_ones() as usize;
    }
    valid
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
pub fn slots(levels: &[u16], max: u16, slot_definition: u16, out: &mut BooleanBufferBuilder) -> Slots {
    let mut count = Slots::default();
    for &level in levels {
        if level >= slot_definition {
            out.append(level == max);
            count.slots += 1;
            count.valid += usize::from(level == max);
        }
    }
    count
}
