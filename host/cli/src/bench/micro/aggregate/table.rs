//! The table of the suite.

use comfy_table::{CellAlignment, Table, presets};

use super::{Measured, STEP_GOAL};

/// One row per kind of key, number of groups and engine.
pub fn draw(results: &[Measured]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED);
    table.set_header([
        "key",
        "groups",
        "engine",
        "ns/row",
        "± %",
        "step",
        "vs datafusion",
        "CPU s",
        "MiB",
        "runs",
        "how",
    ]);
    for measured in results {
        table.add_row(row(measured));
    }
    for column in table.column_iter_mut().skip(3).take(7) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn row(measured: &Measured) -> Vec<String> {
    let timing = &measured.timing;
    let spread = (timing.max() - timing.min()).as_secs_f64() / 2.0 / timing.median().as_secs_f64().max(1e-9);
    let mark = if measured.is_step() { " <" } else { "" };
    let details: Vec<String> =
        measured.details.iter().map(|(name, value)| format!("{name}={value}")).collect();
    vec![
        measured.kind.name.to_owned(),
        measured.found.to_string(),
        measured.engine.clone(),
        format!("{:.2}", measured.nanoseconds_per_row()),
        format!("{:.0}", spread * 100.0),
        measured.step.map_or("-".into(), |step| format!("{step:.2}{mark}")),
        measured.ratio.map_or("-".into(), |ratio| format!("{ratio:.2}")),
        format!("{:.2}", timing.median_cpu().as_secs_f64()),
        timing.peak_bytes.map_or("-".into(), |bytes| (bytes >> 20).to_string()),
        timing.walls.len().to_string(),
        details.join(" "),
    ]
}

/// One result as it comes in.
pub fn line(measured: &Measured) -> String {
    row(measured).join("\t")
}

/// Steps, and means of the ratios.
pub fn summary(results: &[Measured]) -> String {
    let mut engines: Vec<&str> = Vec::new();
    for measured in results {
        if !engines.contains(&measured.engine.as_str()) {
            engines.push(&measured.engine);
        }
    }
    let lines: Vec<String> = engines.into_iter().map(|engine| of_engine(results, engine)).collect();
    lines.join("\n")
}

fn of_engine(results: &[Measured], engine: &str) -> String {
    let own = || results.iter().filter(|measured| measured.engine == engine);
    let steps = own().filter(|measured| measured.is_step()).count();
    let stepped = own().filter(|measured| measured.step.is_some()).count();
    let away = |measured: &&Measured| measured.step.map_or(0.0, |step| step.ln().abs());
    let largest = own().max_by(|one, other| away(one).total_cmp(&away(other)));
    let ratios: Vec<f64> = own().filter_map(|measured| measured.ratio).map(f64::ln).collect();
    let mean = (ratios.iter().sum::<f64>() / ratios.len().max(1) as f64).exp();
    let mut text = format!("{engine}: {steps} of {stepped} neighbours differ by more than {STEP_GOAL}");
    if let Some((largest, step)) = largest.and_then(|measured| Some((measured, measured.step?))) {
        text += &format!(", the most {step:.2} at {} groups of {}", largest.groups, largest.kind.name);
    }
    if !ratios.is_empty() {
        text += &format!("; geometric mean of the ratios to datafusion {mean:.2}");
    }
    text
}
