//! CPU path of compaction: the active rows of a column, dictionaries and views kept as they are.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, UInt32Array};

use super::Selection;
use crate::error::{Error, Result};

/// The active rows of `column`, in order.
///
/// # Errors
/// [`Error::InvalidInput`] where the selection is over another number of rows.
pub fn compact(column: &ArrayRef, selection: &Selection) -> Result<ArrayRef> {
    let columns = compact_columns(std::slice::from_ref(column), selection)?;
    columns.into_iter().next().ok_or_else(|| Error::invalid("compaction lost its column"))
}

/// [`compact`] over every column of a batch.
///
/// # Errors
/// [`Error::InvalidInput`] where the selection is over another number of rows.
pub fn compact_columns(columns: &[ArrayRef], selection: &Selection) -> Result<Vec<ArrayRef>> {
    for column in columns {
        if column.len() != selection.rows() {
            let (rows, len) = (selection.rows(), column.len());
            return Err(Error::invalid(format!("selection over {rows} rows of a column of {len}")));
        }
    }
    match selection {
        Selection::All { .. } => Ok(columns.iter().map(Arc::clone).collect()),
        Selection::Bitmap { bits, .. } => {
            let mask = BooleanArray::new(bits.clone(), None);
            // The mask is walked once where several columns share it.
            let filter = arrow::compute::FilterBuilder::new(&mask).optimize().build();
            columns.iter().map(|column| Ok(filter.filter(column.as_ref())?)).collect()
        }
        Selection::Indices { indices, .. } => {
            let indices = UInt32Array::new(indices.clone(), None);
            let take = |column: &ArrayRef| Ok(arrow::compute::take(column.as_ref(), &indices, None)?);
            columns.iter().map(take).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{DictionaryArray, Int64Array};
    use arrow::buffer::BooleanBuffer;
    use arrow::datatypes::Int32Type;

    use super::*;

    fn columns() -> Vec<ArrayRef> {
        let numbers = Int64Array::from(vec![None, Some(9), Some(1), None, Some(i64::MIN)]).slice(1, 4);
        let words: DictionaryArray<Int32Type> =
            vec![Some("x"), Some("y"), None, Some("x")].into_iter().collect();
        vec![Arc::new(numbers), Arc::new(words)]
    }

    #[test]
    fn bitmap_and_indices_keep_the_same_rows() {
        let columns = columns();
        let bits = BooleanBuffer::from(vec![true, false, false, true]);
        let by_bitmap = compact_columns(&columns, &Selection::from_bitmap(bits)).unwrap();
        let by_index = compact_columns(&columns, &Selection::from_indices(4, vec![0, 3])).unwrap();
        let expected = Int64Array::from(vec![Some(9), Some(i64::MIN)]);
        assert_eq!(by_bitmap[0].as_ref(), &expected as &dyn Array);
        assert_eq!(by_index[0].as_ref(), &expected as &dyn Array);
        assert_eq!(by_bitmap[1].data_type(), columns[1].data_type());
        assert_eq!(&by_bitmap[1], &by_index[1]);
    }

    #[test]
    fn all_none_and_the_wrong_length() {
        let columns = columns();
        assert_eq!(&compact(&columns[0], &Selection::all(4)).unwrap(), &columns[0]);
        assert_eq!(compact(&columns[1], &Selection::none(4)).unwrap().len(), 0);
        assert!(matches!(compact(&columns[0], &Selection::all(5)), Err(Error::InvalidInput(_))));
    }
}
