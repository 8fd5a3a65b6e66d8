//! One column chunk, page by page, as Arrow arrays.

use crate::error::{Backend, Error};

use super::{Leaf, LeafBatch, PageSource};

/// Reads one column chunk.
pub struct LeafReader {
    leaf: Leaf,
    pages: Box<dyn PageSource>,
}

impl LeafReader {
    /// A reader at the first row.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for pairs of physical and Arrow types that it does not convert.
    pub fn new(leaf: Leaf, pages: Box<dyn PageSource>) -> Result<Self, Error> {
        Ok(LeafReader { leaf, pages })
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
    /// What the pages' source gives, [`Error::CorruptFile`] above all. The reader is not to be used after an error.
    pub fn read(&mut self, rows: usize) -> Result<LeafBatch, Error> {
        let _ = (rows, &mut self.pages);
        Err(Error::unsupported("decoding", Backend::Cpu))
    }

    /// Passes over the next `rows` rows, whole pages without decompressing them; gives how many were passed: fewer only
    /// where the chunk ends.
    ///
    /// # Errors
    /// As for [`LeafReader::read`].
    pub fn skip(&mut self, rows: usize) -> Result<usize, Error> {
        let _ = (rows, &mut self.pages);
        Err(Error::unsupported("decoding", Backend::Cpu))
    }

    /// Rows left in the page at hand, where that is known without reading it: a read of that many rows shares the page's
    /// buffer instead of copying where it can.
    #[must_use]
    pub fn page_rows_left(&self) -> Option<usize> {
        None
    }
}
