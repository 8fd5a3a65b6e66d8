//! Where each pipeline runs, and the report that says so.

mod report;

pub use report::{OperatorReport, Outcome, PipelineReport, Report};
