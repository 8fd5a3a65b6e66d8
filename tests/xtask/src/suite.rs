//! The whole test run: unit tests, doctests, integration tests, then the property tests once per device profile and
//! subgroup width. Ends with the number of tests and of skips, each skip with its reason.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Failure, lavapipe, pyarrow};

/// One run of the property tests: a device profile on lavapipe at a vector width (bits; subgroups are a 32nd of it).
struct Round {
    profile: &'static str,
    vector_bits: &'static str,
}

/// The first runs with the whole workspace; the others repeat the property tests only, and the baseline what the scan
/// decodes on a device.
const ROUNDS: [Round; 6] = [
    Round { profile: "full", vector_bits: "256" },
    Round { profile: "baseline", vector_bits: "256" },
    Round { profile: "int64", vector_bits: "256" },
    Round { profile: "subgroups", vector_bits: "128" },
    Round { profile: "subgroups", vector_bits: "256" },
    Round { profile: "subgroups", vector_bits: "512" },
];

const PROPERTIES: &[&str] = &["--workspace", "--test", "properties", "--no-fail-fast"];
const SCAN_ON_DEVICE: &[&str] = &["--workspace", "--test", "scan", "--no-fail-fast", "--", "on_device::"];

#[derive(Default)]
struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
}

/// Runs everything; fails if any test did.
pub fn run() -> Result<(), Failure> {
    let driver = lavapipe::ensure()?;
    let python = pyarrow::ensure()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let work = root.join("target/xtask");
    std::fs::create_dir_all(&work).map_err(|error| format!("{}: {error}", work.display()))?;
    let skips = work.join("skips.txt");
    File::create(&skips).map_err(|error| format!("{}: {error}", skips.display()))?;

    let mut counts = Counts::default();
    let mut broken = Vec::new();
    for (index, round) in ROUNDS.iter().enumerate() {
        // Always the whole workspace: a part of it would be built anew, with fewer features of its dependencies.
        let scopes: &[&[&str]] = match (index, round.profile) {
            (0, _) => &[&["--workspace", "--no-fail-fast"]],
            (_, "baseline") => &[PROPERTIES, SCAN_ON_DEVICE],
            _ => &[PROPERTIES],
        };
        let name = format!("profile {}, vectors of {} bits", round.profile, round.vector_bits);
        for scope in scopes {
            println!("== {name}: cargo test {}", scope.join(" "));
            let mut command = Command::new(env!("CARGO"));
            command.current_dir(&root).arg("test").args(*scope);
            set_environment(&mut command, round, &driver, &skips, &work);
            command.env("PILASTER_TEST_PYARROW", &python);
            if !count(command, &mut counts)? {
                broken.push(name.clone());
            }
        }
    }
    conclude(&counts, &broken, &skips)
}

fn set_environment(command: &mut Command, round: &Round, driver: &Path, skips: &Path, work: &Path) {
    let mesa_cache =
        std::env::var_os("MESA_SHADER_CACHE_DIR").map_or_else(|| work.join("mesa"), PathBuf::from);
    command
        .env("VK_DRIVER_FILES", driver)
        .env("LP_NATIVE_VECTOR_WIDTH", round.vector_bits)
        .env("MESA_SHADER_CACHE_DIR", mesa_cache)
        .env("PILASTER_CACHE_DIR", work.join("pilaster"))
        .env("PILASTER_TEST_PROFILE", round.profile)
        .env("PILASTER_TEST_GPU", "required")
        .env("PILASTER_TEST_SKIPS", skips);
}

/// Runs `command`, passes its output on and adds up its `test result:` lines. False where it failed.
fn count(mut command: Command, counts: &mut Counts) -> Result<bool, Failure> {
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| format!("cargo test: {error}"))?;
    let output = child.stdout.take().ok_or("cargo test: no output")?;
    for line in BufReader::new(output).lines() {
        let line = line.map_err(|error| format!("cargo test: {error}"))?;
        println!("{line}");
        if let Some(result) = line.strip_prefix("test result: ") {
            counts.passed += number_before(result, " passed");
            counts.failed += number_before(result, " failed");
            counts.ignored += number_before(result, " ignored");
        }
    }
    let status = child.wait().map_err(|error| format!("cargo test: {error}"))?;
    Ok(status.success())
}

fn number_before(text: &str, word: &str) -> u64 {
    let before = text.split(word).next().unwrap_or_default();
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

fn conclude(counts: &Counts, broken: &[String], skips: &Path) -> Result<(), Failure> {
    let reasons = std::fs::read_to_string(skips).map_err(|error| format!("{}: {error}", skips.display()))?;
    let skipped = reasons.lines().count() as u64 + counts.ignored;
    println!("\n== all rounds");
    for reason in reasons.lines() {
        println!("skipped: {reason}");
    }
    if counts.ignored > 0 {
        println!("skipped: {} tests marked as ignored", counts.ignored);
    }
    println!("{} passed, {} failed, {skipped} skipped", counts.passed, counts.failed);
    if broken.is_empty() && counts.failed == 0 && counts.passed > 0 {
        Ok(())
    } else {
        Err(format!("failed in: {}", broken.join("; ")))
    }
}

#[cfg(test)]
mod tests {
    use super::number_before;

    #[test]
    fn result_lines_are_counted() {
        let line = "ok. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        assert_eq!(number_before(line, " passed"), 12);
        assert_eq!(number_before(line, " failed"), 3);
        assert_eq!(number_before(line, " ignored"), 1);
    }
}
