//! The build side of a join: rows per worker, made one table at the end, or kept by partition once they exceed the budget.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use pilaster_kernels::join::cpu::{BuildWorker, JoinBuild, JoinPartitioner};
use pilaster_kernels::join::{JoinSpec, OutputColumn, Side};
use pilaster_kernels::memory::Grant;
use pilaster_kernels::{Error, Result};
use rayon::prelude::*;

use super::super::chunk::Chunk;
use super::super::filter_project::FilterProject;
use super::super::partitioned_join::FIRST_BITS;
use super::super::partitions::{PartitionStore, Uncut};
use super::super::query::Query;
use super::super::reading::Filtered;
use super::super::store::{Piece, Store};
use super::super::task::{Materialised, Task};
use super::super::workers::{Flow, Sinking};
use crate::memory::Budget;

pub(crate) struct BuildSink<'a> {
    query: &'a Query,
    steps: Vec<FilterProject>,
    spec: Arc<JoinSpec>,
    side: Side,
    build: JoinBuild,
    memory: Arc<Budget>,
    /// Columns that a table does not hold: their rows are kept beside it until it is made.
    beside: Vec<usize>,
    partitioner: Option<Arc<JoinPartitioner>>,
    over: AtomicBool,
    store: OnceLock<PartitionStore>,
}

/// A worker's rows.
pub(crate) enum Building {
    /// For a table; the rows once more, as shares of the same arrays, for partitions if there is to be none.
    Table {
        worker: BuildWorker,
        rows: Vec<Chunk>,
        beside: Grant,
    },
    Partitions(Uncut),
}

/// A build side that exceeded the budget.
#[derive(Debug)]
pub(crate) struct Divided {
    /// None: all rows are one partition, since the join has none.
    pub(crate) partitioner: Option<Arc<JoinPartitioner>>,
    pub(crate) parts: Vec<Vec<Piece>>,
    pub(crate) spilled_bytes: u64,
}

impl<'a> BuildSink<'a> {
    /// # Errors
    /// Where `spec` does not fit: a plan that was not checked.
    pub(crate) fn new(
        query: &'a Query,
        steps: Vec<FilterProject>,
        spec: &Arc<JoinSpec>,
        side: Side,
    ) -> Result<Self> {
        let memory = query.operator_budget();
        let partitioner = match spec.may_partition() {
            true => Some(Arc::new(JoinPartitioner::new(Arc::clone(spec), FIRST_BITS)?)),
            false => None,
        };
        Ok(BuildSink {
            query,
            steps,
            spec: Arc::clone(spec),
            side,
            build: JoinBuild::new(Arc::clone(spec), side, Arc::clone(&memory) as _)?,
            memory,
            beside: beside(spec, side),
            partitioner,
            over: AtomicBool::new(false),
            store: OnceLock::new(),
        })
    }

    /// The table of all workers' rows, or their partitions.
    ///
    /// # Errors
    /// Those of [`JoinBuild::finish`]; [`Error::Io`].
    pub(crate) fn finish(self, workers: Vec<Building>) -> Result<Materialised> {
        if self.over.load(Ordering::Relaxed) {
            return self.divided(workers);
        }
        let (mut building, mut kept) = (Vec::new(), Vec::new());
        let mut held = Grant::new(Arc::clone(&self.memory) as _);
        for worker in workers {
            if let Building::Table { worker, rows, .. } = worker {
                // The arrays stay until the table is made, which joins them.
                let fits = held.grow(rows.iter().map(Chunk::bytes).sum());
                self.over.fetch_or(fits.is_err(), Ordering::Relaxed);
                building.push(worker);
                kept.push(rows);
            }
        }
        if !self.over.load(Ordering::Relaxed) || !self.divides() {
            match self.build.finish(building) {
                Err(Error::OutOfMemory { .. }) if self.divides() => {}
                built => return built.map(|table| Materialised::Table(Arc::new(table))),
            }
        } else {
            drop(building);
        }
        drop(held);
        let again = |rows| Building::Table { worker: self.build.worker(), rows, beside: self.grant() };
        let workers = kept.into_iter().map(again).collect();
        self.divided(workers)
    }

    fn divided(self, workers: Vec<Building>) -> Result<Materialised> {
        workers.into_par_iter().try_for_each(|worker| {
            let mut uncut = match worker {
                Building::Partitions(uncut) => uncut,
                Building::Table { worker, rows, .. } => self.partitioned(worker, rows)?,
            };
            self.store().cut(&mut uncut)
        })?;
        self.store();
        let store = self.store.into_inner().ok_or_else(|| Error::invalid("a build side without rows"))?;
        let (parts, spilled_bytes) = store.finish()?;
        Ok(Materialised::Divided(Divided { partitioner: self.partitioner, parts, spilled_bytes }))
    }

    /// A worker's rows on their way to partitions, and its share of the table gone.
    fn partitioned(&self, worker: BuildWorker, rows: Vec<Chunk>) -> Result<Uncut> {
        let store = self.store();
        let mut uncut = store.uncut();
        // Their memory is free for what is cut: the arrays go chunk by chunk.
        drop(worker);
        rows.into_iter().try_for_each(|chunk| store.add(&mut uncut, chunk))?;
        Ok(uncut)
    }

    fn store(&self) -> &PartitionStore {
        self.store.get_or_init(|| {
            let share = self.memory.limit_bytes() / self.query.threads() as u64;
            let (store, partitioner) = (Store::new(self.query), self.partitioner.clone());
            let memory = Arc::clone(&self.memory) as _;
            PartitionStore::new(store, partitioner, &self.spec, self.side, memory, share)
        })
    }

    /// True where there is a way without one table of all rows.
    fn divides(&self) -> bool {
        let join_type = self.spec.join_type;
        self.spec.may_partition() || join_type.may_cut(Side::Left) || join_type.may_cut(Side::Right)
    }

    fn grant(&self) -> Grant {
        Grant::new(Arc::clone(&self.memory) as _)
    }

    /// Adds a chunk to a table's rows; `None` where it does not fit.
    fn add(&self, building: &mut Building, chunk: &Chunk) -> Result<Option<()>> {
        let Building::Table { worker, rows, beside } = building else { return Ok(None) };
        if self.over.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let added = beside
            .grow(chunk.bytes_of(&self.beside))
            .and_then(|()| worker.consume(&chunk.columns, chunk.rows, None));
        match added {
            Ok(()) => {
                rows.push(chunk.clone());
                Ok(Some(()))
            }
            Err(Error::OutOfMemory { .. }) if self.divides() => {
                self.over.store(true, Ordering::Relaxed);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Columns of `side` that neither the output nor the residual reads.
fn beside(spec: &JoinSpec, side: Side) -> Vec<usize> {
    let (first, count) = match side {
        Side::Left => (0, spec.left.len()),
        Side::Right => (spec.left.len(), spec.right.len()),
    };
    let mut read = vec![false; count];
    for column in &spec.output {
        match (*column, side) {
            (OutputColumn::Left(at), Side::Left) | (OutputColumn::Right(at), Side::Right) => read[at] = true,
            _ => {}
        }
    }
    if let Some(residual) = &spec.residual {
        residual.for_each_column(&mut |column| {
            if let Some(read) = column.checked_sub(first).and_then(|at| read.get_mut(at)) {
                *read = true;
            }
        });
    }
    (0..count).filter(|&at| !read[at]).collect()
}

impl Sinking for BuildSink<'_> {
    type Local = Building;

    fn local(&self) -> Result<Building> {
        Ok(Building::Table { worker: self.build.worker(), rows: Vec::new(), beside: self.grant() })
    }

    fn consume(&self, local: &mut Building, task: &Task, chunk: Chunk, filtered: Filtered) -> Result<Flow> {
        let chunk = self.steps[task.branch].apply(chunk, filtered)?;
        if self.add(local, &chunk)?.is_some() {
            return Ok(Flow::Continue);
        }
        let uncut = match local {
            Building::Partitions(uncut) => uncut,
            Building::Table { worker, rows, .. } => {
                let worker = std::mem::replace(worker, self.build.worker());
                let uncut = self.partitioned(worker, std::mem::take(rows))?;
                *local = Building::Partitions(uncut);
                match local {
                    Building::Partitions(uncut) => uncut,
                    Building::Table { .. } => return Err(Error::invalid("rows that are not in partitions")),
                }
            }
        };
        self.store().add(uncut, chunk)?;
        Ok(Flow::Continue)
    }
}
