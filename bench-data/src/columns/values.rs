//! Values of the kinds.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Float32Array, Float64Array, Int32Array,
    Int64Array, ListArray, StringArray, StringViewArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::nullif;
use arrow::datatypes::{DataType, Field};

/// SplitMix64: small, and the same on every machine.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64, stream: &str, part: u64) -> Self {
        let mixed =
            stream.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let mut random = Random(mixed ^ part.wrapping_mul(0xd6e8_feb8_6659_fd93));
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `0..limit`.
    fn below(&mut self, limit: u32) -> u32 {
        (((self.next() >> 32) * u64::from(limit)) >> 32) as u32
    }

    /// About normal around 0 with deviation 1: the sum of twelve uniform numbers.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| f64::from(self.below(1 << 20)) / f64::from(1 << 20)).sum::<f64>() - 6.0
    }
}

pub(super) fn small_i32(random: &mut Random, rows: usize) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values((0..rows).map(|_| random.below(1_000_000).cast_signed())))
}

pub(super) fn small_i64(random: &mut Random, rows: usize) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values((0..rows).map(|_| i64::from(random.below(1_000_000)))))
}

/// Microseconds of a log: each a little later than the one before.
pub(super) fn rising_i64(random: &mut Random, rows: usize) -> ArrayRef {
    let mut time = 1_700_000_000_000_000 + i64::from(random.below(1 << 30));
    Arc::new(Int64Array::from_iter_values((0..rows).map(|_| {
        time += i64::from(random.below(5000));
        time
    })))
}

/// Measurements of four digits after the point.
pub(super) fn rounded_f64(random: &mut Random, rows: usize) -> ArrayRef {
    let value = |random: &mut Random| ((100.0 + 15.0 * random.normal()) * 1e4).round() / 1e4;
    Arc::new(Float64Array::from_iter_values((0..rows).map(|_| value(random))))
}

pub(super) fn rounded_f32(random: &mut Random, rows: usize) -> ArrayRef {
    let value = |random: &mut Random| ((100.0 + 15.0 * random.normal()) * 1e2).round() / 1e2;
    Arc::new(Float32Array::from_iter_values((0..rows).map(|_| value(random) as f32)))
}

pub(super) fn booleans(random: &mut Random, rows: usize) -> ArrayRef {
    Arc::new((0..rows).map(|_| Some(random.below(2) == 0)).collect::<BooleanArray>())
}

/// Booleans that stay for forty rows on average.
pub(super) fn stretches(random: &mut Random, rows: usize) -> ArrayRef {
    let mut value = false;
    let values = (0..rows).map(|_| {
        value ^= random.below(40) == 0;
        Some(value)
    });
    Arc::new(values.collect::<BooleanArray>())
}

/// Prices below 100,000.00 that fit 64 bits.
pub(super) fn prices_of_15(random: &mut Random, rows: usize) -> ArrayRef {
    prices(15, (0..rows).map(|_| random.below(10_000_000)))
}

/// The same, as 128 bits.
pub(super) fn prices_of_38(random: &mut Random, rows: usize) -> ArrayRef {
    prices(38, (0..rows).map(|_| random.below(10_000_000)))
}

/// Five thousand of them.
pub(super) fn few_prices(random: &mut Random, rows: usize) -> ArrayRef {
    prices(15, (0..rows).map(|_| random.below(5000) * 100))
}

fn prices(precision: u8, cents: impl Iterator<Item = u32>) -> ArrayRef {
    let array = Decimal128Array::from_iter_values(cents.map(i128::from));
    Arc::new(array.with_data_type(DataType::Decimal128(precision, 2)))
}

pub(super) fn few_i32(random: &mut Random, rows: usize) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values((0..rows).map(|_| random.below(1000).cast_signed() * 37)))
}

pub(super) fn few_i64(random: &mut Random, rows: usize) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values((0..rows).map(|_| i64::from(random.below(5000)) * 1_000_003)))
}

/// A column that the file is nearly sorted by: each value stays for 200 rows on average.
pub(super) fn runs_i64(random: &mut Random, rows: usize) -> ArrayRef {
    let mut value = 0;
    Arc::new(Int64Array::from_iter_values((0..rows).map(|_| {
        if random.below(200) == 0 {
            value = i64::from(random.below(5000)) * 1_000_003;
        }
        value
    })))
}

pub(super) fn categories(random: &mut Random, rows: usize) -> ArrayRef {
    let pool: Vec<String> = (0..1000).map(|number| format!("category_{number:04}")).collect();
    Arc::new(StringArray::from_iter_values((0..rows).map(|_| &pool[random.below(1000) as usize])))
}

/// Strings of 10 to 40 letters, the common ones more often.
pub(super) fn letters(random: &mut Random, rows: usize) -> ArrayRef {
    const LETTERS: &[u8] = b"eeeeettaaoinshrdlucmfwypvbgk/0123";
    let mut text = String::new();
    Arc::new(StringArray::from_iter_values((0..rows).map(|_| {
        text.clear();
        let length = 10 + random.below(31);
        text.extend((0..length).map(|_| char::from(LETTERS[random.below(LETTERS.len() as u32) as usize])));
        text.clone()
    })))
}

/// Addresses in order: most of each is that of the one before.
pub(super) fn paths(random: &mut Random, rows: usize) -> ArrayRef {
    let mut number = u64::from(random.below(1 << 20));
    Arc::new(StringArray::from_iter_values((0..rows).map(|_| {
        number += u64::from(random.below(50));
        format!("https://example.org/catalogue/item/{number:010}")
    })))
}

pub(super) fn letter_views(random: &mut Random, rows: usize) -> ArrayRef {
    views(&letters(random, rows))
}

pub(super) fn category_views(random: &mut Random, rows: usize) -> ArrayRef {
    views(&categories(random, rows))
}

fn views(strings: &ArrayRef) -> ArrayRef {
    Arc::new(StringViewArray::from_iter(strings.as_string::<i32>().iter()))
}

/// Each value null with a chance of `percent` in a hundred.
pub(super) fn with_nulls(random: &mut Random, percent: u32, array: &ArrayRef) -> ArrayRef {
    let mask: BooleanArray = (0..array.len()).map(|_| Some(random.below(100) < percent)).collect();
    // A mask of the array's length is all that it asks for.
    nullif(array, &mask).unwrap_or_else(|_| Arc::clone(array))
}

/// Lists of 0 to 8 numbers.
pub(super) fn lists(random: &mut Random, rows: usize) -> ArrayRef {
    let offsets = OffsetBuffer::from_lengths((0..rows).map(|_| random.below(9) as usize));
    let elements = offsets.last().map_or(0, |&end| end as usize);
    let values = Int64Array::from_iter_values((0..elements).map(|_| i64::from(random.below(1_000_000))));
    let field = Arc::new(Field::new_list_field(DataType::Int64, false));
    Arc::new(ListArray::new(field, offsets, Arc::new(values), None))
}
