//! Runs a property: the same cases every time, unless a seed is given.

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

/// Cases of a property that usually has `usual`: `PILASTER_TEST_CASES` is a percentage.
#[must_use]
pub fn cases(usual: u32) -> u32 {
    let percent = std::env::var("PILASTER_TEST_CASES")
        .ok()
        .map(|value| value.parse::<u64>().expect("PILASTER_TEST_CASES is a percentage, such as 100"));
    let cases = percent.map_or(u64::from(usual), |percent| u64::from(usual) * percent / 100);
    u32::try_from(cases).unwrap_or(u32::MAX).max(1)
}

/// The seed of all properties: `PILASTER_TEST_SEED`, or one that is fixed.
#[must_use]
pub fn seed() -> u64 {
    let seed = std::env::var("PILASTER_TEST_SEED").ok();
    seed.map_or(0x9117_a57e_0000_0001, |value| value.parse().expect("PILASTER_TEST_SEED is a number"))
}

/// Checks `property` on `usual` cases of `strategy`, and shrinks the first that fails.
///
/// # Panics
/// Where a case fails, with the smallest one found.
pub fn check<S: Strategy>(
    name: &str,
    usual: u32,
    strategy: &S,
    property: impl Fn(&S::Value) -> Result<(), String>,
) {
    let config =
        Config { cases: cases(usual), failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    let mut bytes = [0; 32];
    for (at, byte) in name.bytes().enumerate() {
        bytes[8 + at % 24] ^= byte.rotate_left(at as u32 / 24);
    }
    bytes[..8].copy_from_slice(&seed().to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let outcome = runner.run(strategy, |case| property(&case).map_err(TestCaseError::fail));
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, case)) => panic!("{name}: {reason}\nsmallest case: {case:#?}"),
        Err(TestError::Abort(reason)) => panic!("{name} gave up: {reason}"),
    }
}
