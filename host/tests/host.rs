//! Integration tests of the host crate, in one binary: linking is the slow part.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests: helpers fail the test that calls them")]

#[path = "host/device/mod.rs"]
mod device;
#[path = "host/plan.rs"]
mod plan;
#[path = "host/prune.rs"]
mod prune;
#[path = "host/random.rs"]
mod random;
#[path = "host/run/mod.rs"]
mod run;
#[path = "host/scan.rs"]
mod scan;
