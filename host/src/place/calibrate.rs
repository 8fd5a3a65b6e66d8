//! What an adapter costs: measured once per adapter and driver, kept in a file of the user's cache folder.
//!
//! The file is a convenience. Absent, unreadable, corrupt or of another version, it is measured and written anew; a folder
//! that cannot be written is no error.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Int32Array};
use arrow::buffer::Buffer;
use arrow::datatypes::DataType;
use pilaster_kernels::Result;
use pilaster_kernels::aggregate::gpu::{GpuAggregate, GpuAggregateSettings};
use pilaster_kernels::aggregate::{Aggregate, AggregateFunction, AggregateSpec, FloatSum};
use pilaster_kernels::expr::Expr;
use pilaster_kernels::gpu::column::pack;
use pilaster_kernels::gpu::{BufferInit, Program};
use serde::{Deserialize, Serialize};

use super::model::Constants;
use crate::device::Device;
use crate::run::Cancellation;

/// Rows of the measured aggregation: 16 MiB, some milliseconds on the slowest adapter that is worth using.
const ROWS: i32 = 4 << 20;

/// Each measurement is the best of so many; the first compiles.
const RUNS: usize = 4;

/// Counts up when the meaning of a number changes.
const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    version: u32,
    adapter: String,
    constants: Constants,
}

/// The adapter's constants: from the cache, measured, or the defaults where measuring fails (the first query will say why).
pub(super) fn constants(device: &Device) -> Constants {
    let file = file(device);
    let key = key(device);
    if let Some(stored) = file.as_ref().and_then(|file| load(file, &key)) {
        return stored;
    }
    match measure(device) {
        Ok(constants) => {
            if let Some(file) = &file {
                store(file, &Stored { version: VERSION, adapter: key, constants });
            }
            constants
        }
        Err(error) => {
            tracing::warn!(%error, "calibration failed");
            Constants::default()
        }
    }
}

fn key(device: &Device) -> String {
    format!("{} [{}]", device.name(), device.tier().name())
}

fn file(device: &Device) -> Option<PathBuf> {
    let name: String =
        key(device).chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect();
    Some(cache_folder()?.join(format!("cost-{name}.json")))
}

/// `PILASTER_CACHE_DIR`, else `pilaster` in the user's cache folder.
fn cache_folder() -> Option<PathBuf> {
    let folder =
        |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    folder("PILASTER_CACHE_DIR")
        .or_else(|| folder("XDG_CACHE_HOME").map(|cache| cache.join("pilaster")))
        .or_else(|| folder("LOCALAPPDATA").map(|cache| cache.join("pilaster")))
        .or_else(|| folder("HOME").map(|home| home.join(".cache/pilaster")))
}

fn load(file: &PathBuf, key: &str) -> Option<Constants> {
    let stored: Stored = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    let valid = stored.version == VERSION && stored.adapter == key && stored.constants.are_sane();
    valid.then_some(stored.constants)
}

fn store(file: &PathBuf, stored: &Stored) {
    let write = || {
        std::fs::create_dir_all(file.parent()?).ok()?;
        // Renamed into place: another process never reads half a file.
        let draft = file.with_extension(format!("{}.tmp", std::process::id()));
        std::fs::write(&draft, serde_json::to_vec_pretty(stored).ok()?).ok()?;
        std::fs::rename(&draft, file).ok()
    };
    if write().is_none() {
        tracing::debug!(file = %file.display(), "calibration not kept");
    }
}

fn measure(device: &Device) -> Result<Constants> {
    let bytes = f64::from(ROWS) * 4.0;
    let small_upload = best(device, &upload(4))?;
    let large_upload = best(device, &upload(ROWS as usize * 4))?;
    let small_sum = best(device, &sum(device, 1 << 10)?)?;
    let large_sum = best(device, &sum(device, ROWS)?)?;
    let bus_s = (large_upload - small_upload).max(1e-6);
    let pass_s = (large_sum - small_sum - bus_s).max(bytes / 10e12);
    let constants = Constants {
        round_trip_s: small_sum.max(1e-6),
        bus_bytes_per_s: bytes / bus_s,
        device_bytes_per_s: bytes / pass_s,
        ..Constants::default()
    };
    tracing::debug!(adapter = device.name(), ?constants, "calibrated");
    Ok(constants)
}

fn best(device: &Device, program: &Program) -> Result<f64> {
    let run = |_| {
        let start = Instant::now();
        device.run(program, &Cancellation::new()).map(|_| start.elapsed().as_secs_f64())
    };
    (0..RUNS).map(run).try_fold(f64::INFINITY, |best, time| Ok(best.min(time?)))
}

/// An upload, and a word of it back.
fn upload(bytes: usize) -> Program {
    let mut program = Program::new("calibrate/upload");
    let pieces = vec![(0, Buffer::from(vec![1u8; bytes]))];
    let buffer = program.buffer("bytes", bytes as u64, BufferInit::Upload(pieces));
    program.read_back(buffer, 0, 4);
    program
}

/// A sum over one column.
fn sum(device: &Device, rows: i32) -> Result<Program> {
    let column: ArrayRef = Arc::new(Int32Array::from_iter_values(0..rows));
    let binding_bytes = device.tier().binding_bytes;
    let columns = pack(&[&[column]], &[DataType::Int32], &[0], binding_bytes)?;
    let operand = Expr::column(0, DataType::Int32);
    let aggregates = vec![Aggregate::new(AggregateFunction::Sum, vec![operand], DataType::Int64)];
    let spec = AggregateSpec { predicate: None, keys: Vec::new(), aggregates, float_sum: FloatSum::Fast };
    GpuAggregate::new(&spec, &columns, device.tier(), GpuAggregateSettings::default())?.program(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_calibration_is_read_back_and_a_broken_one_is_not_believed() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("deep/cost.json");
        let constants = Constants { bus_bytes_per_s: 3e9, ..Constants::default() };
        store(&file, &Stored { version: VERSION, adapter: "a".into(), constants });
        assert_eq!(load(&file, "a"), Some(constants));
        assert_eq!(load(&file, "another adapter"), None);
        let text = std::fs::read_to_string(&file).expect("what was stored");
        let older = text.replace("\"version\": 1", "\"version\": 0");
        let negative = text.replace("3000000000.0", "-3.0");
        assert!(older != text && negative != text, "{text}");
        for broken in ["", "{", "null", "\u{0}\u{1}", &text[..text.len() / 2], &older, &negative] {
            std::fs::write(&file, broken).expect("a broken file");
            assert_eq!(load(&file, "a"), None, "{broken}");
        }
        assert_eq!(load(&folder.path().join("absent"), "a"), None);
    }
}
