//! Aggregation: one table per worker, merged in the order of the workers.

use std::sync::Arc;

use pilaster_kernels::Result;
use pilaster_kernels::aggregate::AggregateSpec;
use pilaster_kernels::aggregate::cpu::CpuAggregate;
use pilaster_kernels::memory::Reserve;

use super::super::chunk::Chunk;
use super::super::task::{Filtered, Task};
use super::super::workers::{Flow, Sinking};

/// Specs of all branches, which differ in their sources' columns and agree in keys and states.
pub(crate) struct AggregateSink {
    specs: Vec<BranchSpecs>,
    memory: Arc<dyn Reserve>,
}

struct BranchSpecs {
    whole: Arc<AggregateSpec>,
    /// For chunks that the scan has filtered.
    filtered: Arc<AggregateSpec>,
}

/// A worker's tables: per branch, one for unfiltered and one for filtered chunks, made when first needed.
pub(crate) type Tables = Vec<[Option<CpuAggregate>; 2]>;

impl AggregateSink {
    pub(crate) fn new(specs: Vec<AggregateSpec>, memory: Arc<dyn Reserve>) -> Self {
        let both = |whole: AggregateSpec| BranchSpecs {
            filtered: Arc::new(AggregateSpec { predicate: None, ..whole.clone() }),
            whole: Arc::new(whole),
        };
        AggregateSink { specs: specs.into_iter().map(both).collect(), memory }
    }

    /// An empty table of a branch.
    pub(crate) fn table(&self, branch: usize, filtered: Filtered) -> Result<CpuAggregate> {
        let specs = &self.specs[branch];
        let spec = if filtered == Filtered::Yes { &specs.filtered } else { &specs.whole };
        CpuAggregate::new(Arc::clone(spec), Arc::clone(&self.memory))
    }

    /// One table of all workers' tables.
    pub(crate) fn merge(&self, tables: Vec<Tables>) -> Result<CpuAggregate> {
        let mut all = tables.into_iter().flatten().flatten().flatten();
        let Some(mut merged) = all.next() else { return self.table(0, Filtered::No) };
        all.try_for_each(|table| merged.merge(table))?;
        Ok(merged)
    }
}

impl Sinking for AggregateSink {
    type Local = Tables;

    fn local(&self) -> Result<Tables> {
        Ok(self.specs.iter().map(|_| [None, None]).collect())
    }

    fn consume(&self, local: &mut Tables, task: &Task, chunk: Chunk, filtered: Filtered) -> Result<Flow> {
        let slot = &mut local[task.branch][usize::from(filtered == Filtered::Yes)];
        let table = match slot {
            Some(table) => table,
            empty => empty.insert(self.table(task.branch, filtered)?),
        };
        table.consume_at(chunk.position, &chunk.columns, chunk.rows)?;
        Ok(Flow::Continue)
    }
}
