//! Fixed-length bytes: words where there is a word of that length, otherwise copied value by value.

use arrow::array::ArrayRef;
use arrow::buffer::{Buffer, NullBuffer};
use arrow::datatypes::DataType;

use crate::memory::Grant;
use crate::parquet::{DataPage, DictionaryPage, Encoding, Malformed, Physical, split};
use crate::simd::bitmap::count;

use super::arrays;
use super::blocks::{BLOCK, Stretch};
use super::bytes;
use super::codes::Codes;
use super::column::{Column, Fault};
use super::convert::fixed;
use super::fixed::{early, split_to, take, wrong_encoding, wrong_length};

/// The column for fixed-length bytes.
pub(super) fn column(width: usize, data_type: DataType) -> Box<dyn Column> {
    let physical = Physical::FixedLenByteArray(width);
    let words = match width {
        1 => fixed::<u8>(physical, &data_type, None),
        2 => fixed::<u16>(physical, &data_type, None),
        4 => fixed::<u32>(physical, &data_type, None),
        8 => fixed::<u64>(physical, &data_type, None),
        16 => fixed::<i128>(physical, &data_type, None),
        _ => None,
    };
    words.unwrap_or_else(|| {
        let values = Values::Plain { bytes: Buffer::default(), at: 0 };
        let dictionary = (Buffer::default(), 0);
        Box::new(FixedBinary { data_type, width, values, dictionary, out: Vec::new(), scratch: Vec::new() })
    })
}

/// A column of values of `width` bytes.
struct FixedBinary {
    data_type: DataType,
    width: usize,
    values: Values,
    /// Entries one after another, and how many.
    dictionary: (Buffer, usize),
    out: Vec<u8>,
    /// The values of a block with nulls.
    scratch: Vec<u8>,
}

enum Values {
    Plain { bytes: Buffer, at: usize },
    Split { bytes: Buffer, next: usize },
    Bytes(bytes::Values),
    Codes(Codes),
}

impl Column for FixedBinary {
    fn dictionary(&mut self, page: &DictionaryPage) -> Result<(), Fault> {
        let mut at = 0;
        take(&page.values, &mut at, page.len.checked_mul(self.width).ok_or_else(early)?)?;
        self.dictionary = (page.values.clone(), page.len);
        Ok(())
    }

    fn page(&mut self, page: &DataPage) -> Result<(), Fault> {
        let bytes = page.values.clone();
        self.values = match page.encoding {
            Encoding::Plain => Values::Plain { bytes, at: 0 },
            Encoding::Dictionary => Values::Codes(Codes::new(&bytes, page.levels)?),
            _ if bytes.is_empty() => Values::Plain { bytes, at: 0 },
            Encoding::ByteStreamSplit => {
                split::values(&bytes, self.width)?;
                Values::Split { bytes, next: 0 }
            }
            Encoding::DeltaByteArray => {
                let values = bytes::Values::new(page.encoding, &bytes, page.levels)?;
                Values::Bytes(values.ok_or_else(wrong_encoding)?)
            }
            _ => return Err(wrong_encoding().into()),
        };
        Ok(())
    }

    fn read(&mut self, stretch: &Stretch<'_>, grant: &mut Grant) -> Result<(), Fault> {
        self.check(stretch.values)?;
        stretch.reserve(&mut self.out, self.width, grant)?;
        let Some(validity) = stretch.validity else {
            return self.values.append(stretch.values, self.width, &self.dictionary, &mut self.out);
        };
        let mut done = 0;
        while done < stretch.slots {
            let len = (stretch.slots - done).min(BLOCK);
            let validity = validity.part(done, len);
            let start = self.out.len();
            self.out.resize(start + len * self.width, 0);
            self.scratch.clear();
            let values = count(validity);
            self.values.append(values, self.width, &self.dictionary, &mut self.scratch)?;
            if self.width > 0 {
                let dense = self.scratch.chunks_exact(self.width);
                for (slot, value) in validity.places().zip(dense) {
                    let at = start + slot * self.width;
                    self.out[at..at + self.width].copy_from_slice(value);
                }
            }
            done += len;
        }
        Ok(())
    }

    fn skip(&mut self, values: usize) -> Result<(), Fault> {
        match &mut self.values {
            Values::Plain { bytes, at } => {
                take(bytes, at, values.checked_mul(self.width).ok_or_else(early)?)?;
                Ok(())
            }
            Values::Split { next, .. } => {
                *next = next.checked_add(values).ok_or_else(early)?;
                Ok(())
            }
            Values::Bytes(source) => source.skip(values),
            Values::Codes(codes) => Ok(codes.skip(values)?),
        }
    }

    fn finish(&mut self, slots: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, Fault> {
        arrays::fixed(&self.data_type, slots, Buffer::from_vec(std::mem::take(&mut self.out)), nulls)
    }
}

impl FixedBinary {
    /// Whether the page can hold `values` more values, where its bytes say so: before anything is allocated for them.
    fn check(&self, values: usize) -> Result<(), Malformed> {
        let there = match &self.values {
            Values::Plain { bytes, at } => bytes.len() - at,
            Values::Split { bytes, next } => bytes.len() - (next * self.width).min(bytes.len()),
            Values::Bytes(_) | Values::Codes(_) => return Ok(()),
        };
        match values.checked_mul(self.width) {
            Some(needed) if needed <= there => Ok(()),
            _ => Err(early()),
        }
    }
}

impl Values {
    /// Appends the next values.
    fn append(
        &mut self,
        values: usize,
        width: usize,
        (entries, len): &(Buffer, usize),
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        match self {
            Values::Plain { bytes, at } => {
                out.extend_from_slice(take(bytes, at, values.checked_mul(width).ok_or_else(early)?)?);
            }
            Values::Split { bytes, next } => {
                let start = out.len();
                out.resize(start + values * width, 0);
                split_to(bytes, width, *next, &mut out[start..])?;
                *next += values;
            }
            Values::Bytes(source) => source.for_each(values, |value| {
                if value.len() != width {
                    return Err(wrong_length().into());
                }
                out.extend_from_slice(value);
                Ok(())
            })?,
            Values::Codes(codes) => {
                let mut indices = Vec::with_capacity(values.min(BLOCK));
                let mut left = values;
                while left > 0 {
                    indices.clear();
                    codes.append_indices(*len, 0, left.min(BLOCK), &mut indices)?;
                    for &index in &indices {
                        let start = index as usize * width;
                        out.extend_from_slice(entries.get(start..start + width).unwrap_or_default());
                    }
                    left -= indices.len();
                }
            }
        }
        Ok(())
    }
}
