//! The CPU kernels.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use pilaster_kernels::aggregate::AggregateSpec;
use pilaster_kernels::aggregate::cpu::CpuAggregate;
use pilaster_kernels::aggregate::partial::{Partial, StateColumn};
use pilaster_kernels::expr::Expr;
use pilaster_kernels::expr::cpu::{Evaluator, Predicate};
use pilaster_kernels::memory::Unlimited;
use pilaster_kernels::sort::{SortKey, sort_to_indices};
use pilaster_kernels::{Error, Result};
use pilaster_tests::compare::Got;
use pilaster_tests::strategies::{Batches, Random};

use super::Backend;

/// The CPU kernels, one batch after the other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cpu {
    /// Aggregations are split over this many partial ones, which then merge.
    pub parts: usize,
    /// Partial aggregations travel as partial states, as those of a device do.
    pub as_partials: bool,
}

impl Backend for Cpu {
    fn project(&self, predicate: Option<&Expr>, exprs: &[Expr], input: &Batches) -> Result<Got> {
        let predicate = predicate.map(Predicate::new).transpose()?;
        let evaluator = Evaluator::new(exprs)?;
        let mut got = Got { types: exprs.iter().map(Expr::data_type).collect(), rows: Vec::new() };
        for (columns, &rows) in input.batches.iter().zip(&input.rows) {
            let kept =
                predicate.as_ref().map(|predicate| predicate.select(columns, rows, None)).transpose()?;
            let count = kept.as_ref().map_or(rows, |kept| kept.count());
            let vectors = evaluator.evaluate(columns, rows, kept.as_ref())?;
            let arrays = vectors
                .into_iter()
                .zip(exprs)
                .map(|(vector, expr)| vector.into_array(&expr.data_type()))
                .collect::<Result<Vec<_>>>()?;
            got.append(Got::arrays(&arrays, count));
        }
        Ok(got)
    }

    fn aggregate(&self, spec: &AggregateSpec, input: &Batches) -> Result<Got> {
        let spec = Arc::new(spec.clone());
        let new = || CpuAggregate::new(Arc::clone(&spec), Arc::new(Unlimited));
        let mut parts = (0..self.parts.max(1)).map(|_| new()).collect::<Result<Vec<_>>>()?;
        let count = parts.len();
        let mut first = 0;
        for (at, (columns, &rows)) in input.batches.iter().zip(&input.rows).enumerate() {
            parts[at % count].consume_at(first, columns, rows)?;
            first += rows as u64;
        }
        let mut whole = parts.remove(0);
        for part in parts {
            if self.as_partials { whole.merge_partial(&part.into_partial()?)? } else { whole.merge(part)? }
        }
        finish(whole)
    }

    fn sort(&self, keys: &[SortKey], fetch: Option<usize>, input: &Batches) -> Result<Vec<u32>> {
        let columns = input.batches.first().ok_or_else(|| Error::invalid("no batch"))?;
        sort_to_indices(columns, keys, fetch)
    }
}

fn finish(whole: CpuAggregate) -> Result<Got> {
    let columns = whole.finish()?;
    let rows = columns.first().map_or(0, |column| column.len());
    Ok(Got::arrays(&columns, rows))
}

/// A partial as another process gets it: every array written as Arrow IPC and read again.
fn through_ipc(mut partial: Partial) -> Result<Partial> {
    let arrays = |state: &mut StateColumn| match state {
        StateColumn::Arrays(arrays) => std::mem::take(arrays),
        _ => Vec::new(),
    };
    let mut columns = std::mem::take(&mut partial.keys);
    let keys = columns.len();
    let mut states = Vec::new();
    for state in &mut partial.states {
        let own = arrays(state);
        states.push(own.len());
        columns.extend(own);
    }
    if columns.is_empty() {
        return Ok(partial);
    }
    let field =
        |(at, column): (usize, &ArrayRef)| Field::new(format!("c{at}"), column.data_type().clone(), true);
    let schema = Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>());
    let batch = RecordBatch::try_new(Arc::new(schema), columns)?;
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema())?;
    writer.write(&batch)?;
    let bytes = writer.into_inner()?;
    let read = StreamReader::try_new(bytes.as_slice(), None)?.next().expect("a batch was written")?;
    let mut columns = read.columns().iter().cloned();
    partial.keys = columns.by_ref().take(keys).collect();
    for (state, count) in partial.states.iter_mut().zip(states) {
        if let StateColumn::Arrays(arrays) = state {
            *arrays = columns.by_ref().take(count).collect();
        }
    }
    Ok(partial)
}

/// An aggregation in pieces of random size, which go to random partial aggregations, which merge in a random tree, some
/// of them as partial states that were written and read.
pub fn aggregate_in_a_tree(spec: &AggregateSpec, input: &Batches, seed: u64) -> Result<Got> {
    let mut random = Random::new(seed);
    let spec = Arc::new(spec.clone());
    let new = || CpuAggregate::new(Arc::clone(&spec), Arc::new(Unlimited));
    let mut parts = (0..1 + random.below(7)).map(|_| new()).collect::<Result<Vec<_>>>()?;
    let pieces = input.cut(1 + random.below(60) as usize);
    let mut first = 0;
    for (columns, &rows) in pieces.batches.iter().zip(&pieces.rows) {
        let part = random.below(parts.len() as u64) as usize;
        parts[part].consume_at(first, columns, rows)?;
        first += rows as u64;
    }
    while parts.len() > 1 {
        let mut draw = || parts.swap_remove(random.below(parts.len() as u64) as usize);
        let (mut one, other) = (draw(), draw());
        if random.percent(50) {
            one.merge_partial(&through_ipc(other.into_partial()?)?)?
        } else {
            one.merge(other)?
        }
        parts.push(one);
    }
    finish(parts.remove(0))
}
