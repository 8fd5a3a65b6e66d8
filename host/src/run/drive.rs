//! A query from its plan to its last batch: pipelines, leaves first, each on the backend that it was placed on.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use pilaster_kernels::{Backend, Error, Result};

use super::cpu;
use super::engine::Engine;
use super::execution::Execution;
use super::lower::{Lowered, lower};
use super::output::Output;
use super::pipeline::{Pipeline, Sink};
use super::query::Query;
use super::sink::Receiver;
use super::task::{Materialised, tasks};
use super::workers::caught;
use crate::place::{Outcome, PipelineReport, Report};
use crate::plan::Plan;

/// Batches that a query runs ahead of its consumer, per thread.
const BATCHES_AHEAD: usize = 2;

/// Starts `plan` on a thread of its own.
///
/// # Errors
/// [`Error::Io`] where the thread cannot be started.
pub(crate) fn start(engine: &Arc<Engine>, plan: &Plan) -> Result<Execution> {
    let query = Query::new(engine);
    let cancel = query.cancel.clone();
    let lowered = lower(plan)?;
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
            } else {
                Receiver::pipeline(self.query.reservation()?)
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
        let started = Instant::now();
        let query = self.query;
        let readings = cpu::readings(pipeline)?;
        let sequential = matches!(pipeline.sink, Sink::Collect) && pipeline.is_ordered();
        let rows = query.cpu_batch_rows();
        let (tasks, held) = {
            let mut report = self.report.lock();
            tasks(&pipeline.branches, results, sequential, rows, &mut report.operators)?
        };
        let outcome = Outcome::Left("cpu".into());
        let tally = PipelineReport::new(number, Backend::Cpu);
        let ran = cpu::run(query, pipeline, &readings, &tasks, receiver);
        drop(held);
        let read: Vec<u64> = readings.iter().map(|reading| reading.rows_read()).collect();
        let tally = PipelineReport {
            rows_in: read.iter().sum(),
            rows_out: receiver.rows(),
            wall: started.elapsed(),
            ..tally
        };
        self.account(pipeline, tally, &outcome, &read);
        ran
    }

    /// Writes into the report what a pipeline did.
    fn account(&self, pipeline: &Pipeline, tally: PipelineReport, outcome: &Outcome, read: &[u64]) {
        let mut report = self.report.lock();
        for operator in pipeline.all_operators() {
            let operator = &mut report.operators[operator];
            operator.backend = tally.backend;
            operator.outcome = outcome.clone();
        }
        for (branch, rows) in pipeline.branches.iter().zip(read) {
            if let (Some(source), true) = (branch.operators.first(), branch.reads_leaf()) {
                report.operators[*source].rows_out = Some(*rows);
            }
        }
        let top = pipeline.operators.first().or_else(|| match pipeline.branches.as_slice() {
            [only] => only.operators.last(),
            _ => None,
        });
        if let Some(top) = top {
            report.operators[*top].rows_out = Some(tally.rows_out);
        }
        report.pipelines.push(tally);
    }
}

/// The pipelines of a plan as they would be placed.
pub(crate) fn explain(engine: &Arc<Engine>, plan: &Plan) -> Result<Report> {
    let lowered = lower(plan)?;
    let _ = engine;
    Ok(Report { operators: lowered.operators, ..Report::default() })
}
