//! What decodes values and builds an array of them, and which one does it for which types.

use arrow::array::ArrayRef;
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;

use crate::error::{Backend, Error};
use crate::memory::Grant;
use crate::parquet::{DataPage, DictionaryPage, Malformed, Physical};

use super::blocks::Stretch;
use super::{boolean, convert, dictionary, fixed_binary, null, offsets, views};

/// What went wrong in a page.
pub(super) enum Fault {
    /// Its bytes.
    Malformed(Malformed),
    /// Something else.
    Error(Error),
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        Fault::Malformed(malformed)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Error(error)
    }
}

/// Decoder of the pages of a column, and builder of the array that they become.
pub(super) trait Column: Send {
    /// Takes a dictionary: it holds for the dictionary-encoded pages from here on.
    fn dictionary(&mut self, page: &DictionaryPage) -> Result<(), Fault>;

    /// Goes to a page's first value. What was not read of the page before is dropped.
    fn page(&mut self, page: &DataPage) -> Result<(), Fault>;

    /// Appends the next values of the page, spread over a stretch of slots.
    fn read(&mut self, stretch: &Stretch<'_>, grant: &mut Grant) -> Result<(), Fault>;

    /// Passes over the next values of the page.
    fn skip(&mut self, values: usize) -> Result<(), Fault>;

    /// What was appended, `slots` in all, as an array; begins the next one.
    fn finish(&mut self, slots: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, Fault>;
}

/// The column for a pair of types.
pub(super) fn of(physical: Physical, data_type: &DataType) -> Result<Box<dyn Column>, Error> {
    use DataType as A;
    let data_type = data_type.clone();
    let column: Option<Box<dyn Column>> = match (physical, &data_type) {
        (_, A::Null) => Some(Box::new(null::Null)),
        (Physical::Boolean, A::Boolean) => Some(Box::new(boolean::Boolean::default())),
        (physical, A::Dictionary(key, value)) if **key == A::Int32 && physical != Physical::Boolean => Some(
            Box::new(dictionary::Dictionary::new(physical, of(physical, value)?, value.as_ref().clone())),
        ),
        (Physical::ByteArray, A::Utf8View | A::BinaryView) => {
            Some(Box::new(views::Views::new(data_type.clone())))
        }
        (Physical::ByteArray, A::Utf8 | A::Binary) => {
            Some(Box::new(offsets::Offsets::<i32>::new(data_type.clone())))
        }
        (Physical::ByteArray, A::LargeUtf8 | A::LargeBinary) => {
            Some(Box::new(offsets::Offsets::<i64>::new(data_type.clone())))
        }
        (Physical::FixedLenByteArray(width), A::FixedSizeBinary(size))
            if usize::try_from(*size).is_ok_and(|size| size == width) =>
        {
            Some(fixed_binary::column(width, data_type.clone()))
        }
        (physical, data_type) => convert::column(physical, data_type),
    };
    column.ok_or_else(|| {
        Error::unsupported(format!("reading {physical:?} values of Parquet as {data_type}"), Backend::Cpu)
    })
}
