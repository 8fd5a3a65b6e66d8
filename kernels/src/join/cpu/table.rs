//! The table: from a key's word to the build rows that have it.
//!
//! ```text
//! direct:  values[word]                              0 = none
//! slots:   [word | value] ...  linear probing        0 = empty
//! value:   0 | row + 1 | LIST + start                lists[start] = n, then n rows, ascending
//! ```
//! A key that one row has costs one cache line; the rows of one that several have lie side by side. Slots are ordered by
//! the top bits of the hash: a region of them, which fits the second cache level, is one partition of the build, filled by
//! one thread alone from the rows that were staged for it ([`super::stage`]). So nothing is shared while building, and a
//! key that most rows have makes one region's list long and nothing else.
//!
//! The design names an unchained table (Birler, Schmidt, Fent, Neumann 2024): a directory of offsets with Bloom tags over
//! rows in order of hash. The order, the contiguous duplicates and the build are its; but keys of 16 bytes at most lie in the
//! slot itself, which needs one line for a hit or a miss where directory and row need two.

use super::layout::Word;
use crate::keys::hash::Hasher;

/// Marks a value that points to a list.
pub(super) const LIST: u32 = 1 << 31;

/// Slots of the smallest region.
const FIRST_SLOTS: usize = 16;

/// A key and its value. A pair, since zeroed memory is had for nothing of pairs only.
pub(super) type Slot<K> = (K, u32);

/// Where words lie in a table of regions, each a power of two long.
#[derive(Debug, Clone)]
pub(super) enum Homes {
    /// At their own number.
    Direct { region_bits: u32 },
    /// At the top bits of their hash; those outside of the mask are not used.
    Hashed { hasher: Hasher, mask: u64, shift: u32, region_bits: u32 },
}

impl Homes {
    /// The home of a word, in regions of `region_bits`.
    pub(super) fn hashed(hasher: Hasher, mask: u64, regions_bits: u32, region_bits: u32) -> Self {
        Homes::Hashed { hasher, mask, shift: u64::BITS - regions_bits - region_bits, region_bits }
    }

    pub(super) fn region_slots(&self) -> usize {
        match self {
            Homes::Direct { region_bits } | Homes::Hashed { region_bits, .. } => 1 << region_bits,
        }
    }
}

/// Slots that hold `keys` keys at most two thirds full: bits of their number.
pub(super) fn slot_bits(keys: usize) -> u32 {
    (keys + keys / 2).max(FIRST_SLOTS).next_power_of_two().trailing_zeros()
}

/// A region being filled.
pub(super) trait Region<K> {
    /// The place of a key, which is taken with `value` where the key is new; none where there is no room.
    fn place(&mut self, key: K, value: u32) -> Option<(usize, bool)>;
    fn value(&mut self, at: usize) -> &mut u32;
    fn places(&self) -> usize;
    fn clear(&mut self);
}

/// Part of a direct table.
pub(super) struct DirectRegion<'a> {
    pub(super) values: &'a mut [u32],
}

impl<K: Word> Region<K> for DirectRegion<'_> {
    #[inline(always)]
    fn place(&mut self, key: K, value: u32) -> Option<(usize, bool)> {
        let at = key.index() & (self.values.len() - 1);
        let known = self.values[at] != 0;
        if !known {
            self.values[at] = value;
        }
        Some((at, known))
    }

    fn value(&mut self, at: usize) -> &mut u32 {
        &mut self.values[at]
    }

    fn places(&self) -> usize {
        self.values.len()
    }

    fn clear(&mut self) {
        self.values.fill(0);
    }
}

/// Part of a table of slots, never more than seven eighths full.
pub(super) struct SlotRegion<'a, K> {
    pub(super) slots: &'a mut [Slot<K>],
    pub(super) homes: &'a Homes,
    room: usize,
}

impl<'a, K: Word> SlotRegion<'a, K> {
    pub(super) fn new(slots: &'a mut [Slot<K>], homes: &'a Homes) -> Self {
        let room = slots.len() - slots.len() / 8;
        Self { slots, homes, room }
    }
}

impl<K: Word> Region<K> for SlotRegion<'_, K> {
    #[inline(always)]
    fn place(&mut self, key: K, value: u32) -> Option<(usize, bool)> {
        let mask = self.slots.len() - 1;
        let Homes::Hashed { hasher, mask: used, shift, .. } = self.homes else { return None };
        let mut at = ((key.hash(hasher) & used) >> shift) as usize & mask;
        loop {
            let slot = &mut self.slots[at];
            if slot.1 == 0 {
                if self.room == 0 {
                    return None;
                }
                self.room -= 1;
                *slot = (key, value);
                return Some((at, false));
            }
            if slot.0 == key {
                return Some((at, true));
            }
            at = (at + 1) & mask;
        }
    }

    fn value(&mut self, at: usize) -> &mut u32 {
        &mut self.slots[at].1
    }

    fn places(&self) -> usize {
        self.slots.len()
    }

    fn clear(&mut self) {
        self.slots.fill((K::default(), 0));
        self.room = self.slots.len() - self.slots.len() / 8;
    }
}

/// What became of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filled {
    /// Each key has one row.
    Unique,
    /// Some keys have lists.
    Lists,
    /// More keys than places: nothing of it is of use.
    Full,
}

impl Filled {
    /// What became of both.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Filled::Full, _) | (_, Filled::Full) => Filled::Full,
            (Filled::Lists, _) | (_, Filled::Lists) => Filled::Lists,
            _ => Filled::Unique,
        }
    }
}

/// Fills a region with rows, which come in ascending order. `lists` has room for one and a half times as many
/// numbers as there are rows, the first of which is number `first` of the table's.
pub(super) fn fill<K: Word, R: Region<K>>(
    region: &mut R,
    rows: impl Iterator<Item = (K, u32)> + Clone,
    lists: &mut [u32],
    first: u32,
) -> Filled {
    for (key, row) in rows.clone() {
        match region.place(key, row + 1) {
            None => return Filled::Full,
            Some((_, true)) => return fill_lists(region, rows, lists, first),
            Some((_, false)) => {}
        }
    }
    Filled::Unique
}

/// Counts rows per place, lays lists out, fills them.
fn fill_lists<K: Word, R: Region<K>>(
    region: &mut R,
    rows: impl Iterator<Item = (K, u32)> + Clone,
    lists: &mut [u32],
    first: u32,
) -> Filled {
    region.clear();
    let mut counts = vec![0u32; region.places()];
    for (key, row) in rows.clone() {
        let Some((at, _)) = region.place(key, row + 1) else { return Filled::Full };
        counts[at] += 1;
    }
    let mut next = 0;
    for (at, count) in counts.iter_mut().enumerate() {
        if *count > 1 {
            *region.value(at) = LIST + first + next;
            lists[next as usize] = *count;
            let start = next + 1;
            next = start + *count;
            *count = start;
        } else {
            *count = 0;
        }
    }
    for (key, row) in rows {
        let Some((at, _)) = region.place(key, row + 1) else { return Filled::Full };
        let next = &mut counts[at];
        if *next > 0 {
            lists[*next as usize] = row;
            *next += 1;
        }
    }
    Filled::Lists
}

/// A finished table.
#[derive(Debug)]
pub(super) enum Table {
    /// Words are row numbers of the values; the last value is 0.
    Direct(Vec<u32>),
    Narrow(Slots<u64>),
    Wide(Slots<u128>),
}

/// A finished table of slots.
#[derive(Debug)]
pub(super) struct Slots<K> {
    pub(super) slots: Vec<Slot<K>>,
    pub(super) homes: Homes,
}

/// The values of words, 0 for those that no row has.
pub(super) fn find_direct(values: &[u32], words: &[u64], found: &mut [u32]) {
    let last = values.len() - 1;
    for (word, value) in words.iter().zip(found) {
        *value = values[(*word as usize).min(last)];
    }
}

impl<K: Word> Slots<K> {
    /// The values of words, 0 for those that no row has; `pending` is scratch. First looks are made for all words, then second
    /// looks for those that met another key, and so on: no step depends on what was found, so that cache misses overlap and
    /// nothing is guessed. (A conditional value or a loop per word costs a mispredicted branch in every third row.)
    pub(super) fn find(&self, words: &[K], found: &mut [u32], pending: &mut [u32]) {
        let Homes::Hashed { hasher, mask, shift, region_bits } = &self.homes else { return };
        let (slots, mask, shift) = (self.slots.as_slice(), *mask, *shift);
        let last = slots.len() - 1;
        let home = |word: K| ((word.hash(hasher) & mask) >> shift) as usize & last;
        let rows = words.len();
        let (found, pending) = (&mut found[..rows], &mut pending[..rows]);
        let mut open = 0;
        for row in 0..rows {
            let (value, other) = look(&slots[home(words[row])], words[row]);
            found[row] = value;
            pending[open] = row as u32;
            open += other;
        }
        let region = (1usize << region_bits) - 1;
        let mut step = 1;
        while open > 0 {
            let mut left = 0;
            for at in 0..open {
                let row = pending[at];
                let word = words[row as usize];
                let home = home(word);
                let (value, other) = look(&slots[home & !region | (home + step) & region], word);
                found[row as usize] = value;
                pending[left] = row;
                left += other;
            }
            open = left;
            step += 1;
        }
    }
}

/// The value of a slot where it has `word`, else 0; 1 where it has another word. An empty slot's value is 0.
#[inline(always)]
fn look<K: Word>(slot: &Slot<K>, word: K) -> (u32, usize) {
    let (key, value) = *slot;
    let equal = u32::from(key == word);
    (value & equal.wrapping_neg(), usize::from((equal == 0) & (value != 0)))
}
