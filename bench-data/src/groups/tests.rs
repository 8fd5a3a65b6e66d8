use std::collections::HashMap;

use arrow::util::display::array_value_to_string;

use super::*;

/// Rows of each key.
fn counts(kind: &Kind, rows: usize, groups: usize) -> HashMap<Vec<String>, usize> {
    let batches = generate(kind, &Options { rows, groups, seed: 3 }).unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), rows);
    let mut counts = HashMap::new();
    for batch in &batches {
        let keys = &batch.columns()[..batch.num_columns() - 1];
        for row in 0..batch.num_rows() {
            let key = keys.iter().map(|key| array_value_to_string(key, row).unwrap()).collect();
            *counts.entry(key).or_default() += 1;
        }
    }
    counts
}

#[test]
fn even_kinds_have_all_groups_equally_often() {
    for kind in KINDS.iter().filter(|kind| kind.spread == Spread::Even && kind.name != "i64_nulls") {
        for groups in [1, 2, 64, 4096] {
            let found = counts(kind, 4096, groups);
            assert_eq!(found.len(), groups, "{}", kind.name);
            assert!(found.values().all(|&rows| rows == 4096 / groups), "{}", kind.name);
        }
    }
}

#[test]
fn other_kinds_are_what_they_say() {
    let hot = counts(kind("i64_hot").unwrap(), 10_000, 100);
    assert!((8_800..9_300).contains(hot.values().max().unwrap()));
    let zipf = counts(kind("i64_zipf").unwrap(), 10_000, 1000);
    let most = *zipf.values().max().unwrap();
    // ln 2 of ln 1001.
    assert!((900..1_100).contains(&most), "{most}");
    assert!(zipf.len() > 500);
    let nulls = counts(kind("i64_nulls").unwrap(), 10_000, 1000);
    assert!((800..1_300).contains(&nulls[&vec![String::new()]]));
}

#[test]
fn a_dictionary_has_no_more_values_than_asked_for() {
    assert!(generate(kind("dict").unwrap(), &Options { groups: 1 << 21, ..Options::default() }).is_err());
}
