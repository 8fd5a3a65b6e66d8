//! Tables to Parquet files: parallel, in bounded memory, the same bytes whatever the number of threads, all or nothing.
//!
//! A table is cut into parts, one row group each. A few parts at a time are generated and encoded in parallel and
//! appended in order. A file is written under a temporary name and renamed; the manifest, which names the generator, its
//! settings and every file's size, comes last. A folder whose manifest is not exactly what would be written is made anew.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use rayon::prelude::*;

use super::tables::{ALL, Table};

const MANIFEST: &str = "manifest.txt";

/// Compression of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Codec {
    /// None.
    Uncompressed,
    /// Snappy: what most writers do.
    #[default]
    Snappy,
    /// Zstandard, level 1.
    Zstd,
    /// LZ4, raw.
    Lz4,
}

impl Codec {
    fn compression(self) -> Compression {
        match self {
            Codec::Uncompressed => Compression::UNCOMPRESSED,
            Codec::Snappy => Compression::SNAPPY,
            Codec::Zstd => Compression::ZSTD(ZstdLevel::default()),
            Codec::Lz4 => Compression::LZ4_RAW,
        }
    }
}

/// How to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Rows of a row group, about: small enough that scale 0.1 has several.
    pub row_group_rows: usize,
    /// Compression.
    pub codec: Codec,
}

impl Default for Options {
    fn default() -> Self {
        Self { row_group_rows: 131_072, codec: Codec::default() }
    }
}

/// How far a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The table.
    pub table: &'static str,
    /// Row groups written.
    pub done: u64,
    /// Row groups of the table.
    pub total: u64,
}

/// What went wrong while generating.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// The scale is not a positive number that the generator can count.
    #[error("scale {0} is not between 0.001 and 100000")]
    Scale(f64),
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

/// One table's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFile {
    /// The table.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// Its rows.
    pub rows: u64,
    /// The file's size.
    pub bytes: u64,
}

/// A complete folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// The tables, in the order of [`super::TABLES`].
    pub tables: Vec<TableFile>,
    /// False where the folder was there already.
    pub generated: bool,
}

impl Dataset {
    /// The file of one table.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&TableFile> {
        self.tables.iter().find(|table| table.name == name)
    }
}

/// Makes all eight tables at `scale` in the folder `out`, one file each, unless they are there already. Other files in the
/// folder are left alone. `progress` is called from this thread, after each row group.
///
/// # Errors
/// [`GenerateError`]; a half-made folder is made anew by the next call.
pub fn generate(
    scale: f64,
    out: &Path,
    options: &Options,
    progress: &dyn Fn(Progress),
) -> Result<Dataset, GenerateError> {
    if !(0.001..=100_000.0).contains(&scale) {
        return Err(GenerateError::Scale(scale));
    }
    let recipe = recipe(scale, options);
    if let Some(tables) = complete(out, &recipe) {
        return Ok(Dataset { tables, generated: false });
    }
    let io = |path: &Path| {
        let path = path.to_path_buf();
        move |source| GenerateError::Io { path, source }
    };
    std::fs::create_dir_all(out).map_err(io(out))?;
    let manifest = out.join(MANIFEST);
    // From here on the folder is not complete, whatever happens.
    match std::fs::remove_file(&manifest) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(&manifest)(error)),
        _ => {}
    }
    let mut tables = Vec::with_capacity(ALL.len());
    for table in &ALL {
        tables.push(write_table(table, scale, out, options, progress)?);
    }
    let mut text = recipe;
    for table in &tables {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} {} rows {} bytes", table.name, table.rows, table.bytes);
    }
    let unfinished = out.join(format!("{MANIFEST}.tmp"));
    std::fs::write(&unfinished, text).map_err(io(&unfinished))?;
    std::fs::rename(&unfinished, &manifest).map_err(io(&manifest))?;
    Ok(Dataset { tables, generated: true })
}

/// Everything that the bytes depend on. Raise the last number when the writing changes.
fn recipe(scale: f64, options: &Options) -> String {
    format!(
        "tpch, tpchgen 4, parquet 59, layout 1\nscale {scale}\nrow groups of {} rows\ncodec {:?}\n",
        options.row_group_rows, options.codec
    )
}

/// The tables of a folder whose manifest starts with `recipe` and whose files have the sizes that it names.
fn complete(out: &Path, recipe: &str) -> Option<Vec<TableFile>> {
    let text = std::fs::read_to_string(out.join(MANIFEST)).ok()?;
    let mut lines = text.strip_prefix(recipe)?.lines();
    let mut tables = Vec::with_capacity(ALL.len());
    for table in &ALL {
        let words: Vec<&str> = lines.next()?.split(' ').collect();
        let [name, rows, "rows", bytes, "bytes"] = words[..] else { return None };
        let path = path_of(out, table.name);
        let bytes = bytes.parse().ok()?;
        if name != table.name || path.metadata().ok()?.len() != bytes {
            return None;
        }
        tables.push(TableFile { name: name.into(), path, rows: rows.parse().ok()?, bytes });
    }
    lines.next().is_none().then_some(tables)
}

fn path_of(out: &Path, table: &str) -> PathBuf {
    out.join(format!("{table}.parquet"))
}

fn write_table(
    table: &Table,
    scale: f64,
    out: &Path,
    options: &Options,
    progress: &dyn Fn(Progress),
) -> Result<TableFile, GenerateError> {
    let path = path_of(out, table.name);
    let unfinished = out.join(format!("{}.parquet.tmp", table.name));
    let io = |source| GenerateError::Io { path: unfinished.clone(), source };
    let file = File::create(&unfinished).map_err(io)?;
    let (rows, file) = write_row_groups(table, scale, options, progress, file)
        .map_err(|source| GenerateError::Parquet { path: unfinished.clone(), source })?;
    file.sync_all().map_err(io)?;
    let bytes = file.metadata().map_err(io)?.len();
    std::fs::rename(&unfinished, &path).map_err(io)?;
    Ok(TableFile { name: table.name.into(), path, rows, bytes })
}

fn write_row_groups(
    table: &Table,
    scale: f64,
    options: &Options,
    progress: &dyn Fn(Progress),
    file: File,
) -> Result<(u64, File), ParquetError> {
    let schema = (table.schema)();
    let properties =
        Arc::new(WriterProperties::builder().set_compression(options.codec.compression()).build());
    let parquet_schema = ArrowSchemaConverter::new().convert(&schema)?;
    let mut writer =
        SerializedFileWriter::new(BufWriter::new(file), parquet_schema.root_schema_ptr(), properties)?;
    let factory = ArrowRowGroupWriterFactory::new(&writer, Arc::clone(&schema));
    let parts = parts(table, scale, options);
    let numbers: Vec<i32> = (1..=parts).collect();
    let mut rows = 0;
    let mut done = 0;
    // Two parts per thread in flight: enough to keep all busy, and the most that is held in memory.
    for window in numbers.chunks(2 * rayon::current_num_threads()) {
        let encoded: Vec<_> = window
            .par_iter()
            .map(|&part| encode(&(table.part)(scale, part, parts)?, &schema, &factory, part as usize - 1))
            .collect::<Result<_, _>>()?;
        for (part_rows, chunks) in encoded {
            let mut row_group = writer.next_row_group()?;
            for chunk in chunks {
                chunk.append_to_row_group(&mut row_group)?;
            }
            row_group.close()?;
            rows += part_rows;
            done += 1;
            progress(Progress { table: table.name, done, total: parts as u64 });
        }
    }
    let mut file = writer.into_inner()?;
    file.flush()?;
    Ok((rows, file.into_inner().map_err(|error| ParquetError::from(error.into_error()))?))
}

fn parts(table: &Table, scale: f64, options: &Options) -> i32 {
    let fixed = matches!(table.name, "region" | "nation");
    let rows = (table.about_rows)(scale);
    if fixed {
        1
    } else {
        rows.div_ceil(options.row_group_rows.max(1) as u64).clamp(1, i32::MAX as u64) as i32
    }
}

/// The column chunks of one row group.
fn encode(
    batch: &RecordBatch,
    schema: &SchemaRef,
    factory: &ArrowRowGroupWriterFactory,
    row_group: usize,
) -> Result<(u64, Vec<ArrowColumnChunk>), ParquetError> {
    let mut writers = factory.create_column_writers(row_group)?.into_iter();
    let mut chunks = Vec::with_capacity(schema.fields().len());
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        for leaf in compute_leaves(field, column)? {
            let mut writer =
                writers.next().ok_or_else(|| ParquetError::General("a writer per leaf".into()))?;
            writer.write(&leaf)?;
            chunks.push(writer.close()?);
        }
    }
    Ok((batch.num_rows() as u64, chunks))
}
