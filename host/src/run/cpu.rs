//! A pipeline on the CPU: tasks through workers into a sink.

use std::sync::{Arc, mpsc};

use parking_lot::Mutex;
use pilaster_kernels::aggregate::Aggregate;
use pilaster_kernels::aggregate::cpu::Parts;
use pilaster_kernels::expr::Expr;
use pilaster_kernels::join::cpu::JoinTable;
use pilaster_kernels::{Error, Result};
use rayon::prelude::*;

use super::chunk::Chunk;
use super::filter_project::FilterProject;
use super::gpu::Tally;
use super::pipeline::{Aggregation, Branch, Pipeline, Probe, Sink};
use super::probing::Probing;
use super::query::Query;
use super::reading::Reading;
use super::rollup;
use super::sink::{
    AggregateSink, BuildSink, CollectSink, Gathered, LimitSink, PartitionSink, Receiver, SortSink, in_order,
    order,
};
use super::sorted_runs::SortedRuns;
use super::store::Piece;
use super::task::{Materialised, Task};
use super::workers;

/// How each branch of a pipeline is read: the columns that its sink, or its first join, needs. The tables of its joins are
/// among the `results` of earlier pipelines, and are there no more afterwards.
pub(crate) fn readings(pipeline: &Pipeline, results: &mut [Materialised]) -> Result<Vec<Arc<Reading>>> {
    let reading = |branch: &Branch| {
        let probing = Probing::new(branch, tables(branch, results)?)?;
        match &pipeline.sink {
            Sink::Aggregate(aggregation) if branch.probes.is_empty() => {
                let spec = branch.aggregate_spec(aggregation)?;
                let operands = spec.aggregates.iter().flat_map(Aggregate::exprs);
                let exprs: Vec<&Expr> = spec.keys.iter().chain(operands).collect();
                Reading::new(branch, &exprs, probing)
            }
            _ => Reading::new(branch, &branch.step.columns.iter().collect::<Vec<_>>(), probing),
        }
    };
    let readings: Result<Vec<_>> =
        pipeline.branches.iter().map(|branch| reading(branch).map(Arc::new)).collect();
    for probe in pipeline.branches.iter().flat_map(|branch| &branch.probes) {
        results[probe.build] = Materialised::default();
    }
    readings
}

/// The tables that a branch probes.
fn tables(branch: &Branch, results: &[Materialised]) -> Result<Vec<Arc<JoinTable>>> {
    let table = |probe: &Probe| match results.get(probe.build) {
        Some(Materialised::Table(table)) => Some(Arc::clone(table)),
        _ => None,
    };
    let tables = branch.probes.iter().map(table).collect::<Option<Vec<_>>>();
    tables.ok_or_else(|| Error::invalid("a join whose table was not built"))
}

/// Runs `tasks`, and gives the rows that come out to `receiver`; what there is to say of it goes into `tally`.
pub(crate) fn run(
    query: &Query,
    pipeline: &Pipeline,
    readings: &[Arc<Reading>],
    tasks: &[Task],
    receiver: &Receiver<'_>,
    tally: &mut Tally,
) -> Result<()> {
    match &pipeline.sink {
        Sink::Aggregate(_) => {
            let sink = aggregate_sink(query, pipeline)?;
            let tables = workers::run(query, readings, tasks, &sink)?;
            let parts = query.on_pool(|| sink.finish(tables, None));
            let finished = parts.and_then(|parts| finish(query, pipeline, &parts, receiver));
            let report = sink.report();
            tally.spilled_bytes += report.spilled_bytes;
            tally.details.extend(report.details());
            finished
        }
        Sink::Sort { keys, skip, fetch } => match gather_to_sort(query, pipeline, readings, tasks)? {
            Gathered::Whole(rows, _held) => {
                let order = query.on_pool(|| order(&rows, keys, wanted(*skip, *fetch)))?;
                give_in_order(query, receiver, &rows, order.get(*skip..).unwrap_or_default())
            }
            Gathered::Runs(runs) => give_runs(query, receiver, runs, *skip, tally),
        },
        Sink::Limit { fetch: Some(0), .. } => Ok(()),
        Sink::Limit { skip, fetch } => {
            let sink = LimitSink::new(query, steps(pipeline)?, *skip, *fetch, tasks.len());
            workers::run(query, readings, tasks, &sink)?;
            let spilled = sink.finish(query, |rows| receiver.give(rows))?;
            tally.spilled("spilled bytes", spilled);
            Ok(())
        }
        Sink::Build { spec, side } => {
            let sink = BuildSink::new(query, steps(pipeline)?, spec, *side)?;
            let workers = workers::run(query, readings, tasks, &sink)?;
            let built = query.on_pool(|| sink.finish(workers))?;
            let rows = match &built {
                Materialised::Table(table) => table.rows() as u64,
                Materialised::Divided(divided) => {
                    tally.spilled("spilled bytes", divided.spilled_bytes);
                    rows_of(&divided.parts)
                }
                _ => 0,
            };
            receiver.give_side(built, rows)
        }
        Sink::Partition { spec, side, partitioner } => {
            let sink = PartitionSink::new(query, steps(pipeline)?, spec, *side, partitioner.clone());
            let workers = workers::run(query, readings, tasks, &sink)?;
            let (parts, spilled) = query.on_pool(|| sink.finish(workers))?;
            tally.spilled("spilled bytes", spilled);
            let rows = rows_of(&parts);
            receiver.give_side(Materialised::Partitions(parts, spilled), rows)
        }
        Sink::Collect => {
            let sink = CollectSink { steps: steps(pipeline)?, receiver };
            workers::run(query, readings, tasks, &sink).map(|_| ())
        }
    }
}

fn rows_of(parts: &[Vec<Piece>]) -> u64 {
    parts.iter().flatten().map(|piece| piece.rows() as u64).sum()
}

/// The sink of an aggregating pipeline.
pub(crate) fn aggregate_sink(query: &Query, pipeline: &Pipeline) -> Result<AggregateSink> {
    let aggregation = aggregation(pipeline)?;
    let specs = pipeline.branches.iter().map(|branch| branch.aggregate_spec(aggregation));
    Ok(AggregateSink::new(query, specs.collect::<Result<_>>()?))
}

fn aggregation(pipeline: &Pipeline) -> Result<&Aggregation> {
    match &pipeline.sink {
        Sink::Aggregate(aggregation) => Ok(aggregation),
        _ => Err(Error::invalid("a pipeline without an aggregation")),
    }
}

/// Computes the parts of an aggregation on the pool, and hands each on as it comes: its groups, or once there are all of
/// them those of all grouping sets.
pub(crate) fn finish(
    query: &Query,
    pipeline: &Pipeline,
    parts: &Parts,
    receiver: &Receiver<'_>,
) -> Result<()> {
    let aggregation = aggregation(pipeline)?;
    let (Some(sets), [branch, ..]) = (&aggregation.sets, pipeline.branches.as_slice()) else {
        return workers::each(query, parts.len(), |part| {
            let chunks = query.on_pool(|| parts.compute(part))?;
            chunks.into_iter().try_for_each(|columns| {
                // An aggregation has at least one column: keys or aggregates.
                let rows = columns.first().map_or(1, |column| column.len());
                give(query, receiver, Chunk::new(columns, rows))
            })
        });
    };
    let spec = branch.aggregate_spec(aggregation)?;
    let finest = Mutex::new(Vec::new());
    workers::each(query, parts.len(), |part| {
        let partials = query.on_pool(|| parts.compute_partials(part))?;
        finest.lock().extend(partials);
        Ok(())
    })?;
    let chunks = query.on_pool(|| rollup::roll_up(query, &spec, sets, finest.into_inner()))?;
    chunks.into_iter().try_for_each(|rows| give(query, receiver, rows))
}

/// All rows of a sorting pipeline.
pub(crate) fn gather_to_sort(
    query: &Query,
    pipeline: &Pipeline,
    readings: &[Arc<Reading>],
    tasks: &[Task],
) -> Result<Gathered> {
    let Sink::Sort { keys, skip, fetch } = &pipeline.sink else {
        return Err(Error::invalid("a pipeline without a sort"));
    };
    let workers = workers::count(query, tasks);
    let steps = steps(pipeline)?;
    let sink = SortSink::new(query, steps, keys, wanted(*skip, *fetch), &pipeline.schema, workers);
    let rows = workers::run(query, readings, tasks, &sink)?;
    query.on_pool(|| sink.finish(rows))
}

/// Rows that decide the result.
pub(crate) fn wanted(skip: usize, fetch: Option<usize>) -> Option<usize> {
    fetch.map(|fetch| fetch.saturating_add(skip))
}

/// Batches of a round for each thread: what the threads wait for one another is little beside what they gather.
const GATHERED_BATCHES: usize = 4;

/// Hands rows on by their numbers, gathered some batches at a time on the pool while those before them are taken.
pub(crate) fn give_in_order(
    query: &Query,
    receiver: &Receiver<'_>,
    rows: &Chunk,
    order: &[u32],
) -> Result<()> {
    let batch_rows = query.cpu_batch_rows();
    let gathered = |order: &[u32]| {
        query.check()?;
        query.on_pool(|| {
            let batches = order.par_chunks(batch_rows).map(|order| in_order(rows, order));
            batches.collect::<Result<Vec<_>>>()
        })
    };
    let round_rows = batch_rows * GATHERED_BATCHES * query.threads().max(1);
    if order.len() <= round_rows {
        return gathered(order)?.into_iter().try_for_each(|rows| receiver.give(rows));
    }
    std::thread::scope(|scope| {
        let (sender, rounds) = mpsc::sync_channel(1);
        // It ends with the rounds, or with whoever took them.
        std::thread::Builder::new()
            .name("pilaster-gather".into())
            .spawn_scoped(scope, move || {
                order.chunks(round_rows).all(|order| sender.send(gathered(order)).is_ok())
            })
            .map_err(|error| Error::Io { path: "gathering thread".into(), reason: error.to_string() })?;
        rounds.into_iter().try_for_each(|round| round?.into_iter().try_for_each(|rows| receiver.give(rows)))
    })
}

/// Hands the rows of sorted runs on in their order.
pub(crate) fn give_runs(
    query: &Query,
    receiver: &Receiver<'_>,
    mut runs: SortedRuns,
    skip: usize,
    tally: &mut Tally,
) -> Result<()> {
    tally.note("sorted runs", runs.runs.len().to_string());
    let given = runs.give(query, skip, |rows| receiver.give(rows));
    tally.spilled("spilled bytes", runs.store.spilled_bytes());
    given
}

/// Hands a pipeline's rows on in batches of the session's size.
pub(crate) fn give(query: &Query, receiver: &Receiver<'_>, rows: Chunk) -> Result<()> {
    rows.slices(query.cpu_batch_rows()).try_for_each(|slice| receiver.give(slice))
}

/// Filter and project of each branch, right before the sink.
pub(crate) fn steps(pipeline: &Pipeline) -> Result<Vec<FilterProject>> {
    pipeline.branches.iter().map(|branch| FilterProject::new(branch.last())).collect()
}
