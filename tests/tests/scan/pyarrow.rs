//! Files that pyarrow writes from random schemas, data and settings (`tests/pyarrow/write_files.py`), against the Arrow
//! IPC files that it writes beside them: no reader of Parquet but ours is involved.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

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

/// A file that pyarrow wrote.
pub struct Written {
    /// Its path without an extension.
    pub stem: PathBuf,
    number: u32,
}

impl Written {
    /// What the file holds, in the types that it can be read as: some of Arrow's do not outlive Parquet.
    pub fn expected(&self, schema: &Schema) -> RecordBatch {
        let file = std::fs::File::open(self.stem.with_extension("arrow")).unwrap();
        let reader = FileReader::try_new(file, None).unwrap();
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

    /// How it was written.
    pub fn made(&self) -> String {
        let made = std::fs::read_to_string(self.stem.with_extension("txt")).unwrap();
        format!("file {} of seed {}:\n{made}", self.number, seed())
    }
}

/// The files of this run, written once for all tests; none, as a counted skip of `test`, where there is no pyarrow.
pub fn written_files(test: &str) -> Option<&'static [Written]> {
    static FILES: OnceLock<Option<(tempfile::TempDir, Vec<Written>)>> = OnceLock::new();
    let files = FILES.get_or_init(|| {
        let python = python()?;
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
        let stem = |number: u32| folder.path().join(format!("{number:03}"));
        let files = (0..count).map(|number| Written { stem: stem(number), number }).collect();
        Some((folder, files))
    });
    if files.is_none() {
        skip(test, "no pyarrow: `cargo xtask setup` installs it");
    }
    files.as_ref().map(|(_, files)| files.as_slice())
}

fn agrees(file: &Written, choices: &mut Choices) -> Result<(), String> {
    let show = |error: pilaster::Error| format!("the scan failed: {error}");
    let scan = Scan::open(&[file.stem.with_extension("parquet")]).map_err(show)?;
    let all = file.expected(scan.schema());
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
    let Some(files) = written_files(test) else { return };
    for file in files {
        let mut random = Random::new(seed() ^ u64::from(file.number));
        let mut choices = Choices::new((0..40).map(|_| random.bits() as u32).collect());
        if let Err(reason) = agrees(file, &mut choices) {
            panic!("{test}: {reason}\n{}", file.made());
        }
    }
}
