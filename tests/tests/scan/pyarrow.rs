//! Files that pyarrow writes from random schemas, data and settings (`tests/pyarrow/write_files.py`), against the Arrow
//! IPC files that it writes beside them: no reader of Parquet but ours is involved.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options, concat_batches};
use arrow::datatypes::Schema;
use arrow::ipc::reader::FileReader;
use pilaster::scan::Scan;
use pilaster_tests::runner::{cases, seed};
use pilaster_tests::skips::skip;
use pilaster_tests::strategies::{Choices, Random};

use super::reading::{Reading, budget};

/// The interpreter that has pyarrow: the one that `cargo xtask setup` installs, unless another is named.
fn python() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("PILASTER_TEST_PYARROW") {
        return Some(named.into());
    }
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/xtask/pyarrow/bin/python");
    installed.exists().then_some(installed)
}

/// What the file holds, in the types that it can be read as: some of Arrow's do not outlive Parquet.
fn expected(path: &Path, schema: &Schema) -> RecordBatch {
    let reader = FileReader::try_new(std::fs::File::open(path).unwrap(), None).unwrap();
    let written = reader.schema();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    let all = concat_batches(&written, &batches).unwrap();
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let as_read = |(array, field): (&ArrayRef, &Arc<arrow::datatypes::Field>)| {
        if array.data_type() == field.data_type() {
            return Arc::clone(array);
        }
        cast_with_options(array, field.data_type(), &strict)
            .unwrap_or_else(|error| panic!("{} is read as {field:?}: {error}", array.data_type()))
    };
    let columns = all.columns().iter().zip(schema.fields()).map(as_read).collect();
    RecordBatch::try_new(Arc::new(schema.clone()), columns).unwrap()
}

fn agrees(stem: &Path, choices: &mut Choices) -> Result<(), String> {
    let show = |error: pilaster::Error| format!("the scan failed: {error}");
    let scan = Scan::open(&[stem.with_extension("parquet")]).map_err(show)?;
    let all = expected(&stem.with_extension("arrow"), scan.schema());
    let budget = budget();
    for reading in [Reading::whole(all.num_columns()), Reading::choose(&all, choices)] {
        let got = reading.scan(&scan, &budget).map_err(show)?;
        reading.agrees(&all, &got).map_err(|reason| format!("{reading:?}: {reason}"))?;
    }
    Ok(())
}

#[test]
fn the_scan_reads_what_pyarrow_writes() {
    let test = "the_scan_reads_what_pyarrow_writes";
    let Some(python) = python() else {
        return skip(test, "no pyarrow: `cargo xtask setup` installs it");
    };
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("pyarrow/write_files.py");
    let count = cases(80);
    let status = Command::new(&python)
        .arg(script)
        .args([seed().to_string(), count.to_string()])
        .arg(folder.path())
        .status()
        .unwrap();
    assert!(status.success(), "{}: {status}", python.display());
    for number in 0..count {
        let stem = folder.path().join(format!("{number:03}"));
        let mut random = Random::new(seed() ^ u64::from(number));
        let mut choices = Choices::new((0..40).map(|_| random.bits() as u32).collect());
        if let Err(reason) = agrees(&stem, &mut choices) {
            let made = std::fs::read_to_string(stem.with_extension("txt")).unwrap();
            panic!("{test}: {reason}\nfile {number} of seed {}:\n{made}", seed());
        }
    }
}
