//! Key columns as one machine word per row.
//!
//! The build side is complete before its table is made, so its extents are known: a key is a field as wide as they ask
//! for, and the fields of a row side by side are its word, of 64 bits or 128. Short strings are fields too. A probe key
//! outside of the extents has no partner. What does not fit 128 bits is hashed, and candidates are compared by [`super::rows`].
//!
//! | key | field | bits |
//! | --- | --- | --- |
//! | integers, times, decimals | value - smallest | as the range needs |
//! | floats | integer whose order is the total order | 64 |
//! | strings, binaries | bytes, then length | 8 * longest + those of its length |
//!
//! A key whose nulls are equal has 1 added, and null is 0. (Packing by measured ranges is Velox's value ids and DuckDB's
//! compressed materialisation; here it also takes strings, and is exact for the probe side without looking at its ranges.)

use arrow::array::{Array, ArrayRef};
use arrow::buffer::{BooleanBuffer, NullBuffer};

use crate::error::{Error, Result};
use crate::keys::float;
use crate::keys::hash::Hasher;
use crate::keys::lanes::{LaneColumn, Lanes, range_of, with_bytes};

/// A machine word that holds a whole key.
pub(super) trait Word: Copy + Eq + Default + Send + Sync + std::fmt::Debug + 'static {
    /// `value - base`, modulo the word.
    fn distance(value: i64, base: i128) -> Self;
    /// Likewise.
    fn wide_distance(value: i128, base: i128) -> Self;
    /// `(self + plus) << shift`; the shift is below the word's width.
    fn placed(self, plus: u64, shift: u32) -> Self;
    fn or(self, other: Self) -> Self;
    /// Bytes from the lowest up, no more than fit.
    fn of_bytes(bytes: &[u8]) -> Self;
    fn hash(self, hasher: &Hasher) -> u64;
    /// The low 64 bits, or the largest number where there are more.
    fn index(self) -> usize;
}

impl Word for u64 {
    #[inline(always)]
    fn distance(value: i64, base: i128) -> Self {
        value.cast_unsigned().wrapping_sub(base as u64)
    }

    #[inline(always)]
    fn wide_distance(value: i128, base: i128) -> Self {
        (value as u64).wrapping_sub(base as u64)
    }

    #[inline(always)]
    fn placed(self, plus: u64, shift: u32) -> Self {
        self.wrapping_add(plus) << shift
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        self | other
    }

    #[inline(always)]
    fn of_bytes(bytes: &[u8]) -> Self {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(word)
    }

    #[inline(always)]
    fn hash(self, hasher: &Hasher) -> u64 {
        hasher.mixed(hasher.word(self))
    }

    #[inline(always)]
    fn index(self) -> usize {
        self as usize
    }
}

impl Word for u128 {
    #[inline(always)]
    fn distance(value: i64, base: i128) -> Self {
        i128::from(value).wrapping_sub(base).cast_unsigned()
    }

    #[inline(always)]
    fn wide_distance(value: i128, base: i128) -> Self {
        value.wrapping_sub(base).cast_unsigned()
    }

    #[inline(always)]
    fn placed(self, plus: u64, shift: u32) -> Self {
        self.wrapping_add(plus.into()) << shift
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        self | other
    }

    #[inline(always)]
    fn of_bytes(bytes: &[u8]) -> Self {
        let mut word = [0; 16];
        word[..bytes.len()].copy_from_slice(bytes);
        u128::from_le_bytes(word)
    }

    #[inline(always)]
    fn hash(self, hasher: &Hasher) -> u64 {
        hasher.mixed(hasher.wide(self))
    }

    #[inline(always)]
    fn index(self) -> usize {
        usize::try_from(self).unwrap_or(usize::MAX)
    }
}

/// What the valid keys of one column of the build side span.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Extent {
    /// No valid key yet.
    #[default]
    Nothing,
    /// Smallest and largest.
    Integers { low: i128, high: i128 },
    /// Any float.
    Floats,
    /// Bytes of the longest.
    Bytes { longest: usize },
    /// An integer beyond 128 bits.
    Beyond,
}

impl Extent {
    /// What the valid rows of `column` span.
    pub(super) fn of(column: &LaneColumn) -> Self {
        let nulls = column.nulls.as_ref();
        if column.rows == 0 || nulls.is_some_and(|nulls| nulls.null_count() == nulls.len()) {
            return Extent::Nothing;
        }
        match &column.lanes {
            Lanes::I32(_) | Lanes::I64(_) | Lanes::I128(_) => match column.range() {
                Some((low, high)) => Extent::Integers { low, high },
                None => Extent::Nothing,
            },
            Lanes::I256(values) => valid(column.rows, nulls)
                .map(|row| match values[row].to_i128() {
                    Some(value) => Extent::Integers { low: value, high: value },
                    None => Extent::Beyond,
                })
                .fold(Extent::Nothing, Extent::and),
            Lanes::F64(_) => Extent::Floats,
            Lanes::Codes { values, .. } => longest(values, values.nulls()),
            Lanes::Bytes(array) => longest(array, nulls),
        }
    }

    /// What both span.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Extent::Nothing, extent) | (extent, Extent::Nothing) => extent,
            (Extent::Integers { low, high }, Extent::Integers { low: l, high: h }) => {
                Extent::Integers { low: low.min(l), high: high.max(h) }
            }
            (Extent::Bytes { longest }, Extent::Bytes { longest: other }) => {
                Extent::Bytes { longest: longest.max(other) }
            }
            (Extent::Floats, Extent::Floats) => Extent::Floats,
            _ => Extent::Beyond,
        }
    }

    /// The greatest code, with `plus` added to each; none where it has more than 128 bits.
    fn greatest(self, plus: u64) -> Option<u128> {
        let plus = u128::from(plus);
        match self {
            Extent::Nothing => Some(plus.saturating_sub(1)),
            Extent::Integers { low, high } => high.wrapping_sub(low).cast_unsigned().checked_add(plus),
            Extent::Floats => Some(u128::from(u64::MAX) + plus),
            Extent::Bytes { longest } if longest < 16 => {
                let bits = 8 * longest as u32;
                Some((((longest as u128 + plus) << bits) + (1u128 << bits)) - 1)
            }
            Extent::Bytes { .. } | Extent::Beyond => None,
        }
    }
}

fn valid(rows: usize, nulls: Option<&NullBuffer>) -> impl Iterator<Item = usize> {
    (0..rows).filter(move |&row| nulls.is_none_or(|nulls| nulls.is_valid(row)))
}

fn longest(array: &ArrayRef, nulls: Option<&NullBuffer>) -> Extent {
    let longest = with_bytes!(array, |get| valid(array.len(), nulls).map(|row| get(row).len()).max());
    longest.map_or(Extent::Nothing, |longest| Extent::Bytes { longest })
}

/// One key in the word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) extent: Extent,
    shift: u32,
    /// 0 where all valid keys are one.
    bits: u32,
    /// 1 where nulls are equal, and null is 0.
    plus: u64,
}

/// Where the keys lie in the word.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    fields: Vec<Field>,
    /// Bits of the word in use.
    pub(super) bits: u32,
    /// No word is above.
    pub(super) greatest: u128,
}

/// Words of a batch, and which rows have one; all where none is named.
pub(super) type Words<K> = (Vec<K>, Option<BooleanBuffer>);

impl Layout {
    /// The narrowest layout of keys with these extents and equal nulls or not; none where it exceeds 128 bits.
    pub(super) fn new(keys: impl IntoIterator<Item = (Extent, bool)>) -> Option<Self> {
        let mut layout = Layout { fields: Vec::new(), bits: 0, greatest: 0 };
        for (extent, nulls_equal) in keys {
            let plus = u64::from(nulls_equal);
            let greatest = extent.greatest(plus)?;
            let bits = u128::BITS - greatest.leading_zeros();
            if layout.bits + bits > u128::BITS {
                return None;
            }
            layout.fields.push(Field { extent, shift: layout.bits, bits, plus });
            if bits > 0 {
                layout.greatest |= greatest << layout.bits;
            }
            layout.bits += bits;
        }
        Some(layout)
    }

    /// Key number `key`, which there is.
    pub(super) fn field(&self, key: usize) -> Field {
        self.fields[key]
    }

    /// Words of `rows` rows. Rows that are not among the second have a null key or one that no build row has.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where a dictionary's code has no value.
    pub(super) fn words<K: Word>(&self, columns: &[LaneColumn], rows: usize) -> Result<Words<K>> {
        let mut words = vec![K::default(); rows];
        let mut live = None;
        for (field, column) in self.fields.iter().zip(columns) {
            let inside = field.add(&mut words, column)?;
            live = and(live, inside);
            if field.plus == 0 {
                live = and(live, column.nulls.as_ref().map(|nulls| nulls.inner().clone()));
            }
        }
        Ok((words, live))
    }
}

pub(super) fn and(a: Option<BooleanBuffer>, b: Option<BooleanBuffer>) -> Option<BooleanBuffer> {
    match (a, b) {
        (Some(a), Some(b)) => Some(&a & &b),
        (a, b) => a.or(b),
    }
}

impl Field {
    /// The key's own code in a word.
    pub(super) fn code(&self, word: u128) -> u128 {
        match self.bits {
            0 => 0,
            bits => word >> self.shift & u128::MAX >> (u128::BITS - bits),
        }
    }

    /// True where null is a key like others.
    pub(super) fn nulls_have_place(&self) -> bool {
        self.plus > 0
    }

    /// Adds the field to each word; tells which rows have a place in it, where not all do.
    fn add<K: Word>(&self, words: &mut [K], column: &LaneColumn) -> Result<Option<BooleanBuffer>> {
        let (base, range) = match self.extent {
            Extent::Integers { low, high } => (low, Some((low, high))),
            _ => (i128::from(i64::MIN), None),
        };
        if self.extent == Extent::Nothing {
            // Only a null has a place here, and its code is 0.
            return Ok(Some(BooleanBuffer::collect_bool(words.len(), |row| self.is_null(column, row))));
        }
        let covered =
            |range: (i128, i128)| column.range().is_none_or(|(low, high)| range.0 <= low && high <= range.1);
        match &column.lanes {
            Lanes::I32(values) => {
                self.lanes(words, column, |row| K::distance(values[row].into(), base));
                let Some(range) = range.filter(|&range| !covered(range)) else { return Ok(None) };
                Ok(Some(self.inside(column, |row| within(values[row].into(), range))))
            }
            Lanes::I64(values) => {
                self.lanes(words, column, |row| K::distance(values[row], base));
                let Some(range) = range.filter(|&range| !covered(range)) else { return Ok(None) };
                Ok(Some(self.inside(column, |row| within(values[row].into(), range))))
            }
            Lanes::I128(values) => {
                self.lanes(words, column, |row| K::wide_distance(values[row], base));
                let Some(range) = range.filter(|&range| !covered(range)) else { return Ok(None) };
                Ok(Some(self.inside(column, |row| within(values[row], range))))
            }
            Lanes::I256(values) => {
                let narrow = |row: usize| values[row].to_i128();
                self.lanes(words, column, |row| K::wide_distance(narrow(row).unwrap_or(base), base));
                let inside = |row| narrow(row).is_some_and(|v| range.is_some_and(|range| within(v, range)));
                Ok(Some(self.inside(column, inside)))
            }
            Lanes::F64(values) => {
                self.lanes(words, column, |row| K::distance(float::to_ordered(values[row]), base));
                Ok(None)
            }
            Lanes::Codes { codes, values } => self.codes(words, column, codes, values),
            Lanes::Bytes(array) => with_bytes!(array, |get| {
                self.lanes(words, column, |row| self.of_bytes(get(row)));
                Ok(Some(self.inside(column, |row| self.fits(get(row)))))
            }),
        }
    }

    fn is_null(&self, column: &LaneColumn, row: usize) -> bool {
        self.plus > 0 && column.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Rows with a place in the field: nulls that count, and values that do.
    fn inside(&self, column: &LaneColumn, test: impl Fn(usize) -> bool) -> BooleanBuffer {
        match &column.nulls {
            None => BooleanBuffer::collect_bool(column.rows, test),
            // What lies under a null is not looked at; one that does not count is left out by the caller.
            Some(nulls) => BooleanBuffer::collect_bool(column.rows, |row| nulls.is_null(row) || test(row)),
        }
    }

    #[inline(always)]
    fn lanes<K: Word>(&self, words: &mut [K], column: &LaneColumn, code: impl Fn(usize) -> K) {
        let (plus, shift) = (self.plus, self.shift);
        if self.bits == 0 {
            return;
        }
        match column.nulls.as_ref() {
            None => {
                for (row, word) in words.iter_mut().enumerate() {
                    *word = word.or(code(row).placed(plus, shift));
                }
            }
            Some(nulls) => {
                for row in nulls.valid_indices() {
                    words[row] = words[row].or(code(row).placed(plus, shift));
                }
            }
        }
    }

    fn longest(&self) -> usize {
        match self.extent {
            Extent::Bytes { longest } => longest,
            _ => 0,
        }
    }

    fn fits(&self, bytes: &[u8]) -> bool {
        bytes.len() <= self.longest()
    }

    /// Bytes, and their number above them; 0 for too long ones, which are left out.
    #[inline(always)]
    fn of_bytes<K: Word>(&self, bytes: &[u8]) -> K {
        if !self.fits(bytes) {
            return K::default();
        }
        let length = K::distance(bytes.len() as i64, 0);
        K::of_bytes(bytes).or(match self.longest() {
            0 => length,
            longest => length.placed(0, 8 * longest as u32),
        })
    }

    /// A dictionary: its values once, then a look-up per row.
    fn codes<K: Word>(
        &self,
        words: &mut [K],
        column: &LaneColumn,
        codes: &[i32],
        values: &ArrayRef,
    ) -> Result<Option<BooleanBuffer>> {
        let known: Vec<(K, bool)> = with_bytes!(values, |get| {
            let known = |at: usize| match values.is_valid(at) {
                true => (self.of_bytes(get(at)), self.fits(get(at))),
                false => (K::default(), false),
            };
            (0..values.len()).map(known).collect()
        });
        check_codes(column, codes, known.len())?;
        let entry = |row: usize| known.get(codes[row] as usize).copied();
        self.lanes(words, column, |row| entry(row).unwrap_or_default().0);
        if known.iter().all(|(_, fits)| *fits) {
            return Ok(None);
        }
        Ok(Some(self.inside(column, |row| entry(row).is_some_and(|(_, fits)| fits))))
    }
}

/// Refuses a dictionary of `values` values that a valid row's code points outside of.
pub(super) fn check_codes(column: &LaneColumn, codes: &[i32], values: usize) -> Result<()> {
    match range_of(codes, column.nulls.as_ref()) {
        Some((low, high)) if low < 0 || high as usize >= values => {
            let code = if low < 0 { low } else { high };
            Err(Error::invalid(format!("code {code} of a dictionary of {values} values")))
        }
        _ => Ok(()),
    }
}

fn within(value: i128, (low, high): (i128, i128)) -> bool {
    low <= value && value <= high
}
