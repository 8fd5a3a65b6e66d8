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
//! A table beyond the second cache level has a tag of 8 bits per slot: one bit for each key whose home the slot is, chosen by
//! the hash's low bits. Slots are half full at the least, and so one miss in 16 or fewer passes; the others touch a byte of what is a
//! sixteenth of the table. Where keys are found it is a byte too many: probers look at tags once they see that most
//! rows have no partner.
//!
//! The design names an unchained table (Birler, Schmidt, Fent, Neumann 2024): a directory of offsets with Bloom tags over
//! rows in order of hash. The order, the contiguous duplicates and the build are its; but keys of 16 bytes at most lie in the
//! slot itself, which needs one line for a hit or a miss where directory and row need two.

use super::layout::Word;
use crate::keys::hash::Hasher;
use crate::simd::prefetch::prefetch;

/// Rows whose slots are asked for ahead: as many lines as a core fetches at once.
const AHEAD: usize = 32;

/// Slots that the second cache level does not hold.
const FAR_SLOTS: usize = 1 << 17;

/// Marks a value that points to a list.
pub(super) const LIST: u32 = 1 << 31;

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

/// The bit of a tag that a hash sets.
#[inline(always)]
pub(super) fn tag_bit(hash: u64) -> u8 {
    1 << (hash & 7)
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
    /// One per slot, or none.
    pub(super) tags: Vec<u8>,
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
    /// Where `by_tag` says so, words whose tag tells that there is no such key are not looked up at all.
    pub(super) fn find(&self, words: &[K], found: &mut [u32], pending: &mut [u32], by_tag: bool) {
        let Homes::Hashed { hasher, mask, shift, region_bits } = &self.homes else { return };
        let (slots, mask, shift) = (self.slots.as_slice(), *mask, *shift);
        let last = slots.len() - 1;
        let home = |hash: u64| ((hash & mask) >> shift) as usize & last;
        let rows = words.len();
        let (found, pending) = (&mut found[..rows], &mut pending[..rows]);
        let far = slots.len() >= FAR_SLOTS;
        let (mut open, mut step) = (0, 0);
        if by_tag && self.tags.len() == slots.len() {
            let tags = self.tags.as_slice();
            for row in 0..rows {
                let hash = words[row].hash(hasher);
                found[row] = 0;
                pending[open] = row as u32;
                open += usize::from(tags[home(hash)] & tag_bit(hash) != 0);
            }
        } else if far {
            // What is in flight when a load waits is bounded by instructions; of lines asked for ahead there are more.
            let mut homes = [0; AHEAD];
            let ask = |word: K| {
                let at = home(word.hash(hasher));
                prefetch(slots, at);
                at
            };
            homes.iter_mut().zip(words).for_each(|(home, &word)| *home = ask(word));
            for row in 0..rows {
                let home = &mut homes[row % AHEAD];
                let at = *home;
                if let Some(&ahead) = words.get(row + AHEAD) {
                    *home = ask(ahead);
                }
                let (value, other) = look(&slots[at], words[row]);
                found[row] = value;
                pending[open] = row as u32;
                open += other;
            }
            step = 1;
        } else {
            for row in 0..rows {
                let (value, other) = look(&slots[home(words[row].hash(hasher))], words[row]);
                found[row] = value;
                pending[open] = row as u32;
                open += other;
            }
            step = 1;
        }
        let region = (1usize << region_bits) - 1;
        while open > 0 {
            let mut left = 0;
            for at in 0..open {
                let row = pending[at];
                let word = words[row as usize];
                let home = home(word.hash(hasher));
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
