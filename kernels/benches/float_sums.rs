//! What order-independent float sums cost: `sum(x) GROUP BY key`, lookup of the key and result included, fast against
//! reproducible; and the proof that they are what they say: the same bits in every order of rows.
//!
//! Runs are interleaved; medians of the thread's CPU time and the spread of the ratio are printed. `-- --quick` takes a
//! tenth of the rows.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Float64Type};
use pilaster_kernels::aggregate::cpu::CpuAggregate;
use pilaster_kernels::aggregate::{Aggregate, AggregateFunction, AggregateSpec, FloatSum};
use pilaster_kernels::expr::Expr;
use pilaster_kernels::memory::Unlimited;

/// Rows of a batch, as a scan hands them on.
const BATCH_ROWS: usize = 16 * 1024;

type Batch = Vec<ArrayRef>;

struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }

    /// From -1 to 1.
    fn unit(&mut self) -> f64 {
        (self.next() as i64 >> 11) as f64 / (1u64 << 52) as f64
    }
}

/// What values are like, from tame to wild.
#[derive(Clone, Copy)]
enum Magnitudes {
    /// -1000 to 1000.
    Plain,
    /// 2^-40 to 2^40.
    Mixed,
    /// 2^-1000 to 2^1000: beyond any window.
    Wild,
}

impl Magnitudes {
    fn value(self, noise: &mut Noise) -> f64 {
        let spread = |noise: &mut Noise, by: u64| {
            noise.unit() * 2f64.powi((noise.next() % (2 * by)) as i32 - by as i32)
        };
        match self {
            Self::Plain => noise.unit() * 1000.0,
            Self::Mixed => spread(noise, 40),
            Self::Wild => spread(noise, 1000),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Mixed => "mixed",
            Self::Wild => "wild",
        }
    }
}

fn spec(function: &AggregateFunction, keyed: bool, float_sum: FloatSum) -> Arc<AggregateSpec> {
    let column = |at| Expr::column(at, DataType::Float64);
    let inputs = (0..function.operands().0).map(|_| column(0)).collect();
    let aggregate = Aggregate::new(function.clone(), inputs, DataType::Float64);
    let keys = if keyed { vec![Expr::column(1, DataType::Int64)] } else { Vec::new() };
    Arc::new(AggregateSpec { predicate: None, keys, aggregates: vec![aggregate], float_sum })
}

fn run(spec: &Arc<AggregateSpec>, batches: &[Batch]) -> ArrayRef {
    let mut aggregate = CpuAggregate::new(Arc::clone(spec), Arc::new(Unlimited)).expect("a supported spec");
    for batch in batches {
        aggregate.consume(batch, batch[0].len()).expect("rows are taken");
    }
    aggregate.finish().expect("a result").pop().expect("an aggregate")
}

fn batches(values: &[f64], groups: u64, noise: &mut Noise) -> Vec<Batch> {
    values
        .chunks(BATCH_ROWS)
        .map(|values| {
            // Keys far apart, so that they are hashed.
            let keys = values.iter().map(|_| (noise.next() % groups * 1_000_003) as i64);
            let keys: ArrayRef = Arc::new(Int64Array::from_iter_values(keys));
            vec![Arc::new(Float64Array::from(values.to_vec())) as ArrayRef, keys]
        })
        .collect()
}

/// Nanoseconds that this thread has run, which other load on the machine does not stretch; the time of day where the system
/// does not tell.
fn clock(start: Instant) -> f64 {
    let ran = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let ran = ran.and_then(|stat| stat.split_whitespace().next()?.parse::<f64>().ok());
    ran.unwrap_or_else(|| start.elapsed().as_secs_f64() * 1e9)
}

fn price(function: &AggregateFunction, magnitudes: Magnitudes, rows: usize, groups: u64) {
    let mut noise = Noise(groups);
    let values: Vec<f64> = (0..rows).map(|_| magnitudes.value(&mut noise)).collect();
    let batches = batches(&values, groups, &mut noise);
    let specs = [FloatSum::Fast, FloatSum::Reproducible].map(|mode| spec(function, groups > 1, mode));
    let mut times = [Vec::new(), Vec::new()];
    let start = Instant::now();
    black_box(run(&specs[0], &batches));
    // The clock ticks in milliseconds.
    let repeats = (0.1 / start.elapsed().as_secs_f64()).ceil().clamp(1.0, 500.0) as usize;
    for _ in 0..7 {
        for (times, spec) in times.iter_mut().zip(&specs) {
            let before = clock(start);
            (0..repeats).for_each(|_| drop(black_box(run(spec, black_box(&batches)))));
            times.push((clock(start) - before) / (rows * repeats) as f64);
        }
    }
    let mut ratios: Vec<f64> = times[0].iter().zip(&times[1]).map(|(fast, exact)| exact / fast).collect();
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let [fast, exact] = &mut times;
    let (fast, exact, ratio) = (median(fast), median(exact), median(&mut ratios));
    println!(
        "{function:>10} {:>6} {groups:>9} groups: fast {fast:6.2} ns/row, reproducible {exact:6.2}, {ratio:.2} times ({:.2} to {:.2})",
        magnitudes.name(),
        ratios[0],
        ratios[ratios.len() - 1],
    );
}

fn orders(rows: usize, orders: usize) {
    for magnitudes in [Magnitudes::Mixed, Magnitudes::Wild] {
        let mut noise = Noise(7);
        let mut values: Vec<f64> = (0..rows).map(|_| magnitudes.value(&mut noise)).collect();
        let mut seen = [Vec::new(), Vec::new()];
        for _ in 0..orders {
            for at in (1..values.len()).rev() {
                values.swap(at, (noise.next() % (at as u64 + 1)) as usize);
            }
            let batches = batches(&values, 1, &mut noise);
            for (seen, mode) in seen.iter_mut().zip([FloatSum::Fast, FloatSum::Reproducible]) {
                let sum = run(&spec(&AggregateFunction::Sum, false, mode), &batches);
                seen.push(sum.as_primitive::<Float64Type>().value(0).to_bits());
            }
        }
        let [fast, exact] = seen.map(|mut bits| {
            bits.sort_unstable();
            bits.dedup();
            bits
        });
        println!(
            "{orders} orders of {rows} {} values: {} bit patterns fast, {} reproducible: {:016x}",
            magnitudes.name(),
            fast.len(),
            exact.len(),
            exact[0]
        );
        assert_eq!(exact.len(), 1, "an order showed");
    }
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick" || argument == "--test");
    let rows = if quick { 1_000_000 } else { 10_000_000 };
    for magnitudes in [Magnitudes::Plain, Magnitudes::Mixed, Magnitudes::Wild] {
        for groups in [1, 4, 50, 1_000, 100_000, 1_000_000] {
            price(&AggregateFunction::Sum, magnitudes, rows, groups);
        }
    }
    for groups in [1, 1_000, 100_000] {
        price(&AggregateFunction::Avg, Magnitudes::Plain, rows, groups);
        price(&AggregateFunction::Variance { sample: true }, Magnitudes::Plain, rows, groups);
        price(&AggregateFunction::Correlation, Magnitudes::Plain, rows, groups);
    }
    orders(rows, if quick { 20 } else { 100 });
}
