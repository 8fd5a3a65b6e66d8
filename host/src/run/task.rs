//! Tasks: the units that a pipeline's workers take in order. A row group, a partition, a stretch of an earlier result.

use std::collections::BTreeMap;
use std::sync::Arc;

use pilaster_kernels::join::cpu::JoinTable;
use pilaster_kernels::{Error, Result};

use super::chunk::Chunk;
use super::partitioned_join::PartitionedJoin;
use super::pipeline::{Branch, Source};
use super::reading::Reading;
use super::sink::Divided;
use super::store::Piece;
use crate::plan::BatchSource;
use crate::scan::{Scan, ScanTask, ScanTasks};

/// Rows of an earlier pipeline that one worker takes at a time, in batches.
const BATCHES_PER_TASK: usize = 4;

/// Row groups are cut until there are so many tasks for each thread: the last ones to finish then wait for little.
const TASKS_PER_THREAD: usize = 4;

/// A piece of a branch's input.
#[derive(Debug)]
pub(crate) struct Task {
    /// Which branch of the pipeline.
    pub(crate) branch: usize,
    /// Position among the pipeline's tasks: rows of lower tasks come first.
    pub(crate) order: usize,
    pub(crate) work: Work,
}

#[derive(Debug)]
pub(crate) enum Work {
    RowGroup {
        scan: Arc<Scan>,
        task: ScanTask,
        /// Where there are fewer tasks than threads.
        columns_in_parallel: bool,
    },
    Partition {
        source: Arc<dyn BatchSource>,
        partition: usize,
    },
    Chunks(Vec<Chunk>),
    /// Of an earlier pipeline's result.
    Pieces(Vec<Piece>),
    /// Of a join whose build side did not fit memory.
    Joined {
        join: Arc<PartitionedJoin>,
        partition: usize,
    },
    /// Of the build rows that a join of the branch shows once all that it is fed has passed.
    Remaining {
        /// Which of the branch's joins.
        stage: usize,
        start: usize,
        len: usize,
    },
}

impl Task {
    /// True where taking the next chunk may block on something other than a local file.
    pub(crate) fn blocks(&self) -> bool {
        matches!(self.work, Work::Partition { .. })
    }

    /// Rows, where they are known before reading.
    pub(crate) fn rows(&self) -> Option<u64> {
        match &self.work {
            Work::RowGroup { task, .. } => Some(task.rows() as u64),
            Work::Partition { .. } => None,
            Work::Chunks(chunks) => Some(chunks.iter().map(|chunk| chunk.rows as u64).sum()),
            Work::Pieces(pieces) => Some(pieces.iter().map(|piece| piece.rows() as u64).sum()),
            Work::Joined { .. } | Work::Remaining { .. } => None,
        }
    }

    /// Bytes that a join of partitions wrote while its tasks ran, counted once.
    pub(crate) fn spilled_again(&self) -> u64 {
        match &self.work {
            Work::Joined { join, .. } => join.take_spilled_again(),
            _ => 0,
        }
    }

    /// The join of the branch that its rows come to first.
    pub(crate) fn enters(&self) -> usize {
        match self.work {
            Work::Remaining { stage, .. } => stage + 1,
            _ => 0,
        }
    }

    /// True where both may run at the same time: all tasks that feed a join run before those that show what remains of it.
    pub(crate) fn runs_with(&self, next: &Task) -> bool {
        match (&self.work, &next.work) {
            (Work::Remaining { stage, .. }, Work::Remaining { stage: other, .. }) => {
                (self.branch, stage) == (next.branch, other)
            }
            (_, Work::Remaining { .. }) => false,
            _ => true,
        }
    }
}

/// What an earlier pipeline left, with the memory and the files that hold it.
#[derive(Debug)]
pub(crate) enum Materialised {
    Rows(Vec<Piece>),
    /// Of a join's build side.
    Table(Arc<JoinTable>),
    /// A join's build side, which did not fit memory.
    Divided(Divided),
    /// A join's probe side by partition, and the bytes of it that are on disk.
    Partitions(Vec<Vec<Piece>>, u64),
    /// A join of partitions.
    Joined(Arc<PartitionedJoin>),
}

impl Default for Materialised {
    fn default() -> Self {
        Materialised::Rows(Vec::new())
    }
}

/// The pipeline's tasks, in order of rows. Folders and footers prune row groups here; the readings keep count.
pub(crate) fn tasks(
    branches: &[Branch],
    results: &mut [Materialised],
    sequential: bool,
    cpu_batch_rows: usize,
    readings: &[Arc<Reading>],
) -> Result<Vec<Task>> {
    let rows = if sequential { usize::MAX } else { cpu_batch_rows.saturating_mul(BATCHES_PER_TASK) };
    let mut works: Vec<(usize, Work)> = Vec::new();
    for (index, branch) in branches.iter().enumerate() {
        if readings[index].probing().needs_no_rows() {
            continue;
        }
        match &branch.source {
            Source::Scan(scan) => {
                let found = scan.tasks(readings[index].prunes())?;
                readings[index].plan(found.report);
                let work = |task| {
                    (index, Work::RowGroup { scan: Arc::clone(scan), task, columns_in_parallel: false })
                };
                works.extend(found.tasks.into_iter().map(work));
            }
            Source::Input(source) if source.batches().is_some() => {
                let chunks = source.batches().into_iter().flatten().flatten().map(Chunk::from);
                let slices = chunks.flat_map(|chunk| chunk.slices(rows));
                let runs = stretches(slices, |chunk| chunk.rows, rows);
                works.extend(runs.into_iter().map(|chunks| (index, Work::Chunks(chunks))));
            }
            Source::Input(source) => {
                let work = |partition| (index, Work::Partition { source: Arc::clone(source), partition });
                works.extend((0..source.partitions()).map(work));
            }
            Source::Pipeline(below) => {
                let result = results.get_mut(*below).map(std::mem::take).unwrap_or_default();
                match result {
                    Materialised::Joined(join) => {
                        let work = |partition| (index, Work::Joined { join: Arc::clone(&join), partition });
                        works.extend((0..join.partitions()).map(work));
                    }
                    Materialised::Rows(pieces) => {
                        let runs = stretches(pieces, Piece::rows, rows);
                        works.extend(runs.into_iter().map(|pieces| (index, Work::Pieces(pieces))));
                    }
                    _ => return Err(Error::invalid("a pipeline over what is no rows")),
                }
            }
        }
    }
    works.extend(remaining(branches, readings, rows));
    let number = |(order, (branch, work))| Task { branch, order, work };
    Ok(works.into_iter().enumerate().map(number).collect())
}

/// What remains of each table once all branches that probe it have passed it: in the order in which the tables were built,
/// since what remains of one may have to pass those after it.
fn remaining(
    branches: &[Branch],
    readings: &[Arc<Reading>],
    rows: usize,
) -> impl Iterator<Item = (usize, Work)> {
    let mut tables = BTreeMap::new();
    for (index, (branch, reading)) in branches.iter().zip(readings).enumerate() {
        for (stage, (probe, table)) in branch.probes.iter().zip(reading.probing().tables()).enumerate() {
            if table.has_remaining() {
                tables.entry(probe.build).or_insert((index, stage, table.rows()));
            }
        }
    }
    let step = rows.max(1);
    tables.into_values().flat_map(move |(branch, stage, rows)| {
        let stretch = move |start| (branch, Work::Remaining { stage, start, len: step.min(rows - start) });
        (0..rows).step_by(step).map(stretch)
    })
}

/// Row groups cut where there are more threads than row groups, their columns in parallel where that is not enough.
pub(crate) fn split(tasks: Vec<Task>, sequential: bool, threads: usize) -> Vec<Task> {
    // One after another, they are read once as they are.
    let pieces = if sequential || threads < 2 { 1 } else { threads * TASKS_PER_THREAD };
    let mut works: Vec<(usize, Work)> = Vec::new();
    let mut tasks = tasks.into_iter().peekable();
    while let Some(Task { branch, work, .. }) = tasks.next() {
        let Work::RowGroup { scan, task, .. } = work else {
            works.push((branch, work));
            continue;
        };
        let mut found = ScanTasks { tasks: vec![task], ..ScanTasks::default() };
        let row_group = |next: &Task| next.branch == branch && matches!(next.work, Work::RowGroup { .. });
        while let Some(Task { work: Work::RowGroup { task, .. }, .. }) = tasks.next_if(row_group) {
            found.tasks.push(task);
        }
        let found = found.split(pieces);
        let columns_in_parallel = threads > 1 && (sequential || found.tasks.len() < threads);
        let work = |task| (branch, Work::RowGroup { scan: Arc::clone(&scan), task, columns_in_parallel });
        works.extend(found.tasks.into_iter().map(work));
    }
    let number = |(order, (branch, work))| Task { branch, order, work };
    works.into_iter().enumerate().map(number).collect()
}

/// `items` in runs of about `rows` rows.
fn stretches<T>(
    items: impl IntoIterator<Item = T>,
    rows_of: impl Fn(&T) -> usize,
    rows: usize,
) -> Vec<Vec<T>> {
    let mut runs: Vec<Vec<T>> = Vec::new();
    let mut room = 0;
    for item in items {
        let taken = rows_of(&item);
        match runs.last_mut() {
            Some(run) if taken <= room => {
                run.push(item);
                room -= taken;
            }
            _ => {
                runs.push(vec![item]);
                room = rows.saturating_sub(taken);
            }
        }
    }
    runs
}
