//! Our errors as DataFusion's: the variant that its callers match on, with our error inside.

use arrow::error::ArrowError;
use datafusion_common::DataFusionError;
use pilaster::Error;

/// Wraps an error of ours. The original can be had back by downcasting [`DataFusionError::External`]'s content.
#[must_use]
pub fn to_datafusion(error: Error) -> DataFusionError {
    match error {
        Error::OutOfMemory { .. } => DataFusionError::ResourcesExhausted(error.to_string()),
        Error::DivideByZero { .. } => DataFusionError::ArrowError(Box::new(ArrowError::DivideByZero), None),
        other => DataFusionError::External(Box::new(other)),
    }
}
