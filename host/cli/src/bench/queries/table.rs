//! The table of a benchmark.

use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};

use super::measure::{Measured, Verdict};

/// One row per query and engine.
pub fn draw(results: &[Measured]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED);
    table.set_header([
        "query",
        "engine",
        "median ms",
        "min ms",
        "max ms",
        "vs datafusion",
        "CPU s",
        "peak MiB",
        "rows",
        "answer",
        "ran where",
    ]);
    for measured in results {
        table.add_row(row(measured));
    }
    for column in table.column_iter_mut().skip(2).take(7) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn row(measured: &Measured) -> Vec<String> {
    let time =
        |time: Option<Duration>| time.map_or("-".into(), |time| format!("{:.1}", time.as_secs_f64() * 1e3));
    let engine = format!("{} {}", measured.engine, measured.backend);
    let cpu = measured.cpus.get(measured.cpus.len() / 2);
    vec![
        measured.query.to_string(),
        engine.trim().to_string(),
        time(measured.median()),
        time(measured.walls.first().copied()),
        time(measured.walls.last().copied()),
        measured.ratio.map_or("-".into(), |ratio| format!("{ratio:.2}")),
        cpu.map_or("-".into(), |cpu| format!("{:.2}", cpu.as_secs_f64())),
        measured.peak_rss_bytes.map_or("-".into(), |bytes| (bytes >> 20).to_string()),
        measured.rows.to_string(),
        answer(&measured.verdict).to_string(),
        ran_where(measured),
    ]
}

/// One word for a verdict.
pub fn answer(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Wrong(_) => "WRONG",
        Verdict::Error(_) => "ERROR",
    }
}

fn ran_where(measured: &Measured) -> String {
    let Some(placement) = measured.placement else { return "datafusion".to_string() };
    let counts =
        format!("TAKEN {}, LEFT {}, FELL BACK {}", placement.taken, placement.left, placement.fell_back);
    match &measured.adapter {
        Some(adapter) => format!("{counts} ({adapter})"),
        None => counts,
    }
}

/// Geometric means of the ratios, engine by engine.
pub fn summary(results: &[Measured]) -> String {
    let mut lines: Vec<(String, Vec<f64>)> = Vec::new();
    for measured in results.iter().filter(|measured| measured.placement.is_some()) {
        let Some(ratio) = measured.ratio else { continue };
        let name = format!("{} {}", measured.engine, measured.backend);
        match lines.iter_mut().find(|(known, _)| *known == name) {
            Some((_, ratios)) => ratios.push(ratio),
            None => lines.push((name, vec![ratio])),
        }
    }
    let mean =
        |ratios: &[f64]| (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp();
    let line = |(name, ratios): &(String, Vec<f64>)| {
        format!("{name}: geometric mean of {} ratios to datafusion {:.2}", ratios.len(), mean(ratios))
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}
