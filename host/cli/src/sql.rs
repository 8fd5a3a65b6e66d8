//! `pilaster sql`

use std::io::Write as _;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use pilaster::SessionConfig;
use pilaster_datafusion::Engine;

use crate::args::{Format, SqlArgs};
use crate::engine::{self, Answer, SqlEngine};
use crate::{Failure, prompt};

/// Runs one statement, or a prompt.
pub fn run(args: SqlArgs) -> Result<(), Failure> {
    let threads = engine::thread_count(args.threads);
    let runtime = engine::runtime(threads)?;
    let engine = open(&args, threads)?;
    for table in &args.tables {
        runtime.block_on(engine.register(&table.name, &table.path))?;
    }
    match &args.sql {
        Some(sql) => runtime.block_on(statement(&engine, &args, sql)),
        None => prompt::run(&runtime, &engine, &args),
    }
}

fn open(args: &SqlArgs, threads: usize) -> Result<SqlEngine, Failure> {
    let mut base = SessionConfig { threads, ..SessionConfig::default() };
    if let Some(mib) = args.memory_limit {
        base.host_memory_limit_bytes = mib << 20;
    }
    let settings = [
        ("backend", args.backend.to_string()),
        ("strict", args.strict.to_string()),
        ("pruning", args.pruning.to_string()),
        ("float_sum", args.float_sum.to_string()),
    ];
    SqlEngine::pilaster(threads, Arc::new(Engine::new(base)), &settings)
}

/// Runs one statement and prints what was asked for.
pub async fn statement(engine: &SqlEngine, args: &SqlArgs, sql: &str) -> Result<(), Failure> {
    if args.explain {
        let answer = engine.run(&format!("EXPLAIN {sql}")).await?;
        return print(&answer.batches, args.format);
    }
    let answer = engine.run(sql).await?;
    if args.analyze {
        return analyze(&answer);
    }
    print(&answer.batches, args.format)
}

/// What ran where, instead of the rows.
fn analyze(answer: &Answer) -> Result<(), Failure> {
    let rows: usize = answer.batches.iter().map(RecordBatch::num_rows).sum();
    let mut out = std::io::stdout().lock();
    for report in &answer.reports {
        writeln!(out, "{report}")?;
    }
    for left in &answer.left {
        writeln!(out, "LEFT to DataFusion: {left}")?;
    }
    if answer.reports.is_empty() {
        writeln!(out, "nothing in this plan was handed to Pilaster")?;
    }
    writeln!(out, "{rows} rows in {:.3} s", answer.wall.as_secs_f64())?;
    Ok(())
}

fn print(batches: &[RecordBatch], format: Format) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match format {
        Format::Table => writeln!(out, "{}", pretty_format_batches(batches)?)?,
        Format::Csv => {
            let mut writer = arrow::csv::WriterBuilder::new().with_header(true).build(&mut out);
            batches.iter().try_for_each(|batch| writer.write(batch))?;
        }
        Format::Json => {
            let mut writer = arrow::json::LineDelimitedWriter::new(&mut out);
            batches.iter().try_for_each(|batch| writer.write(batch))?;
            writer.finish()?;
        }
    }
    Ok(())
}
