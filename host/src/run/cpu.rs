//! A pipeline on the CPU: tasks through workers into a sink.

use std::sync::Arc;

use parking_lot::Mutex;
use pilaster_kernels::aggregate::Aggregate;
use pilaster_kernels::aggregate::cpu::Parts;
use pilaster_kernels::expr::Expr;
use pilaster_kernels::{Error, Result, sort::SortKey};

use super::chunk::Chunk;
use super::filter_project::FilterProject;
use super::gpu::Tally;
use super::pipeline::{Aggregation, Branch, Pipeline, Sink};
use super::query::Query;
use super::rollup;
use super::sink::{AggregateSink, CollectSink, LimitSink, Receiver, SortSink, sorted};
use super::task::{Reading, Task};
use super::workers;

/// How each branch of a pipeline is read: the columns that its sink needs.
pub(crate) fn readings(pipeline: &Pipeline) -> Result<Vec<Arc<Reading>>> {
    let reading = |branch: &Branch| {
        let Sink::Aggregate(aggregation) = &pipeline.sink else {
            return Ok(Arc::new(Reading::new(branch, &branch.columns.iter().collect::<Vec<_>>())));
        };
        let spec = branch.aggregate_spec(aggregation)?;
        let operands = spec.aggregates.iter().flat_map(Aggregate::exprs);
        let exprs: Vec<&Expr> = spec.keys.iter().chain(operands).collect();
        Ok(Arc::new(Reading::new(branch, &exprs)))
    };
    pipeline.branches.iter().map(reading).collect()
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
            tally.details.extend(sink.report().details());
            finished
        }
        Sink::Sort { keys, skip, fetch } => {
            let wanted = fetch.map(|fetch| fetch.saturating_add(*skip));
            let schema = Arc::clone(&pipeline.schema);
            let sink = SortSink::new(
                steps(pipeline)?,
                keys.clone(),
                wanted,
                schema,
                tasks.len(),
                query.reservation()?,
            );
            workers::run(query, readings, tasks, &sink)?;
            let (rows, _held) = query.on_pool(|| sink.finish())?;
            give(query, receiver, sort(query, rows, keys, *skip, *fetch)?)
        }
        Sink::Limit { fetch: Some(0), .. } => Ok(()),
        Sink::Limit { skip, fetch } => {
            let sink = LimitSink::new(steps(pipeline)?, *skip, *fetch, tasks.len(), query.reservation()?);
            workers::run(query, readings, tasks, &sink)?;
            sink.finish().into_iter().try_for_each(|rows| receiver.give(rows))
        }
        Sink::Collect => {
            let sink = CollectSink { steps: steps(pipeline)?, receiver };
            workers::run(query, readings, tasks, &sink).map(|_| ())
        }
    }
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

/// Sorts all rows of a pipeline.
pub(crate) fn sort(
    query: &Query,
    rows: Chunk,
    keys: &[SortKey],
    skip: usize,
    fetch: Option<usize>,
) -> Result<Chunk> {
    // Indices, key words, and the copy that leaves.
    let copies = rows.rows as u64 * 24 + rows.bytes();
    let _held = query.host.reserve(copies)?;
    query.check()?;
    query.on_pool(|| sorted(&rows, keys, skip, fetch))
}

/// Hands a pipeline's rows on in batches of the session's size.
pub(crate) fn give(query: &Query, receiver: &Receiver<'_>, rows: Chunk) -> Result<()> {
    rows.slices(query.cpu_batch_rows()).try_for_each(|slice| receiver.give(slice))
}

/// Filter and project of each branch.
pub(crate) fn steps(pipeline: &Pipeline) -> Result<Vec<FilterProject>> {
    pipeline.branches.iter().map(FilterProject::new).collect::<Result<_>>()
}
