//! Values that a stage wrote, as Arrow arrays.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Float32Array, Float64Array, Int32Array, PrimitiveArray,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::DataType;

use super::{Class, ValueInfo};
use crate::error::{Error, Result};
use crate::expr::types::{Integer, value_type, with_integer_type};

/// Rows of one value as a stage wrote them.
#[derive(Debug, Clone, Copy)]
pub struct ColumnWords<'w> {
    /// Number of rows.
    pub rows: usize,
    /// [`Class::words`] words per row, low first; for [`Class::Bool`] one bit per row.
    pub values: &'w [u32],
    /// One bit per row; none where no row is null.
    pub validity: Option<&'w [u32]>,
}

impl ValueInfo {
    /// An array of the value's type; strings as `Dictionary(Int32, ...)` over the distinct values.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where there are too few words, or a code is not in the dictionary.
    pub fn decode(&self, words: ColumnWords<'_>) -> Result<ArrayRef> {
        let ColumnWords { rows, values, validity } = words;
        let needed = if self.class == Class::Bool { rows.div_ceil(32) } else { rows * self.class.words() };
        if values.len() < needed || validity.is_some_and(|bits| bits.len() < rows.div_ceil(32)) {
            return Err(Error::invalid(format!("{} words of {rows} values read back", values.len())));
        }
        let nulls = validity.map(|bits| NullBuffer::new(bitmap(bits, rows)));
        let values = &values[..needed];
        let singles = || values.iter().copied();
        let doubles = || values.chunks_exact(2).map(|pair| u64::from(pair[0]) | u64::from(pair[1]) << 32);
        Ok(match self.class {
            Class::Bool => Arc::new(BooleanArray::new(bitmap(values, rows), nulls)),
            Class::F32 => Arc::new(Float32Array::try_new(singles().map(f32::from_bits).collect(), nulls)?),
            Class::F64 => Arc::new(Float64Array::try_new(doubles().map(f64::from_bits).collect(), nulls)?),
            Class::Code => {
                let Some(dictionary) = &self.dictionary else {
                    return Err(Error::invalid("codes without a dictionary"));
                };
                let keys = Int32Array::try_new(singles().map(|code| code as i32).collect(), nulls)?;
                Arc::new(DictionaryArray::try_new(keys, dictionary.values.clone())?)
            }
            Class::I32 => integers(&self.data_type, singles().map(|word| i128::from(word as i32)), nulls)?,
            Class::I64 => integers(&self.data_type, doubles().map(|bits| i128::from(bits as i64)), nulls)?,
            Class::I128 => {
                let wide = values.chunks_exact(4).map(|quad| {
                    quad.iter().rev().fold(0u128, |bits, &word| bits << 32 | u128::from(word)) as i128
                });
                integers(&self.data_type, wide, nulls)?
            }
        })
    }
}

fn bitmap(words: &[u32], rows: usize) -> BooleanBuffer {
    BooleanBuffer::new(Buffer::from_slice_ref(words), 0, rows)
}

fn integers(
    data_type: &DataType,
    values: impl Iterator<Item = i128>,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    let data_type = value_type(data_type);
    with_integer_type!(data_type,
        T => {
            let values: ScalarBuffer<_> = values.map(Integer::truncate).collect();
            Ok(Arc::new(PrimitiveArray::<T>::try_new(values, nulls)?.with_data_type(data_type.clone())))
        },
        else Err(Error::invalid(format!("integers read back for a value of type {data_type}")))
    )
}
