//! Dense numbers for the distinct keys of a stream of batches.
//!
//! Each key column becomes codes ([`super::equality`]); a code less the smallest one of its column, plus one, is a field
//! (0 is null), and the fields of a row side by side are its normalised key. How wide that is decides how it is found:
//!
//! | mode | when | cost per row |
//! | --- | --- | --- |
//! | direct | normalised key within [`DIRECT_BITS`], or within [`DENSE_BITS`] and not sparse | one load |
//! | packed 64, packed 128 | that many bits | one probe, key inline |
//! | words | wider | one probe and one look at the key |
//!
//! Fields are as wide as the values seen so far ask for. A batch that exceeds one widens the layout, and perhaps the
//! mode; groups keep their numbers. (After Velox's VectorHasher, with codes in place of value ids.)

use arrow::array::ArrayRef;
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType;

use super::equality::{CodeColumn, Codes, KeyEncoder};
use super::lanes::LaneColumn;
use super::table::{KeyWord, PackedTable, WordTable, next_number};
use crate::error::Result;
use crate::memory::Grant;

/// Normalised keys of up to this many bits index an array: its 256 KiB stay in the second cache level.
pub const DIRECT_BITS: u32 = 16;

/// Up to this many bits where the rows seen so far are at least an eighth of the domain.
pub const DENSE_BITS: u32 = 22;

/// The distinct keys so far and their numbers, which start at 1.
#[derive(Debug)]
pub struct GroupIndex {
    encoder: KeyEncoder,
    fields: Vec<Field>,
    table: Table,
    rows_seen: usize,
}

/// A key column's place in the normalised key: codes `base ..= base + 2^bits - 2`, and null.
#[derive(Debug, Clone, Copy, Default)]
struct Field {
    base: i64,
    bits: u32,
}

#[derive(Debug)]
enum Table {
    Direct { map: Vec<u32>, keys: Vec<u64> },
    Packed64(PackedTable<u64>),
    Packed128(PackedTable<u128>),
    Words(WordTable),
}

impl Field {
    fn covers(&self, range: Option<(i64, i64)>) -> bool {
        range.is_none_or(|(low, high)| {
            self.bits > 0
                && low >= self.base
                && high.abs_diff(self.base) < u64::MAX >> (64 - self.bits.min(64))
                || self.bits == 65
        })
    }

    /// The narrowest field for `range`, or this one widened by at least a bit, the new room where it was missed.
    fn widened(&self, range: Option<(i64, i64)>) -> Self {
        let Some((low, high)) = range else { return *self };
        if self.covers(range) {
            return *self;
        }
        if self.bits == 0 {
            return Self { base: low, bits: field_bits(low, high) };
        }
        let top = i128::from(self.base) + (1i128 << self.bits) - 2;
        let top = top.min(i128::from(i64::MAX)).max(i128::from(high)) as i64;
        let bottom = self.base.min(low);
        let bits = (field_bits(bottom, top) + 1).min(65);
        let room = (1i128 << bits) - 2 - (i128::from(top) - i128::from(bottom));
        let base = if low < self.base { i128::from(bottom) - room } else { i128::from(bottom) };
        Self { base: base.max(i128::from(i64::MIN)) as i64, bits }
    }

    fn code(&self, field: u128) -> Option<i64> {
        (field > 0).then(|| self.base.wrapping_add((field - 1) as i64))
    }
}

/// Bits for every offset of the range and a null.
fn field_bits(low: i64, high: i64) -> u32 {
    let largest = u128::from(high.abs_diff(low)) + 1;
    u128::BITS - largest.leading_zeros()
}

impl GroupIndex {
    /// No groups yet, for keys of these declared types.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn new(types: impl IntoIterator<Item = DataType>) -> Self {
        let encoder = KeyEncoder::new(types);
        let fields = vec![Field::default(); encoder.width()];
        Self { encoder, fields, table: Table::Direct { map: vec![0], keys: Vec::new() }, rows_seen: 0 }
    }

    /// Distinct keys so far.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.table {
            Table::Direct { keys, .. } => keys.len(),
            Table::Packed64(table) => table.keys.len(),
            Table::Packed128(table) => table.keys.len(),
            Table::Words(table) => table.len(),
        }
    }

    /// True where there is no key yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How keys are found at the moment.
    #[must_use]
    pub fn mode_name(&self) -> &'static str {
        match &self.table {
            Table::Direct { .. } => "direct array",
            Table::Packed64(_) => "hash table, 64-bit keys",
            Table::Packed128(_) => "hash table, 128-bit keys",
            Table::Words(_) => "hash table, key words",
        }
    }

    /// Writes each row's group number to `numbers`; 0 where `active` is given and not set.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]; [`crate::Error::InvalidInput`] for columns that contradict themselves.
    pub fn assign(
        &mut self,
        columns: Vec<LaneColumn>,
        rows: usize,
        active: Option<&BooleanBuffer>,
        numbers: &mut Vec<u32>,
        grant: &mut Grant,
    ) -> Result<()> {
        let mut codes = Vec::with_capacity(columns.len());
        for (key, column) in columns.into_iter().enumerate() {
            let column = self.encoder.encode(key, column, grant)?;
            column.check()?;
            codes.push(column);
        }
        self.rows_seen = self.rows_seen.saturating_add(rows);
        self.fit(&codes, grant)?;
        numbers.clear();
        numbers.resize(rows, 0);
        let fields = &self.fields;
        match &mut self.table {
            Table::Direct { map, keys } => direct(map, keys, &codes, fields, active, numbers, grant),
            Table::Packed64(table) => packed(table, &codes, fields, active, numbers, grant),
            Table::Packed128(table) => packed(table, &codes, fields, active, numbers, grant),
            Table::Words(table) => words(table, &codes, active, numbers, grant),
        }
    }

    /// The keys of column number `key`, one per group in order of number, in the declared type.
    ///
    /// # Errors
    /// [`crate::Error::InvalidInput`] where the declared type cannot hold the keys that came in.
    pub fn keys(&self, key: usize) -> Result<ArrayRef> {
        self.encoder.decode(key, &self.codes(key))
    }

    fn codes(&self, key: usize) -> Vec<Option<i64>> {
        let field = self.fields[key];
        let shift = self.fields[..key].iter().map(|field| field.bits).sum();
        match &self.table {
            Table::Direct { keys, .. } => {
                keys.iter().map(|k| field.code(k.extract(shift, field.bits))).collect()
            }
            Table::Packed64(table) => {
                table.keys.iter().map(|k| field.code(k.extract(shift, field.bits))).collect()
            }
            Table::Packed128(table) => {
                table.keys.iter().map(|k| field.code(k.extract(shift, field.bits))).collect()
            }
            Table::Words(table) => (0..table.len())
                .map(|group| {
                    let words = table.key(group);
                    let valid = words[self.fields.len() + key / 64] >> (key % 64) & 1 == 1;
                    valid.then_some(words[key] as i64)
                })
                .collect(),
        }
    }

    /// Widens the layout until it holds the batch.
    fn fit(&mut self, codes: &[CodeColumn], grant: &mut Grant) -> Result<()> {
        if matches!(self.table, Table::Words(_))
            || self.fields.iter().zip(codes).all(|(field, column)| field.covers(column.range))
        {
            return Ok(());
        }
        let old: Vec<Vec<Option<i64>>> = (0..self.fields.len()).map(|key| self.codes(key)).collect();
        let groups = self.len();
        self.fields =
            self.fields.iter().zip(codes).map(|(field, column)| field.widened(column.range)).collect();
        let bits: u32 = self.fields.iter().map(|field| field.bits).sum();
        let fields = &self.fields;
        let rebuilt = match bits {
            _ if bits <= DIRECT_BITS
                || bits <= DENSE_BITS && 1 << bits <= self.rows_seen.saturating_mul(8) =>
            {
                let mut map = Vec::new();
                grant.resize(&mut map, 1 << bits, 0)?;
                let mut keys = Vec::new();
                grant.reserve(&mut keys, groups)?;
                for group in 0..groups {
                    let key: u64 = normalised(fields, &old, group);
                    map[key as usize] = group as u32 + 1;
                    keys.push(key);
                }
                Table::Direct { map, keys }
            }
            0..=64 => Table::Packed64(rebuild(fields, &old, groups, grant)?),
            65..=128 => Table::Packed128(rebuild(fields, &old, groups, grant)?),
            _ => {
                let width = fields.len() + fields.len().div_ceil(64);
                let mut table = WordTable::new(width, grant)?;
                let mut key = vec![0; width];
                for group in 0..groups {
                    key.fill(0);
                    for (at, column) in old.iter().enumerate() {
                        if let Some(code) = column[group] {
                            key[at] = code as u64;
                            key[fields.len() + at / 64] |= 1 << (at % 64);
                        }
                    }
                    table.number(&key, grant)?;
                }
                Table::Words(table)
            }
        };
        std::mem::replace(&mut self.table, rebuilt).release(grant);
        Ok(())
    }
}

impl Table {
    fn release(self, grant: &mut Grant) {
        match self {
            Table::Direct { map, keys } if map.len() > 1 => {
                grant.shrink((map.capacity() * 4 + keys.capacity() * 8) as u64);
            }
            Table::Direct { .. } | Table::Words(_) => {}
            Table::Packed64(table) => table.release(grant),
            Table::Packed128(table) => table.release(grant),
        }
    }
}

fn normalised<K: KeyWord>(fields: &[Field], codes: &[Vec<Option<i64>>], group: usize) -> K {
    let mut key = K::default();
    let mut shift = 0;
    for (field, column) in fields.iter().zip(codes) {
        if let Some(code) = column[group] {
            key = key.or(K::field(code.wrapping_sub(field.base) as u64, shift));
        }
        shift += field.bits;
    }
    key
}

fn rebuild<K: KeyWord>(
    fields: &[Field],
    codes: &[Vec<Option<i64>>],
    groups: usize,
    grant: &mut Grant,
) -> Result<PackedTable<K>> {
    let mut table = PackedTable::new(groups, grant)?;
    for group in 0..groups {
        table.number(normalised(fields, codes, group), grant)?;
    }
    Ok(table)
}

/// Normalised keys of all rows, column by column.
fn normalise<K: KeyWord>(codes: &[CodeColumn], fields: &[Field], rows: usize) -> Vec<K> {
    let mut keys = vec![K::default(); rows];
    let mut shift = 0;
    for (column, field) in codes.iter().zip(fields) {
        if field.bits > 0 {
            add_field(&mut keys, column, field.base, shift);
        }
        shift += field.bits;
    }
    keys
}

fn add_field<K: KeyWord>(keys: &mut [K], column: &CodeColumn, base: i64, shift: u32) {
    match (&column.codes, &column.nulls) {
        (Codes::Narrow(values), None) => add_lanes(keys, values, base, shift),
        (Codes::Wide(values), None) => add_lanes(keys, values, base, shift),
        (Codes::Narrow(values), Some(nulls)) => add_valid(keys, nulls.inner(), |row| {
            K::field(i64::from(values[row]).wrapping_sub(base) as u64, shift)
        }),
        (Codes::Wide(values), Some(nulls)) => {
            add_valid(keys, nulls.inner(), |row| K::field(values[row].wrapping_sub(base) as u64, shift));
        }
        (Codes::Mapped { codes, map }, nulls) => {
            let field = |code: &u32| K::field(i64::from(*code).wrapping_sub(base) as u64, shift);
            let table: Vec<K> = map.iter().map(field).collect();
            match nulls {
                None => keys.iter_mut().zip(codes.iter()).for_each(|(key, &code)| {
                    *key = key.or(table[code as usize]);
                }),
                Some(nulls) => add_valid(keys, nulls.inner(), |row| table[codes[row] as usize]),
            }
        }
    }
}

#[multiversion::multiversion(targets("x86_64+avx512f+avx512dq+avx512bw+avx512vl", "x86_64+avx2"))]
fn add_lanes<K: KeyWord, V: Copy + Into<i64>>(keys: &mut [K], values: &[V], base: i64, shift: u32) {
    for (key, &value) in keys.iter_mut().zip(values) {
        let code: i64 = value.into();
        *key = key.or(K::field(code.wrapping_sub(base) as u64, shift));
    }
}

fn add_valid<K: KeyWord>(keys: &mut [K], valid: &BooleanBuffer, field: impl Fn(usize) -> K) {
    for row in valid.set_indices() {
        keys[row] = keys[row].or(field(row));
    }
}

fn direct(
    map: &mut [u32],
    known: &mut Vec<u64>,
    codes: &[CodeColumn],
    fields: &[Field],
    active: Option<&BooleanBuffer>,
    numbers: &mut [u32],
    grant: &mut Grant,
) -> Result<()> {
    let keys: Vec<u64> = normalise(codes, fields, numbers.len());
    let mask = map.len() - 1;
    let mut look = |row: usize, number: &mut u32| {
        let key = keys[row];
        let slot = key as usize & mask;
        *number = map[slot];
        if *number == 0 {
            *number = next_number(known.len())?;
            grant.reserve(known, 1)?;
            known.push(key);
            map[slot] = *number;
        }
        Ok(())
    };
    match active {
        None => numbers.iter_mut().enumerate().try_for_each(|(row, number)| look(row, number)),
        Some(active) => active.set_indices().try_for_each(|row| look(row, &mut numbers[row])),
    }
}

fn packed<K: KeyWord>(
    table: &mut PackedTable<K>,
    codes: &[CodeColumn],
    fields: &[Field],
    active: Option<&BooleanBuffer>,
    numbers: &mut [u32],
    grant: &mut Grant,
) -> Result<()> {
    let keys: Vec<K> = normalise(codes, fields, numbers.len());
    let mut look = |row: usize, number: &mut u32| {
        *number = table.number(keys[row], grant)?;
        Ok(())
    };
    match active {
        None => numbers.iter_mut().enumerate().try_for_each(|(row, number)| look(row, number)),
        Some(active) => active.set_indices().try_for_each(|row| look(row, &mut numbers[row])),
    }
}

fn words(
    table: &mut WordTable,
    codes: &[CodeColumn],
    active: Option<&BooleanBuffer>,
    numbers: &mut [u32],
    grant: &mut Grant,
) -> Result<()> {
    let mut key = vec![0; codes.len() + codes.len().div_ceil(64)];
    let mut look = |row: usize, number: &mut u32| {
        key.fill(0);
        for (at, column) in codes.iter().enumerate() {
            if column.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
                key[at] = column.code(row) as u64;
                key[codes.len() + at / 64] |= 1 << (at % 64);
            }
        }
        *number = table.number(&key, grant)?;
        Ok(())
    };
    match active {
        None => numbers.iter_mut().enumerate().try_for_each(|(row, number)| look(row, number)),
        Some(active) => active.set_indices().try_for_each(|row| look(row, &mut numbers[row])),
    }
}
