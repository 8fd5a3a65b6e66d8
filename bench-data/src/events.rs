//! A table of events on which every step of pruning has something to do.
//!
//! ```text
//! events/year=2022/events.parquet   sorted by id; row groups of 20,000 rows, pages of 2,000
//! events/year=2023/..
//! events/year=2024/..
//! ```
//! | column | holds | so that |
//! | --- | --- | --- |
//! | id | 0, 1, 2, ... over all years | statistics and the page index know where a range is |
//! | at | seconds of the year, ascending | the same |
//! | account | even numbers, scattered over all row groups | only a Bloom filter knows that one is absent |
//! | city | ten names, other ones in each row group, the first and last of the alphabet in all | only the dictionary knows them |
//! | amount | cents, scattered | nothing is known; null in one row of ten |
//! | note | a text for each row | the bytes that are spared |

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray, TimestampSecondArray};
use arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

/// Rows of a year at scale 1.
const YEAR_ROWS: f64 = 1_000_000.0;
const GROUP_ROWS: usize = 20_000;
const PAGE_ROWS: usize = 2_000;
/// 1st of January of each year, in seconds.
const YEARS: [(u16, i64); 3] = [(2022, 1_640_995_200), (2023, 1_672_531_200), (2024, 1_704_067_200)];

/// One written file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFile {
    /// Where it is.
    pub path: PathBuf,
    /// Rows in it.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
}

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct EventError {
    /// The file or folder.
    path: PathBuf,
    source: ParquetError,
}

/// Writes the table into `folder/events`; files that are there are replaced. The same scale gives the same rows.
///
/// # Errors
/// Where a folder or file cannot be written.
pub fn generate(scale: f64, folder: &Path) -> Result<Vec<EventFile>, EventError> {
    let rows = (scale * YEAR_ROWS).max(1.0) as usize;
    let mut files = Vec::new();
    for (number, (year, start)) in YEARS.into_iter().enumerate() {
        let inside = folder.join("events").join(format!("year={year}"));
        let path = inside.join("events.parquet");
        let failed = |source| EventError { path: path.clone(), source };
        std::fs::create_dir_all(&inside).map_err(|error| failed(error.into()))?;
        let bytes = write(&path, number * rows..(number + 1) * rows, start).map_err(failed)?;
        files.push(EventFile { path, rows: rows as u64, bytes });
    }
    Ok(files)
}

fn write(path: &Path, rows: std::ops::Range<usize>, start: i64) -> Result<u64, ParquetError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PAGE_ROWS)
        .set_column_dictionary_enabled("account".into(), false)
        .set_column_bloom_filter_enabled("account".into(), true)
        .set_column_bloom_filter_max_ndv("account".into(), GROUP_ROWS as u64)
        .set_column_bloom_filter_fpp("account".into(), 0.001)
        .build();
    let first = rows.start;
    let schema = batch(first, first..first + 1, start)?.schema();
    let mut writer = ArrowWriter::try_new(File::create(path)?, schema, Some(properties))?;
    for from in rows.clone().step_by(GROUP_ROWS) {
        writer.write(&batch(first, from..rows.end.min(from + GROUP_ROWS), start)?)?;
    }
    writer.finish()?;
    Ok(std::fs::metadata(path)?.len())
}

fn batch(first: usize, rows: std::ops::Range<usize>, start: i64) -> Result<RecordBatch, ArrowError> {
    let each = || rows.clone();
    let city = |row: usize| match noise(row, 1) % 10 {
        0 => "Aachen".to_owned(),
        1 => "Zwolle".to_owned(),
        other => format!("Middleton {} by {other}", row / GROUP_ROWS),
    };
    let cents = |row: usize| (!noise(row, 2).is_multiple_of(10)).then(|| (noise(row, 3) % 1_000_000) as i128);
    let amount = Decimal128Array::from_iter(each().map(cents)).with_precision_and_scale(15, 2)?;
    let seconds = each().map(|row| start + (row - first) as i64 * 31);
    let columns: [(&str, ArrayRef, bool); 6] = [
        ("id", Arc::new(Int64Array::from_iter_values(each().map(|row| row as i64))), false),
        ("at", Arc::new(TimestampSecondArray::from_iter_values(seconds)), false),
        (
            "account",
            Arc::new(Int64Array::from_iter_values(each().map(|row| (noise(row, 4) % (1 << 30)) as i64 * 2))),
            false,
        ),
        ("city", Arc::new(StringArray::from_iter_values(each().map(city))), false),
        ("amount", Arc::new(amount), true),
        (
            "note",
            Arc::new(StringArray::from_iter_values(
                each().map(|row| format!("event {row} of {:x}", noise(row, 5))),
            )),
            false,
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns)
}

/// A number for a row: the same on every machine.
fn noise(row: usize, salt: u64) -> u64 {
    let mut x =
        (row as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ salt.wrapping_mul(0xD1B5_4A32_D192_ED03);
    x ^= x >> 29;
    x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x ^ (x >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::file::metadata::{PageIndexPolicy, ParquetMetaDataReader};

    #[test]
    fn files_have_what_pruning_reads() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = generate(0.05, folder.path()).expect("written");
        assert_eq!(files.len(), 3);
        for file in files {
            let opened = File::open(&file.path).expect("there");
            let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Required);
            let metadata = reader.parse_and_finish(&opened).expect("a footer");
            assert_eq!(metadata.num_row_groups(), 3);
            assert_eq!(metadata.file_metadata().num_rows(), 50_000);
            assert!(
                metadata.row_groups().iter().all(|group| group.column(2).bloom_filter_offset().is_some())
            );
            let pages = metadata.offset_index().map(|index| index[0][0].page_locations().len());
            assert_eq!(pages, Some(GROUP_ROWS / PAGE_ROWS));
        }
    }
}
