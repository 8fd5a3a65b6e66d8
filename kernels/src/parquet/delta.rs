//! `DELTA_BINARY_PACKED`: integers as bit-packed differences.
//!
//! ```text
//! stream := block_size miniblocks count first     varints; first in zigzag
//!           block*
//! block  := min_delta width[miniblocks]           zigzag varint; one byte each
//!           miniblock*                            block_size / miniblocks values of width bits; none after the last value
//! value  := the one before + min_delta + packed   wrapping
//! ```
//! The last miniblock is padded; one that is cut after the last value's byte is read as well.

use arrow::buffer::Buffer;

use super::{Malformed, bits};
use crate::simd::level::Level;
use crate::simd::prefix::{Packed, append_sums_i32, append_sums_i64, sum_i32, sums_i32, sums_i64};
use crate::simd::unpack;

#[cfg(test)]
pub(crate) mod tests;

/// A reader of delta-encoded integers that keeps its place between calls.
///
/// Nothing is allocated by what a header claims.
#[derive(Debug, Clone)]
pub struct Delta {
    bytes: Buffer,
    /// Where the next miniblock or block lies.
    next: usize,
    /// Values of the whole stream.
    len: usize,
    /// Values not yet read, the first included.
    left: usize,
    /// The last value read, or the first one before it is read.
    value: i64,
    first_read: bool,
    miniblock_len: usize,
    miniblocks: usize,
    min_delta: i64,
    /// Place of the current block's widths not yet used.
    widths: std::ops::Range<usize>,
    /// The current miniblock, or several of one width: the first byte, the width, values read and left.
    start: usize,
    width: u32,
    read: usize,
    available: usize,
}

/// Values of a scratch block.
const BLOCK: usize = 256;

impl Delta {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Malformed`] where the header is cut or contradicts itself.
    pub fn new(bytes: Buffer) -> Result<Self, Malformed> {
        let mut next = 0;
        let block_size = size(varint(&bytes, &mut next)?)?;
        let miniblocks = size(varint(&bytes, &mut next)?)?;
        let len = size(varint(&bytes, &mut next)?)?;
        let value = zigzag(varint(&bytes, &mut next)?);
        if miniblocks == 0 || !block_size.is_multiple_of(miniblocks) {
            return Err(Malformed::new("delta block is not cut into equal miniblocks"));
        }
        let miniblock_len = block_size / miniblocks;
        if miniblock_len == 0 || !miniblock_len.is_multiple_of(8) {
            return Err(Malformed::new("delta miniblock is not a multiple of 8 values"));
        }
        Ok(Delta {
            bytes,
            next,
            len,
            left: len,
            value,
            first_read: false,
            miniblock_len,
            miniblocks,
            min_delta: 0,
            widths: 0..0,
            start: next,
            width: 0,
            read: 0,
            available: 0,
        })
    }

    /// Values of the whole stream, as the header says; not to be trusted before they are read.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the stream has no values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Values not yet read.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.left
    }

    /// Bytes used, once all values are read or skipped.
    #[must_use]
    pub fn end(&self) -> usize {
        self.next
    }

    /// Fills `out` with the next values, cut to 32 bits: differences wrap, as the format says.
    ///
    /// A stream is read by functions of 32 or of 64 bits throughout.
    ///
    /// # Errors
    /// [`Malformed`] where fewer values are left, the bytes end early or a width is over 64.
    pub fn read_i32(&mut self, out: &mut [i32]) -> Result<(), Malformed> {
        let level = Level::detected();
        let (mut value, mut done) = (self.value as i32, 0);
        let read = self.pieces(out.len(), |piece| match piece {
            Piece::First => {
                out[done] = value;
                done += 1;
            }
            Piece::Deltas { step, deltas } => {
                let out = &mut out[done..done + deltas.len];
                match deltas.width {
                    0..=32 => sums_i32(level, &mut value, step as i32, deltas, out),
                    _ => {
                        wide(level, deltas, |i, wide| out[i] = wide as i32);
                        sum_i32(level, &mut value, step as i32, out);
                    }
                }
                done += deltas.len;
            }
        });
        self.value = i64::from(value);
        read
    }

    /// Fills `out` with the next values.
    ///
    /// # Errors
    /// As for [`Delta::read_i32`].
    pub fn read_i64(&mut self, out: &mut [i64]) -> Result<(), Malformed> {
        let level = Level::detected();
        let (mut value, mut done) = (self.value, 0);
        let read = self.pieces(out.len(), |piece| match piece {
            Piece::First => {
                out[done] = value;
                done += 1;
            }
            Piece::Deltas { step, deltas } => {
                let len = deltas.len;
                sums_i64(level, &mut value, step, deltas, &mut out[done..done + len]);
                done += len;
            }
        });
        self.value = value;
        read
    }

    /// Appends the next `len` values, as [`Delta::read_i32`] gives them: unpacked and summed in one loop, and written once.
    ///
    /// # Errors
    /// As for [`Delta::read_i32`]; values before the fault are then appended.
    pub fn append_u32(&mut self, len: usize, out: &mut Vec<u32>) -> Result<(), Malformed> {
        let level = Level::detected();
        let mut value = self.value as i32;
        let read = self.pieces(len, |piece| match piece {
            Piece::First => out.push(value as u32),
            Piece::Deltas { step, deltas } if deltas.width <= 32 => {
                append_sums_i32(level, &mut value, step as i32, deltas, out);
            }
            Piece::Deltas { step, deltas } => {
                let before = out.len();
                wide(level, deltas, |_, wide| out.push(wide as u32));
                sum_i32(level, &mut value, step as i32, bytemuck::cast_slice_mut(&mut out[before..]));
            }
        });
        self.value = i64::from(value);
        read
    }

    /// Appends the next `len` values, as [`Delta::read_i64`] gives them: unpacked and summed in one loop, and written once.
    ///
    /// # Errors
    /// As for [`Delta::append_u32`].
    pub fn append_u64(&mut self, len: usize, out: &mut Vec<u64>) -> Result<(), Malformed> {
        let level = Level::detected();
        let mut value = self.value;
        let read = self.pieces(len, |piece| match piece {
            Piece::First => out.push(value as u64),
            Piece::Deltas { step, deltas } => append_sums_i64(level, &mut value, step, deltas, out),
        });
        self.value = value;
        read
    }

    /// Passes over the next `values` values.
    ///
    /// # Errors
    /// As for [`Delta::read_i32`].
    pub fn skip(&mut self, values: usize) -> Result<(), Malformed> {
        if values > self.left {
            return Err(early());
        }
        let mut scratch = [0; BLOCK];
        let mut left = values;
        while left > 0 {
            let len = left.min(BLOCK);
            self.read_i64(&mut scratch[..len])?;
            left -= len;
        }
        Ok(())
    }

    /// Where the stream ends, as [`Delta::end`] says once all is read: goes by the widths and unpacks nothing.
    ///
    /// # Errors
    /// As for [`Delta::read_i32`] of all that is left.
    pub fn find_end(&self) -> Result<usize, Malformed> {
        let mut rest = self.clone();
        rest.left -= usize::from(!rest.first_read && rest.left > 0) + rest.available;
        while rest.left > 0 {
            rest.miniblock()?;
            rest.left -= rest.available;
        }
        Ok(rest.next)
    }

    /// Calls `each` with the next `len` values, of one [`Delta::miniblock`] at a time.
    fn pieces(&mut self, len: usize, mut each: impl FnMut(Piece<'_>)) -> Result<(), Malformed> {
        if len > self.left {
            return Err(early());
        }
        let mut wanted = len;
        if wanted > 0 && !self.first_read {
            self.first_read = true;
            self.left -= 1;
            wanted -= 1;
            each(Piece::First);
        }
        while wanted > 0 {
            if self.available == 0 {
                self.miniblock()?;
            }
            let len = wanted.min(self.available);
            let bytes = &self.bytes[self.start..];
            let deltas = Packed { bytes, first: self.read, width: self.width, len };
            each(Piece::Deltas { step: self.min_delta, deltas });
            self.read += len;
            self.available -= len;
            self.left -= len;
            wanted -= len;
        }
        Ok(())
    }

    /// Goes to the next miniblock, or the next ones of a block.
    fn miniblock(&mut self) -> Result<(), Malformed> {
        if self.widths.is_empty() {
            self.min_delta = zigzag(varint(&self.bytes, &mut self.next)?);
            let end = self.next.checked_add(self.miniblocks).filter(|&end| end <= self.bytes.len());
            self.widths = self.next..end.ok_or_else(early)?;
            self.next = self.widths.end;
        }
        let width = self.widths.next().map_or(0, |place| u32::from(self.bytes[place]));
        if width > 64 {
            return Err(Malformed::new("delta width over 64"));
        }
        let there = self.bytes.len() - self.next;
        let packed_len = |len| bits::packed_len(len, width).unwrap_or(usize::MAX);
        // Those that follow with the same width lie as if they were one: there is less to set up.
        let mut len = self.miniblock_len;
        while len < self.left
            && self.widths.clone().next().is_some_and(|place| u32::from(self.bytes[place]) == width)
            && packed_len(len + self.miniblock_len) <= there
        {
            self.widths.next();
            len += self.miniblock_len;
        }
        let values = len.min(self.left);
        if packed_len(values) > there {
            return Err(early());
        }
        self.start = self.next;
        self.next += packed_len(len).min(there);
        self.width = width;
        self.read = 0;
        self.available = values;
        Ok(())
    }
}

/// Values that follow.
enum Piece<'a> {
    /// The first of the stream, which its header holds.
    First,
    /// Differences, to each of which `step` is added.
    Deltas { step: i64, deltas: Packed<'a> },
}

/// Calls `each` with differences of up to 64 bits, and their numbers from 0 on.
fn wide(level: Level, deltas: Packed<'_>, mut each: impl FnMut(usize, u64)) {
    let mut block = Vec::new();
    for done in (0..deltas.len).step_by(BLOCK) {
        let len = (deltas.len - done).min(BLOCK);
        block.clear();
        unpack::append::<u64>(level, deltas.bytes, deltas.first + done, deltas.width, len, &mut block);
        block.iter().enumerate().for_each(|(i, &wide)| each(done + i, wide));
    }
}

fn early() -> Malformed {
    Malformed::new("delta-encoded values end early")
}

fn size(value: u64) -> Result<usize, Malformed> {
    u32::try_from(value)
        .ok()
        .filter(|&value| value <= i32::MAX as u32)
        .map(|value| value as usize)
        .ok_or_else(|| Malformed::new("delta header holds a size over 2^31"))
}

/// An unsigned LEB128 number of at most 64 bits.
fn varint(bytes: &[u8], next: &mut usize) -> Result<u64, Malformed> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let byte = *bytes.get(*next).ok_or_else(early)?;
        *next += 1;
        let part = u64::from(byte & 0x7f);
        if shift == 63 && part > 1 {
            break;
        }
        value |= part << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Malformed::new("number over 64 bits"))
}

fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
