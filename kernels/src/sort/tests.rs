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

/// Orders of large inputs, which go through the partitions, against the obvious sort.
mod large {
    use super::*;

    /// The stable order of `items` by `compare`.
    fn obvious<T>(items: &[T], compare: impl Fn(&T, &T) -> std::cmp::Ordering) -> Vec<u32> {
        let mut rows: Vec<u32> = (0..items.len() as u32).collect();
        rows.sort_by(|&a, &b| compare(&items[a as usize], &items[b as usize]));
        rows
    }

    fn check(columns: &[ArrayRef], keys: &[SortKey], expected: &[u32]) {
        assert_eq!(sort_to_indices(columns, keys, None).unwrap(), expected);
        for fetch in [1, 100, 5000, expected.len() / 2] {
            assert_eq!(sort_to_indices(columns, keys, Some(fetch)).unwrap(), expected[..fetch], "{fetch}");
        }
    }

    #[test]
    fn clusters_and_outliers() {
        let rows = 3 * radix_rows();
        let shapes: [fn(u64) -> u64; 5] = [
            |n| n,                                                // spread
            |n| if n % 1000 == 0 { n } else { n % 3 }, // nearly all in three values, outliers far away
            |n| if n % 10 == 0 { n } else { (1 << 40) + n % 64 }, // a cluster that fits one partition
            |n| 1 << (n % 64),                         // a value per bit
            |n| n % 2,
        ];
        for shape in shapes {
            let values: Vec<i64> = noise(rows).map(|n| shape(n) as i64).collect();
            let column: ArrayRef = Arc::new(Int64Array::from(values.clone()));
            check(&[column], &[ascending(0)], &obvious(&values, |a, b| a.cmp(b)));
        }
    }

    #[test]
    fn runs_that_lie_in_order() {
        let rows = 2 * radix_rows() as i64;
        let column = |values: Vec<i64>| -> ArrayRef { Arc::new(Int64Array::from(values)) };
        let ascend: Vec<u32> = (0..rows as u32).collect();
        let descend: Vec<u32> = (0..rows as u32).rev().collect();
        check(&[column((0..rows).collect())], &[ascending(0)], &ascend);
        check(&[column((0..rows).rev().collect())], &[ascending(0)], &descend);
        check(&[column(vec![7; rows as usize])], &[ascending(0)], &ascend);
        // Equal neighbours forbid a reversal.
        let pairs: Vec<i64> = (0..rows).rev().map(|value| value / 2).collect();
        check(&[column(pairs.clone())], &[ascending(0)], &obvious(&pairs, |a, b| a.cmp(b)));
    }

    #[test]
    fn several_keys_tie_and_break() {
        let rows = 2 * radix_rows();
        let items: Vec<(i32, i64, i128)> =
            noise(rows).map(|n| ((n % 3) as i32, (n >> 8) as i64 % 50, i128::from(n) << (n % 60))).collect();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int32Array::from_iter_values(items.iter().map(|item| item.0))),
            Arc::new(Int64Array::from_iter_values(items.iter().map(|item| item.1))),
            Arc::new(Decimal128Array::from_iter_values(items.iter().map(|item| item.2))),
        ];
        let keys = [SortKey { descending: true, ..ascending(0) }, ascending(1), ascending(2)];
        let compare = |a: &(i32, i64, i128), b: &(i32, i64, i128)| {
            b.0.cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2))
        };
        check(&columns, &keys, &obvious(&items, compare));
    }

    #[test]
    fn strings_with_shared_prefixes() {
        let rows = radix_rows() + 1000;
        let long = "p".repeat(1000);
        let shapes: [&dyn Fn(u64) -> String; 4] = [
            &|n| format!("id{:010}", n % 5000),
            &|n| format!("{}{}", &long[..(n % 4) as usize * 300], n % 97),
            &|n| "z".repeat((n % 40) as usize),
            &|n| ["", "a", "a\0", "a\0\0\0\0\0\0\0", "a\0\0\0\0\0\0\0\0"][n as usize % 5].to_owned(),
        ];
        for shape in shapes {
            let values: Vec<Option<String>> =
                noise(rows).map(|n| (n % 7 != 0).then(|| shape(n >> 3))).collect();
            let column: ArrayRef = Arc::new(StringArray::from_iter(values.iter()));
            // None is less than all: nulls first.
            let first = SortKey { nulls_first: true, ..ascending(0) };
            check(&[Arc::clone(&column)], &[first], &obvious(&values, |a, b| a.cmp(b)));
            // Reversed, it is last.
            let last = SortKey { descending: true, ..ascending(0) };
            check(&[column], &[last], &obvious(&values, |a, b| b.cmp(a)));
        }
    }

    /// Each string a prefix of the next: as many words as there are strings, one dropped in each.
    #[test]
    fn a_chain_of_prefixes_takes_no_stack() {
        let text = "x".repeat(20_000);
        let values: Vec<&str> = (0..20_000).rev().step_by(7).map(|length| &text[..length]).collect();
        let column: ArrayRef = Arc::new(StringViewArray::from_iter_values(values.iter()));
        let expected = obvious(&values, |a, b| a.cmp(b));
        assert_eq!(sort_to_indices(&[column], &[ascending(0)], None).unwrap(), expected);
    }

    #[test]
    fn one_thread_orders_as_many_do() {
        let values: Vec<f64> =
            noise(2 * radix_rows()).map(|n| f64::from_bits((n % 4096) << 52 | n)).collect();
        let column: ArrayRef = Arc::new(Float64Array::from(values));
        let sort = || sort_to_indices(std::slice::from_ref(&column), &[ascending(0)], None).unwrap();
        let expected = sort();
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(sort), expected);
        }
    }

    /// Enough rows for partitions.
    fn radix_rows() -> usize {
        PARALLEL_ROWS
    }
}
