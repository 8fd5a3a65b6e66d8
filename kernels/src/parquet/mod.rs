//! Parquet pages as Arrow arrays.
//!
//! ```text
//! PageSource: dictionary and data pages, decompressed, levels cut off        (the host: files, codecs, buffers)
//!      |
//! LeafReader: levels and values of one column chunk -> LeafBatch            (this module, on the CPU)
//!      |
//! nested: LeafBatches of a root column -> one array of lists, structs, maps
//! ```
//! Nothing here knows files, page headers in Thrift or codecs: a page comes as bytes with its facts, a column as a [`Leaf`].

pub mod bits;
pub mod delta;
pub mod gpu;
pub mod hybrid;
mod leaf;
pub mod levels;
mod nested;
#[cfg(test)]
mod properties;
pub mod split;
pub mod spread;

pub use leaf::LeafReader;
pub use nested::{Nested, Node, NodeShape, ShapedLeaf, assemble, assemble_shaped};

use std::borrow::Cow;

use arrow::buffer::Buffer;
use arrow::datatypes::DataType;

use crate::error::Error;

/// How the values of a column lie in its pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Physical {
    /// One bit.
    Boolean,
    /// 32 bits.
    Int32,
    /// 64 bits.
    Int64,
    /// 12 bytes: nanoseconds of the day, then the Julian day.
    Int96,
    /// IEEE 754 binary32.
    Float,
    /// IEEE 754 binary64.
    Double,
    /// Length and bytes.
    ByteArray,
    /// That many bytes.
    FixedLenByteArray(usize),
}

/// How values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// One after another, little-endian; byte arrays with a length of four bytes before each.
    Plain,
    /// `PLAIN_DICTIONARY` and `RLE_DICTIONARY`: one byte of width, then a hybrid of runs and bit-packed indices.
    Dictionary,
    /// Booleans as a hybrid of width 1 behind a length of four bytes.
    Rle,
    /// `DELTA_BINARY_PACKED`.
    DeltaBinaryPacked,
    /// `DELTA_LENGTH_BYTE_ARRAY`.
    DeltaLengthByteArray,
    /// `DELTA_BYTE_ARRAY`.
    DeltaByteArray,
    /// `BYTE_STREAM_SPLIT`.
    ByteStreamSplit,
}

/// The levels of a data page, without any length before them.
#[derive(Debug, Clone, Default)]
pub enum Levels {
    /// The column has none: its maximum is 0.
    #[default]
    None,
    /// Hybrid of runs and bit-packed values, of the width that the maximum needs.
    Hybrid(Buffer),
    /// The deprecated `BIT_PACKED`: most significant bit first.
    BitPacked(Buffer),
}

/// A data page, v1 or v2, decompressed.
#[derive(Debug, Clone)]
pub struct DataPage {
    /// Levels in it: values and nulls, one for each leaf slot.
    pub levels: usize,
    /// Nulls, where the header says (v2). Not to be trusted.
    pub nulls: Option<usize>,
    /// Repetition levels.
    pub repetition: Levels,
    /// Definition levels.
    pub definition: Levels,
    /// Encoding of the values.
    pub encoding: Encoding,
    /// The encoded values, nulls left out.
    pub values: Buffer,
    /// Offset in the file, for errors.
    pub offset: u64,
}

/// A dictionary page, decompressed; its values are plain.
#[derive(Debug, Clone)]
pub struct DictionaryPage {
    /// Values.
    pub len: usize,
    /// The plain values.
    pub values: Buffer,
    /// Offset in the file, for errors.
    pub offset: u64,
}

/// What is known of the next data page before it is decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageFacts {
    /// Levels, by its header.
    pub levels: usize,
    /// Rows that begin and end in it, where the format guarantees that no row crosses its borders (flat columns, v2
    /// pages, chunks with an offset index).
    pub rows: Option<usize>,
}

/// The pages of one column chunk, in order.
pub trait PageSource: Send {
    /// The dictionary that holds for the data pages from here on, once each time that one begins to hold.
    ///
    /// # Errors
    /// [`Error::CorruptFile`], [`Error::OutOfMemory`], [`Error::Io`].
    fn dictionary(&mut self) -> Result<Option<DictionaryPage>, Error>;

    /// The next data page's facts; none after the last.
    ///
    /// # Errors
    /// As for [`PageSource::dictionary`].
    fn peek(&mut self) -> Result<Option<PageFacts>, Error>;

    /// The next data page; none after the last.
    ///
    /// # Errors
    /// As for [`PageSource::dictionary`].
    fn next(&mut self) -> Result<Option<DataPage>, Error>;

    /// Passes over the next data page without decompressing it.
    ///
    /// # Errors
    /// As for [`PageSource::dictionary`].
    fn skip(&mut self) -> Result<(), Error>;

    /// The error for a page whose bytes cannot be true; `place` is the offset of that page.
    fn corrupt(&self, place: u64, malformed: &Malformed) -> Error;
}

/// One leaf column, as it is to be decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// How its values are stored.
    pub physical: Physical,
    /// What comes out. The reader states which pairs of physical and Arrow types it converts.
    pub data_type: DataType,
    /// Definition level of a value that is there.
    pub max_definition: u16,
    /// Number of repeated ancestors.
    pub max_repetition: u16,
    /// Definition level from which on the innermost repeated ancestor has an element: lower levels make no slot. 0
    /// where no ancestor is repeated.
    pub slot_definition: u16,
    /// Whether [`LeafBatch::levels`] is wanted: some ancestor's validity or offsets are derived from this leaf.
    pub with_levels: bool,
}

/// Bytes of a page that contradict themselves, its header or the format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong.
    pub reason: Cow<'static, str>,
}

impl Malformed {
    /// With a reason.
    #[must_use]
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Malformed { reason: reason.into() }
    }
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.reason)
    }
}

/// Levels of a batch, one pair for each leaf slot or empty list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LevelBatch {
    /// Definition levels.
    pub definition: Vec<u16>,
    /// Repetition levels; empty where the maximum is 0.
    pub repetition: Vec<u16>,
}

/// What [`LeafReader`] gives for a stretch of rows.
#[derive(Debug, Clone)]
pub struct LeafBatch {
    /// Rows in it: as many as asked for, fewer only where the chunk ended.
    pub rows: usize,
    /// One element for each slot: its validity is `definition == max_definition`.
    pub array: arrow::array::ArrayRef,
    /// The levels, where wanted.
    pub levels: Option<LevelBatch>,
}
