//! Grouped aggregation on the CPU, per row: TPC-H Q1's shape, random keys of growing number, and strings as keys and as
//! distinct values.
//!
//! Every case is checked against a loop over the same rows before it is timed.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Decimal64Array, DictionaryArray, Int32Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Decimal128Type, Int32Type, Int64Type};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pilaster_kernels::aggregate::cpu::CpuAggregate;
use pilaster_kernels::aggregate::{Aggregate, AggregateFunction, AggregateSpec, FloatSum};
use pilaster_kernels::expr::Expr;
use pilaster_kernels::memory::Unlimited;

/// Rows of a batch, as a scan hands them on.
const BATCH_ROWS: usize = 16 * 1024;
const BATCHES: usize = 64;

type Batch = Vec<ArrayRef>;

fn noise(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    })
}

fn aggregate(function: AggregateFunction, column: usize, from: DataType, to: DataType) -> Aggregate {
    Aggregate::new(function, vec![Expr::column(column, from)], to)
}

/// Two flags, quantity, price, discounted price, charge, discount; the columns that Q1 aggregates, already computed.
fn q1_batch(seed: u64) -> Batch {
    let flag = |values: [&str; 3], seed: u64, count: u64| -> ArrayRef {
        let keys: Int32Array = noise(seed).take(BATCH_ROWS).map(|n| Some((n % count) as i32)).collect();
        Arc::new(DictionaryArray::<Int32Type>::new(keys, Arc::new(StringArray::from(values.to_vec()))))
    };
    let amount = |seed: u64, limit: u64| -> ArrayRef {
        let values: Vec<i64> = noise(seed).take(BATCH_ROWS).map(|n| (n % limit) as i64).collect();
        Arc::new(Decimal64Array::from(values).with_data_type(DataType::Decimal64(15, 2)))
    };
    let mut batch = vec![flag(["A", "N", "R"], seed, 2), flag(["F", "O", "-"], seed + 1, 2)];
    batch.extend(
        [5_000, 10_000_000, 1_000_000_000, 100_000_000_000, 11].map(|limit| amount(seed + limit, limit)),
    );
    batch
}

fn q1_spec() -> Arc<AggregateSpec> {
    let decimal = DataType::Decimal128(15, 2);
    let sum =
        |column| aggregate(AggregateFunction::Sum, column, decimal.clone(), DataType::Decimal128(38, 2));
    let avg =
        |column| aggregate(AggregateFunction::Avg, column, decimal.clone(), DataType::Decimal128(19, 6));
    let count = Aggregate::new(AggregateFunction::CountRows, Vec::new(), DataType::Int64);
    let aggregates = vec![sum(2), sum(3), sum(4), sum(5), avg(2), avg(3), avg(6), count];
    let keys = vec![Expr::column(0, DataType::Utf8), Expr::column(1, DataType::Utf8)];
    Arc::new(AggregateSpec { predicate: None, keys, aggregates, float_sum: FloatSum::Fast })
}

fn run(spec: &Arc<AggregateSpec>, batches: &[Batch]) -> Vec<ArrayRef> {
    let mut aggregate = CpuAggregate::new(Arc::clone(spec), Arc::new(Unlimited)).expect("a supported spec");
    for batch in batches {
        aggregate.consume(batch, BATCH_ROWS).expect("rows are taken");
    }
    aggregate.finish().expect("sums fit")
}

fn check_q1(result: &[ArrayRef], batches: &[Batch]) {
    let mut expected: HashMap<(i32, i32), i128> = HashMap::new();
    for batch in batches {
        let key = |column: usize, row: usize| batch[column].as_dictionary::<Int32Type>().keys().value(row);
        let charge = batch[5].as_primitive::<arrow::datatypes::Decimal64Type>();
        for row in 0..BATCH_ROWS {
            *expected.entry((key(0, row), key(1, row))).or_default() += i128::from(charge.value(row));
        }
    }
    let mut expected: Vec<i128> = expected.into_values().collect();
    let mut found = result[5].as_primitive::<Decimal128Type>().values().to_vec();
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
    let rows: i64 = result[9].as_primitive::<Int64Type>().values().iter().sum();
    assert_eq!(rows as usize, batches.len() * BATCH_ROWS);
}

fn q1(criterion: &mut Criterion) {
    let batches: Vec<Batch> = (0..BATCHES as u64).map(|seed| q1_batch(seed * 1000)).collect();
    let spec = q1_spec();
    check_q1(&run(&spec, &batches), &batches);
    let mut group = criterion.benchmark_group("aggregate");
    group.throughput(Throughput::Elements((BATCHES * BATCH_ROWS) as u64));
    group.bench_function("q1", |bencher| bencher.iter(|| run(&spec, black_box(&batches))));
    group.finish();
}

fn by_groups(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("aggregate/sum_by_random_key");
    group.throughput(Throughput::Elements((BATCHES * BATCH_ROWS) as u64));
    for (groups, stride) in [(4u64, 1i64), (1_000, 1), (1_000, 1 << 40), (300_000, 1 << 40)] {
        let batches: Vec<Batch> = (0..BATCHES as u64)
            .map(|seed| {
                let column = |seed: u64, limit: u64, stride: i64| -> ArrayRef {
                    let values = noise(seed).take(BATCH_ROWS).map(|n| (n % limit) as i64 * stride);
                    Arc::new(Int64Array::from_iter_values(values))
                };
                vec![column(seed, groups, stride), column(seed + 999, 1 << 20, 1)]
            })
            .collect();
        let sum = aggregate(AggregateFunction::Sum, 1, DataType::Int64, DataType::Int64);
        let keys = vec![Expr::column(0, DataType::Int64)];
        let spec = Arc::new(AggregateSpec {
            predicate: None,
            keys,
            aggregates: vec![sum],
            float_sum: FloatSum::Fast,
        });
        let total = |column: &ArrayRef| column.as_primitive::<Int64Type>().values().iter().sum::<i64>();
        let expected: i64 = batches.iter().map(|batch| total(&batch[1])).sum();
        assert_eq!(total(&run(&spec, &batches)[1]), expected);
        let name = if stride == 1 { "direct" } else { "hash" };
        group.bench_with_input(BenchmarkId::new(name, groups), &batches, |bencher, batches| {
            bencher.iter(|| run(&spec, black_box(batches)));
        });
    }
    group.finish();
}

/// Distinct strings.
const STRINGS: u64 = 100_000;
const STRING_BATCHES: u64 = 256;

/// One of [`STRINGS`] ids per row, as H2O has them, and an integer.
fn string_batches(text: impl Fn(u64) -> String, layout: &DataType) -> Vec<Batch> {
    let all: StringArray = (0..STRINGS).map(|id| Some(text(id))).collect();
    let values: ArrayRef = Arc::new(all.clone());
    let batch = |seed: u64| -> Batch {
        let ids = || noise(seed).take(BATCH_ROWS).map(|n| n % STRINGS);
        let column: ArrayRef = match layout {
            DataType::Dictionary(..) => {
                let codes: Int32Array = ids().map(|id| Some(id as i32)).collect();
                Arc::new(DictionaryArray::new(codes, Arc::clone(&values)))
            }
            _ => {
                let plain: StringArray = ids().map(|id| Some(all.value(id as usize))).collect();
                arrow::compute::cast(&plain, layout).expect("a layout of strings")
            }
        };
        let small =
            Int64Array::from_iter_values(noise(seed + 7_777).take(BATCH_ROWS).map(|n| (n % 100) as i64));
        vec![column, Arc::new(small)]
    };
    (0..STRING_BATCHES).map(|seed| batch(seed * 1_000)).collect()
}

fn consumed(spec: &Arc<AggregateSpec>, batches: &[Batch]) -> CpuAggregate {
    let mut aggregate = CpuAggregate::new(Arc::clone(spec), Arc::new(Unlimited)).expect("a supported spec");
    for batch in batches {
        aggregate.consume(batch, BATCH_ROWS).expect("rows are taken");
    }
    aggregate
}

fn by_string(criterion: &mut Criterion) {
    let short = |id: u64| format!("id{id:010}");
    let long = |id: u64| format!("a long prefix that all of them have {id:010}");
    let coded = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    type Text = fn(u64) -> String;
    let cases: [(&str, Text, DataType); 5] = [
        ("short", short, DataType::Utf8),
        ("short views", short, DataType::Utf8View),
        ("long", long, DataType::Utf8),
        ("long views", long, DataType::Utf8View),
        ("dictionary", short, coded),
    ];
    let sum = || aggregate(AggregateFunction::Sum, 1, DataType::Int64, DataType::Int64);
    let mut distinct = aggregate(AggregateFunction::Count, 0, DataType::Utf8, DataType::Int64);
    distinct.distinct = true;
    let (text, number) = (Expr::column(0, DataType::Utf8), Expr::column(1, DataType::Int64));
    let spec = |keys: &[&Expr], aggregates: Vec<Aggregate>| {
        let keys = keys.iter().map(|&key| key.clone()).collect();
        Arc::new(AggregateSpec { predicate: None, keys, aggregates, float_sum: FloatSum::Fast })
    };
    let queries = [
        ("sum", spec(&[&text], vec![sum()])),
        ("sum by two keys", spec(&[&text, &number], vec![sum()])),
        ("distinct", spec(&[], vec![distinct.clone()])),
        ("distinct by key", spec(&[&number], vec![distinct])),
    ];
    let mut group = criterion.benchmark_group("aggregate/strings");
    group.throughput(Throughput::Elements(STRING_BATCHES * BATCH_ROWS as u64));
    for (name, text, layout) in cases {
        let batches = string_batches(text, &layout);
        let total: i64 = batches.iter().flat_map(|batch| batch[1].as_primitive::<Int64Type>().values()).sum();
        let keys = &consumed(&queries[0].1, &batches).finish().expect("sums fit");
        assert_eq!(keys[0].len() as u64, STRINGS);
        assert_eq!(keys[1].as_primitive::<Int64Type>().values().iter().sum::<i64>(), total);
        for (query, spec) in &queries {
            let id = BenchmarkId::new(*query, name);
            group.bench_with_input(id, &batches, |bencher, batches| {
                bencher.iter(|| consumed(spec, black_box(batches)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, q1, by_groups, by_string);
criterion_main!(benches);
