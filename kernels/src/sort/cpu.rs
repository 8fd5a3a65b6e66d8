//! CPU path: rows are ordered by 64-bit words of their keys, the row's place packed in; never through an index.
//!
//! ```text
//! run = rows whose keys agree in the words before its cursor        at first: all rows, first word
//! words of the run   all equal               -> the same run, next word (of strings: behind the common prefix)
//!                    in order, or reversed   -> as they lie
//!                    few                     -> u64 = word << bits | place, in cache (`words`)
//!                    many                    -> partitions by a sample's quantiles, each then like a few (`radix`)
//! rows that agree in the word and have more of them are runs again
//! ```
//! A row's place in its run is the last component of every comparison, so unstable sorts give the stable order. A small
//! `fetch` drops rows before they are sorted (`top`).
//!
//! Bytes per row for one word of 64 bits: 8 for the word, 12 out and in for the partition, 4 for the order; four rows'
//! worth of key, of which none is read at random.

use arrow::array::ArrayRef;
use rayon::prelude::*;

use super::words::WordSorter;
use super::{SortKey, radix, top};
use crate::error::{Error, Result};
use crate::gather;
use crate::keys::order::{Cursor, KeySequence, Rows};
use crate::simd::lanes;

/// Rows from which a run is spread over the pool: below, a split costs more than it saves.
pub(super) const PARALLEL_ROWS: usize = 1 << 16;

/// Rows up to which comparing keys beats making words of them.
const COMPARED_ROWS: usize = 12;

/// Row indices of `columns` in the order of `keys`, the first `fetch` of them where given. Rows with equal keys keep
/// their order. Floats sort in the total order (NaN greatest, -0.0 = 0.0), strings and binaries by bytes. Large inputs
/// are spread over the current rayon pool; the result does not depend on it.
///
/// # Errors
/// [`Error::InvalidInput`] where a key names a column that is not there, columns differ in length, or rows exceed
/// `u32`; [`Error::Unsupported`] for nested key types.
pub fn sort_to_indices(columns: &[ArrayRef], keys: &[SortKey], fetch: Option<usize>) -> Result<Vec<u32>> {
    let rows = columns.first().map_or(0, |column| column.len());
    let end = u32::try_from(rows).map_err(|_| Error::invalid(format!("{rows} rows in one batch")))?;
    let keep = fetch.map_or(rows, |fetch| fetch.min(rows));
    let lead = keys.first().and_then(|key| columns.get(key.column)).filter(|lead| lead.len() == rows);
    if let Some(lead) = lead
        && let Some(candidates) = top::candidates(lead, keys, keep)?
    {
        return order_of(columns, keys, candidates, keep);
    }
    let sequence = KeySequence::new(columns, keys)?;
    let mut order: Vec<u32> = (0..end).into_par_iter().collect();
    sort_rows(&sequence, &mut order);
    order.truncate(keep);
    Ok(order)
}

/// The first `keep` of some rows, which ascend.
fn order_of(columns: &[ArrayRef], keys: &[SortKey], rows: Vec<u32>, keep: usize) -> Result<Vec<u32>> {
    let of_keys = keys.iter().map(|key| {
        let column = columns.get(key.column).filter(|column| column.len() == columns[0].len());
        column.cloned().ok_or_else(|| Error::invalid(format!("sort key on column {}", key.column)))
    });
    let of_keys = gather::take_columns(&of_keys.collect::<Result<Vec<_>>>()?, &rows)?;
    let keys: Vec<SortKey> = keys.iter().zip(0..).map(|(key, column)| SortKey { column, ..*key }).collect();
    let mut order = sort_to_indices(&of_keys, &keys, None)?;
    order.truncate(keep);
    order.iter_mut().for_each(|place| *place = rows[*place as usize]);
    Ok(order)
}

/// Rows that agree before `cursor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: usize,
    pub(super) len: usize,
    pub(super) cursor: Cursor,
}

impl Run {
    /// The run, `start` rows further on.
    pub(super) fn behind(self, start: usize) -> Self {
        Run { start: start + self.start, ..self }
    }
}

/// Orders `rows`, which ascend.
fn sort_rows(sequence: &KeySequence, rows: &mut [u32]) {
    let mut left = vec![Run { start: 0, len: rows.len(), cursor: Cursor::default() }];
    let mut scratch = Scratch::default();
    while let Some(run) = left.pop() {
        let rows = &mut rows[run.start..run.start + run.len];
        if run.len < PARALLEL_ROWS {
            scratch.sort(sequence, run.cursor, rows);
        } else if !sequence.is_end(run.cursor) {
            let large = radix::sort(sequence, run.cursor, rows);
            left.extend(large.into_iter().map(|part| part.behind(run.start)));
        }
    }
}

/// Sorts runs one after the other, in memory that it keeps.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    left: Vec<Run>,
    words: Vec<u64>,
    pub(super) sorter: WordSorter,
}

impl Scratch {
    /// Orders `rows`, which ascend and agree before `cursor`.
    pub(super) fn sort(&mut self, sequence: &KeySequence, cursor: Cursor, rows: &mut [u32]) {
        self.push(sequence, Run { start: 0, len: rows.len(), cursor }, rows);
        while let Some(run) = self.left.pop() {
            let rows = &mut rows[run.start..run.start + run.len];
            let mut words = std::mem::take(&mut self.words);
            words.clear();
            words.resize(run.len, 0);
            sequence.words(run.cursor, &Rows::List(rows), &mut words);
            self.order(sequence, run, rows, &mut words);
            self.words = words;
        }
    }

    /// Orders the rows of `run`, whose words these are, and leaves what is still a run for later.
    fn order(&mut self, sequence: &KeySequence, run: Run, rows: &mut [u32], words: &mut [u64]) {
        match Shape::of(words) {
            Shape::Equal => {
                let cursor = sequence.after_common(run.cursor, &Rows::List(rows));
                return self.push(sequence, Run { cursor, ..run }, rows);
            }
            Shape::Ascending => {}
            Shape::Descending => {
                words.reverse();
                rows.reverse();
            }
            Shape::Mixed { min, max } => self.sorter.sort((min, max), words, rows),
        }
        if !sequence.is_last(run.cursor) {
            for tie in ties(words) {
                let rows = &mut rows[tie.clone()];
                let cursor = sequence.after(run.cursor, rows[0] as usize);
                self.push(sequence, Run { start: run.start + tie.start, len: tie.len(), cursor }, rows);
            }
        }
    }

    /// Leaves `run`, whose rows these are, for later, or sorts it at once where it is tiny.
    fn push(&mut self, sequence: &KeySequence, run: Run, rows: &mut [u32]) {
        if sequence.is_end(run.cursor) || run.len < 2 {
            return;
        }
        if run.len <= COMPARED_ROWS {
            rows.sort_by(|&a, &b| sequence.compare(run.cursor, a, b));
        } else {
            self.left.push(run);
        }
    }
}

/// What a look at words tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Equal,
    /// Never smaller than the word before.
    Ascending,
    /// Always smaller than the word before: reversed, equal ones would change places.
    Descending,
    Mixed {
        min: u64,
        max: u64,
    },
}

impl Shape {
    fn of(words: &[u64]) -> Self {
        let (min, max) = min_max(words);
        if min == max {
            Shape::Equal
        } else if words.is_sorted() {
            Shape::Ascending
        } else if words.is_sorted_by(|a, b| a > b) {
            Shape::Descending
        } else {
            Shape::Mixed { min, max }
        }
    }
}

/// Smallest and largest word; of none, the empty range at 0.
pub(super) fn min_max(words: &[u64]) -> (u64, u64) {
    lanes::min_max(words).unwrap_or_default()
}

/// Stretches of two equal words and more.
pub(super) fn ties(words: &[u64]) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
    let mut end = 0;
    words.chunk_by(|a, b| a == b).filter_map(move |equal| {
        let start = end;
        end += equal.len();
        (equal.len() > 1).then_some(start..end)
    })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
