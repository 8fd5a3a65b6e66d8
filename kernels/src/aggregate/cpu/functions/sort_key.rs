//! The keys of an aggregate's own ORDER BY as byte strings: they compare as the rows do, across batches and partials.
//!
//! ```text
//! per key:  [null or not][value]         the first byte alone says where nulls go
//! integers, times, floats:  8 bytes, sign flipped, big-endian     decimals, UInt64: 16     256-bit decimals: 32
//! strings:  0x00 as 0x00 0xff, then 0x00 0x00, so that a prefix comes first
//! descending: the value's bytes complemented
//! ```
//! [`crate::keys::order_words`] are narrower, but their layout depends on the batch. (Idea: arrow-row.)

use arrow::array::{Array, LargeBinaryArray};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, i256};

use crate::aggregate::OrderKey;
use crate::error::{Backend, Error, Result};
use crate::expr::cpu::Vector;
use crate::expr::value_type;
use crate::keys::float;
use crate::keys::lanes::{LaneColumn, Lanes, with_bytes};

/// The keys of one aggregate.
#[derive(Debug)]
pub(super) struct SortKeys {
    keys: Vec<SortKey>,
}

#[derive(Debug)]
struct SortKey {
    /// Bytes of a value; none for strings.
    width: Option<usize>,
    descending: bool,
    nulls_first: bool,
}

impl SortKeys {
    /// # Errors
    /// [`Error::Unsupported`] for types that have no order.
    pub(super) fn new(order_by: &[OrderKey]) -> Result<Self> {
        let key = |key: &OrderKey| {
            let data_type = key.expr.data_type();
            Ok(SortKey {
                width: width(value_type(&data_type))?,
                descending: key.descending,
                nulls_first: key.nulls_first,
            })
        };
        Ok(Self { keys: order_by.iter().map(key).collect::<Result<_>>()? })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// One byte string per row; none where there are no keys.
    pub(super) fn encode(&self, columns: &[&Vector]) -> Result<Option<LargeBinaryArray>> {
        if self.keys.is_empty() {
            return Ok(None);
        }
        let columns =
            columns.iter().map(|column| LaneColumn::from_vector(column)).collect::<Result<Vec<_>>>()?;
        let rows = columns.first().map_or(0, |column| column.rows);
        let mut bytes = Vec::new();
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        for row in 0..rows {
            for (key, column) in self.keys.iter().zip(&columns) {
                key.write(column, row, &mut bytes)?;
            }
            offsets.push(bytes.len() as i64);
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        Ok(Some(LargeBinaryArray::try_new(offsets, Buffer::from_vec(bytes), None)?))
    }
}

impl SortKey {
    fn write(&self, column: &LaneColumn, row: usize, bytes: &mut Vec<u8>) -> Result<()> {
        let null = column.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
        bytes.push(u8::from(null != self.nulls_first));
        let start = bytes.len();
        if null {
            bytes.resize(start + self.width.unwrap_or(0), 0);
            return Ok(());
        }
        match (self.width, &column.lanes) {
            (Some(width), Lanes::I32(values)) => put(values[row].into(), width, bytes),
            (Some(width), Lanes::I64(values)) => put(values[row].into(), width, bytes),
            (Some(width), Lanes::I128(values)) => put(values[row].into(), width, bytes),
            (Some(width), Lanes::I256(values)) => put(values[row], width, bytes),
            (Some(width), Lanes::F64(values)) => put(float::to_ordered(values[row]).into(), width, bytes),
            (None, Lanes::Bytes(array)) => with_bytes!(array, |get| escape(get(row), bytes)),
            (None, Lanes::Codes { codes, values }) => {
                let code = usize::try_from(codes[row]).ok().filter(|&code| code < values.len());
                let code = code.ok_or_else(|| Error::invalid("a code outside of its dictionary"))?;
                with_bytes!(values, |get| escape(get(code), bytes));
            }
            _ => return Err(Error::invalid("a sort key of another type than declared")),
        }
        if self.descending {
            bytes[start..].iter_mut().for_each(|byte| *byte = !*byte);
        }
        Ok(())
    }
}

fn width(data_type: &DataType) -> Result<Option<usize>> {
    use DataType as D;
    use arrow::datatypes::IntervalUnit;
    Ok(match data_type {
        D::Utf8 | D::LargeUtf8 | D::Utf8View | D::Binary | D::LargeBinary | D::BinaryView => None,
        D::FixedSizeBinary(_) => None,
        D::Decimal32(..) | D::Decimal64(..) | D::Decimal128(..) | D::UInt64 => Some(16),
        D::Decimal256(..) => Some(32),
        D::Interval(unit) if *unit != IntervalUnit::YearMonth => return Err(unordered(data_type)),
        nested if nested.is_nested() => return Err(unordered(nested)),
        _ => Some(8),
    })
}

fn unordered(data_type: &DataType) -> Error {
    Error::unsupported(format!("an aggregate ordered by {data_type}"), Backend::Cpu)
}

/// The low `width` bytes, which hold the value, most significant first and with the sign flipped.
fn put(value: i256, width: usize, bytes: &mut Vec<u8>) {
    let whole = value.to_be_bytes();
    let start = bytes.len();
    bytes.extend_from_slice(&whole[whole.len() - width..]);
    bytes[start] ^= 0x80;
}

fn escape(value: &[u8], bytes: &mut Vec<u8>) {
    for part in value.split_inclusive(|&byte| byte == 0) {
        bytes.extend_from_slice(part);
        if part.ends_with(&[0]) {
            bytes.push(0xff);
        }
    }
    bytes.extend_from_slice(&[0, 0]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(value: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        escape(value, &mut bytes);
        bytes
    }

    #[test]
    fn strings_compare_as_their_bytes() {
        let ascending: [&[u8]; 8] = [b"", b"\0", b"\0\0", b"\0a", b"a", b"a\0", b"a\0\xff", b"a\x01"];
        assert!(ascending.windows(2).all(|pair| key(pair[0]) < key(pair[1])));
    }

    #[test]
    fn integers_compare_as_numbers() {
        let number = |value: i128, width: usize| {
            let mut bytes = Vec::new();
            put(value.into(), width, &mut bytes);
            assert_eq!(bytes.len(), width);
            bytes
        };
        let ascending = [i64::MIN, -1, 0, 1, i64::MAX];
        for width in [8, 16, 32] {
            assert!(
                ascending
                    .windows(2)
                    .all(|pair| number(pair[0].into(), width) < number(pair[1].into(), width))
            );
        }
    }
}
