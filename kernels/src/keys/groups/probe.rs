//! The loops of a batch: normalised keys, column by column, then their numbers; block by block, so that keys stay in the first
//! cache level, as do the slots' lines that they are looked up in.

use arrow::buffer::BooleanBuffer;

use super::field::Field;
use crate::error::Result;
use crate::keys::equality::{CodeColumn, CodeList, Codes};
use crate::keys::table::{KeyWord, PackedTable, WordTable, next_number};
use crate::memory::Grant;

/// Rows of a block.
const BLOCK: usize = 256;

/// Calls `each` with the normalised keys of every block of rows, the row that it begins with and its numbers.
fn each_block<K: KeyWord>(
    codes: &[CodeColumn],
    fields: &[Field],
    numbers: &mut [u32],
    mut each: impl FnMut(&[K], usize, &mut [u32]) -> Result<()>,
) -> Result<()> {
    let mut keys = [K::default(); BLOCK];
    for (block, numbers) in numbers.chunks_mut(BLOCK).enumerate() {
        let keys = &mut keys[..numbers.len()];
        normalise(keys, codes, fields, block * BLOCK);
        each(keys, block * BLOCK, numbers)?;
    }
    Ok(())
}

/// Normalised keys of the rows from `first` on, column by column.
fn normalise<K: KeyWord>(keys: &mut [K], codes: &[CodeColumn], fields: &[Field], first: usize) {
    keys.fill(K::default());
    let mut shift = 0;
    for (column, field) in codes.iter().zip(fields) {
        if field.bits > 0 {
            add_field(keys, column, first, field.base, shift);
        }
        shift += field.bits;
    }
}

fn add_field<K: KeyWord>(keys: &mut [K], column: &CodeColumn, first: usize, base: i64, shift: u32) {
    let rows = first..first + keys.len();
    let field = |code: i64| K::field(code.wrapping_sub(base) as u64, shift);
    let valid = column.nulls.as_ref().map(|nulls| nulls.inner().slice(first, keys.len()));
    match (&column.codes, valid) {
        (Codes::Narrow(values), None) => add_lanes(keys, &values[rows], base, shift),
        (Codes::Wide(values), None) => add_lanes(keys, &values[rows], base, shift),
        (Codes::Narrow(values), Some(valid)) => {
            let values = &values[rows];
            add_valid(keys, &valid, |row| field(values[row].into()));
        }
        (Codes::Wide(values), Some(valid)) => {
            let values = &values[rows];
            add_valid(keys, &valid, |row| field(values[row]));
        }
        (Codes::Mapped { codes, map }, None) => {
            for (key, &code) in keys.iter_mut().zip(&codes[rows]) {
                *key = key.or(field(map[code as usize].into()));
            }
        }
        (Codes::Mapped { codes, map }, Some(valid)) => {
            let codes = &codes[rows];
            add_valid(keys, &valid, |row| field(map[codes[row] as usize].into()));
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
    let mask = map.len() - 1;
    each_block(codes, fields, numbers, |keys: &[u64], first, numbers| {
        for (at, (&key, number)) in keys.iter().zip(numbers).enumerate() {
            if active.is_some_and(|active| !active.value(first + at)) {
                continue;
            }
            let slot = key as usize & mask;
            *number = map[slot];
            if *number == 0 {
                *number = next_number(known.len())?;
                grant.reserve(known, 1)?;
                known.push(key);
                map[slot] = *number;
            }
        }
        Ok(())
    })
}

pub(super) fn packed<K: KeyWord>(
    table: &mut PackedTable<K>,
    codes: &[CodeColumn],
    fields: &[Field],
    active: Option<&BooleanBuffer>,
    numbers: &mut [u32],
    grant: &mut Grant,
) -> Result<()> {
    each_block(codes, fields, numbers, |keys: &[K], first, numbers| {
        let active = active.map(|active| active.slice(first, keys.len()));
        table.number_all(keys, active.as_ref(), numbers, grant)
    })
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
pub(super) fn find_direct(
    map: &[u32],
    codes: &[CodeColumn],
    fields: &[Field],
    numbers: &mut [u32],
) -> Result<()> {
    let mask = map.len() - 1;
    each_block(codes, fields, numbers, |keys: &[u64], _, numbers| {
        numbers.iter_mut().zip(keys).for_each(|(number, &key)| *number = map[key as usize & mask]);
        Ok(())
    })
}

/// As [`find_direct`].
pub(super) fn find_packed<K: KeyWord>(
    table: &PackedTable<K>,
    codes: &[CodeColumn],
    fields: &[Field],
    numbers: &mut [u32],
) -> Result<()> {
    each_block(codes, fields, numbers, |keys: &[K], _, numbers| {
        table.find_all(keys, numbers);
        Ok(())
    })
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
