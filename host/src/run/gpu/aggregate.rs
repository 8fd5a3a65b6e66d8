//! Aggregation on the device: one program per round, partial states merged on the host.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use parking_lot::Mutex;
use pilaster_kernels::aggregate::AggregateSpec;
use pilaster_kernels::aggregate::cpu::CpuAggregate;
use pilaster_kernels::aggregate::gpu::{GpuAggregate, GpuAggregateSettings, Outcome};
use pilaster_kernels::aggregate::partial::Partial;
use pilaster_kernels::gpu::column::pack;
use pilaster_kernels::{Error, Result};

use super::super::chunk::Chunk;
use super::super::cpu;
use super::super::pipeline::{Pipeline, Sink};
use super::super::query::Query;
use super::super::sink::{AggregateSink, Receiver};
use super::super::task::{Filtered, Reading, Task};
use super::super::workers::{self, Flow, Sinking};
use super::Lane;
use crate::memory::Reservation;

/// Times that a table may turn out too small: each run tells how large it must be, so that one is the rule.
const MAX_RESIZES: usize = 8;

/// Rounds of fewer rows are not split further: a device that has no room for these has none at all.
const MIN_SPLIT_ROWS: usize = 1 << 12;

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
        let Sink::Aggregate { keys, aggregates } = &pipeline.sink else {
            return Err(Error::invalid("a pipeline without an aggregation"));
        };
        let data_types = branch.schema.fields().iter().map(|field| field.data_type().clone()).collect();
        let round = Mutex::new(Round { chunks: Vec::new(), bytes: 0, held: query.reservation()? });
        let spec = branch.aggregate_spec(keys, aggregates)?;
        Ok(DeviceBranch { spec, data_types, used: reading.columns().to_vec(), round })
    });
    let sink = GpuAggregateSink {
        lane,
        branches: branches.collect::<Result<_>>()?,
        merged: Mutex::new(on_cpu.table(0, Filtered::No)?),
        on_cpu,
    };
    let locals = workers::run(query, readings, tasks, &sink)?;
    for branch in 0..sink.branches.len() {
        let round = sink.branches[branch].round.lock().take(query)?;
        sink.finish_round(branch, round)?;
    }
    let GpuAggregateSink { on_cpu, merged, .. } = sink;
    let tables = locals.into_iter().map(|local| local.on_cpu).collect();
    let rows = query.on_pool(|| {
        let mut table = merged.into_inner();
        table.merge(on_cpu.merge(tables)?)?;
        cpu::finish(table)
    })?;
    cpu::give(query, receiver, rows)
}

/// A branch of the pipeline, as the device sees it.
struct DeviceBranch {
    spec: AggregateSpec,
    data_types: Vec<DataType>,
    used: Vec<usize>,
    round: Mutex<Round>,
}

/// Chunks that wait for the next program.
struct Round {
    chunks: Vec<Chunk>,
    bytes: u64,
    held: Reservation,
}

impl Round {
    fn take(&mut self, query: &Query) -> Result<Round> {
        let empty = Round { chunks: Vec::new(), bytes: 0, held: query.reservation()? };
        Ok(std::mem::replace(self, empty))
    }
}

struct GpuAggregateSink<'a> {
    lane: &'a Lane<'a>,
    branches: Vec<DeviceBranch>,
    /// What rounds gave so far.
    merged: Mutex<CpuAggregate>,
    on_cpu: AggregateSink,
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
        let used = &self.branches[task.branch].used;
        let bytes = chunk.bytes_of(used);
        let mut round = self.branches[task.branch].round.lock();
        // Packing makes a copy, which is the device's size at most.
        round.held.grow(bytes.saturating_mul(2))?;
        round.bytes += bytes;
        round.chunks.push(chunk);
        if round.bytes >= self.lane.round_bytes() {
            local.full.push((task.branch, round.take(self.lane.query)?));
        }
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
        for slice in chunk.slices(self.lane.query.cpu_batch_rows()) {
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
            match self.on_device(&self.branches[branch], &round.chunks) {
                Ok(partials) => {
                    let merge = || {
                        let mut merged = self.merged.lock();
                        partials.iter().try_for_each(|partial| merged.merge_partial(partial))
                    };
                    return self.lane.query.on_pool(merge);
                }
                Err(error) => self.lane.give_up(error)?,
            }
        }
        let query = self.lane.query;
        let table = query.on_pool(|| {
            let mut table = self.on_cpu.table(branch, Filtered::No)?;
            for slice in round.chunks.into_iter().flat_map(|chunk| chunk.slices(query.cpu_batch_rows())) {
                query.check()?;
                table.consume(&slice.columns, slice.rows)?;
            }
            Ok::<_, Error>(table)
        })?;
        self.merged.lock().merge(table)
    }

    /// The partial states of `chunks`: of one program, or of several where the device has no room for one.
    fn on_device(&self, branch: &DeviceBranch, chunks: &[Chunk]) -> Result<Vec<Partial>> {
        match self.program(branch, chunks) {
            Ok(partial) => Ok(vec![partial]),
            Err(error @ Error::OutOfMemory { backend: pilaster_kernels::Backend::Gpu, .. }) => {
                let Some((front, back)) = halves(chunks) else { return Err(error) };
                let mut partials = self.on_device(branch, &front)?;
                partials.extend(self.on_device(branch, &back)?);
                Ok(partials)
            }
            Err(error) => Err(error),
        }
    }

    fn program(&self, branch: &DeviceBranch, chunks: &[Chunk]) -> Result<Partial> {
        let (query, device) = (self.lane.query, self.lane.device);
        let settings = GpuAggregateSettings {
            device_bytes: device.memory().limit_bytes(),
            ..GpuAggregateSettings::default()
        };
        let mut aggregate = query.on_pool(|| {
            let batches: Vec<&[ArrayRef]> = chunks.iter().map(|chunk| chunk.columns.as_slice()).collect();
            let columns = pack(&batches, &branch.data_types, &branch.used, device.tier().binding_bytes)?;
            GpuAggregate::new(&branch.spec, &columns, device.tier(), settings)
        })?;
        for _ in 0..MAX_RESIZES {
            let program = query.on_pool(|| aggregate.program())?;
            let output = self.lane.run(&program)?;
            match query.on_pool(|| aggregate.decode(&output))? {
                Outcome::Partial(partial) => {
                    self.lane.tally.lock().details = vec![("mode".into(), aggregate.mode_name().into())];
                    return Ok(partial);
                }
                Outcome::Retry(capacity) => aggregate.resize(capacity),
            }
        }
        let reason = format!("a table that is still too small after {MAX_RESIZES} runs");
        Err(Error::Device { stage: "aggregate".into(), reason })
    }
}

/// The rows of `chunks` in two parts; none where there are too few to try again.
fn halves(chunks: &[Chunk]) -> Option<(Vec<Chunk>, Vec<Chunk>)> {
    let rows: usize = chunks.iter().map(|chunk| chunk.rows).sum();
    if rows < MIN_SPLIT_ROWS {
        return None;
    }
    let (mut front, mut back, mut room) = (Vec::new(), Vec::new(), rows / 2);
    for chunk in chunks {
        let first = room.min(chunk.rows);
        if first > 0 {
            front.push(chunk.slice(0, first));
        }
        if first < chunk.rows {
            back.push(chunk.slice(first, chunk.rows - first));
        }
        room -= first;
    }
    Some((front, back))
}
