//! Columns that travel encoded and are decoded into the arena, before the stages that read it.

use std::sync::Arc;

use arrow::array::ArrayRef;

use super::{DeviceBatch, Storage};
use crate::error::{Error, Result};
use crate::gpu::program::{BufferId, BufferInit, Program};
use crate::parquet::gpu::{Decode, DecodeError, Segment, Target};
use crate::parquet::{DataPage, DictionaryPage, Leaf, LeafReader, Malformed, PageFacts, PageSource};

/// Makes the error of a page, by its offset and what is wrong with it.
#[derive(Clone)]
pub struct Corrupt(pub Arc<Blame>);

/// From the offset of a page and what is wrong with it to the error that names file and column.
pub type Blame = dyn Fn(u64, &Malformed) -> Error + Send + Sync;

impl std::fmt::Debug for Corrupt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Corrupt")
    }
}

/// A column of a batch as the file has it: flat, of as many levels as the batch has rows.
#[derive(Debug, Clone)]
pub struct EncodedColumn {
    /// What it is.
    pub leaf: Leaf,
    /// Its pages.
    pub segments: Arc<[Segment]>,
    /// Bounds of its values, [`crate::parquet::gpu::range`].
    pub range: Option<(i128, i128)>,
    /// Errors of its pages.
    pub corrupt: Corrupt,
}

impl EncodedColumn {
    /// Bytes that are sent.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        crate::parquet::gpu::encoded_bytes(&self.leaf, &self.segments)
    }

    /// The column, decoded by the CPU: `rows` values.
    ///
    /// # Errors
    /// As for [`LeafReader::read`]; [`Error::InvalidInput`] where it has fewer rows.
    pub fn array(&self, rows: usize) -> Result<ArrayRef> {
        let pages = Pages {
            segments: Arc::clone(&self.segments),
            corrupt: self.corrupt.clone(),
            segment: 0,
            page: 0,
            given: false,
        };
        let batch = LeafReader::new(self.leaf.clone(), Box::new(pages))?.read(rows)?;
        match batch.rows == rows {
            true => Ok(batch.array),
            false => Err(Error::invalid(format!("{} rows in pages of {rows}", batch.rows))),
        }
    }
}

/// Pages in memory, of a flat column.
struct Pages {
    segments: Arc<[Segment]>,
    corrupt: Corrupt,
    segment: usize,
    page: usize,
    /// The segment's dictionary was asked for.
    given: bool,
}

impl Pages {
    /// The segment of the next page.
    fn settle(&mut self) -> Option<&Segment> {
        while self.segments.get(self.segment)?.pages.len() == self.page {
            (self.segment, self.page, self.given) = (self.segment + 1, 0, false);
        }
        self.segments.get(self.segment)
    }
}

impl PageSource for Pages {
    fn dictionary(&mut self) -> Result<Option<DictionaryPage>> {
        let dictionary = self.settle().and_then(|segment| segment.dictionary.clone());
        let given = std::mem::replace(&mut self.given, true);
        Ok(dictionary.filter(|_| !given))
    }

    fn peek(&mut self) -> Result<Option<PageFacts>> {
        self.settle();
        let page = self.segments.get(self.segment).and_then(|segment| segment.pages.get(self.page));
        Ok(page.map(|page| PageFacts { levels: page.levels, rows: Some(page.levels) }))
    }

    fn next(&mut self) -> Result<Option<DataPage>> {
        self.settle();
        let page = self.segments.get(self.segment).and_then(|segment| segment.pages.get(self.page)).cloned();
        self.page += usize::from(page.is_some());
        Ok(page)
    }

    fn skip(&mut self) -> Result<()> {
        self.next().map(|_| ())
    }

    fn corrupt(&self, place: u64, malformed: &Malformed) -> Error {
        (self.corrupt.0)(place, malformed)
    }
}

/// A column of an arena that a decode writes.
#[derive(Debug, Clone)]
pub struct DeviceDecode {
    pub(super) decode: Arc<Decode>,
    pub(super) values: u32,
    pub(super) validity: u32,
    pub(super) storage: Storage,
    /// By segment.
    pub(super) corrupt: Vec<Corrupt>,
}

/// The error of pages that were refused; `corrupt` by segment.
pub(super) fn refused(error: DecodeError, corrupt: &[Corrupt]) -> Error {
    match error {
        DecodeError::Malformed { segment, place, malformed } => match corrupt.get(segment) {
            Some(Corrupt(error)) => error(place, &malformed),
            None => Error::invalid(malformed),
        },
        DecodeError::Other(error) => error,
    }
}

impl DeviceBatch {
    /// Adds the arena to a program: its upload, and the decodes that write the rest of it. The decodes' statuses are added
    /// to `statuses`, to be read back for [`check_decodes`].
    ///
    /// # Errors
    /// As for [`Decode::append`].
    pub fn add_to(
        &self,
        program: &mut Program,
        label: impl Into<String>,
        statuses: &mut Vec<BufferId>,
    ) -> Result<BufferId> {
        let arena = program.buffer(label, self.bytes, BufferInit::Upload(self.pieces.clone()));
        for column in &self.decodes {
            let &DeviceDecode { values, validity, storage, .. } = column;
            let target = Target { arena, values, validity, storage };
            statuses.push(column.decode.append(program, &target, false)?.status);
        }
        Ok(arena)
    }
}

/// Asks for the statuses that [`DeviceBatch::add_to`] left.
pub fn read_decodes(program: &mut Program, statuses: &[BufferId]) {
    for status in statuses {
        program.read_back(*status, 0, 8);
    }
}

/// What the decodes of `batches` noted: the last of the ranges that a program read back. To be looked at before anything
/// that was computed from their values.
///
/// # Errors
/// [`Error::CorruptFile`] for pages that contradict themselves.
pub fn check_decodes<'a>(batches: impl Iterator<Item = &'a DeviceBatch>, words: &[Vec<u32>]) -> Result<()> {
    let decodes: Vec<&DeviceDecode> = batches.flat_map(|batch| &batch.decodes).collect();
    let first = words.len().checked_sub(decodes.len());
    let statuses =
        first.map(|first| &words[first..]).ok_or_else(|| Error::invalid("too few ranges read back"))?;
    for (column, status) in decodes.iter().zip(statuses) {
        column.decode.check(status).map_err(|error| refused(error, &column.corrupt))?;
    }
    Ok(())
}
