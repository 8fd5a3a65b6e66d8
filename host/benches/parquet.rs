//! Parquet columns to Arrow arrays on one thread, by our scan and by the `parquet` crate's Arrow reader: a few columns of
//! `pilaster bench micro --suite parquet`, which has them all. The file lies in memory; throughput is bytes of Arrow arrays
//! of the file's own type. Both readers' arrays are compared before they are timed.

#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::{cast, concat};
use arrow::datatypes::DataType;
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pilaster::scan::{DEFAULT_BATCH_ROWS, ReadOptions, Scan};
use pilaster_bench_data::columns::{self, Codec, Options};

const COLUMNS: [&str; 8] = [
    "plain_i64",
    "dict_i64",
    "dict_str",
    "delta_i64",
    "split_f64",
    "plain_strview",
    "nulls20_i64",
    "nulls20_dict_i64",
];

fn ours(file: &Bytes, sink: &mut dyn FnMut(ArrayRef)) {
    let scan = Scan::from_bytes("bench.parquet", file.clone()).unwrap();
    for task in scan.tasks(None).unwrap().tasks {
        for batch in scan.read(&task, &ReadOptions::default()).unwrap() {
            sink(Arc::clone(batch.unwrap().column(0)));
        }
    }
}

fn arrow_rs(file: &Bytes, sink: &mut dyn FnMut(ArrayRef)) {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file.clone()).unwrap();
    for batch in builder.with_batch_size(DEFAULT_BATCH_ROWS).build().unwrap() {
        sink(Arc::clone(batch.unwrap().column(0)));
    }
}

/// A reader's arrays as one of `data_type`.
fn whole(read: impl Fn(&Bytes, &mut dyn FnMut(ArrayRef)), file: &Bytes, data_type: &DataType) -> ArrayRef {
    let mut arrays = vec![];
    read(file, &mut |array| arrays.push(cast(&array, data_type).unwrap()));
    concat(&arrays.iter().map(AsRef::as_ref).collect::<Vec<&dyn Array>>()).unwrap()
}

fn read(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { rows: 1_000_000, ..Options::default() };
    for name in COLUMNS {
        let kind = columns::kind(name).unwrap();
        for codec in [Codec::None, Codec::Snappy] {
            let file = columns::generate(kind, codec, &options, folder.path()).unwrap();
            let file = Bytes::from(std::fs::read(file.path).unwrap());
            let schema = Scan::from_bytes("bench.parquet", file.clone()).unwrap();
            let data_type = schema.schema().field(0).data_type().clone();
            let expected = whole(arrow_rs, &file, &data_type);
            assert_eq!(&whole(ours, &file, &data_type), &expected, "{name} {codec}");
            let mut group = criterion.benchmark_group(format!("{name}/{codec}"));
            let bytes = expected.to_data().get_slice_memory_size().unwrap();
            group.throughput(Throughput::Bytes(bytes as u64)).sample_size(20);
            group.bench_function("pilaster", |bencher| {
                bencher.iter(|| ours(&file, &mut |array| drop(black_box(array))))
            });
            group.bench_function("arrow-rs", |bencher| {
                bencher.iter(|| arrow_rs(&file, &mut |array| drop(black_box(array))));
            });
            group.finish();
        }
    }
}

criterion_group!(benches, read);
criterion_main!(benches);
