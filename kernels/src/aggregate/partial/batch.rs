//! Partial states as Arrow record batches, to be kept in a file or sent elsewhere.
//!
//! | state | columns |
//! | --- | --- |
//! | key | `key0`, ...: its plain type (a dictionary's values) |
//! | count | `state0`: UInt64 |
//! | integer sum | `state0_sum`: Decimal256(76, 0), unscaled, all 256 bits in use; `state0_count`: UInt64 |
//! | float sum | `state0_sum`, `state0_large`: Float64; `state0_count`: UInt64 |
//! | min, max | `state0`: the operand's plain type |
//! | others | `state0_0`, ...: what the function's accumulator says |

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Decimal256Array, Float64Array, RecordBatch, RecordBatchOptions, UInt64Array,
};
use arrow::datatypes::{DataType, Decimal256Type, Field, Float64Type, Schema, SchemaRef, UInt64Type};

use super::{Partial, StateColumn};
use crate::aggregate::cpu::{StateKind, state_kinds};
use crate::aggregate::{Aggregate, AggregateSpec};
use crate::error::{Error, Result};
use crate::expr::{Expr, value_type};

/// Sums are 256-bit integers; the precision is the largest that Arrow has a name for.
const SUM_TYPE: DataType = DataType::Decimal256(76, 0);

impl Partial {
    /// The schema of [`Partial::into_batch`] for an aggregation.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for functions that have no state on the CPU.
    pub fn schema(spec: &AggregateSpec) -> Result<SchemaRef> {
        let keys = spec.keys.iter().map(plain);
        let mut fields: Vec<Field> =
            keys.enumerate().map(|(at, key)| Field::new(format!("key{at}"), key, true)).collect();
        for (at, (kind, aggregate)) in state_kinds(spec)?.into_iter().zip(&spec.aggregates).enumerate() {
            fields.extend(state_fields(at, kind, aggregate)?);
        }
        Ok(Arc::new(Schema::new(fields)))
    }

    /// One row per group.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the partial is none of `spec`.
    pub fn into_batch(self, spec: &AggregateSpec) -> Result<RecordBatch> {
        self.check(spec)?;
        let schema = Self::schema(spec)?;
        let rows = self.groups;
        let mut columns = self.keys;
        for state in self.states {
            match state {
                StateColumn::Count(counts) => columns.push(Arc::new(UInt64Array::from(counts))),
                StateColumn::Integer { sums, counts } => {
                    let sums = Decimal256Array::from(sums).with_data_type(SUM_TYPE);
                    columns.extend([Arc::new(sums) as ArrayRef, Arc::new(UInt64Array::from(counts))]);
                }
                StateColumn::Float { sums, large, counts } => {
                    let parts = [sums, large].map(|part| Arc::new(Float64Array::from(part)) as ArrayRef);
                    columns.extend(parts);
                    columns.push(Arc::new(UInt64Array::from(counts)));
                }
                StateColumn::Extreme(values) => columns.push(values),
                StateColumn::Arrays(arrays) => columns.extend(arrays),
            }
        }
        if columns.len() != schema.fields().len() {
            return Err(Error::invalid("a partial of other states than its aggregation has"));
        }
        let cast = |(column, field): (ArrayRef, &Arc<Field>)| match column.data_type() {
            held if held == field.data_type() => Ok(column),
            _ => Ok(arrow::compute::cast(&column, field.data_type())?),
        };
        let columns = columns.into_iter().zip(schema.fields()).map(cast).collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
    }

    /// What [`Partial::into_batch`] wrote.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the batch is not of [`Partial::schema`].
    pub fn from_batch(batch: &RecordBatch, spec: &AggregateSpec) -> Result<Self> {
        let schema = Self::schema(spec)?;
        let types = |schema: &Schema| -> Vec<DataType> {
            schema.fields().iter().map(|field| field.data_type().clone()).collect()
        };
        if types(&schema) != types(&batch.schema()) {
            return Err(Error::invalid(format!("states of {} are due, not of {}", schema, batch.schema())));
        }
        let mut columns = batch.columns().iter().cloned();
        let mut next = || columns.next().ok_or_else(|| Error::invalid("a state is missing"));
        let keys = spec.keys.iter().map(|_| next()).collect::<Result<_>>()?;
        let states = state_kinds(spec)?.into_iter().map(|kind| {
            Ok(match kind {
                StateKind::Count => StateColumn::Count(counts(&next()?)),
                StateKind::Integer => {
                    let sums = next()?.as_primitive::<Decimal256Type>().values().to_vec();
                    StateColumn::Integer { sums, counts: counts(&next()?) }
                }
                StateKind::Float => {
                    let sums = next()?.as_primitive::<Float64Type>().values().to_vec();
                    let large = next()?.as_primitive::<Float64Type>().values().to_vec();
                    StateColumn::Float { sums, large, counts: counts(&next()?) }
                }
                StateKind::Extreme => StateColumn::Extreme(next()?),
                StateKind::Arrays(types) => {
                    StateColumn::Arrays(types.iter().map(|_| next()).collect::<Result<_>>()?)
                }
            })
        });
        let states = states.collect::<Result<_>>()?;
        let partial = Partial { groups: batch.num_rows(), keys, states };
        partial.check(spec)?;
        Ok(partial)
    }
}

fn counts(column: &ArrayRef) -> Vec<u64> {
    column.as_primitive::<UInt64Type>().values().to_vec()
}

fn plain(expr: &Expr) -> DataType {
    value_type(&expr.data_type()).clone()
}

fn state_fields(at: usize, kind: StateKind, aggregate: &Aggregate) -> Result<Vec<Field>> {
    let field = |part: &str, data_type: DataType| Field::new(format!("state{at}{part}"), data_type, true);
    Ok(match kind {
        StateKind::Count => vec![field("", DataType::UInt64)],
        StateKind::Integer => vec![field("_sum", SUM_TYPE), field("_count", DataType::UInt64)],
        StateKind::Float => vec![
            field("_sum", DataType::Float64),
            field("_large", DataType::Float64),
            field("_count", DataType::UInt64),
        ],
        StateKind::Extreme => vec![field("", plain(aggregate.operand()?))],
        StateKind::Arrays(types) => {
            let parts = types.into_iter().enumerate();
            parts.map(|(part, data_type)| field(&format!("_{part}"), data_type)).collect()
        }
    })
}
