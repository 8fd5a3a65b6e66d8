//! Stability, top-k and hostile shapes.

use std::sync::Arc;

use arrow::array::*;

use super::super::SortKey;
use super::*;

fn ascending(column: usize) -> SortKey {
    SortKey { column, descending: false, nulls_first: false }
}

/// The obvious sort: a stable comparison of options.
fn reference(values: &[Option<i64>], key: SortKey) -> Vec<u32> {
    let mut rows: Vec<u32> = (0..values.len() as u32).collect();
    rows.sort_by(|&a, &b| match (values[a as usize], values[b as usize]) {
        (None, None) => std::cmp::Ordering::Equal,
        (None, _) if key.nulls_first => std::cmp::Ordering::Less,
        (None, _) => std::cmp::Ordering::Greater,
        (_, None) if key.nulls_first => std::cmp::Ordering::Greater,
        (_, None) => std::cmp::Ordering::Less,
        (Some(a), Some(b)) if key.descending => b.cmp(&a),
        (Some(a), Some(b)) => a.cmp(&b),
    });
    rows
}

/// A small multiplicative generator: no two runs differ.
fn noise(rows: usize) -> impl Iterator<Item = u64> {
    (1..=rows as u64).map(|at| at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 7)
}

#[test]
fn every_direction_against_the_obvious_sort() {
    for (rows, domain) in [(1, 3), (33, 3), (1000, 7), (1000, u64::MAX), (70_000, 1000), (70_000, u64::MAX)] {
        let values: Vec<Option<i64>> =
            noise(rows).map(|n| (n % 5 != 0).then_some((n % domain) as i64)).collect();
        let column: ArrayRef = Arc::new(Int64Array::from(values.clone()));
        for (descending, nulls_first) in [(false, false), (false, true), (true, false), (true, true)] {
            let key = SortKey { column: 0, descending, nulls_first };
            let expected = reference(&values, key);
            let columns = std::slice::from_ref(&column);
            assert_eq!(sort_to_indices(columns, &[key], None).unwrap(), expected);
            for fetch in [0, 1, 10, rows + 1] {
                let first = &expected[..fetch.min(rows)];
                assert_eq!(sort_to_indices(columns, &[key], Some(fetch)).unwrap(), first);
            }
        }
    }
}

#[test]
fn equal_keys_keep_their_order() {
    let same: ArrayRef = Arc::new(Int32Array::from(vec![7; 100]));
    let expected: Vec<u32> = (0..100).collect();
    assert_eq!(sort_to_indices(&[same], &[ascending(0)], None).unwrap(), expected);
    let wide: Vec<i128> = (0..100).map(|row| if row % 2 == 0 { i128::MAX } else { i128::MIN }).collect();
    let wide: ArrayRef = Arc::new(Decimal128Array::from(wide));
    let expected: Vec<u32> = (1..100).step_by(2).chain((0..100).step_by(2)).collect();
    assert_eq!(sort_to_indices(&[Arc::clone(&wide)], &[ascending(0)], None).unwrap(), expected);
    assert_eq!(sort_to_indices(&[wide], &[ascending(0)], Some(3)).unwrap(), [1, 3, 5]);
}

#[test]
fn empty_no_keys_and_bad_keys() {
    let empty: ArrayRef = Arc::new(Int32Array::from(Vec::<i32>::new()));
    assert!(sort_to_indices(&[empty], &[ascending(0)], None).unwrap().is_empty());
    let column: ArrayRef = Arc::new(Int32Array::from(vec![2, 1]));
    assert_eq!(sort_to_indices(&[Arc::clone(&column)], &[], None).unwrap(), [0, 1]);
    assert!(matches!(sort_to_indices(&[column], &[ascending(1)], None), Err(Error::InvalidInput(_))));
}
