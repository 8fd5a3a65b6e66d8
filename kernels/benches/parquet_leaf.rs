//! Columns decoded from pages in memory: encoding x type x nulls, by the leaf reader, in batches of 16,384 rows.
//!
//! Pages hold 20,000 values, as the usual writers cut them; no codec is in the way. Throughput is bytes of Arrow output
//! (values and validity). Each column is compared with what was written before it is timed.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::Buffer;
use arrow::compute::concat;
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pilaster_kernels::Error;
use pilaster_kernels::parquet::{
    DataPage, DictionaryPage, Encoding, Leaf, LeafReader, Levels, Malformed, PageFacts, PageSource, Physical,
    bits,
};

const ROWS: usize = 400_000;
const PAGE: usize = 20_000;
const BATCH: usize = 16 * 1024;

/// Pages that lie in memory.
#[derive(Clone)]
struct Pages {
    dictionary: Option<DictionaryPage>,
    pages: Arc<Vec<DataPage>>,
    next: usize,
}

impl PageSource for Pages {
    fn dictionary(&mut self) -> Result<Option<DictionaryPage>, Error> {
        Ok(self.dictionary.take())
    }

    fn peek(&mut self) -> Result<Option<PageFacts>, Error> {
        Ok(self.pages.get(self.next).map(|page| PageFacts { levels: page.levels, rows: Some(page.levels) }))
    }

    fn next(&mut self) -> Result<Option<DataPage>, Error> {
        let page = self.pages.get(self.next).cloned();
        self.next += 1;
        Ok(page)
    }

    fn skip(&mut self) -> Result<(), Error> {
        self.next += 1;
        Ok(())
    }

    fn corrupt(&self, place: u64, malformed: &Malformed) -> Error {
        panic!("{malformed} in the page at {place}")
    }
}

fn noise(seed: u64, len: usize) -> Vec<u64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state ^ state >> 29) >> 8
    };
    (0..len).map(|_| next()).collect()
}

fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn pack(values: &[u64], width: u32) -> Vec<u8> {
    let mut packed = vec![0; bits::packed_len(values.len(), width).unwrap()];
    for (i, value) in values.iter().enumerate() {
        for b in 0..width as usize {
            let bit = i * width as usize + b;
            packed[bit / 8] |= ((value >> b & 1) as u8) << (bit % 8);
        }
    }
    packed
}

/// Packed runs of at most 504 values.
fn hybrid(values: &[u64], width: u32) -> Vec<u8> {
    let mut bytes = vec![];
    for chunk in values.chunks(504) {
        varint(&mut bytes, (chunk.len().div_ceil(8) as u64) << 1 | 1);
        let mut padded = chunk.to_vec();
        padded.resize(chunk.len().next_multiple_of(8), 0);
        bytes.extend(pack(&padded, width));
    }
    bytes
}

fn delta(values: &[i64], block: usize) -> Vec<u8> {
    let mut bytes = vec![];
    let zigzag = |value: i64| ((value << 1) ^ (value >> 63)) as u64;
    for value in [block as u64, 4, values.len() as u64, zigzag(values[0])] {
        varint(&mut bytes, value);
    }
    let deltas: Vec<i64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for chunk in deltas.chunks(block) {
        let min = *chunk.iter().min().unwrap();
        varint(&mut bytes, zigzag(min));
        let mut above: Vec<u64> = chunk.iter().map(|&delta| (delta - min) as u64).collect();
        above.resize(block, 0);
        let width = |mini: &[u64]| 64 - mini.iter().fold(0, |all, value| all | value).leading_zeros();
        bytes.extend(above.chunks(block / 4).map(|mini| width(mini) as u8));
        for mini in above.chunks(block / 4) {
            bytes.extend(pack(mini, width(mini)));
        }
    }
    bytes
}

fn split<const N: usize>(values: &[[u8; N]]) -> Vec<u8> {
    (0..N).flat_map(|k| values.iter().map(move |value| value[k])).collect()
}

type Encode = Box<dyn Fn(&[u64]) -> Vec<u8>>;

/// One column: how its values are encoded, and how one is compared.
struct Column {
    name: &'static str,
    physical: Physical,
    data_type: DataType,
    encoding: Encoding,
    dictionary: Option<DictionaryPage>,
    /// The bytes of the values of these rows.
    encode: Encode,
    /// Whether the array has at that place what the number stands for.
    is: fn(&ArrayRef, usize, u64) -> bool,
}

/// How many distinct values dictionaries have.
const DISTINCT: u64 = 1000;

fn text(value: u64) -> String {
    // Some inline in a view, most not.
    format!("value {:0width$}", value % DISTINCT, width = 3 + (value % DISTINCT % 20) as usize)
}

fn columns() -> Vec<Column> {
    let i64_of = |value: u64| (value % DISTINCT) as i64 * 1_000_003;
    let codes = |values: &[u64]| {
        let mut bytes = vec![10];
        bytes.extend(hybrid(&values.iter().map(|value| value % DISTINCT).collect::<Vec<_>>(), 10));
        bytes
    };
    let dictionary = |values: Vec<u8>| {
        Some(DictionaryPage { len: DISTINCT as usize, values: Buffer::from_vec(values), offset: 4 })
    };
    let plain_text = |values: &mut dyn Iterator<Item = u64>| -> Vec<u8> {
        values
            .map(text)
            .flat_map(|text| [&(text.len() as u32).to_le_bytes(), text.as_bytes()].concat())
            .collect()
    };
    let texts = dictionary(plain_text(&mut (0..DISTINCT)));
    let rising = |values: &[u64]| -> Vec<i64> {
        values
            .iter()
            .scan(0, |sum, value| {
                *sum += (value % 1000) as i64 - 100;
                Some(*sum)
            })
            .collect()
    };
    vec![
        Column {
            name: "i64 plain",
            physical: Physical::Int64,
            data_type: DataType::Int64,
            encoding: Encoding::Plain,
            dictionary: None,
            encode: Box::new(|values| bytemuck::cast_slice(values).to_vec()),
            is: |array, i, value| array.as_primitive::<Int64Type>().value(i) == value as i64,
        },
        Column {
            name: "i64 dictionary",
            physical: Physical::Int64,
            data_type: DataType::Int64,
            encoding: Encoding::Dictionary,
            dictionary: dictionary((0..DISTINCT).flat_map(|value| i64_of(value).to_le_bytes()).collect()),
            encode: Box::new(codes),
            is: |array, i, value| {
                array.as_primitive::<Int64Type>().value(i) == (value % DISTINCT) as i64 * 1_000_003
            },
        },
        Column {
            name: "i32 dictionary",
            physical: Physical::Int32,
            data_type: DataType::Int32,
            encoding: Encoding::Dictionary,
            dictionary: dictionary(
                (0..DISTINCT).flat_map(|value| (value as i32 * 7).to_le_bytes()).collect(),
            ),
            encode: Box::new(codes),
            is: |array, i, value| array.as_primitive::<Int32Type>().value(i) == (value % DISTINCT) as i32 * 7,
        },
        Column {
            name: "i64 delta",
            physical: Physical::Int64,
            data_type: DataType::Int64,
            encoding: Encoding::DeltaBinaryPacked,
            dictionary: None,
            encode: Box::new(move |values| delta(&rising(values), 256)),
            is: |_, _, _| true,
        },
        Column {
            name: "i32 delta",
            physical: Physical::Int32,
            data_type: DataType::Int32,
            encoding: Encoding::DeltaBinaryPacked,
            dictionary: None,
            encode: Box::new(move |values| delta(&rising(values), 128)),
            is: |_, _, _| true,
        },
        Column {
            name: "f64 byte stream split",
            physical: Physical::Double,
            data_type: DataType::Float64,
            encoding: Encoding::ByteStreamSplit,
            dictionary: None,
            encode: Box::new(|values| {
                split(&values.iter().map(|&value| (value as f64).to_le_bytes()).collect::<Vec<_>>())
            }),
            is: |array, i, value| array.as_primitive::<Float64Type>().value(i) == value as f64,
        },
        Column {
            name: "views dictionary",
            physical: Physical::ByteArray,
            data_type: DataType::Utf8View,
            encoding: Encoding::Dictionary,
            dictionary: texts.clone(),
            encode: Box::new(codes),
            is: |array, i, value| array.as_string_view().value(i) == text(value),
        },
        Column {
            name: "codes dictionary",
            physical: Physical::ByteArray,
            data_type: DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into()),
            encoding: Encoding::Dictionary,
            dictionary: texts,
            encode: Box::new(codes),
            is: |array, i, value| {
                let array = array.as_dictionary::<Int32Type>();
                array.values().as_string::<i32>().value(array.keys().value(i) as usize) == text(value)
            },
        },
        Column {
            name: "views plain",
            physical: Physical::ByteArray,
            data_type: DataType::Utf8View,
            encoding: Encoding::Plain,
            dictionary: None,
            encode: Box::new(move |values| plain_text(&mut values.iter().copied())),
            is: |array, i, value| array.as_string_view().value(i) == text(value),
        },
        Column {
            name: "strings plain",
            physical: Physical::ByteArray,
            data_type: DataType::Utf8,
            encoding: Encoding::Plain,
            dictionary: None,
            encode: Box::new(move |values| plain_text(&mut values.iter().copied())),
            is: |array, i, value| array.as_string::<i32>().value(i) == text(value),
        },
    ]
}

/// The pages of a column whose rows are null by that share, and the rows.
fn pages(column: &Column, null_percent: u64) -> (Pages, Vec<Option<u64>>) {
    let (values, nulls) = (noise(3, ROWS), noise(4, ROWS));
    let rows: Vec<Option<u64>> = values
        .iter()
        .zip(&nulls)
        .map(|(&value, null)| (null % 100 >= null_percent).then_some(value))
        .collect();
    let pages = rows
        .chunks(PAGE)
        .map(|rows| {
            let levels: Vec<u64> = rows.iter().map(|row| row.is_some().into()).collect();
            let dense: Vec<u64> = rows.iter().flatten().copied().collect();
            let definition = match null_percent {
                0 => {
                    let mut bytes = vec![];
                    varint(&mut bytes, (rows.len() as u64) << 1);
                    bytes.push(1);
                    bytes
                }
                _ => hybrid(&levels, 1),
            };
            DataPage {
                levels: rows.len(),
                nulls: None,
                repetition: Levels::None,
                definition: Levels::Hybrid(Buffer::from_vec(definition)),
                encoding: column.encoding,
                values: Buffer::from_vec((column.encode)(&dense)),
                offset: 4,
            }
        })
        .collect();
    (Pages { dictionary: column.dictionary.clone(), pages: Arc::new(pages), next: 0 }, rows)
}

fn read(leaf: &Leaf, pages: &Pages, mut batch: impl FnMut(ArrayRef)) {
    let mut reader = LeafReader::new(leaf.clone(), Box::new(pages.clone())).unwrap();
    loop {
        let read = reader.read(BATCH).unwrap();
        if read.array.is_empty() {
            return;
        }
        batch(read.array);
    }
}

fn leaf(c: &mut Criterion) {
    for column in columns() {
        let mut group = c.benchmark_group(column.name);
        for null_percent in [0, 10, 50] {
            let (pages, rows) = pages(&column, null_percent);
            let leaf = Leaf {
                physical: column.physical,
                data_type: column.data_type.clone(),
                max_definition: 1,
                max_repetition: 0,
                slot_definition: 0,
                with_levels: false,
            };
            let mut batches = vec![];
            read(&leaf, &pages, |batch| batches.push(batch));
            let batches: Vec<&dyn Array> = batches.iter().map(|batch| batch.as_ref()).collect();
            let array = concat(&batches).unwrap();
            assert_eq!(array.len(), ROWS);
            for (i, row) in rows.iter().enumerate() {
                assert_eq!(array.is_valid(i), row.is_some());
                assert!(row.is_none_or(|value| (column.is)(&array, i, value)), "{} row {i}", column.name);
            }
            if matches!(column.encoding, Encoding::DeltaBinaryPacked) {
                check_deltas(&array, &rows);
            }
            let bytes = match column.data_type {
                DataType::Utf8 => rows.iter().map(|row| row.map_or(4, |value| 4 + text(value).len())).sum(),
                DataType::Utf8View => 16 * ROWS,
                DataType::Int32 | DataType::Dictionary(..) => 4 * ROWS,
                _ => 8 * ROWS,
            };
            group.throughput(Throughput::Bytes((bytes + if null_percent > 0 { ROWS / 8 } else { 0 }) as u64));
            group.bench_function(BenchmarkId::new("null", format!("{null_percent} %")), |b| {
                b.iter(|| {
                    read(&leaf, &pages, |batch| {
                        black_box(batch);
                    });
                });
            });
        }
    }
}

/// Each page's values rise from 0 by what the rows say.
fn check_deltas(array: &ArrayRef, rows: &[Option<u64>]) {
    for (page, rows) in rows.chunks(PAGE).enumerate() {
        let mut sum = 0;
        for (i, value) in rows.iter().enumerate().filter_map(|(i, row)| row.map(|value| (i, value))) {
            sum += (value % 1000) as i64 - 100;
            let i = page * PAGE + i;
            let found = match array.data_type() {
                DataType::Int32 => i64::from(array.as_primitive::<Int32Type>().value(i)),
                _ => array.as_primitive::<Int64Type>().value(i),
            };
            assert_eq!(found, sum);
        }
    }
}

criterion_group!(benches, leaf);
criterion_main!(benches);
