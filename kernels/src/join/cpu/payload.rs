//! The build side's columns, joined end to end, and rows of them by number.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, UInt32Array, new_null_array};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::compute::{interleave, take};
use arrow::datatypes::DataType;

use super::bound::RowBytes;
use crate::error::Result;
use crate::expr::value_type;
use crate::gather;

/// Where a row has no partner.
pub(super) const NO_ROW: u32 = u32::MAX;

/// Bytes from which a column's parts stay apart: beyond 2^31, offsets of strings do not count.
const JOINED_BYTES: usize = 1 << 30;

/// One column of the build side.
#[derive(Debug)]
pub(super) struct PayloadColumn {
    data_type: DataType,
    /// Of one physical type. Almost always one: a gather from several costs more per row.
    parts: Vec<ArrayRef>,
    /// Number of the first row after each part.
    ends: Vec<u32>,
    /// One per part.
    bytes: Vec<RowBytes>,
}

/// Bytes of the rows of a slice, and not of what it is a slice of.
pub(super) fn slice_bytes(array: &ArrayRef) -> u64 {
    array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size()) as u64
}

impl PayloadColumn {
    /// Joins `parts` of logical type `data_type`, where `joined` says that there is memory for a copy.
    ///
    /// # Errors
    /// [`crate::Error::InvalidInput`] where a part is of another type.
    pub(super) fn new(parts: Vec<ArrayRef>, data_type: &DataType, joined: bool) -> Result<Self> {
        let bytes: u64 = parts.iter().map(slice_bytes).sum();
        let parts = match parts.len() {
            0 | 1 => parts,
            _ if joined && bytes < JOINED_BYTES as u64 => vec![gather::concat(&parts, data_type)?],
            _ => of_one_type(parts, data_type)?,
        };
        let mut end = 0;
        let ends = parts.iter().map(|part| {
            end += part.len() as u32;
            end
        });
        let (ends, bytes) = (ends.collect(), parts.iter().map(RowBytes::of).collect());
        Ok(Self { data_type: data_type.clone(), ends, bytes, parts })
    }

    /// Bytes of the longest row.
    pub(super) fn longest(&self) -> u64 {
        self.bytes.iter().map(RowBytes::longest).max().unwrap_or(0)
    }

    /// Bytes of a row.
    pub(super) fn bytes(&self, row: u32) -> u64 {
        let (part, row) = self.place(row);
        self.bytes[part].row(row)
    }

    /// The part that a row is in, and its number there.
    fn place(&self, row: u32) -> (usize, usize) {
        let part = self.ends.partition_point(|&end| end <= row);
        let start = if part == 0 { 0 } else { self.ends[part - 1] };
        (part, (row - start) as usize)
    }

    /// The rows that `rows` names, null for [`NO_ROW`].
    pub(super) fn gather(&self, rows: &BuildRows) -> Result<ArrayRef> {
        match self.parts.as_slice() {
            [] => Ok(new_null_array(&self.data_type, rows.indices.len())),
            [only] if only.is_empty() => Ok(new_null_array(only.data_type(), rows.indices.len())),
            [only] => Ok(take(only.as_ref(), &rows.indices, None)?),
            parts => self.gather_parts(parts, rows),
        }
    }

    fn gather_parts(&self, parts: &[ArrayRef], rows: &BuildRows) -> Result<ArrayRef> {
        // Taken from a part, it shares the part's dictionary.
        let null = take(parts[0].as_ref(), &UInt32Array::new_null(1), None)?;
        let mut arrays: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        arrays.push(null.as_ref());
        let place = |row: Option<u32>| row.map_or((parts.len(), 0), |row| self.place(row));
        let places: Vec<(usize, usize)> = rows.indices.iter().map(place).collect();
        Ok(interleave(&arrays, &places)?)
    }

    /// Build rows `start..start + len`.
    pub(super) fn slice(&self, start: usize, len: usize) -> Result<ArrayRef> {
        match self.parts.as_slice() {
            [only] => Ok(only.slice(start, len)),
            _ => self.gather(&BuildRows::new((start as u32..(start + len) as u32).collect())),
        }
    }
}

/// Parts that arrow gathers from together: of the logical type, where they differ or their dictionaries do not go together.
fn of_one_type(parts: Vec<ArrayRef>, data_type: &DataType) -> Result<Vec<ArrayRef>> {
    let same = parts.iter().all(|part| part.data_type() == parts[0].data_type());
    if same && gather::keys_suffice(&parts) {
        return Ok(parts);
    }
    parts.iter().map(|part| Ok(arrow::compute::cast(part.as_ref(), value_type(data_type))?)).collect()
}

/// Build rows to gather, shared by all columns.
#[derive(Debug)]
pub(super) struct BuildRows {
    indices: UInt32Array,
}

impl BuildRows {
    pub(super) fn new(mut rows: Vec<u32>) -> Self {
        let missing = rows.contains(&NO_ROW).then(|| {
            let there = BooleanBuffer::collect_bool(rows.len(), |at| rows[at] != NO_ROW);
            rows.iter_mut().filter(|row| **row == NO_ROW).for_each(|row| *row = 0);
            NullBuffer::new(there)
        });
        Self { indices: UInt32Array::new(ScalarBuffer::from(rows), missing) }
    }
}

/// Rows of a probe batch, as they come out.
pub(super) enum ProbeRows {
    /// Rows `start..start + len`: nothing is copied.
    Run { start: usize, len: usize },
    /// Any, ascending; rows may repeat.
    Indices(UInt32Array),
}

impl ProbeRows {
    /// `rows` ascend; they are `distinct` where none repeats.
    pub(super) fn new(rows: Vec<u32>, distinct: bool) -> Self {
        match (rows.first(), rows.last()) {
            (Some(&first), Some(&last)) if distinct && (last - first) as usize + 1 == rows.len() => {
                ProbeRows::Run { start: first as usize, len: rows.len() }
            }
            (None, _) => ProbeRows::Run { start: 0, len: 0 },
            _ => ProbeRows::Indices(UInt32Array::new(ScalarBuffer::from(rows), None)),
        }
    }

    pub(super) fn gather(&self, column: &ArrayRef) -> Result<ArrayRef> {
        match self {
            ProbeRows::Run { start: 0, len } if *len == column.len() => Ok(Arc::clone(column)),
            ProbeRows::Run { start, len } => Ok(column.slice(*start, *len)),
            ProbeRows::Indices(rows) => Ok(take(column.as_ref(), rows, None)?),
        }
    }
}
