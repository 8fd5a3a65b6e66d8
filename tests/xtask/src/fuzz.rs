//! The fuzz targets of `tests/fuzz`, by cargo-fuzz on a nightly toolchain.

use std::path::Path;
use std::process::Command;

use crate::Failure;

/// What an input may have, in bytes: enough for a few pages of a few columns.
const MOST_BYTES: &str = "-max_len=8192";
/// Far above what the scan's own budget of 64 MiB leads to, so that whoever passes it did not ask.
const MEMORY_MIB: [&str; 2] = ["-rss_limit_mb=2048", "-malloc_limit_mb=256"];
/// Seconds after which an input hangs.
const HANG_S: &str = "-timeout=20";

/// Fuzzes `target` for `seconds`. New inputs go to `tests/fuzz/working`, what it finds to `tests/fuzz/artifacts`; the
/// committed corpus stays as small as it is.
pub fn run(target: Option<&str>, seconds: Option<&str>) -> Result<(), Failure> {
    let (Some(target @ ("pages" | "file")), Some(seconds)) = (target, seconds) else {
        return Err("usage: cargo xtask fuzz pages|file SECONDS".into());
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    // The versions that everything else is tested with.
    let lock = folder.join("Cargo.lock");
    std::fs::copy(folder.join("../../Cargo.lock"), &lock)
        .map_err(|error| format!("{}: {error}", lock.display()))?;
    let working = format!("working/{target}");
    std::fs::create_dir_all(folder.join(&working)).map_err(|error| format!("{working}: {error}"))?;
    let status = Command::new("cargo")
        .current_dir(&folder)
        .args(["+nightly", "fuzz", "run", "--fuzz-dir", ".", target, &working, &format!("corpus/{target}")])
        .args(["--", "-dict=parquet.dict", MOST_BYTES, HANG_S, &format!("-max_total_time={seconds}")])
        .args(MEMORY_MIB)
        // This cargo's choice of toolchain is not to be inherited.
        .env_remove("RUSTUP_TOOLCHAIN")
        .status();
    let status = status.map_err(|error| format!("cargo fuzz: {error}; `cargo install cargo-fuzz`"))?;
    if status.success() { Ok(()) } else { Err(format!("cargo fuzz run {target}: {status}")) }
}
