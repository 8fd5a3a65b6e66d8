//! Dictionary indices of a page: unpacked to a block in the first-level cache, checked once per block, gathered.

use arrow::buffer::Buffer;

use crate::parquet::hybrid::{Hybrid, Run};
use crate::parquet::{Malformed, bits};

use super::blocks::BLOCK;
use super::gather::{gather, move_by, repeat};

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

    /// Appends the entries that the next `len` indices stand for: nothing is written twice, and a run is one fill.
    pub fn append<T: Copy>(&mut self, entries: &[T], len: usize, out: &mut Vec<T>) -> Result<(), Malformed> {
        let Codes { hybrid, block } = self;
        let width = hybrid.width();
        let mut left = len;
        while left > 0 {
            let run = hybrid.next_run(left)?.ok_or_else(early)?;
            left -= run.len();
            match run {
                Run::Repeat { value, len } => {
                    repeat(*entries.get(value as usize).ok_or_else(past)?, len, out);
                }
                Run::Packed { bytes, first, len } => {
                    for done in (0..len).step_by(BLOCK) {
                        // Blocks are whole groups, and these whole bytes.
                        let bytes = bytes.get(done / 8 * width as usize..).unwrap_or_default();
                        block.clear();
                        bits::append_u32(bytes, first, width, (len - done).min(BLOCK), block)?;
                        if !gather(entries, block, out) {
                            return Err(past());
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Appends the next `len` indices, all below `entries`, as those of a dictionary that begins at `base`.
    pub fn append_indices(
        &mut self,
        entries: usize,
        base: u32,
        len: usize,
        out: &mut Vec<u32>,
    ) -> Result<(), Malformed> {
        let width = self.hybrid.width();
        let mut left = len;
        while left > 0 {
            let run = self.hybrid.next_run(left)?.ok_or_else(early)?;
            let before = out.len();
            left -= run.len();
            match run {
                Run::Repeat { value, .. } if value as usize >= entries => return Err(past()),
                Run::Repeat { value, len } => repeat(base.wrapping_add(value), len, out),
                Run::Packed { bytes, first, len } => {
                    bits::append_u32(bytes, first, width, len, out)?;
                    if !move_by(&mut out[before..], entries, base) {
                        return Err(past());
                    }
                }
            }
        }
        Ok(())
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
