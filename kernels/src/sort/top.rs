//! The few rows that can be among the first, in one pass over the first word of their keys.
//!
//! ```text
//! threshold = largest word that can still count, of all threads          at first: any
//! rows with word <= threshold are kept; when a thread has enough of them, it drops all but the smallest and lowers it
//! ```
//! Rows that agree in their first word and have more words are all kept. Which rows are kept depends on timing; the first
//! `keep` of them do not. Bytes per row: those of its key, once. (Idea: quick-select buffers with a shared bound, as in
//! ClickHouse's and Polars' top-k.)

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use crate::keys::order::{Cursor, KeySequence, Rows};

/// More than this share of the rows wanted: the sort itself is as fast.
const MOST_SHARE: usize = 8;
/// Rows of a task.
const BLOCK_ROWS: usize = 1 << 16;
/// Rows whose words are made at a time.
const STEP_ROWS: usize = 1 << 12;
/// A thread keeps this many times the rows wanted, at least [`LEAST_KEPT`], before it drops some.
const KEPT_FACTOR: usize = 4;
const LEAST_KEPT: usize = 1 << 10;

/// The rows, ascending, that hold the first `keep` of all `rows`; none where this leaves too many to be worth it.
pub(super) fn candidates(sequence: &KeySequence, rows: usize, keep: usize) -> Option<Vec<u32>> {
    let start = Cursor::default();
    if keep > rows / MOST_SHARE || sequence.is_end(start) {
        return None;
    }
    if keep == 0 {
        return Some(Vec::new());
    }
    let bound = AtomicU64::new(u64::MAX);
    let blocks: Vec<Kept> = (0..rows.div_ceil(BLOCK_ROWS))
        .into_par_iter()
        .fold(
            || Kept::new(keep, sequence.is_last(start)),
            |mut kept, block| {
                let end = rows.min((block + 1) * BLOCK_ROWS);
                kept.scan(sequence, &bound, block * BLOCK_ROWS..end);
                kept
            },
        )
        .collect();
    let mut all = Kept::new(keep, sequence.is_last(start));
    all.rows.extend(blocks.into_iter().flat_map(|kept| kept.rows));
    all.shrink(&bound);
    let mut rows: Vec<u32> = all.rows.into_iter().map(|(_, row)| row).collect();
    rows.sort_unstable();
    Some(rows)
}

/// Rows that a thread keeps, with their words.
struct Kept {
    rows: Vec<(u64, u32)>,
    keep: usize,
    /// Rows that agree in their word are equal, so that the earlier one comes first.
    whole: bool,
    /// Rows from which some are dropped.
    limit: usize,
    words: Vec<u64>,
}

impl Kept {
    fn new(keep: usize, whole: bool) -> Self {
        let limit = keep.saturating_mul(KEPT_FACTOR).max(LEAST_KEPT);
        Kept { rows: Vec::new(), keep, whole, limit, words: vec![0; STEP_ROWS] }
    }

    fn scan(&mut self, sequence: &KeySequence, bound: &AtomicU64, rows: std::ops::Range<usize>) {
        for start in rows.clone().step_by(STEP_ROWS) {
            let end = rows.end.min(start + STEP_ROWS);
            let words = &mut self.words[..end - start];
            sequence.words(Cursor::default(), &Rows::Range(start..end), words);
            let most = bound.load(Ordering::Relaxed);
            let kept = words.iter().zip(start as u32..).filter(|(word, _)| **word <= most);
            self.rows.extend(kept.map(|(&word, row)| (word, row)));
            if self.rows.len() >= self.limit {
                self.shrink(bound);
                self.limit = self.limit.max(self.rows.len() * 2);
            }
        }
    }

    /// Drops rows that cannot be among the first `keep`, and lowers the bound.
    fn shrink(&mut self, bound: &AtomicU64) {
        if self.rows.len() <= self.keep {
            return;
        }
        let (_, &mut (word, _), _) = self.rows.select_nth_unstable(self.keep - 1);
        bound.fetch_min(word, Ordering::Relaxed);
        if self.whole {
            self.rows.truncate(self.keep);
        } else {
            self.rows.retain(|kept| kept.0 <= word);
        }
    }
}
