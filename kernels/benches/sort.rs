//! Row order of large batches, per row: key types, widths, and how the input lies.
//!
//! Every order is checked against the standard library's before it is timed. Beside ours stands `std`: a stable sort of
//! (key, row) pairs on one thread, where the key is one machine word.

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int32Array, Int64Array, StringArray};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pilaster_kernels::sort::{SortKey, sort_to_indices};

const ROWS: usize = 10_000_000;

fn noise(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    })
}

fn integers(value: impl Fn(u64) -> i64) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(noise(1).take(ROWS).map(value)))
}

fn key(column: usize) -> SortKey {
    SortKey { column, descending: false, nulls_first: false }
}

fn cases() -> Vec<(&'static str, Vec<ArrayRef>)> {
    let nullable: Int64Array =
        noise(2).take(ROWS).map(|n| (n % 10 != 0).then_some((n >> 8) as i64)).collect();
    let floats = noise(3).take(ROWS).map(|n| (n >> 11) as f64 / (1u64 << 53) as f64 * 1e6 - 5e5);
    let strings = noise(4).take(ROWS).map(|n| format!("id{:010}", n % 1_000_000_000));
    let small = noise(5).take(ROWS).map(|n| (n % 1000) as i32);
    vec![
        ("i64", vec![integers(|n| n as i64)]),
        ("i64 below 1e7", vec![integers(|n| (n % 10_000_000) as i64)]),
        ("i64 of 1000", vec![integers(|n| (n % 1000) as i64 * 1_000_000_007)]),
        ("nullable", vec![Arc::new(nullable)]),
        ("f64", vec![Arc::new(Float64Array::from_iter_values(floats))]),
        ("two keys", vec![Arc::new(Int32Array::from_iter_values(small)), integers(|n| n as i64)]),
        ("strings", vec![Arc::new(StringArray::from_iter_values(strings))]),
        ("sorted", vec![Arc::new(Int64Array::from_iter_values((0..ROWS as i64).map(|row| row * 3)))]),
        ("reversed", vec![Arc::new(Int64Array::from_iter_values((0..ROWS as i64).rev()))]),
        ("equal", vec![integers(|_| 7)]),
    ]
}

fn order(columns: &[ArrayRef], keys: &[SortKey], fetch: Option<usize>) -> Vec<u32> {
    sort_to_indices(columns, keys, fetch).expect("keys have an order")
}

/// True where neighbours do not descend in their keys, and ascend where these are equal.
fn is_stable_order(columns: &[ArrayRef], order: &[u32]) -> bool {
    let mut seen = vec![false; columns[0].len()];
    order.iter().for_each(|&row| seen[row as usize] = true);
    let compare = columns.iter().map(|column| {
        arrow::array::make_comparator(
            column.as_ref(),
            column.as_ref(),
            arrow::compute::SortOptions { descending: false, nulls_first: false },
        )
    });
    let compare: Vec<_> = compare.collect::<Result<_, _>>().expect("keys have an order");
    let in_order = |a: usize, b: usize| {
        let by_keys = compare.iter().map(|compare| compare(a, b)).find(|order| order.is_ne());
        by_keys.unwrap_or(a.cmp(&b)).is_lt()
    };
    seen.iter().all(|&seen| seen)
        && order.len() == columns[0].len()
        && order.windows(2).all(|pair| in_order(pair[0] as usize, pair[1] as usize))
}

fn orders(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sort");
    group.throughput(Throughput::Elements(ROWS as u64)).sample_size(10);
    for (name, columns) in cases() {
        let keys: Vec<SortKey> = (0..columns.len()).map(key).collect();
        assert!(is_stable_order(&columns, &order(&columns, &keys, None)), "{name}");
        group.bench_function(BenchmarkId::new("all", name), |bencher| {
            bencher.iter(|| black_box(order(&columns, &keys, None)));
        });
        let top = order(&columns, &keys, Some(100));
        assert_eq!(top, order(&columns, &keys, None)[..100]);
        group.bench_function(BenchmarkId::new("top 100", name), |bencher| {
            bencher.iter(|| black_box(order(&columns, &keys, Some(100))));
        });
    }
    let values: Vec<u64> = noise(1).take(ROWS).collect();
    group.bench_function(BenchmarkId::new("std", "u64"), |bencher| {
        bencher.iter(|| {
            let mut pairs: Vec<(u64, u32)> = values.iter().copied().zip(0..).collect();
            pairs.sort_unstable();
            black_box(pairs.last().copied())
        });
    });
    group.finish();
}

criterion_group!(benches, orders);
criterion_main!(benches);
