//! One hash per row over all key columns, equal where the keys are equal, whatever lanes a batch has them in.
//!
//! This hash decides which partition a row belongs to, so all threads of an operator share its constants. Tables inside a
//! partition draw their own: a partition's keys agree in bits of this hash, and would crowd a table that used it.

use arrow::array::{Array, ArrayRef};
use arrow::buffer::NullBuffer;
use arrow::datatypes::i256;

use super::float;
use super::hash::Hasher;
use super::lanes::{LaneColumn, Lanes, with_bytes};
use crate::error::{Error, Result};

/// What a null hashes to, before it is joined with the columns before it.
const NULL: u64 = 0x9e37_79b9_7f4a_7c15;

/// Hashes rows of keys. Clones agree; two made apart do not.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Int32Array, Int64Array};
/// use pilaster_kernels::keys::RowHasher;
/// use pilaster_kernels::keys::lanes::LaneColumn;
///
/// let narrow: ArrayRef = Arc::new(Int32Array::from(vec![Some(7), None]));
/// let wide: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(7)]));
/// let hasher = RowHasher::default();
/// let narrow = hasher.hash(&[LaneColumn::from_array(&narrow)?], 2)?;
/// let wide = hasher.hash(&[LaneColumn::from_array(&wide)?], 2)?;
/// assert_eq!((narrow[0], narrow[1]), (wide[1], wide[0]));
/// # Ok::<(), pilaster_kernels::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct RowHasher {
    hasher: Hasher,
}

impl RowHasher {
    /// One hash per row of `columns`, which are `rows` long.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where a dictionary's code has no value.
    pub fn hash(&self, columns: &[LaneColumn], rows: usize) -> Result<Vec<u64>> {
        let mut hashes = vec![0; rows];
        for column in columns {
            self.join(&mut hashes, column)?;
        }
        // Keys in arithmetic progression are still in one after one multiplication, and may then leave top bits unused.
        hashes.iter_mut().for_each(|hash| *hash = self.hasher.mixed(*hash));
        Ok(hashes)
    }

    /// Joins the hashes of a column into those of the columns before it.
    fn join(&self, hashes: &mut [u64], column: &LaneColumn) -> Result<()> {
        let nulls = column.nulls.as_ref();
        match &column.lanes {
            Lanes::I32(values) => self.each(hashes, nulls, |row| i64::from(values[row]) as u64),
            Lanes::I64(values) => self.each(hashes, nulls, |row| values[row] as u64),
            Lanes::I128(values) => self.each(hashes, nulls, |row| self.integer(values[row].into())),
            Lanes::I256(values) => self.each(hashes, nulls, |row| self.integer(values[row])),
            Lanes::F64(values) => self.each(hashes, nulls, |row| float::to_ordered(values[row]) as u64),
            Lanes::Bytes(array) => {
                with_bytes!(array, |get| self.each(hashes, nulls, |row| self.hasher.bytes(get(row))));
            }
            Lanes::Codes { codes, values } => {
                let of_value = self.dictionary(values);
                let valid = |row: usize| nulls.is_none_or(|nulls| nulls.is_valid(row));
                let inside = |code: i32| usize::try_from(code).is_ok_and(|code| code < of_value.len());
                if let Some(row) = (0..codes.len()).find(|&row| valid(row) && !inside(codes[row])) {
                    let (code, values) = (codes[row], of_value.len());
                    return Err(Error::invalid(format!("code {code} of a dictionary of {values} values")));
                }
                self.each(hashes, nulls, |row| of_value[codes[row] as usize]);
            }
        }
        Ok(())
    }

    fn dictionary(&self, values: &ArrayRef) -> Vec<u64> {
        with_bytes!(values, |get| {
            (0..values.len())
                .map(|row| if values.is_valid(row) { self.hasher.bytes(get(row)) } else { NULL })
                .collect()
        })
    }

    /// The value itself where it fits 64 bits, as narrower lanes have it.
    fn integer(&self, value: i256) -> u64 {
        match value.to_i128().map(i64::try_from) {
            Some(Ok(value)) => value as u64,
            _ => self.hasher.bytes(&value.to_le_bytes()),
        }
    }

    #[inline(always)]
    fn each(&self, hashes: &mut [u64], nulls: Option<&NullBuffer>, word: impl Fn(usize) -> u64) {
        match nulls {
            None => {
                for (row, hash) in hashes.iter_mut().enumerate() {
                    *hash = self.hasher.word(hash.rotate_left(23) ^ word(row));
                }
            }
            Some(nulls) => {
                for (row, hash) in hashes.iter_mut().enumerate() {
                    let word = if nulls.is_valid(row) { word(row) } else { NULL };
                    *hash = self.hasher.word(hash.rotate_left(23) ^ word);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::*;
    use arrow::datatypes::Int32Type;

    use super::*;

    fn hashes(hasher: &RowHasher, arrays: &[ArrayRef]) -> Vec<u64> {
        let columns: Vec<LaneColumn> =
            arrays.iter().map(|array| LaneColumn::from_array(array).unwrap()).collect();
        hasher.hash(&columns, arrays[0].len()).unwrap()
    }

    #[test]
    fn equal_keys_agree_across_lanes_and_layouts() {
        let hasher = RowHasher::default();
        let one = |array: ArrayRef| hashes(&hasher, &[array]);
        let wide = Decimal128Array::from(vec![5, -1, i128::MAX]).with_precision_and_scale(38, 0).unwrap();
        let narrow = Decimal64Array::from(vec![5, -1]).with_precision_and_scale(18, 0).unwrap();
        assert_eq!(one(Arc::new(wide))[..2], one(Arc::new(narrow))[..]);
        assert_eq!(
            one(Arc::new(UInt64Array::from(vec![1, u64::MAX])))[0],
            one(Arc::new(UInt64Array::from(vec![1])))[0]
        );
        let zeros = one(Arc::new(Float64Array::from(vec![0.0, -0.0, f64::NAN, -f64::NAN])));
        assert_eq!((zeros[0], zeros[2]), (zeros[1], zeros[3]));
        let text = [Some("long enough for two words"), None, Some("")];
        let coded: DictionaryArray<Int32Type> = text.into_iter().collect();
        let plain = one(Arc::new(StringArray::from(text.to_vec())));
        assert_eq!(plain, one(Arc::new(coded)));
        assert_eq!(plain, one(Arc::new(StringViewArray::from(text.to_vec()))));
        assert_ne!(plain[1], plain[2], "null is not the empty string");
    }

    #[test]
    fn columns_count_in_their_order() {
        let hasher = RowHasher::default();
        let a: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(2), None]));
        let b: ArrayRef = Arc::new(Int64Array::from(vec![Some(2), Some(1), Some(1)]));
        let found = hashes(&hasher, &[a.clone(), b.clone()]);
        assert_ne!(found[0], found[1]);
        assert_eq!(found[0], hashes(&hasher, &[b, a])[1]);
        assert_ne!(found, hashes(&RowHasher::default(), &[found_array(), found_array()]), "seeds differ");
    }

    fn found_array() -> ArrayRef {
        Arc::new(Int64Array::from(vec![1, 2, 3]))
    }

    /// Keys that differ in high bits only, or by multiples of 2^32, spread over the top bits all the same.
    #[test]
    fn adversarial_keys_spread() {
        let hasher = RowHasher::default();
        for shift in [0, 8, 16, 32, 40, 48] {
            let values: ArrayRef = Arc::new(Int64Array::from_iter_values((0..1 << 14).map(|v| v << shift)));
            let mut counts = [0u32; 256];
            hashes(&hasher, &[values]).iter().for_each(|hash| counts[(hash >> 56) as usize] += 1);
            assert!(counts.iter().all(|&count| (16..200).contains(&count)), "{shift}: {counts:?}");
        }
    }
}
