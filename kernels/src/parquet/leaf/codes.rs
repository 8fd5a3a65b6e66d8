//! Dictionary indices of a page: unpacked to a block in the first-level cache, checked once per block, gathered.

use arrow::buffer::Buffer;

use crate::parquet::hybrid::{Hybrid, Run};
use crate::parquet::{Malformed, bits};

use super::blocks::BLOCK;
use super::gather::{gather, gather_to, largest};

/// The indices of a page, from the next one on.
pub(super) struct Codes {
    hybrid: Hybrid,
    block: Vec<u32>,
}

impl Codes {
    /// The values of a dictionary-encoded page: a byte of width, then the hybrid. `values` is how many there are at most.
    pub fn new(bytes: &Buffer, values: usize) -> Result<Self, Malformed> {
        let (width, bytes) = match bytes.first() {
            Some(&width) => (u32::from(width), bytes.slice(1)),
            None => (0, bytes.clone()),
        };
        Ok(Codes { hybrid: Hybrid::new(bytes, width, values)?, block: Vec::new() })
    }

    /// Writes the entries that the next indices stand for.
    pub fn gather<T: Copy>(&mut self, entries: &[T], mut out: &mut [T]) -> Result<(), Malformed> {
        let width = self.hybrid.width();
        self.block.resize(BLOCK, 0);
        while !out.is_empty() {
            let run = self.hybrid.next_run(out.len().min(BLOCK))?.ok_or_else(early)?;
            let (head, tail) = out.split_at_mut(run.len());
            match run {
                Run::Repeat { value, .. } => head.fill(*entries.get(value as usize).ok_or_else(past)?),
                Run::Packed { bytes, first, len } => {
                    let block = &mut self.block[..len];
                    bits::unpack_u32_from(bytes, first, width, block)?;
                    if !gather(entries, block, head) {
                        return Err(past());
                    }
                }
            }
            out = tail;
        }
        Ok(())
    }

    /// Appends the entries that the next `len` indices stand for: nothing is written twice, and a run is one fill.
    pub fn append<T: Copy>(&mut self, entries: &[T], len: usize, out: &mut Vec<T>) -> Result<(), Malformed> {
        let Codes { hybrid, block } = self;
        let width = hybrid.width();
        block.resize(BLOCK, 0);
        let mut left = len;
        while left > 0 {
            let run = hybrid.next_run(left)?.ok_or_else(early)?;
            left -= run.len();
            match run {
                Run::Repeat { value, len } => {
                    out.resize(out.len() + len, *entries.get(value as usize).ok_or_else(past)?);
                }
                Run::Packed { bytes, first, len } => {
                    for done in (0..len).step_by(BLOCK) {
                        let block = &mut block[..(len - done).min(BLOCK)];
                        // Blocks are whole groups, and these whole bytes.
                        let bytes = bytes.get(done / 8 * width as usize..).unwrap_or_default();
                        bits::unpack_u32_from(bytes, first, width, block)?;
                        if !gather_to(entries, block, out) {
                            return Err(past());
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes the next indices, all below `entries`.
    pub fn read(&mut self, entries: usize, out: &mut [u32]) -> Result<(), Malformed> {
        self.hybrid.read_u32(out)?;
        if !out.is_empty() && largest(out) as usize >= entries { Err(past()) } else { Ok(()) }
    }

    /// Passes over the next indices.
    pub fn skip(&mut self, values: usize) -> Result<(), Malformed> {
        self.hybrid.skip(values)
    }
}

fn early() -> Malformed {
    Malformed::new("dictionary indices end early")
}

fn past() -> Malformed {
    Malformed::new("dictionary index past the last entry")
}
