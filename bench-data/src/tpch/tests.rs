use std::cell::Cell;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Decimal128Type, Int64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;

const SCALE: f64 = 0.01;

fn small() -> Options {
    Options { row_group_rows: 10_000, codec: Codec::Snappy }
}

fn read(path: &std::path::Path) -> (usize, Vec<RecordBatch>) {
    let builder = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(path).unwrap()).unwrap();
    let row_groups = builder.metadata().num_row_groups();
    (row_groups, builder.build().unwrap().map(Result::unwrap).collect())
}

#[test]
fn eight_tables_with_the_rows_of_the_specification() {
    let out = tempfile::tempdir().unwrap();
    let calls = Cell::new(0);
    let data = generate(SCALE, out.path(), &small(), &|_| calls.set(calls.get() + 1)).unwrap();
    assert!(data.generated && calls.get() >= TABLES.len());
    assert!(data.tables.iter().map(|table| table.name.as_str()).eq(TABLES));
    let rows: Vec<u64> = data.tables.iter().map(|table| table.rows).collect();
    // dbgen's counts at scale 0.01.
    assert_eq!(rows, [5, 25, 100, 1500, 2000, 8000, 15_000, 60_175]);
    for table in &data.tables {
        let (row_groups, batches) = read(&table.path);
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>() as u64, table.rows);
        assert_eq!(row_groups > 1, table.rows > 10_000, "{}", table.name);
    }
}

#[test]
fn line_items_have_the_types_and_first_values_of_dbgen() {
    let out = tempfile::tempdir().unwrap();
    let data = generate(SCALE, out.path(), &small(), &|_| {}).unwrap();
    let (_, batches) = read(&data.table("lineitem").unwrap().path);
    let schema = batches[0].schema();
    assert_eq!(schema.field_with_name("l_quantity").unwrap().data_type(), &DataType::Decimal128(15, 2));
    assert_eq!(schema.field_with_name("l_shipdate").unwrap().data_type(), &DataType::Date32);
    assert_eq!(schema.field_with_name("l_comment").unwrap().data_type(), &DataType::Utf8);
    let column = |name: &str| batches[0].column_by_name(name).unwrap();
    assert_eq!(column("l_orderkey").as_primitive::<Int64Type>().value(0), 1);
    assert_eq!(column("l_quantity").as_primitive::<Decimal128Type>().value(0), 1700);
    assert_eq!(column("l_shipmode").as_string::<i32>().value(0), "TRUCK");
    // 1996-03-13
    assert_eq!(column("l_shipdate").as_primitive::<arrow::datatypes::Date32Type>().value(0), 9568);
}

#[test]
fn the_same_bytes_whatever_the_number_of_threads() {
    let bytes = |threads| {
        let out = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let data = pool
            .install(|| generate(0.002, out.path(), &Options { row_group_rows: 700, ..small() }, &|_| {}));
        data.unwrap().tables.iter().map(|table| std::fs::read(&table.path).unwrap()).collect::<Vec<_>>()
    };
    assert!(bytes(1) == bytes(3));
}

#[test]
fn a_complete_folder_is_kept_and_any_other_made_anew() {
    let out = tempfile::tempdir().unwrap();
    let make = |options: &Options| generate(0.002, out.path(), options, &|_| {}).unwrap();
    let first = make(&small());
    assert!(!make(&small()).generated);
    assert_eq!(make(&small()).tables, first.tables);
    // Other settings, a cut file, a missing file, a cut manifest.
    assert!(make(&Options { codec: Codec::Zstd, ..small() }).generated);
    let orders = make(&small()).table("orders").unwrap().path.clone();
    std::fs::OpenOptions::new().write(true).open(&orders).unwrap().set_len(100).unwrap();
    assert!(make(&small()).generated);
    std::fs::remove_file(&orders).unwrap();
    assert!(make(&small()).generated);
    let manifest = out.path().join("manifest.txt");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, &text[..text.len() / 2]).unwrap();
    assert!(make(&small()).generated);
    assert_eq!(make(&small()).tables, first.tables);
}

#[test]
fn scales_that_make_no_sense_are_refused() {
    let out = tempfile::tempdir().unwrap();
    for scale in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(generate(scale, out.path(), &small(), &|_| {}), Err(GenerateError::Scale(_))));
    }
}

#[test]
fn all_queries_are_there() {
    assert!(queries().iter().map(|query| query.number).eq(1..=22));
    for query in queries() {
        assert!(query.sql.ends_with(";\n") && query.sql.matches(';').count() == 1, "Q{}", query.number);
    }
    assert_eq!(query(6).map(|query| query.number), Some(6));
    assert_eq!(query(23), None);
}
