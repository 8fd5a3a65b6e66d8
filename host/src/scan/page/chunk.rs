//! One column chunk in memory, its pages found and every header checked, before anything of it is decompressed.
//!
//! ```text
//! chunk:  header | page | header | page | ...
//! ```
//! A header says how large its page is once decompressed and how many levels and values it has, and readers allocate and
//! seek by that. What can be false of it without being seen later is refused here; sizes then are reserved page by page.

use std::ops::Range;
use std::sync::Arc;

use arrow::buffer::Buffer;
use bytes::Bytes;
use parquet::basic::{Compression, Type as PhysicalType};
use parquet::file::metadata::ColumnChunkMetaData;
use pilaster_kernels::memory::{Grant, Reserve};
use pilaster_kernels::parquet::Encoding;
use pilaster_kernels::{Error, Result};

use super::header::{Header, Kind, V1, V2};
use super::levels;
use super::thrift::Cursor;
use crate::scan::codec;
use crate::scan::file::Place;

/// A column chunk and where its pages are. Shared by all who read rows of it.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(super) bytes: Buffer,
    /// Offset of its first byte in the file.
    pub(super) start: u64,
    pub(super) pages: Vec<Page>,
    pub(super) codec: Compression,
    pub(super) max_definition: u16,
    pub(super) max_repetition: u16,
    place: Place,
    /// For the list of pages; the bytes hold their own.
    _grant: Grant,
}

/// A page with at least one level, or a dictionary.
#[derive(Debug, Clone)]
pub(super) struct Page {
    /// Offset of its header in the file.
    pub(super) offset: u64,
    /// Its bytes in the chunk, behind the header.
    pub(super) body: Range<usize>,
    pub(super) uncompressed: usize,
    pub(super) crc: Option<u32>,
    pub(super) content: Content,
}

#[derive(Debug, Clone)]
pub(super) enum Content {
    Dictionary {
        values: usize,
    },
    Data {
        levels: usize,
        encoding: Encoding,
        layout: Layout,
        /// Rows that begin and end in it, where that is certain; what its header says until then.
        rows: Option<usize>,
    },
}

/// How the levels of a data page lie before its values.
#[derive(Debug, Clone, Copy)]
pub(super) enum Layout {
    /// Compressed with them; each kind behind its length, or of the deprecated `BIT_PACKED` encoding.
    V1 { packed_definition: bool, packed_repetition: bool },
    /// Outside of the compression, of known lengths; repetition levels first.
    V2 { repetition: usize, definition: usize, nulls: usize, compressed: bool },
}

impl Chunk {
    /// Finds the pages of `metadata`'s chunk, whose encoded bytes are `bytes`.
    ///
    /// # Errors
    /// [`Error::CorruptFile`] with the offset of the header that cannot be true, [`Error::Unsupported`] for a codec that
    /// we do not have, [`Error::OutOfMemory`] where the list of pages does not fit the budget.
    pub(crate) fn new(
        bytes: Bytes,
        metadata: &ColumnChunkMetaData,
        place: Place,
        reserve: &Arc<dyn Reserve>,
    ) -> Result<Self> {
        codec::check(metadata.compression())?;
        let descriptor = metadata.column_descr();
        let mut chunk = Chunk {
            bytes: bytes.into(),
            start: metadata.byte_range().0,
            pages: Vec::new(),
            codec: metadata.compression(),
            max_definition: descriptor.max_def_level().unsigned_abs(),
            max_repetition: descriptor.max_rep_level().unsigned_abs(),
            place,
            _grant: Grant::new(Arc::clone(reserve)),
        };
        // Checked not to be negative when the footer was read.
        let levels = metadata.num_values().unsigned_abs();
        let mut grant = Grant::new(Arc::clone(reserve));
        let mut found = 0;
        let mut at = 0;
        // What lies behind the last value is nobody's: some writers pad.
        while found < levels {
            let (page, end) = chunk.page(at, metadata)?;
            at = end;
            let Some(page) = page else { continue };
            if let Content::Data { levels, .. } = page.content {
                found += levels as u64;
            }
            grant.reserve(&mut chunk.pages, 1)?;
            chunk.pages.push(page);
        }
        if found != levels {
            return Err(
                chunk.corrupt(chunk.start, format!("{found} levels in pages that should hold {levels}"))
            );
        }
        chunk._grant = grant;
        Ok(chunk)
    }

    /// The error for a part of the file at `offset` that cannot be true.
    pub(crate) fn corrupt(&self, offset: u64, reason: impl std::fmt::Display) -> Error {
        self.place.corrupt_at(offset, reason)
    }

    /// Offset of its first byte in the file.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// Bytes of the chunk, without a copy.
    pub(super) fn slice(&self, range: Range<usize>) -> Buffer {
        self.bytes.slice_with_length(range.start, range.len())
    }

    /// True where the data pages hold nothing but indices into one dictionary, which lies before them.
    pub(crate) fn is_all_dictionary(&self) -> bool {
        let mut pages = self.pages.iter().map(|page| &page.content);
        matches!(pages.next(), Some(Content::Dictionary { .. }))
            && pages.all(|page| matches!(page, Content::Data { encoding: Encoding::Dictionary, .. }))
    }

    /// The page whose header is at `at`, where it holds anything, and its end.
    fn page(&self, at: usize, metadata: &ColumnChunkMetaData) -> Result<(Option<Page>, usize)> {
        let offset = self.start + at as u64;
        let corrupt = |reason: &str| self.corrupt(offset, reason);
        let mut cursor = Cursor { bytes: &self.bytes, at };
        let header = Header::read(&mut cursor).ok_or_else(|| corrupt("not a page header"))?;
        let sizes = usize::try_from(header.compressed).ok().zip(usize::try_from(header.uncompressed).ok());
        let (compressed, uncompressed) = sizes.ok_or_else(|| corrupt("a page of negative size"))?;
        let end = cursor.at.checked_add(compressed).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or_else(|| corrupt("a page that passes the end of its column chunk"))?;
        let content = match header.kind {
            Kind::Dictionary { values, encoding } => {
                if !matches!(encoding, PLAIN | PLAIN_DICTIONARY) {
                    return Err(corrupt("a dictionary that is not plain"));
                }
                let values = fitting(values, uncompressed, metadata);
                let values =
                    values.ok_or_else(|| corrupt("a dictionary of more values than its bytes can hold"))?;
                Some(Content::Dictionary { values })
            }
            Kind::V1(page) => self.v1(&page).map_err(corrupt)?,
            Kind::V2(page) => v2(&page, compressed, uncompressed).map_err(corrupt)?,
            Kind::Other => None,
        };
        let body = cursor.at..end;
        let page = content.map(|content| Page { offset, body, uncompressed, crc: header.crc, content });
        Ok((page, end))
    }

    fn v1(&self, page: &V1) -> Result<Option<Content>, &'static str> {
        let packed = |max: u16, encoding: i32| match encoding {
            _ if max == 0 => Ok(false),
            RLE => Ok(false),
            BIT_PACKED => Ok(true),
            _ => Err("levels of an encoding that levels do not have"),
        };
        let layout = Layout::V1 {
            packed_definition: packed(self.max_definition, page.definition_encoding)?,
            packed_repetition: packed(self.max_repetition, page.repetition_encoding)?,
        };
        data(page.levels, page.encoding, layout)
    }

    /// The chunk of a row group of `rows` rows, with what is certain of the rows in each page.
    ///
    /// Flat pages have as many rows as levels. Pages of repeated values are trusted to hold whole rows where all of them
    /// are of version 2, begin with a new row (early writers cut rows in two) and have that many rows together; else
    /// nothing is said of any.
    pub(crate) fn of_rows(mut self, rows: usize) -> Self {
        let flat = self.max_repetition == 0;
        let counted = |page: &Page| match page.content {
            Content::Data { rows, .. } => {
                rows.filter(|_| levels::begins_a_row(page, &self.bytes, self.max_repetition))
            }
            Content::Dictionary { .. } => Some(0),
        };
        let total = self.pages.iter().try_fold(0usize, |sum, page| sum.checked_add(counted(page)?));
        let certain = !flat && total == Some(rows);
        for page in &mut self.pages {
            if let Content::Data { levels, rows, .. } = &mut page.content {
                *rows = if flat { Some(*levels) } else { rows.filter(|_| certain) };
            }
        }
        self
    }
}

impl Chunk {
    /// True where some page of it can only be skipped by decoding its levels.
    pub(crate) fn lacks_rows(&self) -> bool {
        self.pages.iter().any(|page| matches!(page.content, Content::Data { rows: None, .. }))
    }

    /// The chunk with the rows that its offset index says its data pages have, each given with its bytes in the file,
    /// header included. The format has no row cross a page then. An index of other pages changes nothing.
    pub(crate) fn located(mut self, index: &[(usize, u64)]) -> Self {
        let start = self.start;
        let mut pages: Vec<&mut Page> =
            self.pages.iter_mut().filter(|page| matches!(page.content, Content::Data { .. })).collect();
        let size = |page: &Page| start + page.body.end as u64 - page.offset;
        let same = pages.len() == index.len()
            && pages.iter().zip(index).all(|(page, (rows, bytes))| match &page.content {
                Content::Data { levels, .. } => rows <= levels && size(page) == *bytes,
                Content::Dictionary { .. } => false,
            });
        for (page, (counted, _)) in pages.iter_mut().zip(index).filter(|_| same) {
            if let Content::Data { rows, .. } = &mut page.content {
                *rows = Some(*counted);
            }
        }
        self
    }
}

fn v2(page: &V2, compressed: usize, uncompressed: usize) -> Result<Option<Content>, &'static str> {
    let count = |value: i32| usize::try_from(value).map_err(|_| "a page of negative counts");
    let (levels, nulls, rows) = (count(page.levels)?, count(page.nulls)?, count(page.rows)?);
    let (repetition, definition) = (count(page.repetition_bytes)?, count(page.definition_bytes)?);
    if nulls > levels || rows > levels {
        return Err("a page of more nulls or rows than levels");
    }
    if repetition.checked_add(definition).is_none_or(|bytes| bytes > compressed.min(uncompressed)) {
        return Err("levels that pass the end of their page");
    }
    let layout = Layout::V2 { repetition, definition, nulls, compressed: page.compressed };
    let content = data(page.levels, page.encoding, layout)?;
    Ok(content.map(|mut content| {
        if let Content::Data { rows: counted, .. } = &mut content {
            *counted = Some(rows);
        }
        content
    }))
}

fn data(levels: i32, encoding: i32, layout: Layout) -> Result<Option<Content>, &'static str> {
    let levels = usize::try_from(levels).map_err(|_| "a page of negative counts")?;
    let encoding = self::encoding(encoding).ok_or("values of an encoding that values do not have")?;
    Ok((levels > 0).then_some(Content::Data { levels, encoding, layout, rows: None }))
}

const PLAIN: i32 = 0;
const PLAIN_DICTIONARY: i32 = 2;
const RLE: i32 = 3;
const BIT_PACKED: i32 = 4;

fn encoding(id: i32) -> Option<Encoding> {
    Some(match id {
        PLAIN => Encoding::Plain,
        PLAIN_DICTIONARY | 8 => Encoding::Dictionary,
        RLE => Encoding::Rle,
        5 => Encoding::DeltaBinaryPacked,
        6 => Encoding::DeltaLengthByteArray,
        7 => Encoding::DeltaByteArray,
        9 => Encoding::ByteStreamSplit,
        _ => return None,
    })
}

/// That many plain values, where they fit that many bytes.
fn fitting(values: i32, bytes: usize, chunk: &ColumnChunkMetaData) -> Option<usize> {
    let width = match chunk.column_type() {
        PhysicalType::BOOLEAN => 1,
        PhysicalType::INT32 | PhysicalType::FLOAT | PhysicalType::BYTE_ARRAY => 4,
        PhysicalType::INT64 | PhysicalType::DOUBLE => 8,
        PhysicalType::INT96 => 12,
        PhysicalType::FIXED_LEN_BYTE_ARRAY => {
            usize::try_from(chunk.column_descr().type_length()).unwrap_or(0)
        }
    };
    let values = usize::try_from(values).ok()?;
    values.checked_mul(width.max(1)).filter(|&needed| needed <= bytes).map(|_| values)
}
