//! The levels of a page: how many slots and values lie in the next rows.

use crate::memory::Grant;
use crate::parquet::levels::{self, LevelReader};
use crate::parquet::{DataPage, Leaf, LevelBatch, Malformed};

use super::blocks::{AHEAD, BLOCK, Stretch};
use super::column::Fault;
use super::validity::Validity;

/// The levels of the page at hand.
pub(super) struct Page {
    /// Where it lies in the file.
    pub offset: u64,
    max_definition: u16,
    slot_definition: u16,
    definition: LevelReader,
    /// None in a flat column.
    repetition: Option<LevelReader>,
    /// Levels that are in no block yet.
    left: usize,
    /// Rows that have not begun, where the format says how many lie in the page.
    rows_left: Option<usize>,
    block: Block,
}

/// Levels of a repeated column that are read but not taken.
#[derive(Default)]
struct Block {
    definition: Vec<u16>,
    repetition: Vec<u16>,
    at: usize,
}

/// Levels taken from a page of a repeated column.
pub(super) struct Taken<'a> {
    /// Their slots.
    pub stretch: Stretch<'a>,
    /// Rows that begin among them.
    pub rows: usize,
    /// Whether the level after them begins a row that is not wanted.
    pub complete: bool,
}

impl Page {
    pub fn new(leaf: &Leaf, data: &DataPage, rows: Option<usize>) -> Result<Self, Malformed> {
        let flat = leaf.max_repetition == 0;
        if flat && rows.is_some_and(|rows| rows != data.levels) {
            return Err(Malformed::new("a flat page has other numbers of rows and of values"));
        }
        let repetition = match flat {
            true => None,
            false => Some(LevelReader::new(&data.repetition, leaf.max_repetition, data.levels)?),
        };
        Ok(Page {
            offset: data.offset,
            max_definition: leaf.max_definition,
            slot_definition: leaf.slot_definition,
            definition: LevelReader::new(&data.definition, leaf.max_definition, data.levels)?,
            repetition,
            left: data.levels,
            rows_left: if flat { Some(data.levels) } else { rows },
            block: Block::default(),
        })
    }

    /// Whether all levels are taken.
    pub fn is_empty(&self) -> bool {
        self.left == 0 && self.block.at == self.block.repetition.len()
    }

    pub fn rows_left(&self) -> Option<usize> {
        self.rows_left
    }

    /// Whether as many rows began in it as the format says there are.
    pub fn check_rows(&self) -> Result<(), Malformed> {
        match self.rows_left {
            Some(rows) if rows != 0 && self.is_empty() => Err(too_many_rows()),
            _ => Ok(()),
        }
    }

    /// The next slots of a flat column, `limit` at most.
    pub fn stretch<'v>(
        &mut self,
        limit: usize,
        levels: Option<&mut LevelBatch>,
        validity: &'v mut Validity,
        grant: &mut Grant,
    ) -> Result<Stretch<'v>, Fault> {
        let slots = limit.min(self.left);
        self.left -= slots;
        self.rows_left = Some(self.left);
        let (max, definition) = (self.max_definition, &mut self.definition);
        let mut read = None;
        if let Some(levels) = levels {
            let at = levels.definition.len();
            grant.resize(&mut levels.definition, at + slots, 0)?;
            definition.read(&mut levels.definition[at..])?;
            read = Some(&levels.definition[at..]);
        }
        if max == 0 {
            return Ok(Stretch { slots, values: slots, validity: None, expected: limit });
        }
        validity.reserve(limit.min(AHEAD));
        let ((), values, validity) = validity.append(|bits| {
            let valid = match read {
                Some(levels) => levels::validity(levels, max, bits),
                None => definition.read_validity(slots, bits)?,
            };
            Ok::<_, Malformed>((valid, ()))
        })?;
        Ok(Stretch { slots, values, validity, expected: limit })
    }

    /// Passes over the next levels of a flat column, `limit` at most; gives how many, and how many values are to be passed
    /// over: none where nothing of the page is left.
    pub fn skip(&mut self, limit: usize) -> Result<(usize, usize), Malformed> {
        let levels = limit.min(self.left);
        self.left -= levels;
        self.rows_left = Some(self.left);
        let values = match self.left {
            0 => 0,
            _ if self.max_definition == 0 => levels,
            _ => self.definition.skip(levels)?,
        };
        Ok((levels, values))
    }

    /// Drops what is left where the format says how many rows that are and `limit` are wanted at least; gives how many.
    pub fn skip_rest(&mut self, limit: usize) -> Option<usize> {
        let rows = self.rows_left.filter(|&rows| rows <= limit)?;
        self.left = 0;
        self.rows_left = Some(0);
        self.block = Block::default();
        Some(rows)
    }

    /// The next levels of a repeated column, up to the start of the row after `rows` more or the end of a block.
    pub fn take<'v>(
        &mut self,
        rows: usize,
        levels: Option<&mut LevelBatch>,
        validity: &'v mut Validity,
        grant: &mut Grant,
    ) -> Result<Taken<'v>, Fault> {
        self.fill_block()?;
        let rest = &self.block.repetition[self.block.at..];
        let (len, begun) = up_to_row(rest, rows);
        let complete = len < rest.len();
        let range = self.block.at..self.block.at + len;
        let definition = &self.block.definition[range.clone()];
        if let Some(rows_left) = &mut self.rows_left {
            *rows_left = rows_left.checked_sub(begun).ok_or_else(too_many_rows)?;
        }
        if let Some(levels) = levels {
            grant.reserve(&mut levels.definition, len)?;
            grant.reserve(&mut levels.repetition, len)?;
            levels.definition.extend_from_slice(definition);
            levels.repetition.extend_from_slice(&rest[..len]);
        }
        let (slots, values, validity) = validity.append(|bits| {
            let count = levels::slots(definition, self.max_definition, self.slot_definition, bits);
            Ok::<_, Malformed>((count.valid, count.slots))
        })?;
        self.block.at = range.end;
        let stretch = Stretch { slots, values, validity, expected: rows.max(slots) };
        Ok(Taken { stretch, rows: begun, complete })
    }

    /// Whether the next level begins a row; of a page that is not empty.
    pub fn at_row(&mut self) -> Result<bool, Malformed> {
        self.fill_block()?;
        Ok(self.block.repetition.get(self.block.at) == Some(&0))
    }

    fn fill_block(&mut self) -> Result<(), Malformed> {
        if self.block.at < self.block.repetition.len() {
            return Ok(());
        }
        let len = self.left.min(BLOCK);
        self.block.at = 0;
        self.block.definition.resize(len, 0);
        self.block.repetition.resize(len, 0);
        self.definition.read(&mut self.block.definition)?;
        match &mut self.repetition {
            Some(repetition) => repetition.read(&mut self.block.repetition)?,
            None => self.block.repetition.fill(0),
        }
        self.left -= len;
        Ok(())
    }
}

/// How many levels lie before the start of the row after `rows` more, and how many rows begin among these.
fn up_to_row(repetition: &[u16], rows: usize) -> (usize, usize) {
    let begun = repetition.iter().filter(|&&level| level == 0).count();
    if begun <= rows {
        return (repetition.len(), begun);
    }
    let starts = repetition.iter().enumerate().filter(|&(_, &level)| level == 0);
    let end = starts.map(|(place, _)| place).nth(rows).unwrap_or(repetition.len());
    (end, rows)
}

fn too_many_rows() -> Malformed {
    Malformed::new("a page has another number of rows than is said of it")
}
