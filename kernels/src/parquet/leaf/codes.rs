//! Dictionary indices of a page: unpacked to a block in the first-level cache, checked once per block, gathered.

use arrow::buffer::Buffer;

use crate::parquet::hybrid::{Hybrid, Run};
use crate::parquet::{Malformed, bits};

use super::blocks::BLOCK;
use super::gather::{gather, largest};

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
