//! Parquet's hybrid of runs and bit-packed values: levels, dictionary indices, booleans.
//!
//! ```text
//! hybrid := run*
//! run    := varint(len << 1) value            len times the value, in ceil(width / 8) bytes, little-endian
//!         | varint(groups << 1 | 1) bytes     8 * groups values of width bits; bytes: groups * width
//! ```
//! The last group is padded; some writers cut it after the last value's byte instead, which is read as well.

use arrow::buffer::Buffer;

use super::{Malformed, bits};
use crate::simd::bitmap::{self, Bitmap};
use crate::simd::words::Words;

#[cfg(test)]
pub(crate) mod tests;

/// A reader of hybrid-encoded values that keeps its place between calls.
#[derive(Debug, Clone)]
pub struct Hybrid {
    bytes: Buffer,
    /// Where the next header lies, or the packed bytes of the current run end.
    next: usize,
    width: u32,
    /// Values not yet read.
    left: usize,
    run: Current,
}

#[derive(Debug, Clone, Copy)]
enum Current {
    Repeat {
        value: u32,
        left: usize,
    },
    /// Packed values from byte `start` on, of which `first` are read.
    Packed {
        start: usize,
        first: usize,
        left: usize,
    },
}

/// Values that lie together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run<'a> {
    /// One value, several times.
    Repeat {
        /// The value; it fits the width.
        value: u32,
        /// How many times.
        len: usize,
    },
    /// Bit-packed values.
    Packed {
        /// All bytes from a border of groups on, to the end of the hybrid.
        bytes: &'a [u8],
        /// Values at the start of `bytes` that were read before: 0 to 7.
        first: usize,
        /// Values after these; all of them lie in `bytes`.
        len: usize,
    },
}

impl Run<'_> {
    /// How many values.
    #[must_use]
    pub fn len(&self) -> usize {
        let (Run::Repeat { len, .. } | Run::Packed { len, .. }) = self;
        *len
    }

    /// Never: a run has a value at least.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Hybrid {
    /// A reader of `values` values of `width` bits.
    ///
    /// # Errors
    /// [`Malformed`] where `width` is over 32.
    pub fn new(bytes: Buffer, width: u32, values: usize) -> Result<Self, Malformed> {
        if width > 32 {
            return Err(Malformed::new("bit width over 32"));
        }
        Ok(Hybrid { bytes, next: 0, width, left: values, run: Current::Repeat { value: 0, left: 0 } })
    }

    /// Values not yet read.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.left
    }

    /// Bits per value.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// The next values, at most `limit` of them; none after the last or where `limit` is 0.
    ///
    /// # Errors
    /// [`Malformed`] where the bytes end before the last value, or a repeated value does not fit the width.
    #[inline]
    pub fn next_run(&mut self, limit: usize) -> Result<Option<Run<'_>>, Malformed> {
        let limit = limit.min(self.left);
        if limit == 0 {
            return Ok(None);
        }
        loop {
            match &mut self.run {
                Current::Repeat { left: 0, .. } | Current::Packed { left: 0, .. } => {
                    self.run = self.header()?
                }
                Current::Repeat { value, left } => {
                    let (value, len) = (*value, limit.min(*left));
                    *left -= len;
                    self.left -= len;
                    return Ok(Some(Run::Repeat { value, len }));
                }
                Current::Packed { start, first, left } => {
                    let len = limit.min(*left);
                    let skipped = *first / 8 * self.width as usize;
                    let run = Run::Packed {
                        // More than the run's: loads of whole vectors and words have no end to look after.
                        bytes: &self.bytes[*start + skipped..],
                        first: *first % 8,
                        len,
                    };
                    *first += len;
                    *left -= len;
                    self.left -= len;
                    return Ok(Some(run));
                }
            }
        }
    }

    /// Fills `out` with the next values.
    ///
    /// # Errors
    /// As for [`Hybrid::next_run`]; [`Malformed`] as well where fewer values are left.
    pub fn read_u32(&mut self, out: &mut [u32]) -> Result<(), Malformed> {
        let mut out = self.wanted(out)?;
        let width = self.width;
        while let Some(run) = self.next_run(out.len())? {
            let (head, tail) = out.split_at_mut(run.len());
            match run {
                Run::Repeat { value, .. } => head.fill(value),
                Run::Packed { bytes, first, .. } => bits::unpack_u32_from(bytes, first, width, head)?,
            }
            out = tail;
        }
        Ok(())
    }

    /// As [`Hybrid::read_u32`], for levels.
    ///
    /// # Errors
    /// As for [`Hybrid::read_u32`]; [`Malformed`] as well where the width is over 16.
    pub fn read_u16(&mut self, out: &mut [u16]) -> Result<(), Malformed> {
        if self.width > 16 {
            return Err(Malformed::new("bit width over 16"));
        }
        let mut out = self.wanted(out)?;
        let width = self.width;
        while let Some(run) = self.next_run(out.len())? {
            let (head, tail) = out.split_at_mut(run.len());
            match run {
                Run::Repeat { value, .. } => head.fill(value as u16),
                Run::Packed { bytes, first, .. } => bits::unpack_u16_from(bytes, first, width, head)?,
            }
            out = tail;
        }
        Ok(())
    }

    /// Appends the next `len` values, of width 0 or 1, as bits; gives how many of them are set.
    ///
    /// # Errors
    /// As for [`Hybrid::read_u32`]; [`Malformed`] as well where the width is over 1.
    pub fn read_bitmap(&mut self, len: usize, out: &mut Bitmap) -> Result<usize, Malformed> {
        if self.width > 1 {
            return Err(Malformed::new("bit width over 1"));
        }
        if len > self.left {
            return Err(early());
        }
        let (width, mut left, before) = (self.width, len, out.len());
        let mut tail = out.tail(len);
        while let Some(run) = self.next_run(left)? {
            left -= run.len();
            match run {
                Run::Repeat { value, len } => tail.repeat(value == 1, len),
                Run::Packed { len, .. } if width == 0 => tail.repeat(false, len),
                // All values of a run lie in its bytes.
                Run::Packed { bytes, first, len } => tail.packed(Words::new(bytes, first, len)),
            }
        }
        drop(tail);
        Ok(bitmap::count(out.since(before)))
    }

    /// Passes over the next `values` values.
    ///
    /// # Errors
    /// As for [`Hybrid::read_u32`].
    pub fn skip(&mut self, values: usize) -> Result<(), Malformed> {
        if values > self.left {
            return Err(early());
        }
        let mut left = values;
        while let Some(run) = self.next_run(left)? {
            left -= run.len();
        }
        Ok(())
    }

    fn wanted<'o, T>(&self, out: &'o mut [T]) -> Result<&'o mut [T], Malformed> {
        if out.len() > self.left { Err(early()) } else { Ok(out) }
    }

    /// The run that begins at `next`; `next` is put after it.
    fn header(&mut self) -> Result<Current, Malformed> {
        let header = varint_u32(&self.bytes, &mut self.next)?;
        let count = (header >> 1) as usize;
        if header & 1 == 0 {
            let value = self.repeated()?;
            return Ok(Current::Repeat { value, left: count });
        }
        let start = self.next;
        let available = self.bytes.len() - start;
        let claimed = count.saturating_mul(self.width as usize);
        self.next += claimed.min(available);
        let values = count.saturating_mul(8);
        let left = if claimed <= available { values } else { available * 8 / self.width as usize };
        Ok(Current::Packed { start, first: 0, left })
    }

    fn repeated(&mut self) -> Result<u32, Malformed> {
        let len = self.width.div_ceil(8) as usize;
        let value = self.bytes.get(self.next..self.next + len).ok_or_else(early)?;
        self.next += len;
        let value = value.iter().rev().fold(0, |value, &byte| (value << 8) | u64::from(byte));
        if value >> self.width != 0 {
            return Err(Malformed::new("repeated value is wider than the bit width"));
        }
        Ok(value as u32)
    }
}

fn early() -> Malformed {
    Malformed::new("run-length encoded values end early")
}

/// An unsigned LEB128 number of at most 32 bits.
fn varint_u32(bytes: &[u8], next: &mut usize) -> Result<u32, Malformed> {
    let mut value = 0u64;
    for shift in (0..35).step_by(7) {
        let byte = *bytes.get(*next).ok_or_else(early)?;
        *next += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return u32::try_from(value).map_err(|_| Malformed::new("run header over 32 bits"));
        }
    }
    Err(Malformed::new("run header over five bytes"))
}
