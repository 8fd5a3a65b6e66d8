//! Device buffers, kept for the next program: fresh ones cost a page fault per page, or a driver call.
//!
//! Sizes are rounded up to classes an eighth of a power of two apart, so that at most an eighth is wasted and programs
//! over batches of similar size share buffers. All bytes, in use or kept, are reserved from one budget; kept buffers
//! are given up before a reservation is refused. A buffer comes with whatever its last user left in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use pilaster_kernels::{Backend, Error, Result};
use wgpu::BufferUsages;

use super::connection::Connection;
use super::fault::Faults;
use super::pipeline::BindGroups;
use crate::memory::Budget;

/// Smallest class: a driver's own granularity.
const SMALLEST_BYTES: u64 = 256;

/// What programs do with buffers.
const USAGE: BufferUsages = BufferUsages::STORAGE
    .union(BufferUsages::INDIRECT)
    .union(BufferUsages::COPY_SRC)
    .union(BufferUsages::COPY_DST);

/// A device buffer and its identity, which keys bind groups.
pub(super) struct Pooled {
    pub(super) id: u64,
    pub(super) buffer: wgpu::Buffer,
    bytes: u64,
}

/// The pool.
pub(super) struct Pool {
    budget: Arc<Budget>,
    max_buffer_bytes: u64,
    kept: Mutex<Vec<Pooled>>,
    next_id: AtomicU64,
}

impl Pool {
    pub(super) fn new(budget: Arc<Budget>, max_buffer_bytes: u64) -> Self {
        Pool { budget, max_buffer_bytes, kept: Mutex::default(), next_id: AtomicU64::new(0) }
    }

    pub(super) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Buffers of at least these sizes, returned to the pool when dropped.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] from the budget or from the driver; nothing is held then.
    pub(super) fn take_all<'a>(
        &'a self,
        connection: &'a Connection,
        bind_groups: &BindGroups,
        faults: &Faults,
        sizes: impl Iterator<Item = u64>,
    ) -> Result<Lease<'a>> {
        let mut lease = Lease { pool: self, connection, buffers: Vec::new() };
        for bytes in sizes {
            lease.buffers.push(self.take(connection, bind_groups, faults, bytes)?);
        }
        Ok(lease)
    }

    fn take(
        &self,
        connection: &Connection,
        bind_groups: &BindGroups,
        faults: &Faults,
        bytes: u64,
    ) -> Result<Pooled> {
        let bytes = class_bytes(bytes, self.max_buffer_bytes);
        if let Some(kept) = self.take_kept(bytes) {
            return Ok(kept);
        }
        self.reserve(bytes, bind_groups)?;
        let limit_bytes = self.budget.limit_bytes();
        let created = connection.scoped("allocate", [bytes, limit_bytes], || {
            if faults.fails_allocation() {
                return Err(Error::OutOfMemory { backend: Backend::Gpu, asked_bytes: bytes, limit_bytes });
            }
            let descriptor =
                wgpu::BufferDescriptor { label: None, size: bytes, usage: USAGE, mapped_at_creation: false };
            Ok(connection.device.create_buffer(&descriptor))
        });
        match created {
            Ok(buffer) => Ok(Pooled { id: self.next_id.fetch_add(1, Ordering::Relaxed), buffer, bytes }),
            Err(error) => {
                self.budget.shrink(bytes);
                Err(error)
            }
        }
    }

    /// The buffer of this class that was returned last.
    fn take_kept(&self, bytes: u64) -> Option<Pooled> {
        let mut kept = self.kept.lock();
        let at = kept.iter().rposition(|pooled| pooled.bytes == bytes)?;
        Some(kept.remove(at))
    }

    /// Reserves, giving up kept buffers, longest unused first, while the budget refuses.
    fn reserve(&self, bytes: u64, bind_groups: &BindGroups) -> Result<()> {
        loop {
            let refused = match self.budget.try_grow(bytes) {
                Ok(()) => return Ok(()),
                Err(refused) => refused,
            };
            let mut kept = self.kept.lock();
            if kept.is_empty() {
                return Err(refused);
            }
            let given_up = kept.remove(0);
            drop(kept);
            // Bind groups keep their buffers alive.
            bind_groups.forget(given_up.id);
            self.budget.shrink(given_up.bytes);
        }
    }
}

/// Buffers of a running program.
pub(super) struct Lease<'a> {
    pool: &'a Pool,
    connection: &'a Connection,
    pub(super) buffers: Vec<Pooled>,
}

impl Lease<'_> {
    /// Bytes held, rounding included.
    pub(super) fn bytes(&self) -> u64 {
        self.buffers.iter().map(|pooled| pooled.bytes).sum()
    }
}

impl Drop for Lease<'_> {
    /// The queue works in order: a buffer whose work is still running may be handed out again, because whatever its
    /// next user does comes after. Reversed, so that the same program gets the same buffers and finds its bind groups.
    fn drop(&mut self) {
        let usable = self.connection.lost().is_none();
        for pooled in self.buffers.drain(..).rev() {
            if usable {
                self.pool.kept.lock().push(pooled);
            } else {
                self.pool.budget.shrink(pooled.bytes);
            }
        }
    }
}

/// `bytes` rounded up to its class, not over `max` unless `bytes` is.
fn class_bytes(bytes: u64, max: u64) -> u64 {
    let step = (bytes.max(1).next_power_of_two() / 16).max(SMALLEST_BYTES);
    let class = bytes.max(1).next_multiple_of(step);
    if class > max { bytes.next_multiple_of(4) } else { class }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_what_was_asked_and_waste_little() {
        for bytes in [0, 1, 4, 255, 256, 257, 5_000, 1 << 20, (1 << 20) + 4, 100_000_000, 1 << 31] {
            let class = class_bytes(bytes, u64::MAX);
            assert!(class >= bytes && class.is_multiple_of(4) && class > 0);
            assert!(class - bytes <= (bytes / 8).max(SMALLEST_BYTES), "{bytes} -> {class}");
            assert_eq!(class_bytes(class, u64::MAX), class);
        }
    }

    #[test]
    fn a_class_never_passes_the_largest_buffer() {
        let max = (1 << 31) - 1;
        assert_eq!(class_bytes(max - 3, max), max - 3);
        assert!(class_bytes(1_900_000_004, max) <= max);
    }
}
