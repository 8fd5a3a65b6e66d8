//! A pipeline on the CPU: tasks through workers into a sink.

use std::sync::Arc;

use pilaster_kernels::aggregate::Aggregate;
use pilaster_kernels::expr::Expr;
use pilaster_kernels::{Result, sort::SortKey};

use super::chunk::Chunk;
use super::filter_project::FilterProject;
use super::pipeline::{Branch, Pipeline, Sink};
use super::query::Query;
use super::sink::{AggregateSink, CollectSink, LimitSink, Receiver, SortSink, sorted};
use super::task::{Reading, Task};
use super::workers;

/// How each branch of a pipeline is read: the columns that its sink needs.
pub(crate) fn readings(pipeline: &Pipeline) -> Result<Vec<Arc<Reading>>> {
    let reading = |branch: &Branch| {
        let Sink::Aggregate { keys, aggregates } = &pipeline.sink else {
            return Ok(Arc::new(Reading::new(branch, &branch.columns.iter().collect::<Vec<_>>())));
        };
        let spec = branch.aggregate_spec(keys, aggregates)?;
        let operands = spec.aggregates.iter().flat_map(Aggregate::exprs);
        let exprs: Vec<&Expr> = spec.keys.iter().chain(operands).collect();
        Ok(Arc::new(Reading::new(branch, &exprs)))
    };
    pipeline.branches.iter().map(reading).collect()
}

/// Runs `tasks`, and gives the rows that come out to `receiver`.
pub(crate) fn run(
    query: &Query,
    pipeline: &Pipeline,
    readings: &[Arc<Reading>],
    tasks: &[Task],
    receiver: &Receiver<'_>,
) -> Result<()> {
    match &pipeline.sink {
        Sink::Aggregate { .. } => {
            let sink = aggregate_sink(query, pipeline)?;
            let tables = workers::run(query, readings, tasks, &sink)?;
            let rows = query.on_pool(|| finish(sink.merge(tables)?))?;
            give(query, receiver, rows)
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
    let Sink::Aggregate { keys, aggregates } = &pipeline.sink else {
        return Err(pilaster_kernels::Error::invalid("a pipeline without an aggregation"));
    };
    let specs = pipeline.branches.iter().map(|branch| branch.aggregate_spec(keys, aggregates));
    Ok(AggregateSink::new(specs.collect::<Result<_>>()?, query.host_reserve()))
}

/// The final rows of a merged table.
pub(crate) fn finish(table: pilaster_kernels::aggregate::cpu::CpuAggregate) -> Result<Chunk> {
    let columns = table.finish()?;
    // An aggregation has at least one column: keys or aggregates.
    let rows = columns.first().map_or(1, |column| column.len());
    Ok(Chunk::new(columns, rows))
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
