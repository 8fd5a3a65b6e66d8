//! Developer tasks, run as `cargo xtask <task>`:
//!
//! - `setup`: installs what the tests need on Debian and Ubuntu; elsewhere says what is missing.
//! - `test`: `setup`, then every test, the property tests once per device profile and subgroup width; ends with counts.
//! - `fuzz pages|file SECONDS`: fuzzes the Parquet decoders (needs a nightly toolchain and cargo-fuzz).
//! - `miri`: what is `unsafe` in the kernels, interpreted (needs a nightly toolchain with Miri).
//! - `single-versions`: fails unless the lock file holds one version of each crate that must be single.

mod fuzz;
mod lavapipe;
mod lock;
mod miri;
mod pyarrow;
mod sources;
mod suite;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask setup | test | fuzz | miri | single-versions";

/// What a task failed for, ready to print.
type Failure = String;

fn main() -> ExitCode {
    let task = std::env::args().nth(1).unwrap_or_default();
    let outcome = match task.as_str() {
        "setup" => setup(),
        "fuzz" => fuzz::run(std::env::args().nth(2).as_deref(), std::env::args().nth(3).as_deref()),
        "miri" => miri::run(),
        "test" => suite::run(),
        "single-versions" => lock::check(),
        _ => Err(USAGE.to_string()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn setup() -> Result<(), Failure> {
    let driver = lavapipe::ensure()?;
    println!("software adapter: {}", driver.display());
    let python = pyarrow::ensure()?;
    println!("pyarrow: {}", python.display());
    Ok(())
}
