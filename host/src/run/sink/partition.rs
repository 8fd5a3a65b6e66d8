//! The probe side of a join whose build side did not fit: rows by partition.

use std::sync::Arc;

use pilaster_kernels::Result;
use pilaster_kernels::join::cpu::JoinPartitioner;
use pilaster_kernels::join::{JoinSpec, Side};

use super::super::chunk::Chunk;
use super::super::filter_project::FilterProject;
use super::super::partitions::{PartitionStore, Uncut};
use super::super::query::Query;
use super::super::reading::Filtered;
use super::super::store::{Piece, Store};
use super::super::task::Task;
use super::super::workers::{Flow, Sinking};

pub(crate) struct PartitionSink {
    steps: Vec<FilterProject>,
    store: PartitionStore,
}

impl PartitionSink {
    pub(crate) fn new(
        query: &Query,
        steps: Vec<FilterProject>,
        spec: &JoinSpec,
        side: Side,
        partitioner: Option<Arc<JoinPartitioner>>,
    ) -> Self {
        let memory = query.operator_budget();
        let share = memory.limit_bytes() / query.threads() as u64;
        let store = PartitionStore::new(Store::new(query), partitioner, spec, side, memory, share);
        PartitionSink { steps, store }
    }

    /// The partitions of all workers' rows, and the bytes that went to disk.
    ///
    /// # Errors
    /// [`pilaster_kernels::Error::Io`].
    pub(crate) fn finish(self, workers: Vec<Uncut>) -> Result<(Vec<Vec<Piece>>, u64)> {
        workers.into_iter().try_for_each(|mut uncut| self.store.cut(&mut uncut))?;
        self.store.finish()
    }
}

impl Sinking for PartitionSink {
    type Local = Uncut;

    fn local(&self) -> Result<Uncut> {
        Ok(self.store.uncut())
    }

    fn consume(&self, uncut: &mut Uncut, task: &Task, chunk: Chunk, filtered: Filtered) -> Result<Flow> {
        let chunk = self.steps[task.branch].apply(chunk, filtered)?;
        self.store.add(uncut, chunk)?;
        Ok(Flow::Continue)
    }
}
