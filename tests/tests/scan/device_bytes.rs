//! Values of bytes on the device, at their limits: prefixes that come a long way, INT96 beyond any calendar, decimals of all
//! lengths; and damaged files.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::Encoding;
use parquet::data_type::{
    ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType, Int96, Int96Type,
};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use pilaster::device::{Device, ShaderMode};
use pilaster::memory::Budget;
use pilaster::run::Cancellation;
use pilaster_kernels::Error;
use pilaster_tests::devices::device;
use pilaster_tests::strategies::{Random, choices};
use pilaster_tests::{compare, runner};
use proptest::prelude::*;

use super::hostile::Case;
use super::on_device::{Tally, agrees};
use super::reading::{Reading, budget, open, oracle};

/// One page of strings, front coded.
fn front_coded(strings: Vec<Option<String>>) -> (Bytes, RecordBatch) {
    let rows: ArrayRef = Arc::new(Int32Array::from_iter_values(0..strings.len() as i32));
    let strings: ArrayRef = Arc::new(StringArray::from(strings));
    let data = RecordBatch::try_from_iter_with_nullable([("row", rows, false), ("string", strings, true)]);
    let data = data.unwrap();
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_column_encoding("string".into(), Encoding::DELTA_BYTE_ARRAY)
        .set_data_page_row_count_limit(usize::MAX)
        .set_data_page_size_limit(1 << 30)
        .set_write_batch_size(data.num_rows())
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), data.schema(), Some(properties)).unwrap();
    writer.write(&data).unwrap();
    (writer.into_inner().unwrap().into(), data)
}

/// Whose byte is it: of a value 33,000 values before, of one 400 prefixes down, of the one right before.
#[test]
fn prefixes_that_come_a_long_way() {
    let test = "prefixes_that_come_a_long_way";
    let Some(device) = device(test, ShaderMode::Checked) else { return };
    let mut random = Random::new(7);
    let growing = "abcdefghijklmnopqrstuvwxyz".repeat(16);
    let mut strings: Vec<Option<String>> = vec![Some("the same for a very long time".into()); 33_000];
    strings.extend((0..400).map(|length| Some(growing[..length].into())));
    strings.extend((0..400).rev().map(|length| Some(growing[..length].into())));
    strings.extend((0..3_000).map(|key| Some(format!("customer#{key:09}"))));
    strings.extend((0..3_000).map(|_| match random.bits() % 9 {
        0 => None,
        1 => Some(String::new()),
        length => Some(growing[..(random.bits() % (1 << length)) as usize % 400].into()),
    }));
    let (bytes, data) = front_coded(strings);
    let mut tally = Tally::default();
    assert_eq!(agrees(&device, &bytes, &data, &mut tally), Ok(()));
    assert_eq!(tally.flat, 2, "{tally:?}");
}

/// Big-endian two's complement, shortened or lengthened.
fn decimal(value: i128, bytes: usize) -> Vec<u8> {
    let wide = value.to_be_bytes();
    let sign = if value < 0 { 0xff } else { 0 };
    let mut padded = vec![sign; bytes.saturating_sub(16)];
    padded.extend(&wide[16usize.saturating_sub(bytes)..]);
    padded
}

#[test]
fn timestamps_and_decimals_at_their_limits() {
    let test = "timestamps_and_decimals_at_their_limits";
    let Some(device) = device(test, ShaderMode::Checked) else { return };
    let message = "message limits {
        optional int96 at;
        required binary short (DECIMAL(18, 2));
        required binary long (DECIMAL(38, 4));
        required fixed_len_byte_array(7) fixed (DECIMAL(16, 1));
    }";
    let day_ns = 86_400_000_000_000i64;
    let stamps: Vec<(i64, i32)> = [i32::MIN, -1, 0, 2_440_587, 2_440_588, 2_440_589, 2_600_000, i32::MAX]
        .into_iter()
        .flat_map(|day| [i64::MIN, -1, 0, 1, 999, day_ns - 1, day_ns, i64::MAX].map(|ns| (ns, day)))
        .collect();
    let wide = [0, 1, -1, 127, 128, -128, -129, 1 << 40, -(1 << 40), 10i128.pow(38) - 1, 1 - 10i128.pow(38)];
    let length = |value: i128| (1..=16).find(|bytes| decimal(value, *bytes).len() * 8 >= needed_bits(value));
    for dictionary in [false, true] {
        let properties = WriterProperties::builder().set_dictionary_enabled(dictionary).build();
        let schema = Arc::new(parse_message_type(message).unwrap());
        let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
        let mut group = file.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let values: Vec<Int96> = stamps
            .iter()
            .map(|&(ns, day)| Int96::from(vec![ns as u32, (ns >> 32) as u32, day as u32]))
            .collect();
        // A null behind each.
        let levels: Vec<i16> = values.iter().flat_map(|_| [1, 0]).collect();
        column.typed::<Int96Type>().write_batch(&values, Some(&levels), None).unwrap();
        column.close().unwrap();
        let rows = levels.len();
        for small in [true, false] {
            let values: Vec<ByteArray> = (0..rows)
                .map(|row| {
                    let value = wide[row % wide.len()] % if small { 10i128.pow(18) } else { i128::MAX };
                    let least = length(value).unwrap_or(16);
                    // Up to three bytes of sign before it, beyond 16 bytes too.
                    decimal(value, least + row % 4).into()
                })
                .collect();
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<ByteArrayType>().write_batch(&values, None, None).unwrap();
            column.close().unwrap();
        }
        let values: Vec<FixedLenByteArray> =
            (0..rows).map(|row| ByteArray::from(decimal(wide[row % 9] - row as i128, 7)).into()).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<FixedLenByteArrayType>().write_batch(&values, None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        let bytes = Bytes::from(file.into_inner().unwrap());
        // The host's decoder is held to other readers elsewhere; the `parquet` crate's takes no long decimals.
        let scan = open(&bytes).unwrap();
        let reading = Reading { declared_types: true, ..Reading::whole(4) };
        let host = reading.scan(&scan, &budget()).unwrap();
        let all = concat_batches(scan.schema(), &host).unwrap();
        let mut tally = Tally::default();
        assert_eq!(agrees(&device, &bytes, &all, &mut tally), Ok(()));
        assert_eq!(tally.flat, 4, "{tally:?}");
    }
}

fn needed_bits(value: i128) -> usize {
    let magnitude = if value < 0 { !value } else { value };
    (129 - magnitude.leading_zeros()) as usize
}

/// Batches or an error, and where the host gives batches too, the same.
fn survives(device: &Device, bytes: &Bytes) -> Result<bool, String> {
    let Ok(scan) = open(bytes) else { return Ok(false) };
    let budget: Arc<Budget> = budget();
    let host = Reading::whole(scan.schema().fields().len()).scan(&scan, &budget);
    let mut batches = Vec::new();
    let Ok(tasks) = scan.tasks(None) else { return Ok(false) };
    for task in &tasks.tasks {
        match scan.read_on(device, task, &(Arc::clone(&budget) as _), &Cancellation::new()) {
            Ok(read) => batches.push(read.batch),
            Err(Error::Device { stage, reason }) => return Err(format!("{stage}: {reason}")),
            Err(Error::InvalidInput(reason)) => return Err(format!("a bug: {reason}")),
            Err(_) => return Ok(false),
        }
    }
    let Ok(host) = host else { return Ok(false) };
    if host.is_empty() {
        return Ok(false);
    }
    let all = concat_batches(&host[0].schema(), &host).map_err(|error| error.to_string())?;
    compare::scanned(&all, &batches)?;
    Ok(true)
}

#[test]
fn damaged_files_on_the_device() {
    let test = "damaged_files_on_the_device";
    let Some(device) = device(test, ShaderMode::Checked) else { return };
    let cases = choices(160).prop_map(|mut choices| Case::choose(true, &mut choices));
    let same = std::cell::Cell::new(0);
    runner::check(test, 40, &cases, |case| {
        // A file cost some submissions.
        for bytes in case.damaged().into_iter().take(4) {
            same.set(same.get() + usize::from(survives(&device, &bytes.into())?));
        }
        Ok(())
    });
    println!("{test}: {} read by both", same.get());
    assert!(same.get() > 5, "{}", same.get());
}

/// What the comparison is made of is not blind: the oracle's rows, one string changed, do not agree.
#[test]
fn a_changed_string_is_noticed() {
    let test = "a_changed_string_is_noticed";
    let Some(device) = device(test, ShaderMode::Checked) else { return };
    let strings = |last: &str| vec![Some("abc".to_string()), None, Some("abcd".into()), Some(last.into())];
    let (bytes, _) = front_coded(strings("abcde"));
    let (changed, _) = front_coded(strings("abcdf"));
    let mut tally = Tally::default();
    assert_eq!(agrees(&device, &bytes, &oracle(&bytes).unwrap(), &mut tally), Ok(()));
    assert!(agrees(&device, &bytes, &oracle(&changed).unwrap(), &mut tally).is_err());
}
