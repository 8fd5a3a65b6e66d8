//! Booleans: bits, as they are or as a hybrid of width 1, deposited under the validity bitmap.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::buffer::{Buffer, NullBuffer};

use crate::memory::Grant;
use crate::parquet::hybrid::Hybrid;
use crate::parquet::{DataPage, DictionaryPage, Encoding, Malformed, bits};
use crate::simd::bitmap::Bitmap;
use crate::simd::deposit::deposit;
use crate::simd::words::Words;

use super::blocks::{AHEAD, Stretch};
use super::column::{Column, Fault};
use super::fixed::{early, wrong_encoding};

/// A column of booleans.
pub(super) struct Boolean {
    values: Values,
    out: Bitmap,
}

enum Values {
    Plain { bytes: Buffer, next: usize },
    Hybrid(Hybrid),
}

impl Default for Boolean {
    fn default() -> Self {
        Boolean { values: Values::Plain { bytes: Buffer::default(), next: 0 }, out: Bitmap::default() }
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

    fn read(&mut self, stretch: &Stretch<'_>, grant: &mut Grant) -> Result<(), Fault> {
        grant.grow(stretch.slots.div_ceil(8) as u64)?;
        self.out.reserve(stretch.expected.min(AHEAD).max(stretch.slots));
        let Some(validity) = stretch.validity else {
            return Ok(self.values.append(stretch.values, &mut self.out)?);
        };
        let mut dense = Bitmap::default();
        self.values.append(stretch.values, &mut dense)?;
        spread(dense.since(0), validity, &mut self.out);
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
    fn append(&mut self, values: usize, out: &mut Bitmap) -> Result<(), Malformed> {
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
fn spread(dense: Words<'_>, validity: Words<'_>, out: &mut Bitmap) {
    let mut words = (0..dense.len().div_ceil(64)).map(|i| dense.word(i));
    let mut tail = out.tail(validity.len());
    // The next bits are the low `held` ones of `next`.
    let (mut next, mut held) = (0u128, 0);
    for i in 0..validity.len().div_ceil(64) {
        let valid = validity.word(i);
        let used = valid.count_ones();
        if held < used {
            next |= u128::from(words.next().unwrap_or(0)) << held;
            held += 64;
        }
        tail.push(deposit(next as u64, valid), (validity.len() - 64 * i).min(64) as u32);
        next >>= used;
        held -= used;
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
