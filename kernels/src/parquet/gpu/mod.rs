//! Parquet pages decoded on the device.
//!
//! ```text
//! host:    decompressed pages -> walk over the headers of runs and miniblocks -> tables      (bytes stay encoded)
//! upload:  [tables] [encoded bytes of pages and dictionaries]
//! device:  levels -> bitmaps; counts -> scan                       where the column can be null or is repeated
//!          bitmaps over levels -> bitmap over slots -> scan; first slot of each page        where it is repeated
//!          levels -> offsets of lists, validity of lists and structs                        where these are asked for
//!          delta: reduce, spine, apply                             where a page has DELTA_BINARY_PACKED numbers or lengths
//!          sizes -> scan; unfold: prefixes before suffixes         where lengths of byte arrays are deltas; where prefixes are shared
//!          place: slot -> page -> rank -> stored value -> word of the arena                 always, one dispatch
//!          lengths -> scan; gather: bytes of strings               where strings have no codes
//! ```
//! Nothing is expanded on the way: `place` finds a value where the page's encoding has it, bit-packed indices and
//! dictionaries included, and writes the column as `kernels::gpu::column` lays it out, so that the fused shaders of a
//! pipeline read it in the same submission. Only deltas and values with shared prefixes are written in between, since they
//! need a scan.
//!
//! Bytes moved per value, beyond the arena's: the encoded bytes once (deltas twice, and 8 written and read), the levels'
//! bits once, a quarter byte of bitmap and scan. Per string, beyond its bytes read and written: 8 for its place and 12 for
//! the scan of lengths; where lengths are deltas 24 more.
//!
//! The walk reads headers only; what it cannot see, packed indices and levels, is checked on the device: positions are
//! bounded by lengths that the host knows, and a contradiction is noted in a status that comes back with the values.
//!
//! | stored | on the device |
//! | --- | --- |
//! | levels (hybrid; the deprecated bit-packed ones are repacked by the host), repetition, at any depth | yes |
//! | indices of dictionaries: values of any width and byte arrays; strings as codes where all pages have them | yes |
//! | plain values of any width, Booleans plain and as runs, `DELTA_BINARY_PACKED`, `BYTE_STREAM_SPLIT` | yes |
//! | plain byte arrays: the host finds where each begins, since that follows from the one before | yes |
//! | `DELTA_LENGTH_BYTE_ARRAY`, `DELTA_BYTE_ARRAY` (prefixes are found by a pyramid over their lengths) | yes |
//! | `INT96`; decimals of any width, in bytes too | yes |
//! | 32-bit floats to 64 bits, days to milliseconds, columns that are null by their type | no |
//!
//! Runs are looked up by binary search over their first outputs, as in libcudf's level decoding; the scan of deltas is
//! reduce-then-scan (Merrill and Grimshaw, 2009).

mod finish;
mod form;
mod lay;
mod measure;
mod shape;
mod stages;
mod strings;
#[cfg(test)]
mod tests;
mod unfold;
mod walk;

pub use measure::{encoded_bytes, range};
pub use stages::{Placed, Target};

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::buffer::Buffer;
use pilaster_shaders::{Shader, Tier};

use super::{DataPage, DictionaryPage, Leaf, Malformed, Node};
use crate::error::Error;
use crate::gpu::column::Storage;
use form::{Form, Output};

/// Pages that share a dictionary.
#[derive(Debug, Clone, Default)]
pub struct Segment {
    /// The dictionary; none where no page refers to one.
    pub dictionary: Option<DictionaryPage>,
    /// The pages, in order.
    pub pages: Vec<DataPage>,
}

/// Why pages are not decoded on the device.
#[derive(Debug, Clone)]
pub enum DecodeError {
    /// A page contradicts itself: the reader of the file makes an [`Error::CorruptFile`] of it.
    Malformed {
        /// Index of the segment that it is in.
        segment: usize,
        /// Offset of the page, [`DataPage::offset`].
        place: u64,
        /// What is wrong.
        malformed: Malformed,
    },
    /// [`Error::Unsupported`] where there is no device form, naming what has none; [`Error::Device`], [`Error::OutOfMemory`].
    Other(Error),
}

impl From<Error> for DecodeError {
    fn from(error: Error) -> Self {
        DecodeError::Other(error)
    }
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DecodeError::Malformed { place, malformed, .. } => write!(f, "page at {place}: {malformed}"),
            DecodeError::Other(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for DecodeError {}

/// A column whose headers were walked: ready to be appended to a program.
#[derive(Debug, Clone)]
pub struct Decode {
    leaf: Leaf,
    form: Form,
    /// Levels of all pages.
    levels: usize,
    /// Definition levels are looked at: some value may be missing.
    nullable: bool,
    /// As [`stages`] uploads them; words of the head that say where the column goes are still zero.
    tables: Vec<u32>,
    bytes: Vec<(u64, Buffer)>,
    bytes_len: u64,
    /// First level of each page.
    first_levels: Vec<u32>,
    /// Segment and offset in the file of each page.
    places: Vec<(usize, u64)>,
    delta_blocks: u32,
    /// Pages to unfold, as `parquet/unfold` has them.
    unfolds: Vec<[u32; 6]>,
    unfolded_bytes: u64,
    /// Bytes of strings, at most.
    string_bytes: u64,
    /// The dictionaries' values, one behind the other, where codes are decoded.
    strings: Option<ArrayRef>,
    /// Tables of codes among `bytes`, and the first string of each.
    codes: Vec<(usize, usize)>,
    /// Lists and structs above the leaf whose shapes are wanted.
    nodes: Vec<Node>,
    shaders: Shaders,
}

/// The stages that do not depend on where the column goes.
#[derive(Debug, Clone)]
struct Shaders {
    tier: Tier,
    levels: Arc<Shader>,
    scan: [Arc<Shader>; 3],
    slots: Arc<Shader>,
    count: Arc<Shader>,
    nodes: [Arc<Shader>; 2],
    pages: Arc<Shader>,
    delta: [Arc<Shader>; 3],
    sizes: Arc<Shader>,
    lows: Arc<Shader>,
    unfold: Arc<Shader>,
    gather: Arc<Shader>,
}

impl Decode {
    /// Whether a column can be decoded at all, before its pages are known.
    ///
    /// # Errors
    /// [`Error::Unsupported`] naming the pair of physical and Arrow type.
    pub fn supports(leaf: &Leaf) -> Result<(), Error> {
        form::form(leaf).map(|_| ())
    }

    /// Whether the fused shaders of a pipeline read what a column decodes to: numbers as they are stored, and codes, where
    /// all pages of a column of strings have them.
    #[must_use]
    pub fn fuses(leaf: &Leaf) -> bool {
        form::fuses(leaf)
    }

    /// Walks over the pages' headers. Pages may come from several chunks, each with its dictionary; a repeated column's
    /// records do not begin in one segment and end in the next.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn new(leaf: &Leaf, segments: &[Segment], tier: &Tier) -> Result<Self, DecodeError> {
        lay::decode(leaf, segments, tier)
    }

    /// Levels of all pages: rows of a flat column, and no fewer than slots of a repeated one.
    #[must_use]
    pub fn levels(&self) -> usize {
        self.levels
    }

    /// Whether the column comes with a validity bitmap. A column without nulls, by the runs of its levels, does not.
    #[must_use]
    pub fn nullable(&self) -> bool {
        self.nullable
    }

    /// Width of a value as the leaf's Arrow type has it; codes are words. None for strings without codes and other wide
    /// values, which only [`Decode::program`] decodes.
    #[must_use]
    pub fn storage(&self) -> Option<Storage> {
        self.form.storage()
    }

    /// The values that codes refer to, where strings are decoded to codes.
    #[must_use]
    pub fn strings(&self) -> Option<&ArrayRef> {
        self.strings.as_ref()
    }

    /// Gives a column that could be null a validity bitmap, also where it has no nulls. False where it cannot be null.
    pub fn set_nullable(&mut self) -> bool {
        self.nullable |= self.leaf.max_definition > 0;
        self.tables[lay::head::NULLABLE] = self.nullable.into();
        self.nullable
    }

    /// Replaces codes: string `i` of [`Decode::strings`] has code `codes[i]` from now on.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the strings are not as many.
    pub fn recode(&mut self, codes: &[u32]) -> Result<(), Error> {
        for &(piece, first) in &self.codes {
            let bytes = &mut self.bytes[piece].1;
            let codes = codes.get(first..first + bytes.len() / 4);
            *bytes = Buffer::from_slice_ref(codes.ok_or_else(|| Error::invalid("too few codes"))?);
        }
        Ok(())
    }

    /// Bytes that go up.
    #[must_use]
    pub fn upload_bytes(&self) -> u64 {
        let pieces: u64 = self.bytes.iter().map(|(_, piece)| piece.len() as u64).sum();
        pieces + (self.tables.len() + self.first_levels.len()) as u64 * 4
    }

    fn nested(&self) -> bool {
        self.leaf.max_repetition > 0 || self.leaf.slot_definition > 0
    }
}
