//! Several files on disk as one table, and parts of them.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pilaster::Error;
use pilaster::scan::{FileSlice, Scan};
use pilaster_tests::runner;
use pilaster_tests::strategies::parquet::{ParquetFile, Settings, write};
use pilaster_tests::strategies::{Choices, choices};
use proptest::prelude::*;

use super::reading::{Reading, budget, oracle};

/// The same columns in several files, each written in its own way.
#[derive(Debug, Clone)]
struct Case {
    first: ParquetFile,
    /// How the others are written, which hold the first one's rows from somewhere on.
    others: Vec<(usize, Settings)>,
    /// Row groups to read of each file, by a bit each.
    chosen: usize,
    later: Choices,
}

impl Case {
    fn choose(choices: &mut Choices) -> Self {
        let mut later = choices.split();
        let mut first = ParquetFile::choose(choices);
        // All files name the types alike.
        first.settings.without_arrow_schema = false;
        first.settings.coerce_types = false;
        let first = first.again();
        let rows = first.data.num_rows();
        let other = |later: &mut Choices| {
            let from = later.pick(rows);
            let settings = Settings::choose(&first.data.schema(), rows - from, later);
            (from, Settings { without_arrow_schema: false, coerce_types: false, ..settings })
        };
        let others = (0..1 + later.pick(2)).map(|_| other(&mut later)).collect();
        Case { first, others, chosen: later.pick(1 << 16) | 1, later }
    }
}

/// The row groups of a file that were chosen.
fn part(bytes: &bytes::Bytes, row_groups: &[usize]) -> Result<RecordBatch, String> {
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).map_err(|error| error.to_string())?;
    let schema = Arc::clone(builder.schema());
    let reader = builder.with_row_groups(row_groups.to_vec()).build().map_err(|error| error.to_string())?;
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    concat_batches(&schema, &batches).map_err(|error| error.to_string())
}

fn agrees(case: &Case) -> Result<(), String> {
    let show = |error: Error| format!("the scan failed: {error}");
    let folder = tempfile::tempdir().unwrap();
    let mut files = vec![case.first.bytes.clone()];
    for (from, settings) in &case.others {
        let data = case.first.data.slice(*from, case.first.data.num_rows() - from);
        files.push(write(&data, settings));
    }
    let mut later = case.later.clone();
    let mut slices = Vec::new();
    let (mut wholes, mut parts) = (Vec::new(), Vec::new());
    for (number, bytes) in files.iter().enumerate() {
        // By name in the folder's order.
        let path = folder.path().join(format!("{number}.parquet"));
        std::fs::write(&path, bytes).unwrap();
        let groups =
            ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).unwrap().metadata().num_row_groups();
        let chosen: Vec<usize> = (0..groups).filter(|group| case.chosen >> (group % 16) & 1 == 1).collect();
        wholes.push(oracle(bytes)?);
        parts.push(part(bytes, &chosen)?);
        slices.push(FileSlice { row_groups: Some(chosen), ..FileSlice::whole(path) });
    }
    let schema = wholes[0].schema();
    let one = |batches: &[RecordBatch]| concat_batches(&schema, batches).map_err(|error| error.to_string());
    let table = Scan::open(&[folder.path()]).map_err(show)?;
    let sliced = Scan::from_slices(&slices, Arc::clone(table.schema())).map_err(show)?;
    for (scan, all) in [(table, one(&wholes)?), (sliced, one(&parts)?)] {
        let reading = Reading::choose(&all, &mut later);
        let budget = budget();
        let got = reading.scan(&scan, &budget).map_err(show)?;
        reading.agrees(&all, &got).map_err(|reason| format!("{reading:?}: {reason}"))?;
    }
    Ok(())
}

#[test]
fn several_files_and_parts_of_them() {
    let cases = choices(240).prop_map(|mut choices| Case::choose(&mut choices));
    runner::check("several_files_and_parts_of_them", 40, &cases, agrees);
}
