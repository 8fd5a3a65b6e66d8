//! Pages cut short, with bits flipped, with headers that lie: an error or some values, never a panic.

use arrow::datatypes::DataType as A;

use super::flat::{chunk, column, pairs};
use super::*;
use crate::parquet::{Encoding, Levels};

const ALL: [Encoding; 7] = [
    Encoding::Plain,
    Encoding::Dictionary,
    Encoding::Rle,
    Encoding::DeltaBinaryPacked,
    Encoding::DeltaLengthByteArray,
    Encoding::DeltaByteArray,
    Encoding::ByteStreamSplit,
];

fn damage(buffer: &arrow::buffer::Buffer, rng: &mut Rng) -> arrow::buffer::Buffer {
    let mut bytes = buffer.to_vec();
    if rng.chance(50) {
        bytes.truncate(rng.below(bytes.len() + 1));
    }
    for _ in 0..rng.below(4) {
        if !bytes.is_empty() {
            // Headers lie at the front.
            let place = if rng.chance(50) { rng.below(bytes.len().min(16)) } else { rng.below(bytes.len()) };
            bytes[place] ^= 1 << rng.below(8);
        }
    }
    arrow::buffer::Buffer::from_vec(bytes)
}

fn damage_levels(levels: &Levels, rng: &mut Rng) -> Levels {
    match levels {
        Levels::None => Levels::None,
        Levels::Hybrid(bytes) => Levels::Hybrid(damage(bytes, rng)),
        Levels::BitPacked(bytes) => Levels::BitPacked(damage(bytes, rng)),
    }
}

fn damaged(pages: &Pages, rng: &mut Rng) -> Pages {
    Pages::new(pages.items.iter().cloned().map(|item| match item {
        Item::Dictionary(mut page) => {
            page.values = damage(&page.values, rng);
            page.len = if rng.chance(10) { rng.next() as usize % (1 << 31) } else { page.len };
            Item::Dictionary(page)
        }
        Item::Data(mut page, mut rows) => {
            match rng.below(6) {
                0 => page.levels = rng.below(5000),
                1 => page.encoding = ALL[rng.below(ALL.len())],
                2 => page.definition = damage_levels(&page.definition, rng),
                3 => page.repetition = damage_levels(&page.repetition, rng),
                4 => rows = Some(rng.below(5000)),
                _ => page.values = damage(&page.values, rng),
            }
            Item::Data(page, rows)
        }
    }))
}

/// Reads and passes over rows until the end or an error; batches are valid arrays.
fn exhaust(mut reader: LeafReader, rng: &mut Rng) {
    loop {
        let wanted = 1 + rng.below(3000);
        if rng.chance(20) {
            match reader.skip(wanted) {
                Ok(rows) if rows == wanted => continue,
                _ => return,
            }
        }
        match reader.read(wanted) {
            Ok(batch) => {
                batch.array.to_data().validate_full().unwrap();
                if batch.rows < wanted {
                    return;
                }
            }
            Err(Error::CorruptFile { .. } | Error::Unsupported { .. }) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn damaged_pages_are_errors_or_values() {
    let mut rng = Rng(11);
    for (physical, data_type) in pairs() {
        let dictionary = A::Dictionary(Box::new(A::Int32), Box::new(data_type.clone()));
        let encodings: Vec<Encoding> = match physical {
            Physical::Boolean => vec![Encoding::Plain, Encoding::Rle],
            Physical::ByteArray => ALL
                .into_iter()
                .filter(|e| {
                    !matches!(e, Encoding::Rle | Encoding::DeltaBinaryPacked | Encoding::ByteStreamSplit)
                })
                .collect(),
            Physical::Int32 | Physical::Int64 => vec![
                Encoding::Plain,
                Encoding::Dictionary,
                Encoding::DeltaBinaryPacked,
                Encoding::ByteStreamSplit,
            ],
            Physical::FixedLenByteArray(_) => {
                vec![Encoding::Plain, Encoding::Dictionary, Encoding::DeltaByteArray]
            }
            _ => vec![Encoding::Plain, Encoding::Dictionary],
        };
        for nulls in [None, Some(30)] {
            let values = column(physical, &data_type, nulls.unwrap_or(0), 3000, &mut rng);
            let pages = chunk(physical, &encodings, &values, nulls.is_some(), &mut rng);
            let codes = chunk(physical, &[Encoding::Dictionary], &values, nulls.is_some(), &mut rng);
            for _ in 0..20 {
                exhaust(
                    reader(&flat(physical, &data_type, nulls.is_some()), &damaged(&pages, &mut rng)),
                    &mut rng,
                );
                if physical != Physical::Boolean {
                    let leaf = flat(physical, &dictionary, nulls.is_some());
                    exhaust(reader(&leaf, &damaged(&codes, &mut rng)), &mut rng);
                }
            }
        }
    }
}

#[test]
fn a_dictionary_as_long_as_its_header_says_is_not_allocated() {
    let mut rng = Rng(12);
    for (physical, data_type) in pairs() {
        if physical == Physical::Boolean {
            continue;
        }
        let mut dictionary = encode::dictionary_page(physical, &[], &mut rng);
        dictionary.len = usize::MAX / 2;
        let page = encode::indices(&[0, 0], &mut rng);
        let page = encode::data_page(Levels::None, Levels::None, 2, Encoding::Dictionary, &page, &mut rng);
        let pages = Pages::new([Item::Dictionary(dictionary), Item::Data(page, Some(2))]);
        for data_type in [data_type.clone(), A::Dictionary(Box::new(A::Int32), Box::new(data_type))] {
            let read = reader(&flat(physical, &data_type, false), &pages).read(2);
            assert!(
                matches!(read, Err(Error::CorruptFile { offset: Some(4), .. })),
                "{physical:?} {data_type}"
            );
        }
    }
}

#[test]
fn a_dictionary_is_missing() {
    let mut rng = Rng(13);
    let page = encode::indices(&[0, 0], &mut rng);
    let page = encode::data_page(Levels::None, Levels::None, 2, Encoding::Dictionary, &page, &mut rng);
    for (physical, data_type) in pairs() {
        let pages = Pages::new([Item::Data(page.clone(), Some(2))]);
        let read = reader(&flat(physical, &data_type, false), &pages).read(2);
        assert!(
            matches!(read, Err(Error::CorruptFile { offset: Some(1000), .. })),
            "{physical:?} {data_type}"
        );
    }
}
