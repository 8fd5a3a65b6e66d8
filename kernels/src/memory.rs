//! How a kernel asks for memory before it uses it.

use crate::error::Result;

/// A budget that a growing structure reserves from. The host implements it; kernels only ask.
pub trait Reserve: std::fmt::Debug + Send + Sync {
    /// Reserves `bytes` more.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]; nothing is reserved then.
    fn try_grow(&self, bytes: u64) -> Result<()>;
    /// Gives `bytes` back, which were reserved before.
    fn shrink(&self, bytes: u64);
}

/// No limit: for tests, and for callers that bound memory elsewhere.
#[derive(Debug, Default, Clone, Copy)]
pub struct Unlimited;

impl Reserve for Unlimited {
    fn try_grow(&self, _bytes: u64) -> Result<()> {
        Ok(())
    }

    fn shrink(&self, _bytes: u64) {}
}
