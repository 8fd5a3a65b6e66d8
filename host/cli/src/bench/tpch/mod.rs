//! `pilaster bench tpch`: engines interleaved run by run, every answer checked, losses printed like wins.

mod check;
mod measure;
mod record;
mod table;

use std::sync::Arc;

use pilaster::device::{Verdict, adapters};
use pilaster::{BackendChoice, SessionConfig};
use pilaster_bench_data::tpch::Query;
use pilaster_datafusion::Engine;

use super::cache_folder;
use crate::args::{Against, TpchArgs};
use crate::engine::{self, SqlEngine};
use crate::{Failure, generate, progress};
use measure::{Contender, Measured};

/// Runs a suite; an error if an answer was wrong or a query failed.
pub fn run(args: TpchArgs) -> Result<(), Failure> {
    let threads = engine::thread_count(args.threads);
    let folder = args
        .data
        .clone()
        .map_or_else(|| Ok(cache_folder()?.join(format!("tpch/scale-{}", args.scale))), Ok::<_, Failure>)?;
    let dataset = generate::tpch_data(args.scale, &folder)?;
    let runtime = engine::runtime(threads)?;
    let contenders = contenders(&args, threads)?;
    for contender in &contenders {
        for table in &dataset.tables {
            runtime.block_on(contender.engine.register(&table.name, &table.path))?;
        }
    }
    let mut results = Vec::new();
    let bar = progress::bar("bench", (args.queries.len() * contenders.len() * (args.reps + 1)) as u64);
    for &number in &args.queries {
        let query = Query::get(number).ok_or_else(|| format!("TPC-H has no query {number}"))?;
        let expected = check::Expected::new("tpch", args.scale, query);
        results.extend(measure::query(&runtime, &contenders, query, &expected, args.reps, &bar));
    }
    bar.finish_and_clear();
    println!("{}", table::draw(&results));
    if let Some(file) = &args.json {
        record::append(file, &args, threads, &results)?;
    }
    conclude(&results)
}

fn conclude(results: &[Measured]) -> Result<(), Failure> {
    let bad: Vec<String> = results.iter().filter_map(Measured::complaint).collect();
    if bad.is_empty() { Ok(()) } else { Err(bad.join("\n").into()) }
}

/// The engines to time: the one to compare with first, so that its answer is there to check the others by.
fn contenders(args: &TpchArgs, threads: usize) -> Result<Vec<Contender>, Failure> {
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
