//! Keys wider than a machine word: found by hash, compared by the bytes that stand for them.
//!
//! ```text
//! bytes: row 0 [column 0][column 1] ..., row 1 ...     ends[row] = where row `row` ends
//! integers, decimals: 32 bytes; floats: 8; strings: length (4), bytes; nulls that count: 1 byte before each
//! ```
//!
//! Two other writers of keys are no substitute. [`crate::keys::RowKeyEncoder`] writes bytes whose order is that of the keys: a
//! string is escaped byte by byte, of which equality needs nothing, and a number is as wide as the type of *one* column, where here the
//! two sides' types may differ in precision. [`crate::keys::KeyEncoder`] numbers values in order of appearance: a table of all strings, which
//! one thread owns, where here threads look keys up without writing anything.

use arrow::array::Array;
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::i256;

use super::layout::{Words, and, check_codes};
use crate::error::Result;
use crate::join::JoinSpec;
use crate::keys::RowHasher;
use crate::keys::float;
use crate::keys::lanes::{LaneColumn, Lanes, with_bytes};
use crate::memory::Grant;

/// Hashes of keys, cut to `mask`, and the rows whose keys may have a partner.
pub(super) fn hashed_words(
    hasher: &RowHasher,
    mask: u64,
    spec: &JoinSpec,
    keys: &[LaneColumn],
    rows: usize,
) -> Result<Words<u64>> {
    let mut words = hasher.hash(keys, rows)?;
    if mask != u64::MAX {
        words.iter_mut().for_each(|word| *word &= mask);
    }
    let counts = keys.iter().zip(&spec.keys).filter(|(_, key)| !key.nulls_equal);
    let valid = |column: &LaneColumn| -> Option<BooleanBuffer> {
        column.nulls.as_ref().map(|nulls| nulls.inner().clone())
    };
    Ok((words, counts.fold(None, |live, (column, _)| and(live, valid(column)))))
}

/// Keys of rows, as bytes that are equal where the keys are.
#[derive(Debug, Default)]
pub(super) struct KeyRows {
    bytes: Vec<u8>,
    ends: Vec<u64>,
}

impl KeyRows {
    /// The key of a row.
    #[inline]
    pub(super) fn key(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] as usize };
        &self.bytes[start..self.ends[row] as usize]
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Appends the keys of all rows of `columns`; those of rows that are not live are of no use, and may be empty.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]; [`crate::Error::InvalidInput`] where a dictionary's code has no value.
    pub(super) fn append(&mut self, columns: &[LaneColumn], rows: usize, grant: &mut Grant) -> Result<()> {
        for column in columns {
            if let Lanes::Codes { codes, values } = &column.lanes {
                check_codes(column, codes, values.len())?;
            }
        }
        let widths: Vec<Vec<u32>> = columns.iter().map(|column| widths(column, rows)).collect();
        let total: u64 = widths.iter().flatten().map(|&width| u64::from(width)).sum();
        grant.reserve(&mut self.ends, rows)?;
        let start = self.bytes.len();
        grant.resize(&mut self.bytes, start + total as usize, 0)?;
        let mut at: Vec<u64> = Vec::with_capacity(rows);
        let mut end = start as u64;
        for row in 0..rows {
            at.push(end);
            end += widths.iter().map(|widths| u64::from(widths[row])).sum::<u64>();
            self.ends.push(end);
        }
        for (column, widths) in columns.iter().zip(&widths) {
            write(&mut self.bytes, &mut at, column, widths);
        }
        Ok(())
    }
}

/// Bytes of each row's key in this column: one for the null, then the value's where it is valid.
fn widths(column: &LaneColumn, rows: usize) -> Vec<u32> {
    let valid = |row: usize| column.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
    let of = |width: &dyn Fn(usize) -> u32| {
        (0..rows).map(|row| 1 + if valid(row) { width(row) } else { 0 }).collect()
    };
    match &column.lanes {
        Lanes::F64(_) => of(&|_| 8),
        Lanes::I32(_) | Lanes::I64(_) | Lanes::I128(_) | Lanes::I256(_) => of(&|_| 32),
        Lanes::Codes { codes, values } => {
            with_bytes!(values, |get| of(&|row| 4 + get(codes[row] as usize).len() as u32))
        }
        Lanes::Bytes(array) => with_bytes!(array, |get| of(&|row| 4 + get(row).len() as u32)),
    }
}

/// Writes each row's key in this column where it belongs, and moves the place on.
fn write(bytes: &mut [u8], at: &mut [u64], column: &LaneColumn, widths: &[u32]) {
    let valid = |row: usize| column.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
    let mut each = |value: &dyn Fn(usize, &mut [u8])| {
        for (row, (at, &width)) in at.iter_mut().zip(widths).enumerate() {
            let place = &mut bytes[*at as usize..*at as usize + width as usize];
            *at += u64::from(width);
            if let (Some((present, place)), true) = (place.split_first_mut(), valid(row)) {
                *present = 1;
                value(row, place);
            }
        }
    };
    match &column.lanes {
        Lanes::I32(values) => each(&|row, place| integer(i256::from(values[row]), place)),
        Lanes::I64(values) => each(&|row, place| integer(i256::from(values[row]), place)),
        Lanes::I128(values) => each(&|row, place| integer(i256::from(values[row]), place)),
        Lanes::I256(values) => each(&|row, place| integer(values[row], place)),
        Lanes::F64(values) => {
            each(&|row, place| place.copy_from_slice(&float::to_ordered(values[row]).to_le_bytes()));
        }
        Lanes::Codes { codes, values } => {
            with_bytes!(values, |get| each(&|row, place| text(get(codes[row] as usize), place)));
        }
        Lanes::Bytes(array) => with_bytes!(array, |get| each(&|row, place| text(get(row), place))),
    }
}

fn integer(value: i256, place: &mut [u8]) {
    place.copy_from_slice(&value.to_le_bytes());
}

fn text(value: &[u8], place: &mut [u8]) {
    let (length, rest) = place.split_at_mut(4);
    length.copy_from_slice(&(value.len() as u32).to_le_bytes());
    rest.copy_from_slice(value);
}
