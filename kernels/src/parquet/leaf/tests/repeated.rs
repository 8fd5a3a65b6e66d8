//! Records of repeated columns: across pages, cut and passed over.

use arrow::datatypes::DataType as A;

use super::*;
use crate::parquet::{Encoding, Levels};

/// An optional list of optional integers: definition levels 0 null, 1 empty, 2 null element, 3 element.
fn leaf() -> Leaf {
    Leaf {
        physical: Physical::Int32,
        data_type: A::Int32,
        max_definition: 3,
        max_repetition: 1,
        slot_definition: 2,
        with_levels: true,
    }
}

struct Levelled {
    definition: Vec<u16>,
    repetition: Vec<u16>,
    values: Vec<Value>,
}

fn records(number: usize, rng: &mut Rng) -> Levelled {
    let mut all = Levelled { definition: vec![], repetition: vec![], values: vec![] };
    for _ in 0..number {
        let len = if rng.chance(2) { rng.below(2000) } else { rng.below(5) };
        if len == 0 {
            all.definition.push(rng.below(2) as u16);
            all.repetition.push(0);
        }
        for element in 0..len {
            let there = rng.chance(70);
            all.definition.push(2 + u16::from(there));
            all.repetition.push(u16::from(element > 0));
            if there {
                all.values.push((rng.below(1000) as i32).to_le_bytes().to_vec());
            }
        }
    }
    all
}

/// Pages that are cut anywhere, or between records only and then say how many these are.
fn pages(all: &Levelled, at_records: bool, rng: &mut Rng) -> Pages {
    let (mut items, mut at, mut value) = (Vec::new(), 0, 0);
    while at < all.definition.len() {
        let mut end = (at + 1 + rng.below(3000)).min(all.definition.len());
        while at_records && end < all.definition.len() && all.repetition[end] != 0 {
            end += 1;
        }
        let definition = &all.definition[at..end];
        let there = definition.iter().filter(|&&level| level == 3).count();
        let bytes = all.values[value..value + there].concat();
        let rows = all.repetition[at..end].iter().filter(|&&level| level == 0).count();
        let page = encode::data_page(
            encode::levels(definition, 3, rng),
            encode::levels(&all.repetition[at..end], 1, rng),
            end - at,
            Encoding::Plain,
            &bytes,
            rng,
        );
        items.push(Item::Data(page, at_records.then_some(rows)));
        (at, value) = (end, value + there);
    }
    Pages::new(items)
}

#[test]
fn whole_records_come_back() {
    for seed in 0..20 {
        let mut rng = Rng(seed);
        let number = 1 + rng.below(4000);
        let all = records(number, &mut rng);
        let starts: Vec<usize> = (0..all.repetition.len()).filter(|&at| all.repetition[at] == 0).collect();
        let start = |row: usize| starts.get(row).copied().unwrap_or(all.repetition.len());
        for at_records in [false, true] {
            let pages = pages(&all, at_records, &mut rng);
            for skips in [false, true] {
                let batches = read_in_cuts(&mut reader(&leaf(), &pages), &mut rng, skips);
                for (row, batch) in &batches {
                    let levels = start(*row)..start(row + batch.rows);
                    let read = batch.levels.as_ref().unwrap();
                    assert_eq!(read.definition, all.definition[levels.clone()], "seed {seed}");
                    assert_eq!(read.repetition, all.repetition[levels.clone()]);
                    let before = all.definition[..levels.start].iter().filter(|&&level| level == 3).count();
                    let mut values = all.values[before..].iter().cloned();
                    let slots = all.definition[levels].iter().filter(|&&level| level >= 2);
                    let slots: Vec<Option<Value>> =
                        slots.map(|&level| if level == 3 { values.next() } else { None }).collect();
                    let expected = naive::array(Physical::Int32, &A::Int32, &slots);
                    assert!(batch.array.as_ref() == expected.as_ref());
                }
                let rows: usize = batches.iter().map(|(_, batch)| batch.rows).sum();
                assert!(skips || rows == number);
            }
        }
    }
}

#[test]
fn pages_of_whole_records_are_passed_over_unread() {
    let mut rng = Rng(100);
    let all = records(5000, &mut rng);
    let pages = pages(&all, true, &mut rng);
    let number = pages.items.len();
    assert_eq!(reader(&leaf(), &pages).skip(5000).unwrap(), 5000);
    assert_eq!(pages.skipped.load(std::sync::atomic::Ordering::Relaxed), number);
}

#[test]
fn rows_that_are_not_there_are_corrupt() {
    let mut rng = Rng(101);
    let all = records(50, &mut rng);
    for wrong in [49, 51] {
        let mut pages = pages(&all, true, &mut rng);
        if pages.items.len() > 1 {
            continue;
        }
        if let Some(Item::Data(_, rows)) = pages.items.front_mut() {
            *rows = Some(wrong);
        }
        let read = reader(&leaf(), &pages).read(100);
        assert!(matches!(read, Err(Error::CorruptFile { .. })), "{wrong}");
    }
}

#[test]
fn a_chunk_begins_with_a_record() {
    let mut rng = Rng(102);
    let page = encode::data_page(
        encode::levels(&[3, 3], 3, &mut rng),
        encode::levels(&[1, 0], 1, &mut rng),
        2,
        Encoding::Plain,
        &[0; 8],
        &mut rng,
    );
    let mut reader = reader(&leaf(), &Pages::new([Item::Data(page, None)]));
    assert!(matches!(reader.read(1), Err(Error::CorruptFile { .. })));
}

#[test]
fn damaged_levels_are_errors_or_values() {
    let mut rng = Rng(103);
    for _ in 0..300 {
        let all = records(200, &mut rng);
        let at_records = rng.chance(50);
        let mut pages = pages(&all, at_records, &mut rng);
        for item in &mut pages.items {
            if let Item::Data(page, rows) = item {
                for levels in [&mut page.definition, &mut page.repetition] {
                    let bytes = match levels {
                        Levels::Hybrid(bytes) | Levels::BitPacked(bytes) => bytes,
                        Levels::None => continue,
                    };
                    let mut damaged = bytes.to_vec();
                    let place = rng.below(damaged.len());
                    damaged[place] ^= 1 << rng.below(8);
                    damaged.truncate(if rng.chance(20) { place } else { damaged.len() });
                    *bytes = arrow::buffer::Buffer::from_vec(damaged);
                }
                if rng.chance(20) {
                    *rows = Some(rng.below(300));
                }
            }
        }
        let mut reader = reader(&leaf(), &pages);
        loop {
            let wanted = 1 + rng.below(100);
            let read = if rng.chance(30) {
                reader.skip(wanted)
            } else {
                reader.read(wanted).map(|batch| {
                    batch.array.to_data().validate_full().unwrap();
                    batch.rows
                })
            };
            if !read.is_ok_and(|rows| rows == wanted) {
                break;
            }
        }
    }
}
