//! Byte strings as dense codes: each distinct value is kept once and numbered in order of first appearance.
//!
//! ```text
//! slots:  [hash tag u32 | code + 1 u32] ...      linear probing, at most half full, 0 = empty
//! packed: [length u32 | 12 bytes]                of each code: a value of up to 12 bytes is here and nowhere else
//!         [length u32 | 4 bytes | hash u64]      a longer one
//! long:   bytes of the longer values             ends[code] = where those of value `code` end, up to the last longer one
//! ```
//! A packed value is two machine words, hashed and compared as such; bytes are looked at to pack a row, and where a longer
//! value meets one of equal length, beginning and hash. A column is taken in blocks, with a loop for each step, so that no
//! row waits for the cache misses of the row before it:
//!
//! ```text
//! pack     every row of the block                                    offsets and bytes, or views, in order
//! look     tag of the first slot of every row                        one cache line per row, all at once
//! compare  packed values of the rows whose tags agree                another one, all at once
//! insert   the others: those not yet known, and those that lie in a later slot
//! ```
//! Bytes per row: 4 to 16 of offset or view, the value itself, 8 of slot and 16 of packed value. Ideas: Umbra's strings, which
//! Arrow's views are too; the separate loops for hash, load and compare of Photon (Behm et al., SIGMOD 2022).

use crate::error::{Error, Result};
use crate::memory::Grant;

use super::hash::Hasher;

mod column;
mod packed;
#[cfg(test)]
mod tests;

use column::ByteColumn;
use packed::{Packed, is_whole, pack};

/// Slots of a new table.
const FIRST_SLOTS: usize = 64;

/// Rows of a block: what the loops hand on stays within 8 KiB of the first cache level.
const BLOCK: usize = 256;

/// A set of byte strings with dense codes.
#[derive(Debug, Default)]
pub struct Interner {
    hasher: Hasher,
    slots: Vec<(u32, u32)>,
    packed: Vec<[u8; 16]>,
    long: Vec<u8>,
    ends: Vec<usize>,
}

/// A row of a block.
#[derive(Debug, Clone, Copy, Default)]
struct Row {
    packed: Packed,
    hash: u64,
    row: u32,
    /// What lies in the first slot, where tags agree: code + 1.
    candidate: u32,
}

/// What becomes of a value that has no code yet.
pub(super) enum Unseen<'a> {
    /// It gets one.
    Added(&'a mut Grant),
    /// It gets the first code that is nobody's.
    Left,
}

impl Interner {
    /// Distinct values so far; codes are below it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.packed.len()
    }

    /// True where there is no value yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }

    /// The value of `code`, which was handed out before.
    #[must_use]
    #[inline]
    pub fn value(&self, code: usize) -> &[u8] {
        let packed = &self.packed[code];
        let length = u32::from_le_bytes([packed[0], packed[1], packed[2], packed[3]]) as usize;
        packed[4..].get(..length).unwrap_or_else(|| self.long_value(code))
    }

    fn long_value(&self, code: usize) -> &[u8] {
        let start = if code == 0 { 0 } else { self.ends[code - 1] };
        &self.long[start..self.ends[code]]
    }

    /// The code of `value`, a new one where it was not seen before.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::Unsupported`] beyond 2^31 - 1 values.
    #[inline]
    pub fn code(&mut self, value: &[u8], grant: &mut Grant) -> Result<u32> {
        self.code_or(value, &mut Unseen::Added(grant))
    }

    /// The code of `value`; where it is not known, what `unseen` says.
    #[inline]
    pub(super) fn code_or(&mut self, value: &[u8], unseen: &mut Unseen) -> Result<u32> {
        let packed = pack(value, &self.hasher);
        let hash = self.hasher.wide(packed);
        self.settle(packed, hash, value, unseen)
    }

    /// Writes the codes of some rows of a column, as [`Interner::code_or`] gives them.
    fn codes(
        &mut self,
        column: &impl ByteColumn,
        mut rows: impl Iterator<Item = usize>,
        codes: &mut [i32],
        unseen: &mut Unseen,
    ) -> Result<()> {
        let mut block = [Row::default(); BLOCK];
        loop {
            let mut len = 0;
            for (slot, row) in block.iter_mut().zip(rows.by_ref()) {
                (slot.packed, slot.row) = (column.packed(row, &self.hasher), row as u32);
                len += 1;
            }
            self.look(&mut block[..len]);
            for &Row { packed, hash, row, candidate } in &block[..len] {
                let row = row as usize;
                let code = match candidate {
                    1.. if self.is(candidate - 1, packed, || column.value(row)) => candidate - 1,
                    _ => self.settle(packed, hash, column.value(row), unseen)?,
                };
                codes[row] = code as i32;
            }
            if len < BLOCK {
                return Ok(());
            }
        }
    }

    /// Hashes and candidates of a block.
    #[inline]
    fn look(&self, block: &mut [Row]) {
        let slots = self.slots.as_slice();
        let mask = slots.len().wrapping_sub(1);
        for row in block {
            row.hash = self.hasher.wide(row.packed);
            // Without slots there is nothing to find.
            let (tag, number) = slots.get((row.hash >> 32) as usize & mask).copied().unwrap_or_default();
            row.candidate = if tag == row.hash as u32 { number } else { 0 };
        }
    }

    /// True where `code` is that of a value.
    #[inline(always)]
    fn is<'a>(&self, code: u32, packed: Packed, value: impl FnOnce() -> &'a [u8]) -> bool {
        let known = u128::from_le_bytes(self.packed[code as usize]);
        known == packed && (is_whole(packed) || self.long_value(code as usize) == value())
    }

    fn settle(&mut self, packed: Packed, hash: u64, value: &[u8], unseen: &mut Unseen) -> Result<u32> {
        if self.slots.is_empty() {
            let Unseen::Added(grant) = unseen else { return Ok(0) };
            grant.resize(&mut self.slots, FIRST_SLOTS, (0, 0))?;
        }
        let mask = self.slots.len() - 1;
        let mut at = (hash >> 32) as usize & mask;
        loop {
            match self.slots[at] {
                (_, 0) => break,
                (tag, number) if tag == hash as u32 && self.is(number - 1, packed, || value) => {
                    return Ok(number - 1);
                }
                _ => at = (at + 1) & mask,
            }
        }
        match unseen {
            Unseen::Added(grant) => self.insert(packed, hash, value, at, grant),
            Unseen::Left => Ok(self.len() as u32),
        }
    }

    fn insert(
        &mut self,
        packed: Packed,
        hash: u64,
        value: &[u8],
        mut at: usize,
        grant: &mut Grant,
    ) -> Result<u32> {
        let code = self.len();
        if code >= i32::MAX as usize {
            return Err(Error::unsupported("more than 2^31 - 1 distinct strings", crate::Backend::Cpu));
        }
        if (code + 1) * 2 > self.slots.len() {
            self.enlarge(grant)?;
            at = free_slot(&self.slots, hash);
        }
        grant.reserve(&mut self.packed, 1)?;
        if !is_whole(packed) {
            self.keep_long(code, value, grant)?;
        }
        self.packed.push(packed.to_le_bytes());
        self.slots[at] = (hash as u32, code as u32 + 1);
        Ok(code as u32)
    }

    fn keep_long(&mut self, code: usize, value: &[u8], grant: &mut Grant) -> Result<()> {
        grant.reserve(&mut self.long, value.len())?;
        let missing = code + 1 - self.ends.len();
        grant.reserve(&mut self.ends, missing)?;
        self.ends.resize(code, self.long.len());
        self.long.extend_from_slice(value);
        self.ends.push(self.long.len());
        Ok(())
    }

    fn enlarge(&mut self, grant: &mut Grant) -> Result<()> {
        let mut slots = Vec::new();
        grant.resize(&mut slots, self.slots.len() * 2, (0, 0))?;
        for (code, packed) in self.packed.iter().enumerate() {
            let hash = self.hasher.wide(u128::from_le_bytes(*packed));
            let at = free_slot(&slots, hash);
            slots[at] = (hash as u32, code as u32 + 1);
        }
        let old = std::mem::replace(&mut self.slots, slots);
        grant.shrink((old.capacity() * size_of::<(u32, u32)>()) as u64);
        Ok(())
    }
}

/// The first free slot for a hash.
#[inline]
fn free_slot(slots: &[(u32, u32)], hash: u64) -> usize {
    let mask = slots.len() - 1;
    let mut at = (hash >> 32) as usize & mask;
    while slots[at].1 != 0 {
        at = (at + 1) & mask;
    }
    at
}
