//! From pages to tables and pieces of the upload.

mod byte_arrays;
mod values;

use arrow::buffer::Buffer;
use arrow::datatypes::DataType;
use pilaster_shaders::Tier;

use super::form::{Form, Output, form};
use super::stages::shaders;
use super::strings::Strings;
use super::walk::{self, Expected};
use super::{Decode, DecodeError, Segment};
use crate::error::{Backend, Error};
use crate::gpu::column::is_text;
use crate::parquet::{DataPage, DictionaryPage, Encoding, Leaf, Levels, Malformed, Physical};

/// Words of the head, as `parquet/source` has them.
pub(super) mod head {
    pub const LEVELS: usize = 0;
    pub const DEFINITION: usize = 1;
    pub const REPETITION: usize = 5;
    pub const SLOT_DEFINITION: usize = 9;
    pub const PAGES: usize = 10;
    pub const NULLABLE: usize = 12;
    pub const VALUES: usize = 13;
    pub const VALIDITY: usize = 14;
    pub const WIDTH: usize = 15;
    pub const DELTA: usize = 16;
    pub const WORDS: usize = 19;
}

/// Values of a block of the delta scan: `DELTA_BLOCK` of `parquet/delta`.
pub(super) const DELTA_BLOCK: usize = 1024;

/// Bytes of one upload: positions of bits within a page stay 32-bit numbers.
const MOST_BYTES: u64 = 1 << 29;

/// Readable bytes behind the last one: `parquet/source` reads words ahead.
const PADDING: u64 = 32;

/// Kinds of pages: `PLACE_*` of `parquet/place`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Kind {
    Plain = 0,
    Dictionary = 1,
    Split = 2,
    Delta = 3,
    Boolean = 4,
    Runs = 5,
    Arrays = 6,
    Lengths = 7,
    Unfolded = 8,
    Entries = 9,
}

/// Words of a page's record; runs and places of byte arrays are counted from their tables' start, unfolded bytes from theirs.
#[derive(Debug, Clone, Copy)]
struct Record {
    kind: Kind,
    byte: u32,
    available: u32,
    width: u32,
    runs: u32,
    run_count: u32,
    dictionary: u32,
    dictionary_len: u32,
}

impl Record {
    /// Of `available` values that lie from a byte of the upload on.
    fn new(kind: Kind, byte: u32, available: usize) -> Self {
        let available = available as u32;
        Record { kind, byte, available, width: 0, runs: 0, run_count: 0, dictionary: 0, dictionary_len: 0 }
    }
}

/// A dictionary in the upload: its first byte, or the place of its byte arrays in their table.
#[derive(Debug, Clone, Copy)]
struct Placed {
    byte: u32,
    len: u32,
}

struct Layer<'a> {
    leaf: &'a Leaf,
    form: Form,
    bytes: Vec<(u64, Buffer)>,
    end: u64,
    levels: usize,
    definition: Vec<u32>,
    repetition: Vec<u32>,
    records: Vec<Record>,
    runs: Vec<u32>,
    delta_pages: Vec<[u32; 7]>,
    miniblocks: Vec<u32>,
    delta_blocks: usize,
    /// First bytes of byte arrays in plain pages and dictionaries.
    starts: Vec<u32>,
    /// Lengths of the byte arrays of the dictionary at hand.
    entry_bytes: Vec<u32>,
    /// Pages to unfold, as `parquet/unfold` has them, and their bytes.
    unfolds: Vec<[u32; 6]>,
    unfolded_bytes: u64,
    /// Bytes of strings, at most.
    string_bytes: u64,
    first_levels: Vec<u32>,
    places: Vec<(usize, u64)>,
    segment: usize,
    code_tables: Vec<(usize, usize)>,
    strings: Option<Strings>,
    codes: usize,
}

/// Bits that levels up to `most` take.
pub(super) fn level_width(most: u16) -> u32 {
    u16::BITS - most.leading_zeros()
}

pub(super) fn decode(leaf: &Leaf, segments: &[Segment], tier: &Tier) -> Result<Decode, DecodeError> {
    let mut form = form(leaf)?;
    let mut pages = segments.iter().flat_map(|segment| &segment.pages).filter(|page| page.levels > 0);
    if form.output == Output::Codes && !pages.all(|page| page.encoding == Encoding::Dictionary) {
        if matches!(leaf.data_type, DataType::Dictionary(..)) {
            return Err(Error::unsupported("codes of pages without a dictionary", Backend::Gpu).into());
        }
        form.output = Output::Strings;
    }
    let text = is_text(&leaf.data_type).filter(|_| form.output == Output::Codes);
    let mut layer = Layer {
        leaf,
        form,
        bytes: Vec::new(),
        end: 0,
        levels: 0,
        definition: Vec::new(),
        repetition: Vec::new(),
        records: Vec::new(),
        runs: Vec::new(),
        delta_pages: Vec::new(),
        miniblocks: Vec::new(),
        delta_blocks: 0,
        starts: Vec::new(),
        entry_bytes: Vec::new(),
        unfolds: Vec::new(),
        unfolded_bytes: 0,
        string_bytes: 0,
        first_levels: Vec::new(),
        places: Vec::new(),
        segment: 0,
        code_tables: Vec::new(),
        strings: text.map(Strings::new),
        codes: 0,
    };
    for (index, segment) in segments.iter().enumerate() {
        layer.segment = index;
        layer.segment(segment)?;
    }
    layer.finish(tier)
}

impl Layer<'_> {
    fn segment(&mut self, segment: &Segment) -> Result<(), DecodeError> {
        let wanted =
            segment.pages.iter().any(|page| page.encoding == Encoding::Dictionary && page.levels > 0);
        let dictionary = match &segment.dictionary {
            Some(page) if wanted => {
                let placed = self.dictionary(page);
                Some(placed.map_err(|error| at(self.segment, page.offset, error))?)
            }
            _ => None,
        };
        for page in segment.pages.iter().filter(|page| page.levels > 0) {
            let index = self.segment;
            self.page(page, dictionary).map_err(|error| at(index, page.offset, error))?;
        }
        Ok(())
    }

    fn dictionary(&mut self, page: &DictionaryPage) -> Result<Placed, PageError> {
        let (len, values) = (page.len, &page.values);
        let count = u32::try_from(len).map_err(|_| PageError::malformed("a dictionary of 2^32 values"))?;
        if let Some(strings) = &mut self.strings {
            strings.push(page)?;
            let codes = self.codes as u64..self.codes as u64 + len as u64;
            if codes.end > i32::MAX as u64 {
                let what = "dictionaries of 2^31 strings";
                return Err(PageError::Other(Error::unsupported(what, Backend::Gpu)));
            }
            if len > 0 {
                self.code_tables.push((self.bytes.len(), self.codes));
            }
            self.codes += len;
            let table: Vec<u32> = codes.map(|code| code as u32).collect();
            return Ok(Placed { byte: self.upload(&Buffer::from_vec(table))?, len: count });
        }
        if self.leaf.physical == Physical::ByteArray {
            return self.entries(page);
        }
        let needed = len as u64 * u64::from(self.form.stored_bytes);
        if needed > values.len() as u64 {
            return Err(PageError::malformed("a dictionary is cut off"));
        }
        Ok(Placed { byte: self.upload(&values.slice_with_length(0, needed as usize))?, len: count })
    }

    /// Adds a piece; gives its position.
    fn upload(&mut self, bytes: &Buffer) -> Result<u32, PageError> {
        let at = self.end;
        self.end = (at + bytes.len() as u64).next_multiple_of(4);
        if self.end > MOST_BYTES - PADDING {
            let (asked_bytes, limit_bytes) = (self.end, MOST_BYTES - PADDING);
            return Err(PageError::Other(Error::OutOfMemory {
                backend: Backend::Gpu,
                asked_bytes,
                limit_bytes,
            }));
        }
        if !bytes.is_empty() {
            self.bytes.push((at, bytes.clone()));
        }
        Ok(at as u32)
    }

    fn page(&mut self, page: &DataPage, dictionary: Option<Placed>) -> Result<(), PageError> {
        let first = self.levels;
        let levels = first.checked_add(page.levels).filter(|levels| *levels < 1 << 31);
        self.levels = levels.ok_or_else(|| {
            PageError::Other(Error::unsupported("a column of 2^31 levels at once", Backend::Gpu))
        })?;
        let (definition, repetition) = (self.leaf.max_definition, self.leaf.max_repetition);
        self.definition = self.page_levels(&page.definition, definition, page.levels, first, |layer| {
            std::mem::take(&mut layer.definition)
        })?;
        self.repetition = self.page_levels(&page.repetition, repetition, page.levels, first, |layer| {
            std::mem::take(&mut layer.repetition)
        })?;
        let record = self.values(page, dictionary)?;
        self.records.push(record);
        self.first_levels.push(first as u32);
        self.places.push((self.segment, page.offset));
        Ok(())
    }

    /// The run table with the runs of a page's levels behind it.
    fn page_levels(
        &mut self,
        levels: &Levels,
        most: u16,
        count: usize,
        first: usize,
        table: impl FnOnce(&mut Self) -> Vec<u32>,
    ) -> Result<Vec<u32>, PageError> {
        let mut table = table(self);
        if most == 0 {
            return Ok(table);
        }
        let width = level_width(most);
        let repacked;
        let bytes = match levels {
            Levels::None => return Err(PageError::malformed("a page without levels")),
            Levels::Hybrid(bytes) => bytes,
            Levels::BitPacked(bytes) => {
                repacked = Buffer::from_vec(walk::repacked(bytes, width, count)?);
                &repacked
            }
        };
        let base = u64::from(self.upload(bytes)?);
        let expected = Expected { width, limit: count, first, base, most: most.into() };
        if walk::hybrid(bytes, &expected, &mut table)? < count {
            return Err(PageError::malformed("levels end early"));
        }
        Ok(table)
    }

    fn finish(mut self, tier: &Tier) -> Result<Decode, DecodeError> {
        let leaf = self.leaf;
        let unfolds = self.unfold_pages()?;
        let most = u32::from(leaf.max_definition);
        // Runs of the largest level alone: no nulls. A repeated column has its slots found from its levels.
        let full = self.definition.chunks_exact(2).all(|run| run[0] & walk::PACKED == 0 && run[1] == most);
        let nested = leaf.max_repetition > 0 || leaf.slot_definition > 0;
        let nullable = nested || (most > 0 && !full);
        let tables = self.tables(nullable);
        let strings = self.strings.map(|strings| strings.finish(&leaf.data_type)).transpose()?;
        Ok(Decode {
            leaf: leaf.clone(),
            form: self.form,
            levels: self.levels,
            nullable,
            tables,
            bytes: self.bytes,
            bytes_len: self.end + self.unfolded_bytes + PADDING,
            first_levels: self.first_levels,
            places: self.places,
            delta_blocks: self.delta_blocks as u32,
            unfolds,
            unfolded_bytes: self.unfolded_bytes,
            string_bytes: self.string_bytes,
            strings,
            codes: self.code_tables,
            nodes: Vec::new(),
            shaders: shaders(tier)?,
        })
    }

    fn tables(&self, nullable: bool) -> Vec<u32> {
        let leaf = self.leaf;
        let mut tables = vec![0; head::WORDS];
        tables[head::LEVELS] = self.levels as u32;
        let mut level = |at: usize, runs: &[u32], most: u16| {
            tables[at] = tables.len() as u32;
            tables[at + 1] = (runs.len() / 2) as u32;
            tables[at + 2] = level_width(most);
            tables[at + 3] = most.into();
            tables.extend(runs);
        };
        level(head::DEFINITION, &self.definition, leaf.max_definition);
        level(head::REPETITION, &self.repetition, leaf.max_repetition);
        tables[head::SLOT_DEFINITION] = leaf.slot_definition.into();
        tables[head::NULLABLE] = nullable.into();
        tables[head::WIDTH] = self.form.stored_bytes;
        tables[head::PAGES] = tables.len() as u32;
        tables[head::PAGES + 1] = self.records.len() as u32;
        let runs = tables.len() as u32 + self.records.len() as u32 * 8;
        let starts = runs + self.runs.len() as u32;
        for record in &self.records {
            let Record { kind, mut byte, mut width, mut dictionary, .. } = *record;
            match kind {
                Kind::Arrays => width += starts,
                Kind::Entries => dictionary += starts,
                Kind::Unfolded => byte += self.end as u32,
                _ => {}
            }
            tables.extend([kind as u32, byte, record.available, width]);
            tables.extend([runs + record.runs, record.run_count, dictionary, record.dictionary_len]);
        }
        tables.extend(&self.runs);
        tables.extend(&self.starts);
        tables[head::DELTA] = tables.len() as u32;
        tables[head::DELTA + 1] = self.delta_pages.len() as u32;
        tables[head::DELTA + 2] = self.delta_blocks as u32;
        let miniblocks = tables.len() as u32 + self.delta_pages.len() as u32 * 7;
        for page in &self.delta_pages {
            let [block, values, low, high, miniblock, per_miniblock, suffixes] = *page;
            tables.extend([block, values, low, high, miniblocks + miniblock, per_miniblock, suffixes]);
        }
        tables.extend(&self.miniblocks);
        tables
    }
}

/// What is wrong with a page, before its place is known.
enum PageError {
    Malformed(Malformed),
    Other(Error),
}

impl PageError {
    fn malformed(reason: &'static str) -> Self {
        PageError::Malformed(Malformed::new(reason))
    }
}

impl From<Malformed> for PageError {
    fn from(malformed: Malformed) -> Self {
        PageError::Malformed(malformed)
    }
}

fn at(segment: usize, place: u64, error: PageError) -> DecodeError {
    match error {
        PageError::Malformed(malformed) => DecodeError::Malformed { segment, place, malformed },
        PageError::Other(error) => DecodeError::Other(error),
    }
}
