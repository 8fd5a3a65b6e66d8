//! Suites of SQL queries: engines interleaved run by run, every answer checked, losses printed like wins.

mod check;
mod h2o;
mod measure;
mod record;
mod table;
mod tpch;

use std::path::PathBuf;
use std::sync::Arc;

use pilaster::device::{Verdict, adapters};
use pilaster::{BackendChoice, SessionConfig};
use pilaster_bench_data::Query;
use pilaster_datafusion::Engine;

use crate::args::{Against, QueryArgs};
use crate::engine::{self, SqlEngine};
use crate::{Failure, progress};
use check::Expected;
use measure::{Contender, Measured};

pub use h2o::run as h2o;
pub use tpch::run as tpch;

/// Queries over tables, and how their answers are checked.
struct Suite {
    name: &'static str,
    /// Scale factor, or rows.
    scale: f64,
    /// Files by the name of their table.
    tables: Vec<(String, PathBuf)>,
    queries: Vec<(Query, Expected)>,
    /// Where the last engine's answers are written.
    answers: Option<PathBuf>,
}

/// Runs a suite; an error if an answer was wrong or a query failed.
fn run(suite: &Suite, args: &QueryArgs) -> Result<(), Failure> {
    let threads = engine::thread_count(args.threads);
    let runtime = engine::runtime(threads)?;
    let contenders = contenders(args, threads)?;
    for contender in &contenders {
        for (name, path) in &suite.tables {
            runtime.block_on(contender.engine.register(name, path))?;
        }
    }
    let runs = suite.queries.len() * contenders.len() * (args.reps + 1);
    let bar = progress::bar(suite.name, runs as u64);
    let mut results = Vec::new();
    for (query, expected) in &suite.queries {
        let answer =
            suite.answers.as_ref().map(|folder| folder.join(format!("q{:02}.parquet", query.number)));
        let run = measure::Run { query: *query, expected, reps: args.reps, answer };
        results.extend(measure::query(&runtime, &contenders, &run, &bar));
    }
    bar.finish_and_clear();
    println!("{}", table::draw(&results));
    println!("{}", table::summary(&results));
    if let Some(file) = &args.json {
        record::append(file, suite, args, threads, &results)?;
    }
    conclude(&results)
}

fn conclude(results: &[Measured]) -> Result<(), Failure> {
    let bad: Vec<String> = results.iter().filter_map(Measured::complaint).collect();
    if bad.is_empty() { Ok(()) } else { Err(bad.join("\n").into()) }
}

/// The engines to time: the one to compare with first, so that its answer is there to check the others by.
fn contenders(args: &QueryArgs, threads: usize) -> Result<Vec<Contender>, Failure> {
    let Against::Datafusion = args.against;
    let stock = SqlEngine::stock(threads);
    let mut contenders = vec![Contender { engine: stock, name: "datafusion", backend: String::new() }];
    let trusted = || adapters().iter().any(|adapter| !matches!(adapter.litmus, Verdict::Failed { .. }));
    let backends = match args.backend.is_empty() {
        false => args.backend.clone(),
        true if trusted() => vec![BackendChoice::Cpu, BackendChoice::Gpu],
        true => vec![BackendChoice::Cpu],
    };
    for backend in backends {
        let base = SessionConfig { threads, ..SessionConfig::default() };
        let settings = [("backend", backend.to_string())];
        contenders.push(Contender {
            engine: SqlEngine::pilaster(threads, Arc::new(Engine::new(base)), &settings)?,
            name: "pilaster",
            backend: backend.to_string(),
        });
    }
    Ok(contenders)
}
