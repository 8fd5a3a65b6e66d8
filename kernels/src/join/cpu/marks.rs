//! Which build rows have met a partner: one bit each, set by any thread.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bits that are only ever set. They are read once all threads that set them are done, which the host's join of these
/// threads orders; so relaxed operations do.
#[derive(Debug, Default)]
pub(super) struct Marks {
    words: Vec<AtomicU64>,
}

impl Marks {
    pub(super) fn new(rows: usize) -> Self {
        Self { words: std::iter::repeat_with(AtomicU64::default).take(rows.div_ceil(64)).collect() }
    }

    #[inline]
    pub(super) fn get(&self, row: usize) -> bool {
        self.words[row / 64].load(Ordering::Relaxed) >> (row % 64) & 1 != 0
    }

    /// A set bit is not written again: a key that many probe rows have would move its line between cores.
    #[inline]
    pub(super) fn set(&self, row: usize) {
        if !self.get(row) {
            self.words[row / 64].fetch_or(1 << (row % 64), Ordering::Relaxed);
        }
    }
}
