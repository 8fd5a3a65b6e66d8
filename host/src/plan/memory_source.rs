//! Batches in memory as a source.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use pilaster_kernels::{Error, Result};

use super::BatchSource;

/// Batches in memory, in one or more partitions.
#[derive(Debug, Clone)]
pub struct MemorySource {
    schema: SchemaRef,
    partitions: Arc<[Vec<RecordBatch>]>,
}

impl MemorySource {
    /// One partition of `batches`, in their order.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where there is no batch, or the schemas differ.
    pub fn try_new(batches: Vec<RecordBatch>) -> Result<Self> {
        let schema = batches.first().map(RecordBatch::schema).ok_or_else(|| Error::invalid("no batches"))?;
        MemorySource::with_partitions(schema, vec![batches])
    }

    /// Several partitions, each in its order. No partition is one empty partition.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where a batch has another schema.
    pub fn with_partitions(schema: SchemaRef, mut partitions: Vec<Vec<RecordBatch>>) -> Result<Self> {
        if partitions.iter().flatten().any(|batch| batch.schema() != schema) {
            return Err(Error::invalid("batches of different schemas"));
        }
        if partitions.is_empty() {
            partitions.push(Vec::new());
        }
        Ok(MemorySource { schema, partitions: partitions.into() })
    }
}

impl BatchSource for MemorySource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn partitions(&self) -> usize {
        self.partitions.len()
    }

    fn open(&self, partition: usize) -> Result<Box<dyn Iterator<Item = Result<RecordBatch>> + Send>> {
        let batches = self.partitions.get(partition).cloned();
        let batches = batches.ok_or_else(|| Error::invalid(format!("no partition {partition}")))?;
        Ok(Box::new(batches.into_iter().map(Ok)))
    }

    fn batches(&self) -> Option<&[Vec<RecordBatch>]> {
        Some(&self.partitions)
    }
}
