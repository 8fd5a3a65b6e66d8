use std::sync::Arc;

use pilaster_kernels::{Backend, Error};

use super::*;

#[test]
fn refuses_past_the_limit_and_reserves_nothing_then() {
    let budget = Arc::new(Budget::new(Backend::Cpu, 100));
    let held = budget.reserve(60).unwrap();
    let refused = budget.reserve(41).unwrap_err();
    assert!(matches!(
        refused,
        Error::OutOfMemory { backend: Backend::Cpu, asked_bytes: 41, limit_bytes: 100 }
    ));
    assert_eq!(budget.reserved(), 60);
    assert!(budget.try_grow(u64::MAX).is_err());
    drop(held);
    assert_eq!((budget.reserved(), budget.peak()), (0, 60));
}

#[test]
fn a_reservation_gives_back_what_it_holds() {
    let budget = Arc::new(Budget::new(Backend::Gpu, 100));
    let mut held = budget.reserve(10).unwrap();
    held.resize(70).unwrap();
    assert!(held.resize(101).is_err());
    assert_eq!(held.bytes(), 70);
    held.resize(30).unwrap();
    held.shrink(1000);
    assert_eq!((held.bytes(), budget.reserved(), budget.available()), (0, 0, 100));
}

#[test]
fn a_child_counts_above_and_returns_all_on_drop() {
    let session = Arc::new(Budget::new(Backend::Cpu, 100));
    let first = session.child();
    let second = session.child();
    first.try_grow(70).unwrap();
    assert!(second.try_grow(31).is_err());
    assert_eq!((second.reserved(), session.reserved(), second.available()), (0, 70, 30));
    second.try_grow(30).unwrap();
    second.shrink(1_000);
    assert_eq!(session.reserved(), 70);
    drop(first);
    assert_eq!((session.reserved(), session.peak()), (0, 100));
}

#[test]
fn threads_never_exceed_the_limit() {
    let budget = Arc::new(Budget::new(Backend::Cpu, 1_000));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    if let Ok(held) = budget.reserve(300) {
                        assert!(budget.reserved() <= 1_000);
                        drop(held);
                    }
                }
            });
        }
    });
    assert_eq!(budget.reserved(), 0);
    assert!(budget.peak() <= 1_000);
}
