//! Bytes that nobody vouches for, through the scan and through the page decoder: what the fuzz targets and their replay
//! in the usual tests share.
//!
//! Whatever the bytes, the outcome is right batches or a typed error: a panic, a hang, a batch that breaks Arrow's rules
//! or memory beyond the budget is a bug.

mod file;
mod pages;
pub mod seeds;

pub use file::{BUDGET_BYTES, file};
pub use pages::{Recording, pages};
