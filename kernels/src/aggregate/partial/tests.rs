//! Partials to batches and back.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::DataType;

use super::*;
use crate::aggregate::cpu::CpuAggregate;
use crate::aggregate::{Aggregate, AggregateFunction as F, FloatSum};
use crate::expr::Expr;
use crate::memory::Unlimited;

fn spec() -> Arc<AggregateSpec> {
    let one = |function, column, data_type: DataType, result| {
        Aggregate::new(function, vec![Expr::column(column, data_type)], result)
    };
    let coded = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let aggregates = vec![
        Aggregate::new(F::CountRows, vec![], DataType::Int64),
        one(F::Count, 1, DataType::Int64, DataType::Int64),
        one(F::Sum, 1, DataType::Int64, DataType::Int64),
        one(F::Avg, 2, DataType::Float64, DataType::Float64),
        one(F::Min, 0, coded.clone(), coded.clone()),
        one(F::Max, 1, DataType::Int64, DataType::Int64),
        one(F::BitXor, 1, DataType::Int64, DataType::Int64),
    ];
    let keys = vec![Expr::column(0, coded), Expr::column(1, DataType::Int64)];
    Arc::new(AggregateSpec { predicate: None, keys, aggregates, float_sum: FloatSum::Fast })
}

fn columns() -> Vec<ArrayRef> {
    let words = [Some("a"), None, Some("a"), Some("bb"), Some("")];
    let numbers = vec![Some(i64::MAX / 4), Some(-1), Some(i64::MAX / 4), None, Some(3)];
    vec![
        Arc::new(words.into_iter().collect::<DictionaryArray<arrow::datatypes::Int32Type>>()),
        Arc::new(Int64Array::from(numbers)),
        Arc::new(Float64Array::from(vec![Some(0.5), None, Some(f64::NAN), Some(f64::INFINITY), Some(-0.0)])),
    ]
}

fn aggregated() -> CpuAggregate {
    let mut aggregate = CpuAggregate::new(spec(), Arc::new(Unlimited)).unwrap();
    aggregate.consume(&columns(), 5).unwrap();
    aggregate
}

#[test]
fn states_come_back_as_they_were() {
    let spec = spec();
    let batch = aggregated().into_partial().unwrap().into_batch(&spec).unwrap();
    assert_eq!(batch.schema(), Partial::schema(&spec).unwrap());
    assert_eq!(batch.num_rows(), 4);
    let read = Partial::from_batch(&batch, &spec).unwrap();
    let mut merged = CpuAggregate::new(Arc::clone(&spec), Arc::new(Unlimited)).unwrap();
    merged.merge_partial(&read).unwrap();
    merged.merge_partial(&read).unwrap();
    let mut twice = aggregated();
    twice.consume(&columns(), 5).unwrap();
    let (found, expected) = (merged.finish().unwrap(), twice.finish().unwrap());
    assert_eq!(format!("{found:?}"), format!("{expected:?}"));
}

#[test]
fn batches_of_other_states_are_refused() {
    let spec = spec();
    let batch = aggregated().into_partial().unwrap().into_batch(&spec).unwrap();
    let fewer = batch.project(&[0, 1, 2]).unwrap();
    assert!(matches!(Partial::from_batch(&fewer, &spec), Err(Error::InvalidInput(_))));
    let mut order: Vec<usize> = (0..batch.num_columns()).collect();
    order.swap(0, 1);
    let swapped = batch.project(&order).unwrap();
    assert!(matches!(Partial::from_batch(&swapped, &spec), Err(Error::InvalidInput(_))));
    let other = Partial { groups: 1, keys: vec![], states: vec![] };
    assert!(matches!(other.into_batch(&spec), Err(Error::InvalidInput(_))));
}
