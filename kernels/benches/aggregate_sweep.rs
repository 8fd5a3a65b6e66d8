//! Sum and count by key over growing numbers of groups: where are the cliffs?
//!
//! `cargo bench -p pilaster-kernels --bench aggregate_sweep -- [--quick] [--threads N] [--rows N] [--keys KIND,...]
//! [--groups N,...] [--hash-groups N] [--direct-slots N] [--part-groups N] [--run-rows N]`
//!
//! Prints nanoseconds per row (median of five, wall time), and the ratio to the point before. Kinds of keys: `dense` (0 to
//! n), `spread` (multiples of 2^32), `zipf`, `hot` (nine rows in ten of one key), `nulls` (every second), `wide` (eight
//! sums), `text` (strings of 12 bytes), `pair` (two keys). Every result is checked: groups, rows and the sum of sums.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray};
use arrow::datatypes::{DataType, Int64Type};
use pilaster_kernels::aggregate::cpu::{PartitionReport, PartitionSettings, PartitionedAggregate};
use pilaster_kernels::aggregate::{Aggregate, AggregateFunction, AggregateSpec, FloatSum};
use pilaster_kernels::expr::Expr;
use pilaster_kernels::memory::Unlimited;

const BATCH_ROWS: usize = 16 * 1024;

struct Options {
    threads: usize,
    rows: usize,
    runs: usize,
    kinds: Vec<String>,
    groups: Vec<usize>,
    settings: PartitionSettings,
}

fn options() -> Options {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let number =
        |name: &str, default: usize| value(name).map_or(default, |text| text.parse().expect("a number"));
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let list = |name: &str, default: &str| -> Vec<String> {
        value(name).unwrap_or_else(|| default.into()).split(',').map(str::to_owned).collect()
    };
    let defaults = PartitionSettings::default();
    let step = if quick { 4 } else { 1 };
    let rows = number("--rows", if quick { 4 << 20 } else { 16 << 20 });
    let sweep: Vec<usize> = (0..=24).step_by(step).map(|power| 1usize << power).collect();
    let groups = value("--groups").map_or(sweep, |text| {
        text.split(',').map(|number| number.parse().expect("a number of groups")).collect()
    });
    Options {
        threads: number("--threads", 2),
        rows,
        runs: if quick { 1 } else { 5 },
        kinds: list("--keys", "dense,spread"),
        groups,
        settings: PartitionSettings {
            hash_groups: number("--hash-groups", defaults.hash_groups),
            direct_slots: number("--direct-slots", defaults.direct_slots),
            part_groups: number("--part-groups", defaults.part_groups),
            run_rows: number("--run-rows", defaults.run_rows),
            ..defaults
        },
    }
}

fn mixed(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

/// The group of a row.
fn group(kind: &str, row: u64, groups: u64) -> u64 {
    let noise = mixed(row);
    match kind {
        // A density of 1 / x: as many rows in each octave of groups.
        "zipf" => (groups as f64).powf((noise >> 11) as f64 / (1u64 << 53) as f64) as u64 - 1,
        "hot" if !noise.is_multiple_of(10) => 0,
        _ => (noise >> 8) % groups,
    }
}

fn batch(kind: &str, first: u64, rows: usize, groups: u64) -> Vec<ArrayRef> {
    let group = |row: usize| group(kind, first + row as u64, groups);
    let key: ArrayRef = match kind {
        "text" => {
            Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("id{:010}", group(row)))))
        }
        "nulls" => {
            let null = |row: usize| mixed(first + row as u64) & 1 == 0;
            Arc::new((0..rows).map(|row| (!null(row)).then(|| group(row) as i64)).collect::<Int64Array>())
        }
        "spread" => Arc::new(Int64Array::from_iter_values((0..rows).map(|row| (group(row) << 32) as i64))),
        _ => Arc::new(Int64Array::from_iter_values((0..rows).map(|row| group(row) as i64))),
    };
    let values = (0..rows).map(|row| (mixed(first + row as u64) % 1000) as i64);
    let mut columns = vec![key, Arc::new(Int64Array::from_iter_values(values)) as ArrayRef];
    if kind == "pair" {
        let half = (0..rows).map(|row| (group(row) / 7) as i64 * 1_000_003);
        columns.push(Arc::new(Int64Array::from_iter_values(half)));
    }
    columns
}

fn spec(kind: &str) -> Arc<AggregateSpec> {
    let key_type = if kind == "text" { DataType::Utf8 } else { DataType::Int64 };
    let mut keys = vec![Expr::column(0, key_type)];
    if kind == "pair" {
        keys.push(Expr::column(2, DataType::Int64));
    }
    let sum = |expr| Aggregate::new(AggregateFunction::Sum, vec![expr], DataType::Int64);
    let value = || Expr::column(1, DataType::Int64);
    let mut aggregates =
        vec![Aggregate::new(AggregateFunction::CountRows, vec![], DataType::Int64), sum(value())];
    if kind == "wide" {
        for function in [AggregateFunction::Min, AggregateFunction::Max, AggregateFunction::BitXor] {
            aggregates.push(Aggregate::new(function, vec![value()], DataType::Int64));
        }
    }
    Arc::new(AggregateSpec { predicate: None, keys, aggregates, float_sum: FloatSum::Fast })
}

struct Found {
    groups: usize,
    rows: i64,
    sum: i64,
    report: PartitionReport,
    phases: [f64; 3],
}

fn run(options: &Options, spec: &Arc<AggregateSpec>, batches: &[Vec<ArrayRef>]) -> Found {
    let whole = PartitionedAggregate::new(Arc::new(Unlimited), None, options.settings.clone());
    let started = Instant::now();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut worker = whole.worker(spec).expect("a supported spec");
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(batch) = batches.get(at) else { break worker };
            worker.consume_at((at * BATCH_ROWS) as u64, batch, batch[0].len()).expect("rows are taken");
        }
    };
    let workers = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a worker")).collect()
    });
    let consumed = started.elapsed();
    let parts = whole.finish(workers).expect("runs are made");
    let closed = started.elapsed();
    let next = AtomicUsize::new(0);
    let keys = spec.keys.len();
    let part = || {
        let mut found = (0usize, 0i64, 0i64);
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= parts.len() {
                break found;
            }
            for columns in parts.compute(at).expect("sums fit") {
                let total =
                    |column: &ArrayRef| column.as_primitive::<Int64Type>().values().iter().sum::<i64>();
                found.0 += columns[0].len();
                found.1 += total(&columns[keys]);
                found.2 += total(&columns[keys + 1]);
            }
        }
    };
    let found: Vec<(usize, i64, i64)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.threads).map(|_| scope.spawn(part)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a part")).collect()
    });
    let done = started.elapsed();
    Found {
        groups: found.iter().map(|found| found.0).sum(),
        rows: found.iter().map(|found| found.1).sum(),
        sum: found.iter().map(|found| found.2).sum(),
        report: whole.report(),
        phases: [consumed, closed - consumed, done - closed].map(|time| time.as_secs_f64()),
    }
}

fn expected_groups(kind: &str, rows: usize, groups: usize) -> usize {
    let mut seen = vec![false; groups];
    let mut null = false;
    for row in 0..rows as u64 {
        if kind == "nulls" && mixed(row) & 1 == 0 {
            null = true;
        } else {
            seen[group(kind, row, groups as u64) as usize] = true;
        }
    }
    seen.into_iter().filter(|seen| *seen).count() + usize::from(null)
}

fn main() {
    let options = options();
    println!("{} rows, {} threads, ns per row (wall)", options.rows, options.threads);
    for kind in &options.kinds {
        let spec = spec(kind);
        let mut before: Option<f64> = None;
        for &groups in &options.groups {
            let starts = (0..options.rows).step_by(BATCH_ROWS);
            let batches: Vec<Vec<ArrayRef>> = starts
                .map(|first| batch(kind, first as u64, BATCH_ROWS.min(options.rows - first), groups as u64))
                .collect();
            let total =
                |batch: &Vec<ArrayRef>| batch[1].as_primitive::<Int64Type>().values().iter().sum::<i64>();
            let sum: i64 = batches.iter().map(total).sum();
            let distinct = expected_groups(kind, options.rows, groups);
            let mut times: Vec<(f64, [f64; 3])> = Vec::new();
            let mut report = PartitionReport::default();
            for _ in 0..=options.runs {
                let found = run(&options, &spec, &batches);
                assert_eq!((found.groups, found.rows, found.sum), (distinct, options.rows as i64, sum));
                times.push((found.phases.iter().sum(), found.phases));
                report = found.report;
            }
            // The first run warms up.
            times.remove(0);
            times.sort_by(|a, b| a.0.total_cmp(&b.0));
            let (median, phases) = times[times.len() / 2];
            let nanoseconds = median * 1e9 / options.rows as f64;
            let step = before.map_or(1.0, |before| nanoseconds / before);
            let phases = phases.map(|time| format!("{:.1}", time * 1e3)).join(" + ");
            println!(
                "{kind:8} {groups:>9} {nanoseconds:8.2} ns  x{step:.2}{}  {:7.1} ms = {phases}  {:?}",
                if step > 1.5 { " !" } else { "  " },
                median * 1e3,
                report
                    .details()
                    .into_iter()
                    .map(|(name, value)| format!("{name} {value}"))
                    .collect::<Vec<_>>(),
            );
            before = Some(nanoseconds);
        }
    }
}
