//! Byte strings as dense codes: each distinct value is kept once and numbered in order of first appearance.
//!
//! ```text
//! slots: [hash tag u32 | code + 1 u32] ...   linear probing, at most half full, 0 = empty
//! bytes: value 0, value 1, ...               ends[code] = where value `code` ends
//! ```

use crate::error::{Error, Result};
use crate::memory::Grant;

use super::hash::Hasher;

/// Slots of a new table.
const FIRST_SLOTS: usize = 64;

/// A set of byte strings with dense codes.
#[derive(Debug, Default)]
pub struct Interner {
    hasher: Hasher,
    slots: Vec<(u32, u32)>,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Interner {
    /// Distinct values so far; codes are below it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True where there is no value yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The value of `code`, which was handed out before.
    #[must_use]
    pub fn value(&self, code: usize) -> &[u8] {
        let start = if code == 0 { 0 } else { self.ends[code - 1] };
        &self.bytes[start..self.ends[code]]
    }

    /// The code of `value`, a new one where it was not seen before.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::Unsupported`] beyond 2^31 - 1 values.
    #[inline]
    pub fn code(&mut self, value: &[u8], grant: &mut Grant) -> Result<u32> {
        if (self.len() + 1) * 2 > self.slots.len() {
            self.enlarge(grant)?;
        }
        let hash = self.hasher.bytes(value);
        let tag = hash as u32;
        let mask = self.slots.len() - 1;
        let mut at = (hash >> 32) as usize & mask;
        loop {
            match self.slots[at] {
                (_, 0) => break,
                (found, code) if found == tag && self.value(code as usize - 1) == value => {
                    return Ok(code - 1);
                }
                _ => at = (at + 1) & mask,
            }
        }
        let code = self.len();
        if code >= i32::MAX as usize {
            return Err(Error::unsupported("more than 2^31 - 1 distinct strings", crate::Backend::Cpu));
        }
        grant.reserve(&mut self.bytes, value.len())?;
        grant.reserve(&mut self.ends, 1)?;
        self.bytes.extend_from_slice(value);
        self.ends.push(self.bytes.len());
        self.slots[at] = (tag, code as u32 + 1);
        Ok(code as u32)
    }

    /// The code of `value`, [`Interner::len`] where it is not known.
    #[inline]
    pub fn find(&self, value: &[u8]) -> u32 {
        let unknown = self.len() as u32;
        if self.slots.is_empty() {
            return unknown;
        }
        let hash = self.hasher.bytes(value);
        let mask = self.slots.len() - 1;
        let mut at = (hash >> 32) as usize & mask;
        loop {
            match self.slots[at] {
                (_, 0) => return unknown,
                (found, code) if found == hash as u32 && self.value(code as usize - 1) == value => {
                    return code - 1;
                }
                _ => at = (at + 1) & mask,
            }
        }
    }

    fn enlarge(&mut self, grant: &mut Grant) -> Result<()> {
        let len = (self.slots.len() * 2).max(FIRST_SLOTS);
        let mut slots = Vec::new();
        grant.resize(&mut slots, len, (0, 0))?;
        for code in 0..self.len() {
            let hash = self.hasher.bytes(self.value(code));
            let mut at = (hash >> 32) as usize & (len - 1);
            while slots[at].1 != 0 {
                at = (at + 1) & (len - 1);
            }
            slots[at] = (hash as u32, code as u32 + 1);
        }
        let old = std::mem::replace(&mut self.slots, slots);
        grant.shrink((old.capacity() * size_of::<(u32, u32)>()) as u64);
        Ok(())
    }
}
