//! Plain strings of a dictionary page, for codes to refer to.

use std::sync::Arc;

use arrow::array::{ArrayRef, LargeBinaryArray, LargeStringArray};
use arrow::array::{LargeBinaryBuilder, LargeStringBuilder};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use crate::error::Result;
use crate::parquet::{DictionaryPage, Malformed};

/// Values of dictionaries, one behind the other.
pub(super) enum Strings {
    Text(LargeStringBuilder),
    Binary(LargeBinaryBuilder),
}

impl Strings {
    pub fn new(text: bool) -> Self {
        match text {
            true => Strings::Text(LargeStringBuilder::new()),
            false => Strings::Binary(LargeBinaryBuilder::new()),
        }
    }

    /// Appends a dictionary's values.
    pub fn push(&mut self, page: &DictionaryPage) -> Result<(), Malformed> {
        let malformed = |reason: &'static str| Malformed::new(reason);
        let mut rest: &[u8] = &page.values;
        for _ in 0..page.len {
            let (len, after) = rest.split_first_chunk::<4>().ok_or_else(|| malformed("too few values"))?;
            let len = u32::from_le_bytes(*len) as usize;
            let (value, after) =
                after.split_at_checked(len).ok_or_else(|| malformed("a value is cut off"))?;
            match self {
                Strings::Text(builder) => {
                    let value =
                        std::str::from_utf8(value).map_err(|_| malformed("text that is not UTF-8"))?;
                    builder.append_value(value);
                }
                Strings::Binary(builder) => builder.append_value(value),
            }
            rest = after;
        }
        Ok(())
    }

    /// The values as `data_type`, or what a dictionary of `data_type` refers to.
    pub fn finish(self, data_type: &DataType) -> Result<ArrayRef> {
        let values: ArrayRef = match self {
            Strings::Text(mut builder) => Arc::<LargeStringArray>::new(builder.finish()),
            Strings::Binary(mut builder) => Arc::<LargeBinaryArray>::new(builder.finish()),
        };
        let wanted = match data_type {
            DataType::Dictionary(_, values) => values.as_ref(),
            other => other,
        };
        Ok(cast(&values, wanted)?)
    }
}
