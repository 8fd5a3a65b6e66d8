//! Rows that are kept for later: in memory while the query's share for them lasts, then on disk.
//!
//! ```text
//! keep:  chunk -> reserved of Query::results -> piece in memory
//!              \-> refused -> appended to a file that nobody is writing to -> piece on disk
//! seal:  files are closed; what was kept can be read, by any number of threads, in any order
//! ```
//! A piece gives back what it holds when it is dropped, a file is deleted with the last piece of it: at the end of the
//! pipeline that reads them, or with the query, however that ends. What is read back from disk is reserved while it is used;
//! only chunks on their way, one per thread, are in nobody's count, as everywhere in a pipeline.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arrow::datatypes::DataType;
use parking_lot::Mutex;
use pilaster_kernels::memory::{Grant, Reserve, SpillFile, Spilled};
use pilaster_kernels::{Error, Result};

use super::chunk::Chunk;
use super::query::Query;
use crate::memory::{Budget, Reservation, Spill};

/// Batches on disk take at most this share of what may be held in memory, so that a batch for each thread can be read.
const BATCH_SHARE: u64 = 8;

/// But at least so many rows, whatever they take.
const LEAST_ROWS: usize = 64;

/// Where some of a query's rows are kept.
pub(crate) struct Store {
    results: Arc<Budget>,
    spill: Arc<dyn Spill>,
    batch_rows: usize,
    batch_bytes: u64,
    /// Files that are open, and that no thread is writing to at the moment.
    idle: Mutex<Vec<Open>>,
    spilled_bytes: AtomicU64,
}

struct Open {
    file: SpillFile,
    closed: Arc<Closed>,
}

/// A file once it is closed.
type Closed = OnceLock<Arc<dyn Spilled>>;

/// Some rows of a store, at most a batch. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    rows: usize,
    /// As of [`Chunk::placed`].
    position: u64,
    /// In memory.
    bytes: u64,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Memory(Arc<(Chunk, Reservation)>),
    Disk { file: Arc<Closed>, batch: usize, types: Arc<[DataType]> },
}

impl Store {
    pub(crate) fn new(query: &Query) -> Self {
        let batches = BATCH_SHARE * query.threads() as u64;
        Store {
            results: Arc::clone(&query.results),
            spill: Arc::clone(&query.spill),
            batch_rows: query.cpu_batch_rows(),
            batch_bytes: query.results.limit_bytes() / batches,
            idle: Mutex::default(),
            spilled_bytes: AtomicU64::new(0),
        }
    }

    /// Another one of the same query, without rows.
    pub(crate) fn another(&self) -> Self {
        Store {
            results: Arc::clone(&self.results),
            spill: Arc::clone(&self.spill),
            batch_rows: self.batch_rows,
            batch_bytes: self.batch_bytes,
            idle: Mutex::default(),
            spilled_bytes: AtomicU64::new(0),
        }
    }

    /// Keeps the rows of a chunk, in memory if there is room.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn keep(&self, chunk: Chunk) -> Result<Vec<Piece>> {
        let bytes = chunk.bytes();
        let Ok(held) = self.results.reserve(bytes) else { return self.write(&chunk) };
        if chunk.rows <= self.batch_rows {
            let (rows, position) = (chunk.rows, chunk.position);
            let content = Content::Memory(Arc::new((chunk, held)));
            return Ok(vec![Piece { rows, position, bytes, content }]);
        }
        drop(held);
        let slices = chunk.slices(self.batch_rows).map(|slice| self.keep(slice));
        Ok(slices.collect::<Result<Vec<_>>>()?.concat())
    }

    /// Keeps the rows of a chunk on disk.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn write(&self, chunk: &Chunk) -> Result<Vec<Piece>> {
        if chunk.rows == 0 {
            return Ok(Vec::new());
        }
        let mut open = self.open_file(chunk);
        let first = open.file.batches();
        let slices: Vec<Chunk> = chunk.clone().slices(self.rows_of_batch(chunk)).collect();
        for slice in &slices {
            open.file.write(&slice.columns, slice.rows)?;
        }
        let types: Arc<[DataType]> = open.file.data_types().into();
        let piece = |(batch, slice): (usize, &Chunk)| Piece {
            rows: slice.rows,
            position: slice.position,
            bytes: slice.bytes(),
            content: Content::Disk {
                file: Arc::clone(&open.closed),
                batch: first + batch,
                types: Arc::clone(&types),
            },
        };
        let pieces = slices.iter().enumerate().map(piece).collect();
        self.idle.lock().push(open);
        Ok(pieces)
    }

    /// Closes what was written, so that it can be read.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn seal(&self) -> Result<()> {
        let open = std::mem::take(&mut *self.idle.lock());
        for Open { file, closed } in open {
            let file = file.finish()?;
            self.spilled_bytes.fetch_add(file.bytes(), Ordering::Relaxed);
            closed.get_or_init(|| file);
        }
        Ok(())
    }

    /// Bytes on disk, of files that are closed.
    pub(crate) fn spilled_bytes(&self) -> u64 {
        self.spilled_bytes.load(Ordering::Relaxed)
    }

    fn open_file(&self, chunk: &Chunk) -> Open {
        let mut idle = self.idle.lock();
        match idle.iter().position(|open| open.file.takes(&chunk.columns)) {
            Some(at) => idle.swap_remove(at),
            None => Open { file: SpillFile::new(Arc::clone(&self.spill)), closed: Arc::default() },
        }
    }

    /// Rows of a batch on disk.
    fn rows_of_batch(&self, chunk: &Chunk) -> usize {
        let of_row = chunk.bytes().div_ceil(chunk.rows.max(1) as u64).max(1);
        let rows = usize::try_from(self.batch_bytes / of_row).unwrap_or(usize::MAX);
        rows.max(LEAST_ROWS).min(self.batch_rows)
    }
}

impl Piece {
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes that its chunk takes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The physical types of its columns.
    pub(crate) fn data_types(&self) -> Vec<DataType> {
        match &self.content {
            Content::Memory(held) => held.0.columns.iter().map(|column| column.data_type().clone()).collect(),
            Content::Disk { types, .. } => types.to_vec(),
        }
    }

    /// Bytes that reading it takes on top of what it holds.
    pub(crate) fn bytes_to_read(&self) -> u64 {
        match &self.content {
            Content::Memory(_) => 0,
            Content::Disk { .. } => self.bytes,
        }
    }

    /// Its rows. Where they are on disk, whoever asks has reserved [`Piece::bytes_to_read`].
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::InvalidInput`] before the store is sealed.
    pub(crate) fn read(&self) -> Result<Chunk> {
        match &self.content {
            Content::Memory(held) => Ok(held.0.clone()),
            Content::Disk { file, batch, .. } => {
                let file =
                    file.get().ok_or_else(|| Error::invalid("rows of a file that is still written"))?;
                let batch = file.read(*batch)?;
                Ok(Chunk { position: self.position, ..Chunk::from(&batch) })
            }
        }
    }
}

/// Pieces as chunks, one after the other, each reserved until the next is asked for.
pub(crate) struct ReadBack {
    pieces: std::vec::IntoIter<Piece>,
    /// The one that was read last, which holds its memory.
    present: Option<Piece>,
    grant: Grant,
}

impl ReadBack {
    pub(crate) fn new(pieces: Vec<Piece>, memory: Arc<dyn Reserve>) -> Self {
        ReadBack { pieces: pieces.into_iter(), present: None, grant: Grant::new(memory) }
    }
}

impl Iterator for ReadBack {
    type Item = Result<Chunk>;

    fn next(&mut self) -> Option<Result<Chunk>> {
        self.grant.shrink(self.grant.bytes());
        self.present = self.pieces.next();
        let piece = self.present.as_ref()?;
        Some(self.grant.grow(piece.bytes_to_read()).and_then(|()| piece.read()))
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
