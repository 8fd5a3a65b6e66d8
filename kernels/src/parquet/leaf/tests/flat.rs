//! Every encoding of every pair of types, flat: nulls, pages, dictionaries and cuts at random.

use arrow::datatypes::{DataType as A, IntervalUnit, TimeUnit};

use super::*;
use crate::parquet::Encoding;

fn encodings(physical: Physical) -> Vec<Encoding> {
    use Encoding as E;
    match physical {
        Physical::Boolean => vec![E::Plain, E::Rle],
        Physical::Int32 | Physical::Int64 => {
            vec![E::Plain, E::Dictionary, E::DeltaBinaryPacked, E::ByteStreamSplit]
        }
        Physical::Int96 => vec![E::Plain, E::Dictionary],
        Physical::Float | Physical::Double => vec![E::Plain, E::Dictionary, E::ByteStreamSplit],
        Physical::ByteArray => vec![E::Plain, E::Dictionary, E::DeltaLengthByteArray, E::DeltaByteArray],
        Physical::FixedLenByteArray(_) => {
            vec![E::Plain, E::Dictionary, E::DeltaByteArray, E::ByteStreamSplit]
        }
    }
}

pub fn pairs() -> Vec<(Physical, A)> {
    use Physical as P;
    let units = [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond];
    let mut pairs = vec![
        (P::Boolean, A::Boolean),
        (P::Int32, A::Int8),
        (P::Int32, A::Int16),
        (P::Int32, A::Int32),
        (P::Int32, A::Int64),
        (P::Int32, A::UInt8),
        (P::Int32, A::UInt16),
        (P::Int32, A::UInt32),
        (P::Int32, A::UInt64),
        (P::Int32, A::Date32),
        (P::Int32, A::Date64),
        (P::Int32, A::Time32(TimeUnit::Second)),
        (P::Int32, A::Time32(TimeUnit::Millisecond)),
        (P::Int32, A::Timestamp(TimeUnit::Second, None)),
        (P::Int32, A::Decimal32(9, 2)),
        (P::Int32, A::Decimal64(18, 2)),
        (P::Int32, A::Decimal128(38, 2)),
        (P::Int32, A::Decimal256(76, 2)),
        (P::Int64, A::Int64),
        (P::Int64, A::UInt64),
        (P::Int64, A::Date64),
        (P::Int64, A::Time64(TimeUnit::Microsecond)),
        (P::Int64, A::Time64(TimeUnit::Nanosecond)),
        (P::Int64, A::Decimal64(18, 2)),
        (P::Int64, A::Decimal128(38, 2)),
        (P::Int64, A::Decimal256(76, 2)),
        (P::Float, A::Float32),
        (P::Float, A::Float64),
        (P::Double, A::Float64),
        (P::ByteArray, A::Binary),
        (P::ByteArray, A::LargeBinary),
        (P::ByteArray, A::BinaryView),
        (P::ByteArray, A::Utf8),
        (P::ByteArray, A::LargeUtf8),
        (P::ByteArray, A::Utf8View),
        (P::ByteArray, A::Decimal64(18, 2)),
        (P::ByteArray, A::Decimal128(38, 2)),
        (P::ByteArray, A::Decimal256(76, 2)),
        (P::FixedLenByteArray(2), A::Float16),
        (P::FixedLenByteArray(12), A::Interval(IntervalUnit::YearMonth)),
        (P::FixedLenByteArray(12), A::Interval(IntervalUnit::DayTime)),
    ];
    for unit in units {
        pairs.push((P::Int64, A::Timestamp(unit, Some("Europe/Berlin".into()))));
        pairs.push((P::Int64, A::Duration(unit)));
        pairs.push((P::Int96, A::Timestamp(unit, None)));
    }
    for width in [1, 2, 3, 4, 5, 8, 12, 16, 17, 40] {
        pairs.push((P::FixedLenByteArray(width), A::FixedSizeBinary(width as i32)));
    }
    for width in 1..=32 {
        let physical = P::FixedLenByteArray(width);
        pairs.push((physical, A::Decimal256(76, 0)));
        if width <= 16 {
            pairs.push((physical, A::Decimal128(38, 0)));
        }
        if width <= 8 {
            pairs.push((physical, A::Decimal64(18, 0)));
        }
        if width <= 4 {
            pairs.push((physical, A::Decimal32(9, 0)));
        }
    }
    pairs
}

fn text(rng: &mut Rng) -> Value {
    const CHARS: [char; 10] = ['a', 'b', 'c', 'Z', '0', ' ', 'ä', 'ß', '漢', '🦀'];
    let length = match rng.below(10) {
        0 => 0,
        1..=5 => rng.below(13),
        6..=8 => rng.below(40),
        _ => rng.below(400),
    };
    let chars = if rng.chance(50) { &CHARS[..6] } else { &CHARS[..] };
    (0..length).map(|_| chars[rng.below(chars.len())]).collect::<String>().into_bytes()
}

pub fn value(physical: Physical, data_type: &A, rng: &mut Rng) -> Value {
    let small = rng.chance(50);
    match physical {
        Physical::Boolean => vec![rng.chance(40) as u8],
        Physical::Int32 if small => (rng.below(1000) as i32 - 500).to_le_bytes().to_vec(),
        Physical::Int64 if small => (rng.below(100_000) as i64 - 50_000).to_le_bytes().to_vec(),
        Physical::Int32 | Physical::Float => rng.bytes(4),
        Physical::Int64 | Physical::Double => rng.bytes(8),
        Physical::Int96 if small => {
            let nanoseconds = rng.below(86_400_000_000_000) as i64;
            [
                nanoseconds.to_le_bytes().to_vec(),
                (2_440_000 + rng.below(30_000) as i32).to_le_bytes().to_vec(),
            ]
            .concat()
        }
        Physical::Int96 => rng.bytes(12),
        Physical::FixedLenByteArray(width) => rng.bytes(width),
        Physical::ByteArray => match data_type {
            A::Decimal64(..) => {
                let length = rng.below(9);
                rng.bytes(length)
            }
            A::Decimal128(..) => {
                let length = rng.below(17);
                rng.bytes(length)
            }
            A::Decimal256(..) => {
                let length = rng.below(33);
                rng.bytes(length)
            }
            _ => text(rng),
        },
    }
}

/// A chunk of pages of random lengths; each page takes one of the encodings.
pub fn chunk(
    physical: Physical,
    encodings: &[Encoding],
    values: &[Option<Value>],
    nullable: bool,
    rng: &mut Rng,
) -> Pages {
    let (mut items, mut at, mut entries) = (Vec::new(), 0, Vec::<Value>::new());
    while at < values.len() {
        let len = (1 + rng.below(2500)).min(values.len() - at);
        let page = &values[at..at + len];
        let dense: Vec<Value> = page.iter().flatten().cloned().collect();
        let encoding = encodings[rng.below(encodings.len())];
        let bytes = if encoding == Encoding::Dictionary {
            if entries.is_empty() || rng.chance(20) {
                entries = values.iter().flatten().cloned().collect();
                entries.sort();
                entries.dedup();
                for i in (1..entries.len()).rev() {
                    entries.swap(i, rng.below(i + 1));
                }
                items.push(Item::Dictionary(encode::dictionary_page(physical, &entries, rng)));
            }
            let index = |value| entries.iter().position(|entry| entry == value).unwrap() as u64;
            encode::indices(&dense.iter().map(index).collect::<Vec<_>>(), rng)
        } else {
            encode::values(physical, encoding, &dense, rng)
        };
        let definition: Vec<u16> = page.iter().map(|value| u16::from(value.is_some())).collect();
        let levels = encode::levels(&definition, u16::from(nullable), rng);
        let rows = if rng.chance(80) { Some(len) } else { None };
        items.push(Item::Data(encode::data_page(levels, Levels::None, len, encoding, &bytes, rng), rows));
        at += len;
    }
    Pages::new(items)
}

use crate::parquet::Levels;

/// Values of few kinds, so that dictionaries are shorter than pages, with runs.
pub fn column(
    physical: Physical,
    data_type: &A,
    nulls: usize,
    len: usize,
    rng: &mut Rng,
) -> Vec<Option<Value>> {
    let kinds: Vec<Value> = (0..60).map(|_| value(physical, data_type, rng)).collect();
    let mut values = Vec::new();
    while values.len() < len {
        let run = if rng.chance(10) { 1 + rng.below(200) } else { 1 };
        let value = (!rng.chance(nulls)).then(|| kinds[rng.below(kinds.len())].clone());
        values.extend(std::iter::repeat_n(value, run));
    }
    values.truncate(len);
    values
}

fn round_trip(
    physical: Physical,
    data_type: &A,
    encodings: &[Encoding],
    nulls: Option<usize>,
    rng: &mut Rng,
) {
    let values = column(physical, data_type, nulls.unwrap_or(0), 6000, rng);
    let pages = chunk(physical, encodings, &values, nulls.is_some(), rng);
    let expected = naive::array(physical, data_type, &values);
    let leaf = flat(physical, data_type, nulls.is_some());
    let what = format!("{physical:?} as {data_type}, {encodings:?}, nulls {nulls:?}");
    for skips in [false, true] {
        let batches = read_in_cuts(&mut reader(&leaf, &pages), rng, skips);
        check_flat(&expected, &batches, &what);
        let rows: usize = batches.iter().map(|(_, batch)| batch.rows).sum();
        assert!(skips || rows == values.len(), "{what}");
    }
    let whole = reader(&leaf, &pages).read(usize::MAX).unwrap();
    assert_eq!(whole.rows, values.len());
    check_flat(&expected, &[(0, whole)], &what);
}

#[test]
fn every_encoding_of_every_pair_of_types() {
    let mut rng = Rng(1);
    for (physical, data_type) in pairs() {
        for encoding in encodings(physical) {
            for nulls in [None, Some(0), Some(5), Some(50), Some(100)] {
                round_trip(physical, &data_type, &[encoding], nulls, &mut rng);
            }
        }
    }
}

#[test]
fn encodings_change_within_a_chunk() {
    let mut rng = Rng(2);
    for (physical, data_type) in pairs() {
        for nulls in [None, Some(20)] {
            round_trip(physical, &data_type, &encodings(physical), nulls, &mut rng);
        }
    }
}

#[test]
fn codes_share_their_dictionary() {
    use arrow::array::AsArray;
    use arrow::datatypes::Int32Type;
    let mut rng = Rng(3);
    for (physical, value_type) in pairs() {
        if physical == Physical::Boolean {
            continue;
        }
        for nulls in [None, Some(30), Some(100)] {
            let values = column(physical, &value_type, nulls.unwrap_or(0), 5000, &mut rng);
            let pages = chunk(physical, &[Encoding::Dictionary], &values, nulls.is_some(), &mut rng);
            let expected = naive::array(physical, &value_type, &values);
            let data_type = A::Dictionary(Box::new(A::Int32), Box::new(value_type.clone()));
            let leaf = flat(physical, &data_type, nulls.is_some());
            for (row, batch) in read_in_cuts(&mut reader(&leaf, &pages), &mut rng, true) {
                assert_eq!(batch.array.data_type(), &data_type);
                let codes = batch.array.as_dictionary::<Int32Type>();
                let decoded = arrow::compute::take(codes.values(), codes.keys(), None).unwrap();
                assert!(
                    decoded.as_ref() == expected.slice(row, batch.rows).as_ref(),
                    "{physical:?} {value_type}"
                );
            }
        }
    }
}

#[test]
fn a_dictionary_is_built_once() {
    use arrow::array::AsArray;
    use arrow::datatypes::Int32Type;
    let mut rng = Rng(4);
    let entries = [b"one".to_vec(), b"two".to_vec()];
    let page = encode::indices(&[0, 1, 1, 0, 1, 0, 0, 1], &mut rng);
    let page = encode::data_page(Levels::None, Levels::None, 8, Encoding::Dictionary, &page, &mut rng);
    let pages = Pages::new([
        Item::Dictionary(encode::dictionary_page(Physical::ByteArray, &entries, &mut rng)),
        Item::Data(page.clone(), Some(8)),
        Item::Data(page, Some(8)),
    ]);
    let data_type = A::Dictionary(Box::new(A::Int32), Box::new(A::Utf8));
    let mut reader = reader(&flat(Physical::ByteArray, &data_type, false), &pages);
    let batches: Vec<_> = (0..3).map(|_| reader.read(5).unwrap().array).collect();
    let first = batches[0].as_dictionary::<Int32Type>().values();
    assert_eq!(first.as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["one", "two"]);
    for batch in &batches {
        assert!(std::sync::Arc::ptr_eq(batch.as_dictionary::<Int32Type>().values(), first));
    }
}

#[test]
fn codes_of_a_plain_page_are_refused() {
    let mut rng = Rng(5);
    let bytes = encode::plain(Physical::ByteArray, &[b"one".to_vec()]);
    let page = encode::data_page(Levels::None, Levels::None, 1, Encoding::Plain, &bytes, &mut rng);
    let data_type = A::Dictionary(Box::new(A::Int32), Box::new(A::Utf8));
    let leaf = flat(Physical::ByteArray, &data_type, false);
    let error = reader(&leaf, &Pages::new([Item::Data(page, Some(1))])).read(1).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
}

#[test]
fn a_plain_page_is_not_copied() {
    use arrow::array::AsArray;
    use arrow::buffer::Buffer;
    use arrow::datatypes::Int64Type;
    let values = Buffer::from_vec((0..1000i64).collect::<Vec<_>>());
    let page = DataPage {
        levels: 1000,
        nulls: Some(0),
        repetition: Levels::None,
        definition: Levels::Hybrid(Buffer::from_vec(vec![0xd0u8, 0x0f, 1])),
        encoding: Encoding::Plain,
        values: values.clone(),
        offset: 4,
    };
    let leaf = flat(Physical::Int64, &A::Int64, true);
    let mut reader = reader(&leaf, &Pages::new([Item::Data(page, Some(1000))]));
    let first = reader.read(300).unwrap().array;
    assert_eq!(reader.page_rows_left(), Some(700));
    let second = reader.read(1000).unwrap().array;
    assert_eq!(first.as_primitive::<Int64Type>().values().inner().as_ptr(), values.as_ptr());
    assert_eq!(second.as_primitive::<Int64Type>().values().inner().as_ptr(), values[2400..].as_ptr());
    assert_eq!(second.len(), 700);
    assert!(second.nulls().is_none());
}

#[test]
fn whole_pages_are_passed_over_unread() {
    let mut rng = Rng(6);
    let values = column(Physical::Int32, &A::Int32, 10, 20_000, &mut rng);
    let pages = chunk(Physical::Int32, &[Encoding::Plain], &values, true, &mut rng);
    let pages = Pages::new(pages.items.into_iter().map(|item| match item {
        Item::Data(page, _) => Item::Data(page.clone(), Some(page.levels)),
        other => other,
    }));
    let number = pages.items.len();
    let mut reader = reader(&flat(Physical::Int32, &A::Int32, true), &pages);
    assert_eq!(reader.skip(19_999).unwrap(), 19_999);
    assert_eq!(pages.skipped.load(std::sync::atomic::Ordering::Relaxed), number - 1);
    let last = reader.read(10).unwrap();
    check_flat(&naive::array(Physical::Int32, &A::Int32, &values), &[(19_999, last)], "last");
    assert_eq!(reader.skip(10).unwrap(), 0);
}

#[test]
fn pairs_without_conversion_are_refused() {
    for (physical, data_type) in [
        (Physical::Int64, A::Int32),
        (Physical::Double, A::Float32),
        (Physical::Int32, A::Float64),
        (Physical::ByteArray, A::FixedSizeBinary(4)),
        (Physical::FixedLenByteArray(4), A::FixedSizeBinary(5)),
        (Physical::FixedLenByteArray(12), A::Interval(IntervalUnit::MonthDayNano)),
        (Physical::Int32, A::Time32(TimeUnit::Nanosecond)),
        (Physical::Boolean, A::Dictionary(Box::new(A::Int32), Box::new(A::Boolean))),
        (Physical::ByteArray, A::Dictionary(Box::new(A::Int8), Box::new(A::Utf8))),
    ] {
        let made = LeafReader::new(flat(physical, &data_type, false), Box::new(Pages::default()));
        assert!(matches!(made, Err(Error::Unsupported { .. })), "{physical:?} {data_type}");
    }
}

#[test]
fn nulls_of_the_null_type() {
    let mut rng = Rng(7);
    let pages = chunk(Physical::Int32, &[Encoding::Plain], &vec![None; 5000], true, &mut rng);
    let batches = read_in_cuts(&mut reader(&flat(Physical::Int32, &A::Null, true), &pages), &mut rng, false);
    assert_eq!(batches.iter().map(|(_, batch)| batch.array.len()).sum::<usize>(), 5000);
}

#[test]
fn decimals_too_wide_for_their_words_are_corrupt() {
    let mut rng = Rng(8);
    for (physical, data_type, bytes, fits) in [
        (Physical::FixedLenByteArray(16), A::Decimal64(18, 0), [vec![0xff; 8], vec![0x80; 8]].concat(), true),
        (
            Physical::FixedLenByteArray(16),
            A::Decimal64(18, 0),
            [vec![0xff; 8], vec![0x7f; 8]].concat(),
            false,
        ),
        (Physical::FixedLenByteArray(9), A::Decimal32(9, 0), vec![0, 0, 0, 0, 0, 0x7f, 1, 2, 3], true),
        (Physical::FixedLenByteArray(9), A::Decimal32(9, 0), vec![0, 0, 0, 0, 0, 0x80, 1, 2, 3], false),
        (Physical::FixedLenByteArray(20), A::Decimal128(38, 0), [vec![0; 4], vec![0x12; 16]].concat(), true),
        (Physical::FixedLenByteArray(20), A::Decimal128(38, 0), [vec![1; 4], vec![0x12; 16]].concat(), false),
        (Physical::Int64, A::Decimal32(9, 0), (-5i64).to_le_bytes().to_vec(), true),
        (Physical::Int64, A::Decimal32(9, 0), (1i64 << 31).to_le_bytes().to_vec(), false),
    ] {
        let page = encode::data_page(Levels::None, Levels::None, 1, Encoding::Plain, &bytes, &mut rng);
        let read =
            reader(&flat(physical, &data_type, false), &Pages::new([Item::Data(page, Some(1))])).read(1);
        match read {
            Ok(batch) => {
                assert!(fits, "{physical:?} {data_type}");
                let expected = naive::array(physical, &data_type, &[Some(bytes)]);
                check_flat(&expected, &[(0, batch)], "decimal");
            }
            Err(error) => {
                assert!(!fits && matches!(error, Error::CorruptFile { offset: Some(1000), .. }), "{error}")
            }
        }
    }
}
