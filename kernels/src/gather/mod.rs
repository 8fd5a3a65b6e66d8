//! Rows by index, and batches joined end to end. Dictionaries and views stay what they are.
//!
//! ```text
//! take:    out[i] = column[indices[i]]
//! concat:  out = batch 0 rows, batch 1 rows, ...   one physical type per column
//! mixed:   out[i] = parts[which[i].0][which[i].1]  parts of one physical type
//! ```

use arrow::array::{Array, ArrayRef, UInt32Array};
use arrow::buffer::ScalarBuffer;

use crate::error::{Error, Result};

mod concat;
#[cfg(test)]
mod tests;

pub(crate) use concat::keys_suffice;
pub use concat::{align, common_type, concat};

/// The rows of `column` at `indices`, in that order; rows may repeat. The physical type is kept.
///
/// # Errors
/// [`Error::InvalidInput`] where an index is outside of the column.
pub fn take(column: &ArrayRef, indices: &[u32]) -> Result<ArrayRef> {
    let taken = take_columns(std::slice::from_ref(column), indices)?;
    taken.into_iter().next().ok_or_else(|| Error::invalid("take lost its column"))
}

/// [`take`] over every column of a batch, which are of one length.
///
/// # Errors
/// [`Error::InvalidInput`] where an index is outside of the columns.
pub fn take_columns(columns: &[ArrayRef], indices: &[u32]) -> Result<Vec<ArrayRef>> {
    let greatest = indices.iter().copied().max();
    for column in columns {
        if greatest.is_some_and(|greatest| greatest as usize >= column.len()) {
            return Err(Error::invalid(format!(
                "row {} of a column of {} rows",
                greatest.unwrap_or_default(),
                column.len()
            )));
        }
    }
    let indices = UInt32Array::new(ScalarBuffer::from(indices.to_vec()), None);
    columns.iter().map(|column| Ok(arrow::compute::take(column.as_ref(), &indices, None)?)).collect()
}

/// Rows of several `parts` of one physical type, each by its part and its row.
///
/// # Errors
/// [`Error::InvalidInput`] where there are no parts, where they differ in type, or where a row is outside of its part.
pub fn mixed(parts: &[ArrayRef], rows: &[(usize, usize)]) -> Result<ArrayRef> {
    if rows.iter().any(|&(part, row)| parts.get(part).is_none_or(|part| row >= part.len())) {
        return Err(Error::invalid("a row outside of its part"));
    }
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    Ok(arrow::compute::interleave(&parts, rows)?)
}
