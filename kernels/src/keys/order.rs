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
use arrow::datatypes::i256;

use super::float;
use super::lanes::{LaneColumn, Lanes, with_bytes};
use crate::error::{Error, Result};
use crate::sort::SortKey;

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

impl KeyWords {
    /// The first two words of `row` as one integer, left-aligned.
    #[inline]
    #[must_use]
    pub fn prefix(&self, row: usize) -> u64 {
        match &self.words[row * self.width..(row + 1) * self.width] {
            [] => 0,
            [high] => u64::from(*high) << 32,
            [high, low, ..] => u64::from(*high) << 32 | u64::from(*low),
        }
    }

    /// The words of `row` after its [`KeyWords::prefix`].
    #[inline]
    #[must_use]
    pub fn tail(&self, row: usize) -> &[u32] {
        &self.words[row * self.width + self.width.min(2)..(row + 1) * self.width]
    }
}

/// The keys of a batch as words whose lexicographic order is the order that `keys` ask for.
///
/// # Errors
/// [`Error::InvalidInput`] where a key names a column that is not there or columns differ in length;
/// [`Error::Unsupported`] for nested key types.
pub fn order_words(columns: &[ArrayRef], keys: &[SortKey]) -> Result<KeyWords> {
    let rows = columns.first().map_or(0, |column| column.len());
    let fields = keys
        .iter()
        .map(|key| {
            let column = columns.get(key.column);
            let column =
                column.ok_or_else(|| Error::invalid(format!("sort key on column {}", key.column)))?;
            if column.len() != rows {
                return Err(Error::invalid("columns of a batch differ in length"));
            }
            Ok(Field::new(LaneColumn::from_array(column)?, *key))
        })
        .collect::<Result<Vec<_>>>()?;
    let bits: usize = fields.iter().map(Field::bits).sum();
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

/// One key column, ready to be written.
struct Field {
    key: SortKey,
    nulls: Option<NullBuffer>,
    values: Values,
}

/// Values of a key as offsets from the smallest (from the largest, descending), or bytes.
enum Values {
    Narrow {
        bits: usize,
        offsets: Vec<u64>,
    },
    Wide {
        bits: usize,
        offsets: Vec<u128>,
    },
    /// 256-bit decimals: high and low half, sign flipped, direction applied.
    Huge(Vec<(u128, u128)>),
    Bytes {
        array: ArrayRef,
        longest: usize,
    },
}

impl Field {
    fn new(column: LaneColumn, key: SortKey) -> Self {
        let range = column.range();
        let nulls = column.nulls;
        let descending = key.descending;
        let values = match column.lanes {
            Lanes::I32(values) => offsets(values.iter().map(|&value| i128::from(value)), range, descending),
            Lanes::I64(values) => offsets(values.iter().map(|&value| i128::from(value)), range, descending),
            Lanes::I128(values) => offsets(values.iter().copied(), range, descending),
            Lanes::I256(values) => {
                Values::Huge(values.iter().map(|&value| flip(value, descending)).collect())
            }
            Lanes::F64(values) => {
                let ordered: Vec<i64> = values.iter().map(|&value| float::to_ordered(value)).collect();
                let range = super::lanes::range_of(&ordered, nulls.as_ref());
                let range = range.map(|(low, high)| (i128::from(low), i128::from(high)));
                offsets(ordered.iter().map(|&value| i128::from(value)), range, descending)
            }
            Lanes::Codes { codes, values } => {
                let ranks = dense_ranks(&values);
                let greatest = ranks.iter().copied().max().unwrap_or(0);
                let rank = |&code: &i32| i128::from(ranks.get(code as usize).copied().unwrap_or(0));
                offsets(codes.iter().map(rank), Some((0, i128::from(greatest))), descending)
            }
            Lanes::Bytes(array) => bytes_values(array, nulls.as_ref(), descending),
        };
        Self { key, nulls, values }
    }

    fn value_bits(&self) -> usize {
        match &self.values {
            Values::Narrow { bits, .. } | Values::Wide { bits, .. } => *bits,
            Values::Huge(_) => 256,
            Values::Bytes { longest, .. } => longest * 8 + length_bits(*longest),
        }
    }

    fn bits(&self) -> usize {
        usize::from(self.nulls.is_some()) + self.value_bits()
    }

    fn write(&self, words: &mut KeyWords, mut offset: usize) {
        if let Some(nulls) = &self.nulls {
            for (row, valid) in nulls.iter().enumerate() {
                words.put(row, offset, 1, u64::from(valid == self.key.nulls_first));
            }
            offset += 1;
        }
        let valid = |row: usize| self.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        let rows = (0..words.rows).filter(|&row| valid(row));
        match &self.values {
            Values::Narrow { bits, offsets } => {
                rows.for_each(|row| words.put(row, offset, *bits, offsets[row]));
            }
            Values::Wide { bits, offsets } => {
                rows.for_each(|row| words.put_wide(row, offset, *bits, offsets[row]));
            }
            Values::Huge(halves) => rows.for_each(|row| {
                words.put_wide(row, offset, 128, halves[row].0);
                words.put_wide(row, offset + 128, 128, halves[row].1);
            }),
            Values::Bytes { array, longest } => {
                let flip = if self.key.descending { u8::MAX } else { 0 };
                with_bytes!(array, |get| rows.for_each(|row| words.put_bytes(
                    row,
                    offset,
                    *longest,
                    get(row),
                    flip
                )));
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

    fn put_wide(&mut self, row: usize, offset: usize, bits: usize, value: u128) {
        let high = bits.saturating_sub(64);
        self.put(row, offset, high, (value >> 64) as u64);
        self.put(row, offset + high, bits - high, value as u64);
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

fn offsets(values: impl Iterator<Item = i128>, range: Option<(i128, i128)>, descending: bool) -> Values {
    let Some((low, high)) = range else { return Values::Narrow { bits: 0, offsets: Vec::new() } };
    let bits = (u128::BITS - high.wrapping_sub(low).cast_unsigned().leading_zeros()) as usize;
    // What lies under a null may be outside of the range; it is never written.
    let offset = |value: i128| {
        let offset = if descending { high.wrapping_sub(value) } else { value.wrapping_sub(low) };
        offset.cast_unsigned()
    };
    if bits <= 64 {
        Values::Narrow { bits, offsets: values.map(|value| offset(value) as u64).collect() }
    } else {
        Values::Wide { bits, offsets: values.map(offset).collect() }
    }
}

fn flip(value: i256, descending: bool) -> (u128, u128) {
    let (low, high) = value.to_parts();
    let high = high.cast_unsigned() ^ (1 << 127);
    if descending { (!high, !low) } else { (high, low) }
}

fn bytes_values(array: ArrayRef, nulls: Option<&NullBuffer>, descending: bool) -> Values {
    let valid = |row: &usize| nulls.is_none_or(|nulls| nulls.is_valid(*row));
    let longest = with_bytes!(&array, |get| {
        (0..array.len()).filter(valid).map(|row| get(row).len()).max().unwrap_or(0)
    });
    if longest <= INLINE_BYTES {
        return Values::Bytes { array, longest };
    }
    let ranks = dense_ranks(&array);
    let greatest = ranks.iter().copied().max().unwrap_or(0);
    offsets(ranks.iter().map(|&rank| i128::from(rank)), Some((0, i128::from(greatest))), descending)
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
#[path = "order_tests.rs"]
mod tests;
