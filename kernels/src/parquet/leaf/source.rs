//! The byte arrays of a page: written out, or codes into a dictionary.

use arrow::buffer::Buffer;

use crate::parquet::{DataPage, Encoding, Malformed};

use super::bytes::{Plain, Values};
use super::codes::Codes;
use super::column::Fault;

/// The values of a page of byte arrays, from the next one on.
pub(super) enum Source {
    Bytes(Values),
    Codes(Codes),
}

impl Source {
    /// No page's.
    pub fn none() -> Self {
        Source::Bytes(Values::Plain(Plain { bytes: Buffer::default(), at: 0 }))
    }

    pub fn of(page: &DataPage) -> Result<Self, Fault> {
        check_size(&page.values)?;
        if page.encoding == Encoding::Dictionary {
            return Ok(Source::Codes(Codes::new(&page.values, page.levels)?));
        }
        let values = Values::new(page.encoding, &page.values, page.levels)?;
        Ok(Source::Bytes(values.ok_or_else(|| Malformed::new("encoding is not for byte arrays"))?))
    }

    pub fn skip(&mut self, values: usize) -> Result<(), Fault> {
        match self {
            Source::Bytes(source) => source.skip(values),
            Source::Codes(codes) => Ok(codes.skip(values)?),
        }
    }
}

/// Places in a page and offsets of views are 32 bits wide, of which Arrow uses 31.
pub(super) fn check_size(bytes: &Buffer) -> Result<(), Malformed> {
    match i32::try_from(bytes.len()) {
        Ok(_) => Ok(()),
        Err(_) => Err(Malformed::new("page over 2^31 bytes")),
    }
}
