//! Pages of one column chunk, without a file around them.
//!
//! ```text
//! physical type, width, Arrow type, max definition, max repetition, reads      one byte each
//! then pages until the bytes end:
//!   kind  encoding  levels (2)  repetition bytes (2)  definition bytes (2)  value bytes (2)  | the three of them
//! ```
//! Every byte string is such a recording: numbers are taken modulo what they may be, lengths cut to what is left.

use std::collections::VecDeque;

use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use pilaster_kernels::parquet::{
    DataPage, DictionaryPage, Encoding, Leaf, LeafReader, Levels, Malformed, PageFacts, PageSource, Physical,
};
use pilaster_kernels::{Error, Result};

/// What is read of a recording: a few bytes may stand for millions of nulls, all of them right.
const MOST_SLOTS: usize = 200_000;
const MOST_CALLS: usize = 20_000;

/// By their number in a recording.
pub(super) const ENCODINGS: [Encoding; 7] = [
    Encoding::Plain,
    Encoding::Dictionary,
    Encoding::Rle,
    Encoding::DeltaBinaryPacked,
    Encoding::DeltaLengthByteArray,
    Encoding::DeltaByteArray,
    Encoding::ByteStreamSplit,
];

/// What a chunk of pages is made from, and made into.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    bytes: Vec<u8>,
}

impl Recording {
    /// A column; numbers as in the drawing above.
    #[must_use]
    pub fn new(physical: u8, width: u8, data_type: u8, definition: u8, repetition: u8, reads: u8) -> Self {
        Recording { bytes: vec![physical, width, data_type, definition, repetition, reads] }
    }

    /// One more page: its kind and encoding, levels, and what it holds.
    ///
    /// # Panics
    /// Where a part is longer than 65,535 bytes.
    #[must_use]
    pub fn page(mut self, kind: u8, encoding: u8, levels: u16, parts: [&[u8]; 3]) -> Self {
        self.bytes.extend([kind, encoding]);
        self.bytes.extend(levels.to_le_bytes());
        for part in parts {
            self.bytes.extend(u16::try_from(part.len()).expect("a short part").to_le_bytes());
        }
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        self
    }

    /// The recording.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Decodes a recording; the slots that came out.
///
/// # Errors
/// What the decoder raises: [`Error::CorruptFile`], [`Error::Unsupported`] or [`Error::OutOfMemory`].
///
/// # Panics
/// Where an array breaks Arrow's rules, or an error is of another kind.
pub fn pages(bytes: &[u8]) -> Result<usize> {
    match decode(bytes) {
        Err(error @ (Error::CorruptFile { .. } | Error::Unsupported { .. } | Error::OutOfMemory { .. })) => {
            Err(error)
        }
        Err(other) => panic!("an error of another kind: {other:?}"),
        Ok(slots) => Ok(slots),
    }
}

fn decode(bytes: &[u8]) -> Result<usize> {
    let mut input = Input { bytes };
    let leaf = input.leaf();
    let reads = input.byte();
    let repeated = leaf.max_repetition > 0;
    let mut reader = LeafReader::new(leaf, Box::new(Pages::new(&mut input, repeated)))?;
    let mut slots = 0;
    for call in 0..MOST_CALLS {
        // A mixture of reads and skips of several sizes.
        let rows = [1, 7, 64, 1000, 4096][usize::from(reads) % 5];
        if reads & 0x40 != 0 && call % 3 == 1 {
            if reader.skip(rows)? < rows {
                break;
            }
            continue;
        }
        let batch = reader.read(rows)?;
        let rules = batch.array.to_data().validate_full();
        rules.unwrap_or_else(|error| panic!("an array breaks Arrow's rules: {error}"));
        slots += batch.array.len();
        let ended = match &batch.levels {
            Some(levels) => {
                let starts = levels.repetition.iter().filter(|level| **level == 0).count();
                let records = if repeated { starts } else { levels.definition.len() };
                assert!(records <= rows, "{records} records where {rows} were asked for");
                records < rows
            }
            // Without levels rows are not known; a repeated column always has them here.
            None => batch.array.len() < rows,
        };
        if !repeated {
            assert!(batch.array.len() <= rows, "{} slots where {rows} were asked for", batch.array.len());
        }
        if ended || slots > MOST_SLOTS {
            break;
        }
    }
    Ok(slots)
}

struct Input<'a> {
    bytes: &'a [u8],
}

impl<'a> Input<'a> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        first
    }

    fn number(&mut self) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), self.byte()]))
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.bytes.split_at(length.min(self.bytes.len()));
        self.bytes = rest;
        taken
    }

    fn leaf(&mut self) -> Leaf {
        let (physical, width) = (self.byte(), usize::from(self.byte()));
        let width = [1, 2, 3, 4, 5, 8, 12, 16, 17, 32][width % 10];
        let physical = match physical % 8 {
            0 => Physical::Int32,
            1 => Physical::Int64,
            2 => Physical::ByteArray,
            3 => Physical::Boolean,
            4 => Physical::Float,
            5 => Physical::Double,
            6 => Physical::Int96,
            _ => Physical::FixedLenByteArray(width),
        };
        let types = types(physical);
        let data_type = types[usize::from(self.byte()) % types.len()].clone();
        let (definition, repetition) = (self.byte(), self.byte());
        let max_repetition = u16::from(repetition % 3);
        let max_definition = u16::from(definition % 5).max(max_repetition);
        // The innermost list's element level: anything from the number of lists to the maximum.
        let slot_definition = if max_repetition == 0 {
            0
        } else {
            max_definition.max(1) - u16::from(max_definition > max_repetition)
        };
        Leaf {
            physical,
            data_type,
            max_definition,
            max_repetition,
            slot_definition,
            with_levels: max_repetition > 0 || max_definition > 1,
        }
    }
}

/// What a physical type may be read as.
fn types(physical: Physical) -> Vec<DataType> {
    use DataType as T;
    match physical {
        Physical::Boolean => vec![T::Boolean],
        Physical::Int32 => vec![
            T::Int32,
            T::Int8,
            T::UInt16,
            T::UInt32,
            T::Int64,
            T::Date32,
            T::Time32(TimeUnit::Millisecond),
            T::Decimal32(9, 2),
            T::Decimal128(9, 2),
        ],
        Physical::Int64 => vec![
            T::Int64,
            T::UInt64,
            T::Timestamp(TimeUnit::Microsecond, None),
            T::Decimal64(18, 2),
            T::Decimal128(18, 2),
        ],
        Physical::Int96 => {
            vec![T::Timestamp(TimeUnit::Nanosecond, None), T::Timestamp(TimeUnit::Microsecond, None)]
        }
        Physical::Float => vec![T::Float32, T::Float64],
        Physical::Double => vec![T::Float64],
        Physical::ByteArray => vec![
            T::Utf8View,
            T::Utf8,
            T::LargeUtf8,
            T::BinaryView,
            T::Binary,
            T::Dictionary(Box::new(T::Int32), Box::new(T::Utf8)),
            T::Decimal128(38, 2),
            T::Decimal256(60, 2),
        ],
        Physical::FixedLenByteArray(width) => vec![
            T::FixedSizeBinary(width as i32),
            T::Float16,
            T::Decimal128(38, 2),
            T::Decimal64(9, 2),
            T::Decimal256(76, 2),
            T::Interval(IntervalUnit::DayTime),
        ],
    }
}

enum Page {
    Dictionary(DictionaryPage),
    Data(DataPage, Option<usize>),
}

struct Pages {
    pages: VecDeque<Page>,
}

impl Pages {
    fn new(input: &mut Input<'_>, repeated: bool) -> Self {
        let mut pages = VecDeque::new();
        while !input.bytes.is_empty() {
            let offset = input.bytes.len() as u64;
            let (kind, encoding, levels) = (input.byte(), input.byte(), input.number());
            let lengths = [input.number(), input.number(), input.number()];
            let [repetition, definition, values] = lengths.map(|length| Buffer::from(input.take(length)));
            if kind % 4 == 0 {
                pages.push_back(Page::Dictionary(DictionaryPage { len: levels, values, offset }));
                continue;
            }
            let of = |bytes: Buffer| match (kind >> 2) % 8 {
                0 => Levels::None,
                1 => Levels::BitPacked(bytes),
                _ => Levels::Hybrid(bytes),
            };
            let page = DataPage {
                levels,
                nulls: (kind & 0x80 != 0).then_some(levels.min(usize::from(kind & 0x70))),
                repetition: of(repetition),
                definition: of(definition),
                encoding: ENCODINGS[usize::from(encoding) % ENCODINGS.len()],
                values,
                offset,
            };
            pages.push_back(Page::Data(page, (!repeated).then_some(levels)));
        }
        Pages { pages }
    }
}

impl PageSource for Pages {
    fn dictionary(&mut self) -> Result<Option<DictionaryPage>> {
        match self.pages.pop_front() {
            Some(Page::Dictionary(page)) => Ok(Some(page)),
            Some(other) => {
                self.pages.push_front(other);
                Ok(None)
            }
            None => Ok(None),
        }
    }

    fn peek(&mut self) -> Result<Option<PageFacts>> {
        let data = self.pages.iter().find_map(|page| match page {
            Page::Data(page, rows) => Some(PageFacts { levels: page.levels, rows: *rows }),
            Page::Dictionary(_) => None,
        });
        Ok(data)
    }

    fn next(&mut self) -> Result<Option<DataPage>> {
        while let Some(page) = self.pages.pop_front() {
            if let Page::Data(page, _) = page {
                return Ok(Some(page));
            }
        }
        Ok(None)
    }

    fn skip(&mut self) -> Result<()> {
        self.next().map(drop)
    }

    fn corrupt(&self, place: u64, malformed: &Malformed) -> Error {
        Error::CorruptFile {
            path: "hostile".into(),
            column: None,
            row_group: None,
            offset: Some(place),
            reason: malformed.to_string(),
        }
    }
}
