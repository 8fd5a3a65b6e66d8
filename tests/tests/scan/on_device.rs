//! Leaves decoded on the device of this run: the rows of the `parquet` crate's reader, and of pyarrow.
//!
//! What stays with the host is named here, with the reason that the scan gives: a leaf that the host decodes for any other
//! reason fails the test, so that none passes by the host's decoder. What the files had is counted by physical type and
//! encoding, from their own pages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
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

/// Leaf columns of row groups.
#[derive(Debug, Default)]
pub struct Tally {
    /// That the device decoded.
    pub flat: usize,
    nested: usize,
    /// Those, by how they are stored.
    stored: BTreeMap<(Physical, Encoding), usize>,
    /// That the host decoded, by the reason.
    left: BTreeMap<String, usize>,
}

/// A leaf column of a row group, as its pages are.
struct Stored {
    physical: Physical,
    repeated: bool,
    /// Encodings of its data pages.
    encodings: BTreeSet<Encoding>,
}

fn stored(bytes: &Bytes, row_group: usize) -> BTreeMap<String, Stored> {
    let reader = SerializedFileReader::new(bytes.clone()).unwrap();
    let group = reader.get_row_group(row_group).unwrap();
    let leaf = |at: usize| {
        let descriptor = group.metadata().column(at).column_descr_ptr();
        let mut encodings = BTreeSet::new();
        let mut pages = group.get_column_page_reader(at).unwrap();
        while let Some(page) = pages.get_next_page().unwrap() {
            if !matches!(page, Page::DictionaryPage { .. }) && page.num_values() > 0 {
                encodings.insert(page.encoding());
            }
        }
        let repeated = descriptor.max_rep_level() > 0;
        let physical = descriptor.physical_type();
        (descriptor.path().string(), Stored { physical, repeated, encodings })
    };
    (0..group.num_columns()).map(leaf).collect()
}

/// Why the host decodes leaves, of those that files of these tests have: a column that is null by its type has nothing to
/// decode, and days as milliseconds have no device form.
fn left(physical: Physical, data_type: &DataType) -> Option<&'static str> {
    match (physical, data_type) {
        (_, DataType::Null) => Some("decoding Int32 pages to Null is not supported on gpu"),
        (Physical::INT32, DataType::Date64) => Some("decoding Int32 pages to Date64 is not supported on gpu"),
        _ => None,
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
            let reason = side.on_host.as_deref();
            let leaf = &stored[&side.path];
            if reason != left(leaf.physical, data_type) {
                return Err(format!(
                    "{} ({data_type}) was decoded elsewhere: {reason:?} on the host",
                    side.path
                ));
            }
            if let Some(reason) = reason {
                *self.left.entry(reason.into()).or_default() += 1;
                continue;
            }
            *(if leaf.repeated { &mut self.nested } else { &mut self.flat }) += 1;
            for encoding in &leaf.encodings {
                *self.stored.entry((leaf.physical, *encoding)).or_default() += 1;
            }
        }
        Ok(())
    }

    /// Enough was decoded on the device for the comparison to mean something, of these among others.
    fn convinces(&self, test: &str, stored: &[(Physical, Encoding)]) {
        println!("{test}: {self:?}");
        assert!(self.flat > 20 && self.nested > 20, "{test}: {self:?}");
        for of in stored {
            assert!(self.stored.get(of).is_some_and(|leaves| *leaves > 2), "{test}: {of:?} in {self:?}");
        }
    }
}

/// Values that have bytes of their own length, or are converted.
const BYTE_ARRAYS: [(Physical, Encoding); 5] = [
    (Physical::BYTE_ARRAY, Encoding::PLAIN),
    (Physical::BYTE_ARRAY, Encoding::RLE_DICTIONARY),
    (Physical::BYTE_ARRAY, Encoding::DELTA_LENGTH_BYTE_ARRAY),
    (Physical::BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY),
    (Physical::FIXED_LEN_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY),
];

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
pub fn agrees(device: &Device, bytes: &Bytes, all: &RecordBatch, tally: &mut Tally) -> Result<(), String> {
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
    tally.take().convinces(test, &BYTE_ARRAYS[..2]);
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
    tally.convinces(test, &BYTE_ARRAYS);
    assert_eq!((tally.flat + tally.nested, tally.left.values().sum::<usize>()), (12064, 132));
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
    let tally = std::cell::RefCell::new(Tally::default());
    runner::check(test, 100, &files, |file| {
        agrees(&device, &file.bytes, &file.data, &mut tally.borrow_mut())
    });
    tally.take().convinces(test, &BYTE_ARRAYS);
}

#[test]
fn any_file_of_pyarrow() {
    let test = "any_file_of_pyarrow";
    let Some(device) = device(test, ShaderMode::Checked) else { return };
    let Some(files) = written_files(test) else { return };
    let mut tally = Tally::default();
    for file in files {
        let bytes = Bytes::from(std::fs::read(file.stem.with_extension("parquet")).unwrap());
        let scan = open(&bytes).unwrap();
        if let Err(reason) = agrees(&device, &bytes, &file.expected(scan.schema()), &mut tally) {
            panic!("{test}: {reason}\n{}", file.made());
        }
    }
    // Few of its files have the other encodings.
    tally.convinces(test, &BYTE_ARRAYS[..2]);
}
