//! Booleans: bits, as they are or as a hybrid of width 1, deposited under the validity bitmap.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, BooleanBufferBuilder};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};

use crate::memory::Grant;
use crate::parquet::hybrid::Hybrid;
use crate::parquet::{DataPage, DictionaryPage, Encoding, Malformed, bits};
use crate::simd::deposit::deposit;

use super::blocks::Stretch;
use super::column::{Column, Fault};
use super::fixed::{early, wrong_encoding};

/// A column of booleans.
pub(super) struct Boolean {
    values: Values,
    out: BooleanBufferBuilder,
}

enum Values {
    Plain { bytes: Buffer, next: usize },
    Hybrid(Hybrid),
}

impl Default for Boolean {
    fn default() -> Self {
        Boolean {
            values: Values::Plain { bytes: Buffer::default(), next: 0 },
            out: BooleanBufferBuilder::new(0),
        }
    }
}

impl Column for Boolean {
    fn dictionary(&mut self, _: &DictionaryPage) -> Result<(), Fault> {
        Err(wrong_encoding().into())
    }

    fn page(&mut self, page: &DataPage) -> Result<(), Fault> {
        let bytes = page.values.clone();
        self.values = match page.encoding {
            Encoding::Plain => Values::Plain { bytes, next: 0 },
            _ if bytes.is_empty() => Values::Plain { bytes, next: 0 },
            Encoding::Rle => Values::Hybrid(Hybrid::new(behind_length(&bytes)?, 1, page.levels)?),
            _ => return Err(wrong_encoding().into()),
        };
        Ok(())
    }

    fn read(&mut self, stretch: &Stretch, grant: &mut Grant) -> Result<(), Fault> {
        grant.grow(stretch.slots.div_ceil(8) as u64)?;
        let Some(validity) = &stretch.validity else {
            return Ok(self.values.append(stretch.values, &mut self.out)?);
        };
        let mut dense = BooleanBufferBuilder::new(stretch.values);
        self.values.append(stretch.values, &mut dense)?;
        spread(&dense.build(), validity, &mut self.out);
        Ok(())
    }

    fn skip(&mut self, values: usize) -> Result<(), Fault> {
        match &mut self.values {
            Values::Plain { next, .. } => *next = next.checked_add(values).ok_or_else(early)?,
            Values::Hybrid(hybrid) => hybrid.skip(values)?,
        }
        Ok(())
    }

    fn finish(&mut self, _: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, Fault> {
        Ok(Arc::new(BooleanArray::new(self.out.finish(), nulls)))
    }
}

impl Values {
    fn append(&mut self, values: usize, out: &mut BooleanBufferBuilder) -> Result<(), Malformed> {
        match self {
            Values::Plain { bytes, next } => {
                bits::unpack_bits(bytes, *next, values, out)?;
                *next += values;
            }
            Values::Hybrid(hybrid) => {
                hybrid.read_bitmap(values, out)?;
            }
        }
        Ok(())
    }
}

/// Appends a bit for each slot: the next dense one where the slot is valid, 0 elsewhere.
fn spread(dense: &BooleanBuffer, validity: &BooleanBuffer, out: &mut BooleanBufferBuilder) {
    let chunks = dense.bit_chunks();
    let mut words = chunks.iter_padded();
    // The next bits are the low `held` ones of `next`.
    let (mut next, mut held) = (0u128, 0);
    let mut left = validity.len();
    for valid in validity.bit_chunks().iter_padded() {
        let len = left.min(64);
        let used = valid.count_ones();
        if held < used {
            next |= u128::from(words.next().unwrap_or(0)) << held;
            held += 64;
        }
        out.append_packed_range(0..len, &deposit(next as u64, valid).to_le_bytes());
        next >>= used;
        held -= used;
        left -= len;
    }
}

/// The bytes behind a length of four bytes.
fn behind_length(bytes: &Buffer) -> Result<Buffer, Malformed> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(early)?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > rest.len() {
        return Err(early());
    }
    Ok(bytes.slice_with_length(4, length))
}
