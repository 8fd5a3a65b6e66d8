//! A running query, as its caller sees it.

use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parking_lot::Mutex;
use pilaster_kernels::Result;

use super::Cancellation;
use super::output::Output;
use crate::place::Report;

/// A running query: an iterator over its batches, in the plan's order where it has one.
///
/// The query runs by itself, a bounded number of batches ahead of whoever takes them. An error ends it and is the last
/// item; cancelled, that is [`crate::Error::Cancelled`]. Dropping an execution cancels it.
///
/// From an async runtime use [`Execution::poll_next`], which never blocks.
#[derive(Debug)]
pub struct Execution {
    schema: SchemaRef,
    output: Arc<Output>,
    cancel: Cancellation,
    report: Arc<Mutex<Report>>,
}

impl Execution {
    pub(super) fn new(
        schema: SchemaRef,
        output: Arc<Output>,
        cancel: Cancellation,
        report: Arc<Mutex<Report>>,
    ) -> Self {
        Execution { schema, output, cancel, report }
    }

    /// Schema of every batch: the plan's.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Polls for the next batch; none at the end. The waker of the last call is woken.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<RecordBatch>>> {
        self.output.poll(context)
    }

    /// Asks the query to end; it does within one batch, or one device program.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// The query's flag, for another thread to raise.
    #[must_use]
    pub fn cancellation(&self) -> Cancellation {
        self.cancel.clone()
    }

    /// What ran where: complete once the last batch (or the error) was taken, until then as the query was placed.
    #[must_use]
    pub fn report(&self) -> Report {
        self.report.lock().clone()
    }

    /// Cancels the query unless it has ended, and blocks until all its threads, files and reservations are given back.
    pub fn close(self) {
        self.cancel.cancel();
        self.output.wait();
    }
}

impl Iterator for Execution {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.output.next()
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        if !self.output.is_finished() {
            self.cancel.cancel();
        }
    }
}
