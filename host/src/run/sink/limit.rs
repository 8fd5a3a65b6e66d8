//! The first rows in source order, whatever the number of workers.
//!
//! Workers take tasks in order and each keeps at most as many rows of a task as are wanted in all. Once the finished tasks
//! at the front hold enough, no later row can count, and everything stops.

use parking_lot::Mutex;
use pilaster_kernels::Result;

use super::super::chunk::Chunk;
use super::super::filter_project::FilterProject;
use super::super::task::{Filtered, Task};
use super::super::workers::{Flow, Sinking};
use crate::memory::Reservation;

pub(crate) struct LimitSink {
    steps: Vec<FilterProject>,
    skip: usize,
    fetch: Option<usize>,
    state: Mutex<State>,
}

struct State {
    tasks: Vec<Kept>,
    /// Tasks at the front that are finished, and their rows.
    done: usize,
    done_rows: usize,
    reservation: Reservation,
}

#[derive(Default, Clone)]
struct Kept {
    chunks: Vec<Chunk>,
    rows: usize,
    finished: bool,
}

impl LimitSink {
    pub(crate) fn new(
        steps: Vec<FilterProject>,
        skip: usize,
        fetch: Option<usize>,
        tasks: usize,
        reservation: Reservation,
    ) -> Self {
        let tasks = vec![Kept::default(); tasks];
        let state = State { tasks, done: 0, done_rows: 0, reservation };
        LimitSink { steps, skip, fetch, state: Mutex::new(state) }
    }

    /// Rows that decide the result; all of them where there is no bound.
    fn wanted(&self) -> usize {
        self.fetch.map_or(usize::MAX, |fetch| self.skip.saturating_add(fetch))
    }

    /// The rows of the limit, in source order.
    pub(crate) fn finish(self) -> Vec<Chunk> {
        let (mut skip, mut fetch) = (self.skip, self.fetch.unwrap_or(usize::MAX));
        let mut rows = Vec::new();
        for chunk in self.state.into_inner().tasks.into_iter().flat_map(|task| task.chunks) {
            let from = skip.min(chunk.rows);
            let count = fetch.min(chunk.rows - from);
            skip -= from;
            fetch -= count;
            if count > 0 {
                rows.push(chunk.slice(from, count));
            }
        }
        rows
    }
}

impl Sinking for LimitSink {
    type Local = ();

    fn local(&self) -> Result<()> {
        Ok(())
    }

    fn consume(&self, _local: &mut (), task: &Task, chunk: Chunk, filtered: Filtered) -> Result<Flow> {
        let chunk = self.steps[task.branch].apply(chunk, filtered)?;
        let mut state = self.state.lock();
        let room = self.wanted() - state.tasks[task.order].rows;
        let chunk = if chunk.rows > room { chunk.slice(0, room) } else { chunk };
        state.reservation.grow(chunk.bytes())?;
        let kept = &mut state.tasks[task.order];
        kept.rows += chunk.rows;
        kept.chunks.push(chunk);
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
