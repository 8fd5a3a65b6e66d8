//! Queries through a session: rows against hand-computed ones, whatever the threads; errors, budgets, cancellation.

mod encoded;
mod gpu;
mod gpu_budgets;
mod grouping;
mod joins;
mod operators;
mod session;
mod spill;

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use pilaster::expr::{CompareOp, Expr};
use pilaster::plan::{MemorySource, Plan};
use pilaster::sort::SortKey;
use pilaster::{BackendChoice, Session, SessionConfig};

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("value", DataType::Int64, true),
        Field::new("name", DataType::Utf8, true),
    ]))
}

/// Rows `ids`: value `7 * id mod 10`, null where `id` is a multiple of 5; name `n{id mod 3}`.
fn batch(ids: std::ops::Range<i64>) -> RecordBatch {
    let value = |id: i64| (id % 5 != 0).then_some(7 * id % 10);
    let values: Int64Array = ids.clone().map(value).collect();
    let names: StringArray = ids.clone().map(|id| Some(format!("n{}", id % 3))).collect();
    let ids = Int64Array::from_iter_values(ids);
    RecordBatch::try_new(schema(), vec![Arc::new(ids), Arc::new(values), Arc::new(names)]).unwrap()
}

/// `partitions` partitions of `batches` batches of `rows` rows, ids ascending.
fn source(partitions: i64, batches: i64, rows: i64) -> Plan {
    let start = |partition: i64, index: i64| (partition * batches + index) * rows;
    let partition = |p| (0..batches).map(|b| batch(start(p, b)..start(p, b) + rows)).collect();
    let source = MemorySource::with_partitions(schema(), (0..partitions).map(partition).collect()).unwrap();
    Plan::input(Arc::new(source))
}

fn cpu(threads: usize) -> Session {
    let config =
        SessionConfig { backend: BackendChoice::Cpu, threads, cpu_batch_rows: 1_000, ..Default::default() };
    Session::new(config).unwrap()
}

/// Column `column` of all batches.
fn ints(batches: &[RecordBatch], column: usize) -> Vec<Option<i64>> {
    let values = |batch: &RecordBatch| {
        let column = batch.column(column).as_any().downcast_ref::<Int64Array>().unwrap();
        column.iter().collect::<Vec<_>>()
    };
    batches.iter().flat_map(values).collect()
}

fn id() -> Expr {
    Expr::column(0, DataType::Int64)
}

fn value() -> Expr {
    Expr::column(1, DataType::Int64)
}

fn less(expr: Expr, than: i64) -> Expr {
    Expr::compare(CompareOp::Lt, expr, Expr::literal(than)).unwrap()
}

fn ascending(column: usize) -> SortKey {
    SortKey { column, descending: false, nulls_first: false }
}
