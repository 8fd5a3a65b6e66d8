//! Numbers against a map of rendered keys, and look-ups without growth.

use std::collections::HashMap;
use std::slice::from_ref;
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::Int32Type;

use super::*;
use crate::memory::Unlimited;

fn lanes(arrays: &[ArrayRef]) -> Vec<LaneColumn> {
    arrays.iter().map(|array| LaneColumn::from_array(array).unwrap()).collect()
}

fn assign(index: &mut GroupIndex, arrays: &[ArrayRef]) -> Vec<u32> {
    let mut numbers = Vec::new();
    let mut grant = Grant::new(Arc::new(Unlimited));
    index.assign(lanes(arrays), arrays[0].len(), None, &mut numbers, &mut grant).unwrap();
    numbers
}

fn find(index: &mut GroupIndex, arrays: &[ArrayRef]) -> Vec<u32> {
    let mut numbers = Vec::new();
    index.find(lanes(arrays), arrays[0].len(), &mut numbers).unwrap();
    numbers
}

fn types(arrays: &[ArrayRef]) -> Vec<DataType> {
    arrays.iter().map(|array| crate::expr::value_type(array.data_type()).clone()).collect()
}

/// Every mode: rows of `known` are found under their numbers, rows of `other` that are not among them are not found,
/// and nothing grows.
fn check(known: &[ArrayRef], other: &[ArrayRef], mode: &str) {
    let mut index = GroupIndex::new(types(known));
    let numbers = assign(&mut index, known);
    assert_eq!(index.mode_name(), mode);
    assert_eq!(find(&mut index, known), numbers);
    let text = |arrays: &[ArrayRef], row: usize| -> Vec<String> {
        let plain = |array: &ArrayRef| arrow::compute::cast(array, &DataType::Utf8).unwrap();
        let shown = |array: ArrayRef| {
            let array = array.as_string::<i32>().clone();
            if array.is_null(row) { "null".to_owned() } else { format!("={}", array.value(row)) }
        };
        arrays.iter().map(|array| shown(plain(array))).collect()
    };
    let by_key: HashMap<Vec<String>, u32> =
        numbers.iter().enumerate().map(|(row, &number)| (text(known, row), number)).collect();
    let expected: Vec<u32> =
        (0..other[0].len()).map(|row| by_key.get(&text(other, row)).copied().unwrap_or(0)).collect();
    assert_eq!(find(&mut index, other), expected, "{mode}");
    assert_eq!((index.len(), index.mode_name()), (by_key.len(), mode));
    let keys: Vec<ArrayRef> = (0..known.len()).map(|key| index.keys(key).unwrap()).collect();
    assert!((0..index.len()).all(|group| by_key[&text(&keys, group)] == group as u32 + 1));
}

fn integers(values: Vec<Option<i64>>) -> ArrayRef {
    Arc::new(Int64Array::from(values))
}

#[test]
fn known_keys_are_found_and_others_are_not() {
    let near = integers(vec![Some(5), Some(-3), None, Some(5), Some(100)]);
    let beside =
        integers(vec![Some(-4), Some(101), Some(i64::MIN), Some(i64::MAX), None, Some(100), Some(6)]);
    check(&[near], &[beside], "direct array");
    let without_nulls = integers(vec![Some(7), Some(9)]);
    check(&[without_nulls], &[integers(vec![None, Some(8), Some(9), Some(10)])], "direct array");
    check(&[integers(vec![None])], &[integers(vec![Some(1), None, Some(0)])], "direct array");
    let far = integers(vec![Some(0), Some(1 << 40), None]);
    let others = integers(vec![Some(1 << 40), Some(1), Some(1 << 60), Some(-1), None]);
    check(from_ref(&far), from_ref(&others), "hash table, 64-bit keys");
    check(&[far.clone(), far.clone()], &[others.clone(), others.clone()], "hash table, 128-bit keys");
    let all = integers(vec![Some(i64::MIN), Some(i64::MAX), None]);
    let ends = integers(vec![Some(i64::MAX), Some(i64::MIN), Some(i64::MIN + 1), Some(0), None]);
    check(from_ref(&all), from_ref(&ends), "hash table, 128-bit keys");
    check(&[all.clone(), all.clone()], &[ends.clone(), ends.clone()], "hash table, key words");
}

#[test]
fn strings_and_decimals_without_a_code_are_not_found() {
    let text = |values: Vec<Option<&str>>| -> ArrayRef { Arc::new(StringArray::from(values)) };
    let coded = |values: Vec<Option<&str>>| -> ArrayRef {
        Arc::new(values.into_iter().collect::<DictionaryArray<Int32Type>>())
    };
    let known = vec![Some("a"), None, Some(""), Some("a string of more than sixteen bytes"), Some("a")];
    let other = vec![Some("b"), Some("a"), None, Some("a string of more than sixteen bits"), Some("")];
    for known in [text(known.clone()), coded(known)] {
        for other in [text(other.clone()), coded(other.clone())] {
            check(std::slice::from_ref(&known), &[other], "direct array");
        }
    }
    let wide = |values: Vec<i128>| -> ArrayRef {
        Arc::new(Decimal128Array::from(values).with_precision_and_scale(38, 0).unwrap())
    };
    let most = 10i128.pow(37);
    check(&[wide(vec![most, 1, 2])], &[wide(vec![-most, 2, most, most + 1, 3])], "hash table, 64-bit keys");
}

#[test]
fn an_empty_index_finds_nothing() {
    let keys = integers(vec![Some(0), None, Some(5)]);
    let mut index = GroupIndex::new([DataType::Int64]);
    assert_eq!(find(&mut index, std::slice::from_ref(&keys)), [0, 0, 0]);
    assert_eq!(assign(&mut index, &[keys]), [1, 2, 3]);
}

#[test]
fn a_map_made_while_nothing_grew_is_not_reused_when_it_does() {
    let coded: ArrayRef = Arc::new(["x", "y"].into_iter().collect::<DictionaryArray<Int32Type>>());
    let mut index = GroupIndex::new([DataType::Utf8]);
    assert_eq!(find(&mut index, std::slice::from_ref(&coded)), [0, 0]);
    assert_eq!(assign(&mut index, std::slice::from_ref(&coded)), [1, 2]);
    assert_eq!(find(&mut index, &[coded]), [1, 2]);
}

/// A partition's keys are spread over their domain: no array of the whole domain.
#[test]
fn partitions_hash() {
    let spread = integers((0..100_000).map(|value| Some(value * 4)).collect());
    let mut whole = GroupIndex::new([DataType::Int64]);
    let mut part = GroupIndex::of_partition([DataType::Int64], 100_000);
    assert_eq!(assign(&mut whole, std::slice::from_ref(&spread)), assign(&mut part, &[spread]));
    assert_eq!((whole.mode_name(), part.mode_name()), ("direct array", "hash table, 64-bit keys"));
}
