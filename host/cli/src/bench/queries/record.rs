//! Results as JSON lines: one object per query and engine.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::Suite;
use super::measure::{Measured, Verdict};
use crate::Failure;
use crate::args::QueryArgs;

#[derive(Debug, Serialize)]
struct Record<'a> {
    suite: &'static str,
    scale: f64,
    query: u32,
    engine: &'static str,
    backend: &'a str,
    threads: usize,
    reps: usize,
    median_s: Option<f64>,
    min_s: Option<f64>,
    cpu_s: Option<f64>,
    peak_rss_bytes: Option<u64>,
    rows: usize,
    answer: &'static str,
    taken: Option<usize>,
    left: Option<usize>,
    fell_back: Option<usize>,
    adapter: Option<&'a str>,
    version: &'static str,
}

/// Appends `results` to `file`.
pub fn append(
    file: &Path,
    suite: &Suite,
    args: &QueryArgs,
    threads: usize,
    results: &[Measured],
) -> Result<(), Failure> {
    crate::bench::append(file, results.iter().map(|measured| record(suite, args, threads, measured)))
}

fn record<'a>(suite: &Suite, args: &QueryArgs, threads: usize, measured: &'a Measured) -> Record<'a> {
    let seconds = |time: Option<&Duration>| time.map(Duration::as_secs_f64);
    Record {
        suite: suite.name,
        scale: suite.scale,
        query: measured.query,
        engine: measured.engine,
        backend: &measured.backend,
        threads,
        reps: args.reps,
        median_s: seconds(measured.median().as_ref()),
        min_s: seconds(measured.walls.first()),
        cpu_s: seconds(measured.cpus.get(measured.cpus.len() / 2)),
        peak_rss_bytes: measured.peak_rss_bytes,
        rows: measured.rows,
        answer: match measured.verdict {
            Verdict::Ok => "ok",
            Verdict::Wrong(_) => "wrong",
            Verdict::Error(_) => "error",
        },
        taken: measured.placement.map(|placement| placement.taken),
        left: measured.placement.map(|placement| placement.left),
        fell_back: measured.placement.map(|placement| placement.fell_back),
        adapter: measured.adapter.as_deref(),
        version: env!("CARGO_PKG_VERSION"),
    }
}
