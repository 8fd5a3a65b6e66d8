//! Aggregation: a table and staged rows per worker, finished in parts.

use std::sync::Arc;

use pilaster_kernels::Result;
use pilaster_kernels::aggregate::AggregateSpec;
use pilaster_kernels::aggregate::cpu::{
    PartitionReport, PartitionSettings, PartitionedAggregate, Parts, Worker,
};

use super::super::chunk::Chunk;
use super::super::query::Query;
use super::super::reading::Filtered;
use super::super::task::Task;
use super::super::workers::{Flow, Sinking};
use crate::memory::Reserve;

/// A run of staged rows takes this share of a thread's share of the budget, at most, and so do those that are not yet in
/// order: tables and what is ordered at the moment have to fit too.
const RUN_SHARE: u64 = 16;
const LEAST_RUN_BYTES: u64 = 64 << 10;

/// Specs of all branches, which differ in their sources' columns and agree in keys and states.
pub(crate) struct AggregateSink {
    specs: Vec<BranchSpecs>,
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
        let whole = PartitionedAggregate::new(memory, Some(Arc::clone(&query.spill)), settings);
        AggregateSink { specs: specs.into_iter().map(both).collect(), whole }
    }

    fn spec(&self, branch: usize, filtered: Filtered) -> &Arc<AggregateSpec> {
        let specs = &self.specs[branch];
        if filtered == Filtered::Yes { &specs.filtered } else { &specs.whole }
    }

    /// A worker for groups that a device found, for [`AggregateSink::finish`].
    pub(crate) fn of_partials(&self) -> Result<Worker> {
        self.whole.worker(self.spec(0, Filtered::No))
    }

    /// Adds rows of a branch.
    pub(crate) fn add(
        &self,
        tables: &mut Tables,
        branch: usize,
        chunk: &Chunk,
        filtered: Filtered,
    ) -> Result<()> {
        let slot = &mut tables[branch][usize::from(filtered == Filtered::Yes)];
        let worker = match slot {
            Some(worker) => worker,
            empty => empty.insert(self.whole.worker(self.spec(branch, filtered))?),
        };
        worker.consume_at(chunk.position, &chunk.columns, chunk.rows)
    }

    /// What is left to do with all workers' rows, and with groups that a device found.
    pub(crate) fn finish(&self, locals: Vec<Tables>, of_partials: Option<Worker>) -> Result<Parts> {
        let mut workers: Vec<Worker> = of_partials.into_iter().collect();
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
        self.add(local, task.branch, &chunk, filtered)?;
        Ok(Flow::Continue)
    }
}
