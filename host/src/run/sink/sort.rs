//! Sort and top-k: rows are kept by task, so that ties keep the source's order whatever the number of workers.
//!
//! ```text
//! worker:  chunks by task -> more than its share of the budget: sorted, written as a run, forgotten
//!          top-k: only rows within the bound that all workers lower when they have the rows wanted
//! end:     nothing was written: all rows joined in the order of tasks, sorted at once
//!          else: what workers still hold becomes runs, and all runs are merged
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::UInt32Array;
use arrow::datatypes::SchemaRef;
use parking_lot::Mutex;
use pilaster_kernels::filter::compact_columns;
use pilaster_kernels::sort::{SortKey, TopBound, sort_to_indices};
use pilaster_kernels::{Result, gather};
use rayon::prelude::*;

use super::super::chunk::Chunk;
use super::super::filter_project::FilterProject;
use super::super::query::Query;
use super::super::reading::Filtered;
use super::super::sorted_runs::{Run, SortedRuns, rows_of_block, with_task};
use super::super::store::Store;
use super::super::task::Task;
use super::super::workers::{Flow, Sinking};
use crate::memory::{Budget, Reservation};

/// A top-k keeps this many times its rows, at least [`MIN_KEPT_ROWS`], before it sorts and drops the rest: each row is
/// then sorted about once.
const KEPT_FACTOR: usize = 4;
const MIN_KEPT_ROWS: usize = 1 << 12;

/// Bytes of memory that sorting takes for each row: its place, before and after; and for each key of it: words of up to 24
/// bytes of a string with its length, and what they are made of.
const PLACE_BYTES: u64 = 24;
const KEY_BYTES: u64 = 40;

pub(crate) struct SortSink<'a> {
    query: &'a Query,
    steps: Vec<FilterProject>,
    keys: Vec<SortKey>,
    /// Rows that decide the result.
    wanted: Option<usize>,
    /// What is known of these, where they are few.
    bound: Option<TopBound>,
    schema: SchemaRef,
    memory: Arc<Budget>,
    /// What a worker may hold, so that none waits for another.
    worker_bytes: u64,
    store: Store,
    /// With the number in which they were begun.
    runs: Mutex<Vec<(usize, Run)>>,
    begun: AtomicUsize,
}

/// A worker's rows since it last wrote a run.
pub(crate) struct Rows {
    /// Of each task, in order.
    tasks: Vec<OfTask>,
    held: Reservation,
}

#[derive(Default)]
struct OfTask {
    order: usize,
    chunks: Vec<Chunk>,
    rows: usize,
}

/// What a sort has gathered.
pub(crate) enum Gathered {
    /// All rows that were kept, in source order, and what they and their sort may hold.
    Whole(Chunk, Vec<Reservation>),
    Runs(SortedRuns),
}

impl<'a> SortSink<'a> {
    pub(crate) fn new(
        query: &'a Query,
        steps: Vec<FilterProject>,
        keys: &[SortKey],
        wanted: Option<usize>,
        schema: &SchemaRef,
        workers: usize,
    ) -> Self {
        let memory = query.operator_budget();
        SortSink {
            query,
            steps,
            keys: keys.to_vec(),
            wanted,
            bound: wanted.and_then(|_| TopBound::new(keys)),
            schema: Arc::clone(schema),
            worker_bytes: memory.limit_bytes() / workers.max(1) as u64,
            memory,
            store: Store::new(query),
            runs: Mutex::default(),
            begun: AtomicUsize::new(0),
        }
    }

    /// All rows are in.
    ///
    /// # Errors
    /// [`pilaster_kernels::Error::Io`].
    pub(crate) fn finish(self, workers: Vec<Rows>) -> Result<Gathered> {
        if self.runs.lock().is_empty() {
            let (tasks, held): (Vec<_>, Vec<_>) =
                workers.into_iter().map(|rows| (rows.tasks, rows.held)).unzip();
            let mut tasks: Vec<OfTask> = tasks.into_iter().flatten().collect();
            tasks.sort_by_key(|task| task.order);
            let chunks: Vec<Chunk> = tasks.into_iter().flat_map(|task| task.chunks).collect();
            return Ok(Gathered::Whole(Chunk::concat(&chunks, &self.schema)?, held));
        }
        workers.into_par_iter().try_for_each(|rows| self.write_run(rows.tasks))?;
        self.store.seal()?;
        let SortSink { keys, wanted, schema, memory, store, runs, .. } = self;
        let mut runs = runs.into_inner();
        runs.sort_by_key(|(number, _)| *number);
        let runs: VecDeque<Run> = runs.into_iter().map(|(_, run)| run).collect();
        Ok(Gathered::Runs(SortedRuns { store, memory, runs, keys, schema, wanted }))
    }

    /// What a chunk takes until it is sorted: its rows, once more where they are joined, and the order.
    fn bytes_of(&self, chunk: &Chunk) -> u64 {
        let of_row = PLACE_BYTES + KEY_BYTES * self.keys.len() as u64;
        2 * chunk.bytes() + of_row * chunk.rows as u64
    }

    /// Adds a chunk to a worker's rows, after writing these to disk where both do not fit.
    fn add(&self, rows: &mut Rows, task: &Task, chunk: Chunk) -> Result<()> {
        let bytes = self.bytes_of(&chunk);
        // Rows that cannot be among the first ones go before any goes to disk.
        let last = rows.tasks.last().filter(|last| last.order == task.order).map_or(0, |last| last.rows);
        let reducible = self.wanted.is_some_and(|wanted| last / 2 > wanted);
        if reducible && rows.held.bytes() + bytes > self.worker_bytes {
            self.shrink(rows)?;
        }
        let count: usize = rows.tasks.iter().map(|task| task.rows).sum();
        let full = rows.held.bytes() + bytes > self.worker_bytes || count + chunk.rows > i32::MAX as usize;
        if count > 0 && (full || rows.held.grow(bytes).is_err()) {
            self.write_run(std::mem::take(&mut rows.tasks))?;
            rows.held.resize(bytes)?;
        } else if count == 0 {
            rows.held.resize(bytes)?;
        }
        if rows.tasks.last().is_none_or(|last| last.order != task.order) {
            rows.tasks.push(OfTask { order: task.order, ..OfTask::default() });
        }
        let Some(last) = rows.tasks.last_mut() else { return Ok(()) };
        last.rows += chunk.rows;
        last.chunks.push(chunk);
        if self.top_k_threshold().is_some_and(|threshold| last.rows > threshold) {
            self.shrink(rows)?;
        }
        Ok(())
    }

    /// Sorts a worker's rows and writes them to disk.
    fn write_run(&self, tasks: Vec<OfTask>) -> Result<()> {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        let of_task = |task: OfTask| {
            let order = u32::try_from(task.order).unwrap_or(u32::MAX);
            task.chunks.into_iter().map(move |mut chunk| {
                chunk.columns.push(Arc::new(UInt32Array::from_value(order, chunk.rows)));
                chunk
            })
        };
        let chunks: Vec<Chunk> = tasks.into_iter().flat_map(of_task).collect();
        let rows = Chunk::concat(&chunks, &with_task(&self.schema))?;
        drop(chunks);
        if rows.rows == 0 {
            return Ok(());
        }
        let order = sort_to_indices(&rows.columns, &self.keys, self.wanted)?;
        let mut run = Run::default();
        for block in order.chunks(rows_of_block(self.query, &self.memory, &rows)) {
            self.query.check()?;
            let block = Chunk::new(gather::take_columns(&rows.columns, block)?, block.len());
            run.blocks.extend(self.store.write(&block)?);
        }
        self.runs.lock().push((number, run));
        Ok(())
    }

    fn top_k_threshold(&self) -> Option<usize> {
        let wanted = self.wanted?;
        let threshold = wanted.saturating_mul(KEPT_FACTOR).max(MIN_KEPT_ROWS);
        (threshold < usize::MAX).then_some(threshold)
    }

    /// The rows of a chunk that can be among the wanted ones, for all that is known.
    fn within_bound(&self, chunk: Chunk) -> Result<Chunk> {
        let Some(bound) = &self.bound else { return Ok(chunk) };
        let selection = bound.select(&chunk.columns)?;
        if selection.is_all() {
            return Ok(chunk);
        }
        Ok(Chunk::new(compact_columns(&chunk.columns, &selection)?, selection.count()))
    }

    /// Keeps a task's first rows only, and gives back what the others held.
    fn shrink(&self, rows: &mut Rows) -> Result<()> {
        let Some(task) = rows.tasks.last_mut() else { return Ok(()) };
        let before: u64 = task.chunks.iter().map(|chunk| self.bytes_of(chunk)).sum();
        let all = Chunk::concat(&task.chunks, &self.schema)?;
        let first = in_order(&all, &order(&all, &self.keys, self.wanted)?)?;
        task.rows = first.rows;
        if let (Some(bound), Some(wanted)) = (&self.bound, self.wanted)
            && let Some(last) = wanted.checked_sub(1).filter(|&last| last < first.rows)
        {
            bound.lower(&first.columns, last)?;
        }
        let after = self.bytes_of(&first);
        task.chunks = vec![first];
        rows.held.shrink(before.saturating_sub(after));
        Ok(())
    }
}

/// The numbers of the first `wanted` rows in the order of `keys`.
pub(crate) fn order(rows: &Chunk, keys: &[SortKey], wanted: Option<usize>) -> Result<Vec<u32>> {
    if keys.is_empty() {
        // There may be no column to count.
        let count = wanted.unwrap_or(usize::MAX).min(rows.rows);
        return Ok((0..u32::try_from(count).unwrap_or(u32::MAX)).collect());
    }
    sort_to_indices(&rows.columns, keys, wanted)
}

/// Rows of a chunk by their numbers.
pub(crate) fn in_order(rows: &Chunk, order: &[u32]) -> Result<Chunk> {
    Ok(Chunk::new(gather::take_columns(&rows.columns, order)?, order.len()))
}

impl Sinking for SortSink<'_> {
    type Local = Rows;

    fn local(&self) -> Result<Rows> {
        Ok(Rows { tasks: Vec::new(), held: self.memory.reserve(0)? })
    }

    fn consume(&self, rows: &mut Rows, task: &Task, chunk: Chunk, filtered: Filtered) -> Result<Flow> {
        let chunk = self.within_bound(self.steps[task.branch].apply(chunk, filtered)?)?;
        if chunk.rows == 0 {
            return Ok(Flow::Continue);
        }
        // A chunk that is larger than what a worker may hold comes in parts.
        let parts = self.bytes_of(&chunk).div_ceil(self.worker_bytes.max(1)).max(1);
        let rows_of_part = chunk.rows.div_ceil(usize::try_from(parts).unwrap_or(usize::MAX)).max(1);
        chunk.slices(rows_of_part).try_for_each(|part| self.add(rows, task, part))?;
        Ok(Flow::Continue)
    }

    fn end_task(&self, rows: &mut Rows, task: &Task) -> Result<Flow> {
        let last = rows.tasks.last().filter(|last| last.order == task.order);
        if let (Some(last), Some(wanted)) = (last, self.wanted)
            && last.rows > wanted
        {
            self.shrink(rows)?;
        }
        Ok(Flow::Continue)
    }
}
