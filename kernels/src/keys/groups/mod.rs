//! Dense numbers for the distinct keys of a stream of batches.
//!
//! Each key column becomes codes ([`super::equality`]); a code less the smallest one of its column, plus one, is a field
//! (0 is null), and the fields of a row side by side are its normalised key. How wide that is decides how it is found:
//!
//! | mode | when | cost per row |
//! | --- | --- | --- |
//! | direct | normalised key within [`DIRECT_BITS`], or within [`DENSE_BITS`] and not sparse: at once, or when enough rows were seen | one load |
//! | packed 64, packed 128 | that many bits | one probe, key inline |
//! | words | wider | one probe and one look at the key |
//!
//! Tables of one partition of a hash-partitioned stream ([`GroupIndex::of_partition`]) are direct only within
//! [`DIRECT_BITS`]: their keys are spread over the whole domain, and a larger array would be touched line by line.
//!
//! Fields are as wide as the values seen so far ask for. A batch that exceeds one widens the layout, and perhaps the
//! mode; groups keep their numbers. (After Velox's VectorHasher, with codes in place of value ids.)

use arrow::array::ArrayRef;
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType;

use super::equality::{CodeColumn, CodeList, KeyEncoder};
use super::lanes::LaneColumn;
use super::table::{KeyWord, PackedTable, WordTable};
use crate::error::Result;
use crate::memory::Grant;

mod field;
mod probe;
#[cfg(test)]
mod tests;

use field::Field;

/// Normalised keys of up to this many bits index an array: its 256 KiB stay in the second cache level.
pub const DIRECT_BITS: u32 = 16;

/// Up to this many bits where the rows seen so far are at least an eighth of the domain.
pub const DENSE_BITS: u32 = 22;

/// Bytes that a hash table holds for each group that is expected, about: slots are 16 or 32 bytes, a quarter to half full.
const SLOT_BYTES: u64 = 64;

/// The distinct keys so far and their numbers, which start at 1.
#[derive(Debug)]
pub struct GroupIndex {
    encoder: KeyEncoder,
    fields: Vec<Field>,
    table: Table,
    rows_seen: usize,
    /// Keys of one partition: how many groups are to be expected.
    partition: Option<usize>,
}

#[derive(Debug)]
enum Table {
    Direct { map: Vec<u32>, keys: Vec<u64> },
    Packed64(PackedTable<u64>),
    Packed128(PackedTable<u128>),
    Words(WordTable),
}

impl GroupIndex {
    /// No groups yet, for keys of these declared types.
    pub fn new(types: impl IntoIterator<Item = DataType>) -> Self {
        let encoder = KeyEncoder::new(types);
        let fields = vec![Field::default(); encoder.width()];
        let table = Table::Direct { map: vec![0], keys: Vec::new() };
        Self { encoder, fields, table, rows_seen: 0, partition: None }
    }

    /// Likewise, for the keys of one partition by hash, about `groups` of them.
    pub fn of_partition(types: impl IntoIterator<Item = DataType>, groups: usize) -> Self {
        Self { partition: Some(groups), ..Self::new(types) }
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

    /// True where an array of at most `slots` holds every key that the columns' ranges allow: look-ups are loads from it, or
    /// will be once enough rows were seen.
    #[must_use]
    pub fn is_dense_within(&self, slots: usize) -> bool {
        let bits = self.bits();
        self.partition.is_none() && bits <= DENSE_BITS && 1 << bits <= slots
    }

    /// Of a normalised key.
    fn bits(&self) -> u32 {
        self.fields.iter().map(|field| field.bits).sum()
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
    /// [`crate::Error::OutOfMemory`]: keys that were numbered before the refusal stay; [`crate::Error::InvalidInput`] for
    /// columns that contradict themselves.
    pub fn assign(
        &mut self,
        columns: Vec<LaneColumn>,
        rows: usize,
        active: Option<&BooleanBuffer>,
        numbers: &mut Vec<u32>,
        grant: &mut Grant,
    ) -> Result<()> {
        let codes = self.encode(columns, |encoder, key, column| encoder.encode(key, column, grant))?;
        self.rows_seen = self.rows_seen.saturating_add(rows);
        self.fit(&codes, grant)?;
        numbers.clear();
        numbers.resize(rows, 0);
        let fields = &self.fields;
        match &mut self.table {
            Table::Direct { map, keys } => probe::direct(map, keys, &codes, fields, active, numbers, grant),
            Table::Packed64(table) => probe::packed(table, &codes, fields, active, numbers, grant),
            Table::Packed128(table) => probe::packed(table, &codes, fields, active, numbers, grant),
            Table::Words(table) => probe::words(table, &codes, active, numbers, grant),
        }
    }

    /// Writes the group numbers of rows whose key is known to `numbers`, 0 for the others. Nothing grows.
    ///
    /// # Errors
    /// [`crate::Error::InvalidInput`] for columns that contradict themselves.
    pub fn find(&mut self, columns: Vec<LaneColumn>, rows: usize, numbers: &mut Vec<u32>) -> Result<()> {
        let codes = self.encode(columns, |encoder, key, column| encoder.encode_known(key, column))?;
        numbers.clear();
        numbers.resize(rows, 0);
        let fields = &self.fields;
        match &self.table {
            Table::Direct { map, .. } => probe::find_direct(map, &codes, fields, numbers)?,
            Table::Packed64(table) => probe::find_packed(table, &codes, fields, numbers)?,
            Table::Packed128(table) => probe::find_packed(table, &codes, fields, numbers)?,
            Table::Words(table) => {
                probe::find_words(table, &codes, numbers);
                return Ok(());
            }
        }
        probe::drop_outside(&codes, fields, numbers);
        Ok(())
    }

    fn encode(
        &mut self,
        columns: Vec<LaneColumn>,
        mut encode: impl FnMut(&mut KeyEncoder, usize, LaneColumn) -> Result<CodeColumn>,
    ) -> Result<Vec<CodeColumn>> {
        let encoder = &mut self.encoder;
        let checked = |(key, column)| {
            let column = encode(encoder, key, column)?;
            column.check()?;
            Ok(column)
        };
        columns.into_iter().enumerate().map(checked).collect()
    }

    /// The keys of column number `key`, one per group in order of number, in the declared type.
    ///
    /// # Errors
    /// [`crate::Error::InvalidInput`] where the declared type cannot hold the keys that came in.
    pub fn keys(&self, key: usize) -> Result<ArrayRef> {
        self.encoder.decode(key, self.codes(key))
    }

    fn codes(&self, key: usize) -> CodeList {
        let field = self.fields[key];
        let shift = self.fields[..key].iter().map(|field| field.bits).sum();
        match &self.table {
            Table::Direct { keys, .. } => probe::codes(keys, field, shift),
            Table::Packed64(table) => probe::codes(&table.keys, field, shift),
            Table::Packed128(table) => probe::codes(&table.keys, field, shift),
            Table::Words(table) => {
                let valid = |words: &[u64]| words[self.fields.len() + key / 64] >> (key % 64) & 1 == 1;
                let groups = || (0..table.len()).map(|group| table.key(group));
                CodeList::new(groups().map(|words| words[key] as i64).collect(), groups().map(valid))
            }
        }
    }

    /// Widens the layout until it holds the batch.
    fn fit(&mut self, codes: &[CodeColumn], grant: &mut Grant) -> Result<()> {
        let covered = self.fields.iter().zip(codes).all(|(field, column)| field.covers(column.range));
        // A table that was made of too few rows to say that keys are dense may turn out to be of dense ones.
        let late = covered && matches!(self.table, Table::Packed64(_)) && self.is_dense(self.bits());
        if matches!(self.table, Table::Words(_)) || covered && !late {
            return Ok(());
        }
        let groups = self.len();
        let fields: Vec<Field> =
            self.fields.iter().zip(codes).map(|(field, column)| field.widened(column.range)).collect();
        let bits: u32 = fields.iter().map(|field| field.bits).sum();
        // What is not needed, but faster, is not taken from what is held for the batch.
        let dense = self.is_dense(bits) && grant.further_ahead(4 << bits).is_ok();
        if late && !dense {
            return Ok(());
        }
        let old: Vec<CodeList> = (0..self.fields.len()).map(|key| self.codes(key)).collect();
        let expected = self.partition.filter(|&expected| expected > groups);
        let expected = expected.filter(|&expected| grant.further_ahead(expected as u64 * SLOT_BYTES).is_ok());
        let expected = expected.unwrap_or(groups);
        let rebuilt = match bits {
            _ if dense => {
                let mut map = Vec::new();
                grant.resize(&mut map, 1 << bits, 0)?;
                let mut keys = Vec::new();
                grant.reserve(&mut keys, groups)?;
                for group in 0..groups {
                    let key: u64 = normalised(&fields, &old, group);
                    map[key as usize] = group as u32 + 1;
                    keys.push(key);
                }
                Table::Direct { map, keys }
            }
            0..=64 => Table::Packed64(rebuild(&fields, &old, groups, expected, grant)?),
            65..=128 => Table::Packed128(rebuild(&fields, &old, groups, expected, grant)?),
            _ => Table::Words(rebuild_words(&old, groups, grant)?),
        };
        self.fields = fields;
        std::mem::replace(&mut self.table, rebuilt).release(grant);
        Ok(())
    }

    fn is_dense(&self, bits: u32) -> bool {
        let dense = || bits <= DENSE_BITS && 1 << bits <= self.rows_seen.saturating_mul(8);
        bits <= DIRECT_BITS || self.partition.is_none() && dense()
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

fn normalised<K: KeyWord>(fields: &[Field], codes: &[CodeList], group: usize) -> K {
    let mut key = K::default();
    let mut shift = 0;
    for (field, column) in fields.iter().zip(codes) {
        if let Some(code) = column.get(group) {
            key = key.or(K::field(code.wrapping_sub(field.base) as u64, shift));
        }
        shift += field.bits;
    }
    key
}

fn rebuild<K: KeyWord>(
    fields: &[Field],
    codes: &[CodeList],
    groups: usize,
    expected: usize,
    grant: &mut Grant,
) -> Result<PackedTable<K>> {
    let mut table = PackedTable::new(expected, grant)?;
    for group in 0..groups {
        table.number(normalised(fields, codes, group), grant)?;
    }
    Ok(table)
}

fn rebuild_words(codes: &[CodeList], groups: usize, grant: &mut Grant) -> Result<WordTable> {
    let width = codes.len() + codes.len().div_ceil(64);
    let mut table = WordTable::new(width, grant)?;
    let mut key = vec![0; width];
    for group in 0..groups {
        key.fill(0);
        for (at, column) in codes.iter().enumerate() {
            if let Some(code) = column.get(group) {
                key[at] = code as u64;
                key[codes.len() + at / 64] |= 1 << (at % 64);
            }
        }
        table.number(&key, grant)?;
    }
    Ok(table)
}
