//! Rows of many batches, kept as Arrow arrays and named by chunk and row.

use arrow::array::{Array, ArrayRef, AsArray, LargeBinaryArray, new_null_array};
use arrow::compute::interleave;
use arrow::datatypes::DataType;

use crate::error::{Backend, Error, Result};
use crate::memory::Grant;

/// Where a kept row lies. The default is no row, and reads as null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct RowRef {
    /// Number of the chunk, from 1.
    pub(super) chunk: u32,
    pub(super) row: u32,
}

/// Bytes of rows that nobody refers to, up to which they are not worth a copy of the others.
const SLACK_BYTES: u64 = 1 << 20;

/// Kept rows, in one or more columns.
#[derive(Debug)]
pub(super) struct Chunks {
    types: Vec<DataType>,
    chunks: Vec<Vec<ArrayRef>>,
    bytes: u64,
    /// Bytes after the last compaction.
    least_bytes: u64,
}

impl Chunks {
    pub(super) fn new(types: Vec<DataType>) -> Self {
        Self { types, chunks: Vec::new(), bytes: 0, least_bytes: 0 }
    }

    pub(super) fn types(&self) -> &[DataType] {
        &self.types
    }

    /// Keeps the rows of `columns`; their chunk's number.
    pub(super) fn push(&mut self, columns: Vec<ArrayRef>, grant: &mut Grant) -> Result<u32> {
        let bytes = columns.iter().map(|column| column.get_array_memory_size() as u64).sum::<u64>();
        grant.grow(bytes)?;
        self.bytes += bytes;
        // Offsets of nested types may have 32 bits only.
        let nested = self.types.iter().any(DataType::is_nested);
        if nested && self.bytes > i32::MAX as u64 {
            return Err(Error::unsupported("2 GiB of nested values in one aggregate", Backend::Cpu));
        }
        self.chunks.push(columns);
        u32::try_from(self.chunks.len()).map_err(|_| Error::invalid("too many batches"))
    }

    /// A byte string of a column of byte strings.
    pub(super) fn bytes_at(&self, column: usize, at: RowRef) -> &[u8] {
        keys(&self.chunks[at.chunk as usize - 1][column]).map_or(&[], |keys| keys.value(at.row as usize))
    }

    /// Rows of a column, in the order of `refs`.
    pub(super) fn gather(&self, column: usize, refs: &[RowRef]) -> Result<ArrayRef> {
        let nothing = new_null_array(&self.types[column], 1);
        let mut arrays: Vec<&dyn Array> = vec![nothing.as_ref()];
        arrays.extend(self.chunks.iter().map(|chunk| chunk[column].as_ref()));
        let rows: Vec<(usize, usize)> = refs.iter().map(|at| (at.chunk as usize, at.row as usize)).collect();
        Ok(interleave(&arrays, &rows)?)
    }

    /// All rows of a column, chunk after chunk.
    pub(super) fn all(&self, column: usize) -> Result<ArrayRef> {
        let arrays: Vec<&dyn Array> = self.chunks.iter().map(|chunk| chunk[column].as_ref()).collect();
        match arrays.as_slice() {
            [] => Ok(arrow::array::new_empty_array(&self.types[column])),
            [_] => Ok(self.chunks[0][column].clone()),
            _ => Ok(arrow::compute::concat(&arrays)?),
        }
    }

    /// Drops the rows that `refs` does not name, where these may be more than half.
    pub(super) fn compact(&mut self, refs: &mut [RowRef], grant: &mut Grant) -> Result<()> {
        if self.bytes <= self.least_bytes * 2 + SLACK_BYTES {
            return Ok(());
        }
        let live: Vec<RowRef> = refs.iter().copied().filter(|at| at.chunk > 0).collect();
        let columns = (0..self.types.len()).map(|at| self.gather(at, &live)).collect::<Result<Vec<_>>>()?;
        let old = self.bytes;
        self.bytes = 0;
        self.push(columns, grant)?;
        let compacted = self.chunks.pop();
        self.chunks.clear();
        self.chunks.extend(compacted);
        grant.shrink(old);
        self.least_bytes = self.bytes;
        for (row, at) in refs.iter_mut().filter(|at| at.chunk > 0).enumerate() {
            *at = RowRef { chunk: 1, row: row as u32 };
        }
        Ok(())
    }
}

/// A column of byte strings.
pub(super) fn keys(column: &ArrayRef) -> Option<&LargeBinaryArray> {
    column.as_binary_opt::<i64>()
}
