use std::collections::HashSet;
use std::fs::File;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int32Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;

#[test]
fn domains_are_those_of_the_benchmark() {
    let folder = tempfile::tempdir().unwrap();
    let file = generate(100_000, folder.path()).unwrap();
    assert!(file.generated && file.path.ends_with("G1_1e5_1e2_0_0.parquet"));
    assert!(!generate(100_000, folder.path()).unwrap().generated);
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&file.path).unwrap()).unwrap();
    let batches: Vec<_> = reader.with_batch_size(200_000).build().unwrap().collect::<Result<_, _>>().unwrap();
    let [batch] = batches.as_slice() else { panic!("{} batches", batches.len()) };
    assert_eq!(batch.num_rows(), 100_000);
    for (column, values, width) in [(0, 100, 5), (1, 100, 5), (2, 1000, 12)] {
        let texts = batch.column(column).as_string::<i32>();
        let distinct: HashSet<&str> = texts.iter().flatten().collect();
        assert_eq!(distinct.len(), values, "column {column}");
        assert!(distinct.iter().all(|text| text.len() == width && text.starts_with("id")));
    }
    for (column, most) in [(3, 100), (4, 100), (5, 1000), (6, 5), (7, 15)] {
        let values = batch.column(column).as_primitive::<Int32Type>().values();
        assert_eq!((values.iter().min(), values.iter().max()), (Some(&1), Some(&most)), "column {column}");
    }
    let v3 = batch.column(8).as_primitive::<Float64Type>();
    assert_eq!(v3.null_count(), 0);
    let mean = v3.values().iter().sum::<f64>() / 1e5;
    assert!((49.5..50.5).contains(&mean), "{mean}");
    assert!(v3.values().iter().all(|&value| ((value * 1e6).round() / 1e6 - value).abs() < 1e-12));
}

#[test]
fn other_sizes_bear_their_number_and_differ() {
    let folder = tempfile::tempdir().unwrap();
    let file = generate(1234, folder.path()).unwrap();
    assert!(file.path.ends_with("G1_1234_1e2_0_0.parquet"));
    assert!(QUESTIONS.iter().map(|question| question.number).eq(1..=10));
    assert!(question(11).is_none());
}
