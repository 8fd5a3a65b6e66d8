//! `pilaster bench micro`: one operator at a time, ours beside another library's.

mod aggregate;
mod float_sums;
mod parquet;
mod timing;

use crate::Failure;
use crate::args::{MicroArgs, MicroSuite};

/// Runs a suite; an error if a result was wrong or a run failed.
pub fn run(args: &MicroArgs) -> Result<(), Failure> {
    match args.suite {
        MicroSuite::Aggregate => aggregate::run(args),
        MicroSuite::FloatSums => float_sums::run(args),
        MicroSuite::Parquet => parquet::run(args),
    }
}
