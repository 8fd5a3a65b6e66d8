//! One Parquet file: its footer, checked and kept, and positioned reads of its column chunks.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use pilaster_kernels::memory::{Grant, Reserve};
use pilaster_kernels::{Error, Result};

use super::FileSlice;
use super::columns::Column;
use super::fetch::Store;
use super::page::{Pool, held};

/// A file with its footer. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct ScanFile {
    pub(super) path: PathBuf,
    pub(super) metadata: Arc<ParquetMetaData>,
    /// As the `parquet` crate maps it to Arrow, hints of the writer included.
    pub(super) schema: SchemaRef,
    store: Store,
    /// For each root column its leaves, in order.
    leaves: Arc<[Range<usize>]>,
}

/// Where in a file something went wrong.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) path: Arc<Path>,
    pub(super) row_group: Option<usize>,
    pub(super) column: Option<String>,
}

impl Place {
    pub(super) fn corrupt(&self, reason: impl std::fmt::Display) -> Error {
        Error::CorruptFile {
            path: self.path.display().to_string(),
            column: self.column.clone(),
            row_group: self.row_group,
            offset: None,
            reason: reason.to_string(),
        }
    }

    /// The same with the offset of the page that is wrong.
    pub(super) fn corrupt_at(&self, offset: u64, reason: impl std::fmt::Display) -> Error {
        match self.corrupt(reason) {
            Error::CorruptFile { path, column, row_group, reason, .. } => {
                Error::CorruptFile { path, column, row_group, reason, offset: Some(offset) }
            }
            other => other,
        }
    }

    /// Runs the `parquet` crate's reading of a footer.
    ///
    /// That crate asserts and indexes its way through some damaged metadata, so a hostile file can make it panic. This is
    /// the one boundary where a panic becomes [`Error::CorruptFile`]. What is unwound is owned by the reader that failed,
    /// which is dropped with the error: no state that outlives it can be seen half-changed. Pages are decoded by our own
    /// code, which has no such boundary.
    pub(super) fn decode<T>(&self, work: impl FnOnce() -> Result<T, ParquetError>) -> Result<T> {
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.parquet_error(error)),
            Err(panic) => {
                Err(self.corrupt(format!("the decoder refused it: {}", panic_message(panic.as_ref()))))
            }
        }
    }

    fn parquet_error(&self, error: ParquetError) -> Error {
        match error {
            ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
                Ok(io) if io.kind() != std::io::ErrorKind::UnexpectedEof => io_error(&self.path, &io),
                Ok(io) => self.corrupt(io),
                Err(other) => self.corrupt(other),
            },
            other => self.corrupt(other),
        }
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason given")
}

pub(super) fn io_error(path: &Path, error: &std::io::Error) -> Error {
    Error::Io { path: path.display().to_string(), reason: error.to_string() }
}

impl ScanFile {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let store = Store::open(path).map_err(|error| io_error(path, &error))?;
        Self::of(path, store)
    }

    /// A file whose bytes are in `store`; `path` is what errors call it.
    pub(super) fn of(path: &Path, store: Store) -> Result<Self> {
        let place = Place { path: path.into(), row_group: None, column: None };
        let loaded = place.decode(|| ArrowReaderMetadata::load(&store, ArrowReaderOptions::new()))?;
        let metadata = Arc::clone(loaded.metadata());
        check_footer(&metadata, store.length(), &place)?;
        let leaves = leaves_by_root(&metadata, loaded.schema(), &place)?;
        Ok(Self { path: path.into(), metadata, schema: Arc::clone(loaded.schema()), store, leaves })
    }

    pub(super) fn place(&self, row_group: usize) -> Place {
        Place { path: self.path.as_path().into(), row_group: Some(row_group), column: None }
    }

    pub(super) fn rows(&self, row_group: usize) -> usize {
        // Checked when the footer was read.
        self.metadata.row_group(row_group).num_rows() as usize
    }

    pub(super) fn leaves(&self, column: usize) -> Range<usize> {
        self.leaves[column].clone()
    }

    /// The chunk of a column that is not nested.
    pub(super) fn flat_chunk(&self, row_group: usize, column: usize) -> Option<&ColumnChunkMetaData> {
        let leaves = self.leaves(column);
        let chunk = self.metadata.row_group(row_group).column(leaves.start);
        (leaves.len() == 1 && chunk.column_descr().path().parts().len() == 1).then_some(chunk)
    }

    /// Encoded and decompressed bytes of a root column.
    pub(super) fn sizes(&self, row_group: usize, column: usize) -> (u64, u64) {
        let chunks = &self.metadata.row_group(row_group).columns()[self.leaves(column)];
        chunks.iter().fold((0, 0), |(encoded, plain), chunk| {
            (encoded + chunk.compressed_size() as u64, plain.saturating_add(chunk.uncompressed_size() as u64))
        })
    }

    pub(super) fn row_groups_of(&self, slice: &FileSlice) -> Result<Vec<usize>> {
        let count = self.metadata.num_row_groups();
        let mut chosen = slice.row_groups.clone().unwrap_or_else(|| (0..count).collect());
        if let Some(missing) = chosen.iter().find(|&&index| index >= count) {
            let path = self.path.display();
            return Err(Error::invalid(format!("{path} has {count} row groups, asked for number {missing}")));
        }
        if let Some(range) = &slice.byte_range {
            chosen.retain(|&index| self.start(index).is_some_and(|start| range.contains(&start)));
        }
        Ok(chosen)
    }

    /// Where a row group starts: the dictionary page, else the first data page, of its first column.
    fn start(&self, row_group: usize) -> Option<u64> {
        self.metadata.row_group(row_group).columns().first().map(|chunk| chunk.byte_range().0)
    }

    /// How a root column is decoded; `None` where its groups and its Arrow type do not agree.
    pub(super) fn decoding(&self, column: usize) -> Option<Column> {
        let descriptor = self.metadata.file_metadata().schema_descr();
        let first = self.leaves(column).start;
        let node = descriptor.get_column_root(first);
        Column::new(descriptor, node, self.schema.field(column).data_type(), first)
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Some bytes outside of the column chunks; none where the file ends before them.
    pub(super) fn read_range(&self, start: u64, length: usize) -> Result<Option<Bytes>> {
        match self.store.read(start, length) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(io_error(&self.path, &error)),
        }
    }

    /// Bytes of a row group, reserved before they are read; `leaf` is the first whose chunk is among them.
    pub(super) fn read(
        &self,
        row_group: usize,
        leaf: usize,
        range: Range<u64>,
        pool: &Arc<Pool>,
        reserve: &Arc<dyn Reserve>,
    ) -> Result<Bytes> {
        // Checked against the file's length when the footer was read; the file may have shrunk since.
        let length = (range.end - range.start) as usize;
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => {
                let column = self.metadata.row_group(row_group).column(leaf).column_path().string();
                let place = Place { column: Some(column), ..self.place(row_group) };
                place.corrupt_at(range.start, format!("it ends within the {length} bytes from there"))
            }
            _ => io_error(&self.path, &error),
        };
        if self.store.fills() {
            return pool
                .buffer(length, reserve, |buffer| self.store.fill(range.start, buffer).map_err(failed));
        }
        let mut grant = Grant::new(Arc::clone(reserve));
        grant.grow(length as u64)?;
        Ok(held(self.store.read(range.start, length).map_err(failed)?, grant))
    }
}

/// Everything later code takes for granted about a footer, so that no offset or count of it is trusted unchecked.
fn check_footer(metadata: &ParquetMetaData, length: u64, place: &Place) -> Result<()> {
    let leaves = metadata.file_metadata().schema_descr().num_columns();
    for (index, row_group) in metadata.row_groups().iter().enumerate() {
        let place = Place { row_group: Some(index), ..place.clone() };
        if !(0..=i64::from(i32::MAX)).contains(&row_group.num_rows()) {
            return Err(place.corrupt(format!("a row group of {} rows", row_group.num_rows())));
        }
        if row_group.num_columns() != leaves {
            return Err(
                place.corrupt(format!("{} column chunks for {leaves} columns", row_group.num_columns()))
            );
        }
        for chunk in row_group.columns() {
            let place = Place { column: Some(chunk.column_path().string()), ..place.clone() };
            check_chunk(chunk, row_group.num_rows(), length, &place)?;
        }
    }
    Ok(())
}

fn check_chunk(chunk: &ColumnChunkMetaData, rows: i64, length: u64, place: &Place) -> Result<()> {
    let start = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
    let inside = u64::try_from(start).ok().zip(u64::try_from(chunk.compressed_size()).ok());
    let inside = inside.and_then(|(start, size)| start.checked_add(size)).is_some_and(|end| end <= length);
    if !inside {
        let size = chunk.compressed_size();
        return Err(
            place.corrupt(format!("a column chunk of {size} bytes at {start} in a file of {length} bytes"))
        );
    }
    if chunk.uncompressed_size() < 0 || chunk.num_values() < 0 {
        return Err(place.corrupt("a column chunk of negative size"));
    }
    let flat = chunk.column_descr().max_rep_level() == 0;
    if flat && chunk.num_values() != rows {
        return Err(place.corrupt(format!("{} values for {rows} rows", chunk.num_values())));
    }
    Ok(())
}

fn leaves_by_root(metadata: &ParquetMetaData, schema: &Schema, place: &Place) -> Result<Arc<[Range<usize>]>> {
    let descriptor = metadata.file_metadata().schema_descr();
    let mut roots: Vec<Range<usize>> = Vec::with_capacity(schema.fields().len());
    let mut last = None;
    for leaf in 0..descriptor.num_columns() {
        let root = descriptor.get_column_root_idx(leaf);
        match roots.last_mut() {
            Some(range) if last == Some(root) => range.end = leaf + 1,
            _ => roots.push(leaf..leaf + 1),
        }
        last = Some(root);
    }
    if roots.len() != schema.fields().len() {
        return Err(place.corrupt(format!(
            "{} columns with values for {} columns",
            roots.len(),
            schema.fields().len()
        )));
    }
    Ok(roots.into())
}
