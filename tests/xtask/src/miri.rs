//! What is `unsafe` in the kernels, interpreted by Miri on a nightly toolchain.
//!
//! Miri knows the instruction sets that the target's baseline has: the portable loops run, with all that is `unsafe` in them
//! and behind them (unchecked indices, arrays made without checks, bytes copied beyond a value's end). What is written for AVX2
//! and AVX-512 is compared with these loops by the usual tests.

use std::path::Path;
use std::process::Command;

use crate::Failure;

/// Tests that get to it, and that Miri ends within minutes.
const TESTS: [&str; 3] = ["simd::", "parquet::spread::", "parquet::leaf::tests::strings::a_border"];

/// Interprets the tests.
pub fn run() -> Result<(), Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let status = Command::new("cargo")
        .current_dir(root)
        .args(["+nightly", "miri", "test", "--package", "pilaster-kernels", "--lib", "--"])
        .args(TESTS)
        // Property tests look for their files of failed cases.
        .env("MIRIFLAGS", "-Zmiri-disable-isolation")
        .env("PROPTEST_CASES", "16")
        // This cargo's choice of toolchain is not to be inherited.
        .env_remove("RUSTUP_TOOLCHAIN")
        .status();
    let status = status.map_err(|error| format!("cargo miri: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("cargo miri: {status}; `rustup component add miri rust-src --toolchain nightly`"))
    }
}
