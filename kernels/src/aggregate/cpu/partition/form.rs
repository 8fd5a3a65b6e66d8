//! What a staged row is made of: the columns that keys and aggregates read, computed keys, and its position.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, UInt64Array};
use arrow::datatypes::{DataType, UInt64Type};

use crate::aggregate::cpu::frame::{Batch, Positions};
use crate::aggregate::{Aggregate, AggregateSpec, OrderKey};
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::expr::cpu::{Evaluator, Predicate};
use crate::filter::Selection;
use crate::gather;
use crate::keys::lanes::LaneColumn;

/// How rows of one spec are staged.
#[derive(Debug)]
pub(super) struct Form {
    /// The same aggregation over staged columns.
    pub(super) spec: Arc<AggregateSpec>,
    /// Columns of the batch that are kept.
    kept: Vec<usize>,
    /// Keys that are no columns, which follow the kept columns.
    computed: Vec<DataType>,
    evaluator: Option<Evaluator>,
    predicate: Option<Predicate>,
    /// Staged column of each key.
    keys: Vec<usize>,
    /// The last column holds positions.
    ordered: bool,
}

impl Form {
    pub(super) fn new(spec: &AggregateSpec) -> Result<Self> {
        let mut kept = Vec::new();
        let mut place = |column: usize| {
            kept.iter().position(|&known| known == column).unwrap_or_else(|| {
                kept.push(column);
                kept.len() - 1
            })
        };
        let aggregates: Vec<Aggregate> =
            spec.aggregates.iter().map(|aggregate| mapped(aggregate, &mut place)).collect();
        let mut keys: Vec<Result<usize, &Expr>> = Vec::new();
        for key in &spec.keys {
            keys.push(if let Expr::Column { index, .. } = key { Ok(place(*index)) } else { Err(key) });
        }
        let computed: Vec<&Expr> = keys.iter().filter_map(|key| key.err()).collect();
        let evaluator =
            (!computed.is_empty()).then(|| Evaluator::new(computed.iter().copied())).transpose()?;
        let types = computed.iter().map(|key| key.data_type()).collect();
        let mut next = kept.len();
        let keys: Vec<usize> = keys
            .into_iter()
            .map(|key| {
                key.unwrap_or_else(|_| {
                    next += 1;
                    next - 1
                })
            })
            .collect();
        let columns = keys.iter().zip(&spec.keys);
        let over_staged = AggregateSpec {
            predicate: None,
            keys: columns.map(|(&at, key)| Expr::column(at, key.data_type())).collect(),
            aggregates,
            float_sum: spec.float_sum,
        };
        Ok(Self {
            spec: Arc::new(over_staged),
            kept,
            computed: types,
            evaluator,
            predicate: spec.predicate.as_ref().map(Predicate::new).transpose()?,
            keys,
            ordered: spec.aggregates.iter().any(|aggregate| aggregate.function.ordered()),
        })
    }

    /// The rows of a batch where the predicate is true.
    pub(super) fn select(&self, batch: &Batch) -> Result<Selection> {
        match &self.predicate {
            Some(predicate) => predicate.select(batch.columns, batch.rows, None),
            None => Ok(Selection::all(batch.rows)),
        }
    }

    /// The staged columns of some of the rows of a batch.
    pub(super) fn stage(&self, batch: &Batch, selection: &Selection) -> Result<Vec<ArrayRef>> {
        let missing = || Error::invalid("a batch without a column that is read");
        let kept = self.kept.iter().map(|&column| batch.columns.get(column).cloned().ok_or_else(missing));
        let mut columns = kept.collect::<Result<Vec<_>>>()?;
        if !selection.is_all() {
            columns = gather::take_columns(&columns, &selection.indices())?;
            columns = columns.into_iter().map(without_garbage).collect();
        }
        if let Some(evaluator) = &self.evaluator {
            let keys = evaluator.evaluate(batch.columns, batch.rows, Some(selection))?;
            for (key, data_type) in keys.into_iter().zip(&self.computed) {
                columns.push(key.into_array(data_type)?);
            }
        }
        if self.ordered {
            columns.push(Arc::new(UInt64Array::from(batch.positions.of(selection))));
        }
        Ok(columns)
    }

    /// A batch of staged columns.
    pub(super) fn batch<'a>(&self, columns: &'a [ArrayRef], rows: usize) -> Result<Batch<'a>> {
        if !self.ordered {
            return Ok(Batch { columns, rows, positions: Positions::From(0) });
        }
        let last = columns
            .split_last()
            .and_then(|(last, rest)| Some((last.as_primitive_opt::<UInt64Type>()?, rest)));
        let (positions, columns) = last.ok_or_else(|| Error::invalid("staged rows without positions"))?;
        Ok(Batch { columns, rows, positions: Positions::Each(positions.values()) })
    }

    /// The keys of staged columns.
    pub(super) fn keys(&self, columns: &[ArrayRef]) -> Result<Vec<LaneColumn>> {
        self.keys.iter().map(|&key| LaneColumn::from_array(&columns[key])).collect()
    }
}

fn mapped(aggregate: &Aggregate, place: &mut impl FnMut(usize) -> usize) -> Aggregate {
    let mut map = |expr: &Expr| expr.map_columns(place);
    Aggregate {
        inputs: aggregate.inputs.iter().map(&mut map).collect(),
        order_by: aggregate
            .order_by
            .iter()
            .map(|key| OrderKey { expr: map(&key.expr), ..key.clone() })
            .collect(),
        filter: aggregate.filter.as_ref().map(&mut map),
        ..aggregate.clone()
    }
}

/// Views over buffers of their own: those of a few rows would hold the buffers of all.
fn without_garbage(column: ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Utf8View => Arc::new(column.as_string_view().gc()),
        DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
        _ => column,
    }
}
