//! The bounded queue between a query and whoever takes its rows.
//!
//! Producers are the query's own threads, which may block; the consumer blocks, or polls from an async runtime. A slow
//! consumer holds the query back at [`Output::new`]'s number of batches.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use arrow::array::RecordBatch;
use parking_lot::{Condvar, Mutex};
use pilaster_kernels::Result;

use super::Cancellation;

/// How often a blocked producer looks at the cancellation flag, which cannot wake it.
const CANCEL_POLL: Duration = Duration::from_millis(10);

#[derive(Debug, Default)]
struct State {
    batches: VecDeque<RecordBatch>,
    /// Set once, when the query has ended; an error is taken by the consumer.
    end: Option<Result<()>>,
    waker: Option<Waker>,
}

#[derive(Debug)]
pub(super) struct Output {
    state: Mutex<State>,
    capacity: usize,
    has_space: Condvar,
    has_news: Condvar,
    cancel: Cancellation,
}

impl Output {
    pub(super) fn new(capacity: usize, cancel: Cancellation) -> Self {
        Output {
            state: Mutex::default(),
            capacity: capacity.max(1),
            has_space: Condvar::new(),
            has_news: Condvar::new(),
            cancel,
        }
    }

    /// Hands a batch over; blocks while the queue is full.
    pub(super) fn push(&self, batch: RecordBatch) -> Result<()> {
        let mut state = self.state.lock();
        loop {
            self.cancel.check()?;
            if state.batches.len() < self.capacity {
                break;
            }
            self.has_space.wait_for(&mut state, CANCEL_POLL);
        }
        state.batches.push_back(batch);
        self.announce(&mut state);
        Ok(())
    }

    /// The query has ended. Only the first call counts.
    pub(super) fn finish(&self, result: Result<()>) {
        let mut state = self.state.lock();
        if state.end.is_none() {
            state.end = Some(result);
        }
        self.announce(&mut state);
    }

    /// The next batch; none at the end. Blocks.
    pub(super) fn next(&self) -> Option<Result<RecordBatch>> {
        let mut state = self.state.lock();
        loop {
            if let Some(news) = self.take(&mut state) {
                return news;
            }
            self.has_news.wait(&mut state);
        }
    }

    /// As [`Output::next`] for an async consumer.
    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Result<RecordBatch>>> {
        let mut state = self.state.lock();
        match self.take(&mut state) {
            Some(news) => Poll::Ready(news),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Blocks until the query has ended.
    pub(super) fn wait(&self) {
        let mut state = self.state.lock();
        while state.end.is_none() {
            self.has_news.wait(&mut state);
        }
    }

    /// True once the query has ended, whether or not its rows were taken.
    pub(super) fn is_finished(&self) -> bool {
        self.state.lock().end.is_some()
    }

    fn take(&self, state: &mut State) -> Option<Option<Result<RecordBatch>>> {
        // Rows of a query that failed or was cancelled are part of no result.
        if matches!(state.end, Some(Err(_))) || self.cancel.is_cancelled() {
            state.batches.clear();
        }
        if let Some(batch) = state.batches.pop_front() {
            self.has_space.notify_one();
            return Some(Some(Ok(batch)));
        }
        match state.end.take()? {
            Ok(()) => {
                state.end = Some(Ok(()));
                Some(None)
            }
            Err(error) => {
                state.end = Some(Ok(()));
                Some(Some(Err(error)))
            }
        }
    }

    fn announce(&self, state: &mut State) {
        self.has_news.notify_all();
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }
}
