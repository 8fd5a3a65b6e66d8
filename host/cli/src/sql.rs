//! `pilaster sql`

use std::io::Write as _;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use pilaster::SessionConfig;
use pilaster_datafusion::Engine;

use crate::args::{Format, SqlArgs};
use crate::engine::{self, Answer, SqlEngine};
use crate::{Failure, process, prompt};

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
    if args.analyze {
        // Rows are counted as they come: an answer may be larger than the budget of what makes it.
        return analyze(&engine.run_each(sql, |_| Ok(())).await?);
    }
    match args.format {
        Format::Table => print(&engine.run(sql).await?.batches, args.format),
        Format::Csv | Format::Json => {
            let mut header = true;
            let each = |batch: RecordBatch| write_rows(&batch, args.format, std::mem::take(&mut header));
            engine.run_each(sql, each).await.map(|_| ())
        }
    }
}

/// What ran where, instead of the rows.
fn analyze(answer: &Answer) -> Result<(), Failure> {
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
    writeln!(out, "{} rows in {:.3} s", answer.rows, answer.wall.as_secs_f64())?;
    if let Some(bytes) = process::peak_rss_bytes() {
        writeln!(out, "peak resident size: {} MiB", bytes >> 20)?;
    }
    Ok(())
}

fn print(batches: &[RecordBatch], format: Format) -> Result<(), Failure> {
    match format {
        Format::Table => writeln!(std::io::stdout().lock(), "{}", pretty_format_batches(batches)?)?,
        Format::Csv | Format::Json => {
            for (at, batch) in batches.iter().enumerate() {
                write_rows(batch, format, at == 0)?;
            }
        }
    }
    Ok(())
}

fn write_rows(batch: &RecordBatch, format: Format, header: bool) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match format {
        Format::Json => {
            let mut writer = arrow::json::LineDelimitedWriter::new(&mut out);
            writer.write(batch)?;
            writer.finish()?;
        }
        Format::Csv | Format::Table => {
            arrow::csv::WriterBuilder::new().with_header(header).build(&mut out).write(batch)?;
        }
    }
    Ok(())
}
