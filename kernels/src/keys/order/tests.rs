//! Hand-computed orders.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{Int32Type, i256};

use super::*;
use crate::sort::sort_to_indices;

fn key(column: usize) -> SortKey {
    SortKey { column, descending: false, nulls_first: false }
}

fn order(column: impl Array + 'static, descending: bool, nulls_first: bool) -> Vec<u32> {
    let columns: Vec<ArrayRef> = vec![Arc::new(column)];
    let keys = [SortKey { column: 0, descending, nulls_first }];
    let by_words = {
        let words = order_words(&columns, &keys).unwrap();
        let mut rows: Vec<u32> = (0..words.rows as u32).collect();
        let of = |row: u32| &words.words[row as usize * words.width..(row as usize + 1) * words.width];
        rows.sort_by(|&a, &b| of(a).cmp(of(b)));
        rows
    };
    assert_eq!(by_words, sort_to_indices(&columns, &keys, None).unwrap(), "words and sort agree");
    by_words
}

#[test]
fn prefixes_and_zero_bytes_order_by_bytes() {
    let values = vec!["a\0", "", "b", "a", "a\0\0", "\0", "ab", "a\0b"];
    // "", "\0", "a", "a\0", "a\0\0", "a\0b", "ab", "b"
    assert_eq!(order(StringArray::from(values.clone()), false, false), [1, 5, 3, 0, 4, 7, 6, 2]);
    assert_eq!(order(StringViewArray::from(values), true, false), [2, 6, 7, 4, 0, 3, 5, 1]);
}

#[test]
fn long_strings_become_ranks() {
    let long = "x".repeat(100);
    let values = vec![Some(long.as_str()), None, Some("x"), Some(long.as_str()), Some("y")];
    let columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(values.clone()))];
    let words = order_words(&columns, &[key(0)]).unwrap();
    assert_eq!(words.bits, 1 + 2, "a null bit, and ranks 0 to 2");
    assert_eq!(order(StringArray::from(values.clone()), false, true), [1, 2, 0, 3, 4]);
    assert_eq!(order(StringArray::from(values), true, true), [1, 4, 0, 3, 2]);
}

#[test]
fn nulls_go_where_the_key_says() {
    let values = vec![Some(3), None, Some(-1), None];
    assert_eq!(order(Int32Array::from(values.clone()), false, false), [2, 0, 1, 3]);
    assert_eq!(order(Int32Array::from(values.clone()), false, true), [1, 3, 2, 0]);
    assert_eq!(order(Int32Array::from(values.clone()), true, false), [0, 2, 1, 3]);
    assert_eq!(order(Int32Array::from(values), true, true), [1, 3, 0, 2]);
    assert_eq!(order(NullArray::new(3), true, true), [0, 1, 2]);
}

#[test]
fn extremes_of_every_width() {
    assert_eq!(order(Int64Array::from(vec![0, i64::MAX, i64::MIN, -1]), false, false), [2, 3, 0, 1]);
    assert_eq!(order(UInt64Array::from(vec![0, u64::MAX, 1 << 63]), true, false), [1, 2, 0]);
    let wide = Decimal128Array::from(vec![i128::MAX, 0, i128::MIN]);
    assert_eq!(order(wide, false, false), [2, 1, 0]);
    let huge = Decimal256Array::from(vec![i256::MAX, i256::MIN, i256::ZERO, i256::MINUS_ONE]);
    assert_eq!(order(huge.clone(), false, false), [1, 3, 2, 0]);
    assert_eq!(order(huge, true, false), [0, 2, 3, 1]);
    assert_eq!(order(BooleanArray::from(vec![true, false, true]), false, false), [1, 0, 2]);
}

#[test]
fn floats_have_one_nan_and_one_zero() {
    let values = vec![f64::NAN, -0.0, f64::INFINITY, 0.0, -f64::NAN, -5e-324];
    assert_eq!(order(Float64Array::from(values.clone()), false, false), [5, 1, 3, 2, 0, 4]);
    assert_eq!(order(Float64Array::from(values), true, false), [0, 4, 2, 1, 3, 5]);
}

#[test]
fn dictionaries_order_by_value() {
    let keys = Int32Array::from(vec![Some(2), Some(0), None, Some(1), Some(3)]);
    let values = StringArray::from(vec![Some("b"), Some("a"), Some("b"), None]);
    let array = DictionaryArray::<Int32Type>::new(keys, Arc::new(values));
    assert_eq!(order(array, false, true), [2, 4, 3, 0, 1]);
}

#[test]
fn garbage_under_nulls_does_not_widen_the_key() {
    let values = Int64Array::new(vec![5, i64::MAX, 6].into(), Some(vec![true, false, true].into()));
    let columns: Vec<ArrayRef> = vec![Arc::new(values)];
    let words = order_words(&columns, &[key(0)]).unwrap();
    assert_eq!((words.bits, words.width), (2, 1));
    assert_eq!(sort_to_indices(&columns, &[key(0)], None).unwrap(), [0, 2, 1]);
}

#[test]
fn fields_cross_words() {
    let a: ArrayRef = Arc::new(Int32Array::from(vec![0, 1 << 20, 0, 1 << 20]));
    let b: ArrayRef = Arc::new(Int64Array::from(vec![i64::MAX, 3, i64::MIN, 2]));
    let c: ArrayRef = Arc::new(StringArray::from(vec!["q", "r", "q", "r"]));
    let keys = [key(0), key(1), key(2)];
    let words = order_words(&[a.clone(), b.clone(), c.clone()], &keys).unwrap();
    assert_eq!(words.bits, 21 + 64 + 8 + 1);
    assert_eq!(sort_to_indices(&[a, b, c], &keys, None).unwrap(), [2, 0, 3, 1]);
}
