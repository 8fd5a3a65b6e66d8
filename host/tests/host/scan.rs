//! Scans of files that the `parquet` crate wrote. The oracle is the batch in memory that went into the file, filtered by
//! plain closures over its rows.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array,
    Int64Array, ListArray, RecordBatch, StringArray, UInt32Array,
};
use arrow::compute::{cast, concat_batches, filter_record_batch};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Field, Float64Type, Int32Type, Schema, SchemaRef,
};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use pilaster::expr::{CompareOp, Expr, Scalar};
use pilaster::memory::Budget;
use pilaster::scan::{FileSlice, ReadOptions, Scan};
use pilaster::{Backend, Error, Result};
use tempfile::TempDir;

use crate::random::Random;

const ROWS: usize = 5000;
const GROUP: usize = 1000;

// Positions of the table's columns.
const ID: usize = 0;
const SMALL: usize = 1;
const PRICE: usize = 2;
const RATE: usize = 3;
const DAY: usize = 4;
const FLAG: usize = 5;
const TEXT: usize = 6;
const FLOAT: usize = 7;
const YES: usize = 8;

/// Ascending ids and days, so that row groups can be told apart; the other columns scattered, some with nulls.
fn table() -> RecordBatch {
    let rows = 0..ROWS;
    let scattered = |row: usize| row.wrapping_mul(2_654_435_761) >> 7;
    let nullable = |row: usize, one_in: usize| !scattered(row).is_multiple_of(one_in);
    let price = Decimal128Array::from_iter(
        rows.clone().map(|row| Some(scattered(row) as i128 % 10_000_000 - 5_000_000)),
    );
    let rate =
        Decimal128Array::from_iter(rows.clone().map(|row| nullable(row, 9).then_some(row as i128 % 11)));
    let flags = ["A", "N", "R", ""];
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(rows.clone().map(|row| row as i64)))),
        (
            "small",
            Arc::new(Int32Array::from_iter(
                rows.clone().map(|row| nullable(row, 5).then_some(row as i32 % 50)),
            )),
        ),
        ("price", Arc::new(price.with_precision_and_scale(15, 2).unwrap())),
        ("rate", Arc::new(rate.with_precision_and_scale(9, 4).unwrap())),
        ("day", Arc::new(Date32Array::from_iter_values(rows.clone().map(|row| row as i32 / 2)))),
        (
            "flag",
            Arc::new(StringArray::from_iter(
                rows.clone().map(|row| nullable(row, 7).then_some(flags[scattered(row) % 4])),
            )),
        ),
        (
            "text",
            Arc::new(StringArray::from_iter_values(
                rows.clone().map(|row| format!("text {}", scattered(row))),
            )),
        ),
        (
            "float",
            Arc::new(Float64Array::from_iter(rows.clone().map(|row| match scattered(row) % 10 {
                0 => None,
                1 => Some(f64::NAN),
                2 => Some(-0.0),
                other => Some(other as f64 * 1.5 - 6.0),
            }))),
        ),
        (
            "yes",
            Arc::new(BooleanArray::from_iter(
                rows.map(|row| nullable(row, 6).then_some(row.is_multiple_of(3))),
            )),
        ),
    ];
    let not_null = ["id", "price", "day", "text"];
    RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, !not_null.contains(&name))),
    )
    .unwrap()
}

fn properties() -> parquet::file::properties::WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_max_row_group_row_count(Some(GROUP))
        .set_data_page_row_count_limit(300)
        .set_write_batch_size(100)
        .set_compression(Compression::SNAPPY)
        .set_column_dictionary_enabled("text".into(), false)
}

fn write(path: &Path, batch: &RecordBatch, properties: WriterProperties) {
    let mut writer =
        ArrowWriter::try_new(std::fs::File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn file(properties: WriterProperties) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.parquet");
    write(&path, &table(), properties);
    (folder, path)
}

fn read(scan: &Scan, options: &ReadOptions) -> Result<Vec<RecordBatch>> {
    let tasks = scan.tasks(options.predicate.as_deref())?.tasks;
    let mut batches = Vec::new();
    for task in &tasks {
        for batch in scan.read(task, options)? {
            batches.push(batch?);
        }
    }
    Ok(batches)
}

/// Batches in the scan's logical types, as one.
fn logical(schema: &SchemaRef, batches: &[RecordBatch]) -> RecordBatch {
    let batches = batches.iter().map(|batch| {
        let columns = batch.columns().iter().zip(schema.fields());
        let columns = columns.map(|(array, field)| cast(array, field.data_type()).unwrap()).collect();
        RecordBatch::try_new(Arc::clone(schema), columns).unwrap()
    });
    concat_batches(schema, &batches.collect::<Vec<_>>()).unwrap()
}

fn keep(batch: &RecordBatch, test: impl Fn(&RecordBatch, usize) -> bool) -> RecordBatch {
    let mask: BooleanArray = (0..batch.num_rows()).map(|row| Some(test(batch, row))).collect();
    filter_record_batch(batch, &mask).unwrap()
}

fn column(index: usize) -> Expr {
    Expr::column(index, table().schema().field(index).data_type().clone())
}

fn compare(index: usize, op: CompareOp, constant: Scalar) -> Expr {
    Expr::compare(op, column(index), Expr::literal(constant)).unwrap()
}

fn filtered(predicate: Expr, batch_rows: usize) -> ReadOptions {
    ReadOptions { predicate: Some(Arc::new(predicate)), batch_rows, ..ReadOptions::default() }
}

#[test]
fn all_rows_come_back_in_every_batch_size() {
    let (_folder, path) = file(properties().build());
    let scan = Scan::open(&[&path]).unwrap();
    assert_eq!(scan.rows(), ROWS as u64);
    assert!(scan.compressed_bytes() > 0 && scan.uncompressed_bytes() >= scan.compressed_bytes());
    for batch_rows in [1, 7, 300, 999, 1000, 1001, 100_000] {
        let batches = read(&scan, &ReadOptions { batch_rows, ..ReadOptions::default() }).unwrap();
        assert!(batches.iter().all(|batch| (1..=batch_rows).contains(&batch.num_rows())));
        assert_eq!(logical(scan.schema(), &batches), table(), "{batch_rows} rows at a time");
    }
}

#[test]
fn arrays_are_as_narrow_as_the_file_stores_them() {
    let (_folder, path) = file(properties().build());
    let scan = Scan::open(&[&path]).unwrap();
    let batches = read(&scan, &ReadOptions::default()).unwrap();
    let found = |index: usize| batches[0].column(index).data_type().clone();
    assert_eq!(found(PRICE), DataType::Decimal64(15, 2));
    assert_eq!(found(RATE), DataType::Decimal32(9, 4));
    assert_eq!(found(DAY), DataType::Date32);
    assert_eq!(found(FLAG), DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)));
    assert_eq!(found(TEXT), DataType::Utf8);
    assert_eq!(scan.schema(), &table().schema());
}

#[test]
fn every_writer_setting_reads_the_same() {
    let settings = [
        properties().set_compression(Compression::UNCOMPRESSED),
        properties().set_compression(Compression::ZSTD(Default::default())),
        properties().set_compression(Compression::LZ4_RAW),
        properties().set_compression(Compression::GZIP(Default::default())),
        properties().set_dictionary_enabled(false),
        properties().set_writer_version(WriterVersion::PARQUET_2_0),
        properties().set_writer_version(WriterVersion::PARQUET_2_0).set_dictionary_enabled(false),
        properties().set_statistics_enabled(EnabledStatistics::None),
        // Dictionaries overflow in the middle of a chunk.
        properties().set_dictionary_page_size_limit(64).set_column_dictionary_enabled("text".into(), true),
        properties().set_max_row_group_row_count(None),
    ];
    for setting in settings {
        let (_folder, path) = file(setting.build());
        let scan = Scan::open(&[&path]).unwrap();
        let all = read(&scan, &ReadOptions { batch_rows: 333, ..ReadOptions::default() }).unwrap();
        assert_eq!(logical(scan.schema(), &all), table());
        let predicate = compare(FLAG, CompareOp::Eq, Scalar::utf8("N"));
        let some = read(&scan, &filtered(predicate, 333)).unwrap();
        let flag = |batch: &RecordBatch, row: usize| {
            let flags = batch.column(FLAG).as_string::<i32>();
            flags.is_valid(row) && flags.value(row) == "N"
        };
        assert_eq!(logical(scan.schema(), &some), keep(&table(), flag));
    }
}

#[test]
fn projections_and_outputs_keep_their_places() {
    let (_folder, path) = file(properties().build());
    let scan = Scan::open(&[&path]).unwrap().with_projection(vec![TEXT, ID]).unwrap();
    let expected = table().project(&[TEXT, ID]).unwrap();
    assert_eq!(logical(scan.schema(), &read(&scan, &ReadOptions::default()).unwrap()), expected);
    let options = ReadOptions { output: Some(vec![1]), ..ReadOptions::default() };
    for batch in read(&scan, &options).unwrap() {
        assert_eq!(batch.column(0).data_type(), &DataType::Null);
        assert_eq!(batch.column(1).data_type(), &DataType::Int64);
    }
    let nothing = scan.with_projection(vec![]).unwrap();
    let counted = read(&nothing, &ReadOptions::default()).unwrap();
    assert_eq!(counted.iter().map(RecordBatch::num_rows).sum::<usize>(), ROWS);
    assert!(scan.with_projection(vec![9]).is_err());
    let task = scan.tasks(None).unwrap().tasks[0].clone();
    assert!(scan.read(&task, &ReadOptions { output: Some(vec![2]), ..ReadOptions::default() }).is_err());
}

#[test]
fn a_column_that_only_the_predicate_reads_is_not_output() {
    let (_folder, path) = file(properties().build());
    let scan = Scan::open(&[&path]).unwrap();
    let predicate = compare(DAY, CompareOp::Lt, Scalar::date32(700));
    let options = ReadOptions { output: Some(vec![ID]), ..filtered(predicate, 256) };
    let ids: Vec<i64> = read(&scan, &options)
        .unwrap()
        .iter()
        .inspect(|batch| assert_eq!(batch.column(DAY).data_type(), &DataType::Null))
        .flat_map(|batch| batch.column(ID).as_primitive::<arrow::datatypes::Int64Type>().values().to_vec())
        .collect();
    assert_eq!(ids, (0..1400).collect::<Vec<_>>());
}

type RowTest = Box<dyn Fn(&RecordBatch, usize) -> bool>;

/// Predicates, the same as closures, and how many of the five row groups statistics let us leave out.
fn predicates() -> Vec<(Expr, RowTest, usize)> {
    fn test(closure: impl Fn(&RecordBatch, usize) -> bool + 'static) -> RowTest {
        Box::new(closure)
    }
    let id = |batch: &RecordBatch, row: usize| {
        batch.column(ID).as_primitive::<arrow::datatypes::Int64Type>().value(row)
    };
    let small = |batch: &RecordBatch, row: usize| {
        let values = batch.column(SMALL).as_primitive::<Int32Type>();
        values.is_valid(row).then(|| values.value(row))
    };
    let day = |batch: &RecordBatch, row: usize| batch.column(DAY).as_primitive::<Date32Type>().value(row);
    let rate = |batch: &RecordBatch, row: usize| {
        let values = batch.column(RATE).as_primitive::<Decimal128Type>();
        values.is_valid(row).then(|| values.value(row))
    };
    let float = |batch: &RecordBatch, row: usize| {
        let values = batch.column(FLOAT).as_primitive::<Float64Type>();
        values.is_valid(row).then(|| values.value(row))
    };
    let yes = |batch: &RecordBatch, row: usize| {
        let values = batch.column(YES).as_boolean();
        values.is_valid(row).then(|| values.value(row))
    };
    let between = |index, low: Scalar, high: Scalar| {
        Expr::between(column(index), Expr::literal(low), Expr::literal(high), false).unwrap()
    };
    let decimal = |unscaled| Scalar::decimal128(unscaled, 9, 4).unwrap();
    let and = |left, right| Expr::and(left, right).unwrap();
    let or = |left, right| Expr::or(left, right).unwrap();
    vec![
        (compare(ID, CompareOp::Lt, 1000i64.into()), test(move |b, r| id(b, r) < 1000), 4),
        (compare(ID, CompareOp::LtEq, 1000i64.into()), test(move |b, r| id(b, r) <= 1000), 3),
        (compare(ID, CompareOp::Gt, 3999i64.into()), test(move |b, r| id(b, r) > 3999), 4),
        (compare(ID, CompareOp::GtEq, 3999i64.into()), test(move |b, r| id(b, r) >= 3999), 3),
        (compare(ID, CompareOp::Eq, 2500i64.into()), test(move |b, r| id(b, r) == 2500), 4),
        (compare(ID, CompareOp::Eq, 9999i64.into()), test(|_, _| false), 5),
        (compare(ID, CompareOp::NotEq, 5i64.into()), test(move |b, r| id(b, r) != 5), 0),
        (
            Expr::not(compare(ID, CompareOp::Lt, 4000i64.into())).unwrap(),
            test(move |b, r| id(b, r) >= 4000),
            4,
        ),
        (
            between(DAY, Scalar::date32(600), Scalar::date32(900)),
            test(move |b, r| (600..=900).contains(&day(b, r))),
            4,
        ),
        (
            or(compare(DAY, CompareOp::Lt, Scalar::date32(10)), compare(ID, CompareOp::Gt, 4990i64.into())),
            test(move |b, r| day(b, r) < 10 || id(b, r) > 4990),
            3,
        ),
        (
            and(between(RATE, decimal(5), decimal(7)), compare(SMALL, CompareOp::Lt, 24i32.into())),
            test(move |b, r| {
                rate(b, r).is_some_and(|rate| (5..=7).contains(&rate))
                    && small(b, r).is_some_and(|small| small < 24)
            }),
            0,
        ),
        (
            and(compare(SMALL, CompareOp::Eq, 3i32.into()), compare(ID, CompareOp::Lt, 100i64.into())),
            test(move |b, r| small(b, r) == Some(3) && id(b, r) < 100),
            4,
        ),
        (
            Expr::in_list(column(ID), vec![7i64.into(), 4001i64.into(), 8000i64.into()], false).unwrap(),
            test(move |b, r| [7, 4001].contains(&id(b, r))),
            3,
        ),
        (Expr::is_null(column(ID)), test(|_, _| false), 5),
        (Expr::is_null(column(SMALL)), test(move |b, r| small(b, r).is_none()), 0),
        (Expr::is_not_null(column(TEXT)), test(|_, _| true), 0),
        (compare(RATE, CompareOp::Gt, decimal(10)), test(|_, _| false), 5),
        (compare(FLAG, CompareOp::Eq, Scalar::utf8("Z")), test(|_, _| false), 5),
        (
            compare(FLAG, CompareOp::Eq, Scalar::utf8("")),
            test(|b, r| {
                let flags = b.column(FLAG).as_string::<i32>();
                flags.is_valid(r) && flags.value(r).is_empty()
            }),
            0,
        ),
        (column(YES), test(move |b, r| yes(b, r) == Some(true)), 0),
        (Expr::not(column(YES)).unwrap(), test(move |b, r| yes(b, r) == Some(false)), 0),
        // NaN is the greatest float, and no statistics count it.
        (
            compare(FLOAT, CompareOp::Gt, 1e300f64.into()),
            test(move |b, r| float(b, r).is_some_and(f64::is_nan)),
            0,
        ),
        (compare(FLOAT, CompareOp::Lt, (-100.0f64).into()), test(|_, _| false), 5),
        (compare(FLOAT, CompareOp::Eq, 0.0f64.into()), test(move |b, r| float(b, r) == Some(0.0)), 0),
    ]
}

#[test]
fn pruned_and_materialised_late_is_the_same_as_filtered() {
    let (_folder, path) = file(properties().build());
    let scan = Scan::open(&[&path]).unwrap();
    for (predicate, test, pruned) in predicates() {
        let tasks = scan.tasks(Some(&predicate)).unwrap();
        assert_eq!(tasks.report.row_groups, 5);
        assert_eq!(tasks.report.row_groups_pruned, pruned, "{predicate}");
        assert_eq!(tasks.tasks.len(), 5 - pruned);
        assert_eq!(tasks.report.rows_pruned, (pruned * GROUP) as u64);
        assert_eq!(tasks.report.bytes_pruned > 0, pruned > 0);
        assert_eq!(tasks.report.pruned_by.iter().map(|(_, count)| count).sum::<usize>(), pruned);
        let expected = keep(&table(), &test);
        for batch_rows in [64, 1000] {
            let found = read(&scan, &filtered(predicate.clone(), batch_rows)).unwrap();
            assert!(found.iter().all(|batch| (1..=batch_rows).contains(&batch.num_rows())));
            assert_eq!(logical(scan.schema(), &found), expected, "{predicate} at {batch_rows}");
        }
    }
}

#[test]
fn without_statistics_nothing_is_pruned() {
    let (_folder, path) = file(properties().set_statistics_enabled(EnabledStatistics::None).build());
    let scan = Scan::open(&[&path]).unwrap();
    for (predicate, test, _) in predicates() {
        let report = scan.tasks(Some(&predicate)).unwrap().report;
        // A column that the schema denies nulls has none, whatever the statistics.
        assert!(report.row_groups_pruned == 0 || predicate.to_string() == "(#0 IS NULL)", "{predicate}");
        let found = read(&scan, &filtered(predicate, 500)).unwrap();
        assert_eq!(logical(scan.schema(), &found), keep(&table(), &test));
    }
}

#[test]
fn strings_cut_by_the_writer_do_not_prune() {
    let long = |tail: &str| format!("{}{tail}", "x".repeat(80));
    let values: StringArray = [long("a"), long("b")].into_iter().map(Some).collect();
    let batch = RecordBatch::try_from_iter([("s", Arc::new(values) as ArrayRef)]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.parquet");
    write(&path, &batch, WriterProperties::builder().set_statistics_truncate_length(Some(8)).build());
    let scan = Scan::open(&[&path]).unwrap();
    let is = Expr::compare(
        CompareOp::Eq,
        Expr::column(0, DataType::Utf8),
        Expr::literal(Scalar::utf8(&long("b"))),
    )
    .unwrap();
    assert_eq!(read(&scan, &filtered(is, 10)).unwrap()[0].num_rows(), 1);
}

#[test]
fn folders_slices_and_byte_ranges() {
    let folder = tempfile::tempdir().unwrap();
    let all = table();
    for (name, rows) in [("b.parquet", 2000..5000), ("a.parquet", 0..2000), ("c.txt", 0..1)] {
        write(&folder.path().join(name), &all.slice(rows.start, rows.len()), properties().build());
    }
    let scan = Scan::open(&[folder.path()]).unwrap();
    assert_eq!(scan.paths().len(), 2);
    assert_eq!(logical(scan.schema(), &read(&scan, &ReadOptions::default()).unwrap()), all);

    // Every split of a file into byte ranges reads each row group once.
    let path = folder.path().join("b.parquet");
    let length = path.metadata().unwrap().len();
    for pieces in 1..9 {
        let cut = |piece: u64| length * piece / pieces;
        let slices: Vec<FileSlice> = (0..pieces)
            .map(|piece| FileSlice {
                byte_range: Some(cut(piece)..cut(piece + 1)),
                ..FileSlice::whole(&path)
            })
            .collect();
        let scan = Scan::from_slices(&slices, all.schema()).unwrap();
        assert_eq!(
            logical(scan.schema(), &read(&scan, &ReadOptions::default()).unwrap()),
            all.slice(2000, 3000)
        );
    }
    let slice = FileSlice { row_groups: Some(vec![1]), ..FileSlice::whole(&path) };
    let scan = Scan::from_slices(std::slice::from_ref(&slice), all.schema()).unwrap();
    assert_eq!(logical(scan.schema(), &read(&scan, &ReadOptions::default()).unwrap()), all.slice(3000, 1000));
    let beyond = FileSlice { row_groups: Some(vec![3]), ..slice };
    assert!(matches!(Scan::from_slices(&[beyond], all.schema()), Err(Error::InvalidInput(_))));
}

#[test]
fn a_table_schema_of_other_order_names_and_types() {
    let (_folder, path) = file(properties().build());
    let schema = Arc::new(Schema::new(vec![
        Field::new("later", DataType::Int32, true),
        Field::new("flag", DataType::Utf8View, true),
        Field::new("small", DataType::Int64, true),
        Field::new("id", DataType::Int64, false),
    ]));
    let scan = Scan::from_slices(&[FileSlice::whole(&path)], Arc::clone(&schema)).unwrap();
    let all = logical(&schema, &read(&scan, &ReadOptions::default()).unwrap());
    assert_eq!(all.column(0).null_count(), ROWS);
    assert_eq!(&cast(all.column(1), &DataType::Utf8).unwrap(), table().column(FLAG));
    assert_eq!(&cast(all.column(2), &DataType::Int32).unwrap(), table().column(SMALL));
    let later = Expr::is_not_null(Expr::column(0, DataType::Int32));
    assert_eq!(scan.tasks(Some(&later)).unwrap().tasks.len(), 0);
    let small = Expr::compare(CompareOp::Gt, Expr::column(2, DataType::Int64), Expr::literal(48i64)).unwrap();
    let found = read(&scan, &filtered(small, 100)).unwrap();
    let expected = keep(&table(), |batch, row| {
        let values = batch.column(SMALL).as_primitive::<Int32Type>();
        values.is_valid(row) && values.value(row) > 48
    });
    assert_eq!(logical(&schema, &found).column(3), expected.column(ID));

    let denied = Arc::new(Schema::new(vec![Field::new("later", DataType::Int32, false)]));
    assert!(matches!(Scan::from_slices(&[FileSlice::whole(&path)], denied), Err(Error::InvalidInput(_))));
    let nested = DataType::Struct(vec![Field::new("x", DataType::Int32, true)].into());
    let other = Arc::new(Schema::new(vec![Field::new("id", nested, true)]));
    let scan = Scan::from_slices(&[FileSlice::whole(&path)], other);
    assert!(scan.and_then(|scan| read(&scan, &ReadOptions::default())).is_err());
}

#[test]
fn nested_and_unsigned_columns() {
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(
        (0..50).map(|row| (row % 3 != 0).then(|| (0..row % 5).map(Some).collect::<Vec<_>>())),
    );
    let unsigned =
        UInt32Array::from_iter_values((0..50).map(|row| if row < 25 { row } else { u32::MAX - row }));
    let columns: [(&str, ArrayRef); 2] = [("lists", Arc::new(lists)), ("unsigned", Arc::new(unsigned))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nested.parquet");
    write(&path, &batch, WriterProperties::builder().set_max_row_group_row_count(Some(25)).build());
    let scan = Scan::open(&[&path]).unwrap();
    let read_back =
        |options: &ReadOptions| concat_batches(scan.schema(), &read(&scan, options).unwrap()).unwrap();
    assert_eq!(
        read_back(&ReadOptions { batch_rows: 7, ..ReadOptions::default() }).columns(),
        batch.columns()
    );
    let big = Expr::column(1, DataType::UInt32);
    let big = Expr::compare(CompareOp::Gt, big, Expr::literal(u32::MAX - 40)).unwrap();
    assert_eq!(scan.tasks(Some(&big)).unwrap().report.row_groups_pruned, 1);
    assert_eq!(read_back(&filtered(big, 7)).columns(), batch.slice(25, 15).columns());
}

#[test]
fn memory_is_reserved_first_and_given_back() {
    let (_folder, path) = file(properties().build());
    let scan = Scan::open(&[&path]).unwrap();
    let task = scan.tasks(None).unwrap().tasks[0].clone();
    let small = Arc::new(Budget::new(Backend::Cpu, 1000));
    let options = ReadOptions { reserve: Arc::clone(&small) as _, ..ReadOptions::default() };
    assert!(matches!(scan.read(&task, &options).map(drop), Err(Error::OutOfMemory { .. })));
    let enough = Arc::new(Budget::new(Backend::Cpu, 1 << 30));
    let options = ReadOptions { reserve: Arc::clone(&enough) as _, ..ReadOptions::default() };
    let batches = scan.read(&task, &options).unwrap();
    assert!(enough.reserved() >= task.compressed_bytes());
    drop(batches);
    assert_eq!((small.reserved(), enough.reserved()), (0, 0));
}

#[test]
fn files_that_are_not_there_or_not_parquet() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Scan::open(&[folder.path()]), Err(Error::InvalidInput(_))));
    assert!(matches!(Scan::open(&[folder.path().join("none.parquet")]), Err(Error::Io { .. })));
    let path = folder.path().join("x.parquet");
    for content in
        [&b""[..], b"PAR1", b"PAR1PAR1", b"PAR1\xff\xff\xff\xffPAR1", b"no parquet at all, but some bytes"]
    {
        std::fs::write(&path, content).unwrap();
        match Scan::open(&[&path]) {
            Err(Error::CorruptFile { path: named, .. }) => assert!(named.ends_with("x.parquet")),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn row_groups_cut_into_tasks_and_columns_decoded_in_parallel() {
    let rows = 200_000;
    let columns: [(&str, ArrayRef); 3] = [
        ("id", Arc::new(Int64Array::from_iter_values(0..rows))),
        (
            "text",
            Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("text {}", row % 1000)))),
        ),
        ("null", Arc::new(Int32Array::from_iter((0..rows).map(|row| (row % 7 != 0).then_some(row as i32))))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.parquet");
    write(&path, &batch, WriterProperties::builder().set_compression(Compression::SNAPPY).build());
    let scan = Scan::open(&[&path]).unwrap();
    let tasks = scan.tasks(None).unwrap().split(3).tasks;
    assert_eq!(tasks.len(), 3);
    let budget = Arc::new(Budget::new(Backend::Cpu, 1 << 30));
    let options = ReadOptions {
        columns_in_parallel: true,
        reserve: Arc::clone(&budget) as _,
        predicate: Some(Arc::new(
            Expr::compare(CompareOp::GtEq, Expr::column(0, DataType::Int64), Expr::literal(1000i64)).unwrap(),
        )),
        ..ReadOptions::default()
    };
    let parts = std::thread::scope(|scope| {
        let read = |task| {
            let (scan, options) = (scan.clone(), options.clone());
            move || scan.read(task, &options).unwrap().collect::<Result<Vec<_>>>().unwrap()
        };
        let threads: Vec<_> = tasks.iter().map(|task| scope.spawn(read(task))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(logical(scan.schema(), &parts), batch.slice(1000, rows as usize - 1000));
    drop(parts);
    assert_eq!(budget.reserved(), 0);
}

#[test]
fn a_file_in_memory() {
    let (_folder, path) = file(properties().build());
    let bytes = bytes::Bytes::from(std::fs::read(&path).unwrap());
    let scan = Scan::from_bytes("in memory", bytes.clone()).unwrap();
    assert_eq!(logical(scan.schema(), &read(&scan, &ReadOptions::default()).unwrap()), table());
    match Scan::from_bytes("cut", bytes.slice(..bytes.len() / 2)) {
        Err(Error::CorruptFile { path, .. }) => assert_eq!(path, "cut"),
        other => panic!("{other:?}"),
    }
}

/// Reads everything, with and without a predicate: either typed errors, or rows of the right shape.
fn survives(path: &Path, expected: &RecordBatch, same: bool) {
    let scan = match Scan::open(&[path]) {
        Ok(scan) => scan,
        Err(Error::CorruptFile { .. } | Error::Io { .. } | Error::InvalidInput(_)) => return,
        Err(other) => panic!("{other:?}"),
    };
    let budget = Arc::new(Budget::new(Backend::Cpu, 64 << 20));
    let plain = ReadOptions { reserve: Arc::clone(&budget) as _, ..ReadOptions::default() };
    let mut options = vec![plain.clone()];
    if scan.schema() == &expected.schema() {
        let predicate = compare(SMALL, CompareOp::Lt, 20i32.into());
        options.push(ReadOptions { predicate: Some(Arc::new(predicate)), ..plain });
    }
    for options in &options {
        match read(&scan, options) {
            Ok(batches) if same && options.predicate.is_none() => {
                assert_eq!(&logical(scan.schema(), &batches), expected);
            }
            Ok(_) | Err(Error::CorruptFile { .. } | Error::OutOfMemory { .. } | Error::InvalidInput(_)) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(budget.reserved(), 0);
}

#[test]
fn truncated_files_give_typed_errors() {
    let (folder, path) = file(properties().build());
    let bytes = std::fs::read(&path).unwrap();
    let cut = folder.path().join("cut.parquet");
    for step in 0..200 {
        std::fs::write(&cut, &bytes[..bytes.len() * step / 200]).unwrap();
        assert!(matches!(Scan::open(&[&cut]), Err(Error::CorruptFile { .. })), "cut at {step}/200");
    }
    // Cut after the footer was read: the scan still points behind the new end.
    let scan = Scan::open(&[&path]).unwrap();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(bytes.len() as u64 / 2).unwrap();
    match read(&scan, &ReadOptions::default()) {
        Err(Error::CorruptFile { row_group: Some(_), column: Some(_), offset: Some(_), .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn flipped_bits_give_typed_errors_or_rows_but_never_a_panic() {
    for setting in [properties(), properties().set_writer_version(WriterVersion::PARQUET_2_0)] {
        let (folder, path) = file(setting.build());
        let bytes = std::fs::read(&path).unwrap();
        let footer =
            u32::from_le_bytes(bytes[bytes.len() - 8..bytes.len() - 4].try_into().unwrap()) as usize + 8;
        let flipped = folder.path().join("flipped.parquet");
        let mut random = Random(7);
        survives(&path, &table(), true);
        for case in 0..120 {
            let mut damaged = bytes.clone();
            // Every second case aims at the footer, which is small but decides the most.
            let (start, length) =
                if case % 2 == 0 { (0, bytes.len()) } else { (bytes.len() - footer, footer) };
            for _ in 0..=random.below(3) {
                damaged[start + random.below(length)] ^= 1 << random.below(8);
            }
            std::fs::write(&flipped, &damaged).unwrap();
            survives(&flipped, &table(), false);
        }
    }
}
