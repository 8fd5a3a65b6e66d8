//! Buffers for pages and what is read of a file, used again and again: fresh memory is paid for page fault by page fault.
//!
//! A buffer goes out with the bytes that it holds of the task's budget; when the last array over it is dropped, the budget
//! gets its bytes back and the pool the buffer. What lies idle is bounded, and goes with the scan.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use parking_lot::Mutex;
use pilaster_kernels::memory::{Grant, Reserve};
use pilaster_kernels::{Error, Result};

/// Bytes that may lie idle, in all: a row group of some megabytes and its pages for each of a dozen threads.
const IDLE_BYTES: usize = 64 << 20;
/// Buffers are of so many bytes, or multiples of it, so that pages of about one size share them.
const GRAIN: usize = 16 << 10;
/// A buffer is not given to a page that would leave more than this share of it unused.
const WASTE: usize = 4;

/// Shared by the readers of a scan.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    idle: Mutex<Idle>,
}

#[derive(Debug, Default)]
struct Idle {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl Pool {
    /// A buffer of `len` bytes, which `fill` writes in full, reserved from `reserve` before it is taken.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] where the budget refuses, and what `fill` raises.
    pub(crate) fn buffer(
        self: &Arc<Self>,
        len: usize,
        reserve: &Arc<dyn Reserve>,
        fill: impl FnOnce(&mut [u8]) -> Result<(), Error>,
    ) -> Result<Bytes> {
        let size = len.next_multiple_of(GRAIN);
        let mut grant = Grant::new(Arc::clone(reserve));
        let idle = self.take(size);
        grant.grow(idle.as_ref().map_or(size, Vec::len) as u64)?;
        let bytes = idle.unwrap_or_else(|| vec![0; size]);
        let mut page = Pooled { bytes, len, pool: Arc::downgrade(self), _grant: grant };
        fill(&mut page.bytes[..len])?;
        Ok(Bytes::from_owner(page))
    }

    /// The smallest idle buffer that serves.
    fn take(&self, size: usize) -> Option<Vec<u8>> {
        let mut idle = self.idle.lock();
        let serves = |buffer: &Vec<u8>| (size..=size.saturating_mul(WASTE)).contains(&buffer.len());
        let candidates = idle.buffers.iter().enumerate().filter(|(_, buffer)| serves(buffer));
        let (index, _) = candidates.min_by_key(|(_, buffer)| buffer.len())?;
        let buffer = idle.buffers.swap_remove(index);
        idle.bytes -= buffer.len();
        Some(buffer)
    }

    fn give(&self, buffer: Vec<u8>) {
        let mut idle = self.idle.lock();
        if idle.bytes + buffer.len() <= IDLE_BYTES {
            idle.bytes += buffer.len();
            idle.buffers.push(buffer);
        }
    }
}

/// A buffer that is out.
struct Pooled {
    /// All of it initialised, by this page or an earlier one.
    bytes: Vec<u8>,
    len: usize,
    pool: Weak<Pool>,
    _grant: Grant,
}

impl AsRef<[u8]> for Pooled {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.give(std::mem::take(&mut self.bytes));
        }
    }
}

/// Bytes of a file together with what they hold of a budget.
pub(crate) fn held(bytes: Bytes, grant: Grant) -> Bytes {
    struct Held {
        bytes: Bytes,
        _grant: Grant,
    }
    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            &self.bytes
        }
    }
    Bytes::from_owner(Held { bytes, _grant: grant })
}
