//! One fixed-width sort key as unsigned offsets: `value - smallest`, or `largest - value` where the greatest come first.

use std::ops::Range;

use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::i256;
use rayon::prelude::*;

use super::super::float;
use super::super::lanes::{LaneColumn, Lanes, range_of};
use super::dense_ranks;
use crate::simd::lanes;
use crate::sort::SortKey;

/// Rows that words are wanted of.
#[derive(Debug, Clone)]
pub(crate) enum Rows<'a> {
    /// These, one after the other.
    Range(Range<usize>),
    /// Any, in any order.
    List(&'a [u32]),
}

impl Rows<'_> {
    /// How many.
    pub(crate) fn len(&self) -> usize {
        match self {
            Rows::Range(range) => range.len(),
            Rows::List(list) => list.len(),
        }
    }

    /// The row at `at`.
    pub(crate) fn get(&self, at: usize) -> usize {
        match self {
            Rows::Range(range) => range.start + at,
            Rows::List(list) => list[at] as usize,
        }
    }
}

/// A key, or a half of a 256-bit one.
#[derive(Debug)]
pub(super) struct Field {
    offsets: Offsets,
    /// Bits of the largest offset.
    pub(super) bits: u32,
    pub(super) nulls: Option<NullBuffer>,
    /// The flag of a valid row; that of a null row is the other. It stands before the offset.
    pub(super) valid_flag: bool,
    /// False for the lower half of a 256-bit key, whose upper half has the flag.
    pub(super) leads: bool,
}

/// `(value ^ flip) - base`: the flip turns the order around, the base makes the smallest zero.
#[derive(Debug)]
enum Offsets {
    I32 { values: ScalarBuffer<i32>, flip: i64, base: u64 },
    I64 { values: ScalarBuffer<i64>, flip: i64, base: u64 },
    F64 { values: ScalarBuffer<f64>, flip: i64, base: u64 },
    Ranks { ranks: Vec<u32>, flip: i64, base: u64 },
    I128 { values: ScalarBuffer<i128>, flip: i128, base: u128 },
    I256 { values: ScalarBuffer<i256>, upper: bool, flip: u128 },
}

/// Which bits of a field go where in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// Bits below the window.
    pub(super) drop: u32,
    pub(super) bits: u32,
    /// Where the window's lowest bit goes.
    pub(super) at: u32,
}

impl Window {
    #[inline]
    fn of(self, offset: u64) -> u64 {
        let mask = u64::MAX >> (u64::BITS - self.bits);
        (offset >> self.drop & mask) << self.at
    }

    #[inline]
    fn of_wide(self, offset: u128) -> u64 {
        let mask = u64::MAX >> (u64::BITS - self.bits);
        ((offset >> self.drop) as u64 & mask) << self.at
    }
}

impl Field {
    /// The fields of a column of machine words, or of a dictionary; none for plain strings and binaries.
    pub(super) fn fixed(column: &LaneColumn, key: SortKey) -> Option<Vec<Self>> {
        let nulls = column.nulls.as_ref();
        let one = |offsets: Offsets, bits| {
            vec![Field { offsets, bits, nulls: nulls.cloned(), valid_flag: key.nulls_first, leads: true }]
        };
        Some(match &column.lanes {
            Lanes::I32(values) => {
                let range = range_on_pool(values, nulls, i64::from);
                let Narrow { flip, base, bits } = Narrow::of(range, key);
                one(Offsets::I32 { values: values.clone(), flip, base }, bits)
            }
            Lanes::I64(values) => {
                let range = range_on_pool(values, nulls, |value| value);
                let Narrow { flip, base, bits } = Narrow::of(range, key);
                one(Offsets::I64 { values: values.clone(), flip, base }, bits)
            }
            Lanes::F64(values) => {
                let Narrow { flip, base, bits } = Narrow::of(ordered_range(values, nulls), key);
                one(Offsets::F64 { values: values.clone(), flip, base }, bits)
            }
            Lanes::I128(values) => {
                let (low, high) = range_on_pool(values, nulls, |value| value).unwrap_or_default();
                let (flip, least) = if key.descending { (-1, !high) } else { (0, low) };
                let bits = u128::BITS - high.wrapping_sub(low).cast_unsigned().leading_zeros();
                one(Offsets::I128 { values: values.clone(), flip, base: least.cast_unsigned() }, bits)
            }
            Lanes::I256(values) => halves(values, nulls, key),
            Lanes::Codes { codes, values } => {
                let ranks = dense_ranks(values);
                let rank = |&code: &i32| ranks.get(code as usize).copied().unwrap_or(0);
                return Some(vec![Field::ranks(codes.iter().map(rank).collect(), nulls, key)]);
            }
            Lanes::Bytes(_) => return None,
        })
    }

    /// A field of one rank per row.
    pub(super) fn ranks(ranks: Vec<u32>, nulls: Option<&NullBuffer>, key: SortKey) -> Self {
        let range = range_of(&ranks, nulls).map(|(low, high)| (i64::from(low), i64::from(high)));
        let Narrow { flip, base, bits } = Narrow::of(range, key);
        let offsets = Offsets::Ranks { ranks, flip, base };
        Field { offsets, bits, nulls: nulls.cloned(), valid_flag: key.nulls_first, leads: true }
    }

    /// True where a flag stands before the offset.
    pub(super) fn is_flagged(&self) -> bool {
        self.leads && self.nulls.is_some()
    }

    /// ORs the window of each row's offset to `out`; nothing where the row is null.
    pub(super) fn write(&self, window: Window, rows: &Rows<'_>, out: &mut [u64]) {
        let nulls = self.nulls.as_ref();
        match &self.offsets {
            Offsets::I32 { values, flip, base } => {
                write(values, nulls, rows, out, |value| window.of(offset(i64::from(value), *flip, *base)));
            }
            Offsets::I64 { values, flip, base } => {
                write(values, nulls, rows, out, |value| window.of(offset(value, *flip, *base)));
            }
            Offsets::F64 { values, flip, base } => write(values, nulls, rows, out, |value| {
                window.of(offset(float::to_ordered(value), *flip, *base))
            }),
            Offsets::Ranks { ranks, flip, base } => {
                write(ranks, nulls, rows, out, |rank| window.of(offset(i64::from(rank), *flip, *base)));
            }
            Offsets::I128 { values, flip, base } => write(values, nulls, rows, out, |value| {
                window.of_wide((value ^ flip).cast_unsigned().wrapping_sub(*base))
            }),
            Offsets::I256 { values, upper, flip } => {
                write(values, nulls, rows, out, |value| window.of_wide(half(value, *upper) ^ flip));
            }
        }
    }

    /// ORs the flag of each row to `out` at bit `at`.
    pub(super) fn write_flag(&self, at: u32, rows: &Rows<'_>, out: &mut [u64]) {
        let Some(nulls) = &self.nulls else { return };
        for (place, out) in out.iter_mut().enumerate() {
            *out |= u64::from(nulls.is_valid(rows.get(place)) == self.valid_flag) << at;
        }
    }
}

/// How a key of at most 64 bits becomes an offset.
struct Narrow {
    flip: i64,
    base: u64,
    bits: u32,
}

impl Narrow {
    /// Of the range of the valid values; without one there are none.
    fn of(range: Option<(i64, i64)>, key: SortKey) -> Self {
        let (low, high) = range.unwrap_or_default();
        let bits = u64::BITS - high.wrapping_sub(low).cast_unsigned().leading_zeros();
        let (flip, least) = if key.descending { (-1, !high) } else { (0, low) };
        Narrow { flip, base: least.cast_unsigned(), bits }
    }
}

#[inline]
fn offset(value: i64, flip: i64, base: u64) -> u64 {
    (value ^ flip).cast_unsigned().wrapping_sub(base)
}

fn ordered_range(values: &[f64], nulls: Option<&NullBuffer>) -> Option<(i64, i64)> {
    range_on_pool(values, nulls, float::to_ordered)
}

/// Rows that a thread looks at in one go, and those that it maps at a time, in the first cache level.
const BLOCK_ROWS: usize = 1 << 16;
const STEP_ROWS: usize = 1 << 10;

/// Smallest and largest valid value of a long column as `map` has it, on all threads of the current rayon pool.
fn range_on_pool<T: Copy + Sync, O: Copy + Ord + Send + Sync>(
    values: &[T],
    nulls: Option<&NullBuffer>,
    map: impl Fn(T) -> O + Sync + Copy,
) -> Option<(O, O)> {
    let of_block = |(block, values): (usize, &[T])| {
        let steps = values.chunks(STEP_ROWS).enumerate().filter_map(|(step, values)| {
            let first = block * BLOCK_ROWS + step * STEP_ROWS;
            let nulls = nulls.map(|nulls| nulls.slice(first, values.len()));
            range_of(&lanes::map(values, map), nulls.as_ref())
        });
        steps.reduce(wider)
    };
    let ranges: Vec<Option<(O, O)>> = values.par_chunks(BLOCK_ROWS).enumerate().map(of_block).collect();
    ranges.into_iter().flatten().reduce(wider)
}

fn wider<O: Ord>(a: (O, O), b: (O, O)) -> (O, O) {
    (a.0.min(b.0), a.1.max(b.1))
}

/// Upper and lower half, each at its full width.
fn halves(values: &ScalarBuffer<i256>, nulls: Option<&NullBuffer>, key: SortKey) -> Vec<Field> {
    let flip = if key.descending { u128::MAX } else { 0 };
    let field = |upper| Field {
        offsets: Offsets::I256 { values: values.clone(), upper, flip },
        bits: u128::BITS,
        nulls: nulls.cloned(),
        valid_flag: key.nulls_first,
        leads: upper,
    };
    vec![field(true), field(false)]
}

/// The upper half of `value` with its sign flipped, so that it orders unsigned; or the lower one.
#[inline]
fn half(value: i256, upper: bool) -> u128 {
    let (low, high) = value.to_parts();
    if upper { high.cast_unsigned() ^ 1 << 127 } else { low }
}

/// ORs `word` of each value to `out`.
fn write<T: Copy>(
    values: &[T],
    nulls: Option<&NullBuffer>,
    rows: &Rows<'_>,
    out: &mut [u64],
    word: impl Fn(T) -> u64,
) {
    match (rows, nulls) {
        (Rows::Range(range), None) => {
            let values = &values[range.clone()];
            out.iter_mut().zip(values).for_each(|(out, &value)| *out |= word(value));
        }
        (Rows::List(list), None) => {
            out.iter_mut().zip(*list).for_each(|(out, &row)| *out |= word(values[row as usize]));
        }
        (_, Some(nulls)) => {
            for (at, out) in out.iter_mut().enumerate() {
                let row = rows.get(at);
                if nulls.is_valid(row) {
                    *out |= word(values[row]);
                }
            }
        }
    }
}
