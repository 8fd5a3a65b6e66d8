//! Page headers of a column chunk, walked before any page is decoded.
//!
//! A header says how large its page is once decompressed and how many values its dictionary has, and a decoder allocates by
//! what it says. Both are checked here, and the sizes reserved, so that a few damaged bytes cannot ask for gigabytes.
//!
//! ```text
//! chunk:  header | page | header | page | ...       header: Thrift's compact protocol, a struct of
//!                                                   1 type  2 uncompressed size  3 compressed size  ...  7 dictionary { 1 values .. }
//! ```

use parquet::basic::Type as PhysicalType;
use parquet::file::metadata::ColumnChunkMetaData;
use pilaster_kernels::{Error, Result};

use super::file::Place;

const DICTIONARY_PAGE: i64 = 2;
/// Structs of a page header nest three deep.
const MAX_DEPTH: usize = 8;

/// Checks the headers of a chunk's pages; bytes of all pages once decompressed.
///
/// # Errors
/// [`Error::CorruptFile`] with the offset of the header that cannot be true.
pub(super) fn check(bytes: &[u8], chunk: &ColumnChunkMetaData, place: &Place) -> Result<u64> {
    let start = chunk.byte_range().0;
    let mut at = 0;
    let mut total: u64 = 0;
    while at < bytes.len() {
        let corrupt = |reason: &str| match place.corrupt(reason) {
            Error::CorruptFile { path, column, row_group, reason, .. } => {
                Error::CorruptFile { path, column, row_group, reason, offset: Some(start + at as u64) }
            }
            other => other,
        };
        let mut cursor = Cursor { bytes, at };
        let header = Header::read(&mut cursor).ok_or_else(|| corrupt("not a page header"))?;
        let sizes = usize::try_from(header.compressed).ok().zip(u64::try_from(header.uncompressed).ok());
        let (compressed, uncompressed) = sizes.ok_or_else(|| corrupt("a page of negative size"))?;
        let end = cursor.at.checked_add(compressed).filter(|&end| end <= bytes.len());
        let end = end.ok_or_else(|| corrupt("a page that passes the end of its column chunk"))?;
        if header.kind == DICTIONARY_PAGE && !fits(header.dictionary_values, uncompressed, chunk) {
            return Err(corrupt("a dictionary of more values than its bytes can hold"));
        }
        total = total.saturating_add(uncompressed);
        at = end;
    }
    Ok(total)
}

/// True where that many plain values fit that many bytes.
fn fits(values: i64, bytes: u64, chunk: &ColumnChunkMetaData) -> bool {
    let width = match chunk.column_type() {
        PhysicalType::BOOLEAN => 1,
        PhysicalType::INT32 | PhysicalType::FLOAT | PhysicalType::BYTE_ARRAY => 4,
        PhysicalType::INT64 | PhysicalType::DOUBLE => 8,
        PhysicalType::INT96 => 12,
        PhysicalType::FIXED_LEN_BYTE_ARRAY => u64::try_from(chunk.column_descr().type_length()).unwrap_or(0),
    };
    let needed = u64::try_from(values).ok().and_then(|values| values.checked_mul(width.max(1)));
    needed.is_some_and(|needed| needed <= bytes)
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Header {
    kind: i64,
    uncompressed: i64,
    compressed: i64,
    dictionary_values: i64,
}

impl Header {
    fn read(cursor: &mut Cursor<'_>) -> Option<Self> {
        let mut header = Header { kind: -1, uncompressed: -1, compressed: -1, dictionary_values: 0 };
        let mut id = 0;
        while let Some(kind) = cursor.field(&mut id)? {
            match (id, kind) {
                (1, 5) => header.kind = cursor.zigzag()?,
                (2, 5) => header.uncompressed = cursor.zigzag()?,
                (3, 5) => header.compressed = cursor.zigzag()?,
                (7, 12) => header.dictionary_values = Self::dictionary(cursor)?,
                _ => cursor.skip(kind, MAX_DEPTH)?,
            }
        }
        Some(header)
    }

    fn dictionary(cursor: &mut Cursor<'_>) -> Option<i64> {
        let mut values = 0;
        let mut id = 0;
        while let Some(kind) = cursor.field(&mut id)? {
            match (id, kind) {
                (1, 5) => values = cursor.zigzag()?,
                _ => cursor.skip(kind, MAX_DEPTH)?,
            }
        }
        Some(values)
    }
}

/// Thrift's compact protocol; `None` wherever the bytes end or break its grammar.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn advance(&mut self, length: u64) -> Option<()> {
        let end = self.at.checked_add(usize::try_from(length).ok()?)?;
        (end <= self.bytes.len()).then(|| self.at = end)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    /// The next field's kind, its number in `id`; `Some(None)` at the end of the struct.
    fn field(&mut self, id: &mut i64) -> Option<Option<u8>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Some(None);
        }
        *id = match byte >> 4 {
            0 => self.zigzag()?,
            delta => id.checked_add(delta.into())?,
        };
        Some(Some(byte & 0x0f))
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            // A field's Boolean is in its kind.
            1 | 2 => Some(()),
            3 => self.advance(1),
            4..=6 => self.varint().map(drop),
            7 => self.advance(8),
            8 => {
                let length = self.varint()?;
                self.advance(length)
            }
            9 | 10 => self.skip_list(depth),
            12 => {
                let mut id = 0;
                while let Some(kind) = self.field(&mut id)? {
                    self.skip(kind, depth)?;
                }
                Some(())
            }
            // No map occurs in a page header.
            _ => None,
        }
    }

    fn skip_list(&mut self, depth: usize) -> Option<()> {
        let byte = self.byte()?;
        let length = match byte >> 4 {
            15 => self.varint()?,
            length => length.into(),
        };
        match byte & 0x0f {
            1..=3 => self.advance(length),
            kind => {
                // Every other element takes a byte at least: the bytes end before a hostile length does.
                (0..length).try_for_each(|_| self.skip(kind, depth))
            }
        }
    }
}

#[cfg(test)]
mod tests;
