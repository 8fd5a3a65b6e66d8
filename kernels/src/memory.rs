//! How a kernel asks for memory before it uses it.

use std::sync::Arc;

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

/// What one growing structure holds of a budget. Given back when it is dropped.
#[derive(Debug)]
pub struct Grant {
    memory: Arc<dyn Reserve>,
    bytes: u64,
}

impl Grant {
    /// Holds nothing yet.
    #[must_use]
    pub fn new(memory: Arc<dyn Reserve>) -> Self {
        Self { memory, bytes: 0 }
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Holds `bytes` more.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]; what was held stays held.
    pub fn grow(&mut self, bytes: u64) -> Result<()> {
        self.memory.try_grow(bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Gives `bytes` of what is held back.
    pub fn shrink(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.memory.shrink(bytes);
        self.bytes -= bytes;
    }

    /// Makes room for `additional` items in `items`, at least doubling it, after holding the bytes that this takes.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]; `items` is unchanged then.
    pub fn reserve<T>(&mut self, items: &mut Vec<T>, additional: usize) -> Result<()> {
        let needed = items.len().saturating_add(additional);
        if needed <= items.capacity() {
            return Ok(());
        }
        let capacity = needed.max(items.capacity().saturating_mul(2));
        self.grow(((capacity - items.capacity()) as u64).saturating_mul(size_of::<T>() as u64))?;
        items.reserve_exact(capacity - items.len());
        Ok(())
    }

    /// [`Vec::resize`] within the budget; never shrinks.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]; `items` is unchanged then.
    pub fn resize<T: Clone>(&mut self, items: &mut Vec<T>, len: usize, value: T) -> Result<()> {
        if len > items.len() {
            self.reserve(items, len - items.len())?;
            items.resize(len, value);
        }
        Ok(())
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.memory.shrink(self.bytes);
    }
}
