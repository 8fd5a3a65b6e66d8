//! Rows inside a pipeline: arrays of possibly narrower physical types, and how they become a plan's result.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use pilaster_kernels::{Error, Result, gather};

/// Columns of one length; the length is kept apart for rows without columns.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    pub(crate) columns: Vec<ArrayRef>,
    pub(crate) rows: usize,
}

impl From<&RecordBatch> for Chunk {
    fn from(batch: &RecordBatch) -> Self {
        Chunk { columns: batch.columns().to_vec(), rows: batch.num_rows() }
    }
}

impl Chunk {
    /// Rows `offset..offset + rows`, without copying.
    pub(crate) fn slice(&self, offset: usize, rows: usize) -> Chunk {
        Chunk { columns: self.columns.iter().map(|column| column.slice(offset, rows)).collect(), rows }
    }

    /// Bytes that the rows take, buffers that several slices share counted by their slice.
    pub(crate) fn bytes(&self) -> u64 {
        self.columns.iter().map(column_bytes).sum()
    }

    /// As [`Chunk::bytes`], of some columns.
    pub(crate) fn bytes_of(&self, columns: &[usize]) -> u64 {
        columns.iter().filter_map(|&column| self.columns.get(column)).map(column_bytes).sum()
    }

    /// All rows of `chunks` in one, of logical types `schema`.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where a chunk is not of those types.
    pub(crate) fn concat(chunks: &[Chunk], schema: &Schema) -> Result<Chunk> {
        if let [only] = chunks {
            return Ok(only.clone());
        }
        let columns = schema.fields().iter().enumerate().map(|(index, field)| {
            let parts: Vec<ArrayRef> = chunks.iter().map(|chunk| Arc::clone(&chunk.columns[index])).collect();
            gather::concat(&parts, field.data_type())
        });
        Ok(Chunk {
            columns: columns.collect::<Result<_>>()?,
            rows: chunks.iter().map(|chunk| chunk.rows).sum(),
        })
    }

    /// The chunk in slices of at most `rows` rows.
    pub(crate) fn slices(self, rows: usize) -> impl Iterator<Item = Chunk> {
        let starts = (0..self.rows).step_by(rows.max(1));
        starts.map(move |start| self.slice(start, rows.min(self.rows - start)))
    }

    /// The chunk as batches of exactly `schema`: narrow decimals are widened, dictionaries become what the schema says.
    /// One batch, or several where the keys of a dictionary do not suffice for the distinct values of one.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where a column has another logical type, or nulls that the schema rules out.
    pub(crate) fn conform(&self, schema: &SchemaRef) -> Result<Vec<RecordBatch>> {
        if self.columns.len() != schema.fields().len() {
            let (columns, fields) = (self.columns.len(), schema.fields().len());
            return Err(Error::invalid(format!("{columns} columns for a schema of {fields}")));
        }
        match self.one_batch(schema) {
            Ok(batch) => Ok(vec![batch]),
            Err(ArrowError::DictionaryKeyOverflowError) if self.rows > 1 => {
                let half = self.rows / 2;
                let mut batches = self.slice(0, half).conform(schema)?;
                batches.extend(self.slice(half, self.rows - half).conform(schema)?);
                Ok(batches)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn one_batch(&self, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        let columns = self.columns.iter().zip(schema.fields()).map(|(column, field)| {
            if column.data_type() == field.data_type() {
                return Ok(Arc::clone(column));
            }
            cast_with_options(column, field.data_type(), &strict)
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
    }
}

fn column_bytes(column: &ArrayRef) -> u64 {
    let bytes = column.to_data().get_slice_memory_size();
    bytes.unwrap_or_else(|_| column.get_array_memory_size()) as u64
}
