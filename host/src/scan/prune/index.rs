//! The page index of a column chunk: where its pages are, and bounds of their values.
//!
//! Both are structs in Thrift's compact protocol, outside of the footer; they are parsed here since nothing that they say
//! may be allocated by, and only the predicate's columns are of interest. An index that contradicts itself, the chunk or
//! its row group counts as absent.

use std::ops::Range;

use parquet::file::metadata::ColumnChunkMetaData;
use pilaster_kernels::Result;

use crate::scan::file::ScanFile;
use crate::scan::page::thrift::{Cursor, LIST, MAX_DEPTH};
use crate::scan::statistics::{Facts, Stated, Stored};

/// Larger indexes are not read.
const MAX_BYTES: usize = 16 << 20;

/// One data page of a column chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scan) struct PageSpan {
    /// Its rows in the row group; one after the other, all of them together.
    pub(in crate::scan) rows: Range<usize>,
    /// Bytes in the file, header included.
    pub(in crate::scan) bytes: u64,
}

/// The chunk's pages; none without a usable offset index.
///
/// # Errors
/// [`pilaster_kernels::Error::Io`].
pub(in crate::scan) fn pages(
    file: &ScanFile,
    chunk: &ColumnChunkMetaData,
    rows: usize,
) -> Result<Option<Vec<PageSpan>>> {
    let bytes = read(file, chunk.offset_index_offset(), chunk.offset_index_length())?;
    let (start, length) = chunk.byte_range();
    Ok(bytes.and_then(|bytes| spans(&bytes, rows, start..start.saturating_add(length))))
}

/// Facts of each of the chunk's pages; none without a usable column index.
///
/// # Errors
/// [`pilaster_kernels::Error::Io`].
pub(super) fn facts(
    file: &ScanFile,
    chunk: &ColumnChunkMetaData,
    stored: Stored<'_>,
    pages: &[PageSpan],
) -> Result<Option<Vec<Facts>>> {
    let bytes = read(file, chunk.column_index_offset(), chunk.column_index_length())?;
    Ok(bytes.and_then(|bytes| page_facts(&bytes, stored, pages)))
}

fn read(file: &ScanFile, offset: Option<i64>, length: Option<i32>) -> Result<Option<bytes::Bytes>> {
    let start = offset.and_then(|offset| u64::try_from(offset).ok());
    let length = length.and_then(|length| usize::try_from(length).ok()).filter(|&length| length <= MAX_BYTES);
    match (start, length) {
        (Some(start), Some(length)) if length > 0 => file.read_range(start, length),
        _ => Ok(None),
    }
}

/// `OffsetIndex { 1: [ PageLocation { 1: offset, 2: size, 3: first row } ] .. }`
pub(super) fn spans(bytes: &[u8], rows: usize, chunk: Range<u64>) -> Option<Vec<PageSpan>> {
    let mut cursor = Cursor { bytes, at: 0 };
    let mut located: Vec<(u64, u64, usize)> = Vec::new();
    let mut id = 0;
    while let Some(kind) = cursor.field(&mut id)? {
        match (id, kind) {
            (1, LIST) => {
                let (_, length) = cursor.list()?;
                for _ in 0..length {
                    located.push(location(&mut cursor)?);
                }
            }
            _ => cursor.skip(kind, MAX_DEPTH)?,
        }
    }
    let mut spans = Vec::with_capacity(located.len());
    let mut end = chunk.start;
    for (index, &(offset, size, first)) in located.iter().enumerate() {
        let next = located.get(index + 1).map_or(rows, |next| next.2);
        let starts = if index == 0 { first == 0 } else { true };
        let after = offset.checked_add(size)?;
        if !starts || first > next || next > rows || offset < end || after > chunk.end || size == 0 {
            return None;
        }
        end = after;
        spans.push(PageSpan { rows: first..next, bytes: size });
    }
    (!spans.is_empty()).then_some(spans)
}

fn location(cursor: &mut Cursor<'_>) -> Option<(u64, u64, usize)> {
    let (mut offset, mut size, mut first) = (None, None, None);
    let mut id = 0;
    while let Some(kind) = cursor.field(&mut id)? {
        match (id, kind) {
            (1, 4..=6) => offset = u64::try_from(cursor.zigzag()?).ok(),
            (2, 4..=6) => size = u64::try_from(cursor.zigzag()?).ok(),
            (3, 4..=6) => first = usize::try_from(cursor.zigzag()?).ok(),
            _ => cursor.skip(kind, MAX_DEPTH)?,
        }
    }
    Some((offset?, size?, first?))
}

/// `ColumnIndex { 1: [null page], 2: [min], 3: [max], 4: order of the bounds, 5: [nulls] .. }`
///
/// The order of the bounds is of no interest: all pages are looked at.
pub(super) fn page_facts(bytes: &[u8], stored: Stored<'_>, pages: &[PageSpan]) -> Option<Vec<Facts>> {
    let mut cursor = Cursor { bytes, at: 0 };
    let (mut null_pages, mut mins, mut maxs, mut nulls) = (Vec::new(), Vec::new(), Vec::new(), None);
    let mut id = 0;
    while let Some(kind) = cursor.field(&mut id)? {
        match (id, kind) {
            (1, LIST) => null_pages = each(&mut cursor, |cursor| cursor.byte().map(|byte| byte == 1))?,
            (2, LIST) => mins = each(&mut cursor, Cursor::binary)?,
            (3, LIST) => maxs = each(&mut cursor, Cursor::binary)?,
            (5, LIST) => nulls = Some(each(&mut cursor, Cursor::zigzag)?),
            _ => cursor.skip(kind, MAX_DEPTH)?,
        }
    }
    let count = pages.len();
    let lengths = [null_pages.len(), mins.len(), maxs.len(), nulls.as_ref().map_or(count, Vec::len)];
    if lengths.iter().any(|&length| length != count) {
        return None;
    }
    let facts = pages.iter().enumerate().map(|(page, span)| {
        let rows = span.rows.len() as u64;
        let counted = nulls.as_ref().map(|nulls| nulls[page]);
        let stated = match (null_pages[page], counted.map(u64::try_from)) {
            // A page of nulls that says it has values, a count below zero: nothing is known.
            (_, Some(Err(_))) => return Facts::default(),
            (true, Some(Ok(nulls))) if nulls != rows => return Facts::default(),
            (true, _) => Stated { nulls: Some(rows), ..Stated::default() },
            (false, nulls) => Stated {
                min: Some(mins[page]),
                max: Some(maxs[page]),
                // Writers cut long strings here, and nothing says where.
                exact_max: false,
                deprecated: false,
                nulls: nulls.and_then(std::result::Result::ok),
            },
        };
        Facts::stated(stored, rows, stated)
    });
    Some(facts.collect())
}

/// The elements of a list. Each takes a byte at least, so that the bytes end before a hostile length does.
fn each<'a, T>(
    cursor: &mut Cursor<'a>,
    mut element: impl FnMut(&mut Cursor<'a>) -> Option<T>,
) -> Option<Vec<T>> {
    let (_, length) = cursor.list()?;
    let mut elements = Vec::new();
    for _ in 0..length {
        elements.push(element(cursor)?);
    }
    Some(elements)
}

#[cfg(test)]
mod tests;
