//! The build side as one thread takes it: batches are held as they come, their keys evaluated and measured.

use std::sync::Arc;

use arrow::array::ArrayRef;

use super::check_columns;
use super::layout::Extent;
use super::payload::slice_bytes;
use super::plan::Plan;
use super::stage::GROUP_ROWS;
use crate::error::Result;
use crate::filter::{Selection, compact_columns};
use crate::keys::lanes::{LaneColumn, Lanes};
use crate::memory::{Grant, Reserve};

/// One thread's share of the build side.
#[derive(Debug)]
pub struct BuildWorker {
    plan: Arc<Plan>,
    pub(super) chunks: Vec<Chunk>,
    pub(super) extents: Vec<Extent>,
    rows: usize,
    /// For key lanes, which go when the table is made.
    pub(super) keys: Grant,
    /// For columns.
    pub(super) columns: Grant,
}

/// A batch as it is held.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) keys: Vec<LaneColumn>,
    pub(super) columns: Vec<ArrayRef>,
    pub(super) rows: usize,
}

impl Chunk {
    fn key_bytes(&self) -> u64 {
        self.keys.iter().map(lane_bytes).sum()
    }

    fn column_bytes(&self) -> u64 {
        self.columns.iter().map(slice_bytes).sum()
    }
}

impl BuildWorker {
    pub(super) fn new(plan: Arc<Plan>, memory: &Arc<dyn Reserve>) -> Self {
        BuildWorker {
            chunks: Vec::new(),
            extents: vec![Extent::default(); plan.spec.keys.len()],
            rows: 0,
            keys: Grant::new(Arc::clone(memory)),
            columns: Grant::new(Arc::clone(memory)),
            plan,
        }
    }

    /// Rows so far.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.keys.bytes() + self.columns.bytes()
    }

    /// Takes a batch of the build side, or its rows of `selection`. Arrays are held, not copied, where all rows are taken.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`], after which the worker has the rows that it had before; what the keys' evaluation gives rise to;
    /// [`crate::Error::InvalidInput`] where columns are not those of the side.
    pub fn consume(
        &mut self,
        columns: &[ArrayRef],
        rows: usize,
        selection: Option<&Selection>,
    ) -> Result<()> {
        check_columns(columns, self.plan.build_width(), rows)?;
        let selection = selection.filter(|selection| !selection.is_all());
        let (chunks, before, extents) = (self.chunks.len(), self.rows, self.extents.clone());
        let taken = match selection.is_none() && rows > GROUP_ROWS {
            // Several tasks, when the table is made.
            true => (0..rows).step_by(GROUP_ROWS).try_for_each(|start| {
                let len = GROUP_ROWS.min(rows - start);
                let columns: Vec<ArrayRef> = columns.iter().map(|column| column.slice(start, len)).collect();
                self.take(&columns, len, None)
            }),
            false => self.take(columns, rows, selection),
        };
        if taken.is_err() {
            for chunk in self.chunks.drain(chunks..) {
                self.keys.shrink(chunk.key_bytes());
                self.columns.shrink(chunk.column_bytes());
            }
            (self.rows, self.extents) = (before, extents);
        }
        taken
    }

    fn take(&mut self, columns: &[ArrayRef], rows: usize, selection: Option<&Selection>) -> Result<()> {
        let keys = self.plan.build_keys.evaluate(columns, rows, selection)?;
        let keys = keys.iter().map(LaneColumn::from_vector).collect::<Result<Vec<_>>>()?;
        let held: Vec<ArrayRef> = self.plan.held.iter().map(|(at, _)| Arc::clone(&columns[*at])).collect();
        let (held, rows) = match selection {
            None => (held, rows),
            Some(selection) => (compact_columns(&held, selection)?, selection.count()),
        };
        if rows == 0 {
            return Ok(());
        }
        let chunk = Chunk { keys, columns: held, rows };
        self.keys.grow(chunk.key_bytes())?;
        if let Err(error) = self.columns.grow(chunk.column_bytes()) {
            self.keys.shrink(chunk.key_bytes());
            return Err(error);
        }
        for (extent, key) in self.extents.iter_mut().zip(&chunk.keys) {
            *extent = extent.and(Extent::of(key));
        }
        self.rows += rows;
        self.chunks.push(chunk);
        Ok(())
    }
}

fn lane_bytes(column: &LaneColumn) -> u64 {
    let width = match &column.lanes {
        Lanes::I32(_) | Lanes::Codes { .. } => 4,
        Lanes::I64(_) | Lanes::F64(_) => 8,
        Lanes::I128(_) => 16,
        Lanes::I256(_) => 32,
        Lanes::Bytes(array) => return slice_bytes(array),
    };
    column.rows as u64 * width
}
