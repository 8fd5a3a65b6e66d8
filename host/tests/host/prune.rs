//! Pruning step by step: each leaves out what it should, none changes an answer, and no hostile file makes one.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array,
    RecordBatch, StringArray, UInt32Array,
};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, ParquetMetaDataWriter};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::file::statistics::Statistics;
use pilaster::Error;
use pilaster::expr::like::LikePattern;
use pilaster::expr::{CastMode, CompareOp, Expr, Scalar};
use pilaster::scan::{
    FileSlice, FooterCache, PruneReport, PruneStep, Pruning, ReadOptions, Refinement, Scan, ScanTask,
};

use crate::random::Random;

const ROWS: usize = 4000;
const GROUP: usize = 1000;
const PAGE: usize = 100;

const ID: usize = 0;
const KEY: usize = 1;
const CITY: usize = 2;
const NOTE: usize = 3;
const FLOAT: usize = 4;
const SPARSE: usize = 5;
const UNSIGNED: usize = 6;
const DAY: usize = 7;
const WIDE: usize = 8;
const STEPPED: usize = 9;

/// Sorted by `id`. `key` is even and scattered over its whole range in every page, `city` one of seven in each row group,
/// with the same first and last; `sparse` null in long stretches.
fn table() -> RecordBatch {
    let rows = || 0..ROWS as i64;
    let scattered = |row: i64| row * 7919 % ROWS as i64;
    let cities = |row: i64| match row % 9 {
        0 => None,
        1 => Some("Aachen".to_owned()),
        2 => Some("Zwolle".to_owned()),
        other => Some(format!("{}burg {other}", ["Mers", "Ham", "Frei", "Augs"][row as usize / GROUP])),
    };
    let floats = |row: i64| match scattered(row) % 40 {
        0 => None,
        1 => Some(f64::NAN),
        2 => Some(-0.0),
        3 => Some(0.0),
        _ => Some(row as f64 / 4.0 - 300.0),
    };
    let sparse = |row: i64| (row / 250 % 2 == 0).then_some((row % 1000) as i32);
    let columns: [(&str, ArrayRef); 10] = [
        ("id", Arc::new(Int64Array::from_iter_values(rows()))),
        ("key", Arc::new(Int64Array::from_iter_values(rows().map(|row| scattered(row) * 2)))),
        ("city", Arc::new(StringArray::from_iter(rows().map(cities)))),
        ("note", Arc::new(StringArray::from_iter_values(rows().map(|row| format!("note {row:06}"))))),
        ("float", Arc::new(Float64Array::from_iter(rows().map(floats)))),
        ("sparse", Arc::new(Int32Array::from_iter(rows().map(sparse)))),
        ("unsigned", Arc::new(UInt32Array::from_iter_values(rows().map(|row| row as u32 * 1_000_000)))),
        ("day", Arc::new(Date32Array::from_iter_values(rows().map(|row| row as i32 / 10)))),
        (
            "wide",
            Arc::new(
                Decimal128Array::from_iter_values(rows().map(|row| i128::from(row - 2000) << 70))
                    .with_precision_and_scale(38, 2)
                    .unwrap(),
            ),
        ),
        ("stepped", Arc::new(Int32Array::from_iter_values(rows().map(|row| row as i32 % 1000 / 250 * 10)))),
    ];
    let nullable = ["city", "float", "sparse"];
    RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, nullable.contains(&name))),
    )
    .unwrap()
}

/// Small pages, a page index, no dictionary but for `city`.
fn properties() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_max_row_group_row_count(Some(GROUP))
        .set_data_page_row_count_limit(PAGE)
        .set_write_batch_size(PAGE)
        .set_dictionary_enabled(false)
        .set_column_dictionary_enabled("city".into(), true)
        .set_bloom_filter_max_ndv(GROUP as u64)
        .set_bloom_filter_fpp(0.001)
}

fn bytes(batch: &RecordBatch, properties: WriterProperties) -> Vec<u8> {
    let mut written = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut written, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    written
}

fn scan_of(bytes: Vec<u8>) -> Scan {
    Scan::from_bytes("table.parquet", bytes.into()).unwrap()
}

fn column(index: usize) -> Expr {
    Expr::column(index, table().schema().field(index).data_type().clone())
}

fn compare(index: usize, op: CompareOp, constant: impl Into<Scalar>) -> Expr {
    Expr::compare(op, column(index), Expr::literal(constant)).unwrap()
}

fn like(index: usize, pattern: &str, negated: bool) -> Expr {
    Expr::like(column(index), LikePattern::new(pattern, Some('\\'), false).unwrap(), negated).unwrap()
}

fn either(left: Expr, right: Expr) -> Expr {
    Expr::or(left, right).unwrap()
}

fn both(left: Expr, right: Expr) -> Expr {
    Expr::and(left, right).unwrap()
}

fn wide(unscaled: i128) -> Scalar {
    Scalar::decimal128(unscaled, 38, 2).unwrap()
}

/// Tasks as a query takes them, and what was pruned.
fn tasks(scan: &Scan, predicate: &Expr) -> (Vec<ScanTask>, PruneReport) {
    let found = scan.tasks(Some(predicate)).unwrap();
    let mut report = found.report;
    let refine = |task: &ScanTask| scan.refine(task, predicate, &mut report).unwrap();
    let tasks = found.tasks.iter().filter_map(refine).collect();
    (tasks, report)
}

/// The rows for which the predicate is true, as a query with that pruning reads them; late or not.
fn answer(scan: &Scan, predicate: &Expr) -> RecordBatch {
    let (tasks, report) = tasks(scan, predicate);
    assert_eq!(report.rows - report.rows_pruned, tasks.iter().map(|task| task.rows() as u64).sum::<u64>());
    let mut batches = Vec::new();
    let options = ReadOptions {
        predicate: Some(Arc::new(predicate.clone())),
        batch_rows: 333,
        ..ReadOptions::default()
    };
    for task in &tasks {
        batches
            .extend(scan.read(task, &options).unwrap().map(|batch| logical(scan.schema(), &batch.unwrap())));
    }
    concat_batches(scan.schema(), &batches).unwrap()
}

fn logical(schema: &SchemaRef, batch: &RecordBatch) -> RecordBatch {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(array, field)| cast(array, field.data_type()).unwrap()).collect();
    RecordBatch::try_new(Arc::clone(schema), columns).unwrap()
}

/// What the evaluator keeps of the whole table, which no pruning has touched.
fn expected(scan: &Scan, all: &RecordBatch, predicate: &Expr) -> RecordBatch {
    let truth = pilaster::expr::cpu::evaluate(predicate, all.columns(), all.num_rows()).unwrap();
    let kept = arrow::compute::filter_record_batch(all, truth.as_boolean()).unwrap();
    logical(scan.schema(), &kept)
}

/// Rows are equal, NaN included.
fn assert_same(found: &RecordBatch, expected: &RecordBatch, what: &str) {
    assert_eq!(found.num_rows(), expected.num_rows(), "{what}");
    for (index, (found, expected)) in found.columns().iter().zip(expected.columns()).enumerate() {
        assert!(found.to_data() == expected.to_data(), "{what}: column {index}");
    }
}

/// Predicates of every shape that prunes, and some that must not.
fn predicates() -> Vec<Expr> {
    use CompareOp::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    let between = |index, low: Scalar, high: Scalar, negated| {
        Expr::between(column(index), Expr::literal(low), Expr::literal(high), negated).unwrap()
    };
    let among = |index, list: Vec<Scalar>, negated| Expr::in_list(column(index), list, negated).unwrap();
    let as_text = |value: &str| Scalar::utf8(value);
    let cast_id = Expr::cast(column(ID), DataType::Float64, CastMode::Strict).unwrap();
    vec![
        compare(ID, Eq, 1234i64),
        compare(ID, NotEq, 1234i64),
        compare(ID, Lt, 150i64),
        compare(ID, GtEq, 3999i64),
        compare(ID, Gt, 99_999i64),
        between(ID, 950i64.into(), 1050i64.into(), false),
        between(ID, 50i64.into(), 3950i64.into(), true),
        compare(KEY, Eq, 4242i64),
        compare(KEY, Eq, 4243i64),
        compare(KEY, NotEq, 4243i64),
        compare(KEY, IsDistinctFrom, 4243i64),
        compare(KEY, IsNotDistinctFrom, 4243i64),
        among(KEY, vec![1i64.into(), 3i64.into(), 5i64.into()], false),
        among(KEY, vec![1i64.into(), 8i64.into()], false),
        among(KEY, vec![1i64.into(), 8i64.into()], true),
        among(KEY, vec![1i64.into(), Scalar::null(DataType::Int64)], true),
        compare(CITY, Eq, as_text("Hamburg 4")),
        compare(CITY, Eq, as_text("Nowhere")),
        like(CITY, "%burg 5", false),
        like(CITY, "Ham%", false),
        like(CITY, "A%", true),
        like(CITY, "%nothing%", false),
        like(CITY, "Aachen", false),
        like(NOTE, "note 0012%", false),
        like(NOTE, "note 0012%", true),
        like(NOTE, "note %", true),
        like(NOTE, "note 00_2%", false),
        like(NOTE, "%7", false),
        compare(NOTE, Eq, as_text("note 000777")),
        compare(NOTE, Lt, as_text("note 0001")),
        Expr::is_null(column(CITY)),
        Expr::is_null(column(ID)),
        Expr::is_null(column(SPARSE)),
        Expr::is_not_null(column(SPARSE)),
        compare(SPARSE, Lt, 10i32),
        Expr::not(compare(SPARSE, GtEq, 20i32)).unwrap(),
        compare(FLOAT, Gt, 1e300),
        compare(FLOAT, Lt, 1e300),
        compare(FLOAT, Eq, 0.0),
        compare(FLOAT, Eq, -0.0),
        compare(FLOAT, Eq, f64::NAN),
        compare(FLOAT, NotEq, f64::NAN),
        compare(FLOAT, Eq, 100.25),
        compare(FLOAT, Eq, 100.125),
        compare(FLOAT, LtEq, -299.0),
        compare(FLOAT, GtEq, 690.0),
        compare(UNSIGNED, Gt, 3_990_000_000u32),
        compare(UNSIGNED, Eq, 77_000_000u32),
        compare(UNSIGNED, Eq, 77_000_001u32),
        compare(DAY, Eq, Scalar::date32(123)),
        compare(WIDE, Lt, wide(-(1990 << 70))),
        compare(WIDE, Eq, wide(5 << 70)),
        compare(WIDE, Eq, wide((5 << 70) + 1)),
        Expr::compare(Lt, cast_id, Expr::literal(120.5)).unwrap(),
        either(compare(ID, Lt, 120i64), compare(NOTE, Gt, as_text("note 003950"))),
        either(compare(KEY, Eq, 1i64), compare(CITY, Eq, as_text("Nowhere"))),
        both(compare(STEPPED, Eq, 20i32), compare(ID, Lt, 2000i64)),
        both(compare(KEY, Eq, 4242i64), like(CITY, "%burg%", false)),
        Expr::literal(Scalar::null(DataType::Boolean)),
    ]
}

#[test]
fn no_step_changes_an_answer() {
    let all = table();
    let written = [
        properties().build(),
        properties().set_writer_version(parquet::file::properties::WriterVersion::PARQUET_2_0).build(),
        properties().set_statistics_enabled(EnabledStatistics::None).build(),
        properties().set_statistics_enabled(EnabledStatistics::Chunk).set_dictionary_enabled(true).build(),
        properties()
            .set_statistics_truncate_length(Some(3))
            .set_column_index_truncate_length(Some(3))
            .build(),
    ];
    for (setting, properties) in written.into_iter().enumerate() {
        let scan = scan_of(bytes(&all, properties));
        for predicate in predicates() {
            let expected = expected(&scan, &all, &predicate);
            let off = scan.with_pruning(Pruning::none());
            assert_eq!(tasks(&off, &predicate).1.rows_pruned, 0);
            assert_same(&answer(&off, &predicate), &expected, &format!("{predicate} unpruned"));
            assert_same(&answer(&scan, &predicate), &expected, &format!("{predicate} in setting {setting}"));
            // One writer's file is enough for each step alone.
            for step in PruneStep::ALL.into_iter().filter(|_| setting == 0) {
                let one = scan.with_pruning(Pruning::none().with(step, true));
                let what = format!("{predicate} with {} in setting {setting}", step.name());
                assert_same(&answer(&one, &predicate), &expected, &what);
            }
        }
    }
}

/// Row groups, pages and rows that a step alone spares.
fn spared(scan: &Scan, step: PruneStep, predicate: &Expr) -> (usize, usize, u64) {
    let (_, report) = tasks(&scan.with_pruning(Pruning::none().with(step, true)), predicate);
    let spared = report.step(step);
    assert_eq!(spared.bytes > 0, spared.row_groups + spared.pages > 0, "{predicate}");
    assert_eq!((report.rows_pruned, report.bytes_pruned), (spared.rows, spared.bytes));
    (spared.row_groups, spared.pages, spared.rows)
}

#[test]
fn statistics_leave_out_row_groups() {
    let scan = scan_of(bytes(&table(), properties().build()));
    let of = |predicate: &Expr| spared(&scan, PruneStep::Statistics, predicate).0;
    assert_eq!(of(&compare(ID, CompareOp::Lt, 150i64)), 3);
    assert_eq!(of(&compare(KEY, CompareOp::Eq, 4243i64)), 0);
    assert_eq!(of(&like(NOTE, "note 0012%", false)), 3);
    assert_eq!(of(&like(NOTE, "note %", true)), 4);
    assert_eq!(of(&like(NOTE, "note 00_2%", false)), 0);
    assert_eq!(of(&compare(UNSIGNED, CompareOp::Gt, 3_990_000_000u32)), 3);
    assert_eq!(of(&compare(WIDE, CompareOp::Lt, wide(-(1990 << 70)))), 3);
    // A float has a maximum but for NaN, which is above all.
    assert_eq!(of(&compare(FLOAT, CompareOp::Eq, 690.0)), 3);
    assert_eq!(of(&compare(FLOAT, CompareOp::Gt, 1e300)), 0);
    let far = Expr::cast(
        column(DAY),
        DataType::Timestamp(arrow::datatypes::TimeUnit::Second, None),
        CastMode::Strict,
    );
    let second = Scalar::new(
        DataType::Timestamp(arrow::datatypes::TimeUnit::Second, None),
        pilaster::expr::Value::Integer(99 * 86_400),
    );
    let far = Expr::compare(CompareOp::LtEq, far.unwrap(), Expr::literal(second.unwrap())).unwrap();
    assert_eq!(of(&far), 3);
}

#[test]
fn bloom_filters_leave_out_row_groups_that_statistics_cannot() {
    let scan = scan_of(bytes(&table(), properties().build()));
    let of = |predicate: &Expr| spared(&scan, PruneStep::Bloom, predicate).0;
    assert_eq!(of(&compare(KEY, CompareOp::Eq, 4243i64)), 4);
    // Each key is in one row group.
    assert_eq!(of(&compare(KEY, CompareOp::Eq, 4242i64)), 3);
    assert_eq!(of(&Expr::in_list(column(KEY), vec![1i64.into(), 8i64.into()], false).unwrap()), 3);
    assert_eq!(of(&compare(KEY, CompareOp::NotEq, 4243i64)), 0);
    assert_eq!(of(&either(compare(KEY, CompareOp::Eq, 1i64), compare(KEY, CompareOp::Eq, 8i64))), 3);
    assert_eq!(of(&compare(NOTE, CompareOp::Eq, Scalar::utf8("note 000777"))), 3);
    assert_eq!(of(&compare(WIDE, CompareOp::Eq, wide((5 << 70) + 1))), 4);
    assert_eq!(of(&compare(FLOAT, CompareOp::Eq, 100.125)), 4);
    assert_eq!(of(&compare(FLOAT, CompareOp::Eq, 0.0)), 0);
    assert_eq!(of(&compare(FLOAT, CompareOp::Eq, f64::NAN)), 0);
    let without = scan_of(bytes(&table(), WriterProperties::default()));
    assert_eq!(spared(&without, PruneStep::Bloom, &compare(KEY, CompareOp::Eq, 4243i64)).0, 0);
}

#[test]
fn dictionaries_leave_out_row_groups_for_conditions_of_any_shape() {
    let scan = scan_of(bytes(&table(), properties().build()));
    let of = |predicate: &Expr| spared(&scan, PruneStep::Dictionary, predicate).0;
    assert_eq!(of(&compare(CITY, CompareOp::Eq, Scalar::utf8("Hamburg 4"))), 3);
    assert_eq!(of(&like(CITY, "%burg 5", false)), 0);
    assert_eq!(of(&like(CITY, "%mburg%", false)), 3);
    assert_eq!(of(&like(CITY, "%nothing%", false)), 4);
    assert_eq!(of(&compare(CITY, CompareOp::Gt, Scalar::utf8("Zz"))), 4);
    let either_city = either(like(CITY, "Mers%", false), like(CITY, "%urg 9", false));
    assert_eq!(of(&either_city), 3);
    // Null passes, and is in no dictionary.
    assert_eq!(of(&either(Expr::is_null(column(CITY)), like(CITY, "%nothing%", false))), 0);
    // Two columns, and one without a dictionary.
    assert_eq!(of(&either(like(CITY, "%nothing%", false), compare(ID, CompareOp::Lt, 0i64))), 0);
    assert_eq!(of(&like(NOTE, "%nothing%", false)), 0);
    // A chunk that fell back to plain values in its middle.
    let fallen = properties().set_column_dictionary_page_size_limit("city".into(), 40).build();
    let scan = scan_of(bytes(&table(), fallen));
    assert_eq!(spared(&scan, PruneStep::Dictionary, &like(CITY, "%nothing%", false)).0, 0);
}

#[test]
fn dictionaries_of_every_type_are_looked_at() {
    use arrow::datatypes::TimeUnit;
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((0..2000).map(|row| row % 5 * 2)));
    let texts = cast(&numbers, &DataType::Utf8).unwrap();
    let note: ArrayRef = Arc::new(StringArray::from_iter_values((0..2000).map(|row| format!("row {row}"))));
    for data_type in [
        DataType::Int8,
        DataType::UInt16,
        DataType::Int32,
        DataType::UInt32,
        DataType::Int64,
        DataType::UInt64,
        DataType::Date32,
        DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Float32,
        DataType::Float64,
        DataType::Decimal128(9, 2),
        DataType::Decimal128(18, 2),
        DataType::Decimal128(38, 2),
        DataType::Utf8,
        DataType::Utf8View,
        DataType::Binary,
    ] {
        let from = |array: &ArrayRef| match data_type {
            DataType::Date32 => cast(&cast(array, &DataType::Int32).unwrap(), &data_type).unwrap(),
            _ => cast(array, &data_type).unwrap(),
        };
        let text = matches!(data_type, DataType::Utf8 | DataType::Utf8View | DataType::Binary);
        let values = from(if text { &texts } else { &numbers });
        let batch = RecordBatch::try_from_iter([("value", values), ("note", Arc::clone(&note))]).unwrap();
        // Version 1 has no dictionaries of values of fixed length.
        let version = parquet::file::properties::WriterVersion::PARQUET_2_0;
        let written = WriterProperties::builder().set_writer_version(version).build();
        let scan = scan_of(bytes(&batch, written));
        let constant = |value: i64| {
            let number: ArrayRef = Arc::new(Int64Array::from(vec![value]));
            let array = if text { cast(&number, &DataType::Utf8).unwrap() } else { number };
            Expr::literal(Scalar::from_array(&from(&array), 0).unwrap())
        };
        for (value, pruned) in [(3, 1), (4, 0)] {
            let column = Expr::column(0, data_type.clone());
            let is = Expr::compare(CompareOp::Eq, column, constant(value)).unwrap();
            assert_eq!(spared(&scan, PruneStep::Dictionary, &is).0, pruned, "{is} of {data_type}");
            assert_eq!(answer(&scan, &is).num_rows(), if pruned == 1 { 0 } else { 400 });
        }
    }
}

#[test]
fn a_row_group_in_pieces_is_refined_once() {
    let scan = scan_of(bytes(&table(), properties().build()));
    let predicate = compare(ID, CompareOp::Eq, 1234i64);
    let found = scan.tasks(Some(&predicate)).unwrap();
    let refinement = Refinement::default();
    for _ in 0..3 {
        let task = refinement.task(&scan, &found.tasks[0], &predicate).unwrap().unwrap();
        assert_eq!(task.ranges().unwrap().ranges(), std::slice::from_ref(&(200..300)));
    }
    assert_eq!(refinement.report().step(PruneStep::Pages).rows, 900);
}

#[test]
fn the_page_index_leaves_out_ranges_of_rows() {
    let scan = scan_of(bytes(&table(), properties().build()));
    let of = |predicate: &Expr| spared(&scan, PruneStep::Pages, predicate);
    let columns = table().num_columns();
    // One page of each column is left; three row groups have none.
    let (groups, pages, rows) = of(&compare(ID, CompareOp::Eq, 1234i64));
    assert_eq!((groups, rows), (3, (ROWS - PAGE) as u64));
    assert!(pages >= (columns - 1) * (GROUP / PAGE - 1), "{pages}");
    // Across the border of two row groups, and two ends of the table.
    assert_eq!(of(&either(compare(ID, CompareOp::Lt, 50i64), compare(ID, CompareOp::Gt, 3949i64))).2, 3800);
    let null = Expr::is_null(column(SPARSE));
    // Stretches of 250 rows, pages of 100: the mixed ones stay.
    assert_eq!(of(&null).2, 1600);
    assert_eq!(of(&like(NOTE, "note 0012%", false)).2, (ROWS - PAGE) as u64);
    // Nothing to leave out.
    assert_eq!(of(&compare(KEY, CompareOp::Eq, 4242i64)), (0, 0, 0));

    let (tasks, report) = tasks(&scan, &compare(ID, CompareOp::Eq, 1234i64));
    assert_eq!(tasks.len(), 1);
    assert_eq!(tasks[0].ranges().unwrap().ranges(), std::slice::from_ref(&(200..300)));
    assert_eq!(report.step(PruneStep::Statistics).row_groups, 3);
    assert_eq!(report.step(PruneStep::Pages).rows, 900);
    let without =
        scan_of(bytes(&table(), properties().set_statistics_enabled(EnabledStatistics::Chunk).build()));
    assert_eq!(spared(&without, PruneStep::Pages, &compare(ID, CompareOp::Eq, 1234i64)), (0, 0, 0));
}

/// Files by year and region, with a stray file and hidden ones.
fn folders() -> (tempfile::TempDir, RecordBatch) {
    let folder = tempfile::tempdir().unwrap();
    let all = table();
    let parts = [
        ("year=2023/region=__HIVE_DEFAULT_PARTITION__", 0..1000),
        ("year=2023/region=north%20east", 1000..2000),
        ("year=2024/region=s%C3%BCd", 2000..3000),
        ("year=2024/region=west", 3000..4000),
    ];
    for (name, rows) in parts {
        let inside = folder.path().join(name);
        fs::create_dir_all(&inside).unwrap();
        let part = all.slice(rows.start, rows.len());
        fs::write(inside.join("part.parquet"), bytes(&part, properties().build())).unwrap();
    }
    for hidden in ["_temporary", ".staging"] {
        fs::create_dir_all(folder.path().join(hidden)).unwrap();
        fs::write(folder.path().join(hidden).join("part.parquet"), b"unfinished").unwrap();
    }
    let year: Int64Array = (0..ROWS as i64).map(|row| Some(2023 + row / 2000)).collect();
    let region = (0..ROWS).map(|row| [None, Some("north east"), Some("süd"), Some("west")][row / GROUP]);
    let fields = all.schema().fields().iter().cloned().collect::<Vec<_>>();
    let more = [Field::new("year", DataType::Int64, true), Field::new("region", DataType::Utf8, true)];
    let schema = Schema::new([fields, more.map(Arc::new).to_vec()].concat());
    let mut columns = all.columns().to_vec();
    columns.push(Arc::new(year));
    columns.push(Arc::new(StringArray::from_iter(region)));
    (folder, RecordBatch::try_new(Arc::new(schema), columns).unwrap())
}

#[test]
fn partition_folders_are_columns_and_leave_out_files() {
    let (folder, all) = folders();
    let scan = Scan::open(&[folder.path()]).unwrap();
    assert_eq!(scan.schema(), &all.schema());
    let year = || Expr::column(10, DataType::Int64);
    let region = || Expr::column(11, DataType::Utf8);
    let is = |column: Expr, constant: Scalar| {
        Expr::compare(CompareOp::Eq, column, Expr::literal(constant)).unwrap()
    };
    let cases = [
        (Expr::literal(Scalar::from(true)), 0),
        (is(year(), 2023i64.into()), 2),
        (is(region(), Scalar::utf8("süd")), 3),
        (Expr::is_null(region()), 3),
        (Expr::not(is(region(), Scalar::utf8("west"))).unwrap(), 2),
        (either(is(year(), 2023i64.into()), is(region(), Scalar::utf8("west"))), 1),
        (both(is(year(), 2024i64.into()), compare(ID, CompareOp::Lt, 10i64)), 2),
        (is(year(), 1999i64.into()), 4),
        (Expr::like(region(), LikePattern::new("n%", None, false).unwrap(), false).unwrap(), 3),
    ];
    for (predicate, pruned) in cases {
        assert_eq!(spared(&scan, PruneStep::Partitions, &predicate).0, pruned, "{predicate}");
        let expected = expected(&scan, &all, &predicate);
        for pruning in [Pruning::default(), Pruning::none()] {
            let found = answer(&scan.with_pruning(pruning), &predicate);
            assert_same(&found, &expected, &format!("{predicate} with {pruning}"));
        }
    }
    // Typed by the table; a column that the file has of the same name gives way.
    let fields = vec![
        Field::new("year", DataType::Int32, true),
        Field::new("region", DataType::Utf8View, true),
        Field::new("id", DataType::Int64, true),
    ];
    let typed = Scan::open_as(&[folder.path()], Arc::new(Schema::new(fields))).unwrap();
    let late = is(Expr::column(0, DataType::Int32), 2024i32.into());
    assert_eq!(answer(&typed, &late).num_rows(), 2000);
    let wrong = Arc::new(Schema::new(vec![Field::new("region", DataType::Int32, true)]));
    assert!(matches!(Scan::open_as(&[folder.path()], wrong), Err(Error::InvalidInput(_))));
}

/// The file with another footer.
fn with_footer(bytes: &[u8], change: impl FnOnce(ParquetMetaData) -> ParquetMetaData) -> Vec<u8> {
    let footer = u32::from_le_bytes(bytes[bytes.len() - 8..bytes.len() - 4].try_into().unwrap()) as usize;
    let metadata =
        ParquetMetaDataReader::new().parse_and_finish(&bytes::Bytes::copy_from_slice(bytes)).unwrap();
    let mut changed = bytes[..bytes.len() - 8 - footer].to_vec();
    ParquetMetaDataWriter::new(&mut changed, &change(metadata)).finish().unwrap();
    changed
}

/// The file with other statistics for one column, in every row group.
fn with_statistics(bytes: &[u8], column: usize, statistics: &Statistics) -> Vec<u8> {
    with_footer(bytes, |metadata| {
        let mut builder = metadata.into_builder();
        for group in builder.take_row_groups() {
            let mut group = group.into_builder();
            let columns = group.take_columns().into_iter().enumerate().map(|(index, chunk)| match index {
                // Without its page index, which would still tell the truth.
                index if index == column => chunk
                    .into_builder()
                    .set_statistics(statistics.clone())
                    .set_column_index_offset(None)
                    .build()
                    .unwrap(),
                _ => chunk,
            });
            let columns = columns.collect();
            builder = builder.add_row_group(group.set_column_metadata(columns).build().unwrap());
        }
        builder.build()
    })
}

#[test]
fn statistics_that_cannot_be_trusted_prune_nothing() {
    let all = table();
    let plain = bytes(&all, properties().build());
    let text = |value: &str| Some(value.as_bytes().to_vec().into());
    let lies: Vec<(usize, Statistics, Expr)> = vec![
        // The minimum above the maximum.
        (ID, Statistics::int64(Some(9), Some(3), None, Some(0), false), compare(ID, CompareOp::Eq, 1234i64)),
        // More nulls than rows; nulls alone beside bounds.
        (SPARSE, Statistics::int32(None, None, None, Some(5000), false), Expr::is_not_null(column(SPARSE))),
        (
            SPARSE,
            Statistics::int32(Some(0), Some(999), None, Some(1000), false),
            compare(SPARSE, CompareOp::Lt, 10i32),
        ),
        // NaN among the bounds.
        (
            FLOAT,
            Statistics::double(Some(f64::NAN), Some(f64::NAN), None, Some(0), false),
            compare(FLOAT, CompareOp::Lt, 0.0),
        ),
        (
            FLOAT,
            Statistics::double(Some(-1e9), Some(1.0), None, None, false),
            compare(FLOAT, CompareOp::Gt, 1e300),
        ),
        // Deprecated bounds of what signed bytes do not order.
        (
            UNSIGNED,
            Statistics::int32(Some(-294_967_296), Some(0), None, Some(0), true),
            compare(UNSIGNED, CompareOp::Eq, 77_000_000u32),
        ),
        (
            NOTE,
            Statistics::byte_array(text("x"), text("z"), None, Some(0), true),
            compare(NOTE, CompareOp::Eq, Scalar::utf8("note 000777")),
        ),
        // A maximum cut without rounding up.
        (
            NOTE,
            Statistics::ByteArray(
                parquet::file::statistics::ValueStatistics::new(
                    text("note"),
                    text("note 00"),
                    None,
                    Some(0),
                    false,
                )
                .with_max_is_exact(false),
            ),
            compare(NOTE, CompareOp::Gt, Scalar::utf8("note 000")),
        ),
    ];
    for (index, statistics, predicate) in lies {
        let scan = scan_of(with_statistics(&plain, index, &statistics));
        let found =
            tasks(&scan.with_pruning(Pruning::none().with(PruneStep::Statistics, true)), &predicate).1;
        assert_eq!(found.row_groups_pruned, 0, "{predicate} with {statistics:?}");
        assert_same(&answer(&scan, &predicate), &expected(&scan, &all, &predicate), &predicate.to_string());
    }
}

#[test]
fn damaged_filters_and_indexes_are_no_error() {
    let all = table();
    let good = bytes(&all, properties().build());
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&bytes::Bytes::from(good.clone())).unwrap();
    let regions = |chunk: &parquet::file::metadata::ColumnChunkMetaData| {
        let region = |offset: Option<i64>, length: Option<i32>| {
            offset.zip(length).map(|(offset, length)| offset as usize..offset as usize + length as usize)
        };
        [
            region(chunk.bloom_filter_offset(), chunk.bloom_filter_length().map(|length| length.min(32))),
            region(chunk.column_index_offset(), chunk.column_index_length()),
            region(chunk.offset_index_offset(), chunk.offset_index_length()),
        ]
    };
    let chunks = metadata.row_groups().iter().flat_map(|group| group.columns());
    let regions: Vec<_> = chunks.flat_map(regions).flatten().collect();
    let mut random = Random(11);
    for case in 0..150 {
        let mut damaged = good.clone();
        for _ in 0..=random.below(4) {
            let region = regions[random.below(regions.len())].clone();
            damaged[region.start + random.below(region.len())] ^= 1 << random.below(8);
        }
        let scan = scan_of(damaged);
        for predicate in [compare(ID, CompareOp::Eq, 1234i64), compare(KEY, CompareOp::Eq, 4242i64)] {
            let found = scan.tasks(Some(&predicate)).unwrap();
            let mut report = found.report;
            for task in &found.tasks {
                // Wrong content may prune wrongly; that it is read never fails.
                scan.refine(task, &predicate, &mut report).unwrap_or_else(|error| panic!("{case}: {error}"));
            }
        }
    }
}

#[test]
fn files_of_other_schemas_are_widened_and_matched() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, columns: Vec<(&str, ArrayRef)>| {
        let path = folder.path().join(name);
        let batch = RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, array)| (name, array, true)),
        );
        fs::write(&path, bytes(&batch.unwrap(), WriterProperties::default())).unwrap();
        path
    };
    let decimal = |precision| {
        Arc::new(Decimal128Array::from(vec![150]).with_precision_and_scale(precision, 2).unwrap()) as ArrayRef
    };
    let wide = file(
        "a.parquet",
        vec![
            ("n", Arc::new(Int64Array::from(vec![1 << 40]))),
            ("f", Arc::new(Float64Array::from(vec![0.5]))),
            ("d", decimal(20)),
        ],
    );
    let narrow = file(
        "b.parquet",
        vec![
            ("d", decimal(7)),
            ("n", Arc::new(Int32Array::from(vec![-7]))),
            ("f", Arc::new(arrow::array::Float32Array::from(vec![0.25]))),
            ("extra", Arc::new(Int32Array::from(vec![1]))),
        ],
    );
    file("c.parquet", vec![("n", Arc::new(Int32Array::from(vec![9])))]);
    let scan = Scan::open(&[folder.path()]).unwrap();
    let all = answer(&scan, &Expr::literal(Scalar::from(true)));
    assert_eq!(all.column(0).as_ref(), &Int64Array::from(vec![1 << 40, -7, 9]) as &dyn Array);
    assert_eq!(all.column(1).as_ref(), &Float64Array::from(vec![Some(0.5), Some(0.25), None]) as &dyn Array);
    let decimals = Decimal128Array::from(vec![Some(150), Some(150), None]);
    assert_eq!(all.column(2).as_ref(), &decimals.with_precision_and_scale(20, 2).unwrap() as &dyn Array);
    // Bounds of the narrow files prune in the table's type.
    let large =
        Expr::compare(CompareOp::Gt, Expr::column(0, DataType::Int64), Expr::literal(100i64)).unwrap();
    assert_eq!(spared(&scan, PruneStep::Statistics, &large).0, 2);
    assert!(matches!(Scan::open(&[&narrow, &wide]), Err(Error::InvalidInput(_))));
    let text = file("z.parquet", vec![("n", Arc::new(StringArray::from(vec!["1"])))]);
    assert!(matches!(Scan::open(&[&wide, &text]), Err(Error::InvalidInput(_))));
}

#[test]
fn footers_are_kept_while_the_file_stays_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let all = table();
    let path = |name: &str| folder.path().join(name);
    let write =
        |path: &Path, rows| fs::write(path, bytes(&all.slice(0, rows), properties().build())).unwrap();
    let cache = FooterCache::new(2);
    let rows = |path: &Path| {
        Scan::from_slices_with(&[FileSlice::whole(path)], all.schema(), &cache).map(|scan| scan.rows())
    };
    for name in ["a", "b", "c"] {
        write(&path(name), 1500);
        assert_eq!(rows(&path(name)).unwrap(), 1500);
    }
    assert_eq!(cache.len(), 2);
    // Changed, and damaged afterwards: what is known of the old file is not used.
    write(&path("c"), 700);
    assert_eq!(rows(&path("c")).unwrap(), 700);
    fs::write(path("c"), b"no parquet").unwrap();
    assert!(matches!(rows(&path("c")), Err(Error::CorruptFile { .. })));
    assert_eq!(cache.len(), 1);
    fs::remove_file(path("b")).unwrap();
    assert!(matches!(rows(&path("b")), Err(Error::Io { .. })));
}
