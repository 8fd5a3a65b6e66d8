//! One column chunk, page by page, as Arrow arrays.
//!
//! ```text
//! levels --> stretch: slots, values, validity bitmap          (flat: bits only; repeated: whole records, block by block)
//! values --> dense block of 1024 --> spread over the slots    (without nulls: decoded in place, or the page's own buffer)
//! ```
//! Levels and values of a stretch (the part of a read that lies in one page) are decoded after each other: the bitmap is a
//! bit per slot, so nothing of it leaves the cache before the values come. Bytes moved per value of width `w`: its encoded
//! bytes and `w` written; dictionary indices, dense blocks and delta scratch stay in the first-level cache. A plain page
//! without nulls or conversion becomes the array's buffer as it is.
//!
//! | physical | Arrow |
//! | --- | --- |
//! | `BOOLEAN` | Boolean |
//! | `INT32` | Int8 to Int64, UInt8 to UInt64, Date32, Date64, Time32, Timestamp, decimals of all widths |
//! | `INT64` | Int64, UInt64, Date64, Time64, Timestamp, Duration, decimals of all widths |
//! | `INT96` | Timestamp |
//! | `FLOAT`, `DOUBLE` | Float32 (Float64), Float64 |
//! | `BYTE_ARRAY` | Binary, LargeBinary, BinaryView, Utf8, LargeUtf8, Utf8View, decimals of all widths |
//! | `FIXED_LEN_BYTE_ARRAY` | FixedSizeBinary, Float16, Interval (of months, or of days and milliseconds), decimals |
//! | any | Null; Dictionary of Int32 and any of the above but Boolean, where all pages are dictionary-encoded |
//!
//! Integers are taken as they are where the type is wider (unsigned ones zero-extended into UInt64), cut where it is
//! narrower by the column's logical type, checked where a decimal is. Scales are the caller's.

mod arrays;
mod blocks;
mod boolean;
pub(super) mod bytes;
mod codes;
mod column;
mod convert;
mod decimal;
mod dictionary;
mod fixed;
mod fixed_binary;
mod gather;
mod null;
mod offsets;
mod page;
mod records;
mod source;
mod utf8;
mod validity;
mod views;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::error::Error;
use crate::memory::{Grant, Reserve, Unlimited};

use self::column::{Column, Fault};
use self::page::Page;
use self::validity::Validity;
use super::{DictionaryPage, Encoding, Leaf, LeafBatch, LevelBatch, PageSource};

/// Reads one column chunk.
pub struct LeafReader {
    leaf: Leaf,
    pages: Box<dyn PageSource>,
    column: Box<dyn Column>,
    /// The dictionary that holds from here on, before a page has needed it.
    dictionary: Option<DictionaryPage>,
    page: Option<Page>,
    /// What the batch at hand holds.
    grant: Grant,
}

/// A batch that is being built.
struct Building {
    rows: usize,
    slots: usize,
    validity: Validity,
    levels: Option<LevelBatch>,
}

impl LeafReader {
    /// A reader at the first row.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for pairs of physical and Arrow types that it does not convert.
    pub fn new(leaf: Leaf, pages: Box<dyn PageSource>) -> Result<Self, Error> {
        let column = column::of(leaf.physical, &leaf.data_type)?;
        Ok(LeafReader {
            leaf,
            pages,
            column,
            dictionary: None,
            page: None,
            grant: Grant::new(Arc::new(Unlimited)),
        })
    }

    /// Lets batches grow within `memory` only. What a batch holds is given back when it is returned; from there on it is
    /// the caller's.
    #[must_use]
    pub fn within(mut self, memory: Arc<dyn Reserve>) -> Self {
        self.grant = Grant::new(memory);
        self
    }

    /// The column.
    #[must_use]
    pub fn leaf(&self) -> &Leaf {
        &self.leaf
    }

    /// The next `rows` rows; fewer only where the chunk ends. For repeated columns a row is a whole record, also across
    /// pages.
    ///
    /// # Errors
    /// What the pages' source gives, [`Error::CorruptFile`] above all; [`Error::OutOfMemory`]; [`Error::Unsupported`] for
    /// a page without dictionary where codes are asked for. The reader is not to be used after an error.
    pub fn read(&mut self, rows: usize) -> Result<LeafBatch, Error> {
        let mut batch = Building {
            rows: 0,
            slots: 0,
            validity: Validity::default(),
            levels: self.leaf.with_levels.then(LevelBatch::default),
        };
        if self.leaf.max_repetition == 0 {
            self.read_flat(rows, &mut batch)?;
        } else {
            let read = self.records(rows, Some(&mut batch))?;
            batch.rows = read;
        }
        let (offset, nulls) = (self.page_offset(), batch.validity.finish());
        let array = self.column.finish(batch.slots, nulls);
        self.grant.shrink(u64::MAX);
        let array = array.map_err(|fault| self.error(offset, fault))?;
        Ok(LeafBatch { rows: batch.rows, array, levels: batch.levels })
    }

    /// Passes over the next `rows` rows, whole pages without decompressing them; gives how many were passed: fewer only
    /// where the chunk ends.
    ///
    /// # Errors
    /// As for [`LeafReader::read`].
    pub fn skip(&mut self, rows: usize) -> Result<usize, Error> {
        if self.leaf.max_repetition == 0 { self.skip_flat(rows) } else { self.records(rows, None) }
    }

    /// Rows left in the page at hand, where that is known without reading it: a read of that many rows shares the page's
    /// buffer instead of copying where it can.
    #[must_use]
    pub fn page_rows_left(&self) -> Option<usize> {
        self.page.as_ref().and_then(Page::rows_left)
    }

    fn read_flat(&mut self, rows: usize, batch: &mut Building) -> Result<(), Error> {
        while batch.rows < rows {
            if !self.has_levels() && !self.load()? {
                return Ok(());
            }
            let wanted = rows - batch.rows;
            self.in_page(|page, column, grant| {
                let stretch = page.stretch(wanted, batch.levels.as_mut(), &mut batch.validity, grant)?;
                batch.rows += stretch.slots;
                batch.slots += stretch.slots;
                column.read(&stretch, grant)
            })?;
        }
        Ok(())
    }

    fn skip_flat(&mut self, rows: usize) -> Result<usize, Error> {
        let mut passed = 0;
        while passed < rows {
            let wanted = rows - passed;
            if self.has_levels() {
                passed += self.in_page(|page, column, _| {
                    let (levels, values) = page.skip(wanted)?;
                    column.skip(values)?;
                    Ok(levels)
                })?;
                continue;
            }
            match self.pages.peek()? {
                None => break,
                Some(facts) => match facts.rows {
                    Some(rows) if rows <= wanted => {
                        self.pages.skip()?;
                        passed += rows;
                    }
                    _ if !self.load()? => break,
                    _ => {}
                },
            }
        }
        Ok(passed)
    }

    fn has_levels(&self) -> bool {
        self.page.as_ref().is_some_and(|page| !page.is_empty())
    }

    /// Runs `work` on the page at hand; what it finds wrong names that page.
    fn in_page<R>(
        &mut self,
        work: impl FnOnce(&mut Page, &mut dyn Column, &mut Grant) -> Result<R, Fault>,
    ) -> Result<R, Error> {
        let Some(page) = &mut self.page else {
            return Err(Error::invalid("no page at hand"));
        };
        let result = work(page, self.column.as_mut(), &mut self.grant);
        result.map_err(|fault| self.error(self.page_offset(), fault))
    }

    fn page_offset(&self) -> u64 {
        self.page.as_ref().map_or(0, |page| page.offset)
    }

    fn error(&self, offset: u64, fault: Fault) -> Error {
        match fault {
            Fault::Malformed(malformed) => self.pages.corrupt(offset, &malformed),
            Fault::Error(error) => error,
        }
    }

    /// Goes to the next page that has levels; false after the last.
    fn load(&mut self) -> Result<bool, Error> {
        loop {
            let Some(facts) = self.pages.peek()? else {
                self.page = None;
                return Ok(false);
            };
            if let Some(dictionary) = self.pages.dictionary()? {
                self.dictionary = Some(dictionary);
            }
            let Some(data) = self.pages.next()? else {
                self.page = None;
                return Ok(false);
            };
            if data.levels == 0 {
                continue;
            }
            if data.encoding == Encoding::Dictionary
                && let Some(dictionary) = self.dictionary.take()
            {
                let taken = self.column.dictionary(&dictionary);
                taken.map_err(|fault| self.error(dictionary.offset, fault))?;
            }
            let page = Page::new(&self.leaf, &data, facts.rows).map_err(Fault::Malformed);
            let page = page.and_then(|page| self.column.page(&data).map(|()| page));
            self.page = Some(page.map_err(|fault| self.error(data.offset, fault))?);
            return Ok(true);
        }
    }
}

impl std::fmt::Debug for LeafReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeafReader").field("leaf", &self.leaf).finish_non_exhaustive()
    }
}
