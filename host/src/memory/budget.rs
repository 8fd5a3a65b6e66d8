//! A limit in bytes, what is reserved of it, and the most that ever was.

use std::sync::atomic::{AtomicU64, Ordering};

use pilaster_kernels::memory::Reserve;
use pilaster_kernels::{Backend, Error, Result};

/// Bytes that may be reserved on one backend. Shared by reference; all methods may be called from any thread.
///
/// ```
/// use pilaster::{Backend, memory::Budget};
/// let budget = Budget::new(Backend::Cpu, 100);
/// budget.try_grow(60)?;
/// assert!(budget.try_grow(60).is_err());
/// budget.shrink(60);
/// assert_eq!((budget.reserved(), budget.peak()), (0, 60));
/// # Ok::<(), pilaster::Error>(())
/// ```
#[derive(Debug)]
pub struct Budget {
    backend: Backend,
    limit_bytes: u64,
    reserved_bytes: AtomicU64,
    peak_bytes: AtomicU64,
}

impl Budget {
    /// A budget with nothing reserved.
    #[must_use]
    pub fn new(backend: Backend, limit_bytes: u64) -> Self {
        Budget { backend, limit_bytes, reserved_bytes: AtomicU64::new(0), peak_bytes: AtomicU64::new(0) }
    }

    /// Reserves `bytes` more.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] where the limit would be passed; nothing is reserved then.
    pub fn try_grow(&self, bytes: u64) -> Result<()> {
        let grown = self.reserved_bytes.fetch_update(Ordering::AcqRel, Ordering::Acquire, |reserved| {
            reserved.checked_add(bytes).filter(|total| *total <= self.limit_bytes)
        });
        match grown {
            Ok(before) => {
                self.peak_bytes.fetch_max(before + bytes, Ordering::AcqRel);
                Ok(())
            }
            Err(_) => Err(Error::OutOfMemory {
                backend: self.backend,
                asked_bytes: bytes,
                limit_bytes: self.limit_bytes,
            }),
        }
    }

    /// Gives back `bytes` that were reserved before.
    pub fn shrink(&self, bytes: u64) {
        let shrunk = self
            .reserved_bytes
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |reserved| Some(reserved.saturating_sub(bytes)));
        debug_assert!(shrunk.is_ok_and(|before| before >= bytes), "gave back more than was reserved");
    }

    /// Bytes reserved now.
    #[must_use]
    pub fn reserved(&self) -> u64 {
        self.reserved_bytes.load(Ordering::Acquire)
    }

    /// The most that was ever reserved.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.peak_bytes.load(Ordering::Acquire)
    }

    /// The limit.
    #[must_use]
    pub fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }
}

impl Reserve for Budget {
    fn try_grow(&self, bytes: u64) -> Result<()> {
        Budget::try_grow(self, bytes)
    }

    fn shrink(&self, bytes: u64) {
        Budget::shrink(self, bytes);
    }
}
