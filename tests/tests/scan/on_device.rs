//! Leaves decoded on the device of this run: the rows of the `parquet` crate's reader, and of pyarrow.
//!
//! What has a device form is said here once more, from the file's own pages: a leaf that the device should have decoded and
//! did not fails the test, so that none passes by the host's decoder.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use bytes::Bytes;
use parquet::basic::{Encoding, Type as Physical};
use parquet::column::page::Page;
use parquet::file::reader::{FileReader, SerializedFileReader};
use pilaster::device::{Device, ShaderMode};
use pilaster::memory::Budget;
use pilaster::run::Cancellation;
use pilaster::scan::{LeafSide, Scan};
use pilaster_kernels::memory::Reserve;
use pilaster_tests::devices::device;
use pilaster_tests::strategies::choices;
use pilaster_tests::strategies::parquet::{HandmadeFile, Oddities, ParquetFile};
use pilaster_tests::{compare, runner};
use proptest::prelude::*;

use super::agreement::each_type_in_each_encoding;
use super::pyarrow::written_files;
use super::reading::{budget, open, oracle};

/// Leaf columns of row groups, and how many of them the device decoded.
#[derive(Debug, Default)]
struct Tally {
    flat: [usize; 2],
    nested: [usize; 2],
}

/// A leaf column of a row group, as its pages are.
struct Stored {
    physical: Physical,
    repeated: bool,
    /// Encodings of its data pages.
    encodings: Vec<Encoding>,
    dictionary: bool,
}

fn stored(bytes: &Bytes, row_group: usize) -> BTreeMap<String, Stored> {
    let reader = SerializedFileReader::new(bytes.clone()).unwrap();
    let group = reader.get_row_group(row_group).unwrap();
    let leaf = |at: usize| {
        let descriptor = group.metadata().column(at).column_descr_ptr();
        let (mut encodings, mut dictionary) = (Vec::new(), false);
        let mut pages = group.get_column_page_reader(at).unwrap();
        while let Some(page) = pages.get_next_page().unwrap() {
            match page {
                Page::DictionaryPage { .. } => dictionary = true,
                page if page.num_values() > 0 => encodings.push(page.encoding()),
                _ => {}
            }
        }
        let repeated = descriptor.max_rep_level() > 0;
        let physical = descriptor.physical_type();
        (descriptor.path().string(), Stored { physical, repeated, encodings, dictionary })
    };
    (0..group.num_columns()).map(leaf).collect()
}

impl Stored {
    /// Whether the device decodes it as `data_type`, by the table in `kernels::parquet::gpu`.
    fn due(&self, data_type: &DataType) -> bool {
        use DataType as T;
        let has = |encoding| self.encodings.contains(&encoding);
        let codes = [Encoding::PLAIN_DICTIONARY, Encoding::RLE_DICTIONARY];
        let form = match data_type {
            T::Dictionary(_, values) => return self.due(values),
            T::Utf8 | T::LargeUtf8 | T::Utf8View | T::Binary | T::LargeBinary | T::BinaryView => {
                let codes = self.encodings.iter().all(|encoding| codes.contains(encoding));
                return self.dictionary && codes && !self.encodings.is_empty();
            }
            T::Boolean | T::Float16 | T::Float32 | T::Float64 | T::Date32 => true,
            T::Decimal32(..) | T::Decimal64(..) | T::Decimal128(..) => true,
            T::Timestamp(unit, _) => *unit != TimeUnit::Second,
            T::Time32(unit) | T::Time64(unit) => *unit != TimeUnit::Second,
            T::FixedSizeBinary(bytes) => matches!(bytes, 1 | 2 | 4 | 8 | 16),
            other => other.is_integer(),
        };
        let strings = [Physical::BYTE_ARRAY, Physical::INT96].contains(&self.physical);
        form && !strings && !has(Encoding::DELTA_BYTE_ARRAY)
    }
}

/// Arrow types of the leaves, in order.
fn leaf_types(schema: &Schema) -> Vec<DataType> {
    fn walk(field: &Field, out: &mut Vec<DataType>) {
        use DataType as T;
        match field.data_type() {
            T::List(child) | T::LargeList(child) | T::FixedSizeList(child, _) | T::Map(child, _) => {
                walk(child, out);
            }
            T::Struct(fields) => fields.iter().for_each(|field| walk(field, out)),
            other => out.push(other.clone()),
        }
    }
    let mut types = Vec::new();
    schema.fields().iter().for_each(|field| walk(field, &mut types));
    types
}

impl Tally {
    fn count(
        &mut self,
        sides: &[LeafSide],
        types: &[DataType],
        stored: &BTreeMap<String, Stored>,
    ) -> Result<(), String> {
        if sides.len() != types.len() {
            return Err(format!("{} leaves read, expected {}", sides.len(), types.len()));
        }
        for (side, data_type) in sides.iter().zip(types) {
            let leaf = &stored[&side.path];
            match (&side.on_host, leaf.due(data_type)) {
                (Some(reason), true) => {
                    return Err(format!("{} ({data_type}) was left to the host: {reason}", side.path));
                }
                (None, false) => return Err(format!("{} ({data_type}) has a device form", side.path)),
                _ => {}
            }
            let counts = if leaf.repeated { &mut self.nested } else { &mut self.flat };
            counts[usize::from(side.on_host.is_none())] += 1;
        }
        Ok(())
    }

    /// Enough was decoded on the device for the comparison to mean something.
    fn convinces(&self, test: &str) {
        println!("{test}: [on the host, on the device] {self:?}");
        for [host, device] in [self.flat, self.nested] {
            assert!(device > 20 && device > host / 2, "{test}: {self:?}");
        }
    }
}

fn scan_on(
    device: &Device,
    scan: &Scan,
    budget: &Arc<Budget>,
    mut each: impl FnMut(usize, &[LeafSide]) -> Result<(), String>,
) -> Result<Vec<RecordBatch>, String> {
    let show = |error: pilaster::Error| format!("the scan failed: {error}");
    let reserve: Arc<dyn Reserve> = Arc::clone(budget) as _;
    let mut batches = Vec::new();
    for (row_group, task) in scan.tasks(None).map_err(show)?.tasks.iter().enumerate() {
        let read = scan.read_on(device, task, &reserve, &Cancellation::new()).map_err(show)?;
        each(row_group, &read.leaves)?;
        batches.push(read.batch);
    }
    Ok(batches)
}

/// All of a file, decoded on the device wherever that can be, against all rows of it.
fn agrees(device: &Device, bytes: &Bytes, all: &RecordBatch, tally: &mut Tally) -> Result<(), String> {
    let scan = open(bytes).map_err(|error| error.to_string())?;
    let types = leaf_types(scan.schema());
    let budget = budget();
    let count = |row_group: usize, sides: &[LeafSide]| tally.count(sides, &types, &stored(bytes, row_group));
    let got = scan_on(device, &scan, &budget, count)?;
    compare::scanned(all, &got)?;
    drop(got);
    match budget.reserved() {
        0 => Ok(()),
        left => Err(format!("{left} bytes are still reserved")),
    }
}

#[test]
fn any_file_of_the_parquet_crate() {
    let test = "any_file_of_the_parquet_crate";
    let Some(device) = device(test, ShaderMode::Checked) else { return };
    let tally = std::cell::RefCell::new(Tally::default());
    let files = choices(160).prop_map(|mut choices| ParquetFile::choose(&mut choices));
    runner::check(test, 100, &files, |file| {
        agrees(&device, &file.bytes, &oracle(&file.bytes)?, &mut tally.borrow_mut())
    });
    tally.take().convinces(test);
}

/// Every type in every encoding that it may have, flat and in a list.
#[test]
fn every_type_in_every_encoding() {
    let test = "on_device::every_type_in_every_encoding";
    let Some(device) = device(test, ShaderMode::Checked) else { return };
    let mut tally = Tally::default();
    each_type_in_each_encoding(|what, file| {
        let all = oracle(&file.bytes).unwrap();
        assert_eq!(agrees(&device, &file.bytes, &all, &mut tally), Ok(()), "{what}: {file:?}");
    });
    tally.convinces(test);
}

#[test]
fn files_made_by_hand() {
    let test = "on_device::files_made_by_hand";
    let Some(device) = device(test, ShaderMode::Checked) else { return };
    let files = choices(60).prop_map(|mut choices| {
        // The `parquet` crate's reader, which says here what pages there are, refuses several dictionaries.
        HandmadeFile::choose(&mut choices, |oddities: &mut Oddities| {
            oddities.dictionaries = oddities.dictionaries.min(1);
            oddities.index_pages = false;
        })
    });
    let mut decoded = 0;
    let decoded = std::cell::RefCell::new(&mut decoded);
    runner::check(test, 100, &files, |file| {
        let scan = open(&file.bytes).map_err(|error| error.to_string())?;
        let got = scan_on(&device, &scan, &budget(), |_, sides| {
            **decoded.borrow_mut() += sides.iter().filter(|side| side.on_host.is_none()).count();
            Ok(())
        })?;
        compare::scanned(&file.data, &got)
    });
    assert!(**decoded.borrow() > 50, "{decoded:?} columns on the device");
}

#[test]
fn any_file_of_pyarrow() {
    let test = "any_file_of_pyarrow";
    let Some(device) = device(test, ShaderMode::Checked) else { return };
    let Some(files) = written_files(test) else { return };
    let mut tally = Tally::default();
    // A program for each leaf of each row group: half of the files are thousands.
    for file in files.iter().step_by(2) {
        let bytes = Bytes::from(std::fs::read(file.stem.with_extension("parquet")).unwrap());
        let scan = open(&bytes).unwrap();
        if let Err(reason) = agrees(&device, &bytes, &file.expected(scan.schema()), &mut tally) {
            panic!("{test}: {reason}\n{}", file.made());
        }
    }
    tally.convinces(test);
}
