//! `pilaster bench micro --suite float-sums`: what reproducible sums of floats promise, and what they cost.
//!
//! First the same numbers, of mixed magnitude and sign, are summed in many random orders on each backend: in the
//! reproducible mode all sums must have one bit pattern, else the run fails. Then `k, sum(x)` by key is timed in both modes,
//! in turn, for several numbers of groups.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Float64Type};
use comfy_table::{CellAlignment, Table, presets};
use pilaster::aggregate::{Aggregate, AggregateFunction, FloatSum};
use pilaster::expr::Expr;
use pilaster::plan::{MemorySource, Plan};
use pilaster::{BackendChoice, Session, SessionConfig};
use rayon::prelude::*;
use serde::Serialize;

use super::timing::{Run, Timing, in_turn};
use crate::args::MicroArgs;
use crate::{Failure, engine, progress};

/// Rows where nobody says.
const DEFAULT_ROWS: usize = 10_000_000;

/// Random orders that the same numbers are summed in.
const ORDERS: u64 = 100;

/// Groups at which the modes are timed.
const GROUPS: [usize; 4] = [1, 1_000, 100_000, 1_000_000];

/// Most that the reproducible mode should cost, up to 100,000 groups.
const GOAL: f64 = 1.5;

const BATCH_ROWS: usize = 1 << 20;

/// Both modes at one number of groups.
#[derive(Debug)]
struct Price {
    backend: BackendChoice,
    groups: usize,
    fast: Timing,
    reproducible: Timing,
}

impl Price {
    fn ratio(&self) -> f64 {
        self.reproducible.median().as_secs_f64() / self.fast.median().as_secs_f64().max(1e-9)
    }
}

#[derive(Debug, Serialize)]
struct Record {
    suite: &'static str,
    backend: String,
    rows: usize,
    groups: usize,
    threads: usize,
    reps: usize,
    fast_median_s: f64,
    reproducible_median_s: f64,
    ratio: f64,
    goal: Option<f64>,
    version: &'static str,
}

/// Runs the suite; an error if the bits of two sums differ, or a run failed.
pub fn run(args: &MicroArgs) -> Result<(), Failure> {
    let rows = args.rows.unwrap_or(DEFAULT_ROWS);
    let threads = engine::thread_count(args.threads);
    let backends = if args.backend.is_empty() { vec![BackendChoice::Cpu] } else { args.backend.clone() };
    let sessions = |float_sum| -> Result<Vec<Session>, Failure> {
        let config =
            |&backend: &BackendChoice| SessionConfig { backend, threads, float_sum, ..Default::default() };
        Ok(backends.iter().map(|backend| Session::new(config(backend))).collect::<Result<_, _>>()?)
    };
    let (fast, reproducible) = (sessions(FloatSum::Fast)?, sessions(FloatSum::Reproducible)?);
    orders(rows, args.seed, &fast, &reproducible)?;
    let wanted = GROUPS.iter().filter(|groups| args.groups.is_empty() || args.groups.contains(groups));
    let mut prices = Vec::new();
    for &groups in wanted {
        let plan = plan(table(rows, groups, args.seed, 0)?, true)?;
        for (at, &backend) in backends.iter().enumerate() {
            let mut one = || fast[at].collect(&plan).map(drop).map_err(Failure::from);
            let mut other = || reproducible[at].collect(&plan).map(drop).map_err(Failure::from);
            let mut runs: [Run<'_>; 2] = [&mut one, &mut other];
            // To warm up.
            in_turn(1, None, &mut runs)?;
            let mut timings = in_turn(args.reps, None, &mut runs)?.into_iter();
            let mut next = || timings.next().unwrap_or_default();
            prices.push(Price { backend, groups, fast: next(), reproducible: next() });
        }
    }
    println!("{}", draw(&prices, rows));
    match &args.json {
        Some(file) => crate::bench::append(file, prices.iter().map(|price| record(price, rows, threads))),
        None => Ok(()),
    }
}

/// Sums the same numbers in many orders.
fn orders(rows: usize, seed: u64, fast: &[Session], reproducible: &[Session]) -> Result<(), Failure> {
    let (mut bits, mut loose) = (BTreeSet::new(), BTreeSet::new());
    let bar = progress::bar("orders", ORDERS);
    for order in 0..ORDERS {
        let plan = plan(table(rows, 1, seed, order)?, false)?;
        for session in reproducible {
            bits.insert(sum(session, &plan)?);
        }
        for session in fast {
            loose.insert(sum(session, &plan)?);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let shown: Vec<String> = bits.iter().map(|bits| format!("{bits:016x}")).collect();
    println!(
        "{rows} floats in {ORDERS} orders on {} backends: reproducible gives {} bit pattern(s) ({}), fast {}",
        reproducible.len(),
        bits.len(),
        shown.join(", "),
        loose.len()
    );
    if bits.len() == 1 { Ok(()) } else { Err("reproducible sums differ".into()) }
}

fn sum(session: &Session, plan: &Plan) -> Result<u64, Failure> {
    let (batches, _) = session.collect(plan)?;
    let first = batches.first().filter(|batch| batch.num_rows() == 1).ok_or("a sum without a row")?;
    Ok(first.column(0).as_primitive::<Float64Type>().value(0).to_bits())
}

fn plan(batches: Vec<RecordBatch>, keyed: bool) -> Result<Plan, Failure> {
    let schema = batches.first().map(RecordBatch::schema).ok_or("no batches")?;
    let source = MemorySource::with_partitions(schema, vec![batches])?;
    let operand = vec![Expr::column(1, DataType::Float64)];
    let sum = Aggregate::new(AggregateFunction::Sum, operand, DataType::Float64);
    let key = ("k".to_owned(), Expr::column(0, DataType::Int64));
    let keys = if keyed { vec![key] } else { Vec::new() };
    Ok(Plan::input(Arc::new(source)).aggregate(keys, vec![("s".to_owned(), sum)])?)
}

/// The numbers of a seed in the order of another: keys are scattered, floats have exponents of base 2 from -60 to 60.
fn table(rows: usize, groups: usize, seed: u64, order: u64) -> Result<Vec<RecordBatch>, Failure> {
    let starts: Vec<usize> = (0..rows).step_by(BATCH_ROWS).collect();
    let batch = |&start: &usize| {
        let numbers =
            || (start..rows.min(start + BATCH_ROWS)).map(|row| place(row as u64, rows as u64, order));
        let key = |number: u64| mix(mix(number ^ seed) % groups as u64).cast_signed();
        let float = |number: u64| {
            let bits = mix(number ^ seed.rotate_left(32));
            let unit = (bits >> 12) as f64 / (1u64 << 52) as f64 + 1.0;
            let signed = if bits & 1 == 0 { unit } else { -unit };
            signed * 2f64.powi((bits >> 1 & 0x7f) as i32 % 121 - 60)
        };
        let columns: [(&str, ArrayRef); 2] = [
            ("k", Arc::new(Int64Array::from_iter_values(numbers().map(key)))),
            ("x", Arc::new(Float64Array::from_iter_values(numbers().map(float)))),
        ];
        RecordBatch::try_from_iter(columns)
    };
    Ok(starts.par_iter().map(batch).collect::<Result<_, _>>()?)
}

/// Where an order puts a row: a permutation of `0..rows`, by walking one of the next power of two until it is inside.
fn place(row: u64, rows: u64, order: u64) -> u64 {
    if order == 0 {
        return row;
    }
    let bits = rows.max(2).next_power_of_two().ilog2();
    let mask = u64::MAX >> (64 - bits);
    let mut x = row;
    loop {
        for round in 0..3 {
            x = x.wrapping_add(mix(order ^ (round << 40))) & mask;
            x = x.wrapping_mul(mix(order.rotate_left(20) ^ round) | 1) & mask;
            x ^= x >> bits.div_ceil(2);
        }
        if x < rows {
            return x;
        }
    }
}

fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn draw(prices: &[Price], rows: usize) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED);
    table.set_header(["backend", "groups", "fast ns/row", "reproducible ns/row", "ratio", "goal"]);
    for price in prices {
        let time =
            |timing: &Timing| format!("{:.2}", timing.median().as_secs_f64() * 1e9 / rows.max(1) as f64);
        let goal = goal(price.groups)
            .map_or("-".into(), |goal| format!("{goal}{}", if price.ratio() > goal { " <" } else { "" }));
        table.add_row([
            price.backend.to_string(),
            price.groups.to_string(),
            time(&price.fast),
            time(&price.reproducible),
            format!("{:.2}", price.ratio()),
            goal,
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn goal(groups: usize) -> Option<f64> {
    (groups <= 100_000).then_some(GOAL)
}

fn record(price: &Price, rows: usize, threads: usize) -> Record {
    Record {
        suite: "float-sums",
        backend: price.backend.to_string(),
        rows,
        groups: price.groups,
        threads,
        reps: price.fast.walls.len(),
        fast_median_s: price.fast.median().as_secs_f64(),
        reproducible_median_s: price.reproducible.median().as_secs_f64(),
        ratio: price.ratio(),
        goal: goal(price.groups),
        version: env!("CARGO_PKG_VERSION"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_permutations_and_differ() {
        for rows in [1, 2, 3, 1000, 1024] {
            for order in [0, 1, 7] {
                let mut places: Vec<u64> = (0..rows).map(|row| place(row, rows, order)).collect();
                places.sort_unstable();
                assert!(places.into_iter().eq(0..rows), "{rows} rows in order {order}");
            }
        }
        let same = (0..1000).filter(|&row| place(row, 1000, 1) == place(row, 1000, 2)).count();
        assert!(same < 20, "{same}");
    }
}
