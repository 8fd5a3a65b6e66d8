//! Codes with their dictionary: the values are decoded once per dictionary page and shared by all batches.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int32Array, new_empty_array};
use arrow::buffer::{Buffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::DataType;

use crate::error::{Backend, Error};
use crate::memory::{Grant, Unlimited};
use crate::parquet::{DataPage, DictionaryPage, Encoding, Levels, Malformed, Physical};

use super::arrays;
use super::blocks::{Stretch, fill};
use super::codes::Codes;
use super::column::{Column, Fault};

/// A column of codes. Where several dictionaries meet in a batch, its own is all of them, one after another.
pub(super) struct Dictionary {
    values: Box<dyn Column>,
    value_type: DataType,
    /// Bytes that an entry takes in a dictionary page at least.
    least: usize,
    current: Option<ArrayRef>,
    codes: Option<Codes>,
    /// The dictionaries of the batch at hand, and where the last one begins.
    batch: Vec<ArrayRef>,
    base: usize,
    out: Vec<u32>,
    scratch: Vec<u32>,
}

impl Dictionary {
    /// Codes of what `values` decodes.
    pub fn new(physical: Physical, values: Box<dyn Column>, value_type: DataType) -> Self {
        let least = match physical {
            Physical::Boolean => 0,
            Physical::Int32 | Physical::Float | Physical::ByteArray => 4,
            Physical::Int64 | Physical::Double => 8,
            Physical::Int96 => 12,
            Physical::FixedLenByteArray(width) => width.max(1),
        };
        Dictionary {
            values,
            value_type,
            least,
            current: None,
            codes: None,
            batch: Vec::new(),
            base: 0,
            out: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Puts the current dictionary into the batch; gives where it begins, and how many entries it has.
    fn in_batch(&mut self) -> Result<(u32, usize), Fault> {
        let Some(current) = &self.current else {
            return Err(Malformed::new("dictionary-encoded page without a dictionary").into());
        };
        if let Some(last) = self.batch.last() {
            if !Arc::ptr_eq(last, current) {
                self.base += last.len();
                self.batch.push(Arc::clone(current));
            }
        } else {
            self.batch.push(Arc::clone(current));
        }
        match i32::try_from(self.base + current.len()) {
            Ok(_) => Ok((self.base as u32, current.len())),
            Err(_) => {
                Err(Error::unsupported("dictionaries of over 2^31 entries in a batch", Backend::Cpu).into())
            }
        }
    }
}

impl Column for Dictionary {
    fn dictionary(&mut self, page: &DictionaryPage) -> Result<(), Fault> {
        if page.len.checked_mul(self.least).is_none_or(|least| least > page.values.len()) {
            return Err(Malformed::new("dictionary ends early").into());
        }
        let (values, offset) = (page.values.clone(), page.offset);
        let plain = DataPage {
            levels: page.len,
            nulls: None,
            repetition: Levels::None,
            definition: Levels::None,
            encoding: Encoding::Plain,
            values,
            offset,
        };
        self.values.page(&plain)?;
        let stretch = Stretch { expected: 0, ..Stretch::valid(page.len) };
        // The page's bytes bound what is built, as checked above.
        self.values.read(&stretch, &mut Grant::new(Arc::new(Unlimited)))?;
        self.current = Some(self.values.finish(page.len, None)?);
        Ok(())
    }

    fn page(&mut self, page: &DataPage) -> Result<(), Fault> {
        if page.encoding != Encoding::Dictionary {
            return Err(Error::unsupported("codes of a page without dictionary", Backend::Cpu).into());
        }
        self.codes = Some(Codes::new(&page.values, page.levels)?);
        Ok(())
    }

    fn read(&mut self, stretch: &Stretch<'_>, grant: &mut Grant) -> Result<(), Fault> {
        stretch.reserve(&mut self.out, 1, grant)?;
        if stretch.values == 0 {
            self.out.resize(self.out.len() + stretch.slots, 0);
            return Ok(());
        }
        let (base, entries) = self.in_batch()?;
        let Dictionary { codes: Some(codes), out, scratch, .. } = self else {
            return Err(Malformed::new("no page at hand").into());
        };
        match stretch.validity {
            None => Ok(codes.append_indices(entries, base, stretch.slots, out)?),
            Some(_) => {
                fill(out, stretch, scratch, |out, len| Ok(codes.append_indices(entries, base, len, out)?))
            }
        }
    }

    fn skip(&mut self, values: usize) -> Result<(), Fault> {
        match &mut self.codes {
            Some(codes) => Ok(codes.skip(values)?),
            None => Ok(()),
        }
    }

    fn finish(&mut self, slots: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, Fault> {
        self.base = 0;
        let values = match std::mem::take(&mut self.batch).as_slice() {
            [] => self.current.clone().unwrap_or_else(|| new_empty_array(&self.value_type)),
            [one] => Arc::clone(one),
            several => {
                let several: Vec<&dyn Array> = several.iter().map(AsRef::as_ref).collect();
                arrow::compute::concat(&several).map_err(Error::from)?
            }
        };
        let keys = Buffer::from_vec(std::mem::take(&mut self.out));
        let keys = Int32Array::try_new(ScalarBuffer::new(keys, 0, slots), nulls).map_err(Error::from)?;
        // SAFETY: each code was compared with its dictionary's length and moved to where that dictionary begins among the
        // batch's; their number fits 31 bits. Nulls have code 0, which is not read.
        Ok(unsafe { arrays::dictionary(keys, values) })
    }
}
