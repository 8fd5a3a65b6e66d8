//! Aggregation on the device: one program per round, partial states merged on the host.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use pilaster_kernels::aggregate::AggregateSpec;
use pilaster_kernels::aggregate::cpu::Worker;
use pilaster_kernels::aggregate::gpu::{Capacity, FIRST_GROUPS, GpuAggregate, GpuAggregateSettings, Outcome};
use pilaster_kernels::aggregate::partial::Partial;
use pilaster_kernels::{Error, Result};

use super::super::chunk::Chunk;
use super::super::cpu;
use super::super::pipeline::{Pipeline, Sink};
use super::super::query::Query;
use super::super::reading::{Filtered, Reading};
use super::super::sink::{AggregateSink, Receiver};
use super::super::task::Task;
use super::super::workers::{self, Flow, Sinking};
use super::Lane;
use super::round::{Round, Rounds, in_parts};

/// Times that a table may turn out too small: each run tells how large it must be, so that one is the rule.
const MAX_RESIZES: usize = 8;

/// Runs the pipeline's rounds, then gives the groups to `receiver`.
pub(super) fn run(
    lane: &Lane<'_>,
    pipeline: &Pipeline,
    readings: &[Arc<Reading>],
    tasks: &[Task],
    receiver: &Receiver<'_>,
) -> Result<()> {
    let query = lane.query;
    let on_cpu = cpu::aggregate_sink(query, pipeline)?;
    let branches = pipeline.branches.iter().zip(readings).map(|(branch, reading)| {
        let Sink::Aggregate(aggregation) = &pipeline.sink else {
            return Err(Error::invalid("a pipeline without an aggregation"));
        };
        let spec = branch.aggregate_spec(aggregation)?;
        let rounds = Rounds::new(query, branch, reading)?;
        Ok(DeviceBranch { spec, rounds, groups: AtomicU64::new(0) })
    });
    let sink = GpuAggregateSink {
        lane,
        branches: branches.collect::<Result<_>>()?,
        merged: Mutex::new(Merged { groups: on_cpu.of_partials()?, on_cpu: on_cpu.local()? }),
        on_cpu,
    };
    let locals = workers::run(query, readings, tasks, &sink)?;
    for branch in 0..sink.branches.len() {
        let round = sink.branches[branch].rounds.rest(query)?;
        sink.finish_round(branch, round)?;
    }
    let GpuAggregateSink { on_cpu, merged, .. } = sink;
    let Merged { groups, on_cpu: rest } = merged.into_inner();
    let tables = locals.into_iter().map(|local| local.on_cpu).chain([rest]).collect();
    let parts = query.on_pool(|| on_cpu.finish(tables, Some(groups)));
    let finished = parts.and_then(|parts| cpu::finish(query, pipeline, &parts, receiver));
    let (report, mut tally) = (on_cpu.report(), lane.tally.lock());
    tally.spilled_bytes += report.spilled_bytes;
    report.details().into_iter().filter(|(name, _)| name != "mode").for_each(|(name, value)| {
        tally.note(&name, value);
    });
    finished
}

/// A branch of the pipeline, as the device sees it.
struct DeviceBranch {
    spec: AggregateSpec,
    rounds: Rounds,
    /// The most groups that a round has had: the next one's table starts with room for them.
    groups: AtomicU64,
}

struct GpuAggregateSink<'a> {
    lane: &'a Lane<'a>,
    branches: Vec<DeviceBranch>,
    merged: Mutex<Merged>,
    on_cpu: AggregateSink,
}

/// What rounds gave so far.
struct Merged {
    /// Of the device.
    groups: Worker,
    /// Of rounds that the device did not do.
    on_cpu: super::super::sink::Tables,
}

/// A worker's full rounds, and its own tables once the device has failed.
struct Local {
    full: Vec<(usize, Round)>,
    on_cpu: super::super::sink::Tables,
}

impl Sinking for GpuAggregateSink<'_> {
    type Local = Local;
    const DRAINS: bool = true;
    const FILTERED: bool = false;
    const ENCODED: bool = true;

    fn batch_rows(&self, query: &Query) -> usize {
        query.engine.config.device_batch_rows
    }

    fn local(&self) -> Result<Local> {
        Ok(Local { full: Vec::new(), on_cpu: self.on_cpu.local()? })
    }

    fn consume(&self, local: &mut Local, task: &Task, chunk: Chunk, filtered: Filtered) -> Result<Flow> {
        if self.lane.tally.lock().fell_back.is_some() {
            return self.consume_on_cpu(local, task, chunk, filtered);
        }
        let full = self.branches[task.branch].rounds.add(self.lane, chunk)?;
        local.full.extend(full.map(|round| (task.branch, round)));
        Ok(Flow::Continue)
    }

    fn drain(&self, local: &mut Local) -> Result<()> {
        local.full.drain(..).try_for_each(|(branch, round)| self.finish_round(branch, round))
    }
}

impl GpuAggregateSink<'_> {
    fn consume_on_cpu(
        &self,
        local: &mut Local,
        task: &Task,
        chunk: Chunk,
        filtered: Filtered,
    ) -> Result<Flow> {
        for slice in chunk.settled(&[])?.slices(self.lane.query.cpu_batch_rows()) {
            self.lane.query.check()?;
            self.on_cpu.consume(&mut local.on_cpu, task, slice, filtered)?;
        }
        Ok(Flow::Continue)
    }

    /// Aggregates a round, on the device if it can be, and merges its groups.
    fn finish_round(&self, branch: usize, round: Round) -> Result<()> {
        if round.chunks.is_empty() {
            return Ok(());
        }
        if self.lane.tally.lock().fell_back.is_none() {
            match in_parts(&round.chunks, &|chunks| self.program(&self.branches[branch], chunks)) {
                Ok(partials) => {
                    // Locked here: a thread of the pool that waits within may take up the work of another round.
                    let mut merged = self.merged.lock();
                    let groups = &mut merged.groups;
                    let mut partials = partials.into_iter().flatten();
                    let merge = || partials.try_for_each(|partial| groups.consume_partial(partial));
                    return self.lane.query.on_pool(merge);
                }
                Err(error) => self.lane.give_up(error)?,
            }
        }
        let query = self.lane.query;
        let mut merged = self.merged.lock();
        let tables = &mut merged.on_cpu;
        query.on_pool(|| {
            for chunk in &round.chunks {
                for slice in chunk.settled(&[])?.slices(query.cpu_batch_rows()) {
                    query.check()?;
                    self.on_cpu.add(tables, branch, &slice, Filtered::No)?;
                }
            }
            Ok(())
        })
    }

    /// The groups of some chunks: one partial for each part that the table was cut into.
    fn program(&self, branch: &DeviceBranch, chunks: &[Chunk]) -> Result<Vec<Partial>> {
        let (query, device) = (self.lane.query, self.lane.device);
        let known = branch.groups.load(Relaxed);
        let settings = GpuAggregateSettings {
            device_bytes: device.memory().limit_bytes(),
            expected_groups: (known > 0).then(|| FIRST_GROUPS.max(known + known / 4)),
            ..GpuAggregateSettings::default()
        };
        let mut aggregate = query.on_pool(|| {
            let columns = branch.rounds.pack(self.lane, chunks)?;
            GpuAggregate::new(&branch.spec, &columns, device.tier(), settings)
        })?;
        for _ in 0..MAX_RESIZES {
            match self.parts(&aggregate)? {
                Ok(partials) => {
                    let groups = partials.iter().map(|partial| partial.groups as u64).sum();
                    branch.groups.fetch_max(groups, Relaxed);
                    let mut tally = self.lane.tally.lock();
                    tally.note("mode", aggregate.mode_name());
                    if partials.len() > 1 {
                        tally.note("device parts", partials.len().to_string());
                    }
                    return Ok(partials);
                }
                Err(capacity) => aggregate.resize(capacity),
            }
        }
        let reason = format!("a table that is still too small after {MAX_RESIZES} runs");
        Err(Error::Device { stage: "aggregate".into(), reason })
    }

    /// Runs all parts, or says what room they need.
    fn parts(&self, aggregate: &GpuAggregate) -> Result<std::result::Result<Vec<Partial>, Capacity>> {
        let query = self.lane.query;
        let mut partials = Vec::new();
        for part in 0..aggregate.parts() {
            let program = query.on_pool(|| aggregate.program(part))?;
            let output = self.lane.run(&program)?;
            match query.on_pool(|| aggregate.decode(&output))? {
                Outcome::Partial(partial) => partials.push(partial),
                Outcome::Retry(capacity) => return Ok(Err(capacity)),
            }
            if let digits @ 1.. = aggregate.digits(&output) {
                self.lane.tally.lock().note("digits", digits.to_string());
            }
        }
        Ok(Ok(partials))
    }
}
