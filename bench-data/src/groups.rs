//! Rows to group: one kind of key, so many groups, and a number to sum.
//!
//! ```
//! use pilaster_bench_data::groups::{self, Options};
//!
//! let kind = groups::kind("i64").expect("one of KINDS");
//! let batches = groups::generate(kind, &Options { rows: 1000, groups: 10, ..Options::default() })?;
//! assert_eq!(batches[0].schema().field(0).name(), "k");
//! # Ok::<(), arrow::error::ArrowError>(())
//! ```
//! The columns are those of the key (`k`, or `k1` and `k2`), then `v`. A row's group is a function of its number and the
//! seed: even kinds walk a permutation, so that `groups` powers of two up to the number of rows all occur, equally often
//! and in no order.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Decimal128Array, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::Int32Type;
use arrow::error::ArrowError;
use rayon::prelude::*;

mod number;

#[cfg(test)]
mod tests;

use number::{Numbers, mix};

/// Rows of a batch.
pub const BATCH_ROWS: usize = 1 << 20;

/// What is generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Rows of all batches.
    pub rows: usize,
    /// Distinct keys, at most.
    pub groups: usize,
    /// Where the values come from.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options { rows: 1 << 24, groups: 1024, seed: 5 }
    }
}

/// How rows are spread over groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// Equally.
    Even,
    /// Nine rows in ten are in one group.
    Hot,
    /// The n-th group has 1/n as many rows as the first.
    Zipf,
}

/// A kind of group key.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// How rows are spread over groups.
    pub spread: Spread,
    /// Most groups that it can tell apart.
    pub most_groups: usize,
    values: Values,
}

/// The key's columns for rows of these group numbers.
type Values = fn(&[u64], &Shared) -> Vec<(&'static str, ArrayRef)>;

/// What all batches of a table share.
struct Shared {
    groups: u64,
    /// Texts of a dictionary; empty for other kinds.
    texts: ArrayRef,
}

const fn even(name: &'static str, values: Values) -> Kind {
    Kind { name, spread: Spread::Even, most_groups: usize::MAX, values }
}

/// All kinds.
pub const KINDS: &[Kind] = &[
    even("i64", scattered),
    even("i64_dense", dense),
    Kind { most_groups: 1 << 32, ..even("i32", narrow) },
    even("i64_i64", pairs),
    even("str_short", short_texts),
    even("str_long", long_texts),
    Kind { most_groups: 1 << 20, ..even("dict", dictionary) },
    even("decimal", decimals),
    even("f64", floats),
    even("i64_nulls", with_nulls),
    Kind { spread: Spread::Hot, ..even("i64_hot", scattered) },
    Kind { spread: Spread::Zipf, ..even("i64_zipf", scattered) },
];

/// The kind of that name.
#[must_use]
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// Rows of a kind, in batches of [`BATCH_ROWS`]. The same options give the same rows.
///
/// # Errors
/// [`ArrowError`] for more rows or groups than the kind's type can hold.
pub fn generate(kind: &Kind, options: &Options) -> Result<Vec<RecordBatch>, ArrowError> {
    let groups = options.groups.max(1);
    if groups > kind.most_groups {
        let reason = format!("{} has {} groups at most, not {groups}", kind.name, kind.most_groups);
        return Err(ArrowError::InvalidArgumentError(reason));
    }
    let texts: ArrayRef = match kind.name {
        "dict" => Arc::new(StringArray::from_iter_values((0..groups as u64).map(short_text))),
        _ => Arc::new(StringArray::from(Vec::<&str>::new())),
    };
    let shared = Shared { groups: groups as u64, texts };
    let numbers = Numbers::new(kind.spread, options.rows as u64, groups as u64, options.seed);
    let starts: Vec<usize> = (0..options.rows.max(1)).step_by(BATCH_ROWS).collect();
    let batch = |&start: &usize| {
        let rows = start..options.rows.min(start + BATCH_ROWS);
        let of_rows: Vec<u64> = rows.clone().map(|row| numbers.of(row as u64)).collect();
        let mut columns = (kind.values)(&of_rows, &shared);
        let values = rows.map(|row| (mix(row as u64 ^ options.seed.rotate_left(32)) % 1000) as i64);
        columns.push(("v", Arc::new(Int64Array::from_iter_values(values))));
        let nullable = kind.name == "i64_nulls";
        RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, column)| (name, column, nullable && name != "v")),
        )
    };
    starts.par_iter().map(batch).collect()
}

fn one(column: impl Array + 'static) -> Vec<(&'static str, ArrayRef)> {
    vec![("k", Arc::new(column))]
}

/// All 64 bits are used.
fn scattered(numbers: &[u64], _: &Shared) -> Vec<(&'static str, ArrayRef)> {
    one(Int64Array::from_iter_values(numbers.iter().map(|&number| mix(number).cast_signed())))
}

/// From 0 on.
fn dense(numbers: &[u64], _: &Shared) -> Vec<(&'static str, ArrayRef)> {
    one(Int64Array::from_iter_values(numbers.iter().map(|&number| number.cast_signed())))
}

/// All 32 bits are used.
fn narrow(numbers: &[u64], _: &Shared) -> Vec<(&'static str, ArrayRef)> {
    one(Int32Array::from_iter_values(numbers.iter().map(|&number| mix32(number as u32).cast_signed())))
}

/// Either column has about the square root of the number of groups.
fn pairs(numbers: &[u64], shared: &Shared) -> Vec<(&'static str, ArrayRef)> {
    let low_bits = shared.groups.ilog2().div_ceil(2);
    let column = |part: &dyn Fn(u64) -> u64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(numbers.iter().map(|&n| mix(part(n)).cast_signed())))
    };
    let low = column(&|number| number & ((1 << low_bits) - 1));
    let high = column(&|number| number >> low_bits);
    vec![("k1", low), ("k2", high)]
}

/// Eight bytes: they fit a view.
fn short_texts(numbers: &[u64], _: &Shared) -> Vec<(&'static str, ArrayRef)> {
    one(StringArray::from_iter_values(numbers.iter().map(|&number| short_text(number))))
}

/// Forty bytes, the first of which are the same in all.
fn long_texts(numbers: &[u64], _: &Shared) -> Vec<(&'static str, ArrayRef)> {
    let text = |number: u64| format!("https://example.com/item/{:015x}", mix(number) >> 4);
    one(StringArray::from_iter_values(numbers.iter().map(|&number| text(number))))
}

/// All batches share the values.
fn dictionary(numbers: &[u64], shared: &Shared) -> Vec<(&'static str, ArrayRef)> {
    let codes = Int32Array::from_iter_values(numbers.iter().map(|&number| number as i32));
    one(DictionaryArray::<Int32Type>::new(codes, Arc::clone(&shared.texts)))
}

/// `DECIMAL(15, 2)`.
fn decimals(numbers: &[u64], _: &Shared) -> Vec<(&'static str, ArrayRef)> {
    // 2^40 is below 10^13, and odd factors permute what lies below it.
    let scaled = |number: u64| i128::from(number.wrapping_mul(0x9e37_79b9_7f4b) & ((1 << 40) - 1));
    let plain = Decimal128Array::from_iter_values(numbers.iter().map(|&number| scaled(number)));
    let array = plain.clone().with_precision_and_scale(15, 2);
    one(array.unwrap_or(plain))
}

/// Quarters, of both signs.
fn floats(numbers: &[u64], _: &Shared) -> Vec<(&'static str, ArrayRef)> {
    let float = |number: u64| (number as f64 / 4.0) * if number.is_multiple_of(2) { 1.0 } else { -1.0 };
    one(Float64Array::from_iter_values(numbers.iter().map(|&number| float(number))))
}

/// One group in ten is null: these become one.
fn with_nulls(numbers: &[u64], _: &Shared) -> Vec<(&'static str, ArrayRef)> {
    let valid = NullBuffer::from_iter(numbers.iter().map(|&number| !mix(!number).is_multiple_of(10)));
    let values = numbers.iter().map(|&number| mix(number).cast_signed()).collect::<Vec<_>>();
    one(Int64Array::new(values.into(), Some(valid)))
}

fn short_text(number: u64) -> String {
    format!("{:08x}", mix32(number as u32))
}

/// A permutation of 32 bits.
fn mix32(number: u32) -> u32 {
    let mut x = number.wrapping_mul(0x9e37_79b1);
    x ^= x >> 15;
    x = x.wrapping_mul(0x85eb_ca77);
    x ^ (x >> 13)
}
