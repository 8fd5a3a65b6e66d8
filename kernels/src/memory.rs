//! How a kernel asks for memory before it uses it, and where it puts what does not fit.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::error::Result;

mod file;

pub use file::SpillFile;

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
///
/// A structure that cannot be left half changed asks ahead: [`Grant::ahead`] holds bytes that are not used yet, and what
/// grows takes them before it asks for more.
#[derive(Debug)]
pub struct Grant {
    memory: Arc<dyn Reserve>,
    /// In use.
    bytes: u64,
    /// Held, and not in use.
    ahead: u64,
}

impl Grant {
    /// Holds nothing yet.
    #[must_use]
    pub fn new(memory: Arc<dyn Reserve>) -> Self {
        Self { memory, bytes: 0, ahead: 0 }
    }

    /// Bytes in use.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Holds at least `bytes` that are not in use.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]; what was held stays held.
    pub fn ahead(&mut self, bytes: u64) -> Result<()> {
        if bytes > self.ahead {
            self.memory.try_grow(bytes - self.ahead)?;
            self.ahead = bytes;
        }
        Ok(())
    }

    /// Holds `bytes` more that are not in use, beyond those that are held ahead for something else.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]; what was held stays held.
    pub fn further_ahead(&mut self, bytes: u64) -> Result<()> {
        self.memory.try_grow(bytes)?;
        self.ahead += bytes;
        Ok(())
    }

    /// Gives back what is held beyond `bytes` that are not in use.
    pub fn ahead_at_most(&mut self, bytes: u64) {
        if self.ahead > bytes {
            self.memory.shrink(self.ahead - bytes);
            self.ahead = bytes;
        }
    }

    /// Holds `bytes` more.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]; what was held stays held.
    pub fn grow(&mut self, bytes: u64) -> Result<()> {
        let held = bytes.min(self.ahead);
        self.memory.try_grow(bytes - held)?;
        self.ahead -= held;
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
        self.memory.shrink(self.bytes + self.ahead);
    }
}

/// A place for what does not fit the budget. The host implements it; kernels write whole batches, and read them again in
/// any order.
pub trait Spill: std::fmt::Debug + Send + Sync {
    /// A new file for batches of `schema`, which has no dictionaries.
    ///
    /// # Errors
    /// [`crate::Error::Io`].
    fn create(&self, schema: SchemaRef) -> Result<Box<dyn SpillWriter>>;
}

/// A file that is being written.
pub trait SpillWriter: Send {
    /// Appends a batch, whose number is that of the batches before it.
    ///
    /// # Errors
    /// [`crate::Error::Io`].
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;
    /// All batches are written.
    ///
    /// # Errors
    /// [`crate::Error::Io`].
    fn finish(self: Box<Self>) -> Result<Arc<dyn Spilled>>;
}

/// A written file. Deleted when it is dropped.
pub trait Spilled: std::fmt::Debug + Send + Sync {
    /// Batch number `batch`.
    ///
    /// # Errors
    /// [`crate::Error::Io`].
    fn read(&self, batch: usize) -> Result<RecordBatch>;
    /// Bytes on disk.
    fn bytes(&self) -> u64;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts what is reserved.
    #[derive(Debug, Default)]
    struct Counted(std::sync::atomic::AtomicU64);

    impl Reserve for Counted {
        fn try_grow(&self, bytes: u64) -> Result<()> {
            self.0.fetch_add(bytes, std::sync::atomic::Ordering::SeqCst);
            Ok(())
        }

        fn shrink(&self, bytes: u64) {
            self.0.fetch_sub(bytes, std::sync::atomic::Ordering::SeqCst);
        }
    }

    #[test]
    fn bytes_held_ahead_are_used_first() {
        let memory = Arc::new(Counted::default());
        let held = || memory.0.load(std::sync::atomic::Ordering::SeqCst);
        let mut grant = Grant::new(Arc::clone(&memory) as Arc<dyn Reserve>);
        grant.ahead(100).unwrap();
        grant.grow(60).unwrap();
        assert_eq!((grant.bytes(), held()), (60, 100));
        grant.grow(60).unwrap();
        assert_eq!((grant.bytes(), held()), (120, 120));
        grant.ahead(50).unwrap();
        grant.ahead(40).unwrap();
        assert_eq!(held(), 170);
        grant.ahead_at_most(10);
        assert_eq!(held(), 130);
        drop(grant);
        assert_eq!(held(), 0);
    }
}
