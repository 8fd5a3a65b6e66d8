//! Order-preserving key words: any sort keys as a matrix of `u32`, compared lexicographically and unsigned.
//!
//! ```text
//! row:  [null bit][key 0 bits]...[null bit][key n bits][zero padding to a word]     most significant bit first
//!       value - smallest value of the batch, in the bits that the batch's range needs; descending: largest - value
//! string, up to INLINE_BYTES: bytes padded with zeros to the longest, then the length; descending: complemented
//! longer strings, dictionaries:  dense rank among the batch's values
//! ```
//! The length behind the padding orders `"a"` before `"a\0"`. A null bit is there only where the batch has nulls; it
//! alone decides where they go. The layout depends on the batch, so words of two batches do not compare.
//! (Idea: arrow-row and DuckDB's sort keys, with the widths measured so that most keys fit one `u64`.)

use arrow::array::{Array, ArrayRef};
use arrow::buffer::NullBuffer;

use self::field::{Field, Window};
use super::lanes::{LaneColumn, Lanes, with_bytes};
use crate::error::{Error, Result};
use crate::sort::SortKey;

mod field;
mod sequence;
mod text;

pub(crate) use field::Rows;
pub(crate) use sequence::{Cursor, KeySequence};

/// Strings of up to this many bytes travel in the words; longer ones become ranks, so that one long string does not
/// widen every row.
const INLINE_BYTES: usize = 24;

/// Keys of a batch as words, row-major.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyWords {
    /// Rows.
    pub rows: usize,
    /// Words per row; zero where all keys are equal.
    pub width: usize,
    /// Bits in use, from the top of a row's first word. The rest is zero.
    pub bits: u32,
    /// `rows * width` words.
    pub words: Vec<u32>,
}

/// The keys of a batch as words whose lexicographic order is the order that `keys` ask for.
///
/// # Errors
/// [`Error::InvalidInput`] where a key names a column that is not there or columns differ in length;
/// [`Error::Unsupported`] for nested key types.
pub fn order_words(columns: &[ArrayRef], keys: &[SortKey]) -> Result<KeyWords> {
    let rows = columns.first().map_or(0, |column| column.len());
    let mut fields = Vec::new();
    for (key, column) in keys.iter().zip(key_columns(columns, keys)?) {
        match &column.lanes {
            Lanes::Bytes(array) => fields.push(text_field(array, column.nulls.as_ref(), *key)),
            _ => fields.extend(Field::fixed(&column, *key).into_iter().flatten().map(MatrixField::Fixed)),
        }
    }
    let bits: usize = fields.iter().map(MatrixField::bits).sum();
    let width = bits.div_ceil(u32::BITS as usize);
    let bits = u32::try_from(bits).map_err(|_| Error::invalid("sort keys too wide"))?;
    let mut words = KeyWords { rows, width, bits, words: vec![0; rows * width] };
    let mut offset = 0;
    for field in &fields {
        field.write(&mut words, offset);
        offset += field.bits();
    }
    Ok(words)
}

/// The columns that `keys` name, one per key.
///
/// # Errors
/// Those of [`order_words`].
fn key_columns(columns: &[ArrayRef], keys: &[SortKey]) -> Result<Vec<LaneColumn>> {
    let rows = columns.first().map_or(0, |column| column.len());
    let lanes = keys.iter().map(|key| {
        let column = columns.get(key.column);
        let column = column.ok_or_else(|| Error::invalid(format!("sort key on column {}", key.column)))?;
        if column.len() != rows {
            return Err(Error::invalid("columns of a batch differ in length"));
        }
        LaneColumn::from_array(column)
    });
    lanes.collect()
}

/// A key of the matrix.
enum MatrixField {
    Fixed(Field),
    /// Strings no longer than `longest`.
    Bytes {
        array: ArrayRef,
        nulls: Option<NullBuffer>,
        key: SortKey,
        longest: usize,
    },
}

/// Short strings inline, long ones as ranks.
fn text_field(array: &ArrayRef, nulls: Option<&NullBuffer>, key: SortKey) -> MatrixField {
    let valid = |row: &usize| nulls.is_none_or(|nulls| nulls.is_valid(*row));
    let longest = with_bytes!(array, |get| {
        (0..array.len()).filter(valid).map(|row| get(row).len()).max().unwrap_or(0)
    });
    if longest <= INLINE_BYTES {
        return MatrixField::Bytes { array: ArrayRef::clone(array), nulls: nulls.cloned(), key, longest };
    }
    MatrixField::Fixed(Field::ranks(dense_ranks(array), nulls, key))
}

impl MatrixField {
    fn bits(&self) -> usize {
        match self {
            MatrixField::Fixed(field) => usize::from(field.is_flagged()) + field.bits as usize,
            MatrixField::Bytes { nulls, longest, .. } => {
                usize::from(nulls.is_some()) + longest * 8 + length_bits(*longest)
            }
        }
    }

    fn write(&self, words: &mut KeyWords, offset: usize) {
        match self {
            MatrixField::Fixed(field) => words.put_field(field, offset),
            MatrixField::Bytes { array, nulls, key, longest } => {
                let flagged = usize::from(nulls.is_some());
                let flip = if key.descending { u8::MAX } else { 0 };
                with_bytes!(array, |get| for row in 0..words.rows {
                    let valid = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
                    words.put(row, offset, flagged, u64::from(valid == key.nulls_first));
                    if valid {
                        words.put_bytes(row, offset + flagged, *longest, get(row), flip);
                    }
                });
            }
        }
    }
}

impl KeyWords {
    /// Writes the low `bits` (at most 64) of `value` at bit `offset` of `row`.
    #[inline]
    fn put(&mut self, row: usize, offset: usize, bits: usize, value: u64) {
        if bits == 0 {
            return;
        }
        // Left-aligned in 128 bits behind the bits before it in its first word, the value spans at most three words.
        let aligned = u128::from(value) << (128 - bits - offset % 32);
        let base = row * self.width;
        let first = base + offset / 32;
        let last = base + (offset + bits - 1) / 32;
        for (word, shift) in self.words[first..=last].iter_mut().zip([96, 64, 32]) {
            *word |= (aligned >> shift) as u32;
        }
    }

    /// Writes the flag and the bits of a field at bit `offset` of each row.
    fn put_field(&mut self, field: &Field, mut offset: usize) {
        let rows = Rows::Range(0..self.rows);
        if field.is_flagged() {
            let mut flags = vec![0; self.rows];
            field.write_flag(0, &rows, &mut flags);
            flags.iter().enumerate().for_each(|(row, &flag)| self.put(row, offset, 1, flag));
            offset += 1;
        }
        let mut left = field.bits;
        while left > 0 {
            let bits = left.min(u64::BITS);
            left -= bits;
            let mut values = vec![0; self.rows];
            field.write(Window { drop: left, bits, at: 0 }, &rows, &mut values);
            values.iter().enumerate().for_each(|(row, &value)| self.put(row, offset, bits as usize, value));
            offset += bits as usize;
        }
    }

    fn put_bytes(&mut self, row: usize, offset: usize, longest: usize, bytes: &[u8], flip: u8) {
        let padded = bytes.iter().copied().chain(std::iter::repeat(0)).take(longest);
        for (at, byte) in padded.enumerate() {
            self.put(row, offset + at * 8, 8, u64::from(byte ^ flip));
        }
        let bits = length_bits(longest);
        let mask = (1u64 << bits) - 1;
        let length = bytes.len() as u64;
        self.put(row, offset + longest * 8, bits, if flip == 0 { length } else { !length & mask });
    }
}

/// Bits that hold every length up to `longest`.
fn length_bits(longest: usize) -> usize {
    (usize::BITS - longest.leading_zeros()) as usize
}

/// Rank of each value among the distinct values of a string or binary array, by bytes; 0 for nulls.
pub(crate) fn dense_ranks(values: &ArrayRef) -> Vec<u32> {
    with_bytes!(values, |get| {
        let mut order: Vec<(u64, u32)> = (0..values.len())
            .filter(|&row| values.is_valid(row))
            .map(|row| (prefix(get(row)), row as u32))
            .collect();
        order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| get(a.1 as usize).cmp(get(b.1 as usize))));
        let mut ranks = vec![0; values.len()];
        let mut rank = 0;
        for (at, &(_, row)) in order.iter().enumerate() {
            if at > 0 && get(order[at - 1].1 as usize) != get(row as usize) {
                rank += 1;
            }
            ranks[row as usize] = rank;
        }
        ranks
    })
}

/// The first eight bytes, big-endian: orders most strings without touching them again.
fn prefix(bytes: &[u8]) -> u64 {
    let mut head = [0; 8];
    let length = bytes.len().min(8);
    head[..length].copy_from_slice(&bytes[..length]);
    u64::from_be_bytes(head)
}

#[cfg(test)]
mod tests;
