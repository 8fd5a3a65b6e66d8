//! The table of the suite.

use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};

use super::Measured;
use crate::bench::micro::timing::Timing;

/// One row per column, codec and type.
pub fn draw(results: &[Measured]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED);
    table.set_header([
        "column",
        "codec",
        "as",
        "Arrow MB",
        "file MB",
        "ours GB/s",
        "± %",
        "arrow-rs GB/s",
        "± %",
        "ratio",
        "CPU ratio",
        "goal",
        "ours MiB",
        "arrow-rs MiB",
    ]);
    for measured in results {
        table.add_row(row(measured));
    }
    for column in table.column_iter_mut().skip(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn row(measured: &Measured) -> Vec<String> {
    let speed = |time: Duration| format!("{:.2}", measured.gigabytes_per_second(time));
    let megabytes = |bytes: f64| format!("{:.1}", bytes / 1e6);
    let data_type = match &measured.other_type {
        Some(other) => format!("{} (arrow-rs: {other})", measured.data_type),
        None => measured.data_type.to_string(),
    };
    let missed = if measured.ratio() < measured.goal() { " <" } else { "" };
    vec![
        measured.kind.name.to_string(),
        measured.codec.to_string(),
        data_type,
        megabytes(measured.arrow_bytes as f64),
        megabytes(measured.file_bytes as f64),
        speed(measured.ours.median()),
        spread(&measured.ours),
        speed(measured.against.median()),
        spread(&measured.against),
        format!("{:.2}", measured.ratio()),
        format!("{:.2}", measured.cpu_ratio()),
        format!("{}{missed}", measured.goal()),
        peak(&measured.ours),
        peak(&measured.against),
    ]
}

/// Half the distance from the shortest to the longest run, over the median.
fn spread(timing: &Timing) -> String {
    let half = (timing.max() - timing.min()).as_secs_f64() / 2.0;
    format!("{:.0}", half / timing.median().as_secs_f64() * 100.0)
}

fn peak(timing: &Timing) -> String {
    timing.peak_bytes.map_or("-".into(), |bytes| format!("{:.1}", bytes as f64 / f64::from(1 << 20)))
}

/// How many rows reach their goal, and the geometric means.
pub fn summary(results: &[Measured]) -> String {
    let reached = results.iter().filter(|measured| measured.ratio() >= measured.goal()).count();
    let slower = results.iter().filter(|measured| measured.ratio() < 1.0).count();
    let logarithms: f64 = results.iter().map(|measured| measured.ratio().ln()).sum();
    let mean = (logarithms / results.len().max(1) as f64).exp();
    format!(
        "{reached} of {} rows reach their goal (those that do not bear a <), {slower} are slower than arrow-rs; \
         geometric mean of the ratios {mean:.2}",
        results.len()
    )
}
