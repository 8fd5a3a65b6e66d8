//! What two answers must have in common: their rows, in any order.

use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};

use crate::Failure;

/// Number of rows, and a sum over hashes of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest {
    /// Rows.
    pub rows: usize,
    sum: u128,
}

impl Digest {
    /// Of rows in any order, and in any physical type of their logical one.
    pub fn of(batches: &[RecordBatch]) -> Result<Self, Failure> {
        let mut digest = Digest::default();
        let Some(first) = batches.first() else { return Ok(digest) };
        let types: Vec<DataType> = first.columns().iter().map(|column| logical(column.data_type())).collect();
        let converter = RowConverter::new(types.iter().cloned().map(SortField::new).collect())?;
        let hashers = BuildHasherDefault::<DefaultHasher>::new();
        for batch in batches {
            let columns = batch.columns().iter().zip(&types).map(|(column, to)| cast(column, to));
            let columns: Vec<ArrayRef> = columns.collect::<Result<_, _>>()?;
            for row in &converter.convert_columns(&columns)? {
                let hash = |salt: u8| u128::from(hashers.hash_one((salt, row.as_ref())));
                digest.sum = digest.sum.wrapping_add(hash(0) << 64 | hash(1));
            }
            digest.rows += batch.num_rows();
        }
        Ok(digest)
    }
}

/// A digest is shown where two differ.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gives {} rows of digest {:x}", self.rows, self.sum)
    }
}

fn logical(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) => logical(values),
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        // Counts and sums come signed from one engine, unsigned from the other.
        DataType::UInt64 => DataType::Int64,
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    fn batch(keys: &[Option<&str>], counts: &[i64]) -> RecordBatch {
        let (keys, counts) = (StringArray::from(keys.to_vec()), Int64Array::from(counts.to_vec()));
        RecordBatch::try_from_iter([("k", Arc::new(keys) as ArrayRef), ("n", Arc::new(counts))]).unwrap()
    }

    #[test]
    fn order_and_batches_do_not_matter_and_values_do() {
        let digest = |batches: &[RecordBatch]| Digest::of(batches).unwrap();
        let whole = digest(&[batch(&[Some("a"), None, Some("b")], &[1, 2, 3])]);
        assert_eq!(digest(&[batch(&[Some("b"), Some("a")], &[3, 1]), batch(&[None], &[2])]), whole);
        for wrong in [
            batch(&[Some("a"), None, Some("b")], &[2, 1, 3]),
            batch(&[Some("a"), Some(""), Some("b")], &[1, 2, 3]),
            batch(&[Some("a"), None, Some("b"), Some("b")], &[1, 2, 3, 3]),
        ] {
            assert_ne!(digest(&[wrong]), whole);
        }
    }
}
