//! Functions with accumulators of their own, per row: 1M rows in 1, 1,000 and 100,000 groups.
//!
//! Every answer is checked against a map from group to values before it is timed.

use std::collections::{BTreeMap, HashSet};
use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pilaster_kernels::aggregate::cpu::CpuAggregate;
use pilaster_kernels::aggregate::{
    Aggregate, AggregateFunction as F, AggregateSpec, FloatSum, Fraction, OrderKey,
};
use pilaster_kernels::expr::Expr;
use pilaster_kernels::memory::Unlimited;

const BATCH_ROWS: usize = 16 * 1024;
const BATCHES: usize = 64;

type Batch = Vec<ArrayRef>;

/// Key, integer of 1,000 values, float, order.
fn batches(groups: u64) -> Vec<Batch> {
    let mut state = 7u64;
    let mut noise = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let mut column = |limit: u64| -> Vec<i64> { (0..BATCH_ROWS).map(|_| (noise() % limit) as i64).collect() };
    let batch = |_| -> Batch {
        let floats = column(1 << 30).into_iter().map(|value| value as f64 / 1024.0);
        vec![
            Arc::new(Int64Array::from(column(groups))),
            Arc::new(Int64Array::from(column(1000))),
            Arc::new(floats.collect::<Float64Array>()),
            Arc::new(Int64Array::from(column(1 << 40))),
        ]
    };
    (0..BATCHES).map(batch).collect()
}

fn call(function: F, distinct: bool, ordered: bool) -> Arc<AggregateSpec> {
    let (int, float) = (DataType::Int64, DataType::Float64);
    let (column, from, to) = match function {
        F::PercentileCont(_) | F::ApproxPercentile(_) => (2, float.clone(), float),
        F::ArrayAgg { .. } => {
            (1, int.clone(), DataType::List(Arc::new(Field::new_list_field(int.clone(), true))))
        }
        _ => (1, int.clone(), int.clone()),
    };
    let mut aggregate = Aggregate::new(function, vec![Expr::column(column, from)], to);
    aggregate.distinct = distinct;
    if ordered {
        let expr = Expr::column(3, int.clone());
        aggregate.order_by.push(OrderKey { expr, descending: false, nulls_first: false });
    }
    Arc::new(AggregateSpec {
        predicate: None,
        keys: vec![Expr::column(0, int)],
        aggregates: vec![aggregate],
        float_sum: FloatSum::Fast,
    })
}

fn run(spec: &Arc<AggregateSpec>, batches: &[Batch]) -> Vec<ArrayRef> {
    let mut aggregate = CpuAggregate::new(Arc::clone(spec), Arc::new(Unlimited)).expect("a supported spec");
    for batch in batches {
        aggregate.consume(batch, BATCH_ROWS).expect("rows are taken");
    }
    aggregate.finish().expect("answers fit")
}

/// Rows of each group: integer, float, order.
fn groups_of(batches: &[Batch]) -> BTreeMap<i64, Vec<(i64, f64, i64)>> {
    let mut groups: BTreeMap<i64, Vec<_>> = BTreeMap::new();
    for batch in batches {
        let int = |column: usize| batch[column].as_primitive::<Int64Type>().values();
        let floats = batch[2].as_primitive::<Float64Type>().values();
        for row in 0..BATCH_ROWS {
            groups.entry(int(0)[row]).or_default().push((int(1)[row], floats[row], int(3)[row]));
        }
    }
    groups
}

fn check(name: &str, result: &[ArrayRef], groups: &BTreeMap<i64, Vec<(i64, f64, i64)>>) {
    let keys = result[0].as_primitive::<Int64Type>();
    assert_eq!(keys.len(), groups.len());
    for at in 0..keys.len() {
        let rows = &groups[&keys.value(at)];
        let int = || result[1].as_primitive::<Int64Type>().value(at);
        let float = || result[1].as_primitive::<Float64Type>().value(at);
        let distinct = rows.iter().map(|row| row.0).collect::<HashSet<_>>().len() as i64;
        let mut floats: Vec<f64> = rows.iter().map(|row| row.1).collect();
        floats.sort_by(f64::total_cmp);
        let (low, high) = (floats[(floats.len() - 1) / 2], floats[floats.len() / 2]);
        let right = match name {
            "count distinct" => int() == distinct,
            "approx_distinct" => (int() - distinct).abs() as f64 <= distinct as f64 * 0.08,
            "median" => float() == low + (high - low) * 0.5,
            "approx_percentile" => float() <= low && float() >= low * 0.98,
            "first_value" => int() == rows[0].0,
            "first_value by key" => {
                let least = rows.iter().map(|row| row.2).min();
                rows.iter().any(|row| Some(row.2) == least && row.0 == int())
            }
            "mode" => rows.iter().any(|row| row.0 == int()),
            _ => result[1].as_list::<i32>().value_length(at) as usize == rows.len(),
        };
        assert!(right, "{name} of group {}", keys.value(at));
    }
}

fn functions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("aggregate functions");
    group.throughput(Throughput::Elements((BATCH_ROWS * BATCHES) as u64)).sample_size(10);
    let half = Fraction::HALF;
    let all = [
        ("count distinct", F::Count, true, false),
        ("approx_distinct", F::ApproxDistinct, false, false),
        ("median", F::PercentileCont(half), false, false),
        ("approx_percentile", F::ApproxPercentile(half), false, false),
        ("mode", F::Mode, false, false),
        ("first_value", F::First { ignore_nulls: false }, false, false),
        ("first_value by key", F::First { ignore_nulls: false }, false, true),
        ("array_agg", F::ArrayAgg { ignore_nulls: false }, false, false),
        ("array_agg by key", F::ArrayAgg { ignore_nulls: false }, false, true),
    ];
    for count in [1, 1000, 100_000] {
        let batches = batches(count);
        let groups = groups_of(&batches);
        for (name, function, distinct, ordered) in &all {
            let spec = call(function.clone(), *distinct, *ordered);
            check(name, &run(&spec, &batches), &groups);
            group.bench_with_input(BenchmarkId::new(*name, count), &batches, |bencher, batches| {
                bencher.iter(|| black_box(run(&spec, batches)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, functions);
criterion_main!(benches);
