//! The first rows in source order, whatever the number of workers.
//!
//! Workers take tasks in order and each keeps at most as many rows of a task as are wanted in all. Once the finished tasks
//! at the front hold enough, no later row can count, and everything stops. What does not fit memory waits on disk.

use parking_lot::Mutex;
use pilaster_kernels::Result;

use super::super::chunk::Chunk;
use super::super::filter_project::FilterProject;
use super::super::query::Query;
use super::super::reading::Filtered;
use super::super::store::{Piece, ReadBack, Store};
use super::super::task::Task;
use super::super::workers::{Flow, Sinking};

pub(crate) struct LimitSink {
    steps: Vec<FilterProject>,
    skip: usize,
    fetch: Option<usize>,
    store: Store,
    state: Mutex<State>,
}

struct State {
    tasks: Vec<Kept>,
    /// Tasks at the front that are finished, and their rows.
    done: usize,
    done_rows: usize,
}

#[derive(Default, Clone)]
struct Kept {
    pieces: Vec<Piece>,
    rows: usize,
    finished: bool,
}

impl LimitSink {
    pub(crate) fn new(
        query: &Query,
        steps: Vec<FilterProject>,
        skip: usize,
        fetch: Option<usize>,
        tasks: usize,
    ) -> Self {
        let state = State { tasks: vec![Kept::default(); tasks], done: 0, done_rows: 0 };
        LimitSink { steps, skip, fetch, store: Store::new(query), state: Mutex::new(state) }
    }

    /// Rows that decide the result; all of them where there is no bound.
    fn wanted(&self) -> usize {
        self.fetch.map_or(usize::MAX, |fetch| self.skip.saturating_add(fetch))
    }

    /// Gives the rows of the limit, in source order; the bytes that went to disk.
    pub(crate) fn finish(self, query: &Query, mut give: impl FnMut(Chunk) -> Result<()>) -> Result<u64> {
        self.store.seal()?;
        let (mut skip, mut fetch) = (self.skip, self.fetch.unwrap_or(usize::MAX));
        let mut wanted = Vec::new();
        for piece in self.state.into_inner().tasks.into_iter().flat_map(|task| task.pieces) {
            let from = skip.min(piece.rows());
            let count = fetch.min(piece.rows() - from);
            skip -= from;
            fetch -= count;
            if count > 0 {
                wanted.push((piece, from, count));
            }
        }
        let (pieces, ranges): (Vec<Piece>, Vec<(usize, usize)>) =
            wanted.into_iter().map(|(piece, from, count)| (piece, (from, count))).unzip();
        for (chunk, (from, count)) in ReadBack::new(pieces, query.host_reserve()).zip(ranges) {
            query.check()?;
            give(chunk?.slice(from, count))?;
        }
        Ok(self.store.spilled_bytes())
    }
}

impl Sinking for LimitSink {
    type Local = ();

    fn local(&self) -> Result<()> {
        Ok(())
    }

    fn consume(&self, _local: &mut (), task: &Task, chunk: Chunk, filtered: Filtered) -> Result<Flow> {
        let chunk = self.steps[task.branch].apply(chunk, filtered)?;
        // Nobody else adds to this task.
        let room = self.wanted() - self.state.lock().tasks[task.order].rows;
        let chunk = if chunk.rows > room { chunk.slice(0, room) } else { chunk };
        let rows = chunk.rows;
        let pieces = if rows > 0 { self.store.keep(chunk)? } else { Vec::new() };
        let mut state = self.state.lock();
        let kept = &mut state.tasks[task.order];
        kept.rows += rows;
        kept.pieces.extend(pieces);
        Ok(if kept.rows < self.wanted() { Flow::Continue } else { Flow::NextTask })
    }

    fn end_task(&self, _local: &mut (), task: &Task) -> Result<Flow> {
        let mut state = self.state.lock();
        state.tasks[task.order].finished = true;
        while let Some(front) = state.tasks.get(state.done).filter(|front| front.finished) {
            let rows = front.rows;
            state.done_rows = state.done_rows.saturating_add(rows);
            state.done += 1;
        }
        Ok(if state.done_rows >= self.wanted() { Flow::Stop } else { Flow::Continue })
    }
}
