//! The loops of a batch: normalised keys, column by column, then their numbers.

use arrow::buffer::BooleanBuffer;

use super::field::Field;
use crate::error::Result;
use crate::keys::equality::{CodeColumn, CodeList, Codes};
use crate::keys::table::{KeyWord, PackedTable, WordTable, next_number};
use crate::memory::Grant;

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

pub(super) fn direct(
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

pub(super) fn packed<K: KeyWord>(
    table: &mut PackedTable<K>,
    codes: &[CodeColumn],
    fields: &[Field],
    active: Option<&BooleanBuffer>,
    numbers: &mut [u32],
    grant: &mut Grant,
) -> Result<()> {
    let keys: Vec<K> = normalise(codes, fields, numbers.len());
    match active {
        None => table.number_all(&keys, numbers, grant),
        Some(active) => active.set_indices().try_for_each(|row| {
            numbers[row] = table.number(keys[row], grant)?;
            Ok(())
        }),
    }
}

pub(super) fn words(
    table: &mut WordTable,
    codes: &[CodeColumn],
    active: Option<&BooleanBuffer>,
    numbers: &mut [u32],
    grant: &mut Grant,
) -> Result<()> {
    let mut key = vec![0; codes.len() + codes.len().div_ceil(64)];
    let mut look = |row: usize, number: &mut u32| {
        row_words(codes, row, &mut key);
        *number = table.number(&key, grant)?;
        Ok(())
    };
    match active {
        None => numbers.iter_mut().enumerate().try_for_each(|(row, number)| look(row, number)),
        Some(active) => active.set_indices().try_for_each(|row| look(row, &mut numbers[row])),
    }
}

/// One word per key and the validity of all of them.
fn row_words(codes: &[CodeColumn], row: usize, key: &mut [u64]) {
    key.fill(0);
    for (at, column) in codes.iter().enumerate() {
        if column.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
            key[at] = column.code(row) as u64;
            key[codes.len() + at / 64] |= 1 << (at % 64);
        }
    }
}

/// Numbers of known keys. Rows with codes that have no place in their fields get any number.
pub(super) fn find_direct(map: &[u32], codes: &[CodeColumn], fields: &[Field], numbers: &mut [u32]) {
    let keys: Vec<u64> = normalise(codes, fields, numbers.len());
    let mask = map.len() - 1;
    for (number, key) in numbers.iter_mut().zip(keys) {
        *number = map[key as usize & mask];
    }
}

/// As [`find_direct`].
pub(super) fn find_packed<K: KeyWord>(
    table: &PackedTable<K>,
    codes: &[CodeColumn],
    fields: &[Field],
    numbers: &mut [u32],
) {
    let keys: Vec<K> = normalise(codes, fields, numbers.len());
    table.find_all(&keys, numbers);
}

pub(super) fn find_words(table: &WordTable, codes: &[CodeColumn], numbers: &mut [u32]) {
    let mut key = vec![0; codes.len() + codes.len().div_ceil(64)];
    for (row, number) in numbers.iter_mut().enumerate() {
        row_words(codes, row, &mut key);
        *number = table.find(&key);
    }
}

/// Number 0 for rows with a code that has no place in its field: no key that is known has it.
pub(super) fn drop_outside(codes: &[CodeColumn], fields: &[Field], numbers: &mut [u32]) {
    for (column, field) in codes.iter().zip(fields) {
        if field.covers(column.range) {
            continue;
        }
        for (row, number) in numbers.iter_mut().enumerate() {
            let valid = column.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            if valid && !field.holds(column.code(row)) {
                *number = 0;
            }
        }
    }
}

/// The codes of one field of normalised keys.
pub(super) fn codes<K: KeyWord>(keys: &[K], field: Field, shift: u32) -> CodeList {
    if field.bits == 0 {
        return CodeList::nulls(keys.len());
    }
    let codes = keys.iter().map(|key| field.code(key.extract(shift, field.bits))).collect();
    CodeList::new(codes, keys.iter().map(|key| !key.is_null(shift, field.bits)))
}
