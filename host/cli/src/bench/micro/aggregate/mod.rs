//! `pilaster bench micro --suite aggregate`: `k, sum(v), count(*)` by key, for every number of groups that is a power of
//! two, and for every kind of key; through the session's API, stock DataFusion beside it in the same process.
//!
//! Rows are generated in memory before the clock starts; both engines read the same buffers, in batches of the size that
//! each takes by default. A run ends when the last result batch was collected. Every engine's answer is checked once per
//! point: rows are compared as a multiset, by the sum of two hashes of each row.

mod digest;
mod engines;
mod record;
mod table;

use std::time::Duration;

use pilaster::BackendChoice;
use pilaster_bench_data::groups::{self, KINDS, Kind, Options};

use self::digest::Digest;
use self::engines::{Contender, Input, Ours, Stock};
use super::timing::{Timing, in_turn};
use crate::args::{MicroAgainst, MicroArgs};
use crate::{Failure, engine, progress};

/// Rows where nobody says.
const DEFAULT_ROWS: usize = 1 << 24;

/// Groups of the kinds that are not swept whole: in a cache, beyond it, and a large share of the rows.
const FEW_POINTS: [usize; 3] = [1 << 7, 1 << 13, 1 << 20];

/// Runs of a point end, after three, once they took so long together.
const POINT_BUDGET: Duration = Duration::from_secs(30);

/// Most that neighbours of a sweep should differ by.
const STEP_GOAL: f64 = 1.5;

/// One contender at one point.
#[derive(Debug)]
struct Measured {
    kind: &'static Kind,
    groups: usize,
    /// Rows of the answer.
    found: usize,
    rows: usize,
    engine: String,
    timing: Timing,
    /// Time per row over that of the point before, in a sweep.
    step: Option<f64>,
    /// Median over stock DataFusion's.
    ratio: Option<f64>,
    /// How groups were found, and what the report says besides.
    details: Vec<(String, String)>,
}

impl Measured {
    fn nanoseconds_per_row(&self) -> f64 {
        self.timing.median().as_secs_f64() * 1e9 / self.rows.max(1) as f64
    }

    fn is_step(&self) -> bool {
        self.step.is_some_and(|step| !(1.0 / STEP_GOAL..=STEP_GOAL).contains(&step))
    }
}

/// Runs the suite; an error if an answer was wrong or a run failed.
pub fn run(args: &MicroArgs) -> Result<(), Failure> {
    let contenders = contenders(args)?;
    let rows = args.rows.unwrap_or(DEFAULT_ROWS);
    let points: Vec<(&'static Kind, usize)> = KINDS
        .iter()
        .filter(|kind| wanted(args, kind))
        .flat_map(|kind| points(kind, rows).into_iter().map(move |groups| (kind, groups)))
        .filter(|(_, groups)| args.groups.is_empty() || args.groups.contains(groups))
        .collect();
    let bar = progress::bar("aggregate", points.len() as u64);
    let mut results: Vec<Measured> = Vec::new();
    for (kind, groups) in points {
        bar.set_message(format!("{} {groups}", kind.name));
        let options = Options { rows, groups, seed: args.seed };
        let input = Input::new(groups::generate(kind, &options)?)?;
        let measured = point(kind, groups, &input, &contenders, args)
            .map_err(|failure| format!("{} of {groups} groups: {failure}", kind.name))?;
        for mut measured in measured {
            measured.step = step(&results, &measured);
            eprintln!("{}", table::line(&measured));
            results.push(measured);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    println!("{}", table::draw(&results));
    println!("{}", table::summary(&results));
    match &args.json {
        Some(file) => record::append(file, args, &results),
        None => Ok(()),
    }
}

/// All of `--columns` by a part of the name.
fn wanted(args: &MicroArgs, kind: &Kind) -> bool {
    args.columns.is_empty() || args.columns.iter().any(|part| kind.name == part.trim())
}

/// Numbers of groups: all powers of two for whole numbers, a few for other kinds.
fn points(kind: &Kind, rows: usize) -> Vec<usize> {
    let swept = kind.name == "i64" || kind.name == "i64_dense";
    let powers = (0..=rows.max(1).ilog2()).map(|power| 1usize << power);
    let chosen = |groups: &usize| swept || FEW_POINTS.contains(groups) || *groups == rows;
    powers.filter(chosen).filter(|&groups| groups <= kind.most_groups).collect()
}

fn contenders(args: &MicroArgs) -> Result<Vec<Box<dyn Contender>>, Failure> {
    let threads = engine::thread_count(args.threads);
    let mut contenders: Vec<Box<dyn Contender>> = Vec::new();
    match args.against {
        None => {}
        Some(MicroAgainst::Datafusion) => contenders.push(Box::new(Stock::new(threads)?)),
        Some(other) => return Err(format!("suite aggregate is not compared with {other:?}").into()),
    }
    let backends = if args.backend.is_empty() { vec![BackendChoice::Cpu] } else { args.backend.clone() };
    for backend in backends {
        contenders.push(Box::new(Ours::new(backend, threads)?));
    }
    Ok(contenders)
}

fn point(
    kind: &'static Kind,
    groups: usize,
    input: &Input,
    contenders: &[Box<dyn Contender>],
    args: &MicroArgs,
) -> Result<Vec<Measured>, Failure> {
    let mut first: Option<(String, Digest)> = None;
    for contender in contenders {
        let (digest, name) = (Digest::of(&contender.run(input)?)?, contender.name());
        match &first {
            None => first = Some((name, digest)),
            Some((other, expected)) if digest != *expected => {
                return Err(format!("wrong answer: {name} {digest}, {other} {expected}").into());
            }
            Some(_) => {}
        }
    }
    let found = first.map_or(0, |(_, digest)| digest.rows);
    let mut runs: Vec<_> = contenders.iter().map(|each| || each.run(input).map(drop)).collect();
    let mut runs: Vec<super::timing::Run<'_>> = runs.iter_mut().map(|run| run as _).collect();
    let timings = in_turn(args.reps, Some(POINT_BUDGET), &mut runs)?;
    let stock = args.against.and_then(|_| timings.first()).map(Timing::median);
    let measured = contenders.iter().zip(timings).map(|(contender, timing)| Measured {
        kind,
        groups,
        found,
        rows: input.rows,
        engine: contender.name(),
        step: None,
        ratio: stock.map(|stock| timing.median().as_secs_f64() / stock.as_secs_f64().max(1e-9)),
        timing,
        details: contender.details(),
    });
    Ok(measured.collect())
}

/// Time per row over that of half as many groups.
fn step(results: &[Measured], measured: &Measured) -> Option<f64> {
    let before = results.iter().find(|other| {
        other.kind.name == measured.kind.name
            && other.engine == measured.engine
            && other.groups * 2 == measured.groups
    })?;
    Some(measured.nanoseconds_per_row() / before.nanoseconds_per_row())
}
