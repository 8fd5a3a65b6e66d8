//! Build rows in order of region: counted, then scattered, group of batches by group, each in memory of its own.
//!
//! ```text
//! group 0: (word, row) of region 0 | of region 1 | ...      one task each, no shared memory
//! group 1: ...
//! region r = group 0's rows of r, then group 1's, ...        ascending row numbers
//! ```
//! A group is as long as the second cache level takes, so that the scatter stays in it. Bytes per row: 8 or 16 for the
//! word, written and read, 16 or 32 for the staged row, written and read.

use std::sync::Arc;

use arrow::buffer::BooleanBuffer;
use rayon::prelude::*;

use super::input::Input;
use super::layout::{Word, Words};
use super::table::Homes;
use super::worker::Chunk;
use crate::error::Result;
use crate::memory::{Grant, Reserve};

/// Rows of a group, about: 2 MiB of staged rows.
pub(super) const GROUP_ROWS: usize = 1 << 17;

/// How the words of a batch are made.
pub(super) type WordsOf<'a, K> = dyn Fn(&Chunk) -> Result<Words<K>> + Sync + 'a;

/// All rows in order of region.
pub(super) fn staged<K: Word>(
    input: &Input,
    words: &WordsOf<K>,
    homes: &Homes,
    regions: usize,
    memory: &Arc<dyn Reserve>,
) -> Result<Staging<K>> {
    let rows: usize = input.chunks.iter().map(|(chunk, _)| chunk.rows).sum();
    let mut held = Grant::new(Arc::clone(memory));
    held.grow((rows * size_of::<(K, u32)>()) as u64)?;
    let one = |group: &&[(Chunk, u32)]| -> Result<Staged<K>> {
        let piece = |(chunk, first): &(Chunk, u32)| -> Result<Piece<K>> {
            let (words, live) = words(chunk)?;
            Ok((words, live, *first))
        };
        Ok(stage(&group.iter().map(piece).collect::<Result<Vec<_>>>()?, homes, regions))
    };
    let groups = input.groups().par_iter().map(one).collect::<Result<Vec<_>>>()?;
    let mut rows = vec![0; regions];
    for group in &groups {
        for (rows, bounds) in rows.iter_mut().zip(group.starts.windows(2)) {
            *rows += (bounds[1] - bounds[0]) as usize;
        }
    }
    Ok(Staging { groups, rows, _held: held })
}

/// All rows in order of region, group by group.
pub(super) struct Staging<K> {
    groups: Vec<Staged<K>>,
    /// Rows of each region.
    pub(super) rows: Vec<usize>,
    _held: Grant,
}

impl<K: Word> Staging<K> {
    pub(super) fn region(&self, region: usize) -> impl Iterator<Item = (K, u32)> + Clone {
        self.groups.iter().flat_map(move |group| group.region(region).iter().copied())
    }
}

/// The rows of a group, in order of region.
#[derive(Debug)]
struct Staged<K> {
    rows: Vec<(K, u32)>,
    /// Where each region's rows start, and where the last one's end.
    starts: Vec<u32>,
}

impl<K: Copy> Staged<K> {
    /// The rows of one region, in ascending order.
    fn region(&self, region: usize) -> &[(K, u32)] {
        &self.rows[self.starts[region] as usize..self.starts[region + 1] as usize]
    }
}

/// One batch's words, the rows that have one, and the number of its first row.
type Piece<K> = (Vec<K>, Option<BooleanBuffer>, u32);

/// Brings the rows of a group into order.
fn stage<K: Word>(pieces: &[Piece<K>], homes: &Homes, regions: usize) -> Staged<K> {
    match homes {
        _ if regions == 1 => stage_by(pieces, regions, |_| 0),
        Homes::Direct { region_bits } => {
            stage_by(pieces, regions, |key: K| (key.index() >> region_bits) as u32)
        }
        Homes::Hashed { hasher, mask, shift, region_bits } => {
            let shift = shift + region_bits;
            stage_by(pieces, regions, |key: K| ((key.hash(hasher) & mask) >> shift) as u32)
        }
    }
}

fn stage_by<K: Word>(pieces: &[Piece<K>], regions: usize, region: impl Fn(K) -> u32) -> Staged<K> {
    let mut starts = vec![0u32; regions + 1];
    let mut order = Vec::with_capacity(pieces.iter().map(|piece| piece.0.len()).sum());
    for (words, live, _) in pieces {
        let mut count = |key: K| {
            let region = region(key);
            order.push(region);
            starts[region as usize + 1] += 1;
        };
        match live {
            None => words.iter().for_each(|&key| count(key)),
            Some(live) => live.set_indices().for_each(|row| count(words[row])),
        }
    }
    for region in 0..regions {
        starts[region + 1] += starts[region];
    }
    let mut rows = vec![(K::default(), 0); order.len()];
    let mut next = starts.clone();
    let mut order = order.into_iter();
    for (words, live, first) in pieces {
        let mut put = |row: usize| {
            let next = &mut next[order.next().unwrap_or_default() as usize];
            rows[*next as usize] = (words[row], first + row as u32);
            *next += 1;
        };
        match live {
            None => (0..words.len()).for_each(&mut put),
            Some(live) => live.set_indices().for_each(&mut put),
        }
    }
    Staged { rows, starts }
}
