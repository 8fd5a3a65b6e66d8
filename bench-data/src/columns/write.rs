//! A column to a Parquet file, row group by row group, all or nothing.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::schema::types::ColumnPath;

use super::kinds::{Kind, Layout};
use super::values::Random;

/// Raise when the values or the writing change.
const VERSION: u32 = 1;

/// Compression of the pages; levels are the `parquet` crate's defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// None.
    None,
    /// Snappy.
    Snappy,
    /// LZ4 without a frame.
    Lz4Raw,
    /// LZ4 in Hadoop's framing.
    Lz4,
    /// Zstandard, level 1.
    Zstd,
    /// Gzip, level 6.
    Gzip,
    /// Brotli, level 1.
    Brotli,
}

impl Codec {
    /// All of them.
    pub const ALL: [Codec; 7] =
        [Codec::None, Codec::Snappy, Codec::Lz4Raw, Codec::Lz4, Codec::Zstd, Codec::Gzip, Codec::Brotli];

    fn compression(self) -> Compression {
        match self {
            Codec::None => Compression::UNCOMPRESSED,
            Codec::Snappy => Compression::SNAPPY,
            Codec::Lz4Raw => Compression::LZ4_RAW,
            Codec::Lz4 => Compression::LZ4,
            Codec::Zstd => Compression::ZSTD(ZstdLevel::default()),
            Codec::Gzip => Compression::GZIP(GzipLevel::default()),
            Codec::Brotli => Compression::BROTLI(BrotliLevel::default()),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Snappy => "snappy",
            Codec::Lz4Raw => "lz4_raw",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
            Codec::Gzip => "gzip",
            Codec::Brotli => "brotli",
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no codec's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a codec: none, snappy, lz4_raw, lz4, zstd, gzip, brotli")]
pub struct UnknownCodec(String);

impl FromStr for Codec {
    type Err = UnknownCodec;

    fn from_str(text: &str) -> Result<Self, UnknownCodec> {
        let found = Codec::ALL.into_iter().find(|codec| codec.name() == text);
        found.ok_or_else(|| UnknownCodec(text.to_string()))
    }
}

/// How much, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Rows of a file; of lists, their elements, about.
    pub rows: usize,
    /// Rows of a row group.
    pub row_group_rows: usize,
    /// Bytes of a page before compression, about.
    pub page_bytes: usize,
    /// Where the values come from.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { rows: 10_000_000, row_group_rows: 1_000_000, page_bytes: 1 << 20, seed: 5 }
    }
}

/// A column's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its rows.
    pub rows: usize,
    /// Its size.
    pub bytes: u64,
    /// False where it was there already.
    pub generated: bool,
}

/// What went wrong while generating.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// The Parquet writer refused.
    #[error("{path}: {source}")]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: ParquetError,
    },
}

/// Makes the file of `kind` under `codec` in `folder`, unless it is there already. Its name says all that its bytes depend
/// on.
///
/// # Errors
/// [`GenerateError`]; nothing is left under the file's name then.
pub fn generate(
    kind: &Kind,
    codec: Codec,
    options: &Options,
    folder: &Path,
) -> Result<ColumnFile, GenerateError> {
    let rows = options.rows.div_ceil(kind.rows_per);
    let Options { row_group_rows, page_bytes, seed, .. } = options;
    let path = folder.join(format!(
        "{}-{codec}-{rows}-{row_group_rows}-{page_bytes}-{seed}-v{VERSION}.parquet",
        kind.name
    ));
    let io = |source| GenerateError::Io { path: path.clone(), source };
    if let Some(bytes) = complete(&path, rows) {
        return Ok(ColumnFile { path, rows, bytes, generated: false });
    }
    std::fs::create_dir_all(folder).map_err(io)?;
    let unfinished = path.with_extension("tmp");
    let file = File::create(&unfinished).map_err(io)?;
    let file = write(kind, codec, options, rows, file)
        .map_err(|source| GenerateError::Parquet { path: unfinished.clone(), source })?;
    let bytes = file.metadata().map_err(io)?.len();
    std::fs::rename(&unfinished, &path).map_err(io)?;
    Ok(ColumnFile { path, rows, bytes, generated: true })
}

/// Size of a file that is there with that many rows.
fn complete(path: &Path, rows: usize) -> Option<u64> {
    let file = File::open(path).ok()?;
    let bytes = file.metadata().ok()?.len();
    let reader = SerializedFileReader::new(file).ok()?;
    let there = usize::try_from(reader.metadata().file_metadata().num_rows()).ok()?;
    (there == rows).then_some(bytes)
}

fn write(
    kind: &Kind,
    codec: Codec,
    options: &Options,
    rows: usize,
    file: File,
) -> Result<File, ParquetError> {
    let group = options.row_group_rows.max(1);
    let part = |index: usize| {
        let mut random = Random::new(options.seed, kind.name, index as u64);
        kind.array(&mut random, group.min(rows - index * group))
    };
    let first = part(0);
    let field = Field::new("x", first.data_type().clone(), kind.null_percent.is_some());
    let schema = Arc::new(Schema::new(vec![field]));
    let batch = |array: ArrayRef| RecordBatch::try_new(Arc::clone(&schema), vec![array]);
    let mut writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties(kind, codec, options)))?;
    writer.write(&batch(first)?)?;
    for index in 1..rows.div_ceil(group) {
        writer.write(&batch(part(index))?)?;
    }
    writer.into_inner()
}

fn properties(kind: &Kind, codec: Codec, options: &Options) -> WriterProperties {
    let builder = WriterProperties::builder()
        .set_compression(codec.compression())
        .set_max_row_group_row_count(Some(options.row_group_rows.max(1)))
        .set_data_page_size_limit(options.page_bytes)
        // Pages end by their size alone, as pyarrow's do.
        .set_data_page_row_count_limit(usize::MAX);
    match kind.layout {
        Layout::Dictionary => builder.set_dictionary_enabled(true).build(),
        Layout::Encoded(encoding) => {
            // A list's values have a path of their own.
            let columns = ["x", "x.list.item", "x.list.element"]
                .map(|path| ColumnPath::new(path.split('.').map(str::to_string).collect()));
            let builder = builder.set_dictionary_enabled(false);
            columns
                .into_iter()
                .fold(builder, |builder, column| builder.set_column_encoding(column, encoding))
                .build()
        }
    }
}
