//! Pipelines, morsels, cancellation.

mod cancel;
mod execution;
mod output;

pub use cancel::Cancellation;
pub use execution::Execution;
