//! Where each pipeline runs, and the report that says so.
//!
//! ```text
//! backend setting -> adapter -> kernels for every operator -> (auto) estimate: CPU against GPU -> placement
//! ```

mod calibrate;
mod decide;
mod model;
mod report;

pub(crate) use decide::{Placement, Size, Target, decide};
pub(crate) use model::CostModel;
pub use report::{OperatorReport, Outcome, PipelineReport, Report};
