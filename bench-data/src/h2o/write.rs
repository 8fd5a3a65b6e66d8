//! The table as a Parquet file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, RecordBatch, StringArray};
use arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use rayon::prelude::*;

/// Values of the few-valued ids.
const K: u64 = 100;

/// Rows of a row group.
const GROUP_ROWS: u64 = 1 << 20;

/// Row groups that are generated at a time.
const GROUPS_AT_A_TIME: usize = 4;

/// The written file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct H2oFile {
    /// Where it is.
    pub path: PathBuf,
    /// Rows in it.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// False where it was there already.
    pub generated: bool,
}

/// Why the file was not written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct GenerateError {
    path: PathBuf,
    source: ParquetError,
}

/// Writes the table of `rows` rows into `folder`, unless it is there. The same number of rows gives the same rows.
///
/// # Errors
/// Where the folder or file cannot be written.
pub fn generate(rows: u64, folder: &Path) -> Result<H2oFile, GenerateError> {
    let path = folder.join(format!("{}.parquet", name(rows)));
    let failed = |source| GenerateError { path: path.clone(), source };
    let complete =
        File::open(&path).ok().and_then(|file| ArrowReaderMetadata::load(&file, Default::default()).ok());
    let there =
        complete.is_some_and(|found| u64::try_from(found.metadata().file_metadata().num_rows()) == Ok(rows));
    if !there {
        std::fs::create_dir_all(folder).map_err(|error| failed(error.into()))?;
        // Renamed once whole, so that nobody reads a part.
        let partial = path.with_extension("partial");
        write(rows, &partial).map_err(failed)?;
        std::fs::rename(&partial, &path).map_err(|error| failed(error.into()))?;
    }
    let bytes = std::fs::metadata(&path).map_err(|error| failed(error.into()))?.len();
    Ok(H2oFile { path, rows, bytes, generated: !there })
}

/// `G1_1e7_1e2_0_0` for powers of ten, the plain number for others.
fn name(rows: u64) -> String {
    let power = rows.checked_ilog10().filter(|&power| 10u64.pow(power) == rows);
    let size = power.map_or_else(|| rows.to_string(), |power| format!("1e{power}"));
    format!("G1_{size}_1e2_0_0")
}

fn write(rows: u64, path: &Path) -> Result<(), ParquetError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(GROUP_ROWS as usize))
        .build();
    let schema = batch(rows, 0..0)?.schema();
    let mut writer = ArrowWriter::try_new(File::create(path)?, schema, Some(properties))?;
    let starts: Vec<u64> = (0..rows).step_by(GROUP_ROWS as usize).collect();
    for some in starts.chunks(GROUPS_AT_A_TIME) {
        let made = some.par_iter().map(|&start| batch(rows, start..rows.min(start + GROUP_ROWS)));
        for batch in made.collect::<Result<Vec<_>, ArrowError>>()? {
            writer.write(&batch)?;
        }
    }
    writer.close().map(|_| ())
}

fn batch(all: u64, rows: std::ops::Range<u64>) -> Result<RecordBatch, ArrowError> {
    let many = (all / K).max(1);
    let text = |salt: u64, values: u64, digits: usize| -> ArrayRef {
        let value = |row| format!("id{:0digits$}", 1 + below(row, salt, values));
        Arc::new(StringArray::from_iter_values(rows.clone().map(value)))
    };
    let int = |salt: u64, values: u64| -> ArrayRef {
        Arc::new(Int32Array::from_iter_values(rows.clone().map(|row| 1 + below(row, salt, values) as i32)))
    };
    let v3 = rows.clone().map(|row| below(row, 9, 100_000_001) as f64 / 1e6);
    RecordBatch::try_from_iter_with_nullable([
        ("id1", text(1, K, 3), true),
        ("id2", text(2, K, 3), true),
        ("id3", text(3, many, 10), true),
        ("id4", int(4, K), true),
        ("id5", int(5, K), true),
        ("id6", int(6, many), true),
        ("v1", int(7, 5), true),
        ("v2", int(8, 15), true),
        ("v3", Arc::new(Float64Array::from_iter_values(v3)), true),
    ])
}

/// A number from 0 to `limit` for a row and column: uniform, and the same on every machine.
fn below(row: u64, salt: u64, limit: u64) -> u64 {
    let mut z =
        row.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(salt.wrapping_mul(0xd1b5_4a32_d192_ed03));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    ((u128::from(z) * u128::from(limit)) >> 64) as u64
}
