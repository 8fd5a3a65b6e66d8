//! Filter and project on the device: one program per round, its rows handed on as they come.

use std::sync::Arc;

use pilaster_kernels::filter::gpu::{GpuFilter, Outcome};
use pilaster_kernels::{Error, Result};

use super::super::chunk::Chunk;
use super::super::cpu;
use super::super::filter_project::FilterProject;
use super::super::pipeline::{Branch, Pipeline, Step};
use super::super::query::Query;
use super::super::reading::{Filtered, Reading};
use super::super::sink::Receiver;
use super::super::task::Task;
use super::super::workers::{self, Flow, Sinking};
use super::Lane;
use super::round::{Round, Rounds, in_parts};

/// Times that the output may turn out too small; the first refusal names what suffices.
const MAX_RESIZES: usize = 3;

/// Runs the pipeline's rounds; rows go to `receiver`.
pub(super) fn run(
    lane: &Lane<'_>,
    pipeline: &Pipeline,
    readings: &[Arc<Reading>],
    tasks: &[Task],
    receiver: &Receiver<'_>,
) -> Result<()> {
    let rounds = pipeline.branches.iter().zip(readings);
    let rounds = rounds.map(|(branch, reading)| Rounds::new(lane.query, branch, reading));
    let sink = GpuFilterSink {
        lane,
        branches: &pipeline.branches,
        rounds: rounds.collect::<Result<_>>()?,
        on_cpu: cpu::steps(pipeline)?,
        receiver,
    };
    workers::run(lane.query, readings, tasks, &sink)?;
    for (branch, rounds) in sink.rounds.iter().enumerate() {
        sink.finish_round(branch, rounds.rest(lane.query)?)?;
    }
    Ok(())
}

struct GpuFilterSink<'a> {
    lane: &'a Lane<'a>,
    branches: &'a [Branch],
    rounds: Vec<Rounds>,
    on_cpu: Vec<FilterProject>,
    receiver: &'a Receiver<'a>,
}

impl Sinking for GpuFilterSink<'_> {
    /// Full rounds of a branch.
    type Local = Vec<(usize, Round)>;
    const DRAINS: bool = true;
    const FILTERED: bool = false;
    const ENCODED: bool = true;

    fn batch_rows(&self, query: &Query) -> usize {
        query.engine.config.device_batch_rows
    }

    fn local(&self) -> Result<Self::Local> {
        Ok(Vec::new())
    }

    fn consume(
        &self,
        full: &mut Self::Local,
        task: &Task,
        chunk: Chunk,
        _filtered: Filtered,
    ) -> Result<Flow> {
        let round = self.rounds[task.branch].add(self.lane, chunk)?;
        full.extend(round.map(|round| (task.branch, round)));
        Ok(Flow::Continue)
    }

    fn drain(&self, full: &mut Self::Local) -> Result<()> {
        full.drain(..).try_for_each(|(branch, round)| self.finish_round(branch, round))
    }
}

impl GpuFilterSink<'_> {
    fn finish_round(&self, branch: usize, round: Round) -> Result<()> {
        if round.chunks.is_empty() {
            return Ok(());
        }
        let query = self.lane.query;
        if self.lane.tally.lock().fell_back.is_none() {
            match in_parts(&round.chunks, &|chunks| self.program(branch, chunks)) {
                Ok(parts) => {
                    return parts.into_iter().try_for_each(|rows| cpu::give(query, self.receiver, rows));
                }
                Err(error) => self.lane.give_up(error)?,
            }
        }
        for chunk in &round.chunks {
            let chunk = query.on_pool(|| chunk.settled(&[]))?;
            for slice in chunk.slices(query.cpu_batch_rows()) {
                query.check()?;
                self.receiver.give(query.on_pool(|| self.on_cpu[branch].apply(slice, Filtered::No))?)?;
            }
        }
        Ok(())
    }

    fn program(&self, branch: usize, chunks: &[Chunk]) -> Result<Chunk> {
        let (query, tier) = (self.lane.query, self.lane.device.tier());
        let Step { predicate, columns } = &self.branches[branch].step;
        let mut filter = query.on_pool(|| {
            let packed = self.rounds[branch].pack(self.lane, chunks)?;
            GpuFilter::new(predicate.as_ref(), columns, &packed, tier)
        })?;
        for _ in 0..MAX_RESIZES {
            let program = query.on_pool(|| filter.program())?;
            let output = self.lane.run(&program)?;
            match query.on_pool(|| filter.decode(&output))? {
                Outcome::Batch { columns, rows } => return Ok(Chunk::new(columns, rows)),
                Outcome::Retry { capacity } => filter.resize(capacity),
            }
        }
        let reason = format!("an output that is still too small after {MAX_RESIZES} runs");
        Err(Error::Device { stage: "filter".into(), reason })
    }
}
