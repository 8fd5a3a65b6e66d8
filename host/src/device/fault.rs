//! Faults on purpose: how tests see what a lost device or a refused allocation leads to.

use std::sync::atomic::{AtomicI64, Ordering};

/// What is to go wrong. Each fault happens once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The device is destroyed in the midst of a program: before its next stage once this many more are encoded.
    LoseAfterStages(u32),
    /// The allocation after this many more fails like one that the driver refuses.
    FailAllocation(u32),
}

/// Faults still to come, as count-downs; none where negative.
pub(super) struct Faults {
    stages: AtomicI64,
    allocations: AtomicI64,
}

impl Faults {
    pub(super) fn none() -> Self {
        Faults { stages: AtomicI64::new(-1), allocations: AtomicI64::new(-1) }
    }

    pub(super) fn inject(&self, fault: Fault) {
        match fault {
            Fault::LoseAfterStages(count) => self.stages.store(i64::from(count), Ordering::Release),
            Fault::FailAllocation(count) => self.allocations.store(i64::from(count), Ordering::Release),
        }
    }

    /// Asked before each stage.
    pub(super) fn loses_device(&self) -> bool {
        count_down(&self.stages)
    }

    /// Asked at each allocation.
    pub(super) fn fails_allocation(&self) -> bool {
        count_down(&self.allocations)
    }
}

/// Counts down; true on reaching the end, once.
fn count_down(counter: &AtomicI64) -> bool {
    if counter.load(Ordering::Acquire) < 0 {
        return false;
    }
    counter.fetch_sub(1, Ordering::AcqRel) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_happens_once_and_on_time() {
        let faults = Faults::none();
        assert!(!faults.loses_device());
        faults.inject(Fault::LoseAfterStages(2));
        let seen: Vec<bool> = (0..5).map(|_| faults.loses_device()).collect();
        assert_eq!(seen, [false, false, true, false, false]);
        assert!(!faults.fails_allocation());
    }
}
