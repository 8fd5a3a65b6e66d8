//! Aggregation: a table and staged rows per worker, finished in parts.

use std::sync::Arc;

use pilaster_kernels::Result;
use pilaster_kernels::aggregate::AggregateSpec;
use pilaster_kernels::aggregate::cpu::{
    CpuAggregate, PartitionReport, PartitionSettings, PartitionedAggregate, Parts, Worker,
};

use super::super::chunk::Chunk;
use super::super::query::Query;
use super::super::task::{Filtered, Task};
use super::super::workers::{Flow, Sinking};
use crate::memory::Reserve;

/// A run of staged rows takes this share of a thread's share of the budget, at most, and so do those that are not yet in
/// order: tables and what is ordered at the moment have to fit too.
const RUN_SHARE: u64 = 16;
const LEAST_RUN_BYTES: u64 = 64 << 10;

/// Specs of all branches, which differ in their sources' columns and agree in keys and states.
pub(crate) struct AggregateSink {
    specs: Vec<BranchSpecs>,
    memory: Arc<dyn Reserve>,
    whole: PartitionedAggregate,
}

struct BranchSpecs {
    whole: Arc<AggregateSpec>,
    /// For chunks that the scan has filtered.
    filtered: Arc<AggregateSpec>,
}

/// A worker's state: per branch, one for unfiltered and one for filtered chunks, made when first needed.
pub(crate) type Tables = Vec<[Option<Worker>; 2]>;

impl AggregateSink {
    pub(crate) fn new(query: &Query, specs: Vec<AggregateSpec>) -> Self {
        let both = |whole: AggregateSpec| BranchSpecs {
            filtered: Arc::new(AggregateSpec { predicate: None, ..whole.clone() }),
            whole: Arc::new(whole),
        };
        let memory = query.operator_budget();
        let share = memory.limit_bytes() / (RUN_SHARE * query.threads() as u64);
        let memory: Arc<dyn Reserve> = memory;
        let usual = PartitionSettings::default();
        let run_bytes = share.max(LEAST_RUN_BYTES).min(usual.run_bytes);
        let settings = PartitionSettings { run_bytes, ..usual };
        let whole = PartitionedAggregate::new(Arc::clone(&memory), Some(Arc::clone(&query.spill)), settings);
        AggregateSink { specs: specs.into_iter().map(both).collect(), memory, whole }
    }

    fn spec(&self, branch: usize, filtered: Filtered) -> &Arc<AggregateSpec> {
        let specs = &self.specs[branch];
        if filtered == Filtered::Yes { &specs.filtered } else { &specs.whole }
    }

    /// An empty table of a branch, for [`AggregateSink::finish`].
    pub(crate) fn table(&self, branch: usize, filtered: Filtered) -> Result<CpuAggregate> {
        CpuAggregate::new(Arc::clone(self.spec(branch, filtered)), Arc::clone(&self.memory))
    }

    /// What is left to do with all workers' rows, and with the groups of a table.
    pub(crate) fn finish(&self, locals: Vec<Tables>, table: Option<CpuAggregate>) -> Result<Parts> {
        let adopted = table.map(|table| self.whole.adopt(table)).transpose()?;
        let mut workers: Vec<Worker> = adopted.into_iter().collect();
        workers.extend(locals.into_iter().flatten().flatten().flatten());
        if workers.is_empty() {
            workers.push(self.whole.worker(self.spec(0, Filtered::No))?);
        }
        self.whole.finish(workers)
    }

    /// What happened, for the query's report.
    pub(crate) fn report(&self) -> PartitionReport {
        self.whole.report()
    }
}

impl Sinking for AggregateSink {
    type Local = Tables;

    fn local(&self) -> Result<Tables> {
        Ok(self.specs.iter().map(|_| [None, None]).collect())
    }

    fn consume(&self, local: &mut Tables, task: &Task, chunk: Chunk, filtered: Filtered) -> Result<Flow> {
        let slot = &mut local[task.branch][usize::from(filtered == Filtered::Yes)];
        let worker = match slot {
            Some(worker) => worker,
            empty => empty.insert(self.whole.worker(self.spec(task.branch, filtered))?),
        };
        worker.consume_at(chunk.position, &chunk.columns, chunk.rows)?;
        Ok(Flow::Continue)
    }
}
