//! One word of a long run: rows into partitions by its top bits, then each partition by the rest, on all threads.
//!
//! ```text
//! words      of all rows, in blocks                          one block, one task
//! block      word, row -> partition                          counted, then scattered within the block: no two tasks share a line
//! partition  its stretch of each block, block after block    packed as (rest of the word, place), sorted in cache
//! ```
//! Blocks and the rows in them ascend, so a place tells the input order. A partition that is too long, since words
//! cluster, is partitioned again: it has the top bits in common, so that its words span less.
//! (Idea: MSD radix with a comparison sort per bucket, as in DuckDB's and Polyroblis and Keller's sorts.)

use std::ops::Range;

use rayon::prelude::*;

use super::cpu::{PARALLEL_ROWS, Run, Scratch, Shape, min_max, ties};
use crate::keys::order::{Cursor, KeySequence, Rows};

/// Rows that a partition should have: their packed words fit the first-level cache.
const PARTITION_ROWS: usize = 1 << 11;
/// More write streams at once than this outgrow the second-level cache's lines.
const MOST_PARTITION_BITS: u32 = 12;
const BLOCK_ROWS: usize = 1 << 18;
/// Rows of neighbouring partitions that make a task.
const TASK_ROWS: usize = 1 << 15;

/// Orders `rows`, which ascend and agree before `cursor`, and returns the runs that are left: those that are long.
pub(super) fn sort(sequence: &KeySequence, cursor: Cursor, rows: &mut [u32]) -> Vec<Run> {
    let mut words = vec![0; rows.len()];
    let shape = measure(sequence, cursor, rows, &mut words);
    Task { sequence, cursor, scratch: Scratch::default() }.order(shape, words, rows)
}

/// Fills `words`, and says how they lie.
fn measure(sequence: &KeySequence, cursor: Cursor, rows: &[u32], words: &mut [u64]) -> Shape {
    let contiguous = rows.last().is_some_and(|&last| (last - rows[0]) as usize == rows.len() - 1);
    let parts: Vec<(u64, u64, bool, bool)> = words
        .par_chunks_mut(PARALLEL_ROWS)
        .zip(rows.par_chunks(PARALLEL_ROWS))
        .map(|(words, rows)| {
            let first = rows[0] as usize;
            let rows = if contiguous { Rows::Range(first..first + rows.len()) } else { Rows::List(rows) };
            sequence.words(cursor, &rows, words);
            let (min, max) = min_max(words);
            (min, max, words.is_sorted(), words.is_sorted_by(|a, b| a > b))
        })
        .collect();
    let (min, max) = parts.iter().fold((u64::MAX, 0), |(min, max), part| (min.min(part.0), max.max(part.1)));
    if min == max {
        Shape::Equal
    } else if parts.iter().all(|part| part.2) && parts.is_sorted_by(|a, b| a.1 <= b.0) {
        Shape::Ascending
    } else if parts.iter().all(|part| part.3) && parts.is_sorted_by(|a, b| a.0 > b.1) {
        Shape::Descending
    } else {
        Shape::Mixed { min, max }
    }
}

/// A run in blocks, each in order of partition.
struct Blocks {
    /// Bits of a word below those that name its partition.
    low_bits: u32,
    /// Less their minimum.
    words: Vec<u64>,
    rows: Vec<u32>,
    /// Of each block, where each of its partitions ends in it.
    ends: Vec<Vec<u32>>,
}

impl Blocks {
    fn scatter(min: u64, max: u64, rows: &[u32], words: Vec<u64>) -> Self {
        let bits = u64::BITS - (max - min).leading_zeros();
        let wanted = (rows.len() / PARTITION_ROWS).max(2).ilog2();
        let low_bits = bits - wanted.min(MOST_PARTITION_BITS).min(bits);
        let partitions = ((max - min) >> low_bits) as usize + 1;
        let mut out =
            Blocks { low_bits, words: vec![0; rows.len()], rows: vec![0; rows.len()], ends: Vec::new() };
        let targets = out.words.par_chunks_mut(BLOCK_ROWS).zip(out.rows.par_chunks_mut(BLOCK_ROWS));
        let sources = words.par_chunks(BLOCK_ROWS).zip(rows.par_chunks(BLOCK_ROWS));
        let ends = targets.zip(sources).map(|((out_words, out_rows), (words, rows))| {
            let mut next = vec![0u32; partitions + 1];
            words.iter().for_each(|word| next[((word - min) >> low_bits) as usize + 1] += 1);
            for partition in 1..next.len() {
                next[partition] += next[partition - 1];
            }
            for (word, &row) in words.iter().zip(rows) {
                let word = word - min;
                let next = &mut next[(word >> low_bits) as usize];
                out_words[*next as usize] = word;
                out_rows[*next as usize] = row;
                *next += 1;
            }
            next.truncate(partitions);
            next
        });
        out.ends = ends.collect();
        out
    }

    fn partitions(&self) -> usize {
        self.ends.first().map_or(0, Vec::len)
    }

    /// The stretch of `partition` in each block.
    fn stretches(&self, partition: usize) -> impl Iterator<Item = Range<usize>> + '_ {
        self.ends.iter().enumerate().map(move |(block, ends)| {
            let start = if partition == 0 { 0 } else { ends[partition - 1] };
            block * BLOCK_ROWS + start as usize..block * BLOCK_ROWS + ends[partition] as usize
        })
    }

    fn partition_rows(&self, partition: usize) -> usize {
        self.stretches(partition).map(|stretch| stretch.len()).sum()
    }

    /// Writes the rows of all partitions in order, and returns the runs that are left.
    fn sort(&self, sequence: &KeySequence, cursor: Cursor, mut rows: &mut [u32]) -> Vec<Run> {
        let mut tasks = Vec::new();
        let mut start = 0;
        let mut first = 0;
        let mut len = 0;
        for partition in 0..self.partitions() {
            len += self.partition_rows(partition);
            if len >= TASK_ROWS || partition + 1 == self.partitions() {
                let (mine, rest) = std::mem::take(&mut rows).split_at_mut(len);
                tasks.push((start, first..partition + 1, mine));
                (start, first, len, rows) = (start + len, partition + 1, 0, rest);
            }
        }
        let left = tasks.into_par_iter().map_init(Buffers::default, |buffers, (start, partitions, rows)| {
            let scratch = std::mem::take(&mut buffers.scratch);
            let mut task = Task { sequence, cursor, scratch };
            let left = self.sort_partitions(partitions, &mut buffers.words, &mut task, rows);
            buffers.scratch = task.scratch;
            left.into_iter().map(|run| run.behind(start)).collect::<Vec<_>>()
        });
        left.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    fn sort_partitions(
        &self,
        partitions: Range<usize>,
        words: &mut Vec<u64>,
        task: &mut Task<'_>,
        rows: &mut [u32],
    ) -> Vec<Run> {
        let mut left = Vec::new();
        let mut start = 0;
        for partition in partitions {
            let len = self.partition_rows(partition);
            let rows = &mut rows[start..start + len];
            self.collect(partition, words, rows);
            let runs = if len >= PARALLEL_ROWS {
                let (min, max) = min_max(words);
                let shape = if min == max { Shape::Equal } else { Shape::Mixed { min, max } };
                task.order(shape, std::mem::take(words), rows)
            } else {
                task.scratch.sort_words(self.low_bits, words, rows);
                task.ties(words, rows)
            };
            left.extend(runs.into_iter().map(|run| run.behind(start)));
            start += len;
        }
        left
    }

    /// The low bits of a partition's words, and its rows, in input order.
    fn collect(&self, partition: usize, words: &mut Vec<u64>, rows: &mut [u32]) {
        let mask = (1u64 << self.low_bits) - 1;
        words.clear();
        let mut start = 0;
        for stretch in self.stretches(partition) {
            words.extend(self.words[stretch.clone()].iter().map(|word| word & mask));
            rows[start..start + stretch.len()].copy_from_slice(&self.rows[stretch.clone()]);
            start += stretch.len();
        }
    }
}

/// What a thread keeps from task to task.
#[derive(Default)]
struct Buffers {
    words: Vec<u64>,
    scratch: Scratch,
}

/// A thread that orders rows by the word at a cursor.
struct Task<'a> {
    sequence: &'a KeySequence,
    cursor: Cursor,
    scratch: Scratch,
}

impl Task<'_> {
    /// Orders many rows, whose words these are, and returns the runs that are left.
    fn order(&mut self, shape: Shape, mut words: Vec<u64>, rows: &mut [u32]) -> Vec<Run> {
        match shape {
            Shape::Equal => {
                let cursor = self.sequence.after_common(self.cursor, &Rows::List(rows));
                return vec![Run { start: 0, len: rows.len(), cursor }];
            }
            Shape::Ascending => {}
            Shape::Descending => {
                words.reverse();
                rows.reverse();
            }
            Shape::Mixed { min, max } => {
                let blocks = Blocks::scatter(min, max, rows, words);
                return blocks.sort(self.sequence, self.cursor, rows);
            }
        }
        self.ties(&words, rows)
    }

    /// Orders rows that agree in their words, which are in order, and returns the runs that are left.
    fn ties(&mut self, words: &[u64], rows: &mut [u32]) -> Vec<Run> {
        let mut left = Vec::new();
        if self.sequence.is_last(self.cursor) {
            return left;
        }
        for tie in ties(words) {
            let cursor = self.sequence.after(self.cursor, rows[tie.start] as usize);
            if tie.len() >= PARALLEL_ROWS {
                left.push(Run { start: tie.start, len: tie.len(), cursor });
            } else {
                self.scratch.sort(self.sequence, cursor, &mut rows[tie]);
            }
        }
        left
    }
}
