//! Rows inside a pipeline: arrays of possibly narrower physical types, and how they become a plan's result.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use pilaster_kernels::gpu::Storage;
use pilaster_kernels::gpu::column::EncodedColumn;
use pilaster_kernels::parquet::Physical;
use pilaster_kernels::{Error, Result, gather};

use crate::scan::EncodedGroup;

/// Columns of one length; the length is kept apart for rows without columns.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    pub(crate) columns: Vec<ArrayRef>,
    pub(crate) rows: usize,
    /// Columns that a device decodes, in place of arrays; none but where a sink asked for them. They go with the chunk as
    /// a whole: [`Chunk::settled`] comes before slicing.
    pub(crate) encoded: Vec<(usize, EncodedColumn)>,
    /// Where the first row stands in the pipeline's input, as [`Chunk::placed`] counts; 0 until then.
    pub(crate) position: u64,
}

/// Positions of rows within a task lie in these bits, the task's own above them.
const TASK_BITS: u32 = 40;

impl From<EncodedGroup> for Chunk {
    fn from(group: EncodedGroup) -> Self {
        Chunk { columns: group.columns, rows: group.rows, encoded: group.encoded, position: 0 }
    }
}

impl From<&RecordBatch> for Chunk {
    fn from(batch: &RecordBatch) -> Self {
        Chunk::new(batch.columns().to_vec(), batch.num_rows())
    }
}

impl Chunk {
    pub(crate) fn new(columns: Vec<ArrayRef>, rows: usize) -> Self {
        Chunk { columns, rows, encoded: Vec::new(), position: 0 }
    }

    /// The chunk with every column decoded but those that are `kept`.
    ///
    /// # Errors
    /// [`Error::CorruptFile`].
    pub(crate) fn settled(&self, kept: &[usize]) -> Result<Chunk> {
        let mut chunk = self.clone();
        let (encoded, decoded) = chunk.encoded.into_iter().partition(|(column, _)| kept.contains(column));
        chunk.encoded = encoded;
        let decoded: Vec<(usize, EncodedColumn)> = decoded;
        for (column, pages) in decoded {
            chunk.columns[column] = pages.array(self.rows)?;
        }
        Ok(chunk)
    }

    /// Rows `offset..offset + rows`, without copying.
    pub(crate) fn slice(&self, offset: usize, rows: usize) -> Chunk {
        debug_assert!(self.encoded.is_empty(), "settled first");
        let position = self.position.saturating_add(offset as u64);
        let columns = self.columns.iter().map(|column| column.slice(offset, rows)).collect();
        Chunk { position, ..Chunk::new(columns, rows) }
    }

    /// The chunk with its place in the pipeline's input: `before` rows of its task came before it, and all of lower tasks.
    /// Rows have the order of their positions whatever thread takes them; positions are not consecutive.
    pub(crate) fn placed(self, task: usize, before: &mut u64) -> Chunk {
        let position = ((task as u64) << TASK_BITS).saturating_add(*before);
        *before = before.saturating_add(self.rows as u64);
        Chunk { position, ..self }
    }

    /// Bytes that the rows take, buffers that several slices share counted by their slice.
    pub(crate) fn bytes(&self) -> u64 {
        let encoded = self.encoded.iter().map(|(_, column)| column.bytes());
        self.columns.iter().map(column_bytes).chain(encoded).sum()
    }

    /// As [`Chunk::bytes`], of some columns.
    pub(crate) fn bytes_of(&self, columns: &[usize]) -> u64 {
        let arrays = columns.iter().filter_map(|&column| self.columns.get(column)).map(column_bytes);
        arrays.sum::<u64>() + self.encoded_bytes()
    }

    /// Bytes of encoded columns, or of their values where these are more.
    fn encoded_bytes(&self) -> u64 {
        let bytes = |column: &EncodedColumn| match column.leaf.physical {
            Physical::ByteArray => column.bytes().max(4 * self.rows as u64),
            _ => column.bytes().max(Storage::narrowest(column.range).bytes(self.rows as u64)),
        };
        self.encoded.iter().map(|(_, column)| bytes(column)).sum()
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
        Ok(Chunk::new(columns.collect::<Result<_>>()?, chunks.iter().map(|chunk| chunk.rows).sum()))
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
