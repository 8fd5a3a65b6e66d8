//! Hash joins on the CPU: 10M probe rows against build sides of growing number, as `shared/bench` has them, on 2 threads.
//!
//! `cargo bench --bench join` for all; `PILASTER_BENCH_ROWS` for other numbers of probe rows. Every case is checked against
//! sums that its generator knows before it is timed.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray};
use arrow::datatypes::{DataType, Int64Type};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pilaster_kernels::expr::Expr;
use pilaster_kernels::join::cpu::{JoinBuild, JoinTable};
use pilaster_kernels::join::{JoinKey, JoinSpec, JoinType, OutputColumn, Side};
use pilaster_kernels::memory::Unlimited;

const BATCH_ROWS: usize = 16 * 1024;
const THREADS: usize = 2;

type Batch = Vec<ArrayRef>;

/// Keys of both sides and a number beside each.
struct Input {
    build: Vec<Batch>,
    probe: Vec<Batch>,
    key: DataType,
    /// Of an inner join: rows, sum of the probe side's numbers and of the build side's.
    expected: (i64, i64, i64),
}

/// A bijection that leaves nothing dense.
fn mixed(value: u64) -> i64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) as i64
}

/// `keys` distinct build keys, each `copies` times; probe keys hit in `hits` percent.
fn input(rows: usize, keys: usize, copies: usize, hits: usize, key: &dyn Fn(&[u64]) -> ArrayRef) -> Input {
    let domain = (keys * 100).checked_div(hits).unwrap_or(keys) as u64;
    let above = if hits == 0 { keys as u64 } else { 0 };
    let numbers = |values: Vec<i64>| -> ArrayRef { Arc::new(Int64Array::from(values)) };
    let batches =
        |count: usize, key_of: &dyn Fn(usize) -> u64, number: &dyn Fn(usize) -> i64| -> Vec<Batch> {
            let batch = |start: usize| {
                let rows = start..(start + BATCH_ROWS).min(count);
                let keys: Vec<u64> = rows.clone().map(key_of).collect();
                vec![key(&keys), numbers(rows.map(number).collect())]
            };
            (0..count).step_by(BATCH_ROWS).map(batch).collect()
        };
    // A permutation of the keys: an odd factor modulo a power of two, and what falls outside of the domain is walked on.
    let bits = (keys as u64).next_power_of_two() - 1;
    let shuffled = |at: usize| {
        let mut at = at as u64 % keys as u64;
        loop {
            at = at.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(12345) & bits;
            if at < keys as u64 {
                return at;
            }
        }
    };
    let probe_key = |at: usize| mixed(at as u64 ^ 0xabcd).cast_unsigned() % domain + above;
    let weight = |key: u64| (key % 1000) as i64;
    let build = batches(keys * copies, &shuffled, &|at| weight(shuffled(at)));
    let probe = batches(rows, &probe_key, &|at| at as i64 % 1000);
    let mut expected = (0, 0, 0);
    for at in 0..rows {
        let key = probe_key(at);
        if key < keys as u64 {
            expected.0 += copies as i64;
            expected.1 += (at as i64 % 1000) * copies as i64;
            expected.2 += weight(key) * copies as i64;
        }
    }
    let key = build[0][0].data_type().clone();
    Input { build, probe, key, expected }
}

fn spec(join_type: JoinType, key: &DataType) -> Arc<JoinSpec> {
    let column = || Expr::column(0, key.clone());
    let mut output = vec![OutputColumn::Left(1)];
    if join_type == JoinType::Inner {
        output.push(OutputColumn::Right(1));
    }
    Arc::new(JoinSpec {
        join_type,
        left: vec![key.clone(), DataType::Int64],
        right: vec![key.clone(), DataType::Int64],
        keys: vec![JoinKey { left: column(), right: column(), nulls_equal: false }],
        residual: None,
        output,
    })
}

/// `work` on all threads; each takes batches as long as there are any.
fn threads<T: Send>(
    batches: &[Batch],
    work: impl Fn(&mut dyn Iterator<Item = &Batch>) -> T + Sync,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let (work, next) = (&work, &next);
    std::thread::scope(|scope| {
        let thread = || work(&mut std::iter::from_fn(|| batches.get(next.fetch_add(1, Ordering::Relaxed))));
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(thread)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

fn build(spec: &Arc<JoinSpec>, input: &Input) -> Arc<JoinTable> {
    let build = JoinBuild::new(Arc::clone(spec), Side::Right, Arc::new(Unlimited)).expect("a sound spec");
    let workers = threads(&input.build, |batches| {
        let mut worker = build.worker();
        batches.for_each(|batch| worker.consume(batch, batch[0].len(), None).expect("rows are taken"));
        worker
    });
    Arc::new(build.finish(workers).expect("a table"))
}

fn sum(column: &ArrayRef) -> i64 {
    column.as_primitive::<Int64Type>().values().iter().sum()
}

/// Rows, and sums of the output's columns.
fn probe(table: &Arc<JoinTable>, input: &Input) -> (i64, i64, i64) {
    let parts = threads(&input.probe, |batches| {
        let mut prober = table.prober();
        let mut total = (0, 0, 0);
        for batch in batches {
            prober.begin(batch, batch[0].len(), None).expect("keys are found");
            while let Some(out) = prober.next(BATCH_ROWS).expect("rows come out") {
                total.0 += out.rows as i64;
                total.1 += sum(&out.columns[0]);
                total.2 += out.columns.get(1).map_or(0, sum);
            }
        }
        total
    });
    parts.into_iter().fold((0, 0, 0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2))
}

fn bench(criterion: &mut Criterion, name: &str, input: &Input, join_types: &[JoinType]) {
    let mut group = criterion.benchmark_group(format!("join/{name}"));
    let rows: usize = input.probe.iter().map(|batch| batch[0].len()).sum();
    group.throughput(Throughput::Elements(rows as u64)).sample_size(10);
    for &join_type in join_types {
        let spec = spec(join_type, &input.key);
        let table = build(&spec, input);
        let found = probe(&table, input);
        if join_type == JoinType::Inner {
            assert_eq!(found, input.expected);
        }
        let id = format!("{join_type:?}/{}", table.mode_name());
        group
            .bench_function(format!("{id}/build"), |bencher| bencher.iter(|| build(&spec, black_box(input))));
        group.bench_function(format!("{id}/probe"), |bencher| {
            bencher.iter(|| probe(&table, black_box(input)))
        });
        drop(table);
        group.bench_function(format!("{id}/both"), |bencher| {
            bencher.iter(|| probe(&build(&spec, black_box(input)), black_box(input)))
        });
    }
    group.finish();
}

fn joins(criterion: &mut Criterion) {
    let rows =
        std::env::var("PILASTER_BENCH_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(10_000_000);
    let sparse = |keys: &[u64]| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(keys.iter().map(|&key| mixed(key))))
    };
    let dense = |keys: &[u64]| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(keys.iter().map(|&key| key as i64)))
    };
    let text = |digits: usize| {
        move |keys: &[u64]| -> ArrayRef {
            let text = |&key: &u64| format!("{:0digits$}", mixed(key) as u64 >> 20);
            Arc::new(StringArray::from_iter_values(keys.iter().map(text)))
        }
    };
    use JoinType as T;
    for (name, keys, types) in [
        ("1k", 1_000, &[T::Inner][..]),
        ("100k", 100_000, &[T::Inner, T::LeftSemi, T::LeftAnti]),
        ("1m", 1_000_000, &[T::Inner]),
        ("10m", 10_000_000, &[T::Inner, T::LeftSemi]),
    ] {
        bench(criterion, name, &input(rows, keys, 1, 90, &sparse), types);
    }
    bench(criterion, "1m_hits_10", &input(rows, 1_000_000, 1, 10, &sparse), &[T::Inner]);
    bench(criterion, "1m_hits_0", &input(rows, 1_000_000, 1, 0, &sparse), &[T::Inner]);
    bench(criterion, "100k_by_8", &input(rows / 8, 100_000, 8, 90, &sparse), &[T::Inner]);
    bench(criterion, "1m_dense", &input(rows, 1_000_000, 1, 90, &dense), &[T::Inner]);
    bench(criterion, "100k_text_14", &input(rows, 100_000, 1, 90, &text(14)), &[T::Inner]);
    bench(criterion, "100k_text_24", &input(rows, 100_000, 1, 90, &text(24)), &[T::Inner]);
}

criterion_group!(benches, joins);
criterion_main!(benches);
