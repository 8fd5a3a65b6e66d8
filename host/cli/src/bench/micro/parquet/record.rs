//! Results as JSON lines: one object per column, codec and type.

use std::path::Path;

use serde::Serialize;

use super::Measured;
use crate::Failure;
use crate::args::MicroArgs;

#[derive(Debug, Serialize)]
struct Record {
    suite: &'static str,
    column: &'static str,
    codec: String,
    data_type: String,
    against: &'static str,
    against_data_type: String,
    threads: usize,
    batch_rows: usize,
    reps: usize,
    rows: usize,
    arrow_bytes: usize,
    file_bytes: u64,
    ours_median_s: f64,
    ours_min_s: f64,
    ours_cpu_s: f64,
    ours_peak_bytes: Option<u64>,
    against_median_s: f64,
    against_min_s: f64,
    against_cpu_s: f64,
    against_peak_bytes: Option<u64>,
    ratio: f64,
    goal: f64,
    version: &'static str,
}

/// Appends `results` to `file`.
pub fn append(file: &Path, args: &MicroArgs, threads: usize, results: &[Measured]) -> Result<(), Failure> {
    crate::bench::append(file, results.iter().map(|measured| record(args, threads, measured)))
}

fn record(args: &MicroArgs, threads: usize, measured: &Measured) -> Record {
    let Measured { ours, against, .. } = measured;
    Record {
        suite: "parquet",
        column: measured.kind.name,
        codec: measured.codec.to_string(),
        data_type: measured.data_type.to_string(),
        against: "arrow-rs",
        against_data_type: measured.other_type.as_ref().unwrap_or(&measured.data_type).to_string(),
        threads,
        batch_rows: args.batch_rows,
        reps: args.reps,
        rows: measured.rows,
        arrow_bytes: measured.arrow_bytes,
        file_bytes: measured.file_bytes,
        ours_median_s: ours.median().as_secs_f64(),
        ours_min_s: ours.min().as_secs_f64(),
        ours_cpu_s: ours.median_cpu().as_secs_f64(),
        ours_peak_bytes: ours.peak_bytes,
        against_median_s: against.median().as_secs_f64(),
        against_min_s: against.min().as_secs_f64(),
        against_cpu_s: against.median_cpu().as_secs_f64(),
        against_peak_bytes: against.peak_bytes,
        ratio: measured.ratio(),
        goal: measured.goal(),
        version: env!("CARGO_PKG_VERSION"),
    }
}
