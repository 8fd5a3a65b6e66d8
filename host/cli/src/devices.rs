//! `pilaster devices`

use comfy_table::{Table, presets};
use pilaster::device::{AdapterReport, Verdict, adapters};

use crate::Failure;
use crate::args::DevicesArgs;

/// Lists the adapters; none is no error.
pub fn run(args: &DevicesArgs) -> Result<(), Failure> {
    let found = adapters();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(());
    }
    if found.is_empty() {
        eprintln!("no adapter found (no Vulkan, Metal or DX12 driver): everything runs on the CPU");
        return Ok(());
    }
    println!("{}", table(&found));
    Ok(())
}

fn table(found: &[AdapterReport]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED);
    table.set_header(["#", "adapter", "API", "kind", "tier", "largest buffer", "timestamps", "self-test"]);
    for adapter in found {
        table.add_row([
            adapter.index.to_string(),
            format!("{} ({} {})", adapter.name, adapter.driver, adapter.driver_version),
            adapter.backend.clone(),
            if adapter.software { format!("software ({})", adapter.kind) } else { adapter.kind.clone() },
            adapter.tier_name.clone(),
            format!("{} MiB", adapter.max_buffer_bytes >> 20),
            if adapter.timestamps { "yes" } else { "no" }.to_string(),
            self_test(&adapter.litmus),
        ]);
    }
    table
}

fn self_test(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Passed => "passed".to_string(),
        Verdict::Reduced { without, reason } => format!("passed without {}: {reason}", without.join(", ")),
        Verdict::Failed { reason } => format!("REFUSED: {reason}"),
        Verdict::NotRun => "not run".to_string(),
    }
}
