//! A query from its plan to its last batch: pipelines, leaves first, each on the backend that it was placed on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use pilaster_kernels::join::Side;
use pilaster_kernels::{Backend, Error, Result};

use super::cpu;
use super::engine::Engine;
use super::execution::Execution;
use super::gpu::{self, Lane, Tally};
use super::lower::{Lowered, lower};
use super::output::Output;
use super::partitioned_join::PartitionedJoin;
use super::pipeline::{Branch, Pipeline, Probe, Sink, Source};
use super::query::Query;
use super::reading::Reading;
use super::sink::Receiver;
use super::task::{Materialised, Task, Work, split, tasks};
use super::workers::caught;
use crate::place::{Outcome, PipelineReport, Placement, Report, Size, Target, decide};
use crate::plan::Plan;
use crate::scan::PruneReport;

/// Batches that a query runs ahead of its consumer, per thread.
const BATCHES_AHEAD: usize = 2;

/// Starts `plan` on a thread of its own.
///
/// # Errors
/// [`Error::Io`] where the thread cannot be started.
pub(crate) fn start(engine: &Arc<Engine>, plan: &Plan) -> Result<Execution> {
    let query = Query::new(engine);
    let cancel = query.cancel.clone();
    let lowered = lower(plan, engine.config.float_sum)?;
    let output = Arc::new(Output::new(BATCHES_AHEAD * engine.threads, cancel.clone()));
    let report = Report { operators: lowered.operators.clone(), ..Report::default() };
    let report = Arc::new(Mutex::new(report));
    let schema = Arc::clone(plan.schema());
    let execution = Execution::new(Arc::clone(&schema), Arc::clone(&output), cancel, Arc::clone(&report));
    let drive = move || {
        let result =
            caught(|| Drive { query: &query, lowered, output: &output, report: &report }.run(&schema));
        report.lock().peak_host_bytes = query.host.peak();
        // Budgets, files and devices are given back before anybody hears of the end.
        drop(query);
        output.finish(result);
    };
    let thread = std::thread::Builder::new().name("pilaster-query".into()).stack_size(8 << 20);
    thread
        .spawn(drive)
        .map_err(|error| Error::Io { path: "query thread".into(), reason: error.to_string() })?;
    Ok(execution)
}

struct Drive<'a> {
    query: &'a Query,
    lowered: Lowered,
    output: &'a Output,
    report: &'a Mutex<Report>,
}

impl Drive<'_> {
    fn run(&mut self, schema: &arrow::datatypes::SchemaRef) -> Result<()> {
        let pipelines = std::mem::take(&mut self.lowered.pipelines);
        let mut results: Vec<Materialised> = Vec::new();
        for (number, pipeline) in pipelines.iter().enumerate() {
            self.query.check()?;
            let receiver = if number + 1 == pipelines.len() {
                Receiver::consumer(self.output, Arc::clone(schema), self.lowered.output.clone())
            } else if matches!(pipeline.sink, Sink::Build { .. }) {
                Receiver::join()
            } else {
                Receiver::pipeline(self.query)
            };
            self.pipeline(number, pipeline, &mut results, &receiver)?;
            results.push(receiver.into_result());
        }
        self.query.check()?;
        self.report.lock().executed = true;
        Ok(())
    }

    fn pipeline(
        &self,
        number: usize,
        pipeline: &Pipeline,
        results: &mut [Materialised],
        receiver: &Receiver<'_>,
    ) -> Result<()> {
        let mut divided = None;
        while let Some(build) = divided_build(divided.as_ref().unwrap_or(pipeline), results) {
            let before = divided.take().unwrap_or_else(|| pipeline.clone());
            divided = Some(self.divide(number, before, build, results)?);
        }
        let pipeline = divided.as_ref().unwrap_or(pipeline);
        let started = Instant::now();
        let query = self.query;
        let readings = cpu::readings(pipeline, results)?;
        let sequential = matches!(pipeline.sink, Sink::Collect) && pipeline.is_ordered();
        let rows = query.cpu_batch_rows();
        let tasks = tasks(&pipeline.branches, results, sequential, rows, &readings)?;
        let known = tasks.iter().map(Task::rows).sum::<Option<u64>>();
        let size = Size::of(pipeline, |_| None).with_rows(known);
        let placement = decide(&query.engine, pipeline, size)?;
        // A device takes row groups whole: their pages are not cut.
        let encoded = matches!(placement.target, Target::Gpu(_))
            && matches!(pipeline.sink, Sink::Aggregate(_) | Sink::Collect);
        let tasks = if encoded { tasks } else { split(tasks, sequential, query.threads()) };
        let (ran, mut tally) = match &placement.target {
            Target::Cpu(_) => {
                let mut tally = Tally::default();
                (cpu::run(query, pipeline, &readings, &tasks, receiver, &mut tally), tally)
            }
            Target::Gpu(device) => {
                self.report.lock().adapter = Some(device.name().to_owned());
                let lane = Lane { query, device, tally: Mutex::default() };
                let ran = gpu::run(&lane, pipeline, &readings, &tasks, receiver);
                (ran, lane.tally.into_inner())
            }
        };
        let ran =
            ran.and_then(|()| receiver.seal()).map(|bytes| tally.spilled("result spilled bytes", bytes));
        let wall = started.elapsed();
        self.account_joins(pipeline, &readings, &tasks);
        tally.spilled_bytes += tasks.iter().map(Task::spilled_again).sum::<u64>();
        drop(tasks);
        let read: Vec<(u64, Option<PruneReport>)> =
            readings.iter().map(|reading| (reading.rows_read(), reading.pruned())).collect();
        drop(readings);
        if let (Some(estimate), Ok(()), None) = (&placement.estimate, &ran, &tally.fell_back) {
            query.engine.model.learn(placement.backend(), estimate, wall);
        }
        self.account(number, pipeline, &placement, tally, &read, receiver.rows(), wall);
        ran
    }

    /// Cuts what probes a build side that did not fit memory: its branches up to there are run now and kept by partition, and
    /// one branch takes their place, which joins partition by partition.
    fn divide(
        &self,
        number: usize,
        pipeline: Pipeline,
        build: usize,
        results: &mut [Materialised],
    ) -> Result<Pipeline> {
        let Materialised::Divided(divided) = std::mem::take(&mut results[build]) else {
            return Err(Error::invalid("a build side that is not in partitions"));
        };
        let Pipeline { branches, sink, schema, operators } = pipeline;
        let (mut heads, mut rest, mut probe) = (Vec::new(), Vec::new(), None);
        for mut branch in branches {
            match branch.probes.iter().position(|probe| probe.build == build) {
                None => rest.push(branch),
                Some(at) => {
                    let mut after = branch.probes.split_off(at).into_iter();
                    probe = after.next().map(|joins| (joins, after.collect::<Vec<_>>()));
                    heads.push(branch);
                }
            }
        }
        let (Probe { spec, side, schema: joined, step, operator, .. }, probes) =
            probe.ok_or_else(|| Error::invalid("a build side that nobody probes"))?;
        let partitioner = divided.partitioner;
        let kept =
            Sink::Partition { spec: Arc::clone(&spec), side: side.other(), partitioner: partitioner.clone() };
        let head =
            Pipeline { branches: heads, sink: kept, schema: Arc::clone(&joined), operators: Vec::new() };
        let receiver = Receiver::join();
        self.pipeline(number, &head, results, &receiver)?;
        let Materialised::Partitions(probed, spilled) = receiver.into_result() else {
            return Err(Error::invalid("a probe side that is not in partitions"));
        };
        let parts = (divided.parts, probed);
        let join = PartitionedJoin::new(self.query, &spec, side, partitioner.as_ref(), parts, operator);
        join.add_spilled(divided.spilled_bytes + spilled);
        results[build] = Materialised::Joined(Arc::new(join));
        let source = Source::Pipeline(build);
        rest.push(Branch { source, schema: joined, step, probes, ordered: false, operators: Vec::new() });
        Ok(Pipeline { branches: rest, sink, schema, operators })
    }

    /// Writes into the report what the joins of a pipeline did, over all branches that pass them.
    fn account_joins(&self, pipeline: &Pipeline, readings: &[Arc<Reading>], tasks: &[Task]) {
        let mut report = self.report.lock();
        for task in tasks {
            if let Work::Joined { join, .. } = &task.work {
                join.account(&mut report.operators);
            }
        }
        for (branch, reading) in pipeline.branches.iter().zip(readings) {
            for (stage, (probe, table)) in branch.probes.iter().zip(reading.probing().tables()).enumerate() {
                let join = &mut report.operators[probe.operator];
                join.rows_out = Some(join.rows_out.unwrap_or(0) + reading.probing().rows(stage));
                if join.details.is_empty() {
                    let side = match probe.side {
                        Side::Left => "left",
                        Side::Right => "right",
                    };
                    join.details.extend([
                        ("build".to_owned(), side.to_owned()),
                        ("build_rows".to_owned(), table.rows().to_string()),
                        ("mode".to_owned(), table.mode_name().to_owned()),
                    ]);
                    let filters = reading.probing().filters().details(stage);
                    join.details.extend(filters.map(|filters| ("runtime_filters".to_owned(), filters)));
                }
            }
        }
    }

    /// Writes into the report what a pipeline did.
    #[expect(clippy::too_many_arguments, reason = "the figures of one pipeline, used once")]
    fn account(
        &self,
        number: usize,
        pipeline: &Pipeline,
        placement: &Placement,
        tally: Tally,
        read: &[(u64, Option<PruneReport>)],
        rows_out: u64,
        wall: Duration,
    ) {
        let (backend, outcome) = match &tally.fell_back {
            Some(error) => (Backend::Cpu, Outcome::FellBack(error.to_string())),
            None => (placement.backend(), placement.outcome()),
        };
        let mut report = self.report.lock();
        report.peak_device_bytes = report.peak_device_bytes.max(tally.peak_device_bytes);
        for operator in pipeline.all_operators() {
            let operator = &mut report.operators[operator];
            operator.backend = backend;
            operator.outcome = outcome.clone();
        }
        for (branch, (rows, pruned)) in pipeline.branches.iter().zip(read) {
            if let (Some(source), true) = (branch.operators.first(), branch.reads_leaf()) {
                let source = &mut report.operators[*source];
                source.rows_out = Some(*rows);
                source.details = pruned.as_ref().map(PruneReport::details).unwrap_or_default();
            }
        }
        let top = pipeline.operators.first().or_else(|| match pipeline.branches.as_slice() {
            [only] => only.operators.last(),
            _ => None,
        });
        if let Some(top) = top {
            let top = &mut report.operators[*top];
            top.rows_out = Some(rows_out);
            top.details.extend(tally.details);
        }
        report.pipelines.push(PipelineReport {
            pipeline: number,
            backend,
            rows_in: read.iter().map(|(rows, _)| rows).sum(),
            rows_out,
            bytes_up: tally.bytes_up,
            bytes_down: tally.bytes_down,
            submissions: tally.submissions,
            read_backs: tally.read_backs,
            spilled_bytes: tally.spilled_bytes,
            wall,
            stages: tally.stages,
        });
    }
}

/// The first build side among those that the branches probe which did not fit memory.
fn divided_build(pipeline: &Pipeline, results: &[Materialised]) -> Option<usize> {
    let probes = pipeline.branches.iter().flat_map(|branch| &branch.probes);
    let divided = probes.filter(|probe| matches!(results[probe.build], Materialised::Divided(_)));
    divided.map(|probe| probe.build).min()
}

/// The pipelines of a plan as they would be placed.
pub(crate) fn explain(engine: &Engine, plan: &Plan) -> Result<Report> {
    let Lowered { pipelines, mut operators, .. } = lower(plan, engine.config.float_sum)?;
    let mut report = Report::default();
    for pipeline in &pipelines {
        let placement = decide(engine, pipeline, Size::of(pipeline, |_| None))?;
        for operator in pipeline.all_operators() {
            operators[operator].backend = placement.backend();
            operators[operator].outcome = placement.outcome();
        }
        if let Target::Gpu(device) = &placement.target {
            report.adapter = Some(device.name().to_owned());
        }
    }
    report.operators = operators;
    Ok(report)
}
