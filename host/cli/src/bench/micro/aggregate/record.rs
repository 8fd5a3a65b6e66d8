//! Results as JSON lines: one object per kind of key, number of groups and engine.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::Measured;
use crate::args::MicroArgs;
use crate::{Failure, engine};

#[derive(Debug, Serialize)]
struct Record<'a> {
    suite: &'static str,
    key: &'static str,
    groups: usize,
    found: usize,
    rows: usize,
    engine: &'a str,
    threads: usize,
    reps: usize,
    seed: u64,
    median_s: f64,
    min_s: f64,
    max_s: f64,
    cpu_s: f64,
    peak_bytes: Option<u64>,
    ns_per_row: f64,
    step: Option<f64>,
    ratio: Option<f64>,
    details: BTreeMap<&'a str, &'a str>,
    version: &'static str,
}

/// Appends `results` to `file`.
pub fn append(file: &Path, args: &MicroArgs, results: &[Measured]) -> Result<(), Failure> {
    crate::bench::append(file, results.iter().map(|measured| record(args, measured)))
}

fn record<'a>(args: &MicroArgs, measured: &'a Measured) -> Record<'a> {
    let timing = &measured.timing;
    let details = measured.details.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Record {
        suite: "aggregate",
        key: measured.kind.name,
        groups: measured.groups,
        found: measured.found,
        rows: measured.rows,
        engine: &measured.engine,
        threads: engine::thread_count(args.threads),
        reps: timing.walls.len(),
        seed: args.seed,
        median_s: timing.median().as_secs_f64(),
        min_s: timing.min().as_secs_f64(),
        max_s: timing.max().as_secs_f64(),
        cpu_s: timing.median_cpu().as_secs_f64(),
        peak_bytes: timing.peak_bytes,
        ns_per_row: measured.nanoseconds_per_row(),
        step: measured.step,
        ratio: measured.ratio,
        details: details.collect(),
        version: env!("CARGO_PKG_VERSION"),
    }
}
