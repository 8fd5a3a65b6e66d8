//! Pipelines, morsels, cancellation.

mod cancel;

pub use cancel::Cancellation;
