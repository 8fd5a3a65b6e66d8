//! One word of a long run: rows into partitions by ranges of it, then each partition in cache, on all threads.
//!
//! ```text
//! sample     some thousand words                             where partitions begin (`split`); whether rows may lie in order
//! block      words of its rows -> partition                  counted, then scattered within the block: no two tasks share a line
//! partition  its stretch of each block, block after block    packed as (word, place), sorted in cache (`words`)
//! ```
//! Blocks and the rows in them ascend, so a place tells the input order. A partition that is too long, since the sample said
//! little of it, is partitioned again by its own.
//!
//! Bytes per row: 8 for the key, 12 written and read for the partition, 4 for the order; nothing is read at random. Fresh memory
//! costs as much as the scatter itself: words of all rows are never written in input order.
//! (Idea: MSD radix with a sort per bucket, as in DuckDB's and Polyroblis and Keller's sorts; splitters of samplesort.)

use std::ops::Range;

use rayon::prelude::*;

use super::cpu::{PARALLEL_ROWS, Run, Scratch, Shape, min_max, ties};
use super::split::{Split, sampled};
use crate::keys::order::{Cursor, KeySequence, Rows};

/// Rows of a block: what is scattered at a time stays close to the second cache level.
const BLOCK_ROWS: usize = 1 << 17;
/// Rows of neighbouring partitions that make a task.
const TASK_ROWS: usize = 1 << 15;

/// Orders `rows`, which ascend and agree before `cursor`, and returns the runs that are left: those that are long.
pub(super) fn sort(sequence: &KeySequence, cursor: Cursor, rows: &mut [u32]) -> Vec<Run> {
    let mut task = Task { sequence, cursor, scratch: Scratch::default() };
    let sample = sample_of(sequence, cursor, rows);
    if !is_mixed(&sample) {
        let mut words = vec![0; rows.len()];
        let shape = measure(sequence, cursor, rows, &mut words);
        return task.order(shape, words, rows);
    }
    let split = Split::new(&sample, rows.len());
    let fill = |_, rows: &[u32], words: &mut [u64]| sequence.words(cursor, &listed(rows), words);
    Blocks::scatter(&split, rows, fill).sort(sequence, cursor, rows)
}

fn sample_of(sequence: &KeySequence, cursor: Cursor, rows: &[u32]) -> Vec<u64> {
    let picked: Vec<u32> = sampled(rows.len()).map(|at| rows[at]).collect();
    let mut words = vec![0; picked.len()];
    sequence.words(cursor, &Rows::List(&picked), &mut words);
    words
}

/// True where the words are in neither order, so that those that they are a sample of are not either.
fn is_mixed(words: &[u64]) -> bool {
    !words.is_sorted() && !words.is_sorted_by(|a, b| a >= b)
}

/// `rows`, which ascend, as what words are asked for.
fn listed(rows: &[u32]) -> Rows<'_> {
    match rows {
        [first, .., last] if (last - first) as usize == rows.len() - 1 => {
            Rows::Range(*first as usize..*last as usize + 1)
        }
        _ => Rows::List(rows),
    }
}

/// Fills `words`, and says how they lie.
fn measure(sequence: &KeySequence, cursor: Cursor, rows: &[u32], words: &mut [u64]) -> Shape {
    let parts: Vec<(u64, u64, bool, bool)> = words
        .par_chunks_mut(PARALLEL_ROWS)
        .zip(rows.par_chunks(PARALLEL_ROWS))
        .map(|(words, rows)| {
            sequence.words(cursor, &listed(rows), words);
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
    words: Vec<u64>,
    rows: Vec<u32>,
    /// Of each block, where each of its partitions ends in it.
    ends: Vec<Vec<u32>>,
}

impl Blocks {
    /// Brings the rows of each block into the order of their partitions; `fill` writes the words of a block, told where it
    /// starts in `rows`.
    fn scatter(split: &Split, rows: &[u32], fill: impl Fn(usize, &[u32], &mut [u64]) + Sync) -> Self {
        let mut out = Blocks { words: vec![0; rows.len()], rows: vec![0; rows.len()], ends: Vec::new() };
        let targets = out.words.par_chunks_mut(BLOCK_ROWS).zip(out.rows.par_chunks_mut(BLOCK_ROWS));
        let blocks = targets.zip(rows.par_chunks(BLOCK_ROWS)).enumerate();
        let ends = blocks.map_init(Vec::new, |words, (block, ((out_words, out_rows), rows))| {
            words.resize(rows.len(), 0);
            fill(block * BLOCK_ROWS, rows, words);
            let mut next = vec![0u32; split.partitions() + 1];
            words.iter().for_each(|&word| next[split.of(word) + 1] += 1);
            for partition in 1..next.len() {
                next[partition] += next[partition - 1];
            }
            for (&word, &row) in words.iter().zip(rows) {
                let next = &mut next[split.of(word)];
                out_words[*next as usize] = word;
                out_rows[*next as usize] = row;
                *next += 1;
            }
            next.truncate(split.partitions());
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
                task.scratch.sorter.sort(min_max(words), words, rows);
                task.ties(words, rows)
            };
            left.extend(runs.into_iter().map(|run| run.behind(start)));
            start += len;
        }
        left
    }

    /// A partition's words and rows, in input order.
    fn collect(&self, partition: usize, words: &mut Vec<u64>, rows: &mut [u32]) {
        words.clear();
        let mut start = 0;
        for stretch in self.stretches(partition) {
            words.extend_from_slice(&self.words[stretch.clone()]);
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
                let mut sample: Vec<u64> = sampled(words.len()).map(|at| words[at]).collect();
                // With both ends, so that no part is the whole again.
                sample.extend([min, max]);
                let split = Split::new(&sample, words.len());
                let fill = |start, rows: &[u32], out: &mut [u64]| {
                    out.copy_from_slice(&words[start..start + rows.len()]);
                };
                let blocks = Blocks::scatter(&split, rows, fill);
                drop(words);
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
