//! Dictionaries of chunks that hold nothing but codes: all values that the column has in the row group.
//!
//! A condition on one column, whatever its shape, is evaluated over the distinct values, and over null where nulls may be
//! there. None passes: no row does.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, NullArray, new_null_array};
use arrow::buffer::Buffer;
use arrow::compute::concat;
use arrow::datatypes::DataType;
use parquet::basic::{Encoding as FileEncoding, PageType};
use parquet::file::metadata::ColumnChunkMetaData;
use pilaster_kernels::expr::Expr;
use pilaster_kernels::expr::cpu::Predicate;

use pilaster_kernels::parquet::{
    DataPage, DictionaryPage, Encoding, Leaf, LeafReader, Levels, Malformed, PageFacts, PageSource, Physical,
};
use pilaster_kernels::{Error, Result};

use crate::scan::columns::physical;
use crate::scan::page::header::{Header, Kind};
use crate::scan::page::thrift::Cursor;
use crate::scan::predicate::columns;
use crate::scan::types::as_logical;
use crate::scan::{Scan, SlicedFile, codec};

/// Larger dictionaries are not looked at: they are as long as many chunks.
const MAX_BYTES: usize = 1 << 20;
/// A dictionary is read only where it is at most one part in so many of what it may spare: it is read again with its
/// chunk where nothing is spared.
const SHARE: u64 = 4;

/// The first conjunct that no value of its column's dictionary passes.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn excluded<'a>(
    scan: &Scan,
    sliced: &SlicedFile,
    row_group: usize,
    bytes: u64,
    conjuncts: &[&'a Expr],
) -> Result<Option<&'a Expr>> {
    let mut read: HashMap<usize, Option<ArrayRef>> = HashMap::new();
    for conjunct in conjuncts {
        let tested: Vec<usize> = columns(conjunct, &scan.schema)?.into_iter().collect();
        let [column] = tested.as_slice() else { continue };
        if !read.contains_key(column) {
            read.insert(*column, values(scan, sliced, row_group, *column, bytes)?);
        }
        if let Some(Some(values)) = read.get(column)
            && none_passes(conjunct, *column, values) == Some(true)
        {
            return Ok(Some(conjunct));
        }
    }
    Ok(None)
}

/// Whether the condition is true for no value; `None` where it cannot be evaluated over all of them, also those that no
/// row has.
fn none_passes(conjunct: &Expr, column: usize, values: &ArrayRef) -> Option<bool> {
    let absent: ArrayRef = Arc::new(NullArray::new(values.len()));
    let mut inputs = vec![absent; column];
    inputs.push(Arc::clone(values));
    let passed = Predicate::new(conjunct).ok()?.select(&inputs, values.len(), None).ok()?;
    Some(passed.count() == 0)
}

/// The distinct values of a projected column, and null where it may be there; none where they are not known.
fn values(
    scan: &Scan,
    sliced: &SlicedFile,
    row_group: usize,
    column: usize,
    spared: u64,
) -> Result<Option<ArrayRef>> {
    let Some(root) = sliced.origins[scan.projection[column]].root() else { return Ok(None) };
    let Some(chunk) = sliced.file.flat_chunk(row_group, root) else { return Ok(None) };
    let Some(start) = only_codes(chunk).then(|| chunk.dictionary_page_offset()).flatten() else {
        return Ok(None);
    };
    let sizes = u64::try_from(start).ok().zip(u64::try_from(chunk.data_page_offset()).ok());
    let length = sizes.and_then(|(start, end)| end.checked_sub(start));
    let length = length.filter(|&length| length.saturating_mul(SHARE) <= spared);
    let length = length.and_then(|length| usize::try_from(length).ok()).filter(|&length| length <= MAX_BYTES);
    let Some(length) = length else { return Ok(None) };
    let Some(bytes) = sliced.file.read_range(start.unsigned_abs(), length)? else { return Ok(None) };
    let data_type = sliced.file.schema.field(root).data_type();
    let Some(values) = decode(&bytes, chunk, data_type) else { return Ok(None) };
    let Ok(values) = as_logical(&values, scan.schema.field(column)) else { return Ok(None) };
    // Not by the row group's own statistics where that step is off.
    if chunk.column_descr().max_def_level() == 0 {
        return Ok(Some(values));
    }
    let null = new_null_array(values.data_type(), 1);
    Ok(concat(&[values.as_ref(), null.as_ref()]).ok())
}

/// True where the writer says that each data page is codes.
fn only_codes(chunk: &ColumnChunkMetaData) -> bool {
    let code = |encoding: FileEncoding| {
        matches!(encoding, FileEncoding::PLAIN_DICTIONARY | FileEncoding::RLE_DICTIONARY)
    };
    match (chunk.page_encoding_stats_mask(), chunk.page_encoding_stats()) {
        (Some(mask), _) => mask.encodings().next().is_some() && mask.encodings().all(code),
        (None, Some(pages)) => {
            let is_data = |page: PageType| matches!(page, PageType::DATA_PAGE | PageType::DATA_PAGE_V2);
            let mut data = pages.iter().filter(|page| is_data(page.page_type) && page.count != 0).peekable();
            data.peek().is_some() && data.all(|page| code(page.encoding))
        }
        (None, None) => false,
    }
}

/// The values of the dictionary page at the start of `bytes`; none where it is damaged, or of a type that is not decoded:
/// reading the chunk will say so.
fn decode(bytes: &bytes::Bytes, chunk: &ColumnChunkMetaData, data_type: &DataType) -> Option<ArrayRef> {
    let mut cursor = Cursor { bytes, at: 0 };
    let header = Header::read(&mut cursor)?;
    let Kind::Dictionary { values, .. } = header.kind else { return None };
    let body = cursor.at..cursor.at.checked_add(usize::try_from(header.compressed).ok()?)?;
    let body = bytes.get(body)?;
    let length = usize::try_from(header.uncompressed).ok().filter(|&length| length <= MAX_BYTES)?;
    let plain = if chunk.compression() == parquet::basic::Compression::UNCOMPRESSED {
        (body.len() == length).then(|| Buffer::from(body))?
    } else {
        let mut plain = vec![0; length];
        codec::decompress(chunk.compression(), body, &mut plain).ok()?;
        Buffer::from_vec(plain)
    };
    let physical = physical(chunk.column_descr())?;
    let count = usize::try_from(values).ok().filter(|&count| count <= length / least_bytes(physical))?;
    let leaf = Leaf {
        physical,
        data_type: if data_type.is_string() { DataType::Utf8 } else { data_type.clone() },
        max_definition: 0,
        max_repetition: 0,
        slot_definition: 0,
        with_levels: false,
    };
    let page = OnePage { page: Some((count, plain)) };
    let mut reader = LeafReader::new(leaf, Box::new(page)).ok()?;
    let batch = reader.read(count).ok()?;
    (batch.array.len() == count).then_some(batch.array)
}

/// Bytes that a plain value takes at least: no more of them can be in a page, whatever its header says.
fn least_bytes(physical: Physical) -> usize {
    match physical {
        Physical::Boolean => 1,
        Physical::Int32 | Physical::Float | Physical::ByteArray => 4,
        Physical::Int64 | Physical::Double => 8,
        Physical::Int96 => 12,
        Physical::FixedLenByteArray(width) => width.max(1),
    }
}

/// A dictionary's values as what they are: one page of plain values, none of them null.
struct OnePage {
    page: Option<(usize, Buffer)>,
}

impl PageSource for OnePage {
    fn dictionary(&mut self) -> Result<Option<DictionaryPage>> {
        Ok(None)
    }

    fn peek(&mut self) -> Result<Option<PageFacts>> {
        Ok(self.page.as_ref().map(|(count, _)| PageFacts { levels: *count, rows: Some(*count) }))
    }

    fn next(&mut self) -> Result<Option<DataPage>> {
        Ok(self.page.take().map(|(levels, values)| DataPage {
            levels,
            nulls: Some(0),
            repetition: Levels::None,
            definition: Levels::None,
            encoding: Encoding::Plain,
            values,
            offset: 0,
        }))
    }

    fn skip(&mut self) -> Result<()> {
        self.page = None;
        Ok(())
    }

    fn corrupt(&self, _place: u64, malformed: &Malformed) -> Error {
        // Never seen: a dictionary that is damaged prunes nothing.
        Error::invalid(malformed.to_string())
    }
}
