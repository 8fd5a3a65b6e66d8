//! Pages made by hand, read back in random cuts and compared with arrays made value by value.

mod encode;
mod flat;
mod hostile;
mod naive;
mod repeated;
mod strings;

use std::collections::VecDeque;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;

use crate::error::Error;
use crate::parquet::{
    DataPage, DictionaryPage, Leaf, LeafBatch, LeafReader, Malformed, PageFacts, PageSource, Physical,
};

/// A value as its physical bytes; a boolean is one byte.
pub(super) type Value = Vec<u8>;

/// SplitMix64.
pub(super) struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

#[derive(Clone)]
pub(super) enum Item {
    Dictionary(DictionaryPage),
    /// A page, and how many rows it is said to have.
    Data(DataPage, Option<usize>),
}

#[derive(Clone, Default)]
pub(super) struct Pages {
    pub items: VecDeque<Item>,
    dictionary: Option<DictionaryPage>,
    pub skipped: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl Pages {
    pub fn new(items: impl IntoIterator<Item = Item>) -> Self {
        Pages { items: items.into_iter().collect(), ..Pages::default() }
    }

    fn front(&mut self) -> Option<&Item> {
        while let Some(Item::Dictionary(_)) = self.items.front() {
            if let Some(Item::Dictionary(dictionary)) = self.items.pop_front() {
                self.dictionary = Some(dictionary);
            }
        }
        self.items.front()
    }
}

impl PageSource for Pages {
    fn dictionary(&mut self) -> Result<Option<DictionaryPage>, Error> {
        self.front();
        Ok(self.dictionary.take())
    }

    fn peek(&mut self) -> Result<Option<PageFacts>, Error> {
        Ok(match self.front() {
            Some(Item::Data(page, rows)) => Some(PageFacts { levels: page.levels, rows: *rows }),
            _ => None,
        })
    }

    fn next(&mut self) -> Result<Option<DataPage>, Error> {
        self.front();
        Ok(match self.items.pop_front() {
            Some(Item::Data(page, _)) => Some(page),
            _ => None,
        })
    }

    fn skip(&mut self) -> Result<(), Error> {
        self.front();
        self.items.pop_front();
        self.skipped.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(())
    }

    fn corrupt(&self, place: u64, malformed: &Malformed) -> Error {
        Error::CorruptFile {
            path: "test".into(),
            column: None,
            row_group: None,
            offset: Some(place),
            reason: malformed.to_string(),
        }
    }
}

/// A flat column; `nullable` has definition levels up to 1.
pub(super) fn flat(physical: Physical, data_type: &DataType, nullable: bool) -> Leaf {
    Leaf {
        physical,
        data_type: data_type.clone(),
        max_definition: u16::from(nullable),
        max_repetition: 0,
        slot_definition: 0,
        with_levels: false,
    }
}

pub(super) fn reader(leaf: &Leaf, pages: &Pages) -> LeafReader {
    LeafReader::new(leaf.clone(), Box::new(pages.clone())).unwrap()
}

/// Reads all rows in random cuts, some of which are passed over instead; gives the rows and their batches.
pub(super) fn read_in_cuts(reader: &mut LeafReader, rng: &mut Rng, skips: bool) -> Vec<(usize, LeafBatch)> {
    let (mut row, mut batches) = (0, Vec::new());
    loop {
        let wanted = match rng.below(3) {
            0 => 1 + rng.below(9),
            1 => 1 + rng.below(300),
            _ => 1 + rng.below(3000),
        };
        if skips && rng.chance(40) {
            let passed = reader.skip(wanted).unwrap();
            row += passed;
            if passed < wanted {
                return batches;
            }
            continue;
        }
        let batch = reader.read(wanted).unwrap();
        batch.array.to_data().validate_full().unwrap();
        let rows = batch.rows;
        batches.push((row, batch));
        row += rows;
        if rows < wanted {
            return batches;
        }
    }
}

/// Compares the batches of a flat column with the rows that they stand for.
pub(super) fn check_flat(expected: &ArrayRef, batches: &[(usize, LeafBatch)], what: &str) {
    for (row, batch) in batches {
        assert_eq!(batch.array.len(), batch.rows, "{what}");
        assert_eq!(batch.array.data_type(), expected.data_type(), "{what}");
        let expected = expected.slice(*row, batch.rows);
        assert!(
            batch.array.as_ref() == expected.as_ref(),
            "{what}: rows {row}..{}\n{:?}\n{expected:?}",
            row + batch.rows,
            batch.array
        );
    }
}
