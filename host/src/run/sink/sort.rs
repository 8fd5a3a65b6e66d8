//! Sort and top-k: chunks are kept by task, so that ties keep the source's order whatever the number of workers.

use arrow::datatypes::SchemaRef;
use parking_lot::Mutex;
use pilaster_kernels::sort::{SortKey, sort_to_indices};
use pilaster_kernels::{Result, gather};

use super::super::chunk::Chunk;
use super::super::filter_project::FilterProject;
use super::super::task::{Filtered, Task};
use super::super::workers::{Flow, Sinking};
use crate::memory::Reservation;

/// A top-k keeps this many times its rows, at least [`MIN_KEPT_ROWS`], before it sorts and drops the rest: each row is
/// then sorted about once.
const KEPT_FACTOR: usize = 4;
const MIN_KEPT_ROWS: usize = 1 << 16;

pub(crate) struct SortSink {
    steps: Vec<FilterProject>,
    keys: Vec<SortKey>,
    /// Rows that decide the result.
    wanted: Option<usize>,
    schema: SchemaRef,
    state: Mutex<State>,
}

struct State {
    /// Chunks of each task, in order.
    tasks: Vec<Vec<Chunk>>,
    reservation: Reservation,
}

impl SortSink {
    pub(crate) fn new(
        steps: Vec<FilterProject>,
        keys: Vec<SortKey>,
        wanted: Option<usize>,
        schema: SchemaRef,
        tasks: usize,
        reservation: Reservation,
    ) -> Self {
        let state = State { tasks: vec![Vec::new(); tasks], reservation };
        SortSink { steps, keys, wanted, schema, state: Mutex::new(state) }
    }

    /// All rows that were kept, in source order, with the memory that they hold.
    ///
    /// # Errors
    /// [`pilaster_kernels::Error::OutOfMemory`] where there is no room to join them.
    pub(crate) fn finish(self) -> Result<(Chunk, Reservation)> {
        let State { tasks, mut reservation } = self.state.into_inner();
        let chunks: Vec<Chunk> = tasks.into_iter().flatten().collect();
        let held = reservation.bytes();
        if chunks.len() > 1 {
            reservation.grow(held)?;
        }
        let all = Chunk::concat(&chunks, &self.schema)?;
        drop(chunks);
        reservation.shrink(reservation.bytes() - held);
        Ok((all, reservation))
    }

    fn is_top_k(&self) -> Option<usize> {
        let wanted = self.wanted?;
        let threshold = wanted.saturating_mul(KEPT_FACTOR).max(MIN_KEPT_ROWS);
        (threshold < usize::MAX).then_some(threshold)
    }

    fn reduce(&self, chunks: &mut Vec<Chunk>) -> Result<()> {
        let all = Chunk::concat(chunks, &self.schema)?;
        *chunks = vec![sorted(&all, &self.keys, 0, self.wanted)?];
        Ok(())
    }
}

/// Rows of `chunk` in the order of `keys`, without the first `skip`, at most `fetch` of them.
pub(crate) fn sorted(chunk: &Chunk, keys: &[SortKey], skip: usize, fetch: Option<usize>) -> Result<Chunk> {
    let wanted = fetch.map(|fetch| fetch.saturating_add(skip));
    if keys.is_empty() {
        let from = skip.min(chunk.rows);
        return Ok(chunk.slice(from, fetch.unwrap_or(usize::MAX).min(chunk.rows - from)));
    }
    let indices = sort_to_indices(&chunk.columns, keys, wanted)?;
    let indices = indices.get(skip..).unwrap_or_default();
    Ok(Chunk::new(gather::take_columns(&chunk.columns, indices)?, indices.len()))
}

/// A worker's chunks of its present task.
#[derive(Default)]
pub(crate) struct Run {
    chunks: Vec<Chunk>,
    rows: usize,
    bytes: u64,
}

impl Sinking for SortSink {
    type Local = Run;

    fn local(&self) -> Result<Run> {
        Ok(Run::default())
    }

    fn consume(&self, run: &mut Run, task: &Task, chunk: Chunk, filtered: Filtered) -> Result<Flow> {
        let chunk = self.steps[task.branch].apply(chunk, filtered)?;
        if chunk.rows == 0 {
            return Ok(Flow::Continue);
        }
        let bytes = chunk.bytes();
        self.state.lock().reservation.grow(bytes)?;
        run.bytes += bytes;
        run.rows += chunk.rows;
        run.chunks.push(chunk);
        if self.is_top_k().is_some_and(|threshold| run.rows > threshold) {
            self.shrink(run)?;
        }
        Ok(Flow::Continue)
    }

    fn end_task(&self, run: &mut Run, task: &Task) -> Result<Flow> {
        if self.wanted.is_some_and(|wanted| run.rows > wanted) {
            self.shrink(run)?;
        }
        let run = std::mem::take(run);
        self.state.lock().tasks[task.order] = run.chunks;
        Ok(Flow::Continue)
    }
}

impl SortSink {
    /// Keeps a run's first rows only, and gives back what the others held.
    fn shrink(&self, run: &mut Run) -> Result<()> {
        self.reduce(&mut run.chunks)?;
        run.rows = run.chunks.iter().map(|chunk| chunk.rows).sum();
        let bytes: u64 = run.chunks.iter().map(Chunk::bytes).sum();
        self.state.lock().reservation.shrink(run.bytes.saturating_sub(bytes));
        run.bytes = run.bytes.min(bytes);
        Ok(())
    }
}
