//! One word of each row's first key that compares across batches.
//!
//! ```text
//! integers, decimals   value with its sign flipped; beyond 64 bits, the nearest that fits
//! floats               their bits in the total order
//! strings, binaries    the first eight bytes; dictionaries those of their values
//! null                 0 or the greatest, where nulls go
//! ```
//! A row with a greater word comes later, whatever batch either is of. Of equal words nothing is known, unless
//! [`Lead::is_exact`]. A pass over a batch compares words and makes nothing else: bytes per row, those of the key.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, i256};

use super::SortKey;
use crate::error::Result;
use crate::keys::float;
use crate::keys::lanes::{LaneColumn, Lanes, with_bytes};
use crate::simd::lanes;

/// The first key of a batch.
#[derive(Debug)]
pub(super) struct Lead {
    lanes: Lanes,
    nulls: Option<NullBuffer>,
    /// Flips words where the greatest come first.
    flip: u64,
    null_word: u64,
    /// Of a dictionary, the words of its values.
    of_values: Vec<u64>,
}

const SIGN: u64 = 1 << 63;

#[inline(always)]
fn signed(value: i64) -> u64 {
    value.cast_unsigned() ^ SIGN
}

#[inline(always)]
fn nearest(value: i128) -> u64 {
    signed(value.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
}

fn nearest_wide(value: i256) -> u64 {
    let least = if value.is_negative() { i64::MIN } else { i64::MAX };
    value.to_i128().map_or(signed(least), nearest)
}

/// The first eight bytes, the first on top; zeros behind the end.
#[inline(always)]
fn prefix(bytes: &[u8]) -> u64 {
    match bytes.first_chunk() {
        Some(&eight) => u64::from_be_bytes(eight),
        None => bytes.iter().enumerate().fold(0, |word, (at, &byte)| word | u64::from(byte) << (56 - 8 * at)),
    }
}

impl Lead {
    /// # Errors
    /// [`crate::Error::Unsupported`] for nested key types.
    pub(super) fn new(column: &ArrayRef, key: SortKey) -> Result<Self> {
        let LaneColumn { lanes, nulls, .. } = LaneColumn::from_array(column)?;
        let of_values = match &lanes {
            Lanes::Codes { values, .. } => {
                with_bytes!(values, |get| (0..values.len()).map(|at| prefix(get(at))).collect())
            }
            _ => Vec::new(),
        };
        let flip = if key.descending { u64::MAX } else { 0 };
        let null_word = if key.nulls_first { 0 } else { u64::MAX };
        Ok(Lead { lanes, nulls, flip, null_word, of_values })
    }

    /// True where rows of equal words have equal keys.
    pub(super) fn is_exact(&self) -> bool {
        self.nulls.is_none() && matches!(self.lanes, Lanes::I32(_) | Lanes::I64(_) | Lanes::F64(_))
    }

    /// The word of a row.
    pub(super) fn word(&self, row: usize) -> u64 {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return self.null_word;
        }
        self.flip
            ^ match &self.lanes {
                Lanes::I32(values) => signed(values[row].into()),
                Lanes::I64(values) => signed(values[row]),
                Lanes::F64(values) => signed(float::to_ordered(values[row])),
                Lanes::I128(values) => nearest(values[row]),
                Lanes::I256(values) => nearest_wide(values[row]),
                Lanes::Codes { codes, .. } => self.of_values.get(codes[row] as usize).copied().unwrap_or(0),
                Lanes::Bytes(array) => with_bytes!(array, |get| prefix(get(row))),
            }
    }

    /// Calls `found` with the rows of `first..first + rows`, ascending, whose word is at most `most`.
    pub(super) fn at_most(&self, most: u64, first: usize, rows: usize, mut found: impl FnMut(usize)) {
        if most == u64::MAX {
            return (first..first + rows).for_each(found);
        }
        let bits = self.test(most, first, rows);
        let nulls = self.nulls.as_ref().map(|nulls| nulls.slice(first, rows));
        let null_counts = self.null_word <= most;
        for (word, &bits) in bits.iter().enumerate() {
            let mut bits = match &nulls {
                Some(nulls) => {
                    let valid = valid_word(nulls, word, rows);
                    bits & valid | if null_counts { !valid } else { 0 }
                }
                None => bits,
            };
            while bits != 0 {
                let row = word * 64 + bits.trailing_zeros() as usize;
                if row >= rows {
                    break;
                }
                found(first + row);
                bits &= bits - 1;
            }
        }
    }

    /// A bit for each row whose word is at most `most`, whatever lies under nulls.
    fn test(&self, most: u64, first: usize, rows: usize) -> Vec<u64> {
        let flip = self.flip;
        let range = first..first + rows;
        match &self.lanes {
            Lanes::I32(values) => {
                lanes::test(&values[range], |value: i32| signed(value.into()) ^ flip <= most)
            }
            Lanes::I64(values) => lanes::test(&values[range], |value| signed(value) ^ flip <= most),
            Lanes::F64(values) => {
                lanes::test(&values[range], |value| signed(float::to_ordered(value)) ^ flip <= most)
            }
            Lanes::I128(values) => lanes::test(&values[range], |value| nearest(value) ^ flip <= most),
            Lanes::I256(values) => lanes::test(&values[range], |value| nearest_wide(value) ^ flip <= most),
            Lanes::Codes { codes, .. } => self.test_codes(&codes[range], most),
            Lanes::Bytes(array) => match array.data_type() {
                DataType::Utf8View => views(array.as_string_view().views(), range, most, flip, |row| {
                    prefix(array.as_string_view().value(row).as_bytes())
                }),
                DataType::BinaryView => views(array.as_binary_view().views(), range, most, flip, |row| {
                    prefix(array.as_binary_view().value(row))
                }),
                _ => with_bytes!(array, |get| bits(rows, |at| prefix(get(first + at)) ^ flip <= most)),
            },
        }
    }

    fn test_codes(&self, codes: &[i32], most: u64) -> Vec<u64> {
        let counts = |code: i32| {
            let word = self.of_values.get(code as usize).copied().unwrap_or(0);
            word ^ self.flip <= most
        };
        bits(codes.len(), |at| counts(codes[at]))
    }
}

/// A bit for each row that `test` is true of.
fn bits(rows: usize, test: impl Fn(usize) -> bool) -> Vec<u64> {
    let word = |start: usize| {
        (start..rows.min(start + 64)).fold(0, |bits, at| bits | u64::from(test(at)) << (at - start))
    };
    (0..rows).step_by(64).map(word).collect()
}

/// As [`Lead::test`] of views, whose first four bytes lie in them: most rows are told by these.
fn views(
    views: &ScalarBuffer<u128>,
    range: std::ops::Range<usize>,
    most: u64,
    flip: u64,
    word: impl Fn(usize) -> u64,
) -> Vec<u64> {
    let first = range.start;
    let upper = |view: u128| ((view >> 32) as u32).swap_bytes() ^ flip as u32;
    let mut bits = lanes::test(&views[range], |view: u128| upper(view) <= (most >> 32) as u32);
    for (at, bits) in bits.iter_mut().enumerate() {
        let mut open = *bits;
        while open != 0 {
            let bit = open.trailing_zeros();
            open &= open - 1;
            if word(first + at * 64 + bit as usize) ^ flip > most {
                *bits &= !(1 << bit);
            }
        }
    }
    bits
}

/// Bits of validity of 64 rows, zeros behind the end.
fn valid_word(nulls: &NullBuffer, word: usize, rows: usize) -> u64 {
    let start = word * 64;
    let len = (rows - start).min(64);
    let bits = nulls.inner().slice(start, len);
    bits.set_indices().fold(0, |valid, at| valid | 1 << at)
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;
    use std::sync::Arc;

    use arrow::array::*;
    use arrow::compute::SortOptions;
    use arrow::datatypes::Int8Type;

    use super::*;

    fn columns() -> Vec<ArrayRef> {
        let texts = vec![
            Some(""),
            None,
            Some("a"),
            Some("a\0"),
            Some("abcdefgh"),
            Some("abcdefghi"),
            Some("abcdefgz"),
            Some("\u{ff}b"),
            Some("abcdefghijklmnop"),
            Some("abcdefghijklmnoq"),
            Some("zz"),
        ];
        let codes: DictionaryArray<Int8Type> = texts.iter().copied().collect();
        let wide =
            [Some(i128::MAX), None, Some(i128::MIN), Some(0), Some(-1), Some(1 << 64), Some(-(1 << 70))];
        let huge = [Some(i256::MAX), None, Some(i256::MIN), Some(i256::ZERO), Some(i256::MINUS_ONE)];
        let floats =
            [Some(f64::NAN), None, Some(-0.0), Some(0.0), Some(f64::NEG_INFINITY), Some(-1.5), Some(5e-324)];
        vec![
            Arc::new(Int16Array::from(vec![Some(3), None, Some(i16::MIN), Some(i16::MAX), Some(0)])),
            Arc::new(Int64Array::from(vec![Some(3), None, Some(i64::MIN), Some(i64::MAX), Some(-1)])),
            Arc::new(UInt64Array::from(vec![Some(3), None, Some(u64::MAX), Some(1 << 63), Some(0)])),
            Arc::new(Float64Array::from(floats.to_vec())),
            Arc::new(Decimal128Array::from(wide.to_vec())),
            Arc::new(Decimal256Array::from(huge.to_vec())),
            Arc::new(StringArray::from(texts.clone())),
            Arc::new(StringViewArray::from(texts)),
            Arc::new(codes),
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
        ]
    }

    /// Over many copies of the rows, so that all words of bits and their ends are met.
    #[test]
    fn words_never_contradict_the_order() {
        for column in columns() {
            let copies: Vec<&dyn Array> = vec![column.as_ref(); 31];
            let column = arrow::compute::concat(&copies).unwrap().slice(1, column.len() * 31 - 2);
            for (descending, nulls_first) in [(false, false), (false, true), (true, false), (true, true)] {
                let lead = Lead::new(&column, SortKey { column: 0, descending, nulls_first }).unwrap();
                let options = SortOptions { descending, nulls_first };
                // Arrow orders -0.0 before 0.0, where we say nothing.
                let order = make_comparator(column.as_ref(), column.as_ref(), options).unwrap();
                let (a, rows) = (3, column.len());
                let most = lead.word(a);
                let mut found = Vec::new();
                lead.at_most(most, 2, rows - 2, |row| found.push(row));
                let expected: Vec<usize> = (2..rows).filter(|&row| lead.word(row) <= most).collect();
                assert_eq!(found, expected, "{column:?}");
                for b in 0..column.len().min(40) {
                    if order(b, a) == Ordering::Less {
                        assert!(lead.word(b) <= most, "{column:?}: {b} comes before {a}");
                    }
                }
            }
        }
    }

    #[test]
    fn widths_of_one_type_have_the_same_words() {
        let key = SortKey { column: 0, descending: true, nulls_first: false };
        let narrow: ArrayRef = Arc::new(Decimal32Array::from(vec![-7, 0, 9]));
        let wide: ArrayRef = Arc::new(Decimal256Array::from_iter_values([-7, 0, 9].map(i256::from_i128)));
        let (narrow, wide) = (Lead::new(&narrow, key).unwrap(), Lead::new(&wide, key).unwrap());
        assert!((0..3).all(|row| narrow.word(row) == wide.word(row)));
    }
}
