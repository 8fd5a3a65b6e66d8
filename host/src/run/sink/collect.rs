//! Rows that leave a pipeline as they come.

use std::sync::atomic::{AtomicU64, Ordering};

use arrow::datatypes::SchemaRef;
use parking_lot::Mutex;
use pilaster_kernels::{Error, Result};

use super::super::chunk::Chunk;
use super::super::filter_project::FilterProject;
use super::super::output::Output;
use super::super::query::Query;
use super::super::reading::Filtered;
use super::super::store::{Piece, Store};
use super::super::task::{Materialised, Task};
use super::super::workers::{Flow, Sinking};

/// Who gets a pipeline's rows.
pub(crate) struct Receiver<'a> {
    target: Target<'a>,
    rows: AtomicU64,
}

enum Target<'a> {
    /// The query's consumer: batches of exactly this schema, made of these columns.
    Consumer { output: &'a Output, schema: SchemaRef, columns: Vec<usize> },
    /// A later pipeline. Pieces with the position of the chunk that they are of.
    Pipeline { store: Store, pieces: Mutex<Vec<(u64, Piece)>> },
    /// A later pipeline that joins these rows with others.
    Join { given: Mutex<Materialised> },
}

impl<'a> Receiver<'a> {
    /// The query's consumer, who gets batches of exactly `schema`, made of the pipeline's columns at `columns`.
    pub(crate) fn consumer(output: &'a Output, schema: SchemaRef, columns: Vec<usize>) -> Self {
        Receiver { target: Target::Consumer { output, schema, columns }, rows: AtomicU64::new(0) }
    }

    /// A receiver that keeps rows for a later pipeline.
    pub(crate) fn pipeline(query: &Query) -> Self {
        let target = Target::Pipeline { store: Store::new(query), pieces: Mutex::default() };
        Receiver { target, rows: AtomicU64::new(0) }
    }

    /// A receiver of a side of a join.
    pub(crate) fn join() -> Self {
        Receiver { target: Target::Join { given: Mutex::default() }, rows: AtomicU64::new(0) }
    }

    /// Hands `rows` rows of a side of a join on, as the join takes them.
    ///
    /// # Errors
    /// Where the receiver wants rows one by one.
    pub(crate) fn give_side(&self, side: Materialised, rows: u64) -> Result<()> {
        let Target::Join { given } = &self.target else {
            return Err(Error::invalid("a side of a join in place of rows"));
        };
        self.rows.store(rows, Ordering::Relaxed);
        *given.lock() = side;
        Ok(())
    }

    /// Hands rows on; blocks where the consumer is slow.
    pub(crate) fn give(&self, chunk: Chunk) -> Result<()> {
        if chunk.rows == 0 {
            return Ok(());
        }
        self.rows.fetch_add(chunk.rows as u64, Ordering::Relaxed);
        match &self.target {
            Target::Consumer { output, schema, columns } => {
                let picked = columns.iter().map(|&column| chunk.columns.get(column).cloned());
                let columns = picked.collect::<Option<Vec<_>>>();
                let columns = columns.ok_or_else(|| Error::invalid("a result without the plan's columns"))?;
                let batches = Chunk::new(columns, chunk.rows).conform(schema)?;
                batches.into_iter().try_for_each(|batch| output.push(batch))
            }
            Target::Pipeline { store, pieces } => {
                let position = chunk.position;
                let kept = store.keep(chunk)?.into_iter();
                pieces.lock().extend(kept.map(|piece| (position, piece)));
                Ok(())
            }
            Target::Join { .. } => Err(Error::invalid("rows in place of a side of a join")),
        }
    }

    /// Rows given so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// All rows were given; the bytes of those that went to disk.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn seal(&self) -> Result<u64> {
        match &self.target {
            Target::Consumer { .. } | Target::Join { .. } => Ok(0),
            Target::Pipeline { store, .. } => store.seal().map(|()| store.spilled_bytes()),
        }
    }

    /// What a later pipeline reads: a side of a join, or rows in the order of the chunks' positions where they have one, else as they came.
    pub(crate) fn into_result(self) -> Materialised {
        match self.target {
            Target::Consumer { .. } => Materialised::default(),
            Target::Pipeline { pieces, .. } => {
                let mut pieces = pieces.into_inner();
                pieces.sort_by_key(|(position, _)| *position);
                Materialised::Rows(pieces.into_iter().map(|(_, piece)| piece).collect())
            }
            Target::Join { given } => given.into_inner(),
        }
    }
}

/// Filters, projects and hands on.
pub(crate) struct CollectSink<'a> {
    pub(crate) steps: Vec<FilterProject>,
    pub(crate) receiver: &'a Receiver<'a>,
}

impl Sinking for CollectSink<'_> {
    type Local = Vec<Chunk>;
    const DRAINS: bool = true;

    fn local(&self) -> Result<Vec<Chunk>> {
        Ok(Vec::new())
    }

    fn consume(&self, local: &mut Vec<Chunk>, task: &Task, chunk: Chunk, filtered: Filtered) -> Result<Flow> {
        local.push(self.steps[task.branch].apply(chunk, filtered)?);
        Ok(Flow::Continue)
    }

    fn drain(&self, local: &mut Vec<Chunk>) -> Result<()> {
        local.drain(..).try_for_each(|chunk| self.receiver.give(chunk))
    }
}
