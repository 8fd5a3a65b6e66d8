//! Rows of several batches, in order of partition.
//!
//! ```text
//! partitions  of each row, by hash                  counted, then summed up: where each partition ends
//! places      place[row] = next free one of its partition
//! column      out[place[row]] = value               one pass, as many write streams as there are partitions
//! ```
//! Columns of machine words are scattered so; all others are gathered by arrow's `interleave`, which keeps views and
//! dictionaries what they are.

use std::sync::Arc;

use arrow::array::{Array, ArrayData, ArrayRef, BooleanBufferBuilder, make_array};
use arrow::buffer::{Buffer, NullBuffer, ScalarBuffer};
use arrow::compute::interleave;
use arrow::datatypes::{ArrowNativeType, DataType};

use super::PARTITIONS;
use crate::error::{Error, Result};

/// Where the rows of several batches go.
#[derive(Debug)]
pub(super) struct Places {
    /// One per row, batch after batch.
    places: Vec<u32>,
    /// Row `ends[p - 1]` to `ends[p]` are those of partition `p`.
    pub(super) ends: Vec<usize>,
}

impl Places {
    /// Places by the partitions of all rows.
    pub(super) fn new(partitions: &[u8]) -> Self {
        let mut counts = [0usize; PARTITIONS];
        partitions.iter().for_each(|&partition| counts[usize::from(partition)] += 1);
        let mut end = 0;
        let ends: Vec<usize> = counts
            .iter()
            .map(|count| {
                end += count;
                end
            })
            .collect();
        let mut next = [0u32; PARTITIONS];
        for (next, (end, count)) in next.iter_mut().zip(ends.iter().zip(counts)) {
            *next = (end - count) as u32;
        }
        let places = partitions
            .iter()
            .map(|&partition| {
                let place = next[usize::from(partition)];
                next[usize::from(partition)] = place + 1;
                place
            })
            .collect();
        Self { places, ends }
    }

    /// For each place, the batch and the row of it that goes there.
    pub(super) fn origins(&self, lengths: impl Iterator<Item = usize>) -> Vec<(usize, usize)> {
        let mut origins = vec![(0, 0); self.places.len()];
        let rows = lengths.enumerate().flat_map(|(batch, length)| (0..length).map(move |row| (batch, row)));
        for (origin, &place) in rows.zip(&self.places) {
            origins[place as usize] = origin;
        }
        origins
    }

    /// A column whose parts lie in several batches.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the parts are of several types.
    pub(super) fn arrange(&self, parts: &[ArrayRef]) -> Result<ArrayRef> {
        let Some(first) = parts.first() else { return Err(Error::invalid("a column without parts")) };
        let data_type = first.data_type();
        if parts.iter().any(|part| part.data_type() != data_type) {
            return Err(Error::invalid("staged columns of several types"));
        }
        match data_type {
            DataType::Decimal128(..) => self.scattered::<i128>(parts),
            plain if plain.is_primitive() && plain.primitive_width() == Some(8) && !is_composite(plain) => {
                self.scattered::<u64>(parts)
            }
            plain if plain.is_primitive() && plain.primitive_width() == Some(4) => {
                self.scattered::<u32>(parts)
            }
            _ => {
                let origins = self.origins(parts.iter().map(|part| part.len()));
                let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
                Ok(interleave(&parts, &origins)?)
            }
        }
    }

    fn scattered<T: ArrowNativeType>(&self, parts: &[ArrayRef]) -> Result<ArrayRef> {
        let mut out = vec![T::default(); self.places.len()];
        let mut places = self.places.iter();
        for part in parts {
            let data = part.to_data();
            let values = ScalarBuffer::<T>::new(
                data.buffers().first().cloned().unwrap_or_default(),
                data.offset(),
                data.len(),
            );
            for (&value, &place) in values.iter().zip(&mut places) {
                out[place as usize] = value;
            }
        }
        let data = ArrayData::builder(parts[0].data_type().clone())
            .len(out.len())
            .nulls(self.nulls(parts))
            .add_buffer(Buffer::from_vec(out))
            .build()?;
        Ok(make_array(data))
    }

    fn nulls(&self, parts: &[ArrayRef]) -> Option<NullBuffer> {
        if parts.iter().all(|part| part.null_count() == 0) {
            return None;
        }
        let mut valid = BooleanBufferBuilder::new(self.places.len());
        valid.append_n(self.places.len(), true);
        let mut places = self.places.as_slice();
        for part in parts {
            let (here, rest) = places.split_at(part.len());
            places = rest;
            for (row, &place) in here.iter().enumerate().filter(|(row, _)| part.is_null(*row)) {
                debug_assert!(row < part.len());
                valid.set_bit(place as usize, false);
            }
        }
        Some(NullBuffer::new(valid.finish()))
    }
}

/// Pairs of 32-bit numbers, aligned to less than a word.
fn is_composite(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Interval(_))
}

/// Bytes that a column takes for itself. A dictionary that `before` shares counts there.
pub(super) fn column_bytes(column: &ArrayRef, before: Option<&ArrayRef>) -> u64 {
    use arrow::array::AsArray as _;
    let rows = column.len();
    let bytes = match column.data_type() {
        DataType::Utf8View => rows * 16 + column.as_string_view().total_buffer_bytes_used(),
        DataType::BinaryView => rows * 16 + column.as_binary_view().total_buffer_bytes_used(),
        DataType::Dictionary(..) => {
            let dictionary = column.as_any_dictionary();
            let shared = before.and_then(|before| before.as_any_dictionary_opt());
            let shared = shared.is_some_and(|before| Arc::ptr_eq(before.values(), dictionary.values()));
            let values = if shared { 0 } else { slice_bytes(dictionary.values().as_ref()) };
            values + slice_bytes(dictionary.keys())
        }
        _ => slice_bytes(column.as_ref()),
    };
    bytes as u64
}

fn slice_bytes(array: &dyn Array) -> usize {
    array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size())
}
