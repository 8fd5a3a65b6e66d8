//! Filling a table: region by region from the staged rows, each by one thread alone.

use rayon::prelude::*;

use super::layout::Word;
use super::stage::Staging;
use super::table::{Homes, LIST, Slot, Slots, tag_bit};
use crate::error::Result;
use crate::memory::Grant;

/// Slots of the smallest region.
const FIRST_SLOTS: usize = 16;

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
    slots: &'a mut [Slot<K>],
    /// As many, or none.
    tags: &'a mut [u8],
    homes: &'a Homes,
    room: usize,
}

impl<'a, K: Word> SlotRegion<'a, K> {
    pub(super) fn new(slots: &'a mut [Slot<K>], tags: &'a mut [u8], homes: &'a Homes) -> Self {
        let room = slots.len() - slots.len() / 8;
        Self { slots, tags, homes, room }
    }
}

impl<K: Word> Region<K> for SlotRegion<'_, K> {
    #[inline(always)]
    fn place(&mut self, key: K, value: u32) -> Option<(usize, bool)> {
        let mask = self.slots.len() - 1;
        let Homes::Hashed { hasher, mask: used, shift, .. } = self.homes else { return None };
        let hash = key.hash(hasher);
        let home = ((hash & used) >> shift) as usize & mask;
        let mut at = home;
        loop {
            let slot = &mut self.slots[at];
            if slot.1 == 0 {
                if self.room == 0 {
                    return None;
                }
                self.room -= 1;
                *slot = (key, value);
                if let Some(tag) = self.tags.get_mut(home) {
                    *tag |= tag_bit(hash);
                }
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
        self.tags.fill(0);
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
fn fill<K: Word, R: Region<K>>(
    region: &mut R,
    rows: impl Iterator<Item = (K, u32)> + Clone,
    lists: &mut [u32],
    first: u32,
) -> Filled {
    // Memory that was never touched: where it is read first, each page costs a second fault, with an interrupt on all cores.
    region.clear();
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

/// `len` zeros, which the threads that write them pay for, page by page.
pub(super) fn zeroed<T: Clone + Default>(len: usize, grant: &mut Grant) -> Result<Vec<T>> {
    grant.grow((len * size_of::<T>()) as u64)?;
    Ok(vec![T::default(); len])
}

/// Regions whose distinct keys are counted before the table is made.
const SAMPLED_REGIONS: usize = 2;

/// Bits of a region where there are far fewer keys than rows: keys spread evenly over regions, so two of them tell.
pub(super) fn fewer_bits<K: Word>(
    staging: &Staging<K>,
    regions_bits: u32,
    region_bits: u32,
    homes: &impl Fn(u32, u32) -> Homes,
) -> Option<u32> {
    if staging.rows.len() < 2 {
        return None;
    }
    let distinct = |region: usize| {
        let bits = slot_bits(staging.rows[region]);
        let homes = homes(regions_bits, bits);
        let mut slots: Vec<Slot<K>> = vec![Slot::default(); 1 << bits];
        let mut scratch = SlotRegion::new(&mut slots, &mut [], &homes);
        scratch.clear();
        staging.region(region).filter(|&(key, _)| !matches!(scratch.place(key, 1), Some((_, true)))).count()
    };
    // A region that a hot key makes long would take long, and tells no more than others.
    let mean = staging.rows.iter().sum::<usize>() / staging.rows.len();
    let usual = (0..staging.rows.len()).filter(|&region| staging.rows[region] <= 2 * mean);
    let most = usual.take(SAMPLED_REGIONS).map(distinct).max()?;
    let bits = slot_bits(most + most / 8);
    (bits < region_bits).then_some(bits)
}

/// Slots of all regions; none where one is over-full.
pub(super) fn fill_slots<K: Word>(
    staging: &Staging<K>,
    homes: Homes,
    regions_bits: u32,
    tagged_slots: usize,
    grant: &mut Grant,
) -> Result<Option<(Slots<K>, Vec<u32>)>> {
    let region = homes.region_slots();
    let count = region << regions_bits;
    let mut slots: Vec<Slot<K>> = zeroed(count, grant)?;
    let mut tags: Vec<u8> = zeroed(if count < tagged_slots { 0 } else { count }, grant)?;
    let mut rest = tags.as_mut_slice();
    let cut = slots.chunks_mut(region).map(|slots| {
        let own = region.min(rest.len());
        let (tags, others) = std::mem::take(&mut rest).split_at_mut(own);
        rest = others;
        SlotRegion::new(slots, tags, &homes)
    });
    let cut = cut.collect();
    let (filled, lists) = fill_all(cut, staging, grant)?;
    if filled == Filled::Full {
        let bytes = slots.capacity() * size_of::<Slot<K>>() + tags.capacity() + lists.capacity() * 4;
        grant.shrink(bytes as u64);
        return Ok(None);
    }
    Ok(Some((Slots { slots, tags, homes }, lists)))
}

/// Fills all regions, in parallel; the lists, where a key has several rows.
pub(super) fn fill_all<K: Word, R: Region<K> + Send>(
    regions: Vec<R>,
    staging: &Staging<K>,
    grant: &mut Grant,
) -> Result<(Filled, Vec<u32>)> {
    let room: Vec<usize> = staging.rows.iter().map(|rows| rows + rows / 2).collect();
    let mut lists: Vec<u32> = zeroed(room.iter().sum(), grant)?;
    let mut rest = lists.as_mut_slice();
    let mut tasks = Vec::with_capacity(regions.len());
    let mut first = 0;
    for ((at, region), room) in regions.into_iter().enumerate().zip(room) {
        let (own, others) = rest.split_at_mut(room);
        rest = others;
        tasks.push((at, region, own, first));
        first += room as u32;
    }
    let filled = tasks
        .into_par_iter()
        .map(|(at, mut region, lists, first)| fill(&mut region, staging.region(at), lists, first))
        .reduce(|| Filled::Unique, Filled::and);
    if filled == Filled::Unique {
        grant.shrink((lists.capacity() * size_of::<u32>()) as u64);
        lists = Vec::new();
    }
    Ok((filled, lists))
}
