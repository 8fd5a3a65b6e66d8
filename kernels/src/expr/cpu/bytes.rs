//! Strings and binaries: predicates over plain columns row by row, over dictionaries once per value.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::DataType;

use crate::error::{Error, Result};
use crate::expr::like::LikePattern;
use crate::simd::lanes;

use super::vector::{Values, Vector};

/// Runs `$body` with `$get` as a function from a row to its bytes.
macro_rules! with_bytes {
    ($array:expr, $get:ident => $body:expr) => {{
        let array: &dyn arrow::array::Array = $array;
        macro_rules! run {
            ($typed:expr, $bytes:expr) => {{
                let typed = $typed;
                let bytes = $bytes;
                let $get = move |row: usize| bytes(typed.value(row));
                Ok($body)
            }};
        }
        fn text(value: &str) -> &[u8] {
            value.as_bytes()
        }
        fn same(value: &[u8]) -> &[u8] {
            value
        }
        match array.data_type() {
            DataType::Utf8 => run!(array.as_string::<i32>(), text),
            DataType::LargeUtf8 => run!(array.as_string::<i64>(), text),
            DataType::Utf8View => run!(array.as_string_view(), text),
            DataType::Binary => run!(array.as_binary::<i32>(), same),
            DataType::LargeBinary => run!(array.as_binary::<i64>(), same),
            DataType::BinaryView => run!(array.as_binary_view(), same),
            DataType::FixedSizeBinary(_) => run!(array.as_fixed_size_binary(), same),
            other => Err(Error::invalid(format!("{other} is neither text nor binary"))),
        }
    }};
}

/// One bit per row that is not null.
fn test_rows(rows: usize, nulls: Option<&NullBuffer>, test: impl Fn(usize) -> bool) -> BooleanBuffer {
    match nulls {
        None => BooleanBuffer::collect_bool(rows, test),
        Some(nulls) => BooleanBuffer::collect_bool(rows, |row| nulls.is_valid(row) && test(row)),
    }
}

/// `predicate` of every value that is not null. A dictionary is tested value by value, unless it has more values than there
/// are rows.
pub(crate) fn test(input: &Vector, predicate: impl Fn(&[u8]) -> bool) -> Result<Vector> {
    let nulls = input.nulls();
    let bits = match input.values() {
        Values::Bytes(array) => {
            with_bytes!(array, get => test_rows(array.len(), nulls, |row| predicate(get(row))))?
        }
        Values::Dictionary { codes, values } if values.len() <= codes.len() => {
            let table: Vec<bool> = {
                let valid = values.logical_nulls();
                let is_valid = |row| valid.as_ref().is_none_or(|valid| valid.is_valid(row));
                with_bytes!(values, get =>
                    (0..values.len()).map(|row| is_valid(row) && predicate(get(row))).collect())?
            };
            // Codes under nulls may point anywhere.
            test_codes(codes, &table)
        }
        Values::Dictionary { codes, values } => with_bytes!(values, get =>
            test_rows(codes.len(), nulls, |row| predicate(get(codes[row] as usize))))?,
        Values::Other(array) if array.data_type().is_null() => {
            let none = BooleanBuffer::new_unset(array.len());
            return Ok(Vector::boolean(none.clone(), Some(NullBuffer::new(none))));
        }
        _ => return Err(Error::invalid("text or binary was expected")),
    };
    Ok(Vector::boolean(bits, nulls.cloned()))
}

/// One table look-up per row. A table of 64 values or less is one word, and the look-up a shift that vectorises. Codes
/// outside the table lie under nulls.
fn test_codes(codes: &[i32], table: &[bool]) -> BooleanBuffer {
    if table.len() <= 64 {
        let word = table.iter().enumerate().fold(0u64, |word, (code, &hit)| word | u64::from(hit) << code);
        let hit = |code: i32| (word >> (code as u32 & 63)) & 1 == 1;
        return lanes::bitmap(lanes::test(codes, hit), codes.len());
    }
    let hit = |code: i32| table.get(code as usize).copied().unwrap_or(false);
    lanes::bitmap(lanes::test(codes, hit), codes.len())
}

/// `input [NOT] LIKE pattern`.
pub(crate) fn like(input: &Vector, pattern: &LikePattern, negated: bool) -> Result<Vector> {
    let matcher = pattern.matcher();
    test(input, |bytes| std::str::from_utf8(bytes).is_ok_and(|text| matcher.matches(text)) != negated)
}

/// `predicate` of every pair of values of which neither is null.
pub(crate) fn test_pairs(
    left: &Vector,
    right: &Vector,
    nulls: Option<&NullBuffer>,
    predicate: impl Fn(&[u8], &[u8]) -> bool,
) -> Result<BooleanBuffer> {
    let (left_rows, right_rows) = (bytes_of(left)?, bytes_of(right)?);
    let (l, r) = (getter(left_rows.0)?, getter(right_rows.0)?);
    let row_of = |codes: Option<&[i32]>, row: usize| codes.map_or(row, |codes| codes[row] as usize);
    Ok(test_rows(left.len(), nulls, |row| {
        predicate(l(row_of(left_rows.1, row)), r(row_of(right_rows.1, row)))
    }))
}

fn bytes_of(vector: &Vector) -> Result<(&ArrayRef, Option<&[i32]>)> {
    match vector.values() {
        Values::Bytes(array) => Ok((array, None)),
        Values::Dictionary { codes, values } => Ok((values, Some(codes))),
        _ => Err(Error::invalid("text or binary was expected")),
    }
}

type Getter<'a> = Box<dyn Fn(usize) -> &'a [u8] + 'a>;

/// A row's bytes by a call through a pointer: two columns of any layouts compare with one loop.
fn getter(array: &ArrayRef) -> Result<Getter<'_>> {
    with_bytes!(array, get => Box::new(get) as Getter<'_>)
}
