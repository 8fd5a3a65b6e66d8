//! Pipelines over Parquet files whose pages the device decodes: the rows of the same plan over the batch that was written,
//! on the CPU. Without an adapter a test is counted as skipped, with the reason.

use std::path::Path;

use arrow::array::{ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array};
use arrow::compute::{concat_batches, sort_to_indices, take_record_batch};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnPath;
use pilaster::aggregate::{Aggregate, AggregateFunction};
use pilaster::device::Fault;
use pilaster::scan::Scan;
use pilaster::{Error, Report};
use tempfile::TempDir;

use super::gpu::opened;
use super::*;

const ROWS: usize = 12_000;
const GROUP: usize = 5_000;

const ID: usize = 0;
const SMALL: usize = 1;
const PRICE: usize = 2;
const DAY: usize = 3;
const FLOAT: usize = 4;
const YES: usize = 5;
const FLAG: usize = 6;
const TEXT: usize = 7;
const SPLIT: usize = 8;

/// Columns for each form of a page, some with nulls: two thirds of the pages' forms pay, see [`properties`].
fn table(first: usize) -> RecordBatch {
    let rows = first..first + ROWS;
    let scattered = |row: usize| row.wrapping_mul(2_654_435_761) >> 7;
    let maybe = |row: usize, one_in: usize| !scattered(row).is_multiple_of(one_in);
    let small = rows.clone().map(|row| maybe(row, 5).then_some(scattered(row) as i64 % 300 - 150));
    let price = rows.clone().map(|row| Some(scattered(row) as i128 % 50 * 1_000_003 - 7));
    let price = Decimal128Array::from_iter(price).with_precision_and_scale(15, 2).unwrap();
    let flags = ["A", "N", "R", ""];
    let flag = rows.clone().map(|row| maybe(row, 7).then_some(flags[scattered(row) % 4]));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(rows.clone().map(|row| row as i64)))),
        ("small", Arc::new(Int64Array::from_iter(small))),
        ("price", Arc::new(price)),
        ("day", Arc::new(Date32Array::from_iter_values(rows.clone().map(|row| row as i32 / 400)))),
        (
            "float",
            Arc::new(Float64Array::from_iter(
                rows.clone().map(|row| maybe(row, 4).then_some(row as f64 / 3.0)),
            )),
        ),
        (
            "yes",
            Arc::new(BooleanArray::from_iter(rows.clone().map(|row| maybe(row, 3).then_some(maybe(row, 2))))),
        ),
        ("flag", Arc::new(StringArray::from_iter(flag))),
        (
            "text",
            Arc::new(StringArray::from_iter_values(rows.clone().map(|row| format!("t{}", row % 10_000)))),
        ),
        ("split", Arc::new(Int32Array::from_iter_values(rows.map(|row| scattered(row) as i32)))),
    ];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), array.null_count() > 0))
        .collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

fn properties(version: WriterVersion, compression: Compression) -> WriterProperties {
    let path = |name: &str| ColumnPath::from(name);
    let builder = WriterProperties::builder()
        .set_writer_version(version)
        .set_compression(compression)
        .set_max_row_group_row_count(Some(GROUP))
        .set_data_page_row_count_limit(1_700)
        .set_write_batch_size(100);
    [
        ("id", Encoding::DELTA_BINARY_PACKED),
        ("day", Encoding::DELTA_BINARY_PACKED),
        ("float", Encoding::PLAIN),
        ("text", Encoding::PLAIN),
        ("split", Encoding::BYTE_STREAM_SPLIT),
    ]
    .into_iter()
    .fold(builder, |builder, (name, encoding)| {
        builder.set_column_dictionary_enabled(path(name), false).set_column_encoding(path(name), encoding)
    })
    .build()
}

fn write(path: &Path, batch: &RecordBatch, properties: WriterProperties) {
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn column(table: &RecordBatch, index: usize) -> Expr {
    Expr::column(index, table.schema().field(index).data_type().clone())
}

fn in_memory(batch: &RecordBatch) -> Plan {
    Plan::input(Arc::new(MemorySource::with_partitions(batch.schema(), vec![vec![batch.clone()]]).unwrap()))
}

/// Every column, of rows that one filter keeps.
fn filtered(input: Plan, table: &RecordBatch) -> Plan {
    let names = table.schema();
    let columns = (0..table.num_columns())
        .map(|index| (names.field(index).name().clone(), column(table, index)))
        .collect();
    input.filter(less(column(table, SMALL), 100)).unwrap().project(columns).unwrap()
}

/// Groups by flag and day: sums, extremes and counts of the others.
fn grouped(input: Plan, table: &RecordBatch) -> Plan {
    let aggregate = |name: &str, function, index: usize, data_type| {
        (name.to_owned(), Aggregate::new(function, vec![column(table, index)], data_type))
    };
    use AggregateFunction::{Count, Max, Min, Sum};
    let aggregates = vec![
        aggregate("price", Sum, PRICE, DataType::Decimal128(25, 2)),
        aggregate("small", Sum, SMALL, DataType::Int64),
        aggregate("id", Max, ID, DataType::Int64),
        aggregate("split", Min, SPLIT, DataType::Int32),
        aggregate("float", Count, FLOAT, DataType::Int64),
        aggregate("yes", Count, YES, DataType::Int64),
        aggregate("text", Count, TEXT, DataType::Int64),
    ];
    let keys = vec![("flag".to_owned(), column(table, FLAG)), ("day".to_owned(), column(table, DAY))];
    let plan = input
        .filter(less(column(table, ID), table.num_rows() as i64 - 1_000))
        .unwrap()
        .aggregate(keys, aggregates)
        .unwrap();
    plan.sort(vec![ascending(0), ascending(1)], None).unwrap()
}

/// All rows, in the order of the first column: filters promise none.
fn joined(batches: &[RecordBatch]) -> RecordBatch {
    let all = concat_batches(batches[0].schema_ref(), batches).unwrap();
    // Groups come sorted, by a column that is not unique.
    if all.schema().field(0).name() != "id" {
        return all;
    }
    let order = sort_to_indices(all.column(0), None, None).unwrap();
    take_record_batch(&all, &order).unwrap()
}

/// Runs both plans over the files; the last report comes back.
fn agree(session: &Session, paths: &[impl AsRef<Path>], table: &RecordBatch) -> Report {
    let plans: [fn(Plan, &RecordBatch) -> Plan; 2] = [filtered, grouped];
    let reports = plans.map(|plan| {
        let scan = Scan::open(paths).unwrap();
        let (batches, report) = session.collect(&plan(Plan::scan(scan), table)).unwrap();
        let (expected, _) = cpu(1).collect(&plan(in_memory(table), table)).unwrap();
        assert_eq!(joined(&batches), joined(&expected), "{report}");
        assert_eq!(session.reserved_host_bytes(), 0);
        report
    });
    reports.into_iter().next_back().unwrap()
}

/// The columns under a name of the report's details.
fn columns<'a>(report: &'a Report, detail: &str) -> Vec<&'a str> {
    let details = report.operators.iter().flat_map(|operator| &operator.details);
    let found = details.filter(|(name, _)| name == detail).map(|(_, value)| value.as_str());
    found.flat_map(|columns| columns.split(',')).collect()
}

#[test]
fn pages_are_decoded_on_the_device() {
    let table = table(0);
    let folder = TempDir::new().unwrap();
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY] {
            let path = folder.path().join("a.parquet");
            write(&path, &table, properties(version, compression));
            for device_batch_rows in [1_000, 1 << 20] {
                let config = SessionConfig { strict: true, device_batch_rows, ..gpu::config() };
                let Some(session) = opened(config) else { return };
                let report = agree(&session, &[&path], &table);
                assert_eq!((report.left(), report.fell_back()), (0, 0), "{report}");
                assert_eq!(
                    (report.pipelines[0].submissions, report.pipelines[0].read_backs),
                    (1, 1),
                    "{report}"
                );
                let on_device = columns(&report, "decoded_on_device");
                for name in ["id", "small", "price", "day", "float", "yes", "flag", "split"] {
                    assert!(on_device.contains(&name), "{name}: {report}");
                }
                assert_eq!(columns(&report, "decoded_on_host"), ["text"], "{report}");
            }
        }
    }
}

/// Columns that pay in one file only, or come of another shape, are decoded by the host in all of them.
#[test]
fn files_of_different_encodings_agree() {
    let Some(session) = opened(SessionConfig { strict: true, ..gpu::config() }) else { return };
    let (first, second) = (table(0), table(ROWS));
    let folder = TempDir::new().unwrap();
    let paths = [folder.path().join("a.parquet"), folder.path().join("b.parquet")];
    write(&paths[0], &first, properties(WriterVersion::PARQUET_2_0, Compression::SNAPPY));
    let plain = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_max_row_group_row_count(Some(GROUP))
        .build();
    write(&paths[1], &second, plain);
    let both = concat_batches(first.schema_ref(), [&first, &second]).unwrap();
    let report = agree(&session, &paths, &both);
    let on_device = columns(&report, "decoded_on_device");
    assert!(on_device.contains(&"float") && !on_device.contains(&"flag"), "{report}");
    assert!(columns(&report, "decoded_on_host").contains(&"flag"), "{report}");
}

#[test]
fn a_small_device_means_parts_and_the_same_rows() {
    let limits = SessionConfig { device_memory_limit_bytes: 1 << 19, ..gpu::config() };
    let Some(session) = opened(limits) else { return };
    let table = table(0);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.parquet");
    write(&path, &table, properties(WriterVersion::PARQUET_2_0, Compression::UNCOMPRESSED));
    let report = agree(&session, &[&path], &table);
    assert!(report.pipelines[0].submissions > 1, "{report}");
    assert_eq!(report.fell_back(), 0, "{report}");
}

#[test]
fn a_lost_device_means_the_same_rows_from_the_cpu() {
    let Some(session) = opened(gpu::config()) else { return };
    let table = table(0);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.parquet");
    write(&path, &table, properties(WriterVersion::PARQUET_2_0, Compression::UNCOMPRESSED));
    let plan = grouped(Plan::scan(Scan::open(&[&path]).unwrap()), &table);
    session.device().unwrap().inject(Fault::LoseAfterStages(0));
    let (batches, report) = session.collect(&plan).unwrap();
    assert!(report.fell_back() > 0, "{report}");
    let (expected, _) = cpu(1).collect(&grouped(in_memory(&table), &table)).unwrap();
    assert_eq!(joined(&batches), joined(&expected));
}

/// The device alone sees a packed index: its page is named all the same, and the CPU is not asked.
#[test]
fn an_index_beyond_the_dictionary_is_a_corrupt_file() {
    let Some(session) = opened(gpu::config()) else { return };
    let table = table(0);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.parquet");
    write(&path, &table, properties(WriterVersion::PARQUET_2_0, Compression::UNCOMPRESSED));
    let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
    let chunk = reader.metadata().row_group(1).column(PRICE);
    let (start, length) = chunk.byte_range();
    let mut bytes = std::fs::read(&path).unwrap();
    // 50 values have indices of 6 bits: 63 is none of them. The last bytes of the chunk are packed indices.
    let end = (start + length) as usize;
    bytes[end - 40..end - 20].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    let plan = grouped(Plan::scan(Scan::open(&[&path]).unwrap()), &table);
    match session.collect(&plan).unwrap_err() {
        Error::CorruptFile { column, row_group, offset, reason, .. } => {
            assert_eq!((column.as_deref(), row_group), (Some("price"), Some(1)));
            let offset = offset.unwrap();
            assert!((start..start + length).contains(&offset), "{offset}");
            assert!(reason.contains("dictionary"), "{reason}");
        }
        other => panic!("{other}"),
    }
    assert_eq!(session.reserved_host_bytes(), 0);
}
