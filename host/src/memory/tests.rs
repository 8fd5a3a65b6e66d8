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

#[test]
fn spilled_files_are_read_in_any_order_and_deleted() {
    use arrow::array::{ArrayRef, Decimal256Array, ListArray, RecordBatch, StringViewArray};
    use arrow::datatypes::{Int32Type, i256};

    let folder = tempfile::tempdir().unwrap();
    let files = || std::fs::read_dir(folder.path()).unwrap().count();
    let spill = SpillFolder::new(Some(folder.path()));
    let sums = Decimal256Array::from(vec![Some(i256::MAX), None, Some(i256::MIN)])
        .with_data_type(arrow::datatypes::DataType::Decimal256(76, 0));
    let words = StringViewArray::from(vec![Some("short"), Some("longer than twelve bytes"), None]);
    let lists = vec![Some(vec![Some(1), None]), None, Some(vec![])];
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(lists);
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("sums", Arc::new(sums), true),
        ("words", Arc::new(words), true),
        ("lists", Arc::new(lists), true),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let mut writer = spill.create(batch.schema()).unwrap();
    (0..3).for_each(|row| writer.write(&batch.slice(row, 3 - row)).unwrap());
    let file = writer.finish().unwrap();
    assert_eq!((files(), file.bytes() > 0), (1, true));
    for row in [2, 0, 1, 0] {
        assert_eq!(file.read(row).unwrap(), batch.slice(row, 3 - row));
    }
    assert!(matches!(file.read(3), Err(Error::Io { .. })));
    drop(file);
    assert_eq!(files(), 0);
    // A writer that is not finished leaves nothing either.
    drop(spill.create(batch.schema()).unwrap());
    assert_eq!(files(), 0);
    let nowhere = SpillFolder::new(Some(&folder.path().join("missing")));
    assert!(matches!(nowhere.create(batch.schema()).err(), Some(Error::Io { .. })));
}

#[test]
fn a_part_leaves_the_rest_to_others() {
    let query = Arc::new(Budget::new(Backend::Cpu, 100));
    let part = query.part(50);
    assert!(part.try_grow(51).is_err());
    part.try_grow(50).unwrap();
    query.try_grow(50).unwrap();
    assert_eq!((part.available(), query.available()), (0, 0));
    drop(part);
    assert_eq!(query.reserved(), 50);
    assert_eq!(query.part(1000).limit_bytes(), 100);
}
