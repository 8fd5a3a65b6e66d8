//! A root column of a row group as it is stored: its leaves with their chunks, no page read yet.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::FieldRef;
use pilaster_kernels::memory::Reserve;
use pilaster_kernels::parquet::gpu::DecodeError;
use pilaster_kernels::parquet::{Leaf, LeafBatch, LeafReader, Nested, assemble};
use pilaster_kernels::{Error, Result};

use super::file::Place;
use super::page::{Chunk, ChunkPages, Pool};

/// A leaf column.
pub(super) struct StoredLeaf {
    pub(super) leaf: Leaf,
    /// Its path in the file's schema.
    pub(super) path: String,
    pub(super) chunk: Arc<Chunk>,
    pub(super) pool: Arc<Pool>,
    pub(super) reserve: Arc<dyn Reserve>,
}

impl StoredLeaf {
    /// The pages, from the first one on.
    pub(super) fn pages(&self) -> ChunkPages {
        ChunkPages::new(Arc::clone(&self.chunk), Arc::clone(&self.pool), Arc::clone(&self.reserve))
    }

    /// The leaf's decoder, within the task's budget.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a type that is not decoded.
    pub(super) fn reader(&self) -> Result<LeafReader> {
        Ok(LeafReader::new(self.leaf.clone(), Box::new(self.pages()))?.within(Arc::clone(&self.reserve)))
    }

    /// The error of pages that a device's decoder refused.
    pub(super) fn refused(&self, error: DecodeError) -> Error {
        match error {
            DecodeError::Malformed { place, malformed, .. } => self.chunk.corrupt(place, malformed),
            DecodeError::Other(error) => error,
        }
    }
}

/// A root column.
pub(super) struct RootColumn {
    pub(super) tree: Nested,
    pub(super) leaves: Vec<StoredLeaf>,
    /// What the scan calls it.
    pub(super) field: FieldRef,
    pub(super) place: Place,
}

impl RootColumn {
    /// The error of leaves that tell of different lists.
    pub(super) fn disagreeing(&self, error: Error) -> Error {
        disagreeing(error, &self.place)
    }
}

fn disagreeing(error: Error, place: &Place) -> Error {
    match error {
        Error::InvalidInput(reason) => place.corrupt(reason),
        other => other,
    }
}

/// One array from the leaf batches of a root column.
///
/// # Errors
/// [`Error::CorruptFile`] where leaves tell of different lists.
pub(super) fn assembled(tree: &Nested, batches: &[LeafBatch], place: &Place) -> Result<ArrayRef> {
    match (tree, batches) {
        (Nested::Leaf(_), [batch]) => Ok(Arc::clone(&batch.array)),
        (tree, batches) => assemble(tree, batches).map_err(|error| disagreeing(error, place)),
    }
}
