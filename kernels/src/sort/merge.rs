//! Merging of sorted runs that come batch by batch.
//!
//! ```text
//! runs:   [batch, batch, ...] each in order; the first unread row of each is its head
//! tree:   loser tree over the heads: a leaf per run, in each inner node the loser of the match there
//! step:   the winner's row goes out, its run's next row plays from its leaf up: log2(runs) comparisons
//! wants:  a run whose batch is used up stops the merge until its next batch is fed, or its end is told
//! ```
//! A comparison looks at the first eight bytes of both heads' keys, at the rest where these are equal, then at the ties'
//! numbers and the runs', so that a merge of runs that were sorted stably is stable. Rows are named, not moved: whoever owns
//! the batches gathers. (Knuth, TAOCP 3, 5.4.1.)

use arrow::buffer::ScalarBuffer;

use crate::error::{Error, Result};
use crate::keys::RowKeys;

/// Why [`Merge::next`] came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// As many rows as were wanted.
    Full,
    /// The next batch of this run, or its end, has to be told first.
    Wants(usize),
    /// All rows of all runs are out.
    End,
}

/// A merge of sorted runs.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Int64Array};
/// use arrow::datatypes::{DataType, Field};
/// use pilaster_kernels::keys::RowKeyEncoder;
/// use pilaster_kernels::sort::{Merge, SortKey, Step};
///
/// let key = SortKey { column: 0, descending: false, nulls_first: false };
/// let encoder = RowKeyEncoder::new([&Field::new("x", DataType::Int64, false)], &[key])?;
/// let run = |values: Vec<i64>| -> ArrayRef { Arc::new(Int64Array::from(values)) };
/// let mut merge = Merge::new(2);
/// merge.feed(0, 0, encoder.encode(&[run(vec![1, 3])], 2)?, vec![0, 0].into())?;
/// merge.feed(1, 1, encoder.encode(&[run(vec![1, 2])], 2)?, vec![1, 1].into())?;
/// let mut rows = Vec::new();
/// assert_eq!(merge.next(100, &mut rows), Step::Wants(1));
/// merge.end(1);
/// assert_eq!(merge.next(100, &mut rows), Step::Wants(0));
/// merge.end(0);
/// assert_eq!(merge.next(100, &mut rows), Step::End);
/// // Batch and row: 1 (of the first run), 1, 2, 3.
/// assert_eq!(rows, [(0, 0), (1, 0), (1, 1), (0, 1)]);
/// # Ok::<(), pilaster_kernels::Error>(())
/// ```
#[derive(Debug)]
pub struct Merge {
    heads: Vec<Head>,
    /// Runs that lost: inner nodes from 1 on; node `n` has the children `2n` and `2n + 1`, run `r` is node `runs + r`.
    losers: Vec<usize>,
    winner: usize,
    phase: Phase,
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// Runs without their first batch.
    Starting,
    /// The winner's head has changed since it won.
    Stale,
    Settled,
}

#[derive(Debug, Default)]
struct Head {
    batch: usize,
    keys: RowKeys,
    ties: ScalarBuffer<u32>,
    row: usize,
    prefix: u64,
    ended: bool,
}

impl Head {
    fn is_hungry(&self) -> bool {
        !self.ended && self.row >= self.keys.rows()
    }

    fn look(&mut self) {
        if self.row < self.keys.rows() {
            let mut prefix = [0; 8];
            let key = self.keys.row(self.row);
            let length = key.len().min(8);
            prefix[..length].copy_from_slice(&key[..length]);
            self.prefix = u64::from_be_bytes(prefix);
        }
    }
}

impl Merge {
    /// A merge of so many runs, each of which wants its first batch.
    #[must_use]
    pub fn new(runs: usize) -> Self {
        let heads = (0..runs).map(|_| Head::default()).collect();
        Self { heads, losers: vec![0; runs], winner: 0, phase: Phase::Starting }
    }

    /// The next batch of a run, which is told as `batch` in the rows that come out: its keys, which one encoder wrote for
    /// all runs, and a number for each row that decides between equal keys, the lower first (then the lower run, then the
    /// row's place in its run).
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the run has rows left or has ended, or the batch has no rows or another number of ties.
    pub fn feed(&mut self, run: usize, batch: usize, keys: RowKeys, ties: ScalarBuffer<u32>) -> Result<()> {
        let head = self.heads.get_mut(run).filter(|head| head.is_hungry());
        let head = head.ok_or_else(|| Error::invalid("a batch for a run that wants none"))?;
        if keys.rows() == 0 || keys.rows() != ties.len() {
            return Err(Error::invalid("a batch of a sorted run without rows, or with other ties"));
        }
        *head = Head { batch, keys, ties, row: 0, prefix: 0, ended: false };
        head.look();
        Ok(())
    }

    /// A run has no more batches.
    pub fn end(&mut self, run: usize) {
        if let Some(head) = self.heads.get_mut(run) {
            *head = Head { ended: true, prefix: u64::MAX, ..Head::default() };
        }
    }

    /// Bytes of the keys that are held.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.heads.iter().map(|head| head.keys.memory_bytes()).sum()
    }

    /// Appends the next rows, each by the number that its batch was fed with and its row there, until `rows` has `most`.
    pub fn next(&mut self, most: usize, rows: &mut Vec<(usize, usize)>) -> Step {
        if self.phase == Phase::Starting {
            if let Some(run) = self.heads.iter().position(Head::is_hungry) {
                return Step::Wants(run);
            }
            self.winner = if self.heads.is_empty() { return Step::End } else { self.play(1) };
            self.phase = Phase::Settled;
        }
        loop {
            if self.heads[self.winner].is_hungry() {
                self.phase = Phase::Stale;
                return Step::Wants(self.winner);
            }
            if self.phase == Phase::Stale {
                self.replay();
                self.phase = Phase::Settled;
            }
            let head = &mut self.heads[self.winner];
            if head.ended {
                return Step::End;
            }
            if rows.len() >= most {
                return Step::Full;
            }
            rows.push((head.batch, head.row));
            head.row += 1;
            head.look();
            self.phase = Phase::Stale;
        }
    }

    /// Plays all matches below a node; the winner.
    fn play(&mut self, node: usize) -> usize {
        let runs = self.heads.len();
        if node >= runs {
            return node - runs;
        }
        let (left, right) = (self.play(2 * node), self.play(2 * node + 1));
        let (winner, loser) = if self.wins(left, right) { (left, right) } else { (right, left) };
        self.losers[node] = loser;
        winner
    }

    /// Plays the winner's matches again, from its leaf up.
    fn replay(&mut self) {
        let mut winner = self.winner;
        let mut node = (self.heads.len() + winner) / 2;
        while node > 0 {
            let other = self.losers[node];
            if self.wins(other, winner) {
                self.losers[node] = winner;
                winner = other;
            }
            node /= 2;
        }
        self.winner = winner;
    }

    #[inline]
    fn wins(&self, a: usize, b: usize) -> bool {
        let (one, other) = (&self.heads[a], &self.heads[b]);
        if one.prefix != other.prefix {
            return one.prefix < other.prefix;
        }
        if one.ended || other.ended {
            return !one.ended;
        }
        let keys = one.keys.row(one.row).cmp(other.keys.row(other.row));
        keys.then_with(|| (one.ties[one.row], a).cmp(&(other.ties[other.row], b))).is_lt()
    }
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
