//! Files that no writer at hand makes: one column, put together page by page.

use std::fmt;
use std::sync::Arc;

use arrow::array::{
    ArrayData, ArrayRef, BinaryArray, BooleanArray, LargeBinaryArray, ListArray, RecordBatch, make_array,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit, i256};
use bytes::Bytes;
use parquet::basic::{Compression, Encoding};

use crate::handmade::{Chunk, Group, Page, encode, file};
use crate::strategies::{Choices, Random};

/// A type of the format with a type of Arrow.
#[derive(Debug, Clone)]
pub struct Kind {
    /// Physical type, as a message type writes it.
    physical: &'static str,
    /// Logical type, likewise.
    logical: &'static str,
    /// What it is read as.
    arrow: DataType,
    /// Bytes of a value; absent for byte arrays.
    width: Option<usize>,
}

/// Where the values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `required`.
    Required,
    /// `optional`.
    Optional,
    /// `optional group c (LIST) { repeated group list { optional .. element } }`.
    List,
    /// `optional group c (LIST) { repeated .. array }`: two levels, as old writers made them.
    TwoLevels,
    /// `repeated ..`: no group at all.
    Repeated,
}

/// What deprecated or rare things a file has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oddities {
    /// Data pages of version 2.
    pub version_2: bool,
    /// `BIT_PACKED` levels (version 1).
    pub bit_packed_levels: bool,
    /// `PLAIN_DICTIONARY`.
    pub plain_dictionary: bool,
    /// Dictionaries of a chunk; 0 for none.
    pub dictionaries: usize,
    /// The footer does not name the dictionary page.
    pub unnamed_dictionary: bool,
    /// Pages without any value between the others.
    pub empty_pages: bool,
    /// Index pages between the others.
    pub index_pages: bool,
    /// Version 1: a page may end inside of a list.
    pub cut_records: bool,
    /// Some pages are not compressed though the chunk is (version 2).
    pub some_uncompressed: bool,
    /// Decimals in byte arrays may have a byte more than their type.
    pub overlong_decimals: bool,
}

/// A file put together by hand.
#[derive(Clone)]
pub struct HandmadeFile {
    /// The file.
    pub bytes: Bytes,
    /// What it holds.
    pub data: RecordBatch,
    /// How.
    pub oddities: Oddities,
    kind: Kind,
    shape: Shape,
    message: String,
    pages: Vec<String>,
}

/// A leaf slot, or an empty list or null in its place.
#[derive(Debug, Clone)]
struct Level {
    repetition: u32,
    definition: u32,
    value: Option<Vec<u8>>,
}

/// Every kind.
#[must_use]
pub fn kinds() -> Vec<Kind> {
    use DataType as T;
    let kind = |physical, logical, arrow, width| Kind { physical, logical, arrow, width };
    vec![
        kind("int32", "", T::Int32, Some(4)),
        kind("int64", "", T::Int64, Some(8)),
        kind("int96", "", T::Timestamp(TimeUnit::Nanosecond, None), Some(12)),
        kind("boolean", "", T::Boolean, Some(1)),
        kind("float", "", T::Float32, Some(4)),
        kind("double", "", T::Float64, Some(8)),
        kind("binary", "(STRING)", T::Utf8, None),
        kind("binary", "(UTF8)", T::Utf8, None),
        kind("binary", "", T::Binary, None),
        kind("binary", "(DECIMAL(9,2))", T::Decimal128(9, 2), None),
        kind("binary", "(DECIMAL(38,5))", T::Decimal128(38, 5), None),
        kind("binary", "(DECIMAL(50,5))", T::Decimal256(50, 5), None),
        kind("int32", "(DECIMAL(5,1))", T::Decimal128(5, 1), Some(4)),
        kind("int64", "(DECIMAL(8,3))", T::Decimal128(8, 3), Some(8)),
        kind("int64", "(DECIMAL(18,3))", T::Decimal128(18, 3), Some(8)),
        kind("fixed_len_byte_array(1)", "(DECIMAL(2,0))", T::Decimal128(2, 0), Some(1)),
        kind("fixed_len_byte_array(5)", "(DECIMAL(9,2))", T::Decimal128(9, 2), Some(5)),
        kind("fixed_len_byte_array(8)", "(DECIMAL(18,2))", T::Decimal128(18, 2), Some(8)),
        kind("fixed_len_byte_array(11)", "(DECIMAL(25,2))", T::Decimal128(25, 2), Some(11)),
        kind("fixed_len_byte_array(16)", "(DECIMAL(38,2))", T::Decimal128(38, 2), Some(16)),
        kind("fixed_len_byte_array(20)", "(DECIMAL(45,2))", T::Decimal256(45, 2), Some(20)),
        kind("fixed_len_byte_array(16)", "(UUID)", T::FixedSizeBinary(16), Some(16)),
        kind("fixed_len_byte_array(2)", "(FLOAT16)", T::Float16, Some(2)),
        kind("fixed_len_byte_array(3)", "", T::FixedSizeBinary(3), Some(3)),
        kind("int32", "(INTEGER(8,true))", T::Int8, Some(4)),
        kind("int32", "(INTEGER(16,false))", T::UInt16, Some(4)),
        kind("int32", "(INTEGER(32,false))", T::UInt32, Some(4)),
        kind("int64", "(INTEGER(64,false))", T::UInt64, Some(8)),
        kind("int32", "(DATE)", T::Date32, Some(4)),
        kind("int32", "(TIME(MILLIS,true))", T::Time32(TimeUnit::Millisecond), Some(4)),
        kind("int64", "(TIME(NANOS,false))", T::Time64(TimeUnit::Nanosecond), Some(8)),
        kind(
            "int64",
            "(TIMESTAMP(MILLIS,true))",
            T::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
            Some(8),
        ),
        kind("int64", "(TIMESTAMP_MICROS)", T::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), Some(8)),
        kind("int64", "(TIMESTAMP(NANOS,false))", T::Timestamp(TimeUnit::Nanosecond, None), Some(8)),
    ]
}

impl HandmadeFile {
    /// Any with the oddities that `allow` leaves.
    #[must_use]
    pub fn choose(choices: &mut Choices, allow: impl Fn(&mut Oddities)) -> Self {
        let kind = choices.one_of(&kinds()).clone();
        let shapes = [Shape::Optional, Shape::Required, Shape::List, Shape::TwoLevels, Shape::Repeated];
        let shape = *choices.one_of(&shapes);
        let mut oddities = Oddities {
            version_2: choices.pick(2) == 1,
            dictionaries: *choices.one_of(&[0, 1, 1, 2, 3]),
            bit_packed_levels: choices.pick(2) == 1,
            plain_dictionary: choices.pick(2) == 1,
            unnamed_dictionary: choices.rarely(3),
            empty_pages: choices.rarely(3),
            index_pages: choices.rarely(4),
            cut_records: choices.pick(2) == 1,
            some_uncompressed: choices.rarely(3),
            overlong_decimals: choices.rarely(3),
        };
        oddities.bit_packed_levels &= !oddities.version_2;
        allow(&mut oddities);
        Self::of(kind, shape, oddities, choices)
    }

    /// Of one kind, shape and set of oddities.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn of(kind: Kind, shape: Shape, mut oddities: Oddities, choices: &mut Choices) -> Self {
        // Two values need no dictionary: the format has none of them.
        if kind.arrow == DataType::Boolean {
            oddities.dictionaries = 0;
        }
        let codec = *choices.one_of(&[Compression::UNCOMPRESSED, Compression::SNAPPY]);
        let groups = 1 + choices.pick(2);
        let rows = *choices.one_of(&[20, 1, 9, 64, 200, 700]);
        let nulls = *choices.one_of(&[20, 0, 3, 90]);
        let pool = *choices.one_of(&[300, 2, 20]);
        let mut random = Random::new(choices.seed());
        let message = message(&kind, shape);
        let overlong = oddities.overlong_decimals;
        let pool: Vec<Vec<u8>> = (0..pool).map(|_| value(&kind, overlong, &mut random)).collect();
        let mut maker = Maker { kind: &kind, shape, oddities: &oddities, codec, random, pages: Vec::new() };
        let mut levels = Vec::new();
        let mut made = Vec::new();
        for _ in 0..groups {
            let group = maker.levels(rows, nulls, &pool);
            made.push(Group { rows, chunks: vec![maker.chunk(&group)] });
            levels.extend(group);
        }
        let pages = std::mem::take(&mut maker.pages);
        let bytes = file(&message, &made);
        let data = batch(&kind, shape, &levels);
        HandmadeFile { bytes, data, oddities, kind, shape, message, pages }
    }
}

impl fmt::Debug for HandmadeFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} rows, {} bytes", self.message, self.data.num_rows(), self.bytes.len())?;
        writeln!(f, "  {:?} {:?} {:?}", self.kind, self.shape, self.oddities)?;
        self.pages.iter().try_for_each(|page| writeln!(f, "  {page}"))
    }
}

impl Shape {
    fn max_levels(self) -> (u32, u32) {
        match self {
            Shape::Required => (0, 0),
            Shape::Optional => (0, 1),
            Shape::List => (1, 3),
            Shape::TwoLevels => (1, 2),
            Shape::Repeated => (1, 1),
        }
    }
}

fn message(kind: &Kind, shape: Shape) -> String {
    let Kind { physical, logical, .. } = kind;
    match shape {
        Shape::Required => format!("message m {{ required {physical} c {logical}; }}"),
        Shape::Optional => format!("message m {{ optional {physical} c {logical}; }}"),
        Shape::List => format!(
            "message m {{ optional group c (LIST) {{ repeated group list {{ optional {physical} element {logical}; }} }} }}"
        ),
        Shape::TwoLevels => {
            format!("message m {{ optional group c (LIST) {{ repeated {physical} array {logical}; }} }}")
        }
        Shape::Repeated => format!("message m {{ repeated {physical} c {logical}; }}"),
    }
}

/// A value as the format stores it.
fn value(kind: &Kind, overlong: bool, random: &mut Random) -> Vec<u8> {
    use DataType as T;
    let wide = random.wide() >> random.below(128) as u32;
    let within = |most: i128| wide % most;
    let big_endian = |precision: u8, width: usize| {
        let bytes = within(10i128.pow(precision.min(38).into())).to_be_bytes();
        let fill = if bytes[0] >= 0x80 { 0xff } else { 0 };
        let long = [&[fill; 16][..], &bytes].concat();
        long[32 - width..].to_vec()
    };
    match (&kind.arrow, kind.width) {
        (T::Decimal128(p, _) | T::Decimal256(p, _), None) => {
            // From the fewest bytes that hold it to one more.
            let long = big_endian(*p, 32);
            let spare = long
                .windows(2)
                .take_while(|pair| (pair[0] == 0 && pair[1] < 0x80) || (pair[0] == 0xff && pair[1] >= 0x80));
            let width = if let T::Decimal128(..) = kind.arrow { 16 } else { 32 };
            let longer = long[spare.count().saturating_sub(random.below(2) as usize)..].to_vec();
            if overlong { longer } else { longer[longer.len().saturating_sub(width)..].to_vec() }
        }
        (T::Decimal128(p, _) | T::Decimal256(p, _), Some(width)) => {
            if kind.physical.starts_with("int") {
                within(10i128.pow((*p).into())).to_le_bytes()[..width].to_vec()
            } else {
                big_endian(*p, width)
            }
        }
        (T::Boolean, _) => vec![random.below(2) as u8],
        (T::Timestamp(..), Some(12)) => {
            let nanos = random.below(86_400_000_000_000);
            let day = 2_440_588 + random.below(60_000) as i32 - 30_000;
            [&nanos.to_le_bytes()[..], &day.to_le_bytes()].concat()
        }
        (T::Int8, _) => (within(128) as i32).to_le_bytes().to_vec(),
        (T::UInt16, _) => (within(1 << 15).unsigned_abs() as u32).to_le_bytes().to_vec(),
        (T::Time32(_), _) => (random.below(86_400_000) as i32).to_le_bytes().to_vec(),
        (T::Time64(_), _) => random.below(86_400_000_000_000).to_le_bytes().to_vec(),
        (T::Utf8, None) => {
            let letters = ["a", "same prefix ", "\u{f6}", "\u{1f600}", "z", ""];
            (0..random.below(6)).flat_map(|_| letters[random.below(6) as usize].bytes()).collect()
        }
        (_, None) => (0..random.below(30)).map(|_| random.bits() as u8).collect(),
        (_, Some(width)) => wide.to_le_bytes()[..width].to_vec(),
    }
}

/// What makes the pages of a file.
struct Maker<'a> {
    kind: &'a Kind,
    shape: Shape,
    oddities: &'a Oddities,
    codec: Compression,
    random: Random,
    /// What was made, for humans.
    pages: Vec<String>,
}

impl Maker<'_> {
    fn levels(&mut self, rows: usize, nulls: u64, pool: &[Vec<u8>]) -> Vec<Level> {
        let mut levels = Vec::new();
        let (_, most) = self.shape.max_levels();
        let mut last = 0;
        for _ in 0..rows {
            // Stretches of one value, and others.
            if self.random.percent(60) {
                last = self.random.below(pool.len() as u64) as usize;
            }
            let null = self.random.percent(nulls);
            let there = |repetition| Level { repetition, definition: most, value: Some(pool[last].clone()) };
            let absent = |definition| Level { repetition: 0, definition, value: None };
            match self.shape {
                Shape::Required => levels.push(there(0)),
                Shape::Optional => levels.push(if null { absent(0) } else { there(0) }),
                _ if null => {
                    let outer = if self.shape == Shape::Repeated { 1 } else { 2 };
                    levels.push(absent(self.random.below(outer) as u32));
                }
                shape => {
                    let most = if self.random.percent(3) { 60 } else { 5 };
                    let length = 1 + self.random.below(most);
                    for at in 0..length {
                        let element = there(u32::from(at > 0));
                        let missing = shape == Shape::List && self.random.percent(nulls);
                        let lower = Level { definition: 2, value: None, ..element.clone() };
                        levels.push(if missing { lower } else { element });
                    }
                }
            }
        }
        levels
    }

    fn chunk(&mut self, levels: &[Level]) -> Chunk {
        let mut pages = Vec::new();
        let parts = self.oddities.dictionaries.max(1);
        for part in levels.chunks(levels.len().div_ceil(parts).max(1)) {
            // A second dictionary begins wherever a record does.
            self.part(part, &mut pages);
        }
        let names_dictionary = !self.oddities.unnamed_dictionary;
        Chunk { codec: self.codec, levels: levels.len(), pages, names_dictionary }
    }

    /// A stretch of levels with one dictionary, or none.
    fn part(&mut self, levels: &[Level], pages: &mut Vec<Page>) {
        let mut dictionary: Option<Vec<Vec<u8>>> = None;
        if self.oddities.dictionaries > 0 {
            let mut distinct: Vec<Vec<u8>> = levels.iter().filter_map(|level| level.value.clone()).collect();
            distinct.sort();
            distinct.dedup();
            let values: Vec<&[u8]> = distinct.iter().map(Vec::as_slice).collect();
            let plain = self.oddities.plain_dictionary;
            let encoding = if plain { Encoding::PLAIN_DICTIONARY } else { Encoding::PLAIN };
            self.pages.push(format!("dictionary of {}", distinct.len()));
            pages.push(Page::Dictionary { encoding, len: distinct.len(), body: self.plain(&values) });
            dictionary = Some(distinct);
        }
        let mut rest = levels;
        // From some page on the dictionary is given up.
        while !rest.is_empty() {
            if self.oddities.empty_pages && self.random.percent(30) {
                pages.push(self.data_page(&[], None));
            }
            if self.oddities.index_pages && self.random.percent(30) {
                pages.push(Page::Index { body: vec![1, 2, 3] });
            }
            if self.random.percent(10) {
                dictionary = None;
            }
            let most = if self.random.percent(50) { 8 } else { 300 };
            let cut = 1 + self.random.below(most) as usize;
            let cut = self.cut(rest, cut);
            let (page, later) = rest.split_at(cut);
            pages.push(self.data_page(page, dictionary.as_deref()));
            rest = later;
        }
    }

    /// Where a page of about `wanted` levels ends.
    fn cut(&self, levels: &[Level], wanted: usize) -> usize {
        let wanted = wanted.min(levels.len());
        if self.oddities.cut_records && !self.oddities.version_2 {
            return wanted;
        }
        let begins = |at: &usize| levels.get(*at).is_none_or(|level| level.repetition == 0);
        (wanted..=levels.len()).find(begins).unwrap_or(levels.len())
    }

    fn data_page(&mut self, levels: &[Level], dictionary: Option<&[Vec<u8>]>) -> Page {
        let values: Vec<&[u8]> = levels.iter().filter_map(|level| level.value.as_deref()).collect();
        let (encoding, body) = match dictionary {
            Some(dictionary) => self.indices(&values, dictionary),
            None => self.values(&values),
        };
        let nulls = levels.len() - values.len();
        self.pages.push(format!("{} levels, {nulls} without a value, {encoding}", levels.len()));
        let of = |part: fn(&Level) -> u32| levels.iter().map(part).collect::<Vec<u32>>();
        let (repetitions, definitions) = (of(|level| level.repetition), of(|level| level.definition));
        let (most_repetition, most_definition) = self.shape.max_levels();
        if self.oddities.version_2 {
            let rows = repetitions.iter().filter(|&&level| level == 0).count();
            let compressed = !(self.oddities.some_uncompressed && self.random.percent(50));
            let hybrid = |levels: &[u32], most: u32, random: &mut Random| match most {
                0 => Vec::new(),
                most => encode::hybrid(levels, encode::width(most), random),
            };
            return Page::V2 {
                levels: levels.len(),
                nulls,
                rows,
                repetition: hybrid(&repetitions, most_repetition, &mut self.random),
                definition: hybrid(&definitions, most_definition, &mut self.random),
                encoding,
                values: body,
                compressed,
            };
        }
        let (repetition, mut whole) = self.levels_v1(&repetitions, most_repetition);
        let (definition, more) = self.levels_v1(&definitions, most_definition);
        whole.extend(more);
        whole.extend(body);
        Page::V1 { levels: levels.len(), repetition, definition, encoding, body: whole }
    }

    fn levels_v1(&mut self, levels: &[u32], most: u32) -> (Encoding, Vec<u8>) {
        #[expect(deprecated, reason = "files have it")]
        let bit_packed = Encoding::BIT_PACKED;
        let width = encode::width(most);
        if most == 0 {
            return (Encoding::RLE, Vec::new());
        }
        if self.oddities.bit_packed_levels {
            return (bit_packed, encode::bit_packed(levels, width));
        }
        let hybrid = encode::hybrid(levels, width, &mut self.random);
        (Encoding::RLE, [&(hybrid.len() as u32).to_le_bytes()[..], &hybrid].concat())
    }

    fn indices(&mut self, values: &[&[u8]], dictionary: &[Vec<u8>]) -> (Encoding, Vec<u8>) {
        let position = |value: &&[u8]| dictionary.binary_search_by(|known| known.as_slice().cmp(value));
        let indices: Vec<u32> =
            values.iter().map(|value| position(value).expect("all values are in it") as u32).collect();
        let encoding = match self.oddities.plain_dictionary {
            true => Encoding::PLAIN_DICTIONARY,
            false => Encoding::RLE_DICTIONARY,
        };
        (encoding, encode::indices(&indices, dictionary.len(), &mut self.random))
    }

    fn plain(&self, values: &[&[u8]]) -> Vec<u8> {
        match self.kind.arrow {
            DataType::Boolean => encode::plain_booleans(values),
            _ if self.kind.width.is_none() => encode::plain_byte_arrays(values),
            _ => values.concat(),
        }
    }

    /// Values in any encoding that the type may have.
    fn values(&mut self, values: &[&[u8]]) -> (Encoding, Vec<u8>) {
        use parquet::basic::Type as P;
        let physical = match self.kind.physical {
            "int32" => P::INT32,
            "int64" => P::INT64,
            "int96" => P::INT96,
            "boolean" => P::BOOLEAN,
            "float" => P::FLOAT,
            "double" => P::DOUBLE,
            "binary" => P::BYTE_ARRAY,
            _ => P::FIXED_LEN_BYTE_ARRAY,
        };
        let usable = super::encodings(physical);
        let encoding = usable[self.random.below(usable.len() as u64) as usize];
        let random = &mut self.random;
        let bytes = match encoding {
            Encoding::RLE => {
                let bits: Vec<u32> = values.iter().map(|value| value[0].into()).collect();
                let hybrid = encode::hybrid(&bits, 1, random);
                [&(hybrid.len() as u32).to_le_bytes()[..], &hybrid].concat()
            }
            Encoding::DELTA_BINARY_PACKED => {
                let number = |value: &&[u8]| match (*value).try_into() {
                    Ok(bytes) => i64::from(i32::from_le_bytes(bytes)),
                    Err(_) => i64::from_le_bytes((*value).try_into().expect("eight bytes")),
                };
                let numbers: Vec<i64> = values.iter().map(number).collect();
                encode::delta(&numbers, self.kind.width == Some(4), random)
            }
            Encoding::DELTA_LENGTH_BYTE_ARRAY => encode::delta_lengths(values, random),
            Encoding::DELTA_BYTE_ARRAY => encode::delta_byte_arrays(values, random),
            Encoding::BYTE_STREAM_SPLIT => encode::byte_stream_split(values),
            _ => self.plain(values),
        };
        (encoding, bytes)
    }
}

/// What the levels mean.
fn batch(kind: &Kind, shape: Shape, levels: &[Level]) -> RecordBatch {
    let (_, most) = shape.max_levels();
    let slot = |level: &&Level| {
        matches!(shape, Shape::Required | Shape::Optional) || level.definition >= slots(shape)
    };
    let slots: Vec<Option<&[u8]>> = levels
        .iter()
        .filter(slot)
        .map(|level| level.value.as_deref().filter(|_| level.definition == most))
        .collect();
    let values = array(kind, &slots);
    let (field, column): (Field, ArrayRef) = match shape {
        Shape::Required | Shape::Optional => {
            (Field::new("c", kind.arrow.clone(), shape == Shape::Optional), values)
        }
        _ => {
            let (name, nullable) = match shape {
                Shape::List => ("element", true),
                Shape::TwoLevels => ("array", false),
                _ => ("c", false),
            };
            let item = Arc::new(Field::new(name, kind.arrow.clone(), nullable));
            let (lengths, nulls) = lists(shape, levels);
            let offsets = OffsetBuffer::from_lengths(lengths);
            let nulls = (shape != Shape::Repeated).then_some(nulls);
            let list = ListArray::new(Arc::clone(&item), offsets, values, nulls);
            (Field::new("c", DataType::List(item), shape != Shape::Repeated), Arc::new(list))
        }
    };
    RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![column]).expect("a column of its type")
}

/// Definition level from which on a list has an element.
fn slots(shape: Shape) -> u32 {
    if shape == Shape::Repeated { 1 } else { 2 }
}

fn lists(shape: Shape, levels: &[Level]) -> (Vec<usize>, NullBuffer) {
    let mut lengths: Vec<usize> = Vec::new();
    let mut valid = Vec::new();
    for level in levels {
        if level.repetition == 0 {
            lengths.push(0);
            valid.push(level.definition > 0);
        }
        if level.definition >= slots(shape) {
            *lengths.last_mut().expect("a record begins with repetition level 0") += 1;
        }
    }
    (lengths, valid.into())
}

fn array(kind: &Kind, slots: &[Option<&[u8]>]) -> ArrayRef {
    use DataType as T;
    match &kind.arrow {
        T::Boolean => {
            Arc::new(slots.iter().map(|slot| slot.map(|bytes| bytes[0] == 1)).collect::<BooleanArray>())
        }
        T::Binary => Arc::new(slots.iter().copied().collect::<BinaryArray>()),
        T::Utf8 => {
            let binary = slots.iter().copied().collect::<LargeBinaryArray>();
            arrow::compute::cast(&binary, &T::Utf8).expect("text")
        }
        arrow => {
            let width = match arrow {
                T::FixedSizeBinary(size) => *size as usize,
                other => other.primitive_width().expect("of one width"),
            };
            let zero = vec![0; width];
            let bytes: Vec<u8> = slots
                .iter()
                .flat_map(|slot| slot.map_or(zero.clone(), |bytes| native(kind, bytes, width)))
                .collect();
            let nulls: NullBuffer = slots.iter().map(Option::is_some).collect();
            let data = ArrayData::builder(arrow.clone()).len(slots.len()).add_buffer(Buffer::from_vec(bytes));
            make_array(data.nulls(Some(nulls)).align_buffers(true).build().expect("values of one width"))
        }
    }
}

/// A value of the format as Arrow has it.
fn native(kind: &Kind, stored: &[u8], width: usize) -> Vec<u8> {
    use DataType as T;
    match (&kind.arrow, kind.physical) {
        (T::Decimal128(..) | T::Decimal256(..), physical) => {
            let mut bytes = stored.to_vec();
            if !physical.starts_with("int") {
                bytes.reverse();
            }
            let fill = if bytes.last().is_some_and(|top| *top >= 0x80) { 0xff } else { 0 };
            bytes.resize(32, fill);
            let value = i256::from_le_bytes(bytes.try_into().expect("32 bytes"));
            value.to_le_bytes()[..width].to_vec()
        }
        (_, "int96") => {
            let nanos = i64::from_le_bytes(stored[..8].try_into().expect("eight bytes"));
            let day = i64::from(i32::from_le_bytes(stored[8..].try_into().expect("four bytes")));
            ((day - 2_440_588) * 86_400_000_000_000 + nanos).to_le_bytes().to_vec()
        }
        _ => stored[..width].to_vec(),
    }
}
