//! CPU path.

use std::sync::Arc;

use arrow::array::ArrayRef;

use super::AggregateSpec;
use super::partial::Partial;
use crate::error::{Backend, Error, Result};
use crate::memory::Reserve;

/// One thread's aggregation: takes batches, merges with others, gives keys and aggregates.
#[derive(Debug)]
pub struct CpuAggregate {
    spec: Arc<AggregateSpec>,
    memory: Arc<dyn Reserve>,
}

impl CpuAggregate {
    /// An aggregation without rows.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a type that cannot be a key or an input.
    pub fn new(spec: Arc<AggregateSpec>, memory: Arc<dyn Reserve>) -> Result<Self> {
        Ok(Self { spec, memory })
    }

    /// Adds the rows of a batch: the columns that the spec's expressions read, each of `rows` rows.
    ///
    /// # Errors
    /// Those of the expressions; [`Error::OutOfMemory`] where a reservation is refused.
    pub fn consume(&mut self, _columns: &[ArrayRef], _rows: usize) -> Result<()> {
        Err(Error::unsupported("aggregation", Backend::Cpu))
    }

    /// Joins the groups of `other`, which has the same spec.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] where a reservation is refused.
    pub fn merge(&mut self, other: Self) -> Result<()> {
        self.merge_partial(&other.into_partial()?)
    }

    /// Joins groups that another backend aggregated.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the partial does not match the spec; [`Error::OutOfMemory`].
    pub fn merge_partial(&mut self, _partial: &Partial) -> Result<()> {
        Err(Error::unsupported("aggregation", Backend::Cpu))
    }

    /// The groups and states so far.
    ///
    /// # Errors
    /// [`Error::ArithmeticOverflow`] where an exact sum exceeds 256 bits.
    pub fn into_partial(self) -> Result<Partial> {
        let _ = (&self.spec, &self.memory);
        Err(Error::unsupported("aggregation", Backend::Cpu))
    }

    /// Keys, then aggregates, in their declared types, one row per group in order of first appearance. Without keys
    /// there is one row, even over no rows.
    ///
    /// # Errors
    /// [`Error::ArithmeticOverflow`] where a sum or decimal average does not fit its type.
    pub fn finish(self) -> Result<Vec<ArrayRef>> {
        Err(Error::unsupported("aggregation", Backend::Cpu))
    }

    /// Bytes reserved.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        0
    }

    /// How groups are found at the moment, for EXPLAIN.
    #[must_use]
    pub fn mode_name(&self) -> &'static str {
        "undecided"
    }
}
