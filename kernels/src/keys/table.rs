//! Hash tables from key words to dense numbers, which start at 1: 0 is free for "no group".
//!
//! ```text
//! PackedTable:  slots [key | number] ...      key inline, linear probing, at most half full; number 0 = empty
//! WordTable:    slots [hash tag | number] ... keys of several words apart, in order of number
//! ```

use arrow::buffer::BooleanBuffer;

use crate::error::{Backend, Error, Result};
use crate::memory::Grant;

use super::hash::Hasher;

/// Slots of a new table.
const FIRST_SLOTS: usize = 64;

/// Slots up to which a table stays in the second cache level. There two are looked at for each key without a branch: at half
/// load a fifth of the keys are not in their first one, which no branch can foresee. Beyond, every fourth second slot is a
/// cache miss of its own: on two cores of an EPYC, 300,000 groups took up to 30 of 100 longer with it.
const CACHED_SLOTS: usize = 1 << 15;

/// A key that lies inline in its slot.
pub(super) trait KeyWord: Copy + Eq + Default + Send + Sync + 'static {
    /// `offset + 1`, at bit `shift`: the field of one key column.
    fn field(offset: u64, shift: u32) -> Self;
    fn or(self, other: Self) -> Self;
    /// The low 64 of the `bits` bits at `shift`, at least one bit.
    fn extract(self, shift: u32, bits: u32) -> u64;
    /// True where the `bits` bits at `shift` are all 0.
    fn is_null(self, shift: u32, bits: u32) -> bool;
    fn hash(self, hasher: &Hasher) -> u64;
}

impl KeyWord for u64 {
    #[inline(always)]
    fn field(offset: u64, shift: u32) -> Self {
        offset.wrapping_add(1) << shift
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        self | other
    }

    #[inline(always)]
    fn extract(self, shift: u32, bits: u32) -> u64 {
        (self >> shift) & (u64::MAX >> (64 - bits))
    }

    #[inline(always)]
    fn is_null(self, shift: u32, bits: u32) -> bool {
        self.extract(shift, bits) == 0
    }

    #[inline(always)]
    fn hash(self, hasher: &Hasher) -> u64 {
        hasher.word(self)
    }
}

impl KeyWord for u128 {
    #[inline(always)]
    fn field(offset: u64, shift: u32) -> Self {
        (u128::from(offset) + 1) << shift
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        self | other
    }

    fn extract(self, shift: u32, bits: u32) -> u64 {
        ((self >> shift) & (u128::MAX >> (128 - bits))) as u64
    }

    fn is_null(self, shift: u32, bits: u32) -> bool {
        (self >> shift) & (u128::MAX >> (128 - bits)) == 0
    }

    #[inline(always)]
    fn hash(self, hasher: &Hasher) -> u64 {
        hasher.wide(self)
    }
}

/// Distinct keys in order of number.
#[derive(Debug)]
pub(super) struct PackedTable<K> {
    hasher: Hasher,
    slots: Vec<(K, u32)>,
    pub(super) keys: Vec<K>,
}

impl<K: KeyWord> PackedTable<K> {
    pub(super) fn new(groups: usize, grant: &mut Grant) -> Result<Self> {
        let mut slots = Vec::new();
        let len = ((groups + 1) * 2).next_power_of_two().max(FIRST_SLOTS);
        grant.resize(&mut slots, len, (K::default(), 0))?;
        Ok(Self { hasher: Hasher::default(), slots, keys: Vec::new() })
    }

    /// The number of `key`, the next one where it is new.
    #[inline]
    pub(super) fn number(&mut self, key: K, grant: &mut Grant) -> Result<u32> {
        let mask = self.slots.len() - 1;
        let mut at = key.hash(&self.hasher) as usize & mask;
        loop {
            let (found, number) = self.slots[at];
            if number == 0 {
                return self.insert(key, at, grant);
            }
            if found == key {
                return Ok(number);
            }
            at = (at + 1) & mask;
        }
    }

    /// [`PackedTable::number`] of a block of keys; 0 where `active` is given and not set. First probes are made for all of them
    /// before anything depends on them, so that their cache misses overlap; most keys that are known need no second one.
    pub(super) fn number_all(
        &mut self,
        keys: &[K],
        active: Option<&BooleanBuffer>,
        numbers: &mut [u32],
        grant: &mut Grant,
    ) -> Result<()> {
        self.first_probes(keys, numbers);
        if active.is_none() && all_known(numbers) {
            return Ok(());
        }
        for (at, (&key, number)) in keys.iter().zip(numbers).enumerate() {
            if active.is_some_and(|active| !active.value(at)) {
                *number = 0;
            } else if *number == 0 {
                *number = self.number(key, grant)?;
            }
        }
        Ok(())
    }

    /// Numbers of known keys of a block, 0 for the others.
    pub(super) fn find_all(&self, keys: &[K], numbers: &mut [u32]) {
        self.first_probes(keys, numbers);
        if all_known(numbers) {
            return;
        }
        for (&key, number) in keys.iter().zip(numbers) {
            if *number == 0 {
                *number = self.find(key);
            }
        }
    }

    /// Numbers of the keys that lie in the slot that their hash names, or in the one after it, where that costs no line of
    /// memory; 0 for the others.
    fn first_probes(&self, keys: &[K], numbers: &mut [u32]) {
        let slots = self.slots.as_slice();
        let mask = slots.len() - 1;
        let probed = |at: usize, key: K| {
            let (found, number) = slots[at & mask];
            if found == key { number } else { 0 }
        };
        if slots.len() > CACHED_SLOTS {
            for (&key, number) in keys.iter().zip(numbers) {
                *number = probed(key.hash(&self.hasher) as usize, key);
            }
            return;
        }
        for (&key, number) in keys.iter().zip(numbers) {
            let at = key.hash(&self.hasher) as usize;
            // A key is in one slot at most, and what is not there has no number.
            *number = probed(at, key) | probed(at.wrapping_add(1), key);
        }
    }

    fn find(&self, key: K) -> u32 {
        let mask = self.slots.len() - 1;
        let mut at = key.hash(&self.hasher) as usize & mask;
        loop {
            let (found, number) = self.slots[at];
            if number == 0 || found == key {
                return number;
            }
            at = (at + 1) & mask;
        }
    }

    #[cold]
    fn insert(&mut self, key: K, mut at: usize, grant: &mut Grant) -> Result<u32> {
        let number = next_number(self.keys.len())?;
        if (self.keys.len() + 1) * 2 > self.slots.len() {
            self.enlarge(grant)?;
            at = self.free_slot(key);
        }
        grant.reserve(&mut self.keys, 1)?;
        self.keys.push(key);
        self.slots[at] = (key, number);
        Ok(number)
    }

    fn free_slot(&self, key: K) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = key.hash(&self.hasher) as usize & mask;
        while self.slots[at].1 != 0 {
            at = (at + 1) & mask;
        }
        at
    }

    fn enlarge(&mut self, grant: &mut Grant) -> Result<()> {
        let mut slots = Vec::new();
        grant.resize(&mut slots, self.slots.len() * 2, (K::default(), 0))?;
        let old = std::mem::replace(&mut self.slots, slots);
        for slot in old.iter().filter(|slot| slot.1 != 0) {
            let at = self.free_slot(slot.0);
            self.slots[at] = *slot;
        }
        grant.shrink((old.capacity() * size_of::<(K, u32)>()) as u64);
        Ok(())
    }

    pub(super) fn release(&self, grant: &mut Grant) {
        let bytes = self.slots.capacity() * size_of::<(K, u32)>() + self.keys.capacity() * size_of::<K>();
        grant.shrink(bytes as u64);
    }
}

/// True where no number is 0, found without a branch for each.
fn all_known(numbers: &[u32]) -> bool {
    numbers.iter().fold(u32::MAX, |least, &number| least.min(number)) > 0
}

/// Distinct keys of `width` words each, in order of number.
#[derive(Debug)]
pub(super) struct WordTable {
    hasher: Hasher,
    width: usize,
    slots: Vec<(u32, u32)>,
    pub(super) keys: Vec<u64>,
}

impl WordTable {
    pub(super) fn new(width: usize, grant: &mut Grant) -> Result<Self> {
        let mut slots = Vec::new();
        grant.resize(&mut slots, FIRST_SLOTS, (0, 0))?;
        Ok(Self { hasher: Hasher::default(), width, slots, keys: Vec::new() })
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len() / self.width
    }

    pub(super) fn key(&self, group: usize) -> &[u64] {
        &self.keys[group * self.width..(group + 1) * self.width]
    }

    #[inline]
    pub(super) fn number(&mut self, key: &[u64], grant: &mut Grant) -> Result<u32> {
        if (self.len() + 1) * 2 > self.slots.len() {
            self.enlarge(grant)?;
        }
        let hash = self.hasher.words(key);
        let mask = self.slots.len() - 1;
        let mut at = (hash >> 32) as usize & mask;
        loop {
            let (tag, number) = self.slots[at];
            if number == 0 {
                break;
            }
            if tag == hash as u32 && self.key(number as usize - 1) == key {
                return Ok(number);
            }
            at = (at + 1) & mask;
        }
        let number = next_number(self.len())?;
        grant.reserve(&mut self.keys, self.width)?;
        self.keys.extend_from_slice(key);
        self.slots[at] = (hash as u32, number);
        Ok(number)
    }

    /// The number of `key`, 0 where it is not known.
    pub(super) fn find(&self, key: &[u64]) -> u32 {
        let hash = self.hasher.words(key);
        let mask = self.slots.len() - 1;
        let mut at = (hash >> 32) as usize & mask;
        loop {
            let (tag, number) = self.slots[at];
            if number == 0 || tag == hash as u32 && self.key(number as usize - 1) == key {
                return number;
            }
            at = (at + 1) & mask;
        }
    }

    fn enlarge(&mut self, grant: &mut Grant) -> Result<()> {
        let len = self.slots.len() * 2;
        let mut slots = Vec::new();
        grant.resize(&mut slots, len, (0, 0))?;
        for group in 0..self.len() {
            let hash = self.hasher.words(self.key(group));
            let mut at = (hash >> 32) as usize & (len - 1);
            while slots[at].1 != 0 {
                at = (at + 1) & (len - 1);
            }
            slots[at] = (hash as u32, group as u32 + 1);
        }
        let old = std::mem::replace(&mut self.slots, slots);
        grant.shrink((old.capacity() * size_of::<(u32, u32)>()) as u64);
        Ok(())
    }
}

/// Numbers fit an `i32` on every backend.
pub(super) fn next_number(groups: usize) -> Result<u32> {
    if groups >= i32::MAX as usize {
        return Err(Error::unsupported("more than 2^31 - 1 groups", Backend::Cpu));
    }
    Ok(groups as u32 + 1)
}
