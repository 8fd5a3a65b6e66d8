//! Merges against the standard library's stable sort.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{DataType, Field, Int64Type};

use super::super::SortKey;
use super::*;
use crate::keys::RowKeyEncoder;

fn noise(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    }
}

/// Merges runs of values, in batches of `batch` rows, `most` rows at a time; which run and place each row comes from.
fn merged(runs: &[Vec<(i64, u32)>], batch: usize, most: usize) -> Vec<(usize, usize)> {
    let key = SortKey { column: 0, descending: false, nulls_first: false };
    let encoder = RowKeyEncoder::new([&Field::new("x", DataType::Int64, false)], &[key]).unwrap();
    let mut next = vec![0; runs.len()];
    let mut fed: Vec<(usize, usize)> = Vec::new();
    let mut merge = Merge::new(runs.len());
    let mut out = Vec::new();
    loop {
        let mut rows = Vec::new();
        let step = merge.next(most, &mut rows);
        assert!(rows.len() <= most);
        out.extend(rows.into_iter().map(|(batch, row)| (fed[batch].0, fed[batch].1 + row)));
        match step {
            Step::Full => {}
            Step::End => return out,
            Step::Wants(run) => {
                let rest = &runs[run][next[run]..];
                let rows = &rest[..batch.min(rest.len())];
                if rows.is_empty() {
                    merge.end(run);
                    continue;
                }
                let column: ArrayRef = Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>());
                let ties = rows.iter().map(|row| row.1).collect();
                let keys = encoder.encode(&[column], rows.len()).unwrap();
                merge.feed(run, fed.len(), keys, ties).unwrap();
                fed.push((run, next[run]));
                next[run] += rows.len();
            }
        }
    }
}

#[test]
fn runs_of_any_number_and_length_merge_stably() {
    let mut next = noise(7);
    for count in [0, 1, 2, 3, 4, 5, 7, 8, 9, 33] {
        for domain in [1, 3, 1 << 20] {
            let lengths = (0..count).map(|run| if run % 4 == 3 { 0 } else { next() % 60 });
            let lengths: Vec<u64> = lengths.collect();
            let runs: Vec<Vec<(i64, u32)>> = lengths
                .into_iter()
                .map(|length| {
                    let mut run: Vec<(i64, u32)> =
                        (0..length).map(|_| ((next() % domain) as i64 - 1, (next() % 3) as u32)).collect();
                    run.sort_unstable();
                    run
                })
                .collect();
            let mut expected: Vec<(i64, u32, usize, usize)> = Vec::new();
            for (run, rows) in runs.iter().enumerate() {
                expected.extend(rows.iter().enumerate().map(|(at, &(value, tie))| (value, tie, run, at)));
            }
            expected.sort_unstable();
            let expected: Vec<_> = expected.into_iter().map(|(_, _, run, at)| (run, at)).collect();
            for (batch, most) in [(1, 1), (3, 5), (100, 7), (7, 1_000)] {
                assert_eq!(merged(&runs, batch, most), expected, "{count} runs, {batch}, {most}");
            }
        }
    }
}

#[test]
fn what_breaks_the_contract_is_refused() {
    let keys = || {
        let key = SortKey { column: 0, descending: false, nulls_first: false };
        let encoder = RowKeyEncoder::new([&Field::new("x", DataType::Int64, false)], &[key]).unwrap();
        let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        assert_eq!(column.as_primitive::<Int64Type>().len(), 2);
        encoder.encode(&[column], 2).unwrap()
    };
    let mut merge = Merge::new(1);
    assert!(merge.feed(1, 0, keys(), vec![0, 0].into()).is_err());
    assert!(merge.feed(0, 0, keys(), vec![0].into()).is_err());
    assert!(merge.feed(0, 0, RowKeys::default(), vec![].into()).is_err());
    merge.feed(0, 0, keys(), vec![0, 0].into()).unwrap();
    assert!(merge.feed(0, 1, keys(), vec![0, 0].into()).is_err(), "rows are left");
    merge.end(0);
    assert!(merge.feed(0, 1, keys(), vec![0, 0].into()).is_err(), "the run has ended");
    assert_eq!(merge.next(1, &mut Vec::new()), Step::End);
}
