//! The Null type: slots are counted, values passed over undecoded.

use std::sync::Arc;

use arrow::array::{ArrayRef, NullArray};
use arrow::buffer::NullBuffer;

use crate::memory::Grant;
use crate::parquet::{DataPage, DictionaryPage};

use super::blocks::Stretch;
use super::column::{Column, Fault};

/// Nothing but nulls, whatever the pages say.
pub(super) struct Null;

impl Column for Null {
    fn dictionary(&mut self, _: &DictionaryPage) -> Result<(), Fault> {
        Ok(())
    }

    fn page(&mut self, _: &DataPage) -> Result<(), Fault> {
        Ok(())
    }

    fn read(&mut self, _: &Stretch<'_>, _: &mut Grant) -> Result<(), Fault> {
        Ok(())
    }

    fn skip(&mut self, _: usize) -> Result<(), Fault> {
        Ok(())
    }

    fn finish(&mut self, slots: usize, _: Option<NullBuffer>) -> Result<ArrayRef, Fault> {
        Ok(Arc::new(NullArray::new(slots)))
    }
}
