//! A limit in bytes, what is reserved of it, and the most that ever was.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pilaster_kernels::memory::Reserve;
use pilaster_kernels::{Backend, Error, Result};

/// Bytes that may be reserved on one backend, and that are. Counts only: nothing is allocated here. Shared by reference;
/// all methods may be called from any thread.
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
    reserved: AtomicU64,
    peak: AtomicU64,
    parent: Option<Arc<Budget>>,
}

impl Budget {
    /// A budget of `limit_bytes` for host ([`Backend::Cpu`]) or device ([`Backend::Gpu`]) memory.
    #[must_use]
    pub fn new(backend: Backend, limit_bytes: u64) -> Self {
        Budget { backend, limit_bytes, reserved: AtomicU64::new(0), peak: AtomicU64::new(0), parent: None }
    }

    /// A budget whose reservations count here too, and are all given back when it is dropped.
    #[must_use]
    pub fn child(self: &Arc<Self>) -> Arc<Self> {
        self.part(self.limit_bytes)
    }

    /// A child that may hold `limit_bytes`, at most.
    #[must_use]
    pub fn part(self: &Arc<Self>, limit_bytes: u64) -> Arc<Self> {
        Arc::new(Budget {
            backend: self.backend,
            limit_bytes: limit_bytes.min(self.limit_bytes),
            reserved: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            parent: Some(Arc::clone(self)),
        })
    }

    /// Whose memory this is.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// The limit.
    #[must_use]
    pub fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    /// Bytes reserved now.
    #[must_use]
    pub fn reserved(&self) -> u64 {
        self.reserved.load(Ordering::Relaxed)
    }

    /// Largest number of bytes that were reserved at one time.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// Bytes that could still be reserved, if nobody else asks.
    #[must_use]
    pub fn available(&self) -> u64 {
        let above = self.parent.as_ref().map_or(u64::MAX, |parent| parent.available());
        above.min(self.limit_bytes.saturating_sub(self.reserved()))
    }

    /// Reserves `bytes` more.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; nothing is reserved then.
    pub fn try_grow(&self, bytes: u64) -> Result<()> {
        let grown = |reserved: u64| reserved.checked_add(bytes).filter(|sum| *sum <= self.limit_bytes);
        let before = self
            .reserved
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown)
            .map_err(|_| self.refusal(bytes))?;
        if let Some(parent) = &self.parent
            && let Err(refused) = parent.try_grow(bytes)
        {
            self.reserved.fetch_sub(bytes, Ordering::Relaxed);
            return Err(refused);
        }
        self.peak.fetch_max(before + bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Gives `bytes` back. More than what is reserved gives back all of it.
    pub fn shrink(&self, bytes: u64) {
        let less = |reserved: u64| Some(reserved.saturating_sub(bytes));
        let before = self.reserved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        let given = before.unwrap_or_default().min(bytes);
        if let Some(parent) = &self.parent {
            parent.shrink(given);
        }
    }

    /// Reserves `bytes` until the result is dropped.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn reserve(self: &Arc<Self>, bytes: u64) -> Result<Reservation> {
        let mut reservation = Reservation { budget: Arc::clone(self), bytes: 0 };
        reservation.grow(bytes)?;
        Ok(reservation)
    }

    fn refusal(&self, asked_bytes: u64) -> Error {
        Error::OutOfMemory { backend: self.backend, asked_bytes, limit_bytes: self.limit_bytes }
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

impl Drop for Budget {
    fn drop(&mut self) {
        if let Some(parent) = &self.parent {
            parent.shrink(self.reserved());
        }
    }
}

/// Reserved bytes, given back on drop.
#[derive(Debug)]
pub struct Reservation {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Reservation {
    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reserves `bytes` more.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; what was held is still held.
    pub fn grow(&mut self, bytes: u64) -> Result<()> {
        self.budget.try_grow(bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Gives `bytes` of it back, at most all.
    pub fn shrink(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.budget.shrink(bytes);
        self.bytes -= bytes;
    }

    /// Holds exactly `bytes` from now on.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; what was held is still held.
    pub fn resize(&mut self, bytes: u64) -> Result<()> {
        if bytes >= self.bytes {
            return self.grow(bytes - self.bytes);
        }
        self.shrink(self.bytes - bytes);
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.shrink(self.bytes);
    }
}
