//! What did not run, and why. `PILASTER_TEST_SKIPS` names a file that takes one line per skip; the test run counts them.

use std::io::Write as _;

/// Says that `test` (or a part of it) did not run.
///
/// # Panics
/// Where the skip cannot be counted.
pub fn skip(test: &str, reason: &str) {
    println!("SKIPPED: {test}: {reason}");
    if let Some(path) = std::env::var_os("PILASTER_TEST_SKIPS") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| writeln!(file, "{test}: {reason}")).expect("a skip is counted");
    }
}
