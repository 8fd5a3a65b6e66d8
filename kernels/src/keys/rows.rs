//! Sort keys as bytes that compare across batches.
//!
//! ```text
//! row:     [key 0] [key 1] ...            compared as bytes, the shorter first where it is a prefix
//! key:     [null byte, where nulls are allowed] [value, where there is one]
//! number:  big-endian, sign flipped, as wide as its logical type: 4, 8, 16 or 32 bytes
//! bytes:   each as it is, 0 as 00 FF; then 00 00
//! descending: the value's bytes complemented; the null byte alone decides where nulls go
//! ```
//! [`super::order_words`] takes fewer bits, by the ranges of its batch, and so does not compare between batches: it is for
//! sorting, this is for merging what was sorted apart. Bytes per row: 4 to 16 and the null byte for each key that is a
//! number, its length and two for each string. (Idea: the memory-comparable formats of FoundationDB's tuples and arrow-row.)

use arrow::array::{Array, ArrayRef, LargeBinaryArray};
use arrow::buffer::{Buffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, i256};

use super::float;
use super::lanes::{LaneColumn, Lanes, with_bytes};
use crate::error::{Error, Result};
use crate::expr::value_type;
use crate::sort::SortKey;

/// Keys of a batch, one byte string per row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowKeys {
    bytes: Vec<u8>,
    /// Where each row ends.
    ends: Vec<usize>,
}

impl RowKeys {
    /// Rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.ends.len()
    }

    /// The key of a row.
    #[inline]
    #[must_use]
    pub fn row(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.bytes[start..self.ends[row]]
    }

    /// One byte string per row.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where there are more bytes than offsets count.
    pub(crate) fn into_array(self) -> Result<LargeBinaryArray> {
        let ends = self.ends.iter().map(|&end| end as i64);
        let offsets = OffsetBuffer::new(std::iter::once(0).chain(ends).collect());
        Ok(LargeBinaryArray::try_new(offsets, Buffer::from_vec(self.bytes), None)?)
    }

    /// Bytes of memory.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        (self.bytes.capacity() + self.ends.capacity() * size_of::<usize>()) as u64
    }
}

/// How sort keys of columns of certain logical types are written. Keys that one encoder wrote compare, whatever batch they
/// are of and however its columns are stored (decimals narrower, strings as dictionaries).
#[derive(Debug, Clone)]
pub struct RowKeyEncoder {
    keys: Vec<Key>,
}

#[derive(Debug, Clone, Copy)]
struct Key {
    key: SortKey,
    nullable: bool,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Integers of so many bytes.
    Signed(usize),
    /// `UInt64`.
    Unsigned,
    Float,
    Bytes,
    /// Every row is null.
    Null,
}

impl RowKeyEncoder {
    /// An encoder for `keys` over columns of these fields.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where a key names no field; [`Error::Unsupported`] for nested key types.
    pub fn new<'a>(fields: impl IntoIterator<Item = &'a Field>, keys: &[SortKey]) -> Result<Self> {
        let fields: Vec<&Field> = fields.into_iter().collect();
        let key = |&key: &SortKey| {
            let field = fields.get(key.column);
            let field = field.ok_or_else(|| Error::invalid(format!("sort key on column {}", key.column)))?;
            Ok(Key { key, nullable: field.is_nullable(), form: Form::of(field.data_type())? })
        };
        Ok(Self { keys: keys.iter().map(key).collect::<Result<_>>()? })
    }

    /// The keys of a batch of `rows` rows.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where a column is missing, of another length or logical type, has nulls against its field,
    /// or a decimal beyond its precision.
    pub fn encode(&self, columns: &[ArrayRef], rows: usize) -> Result<RowKeys> {
        let lanes = self.keys.iter().map(|key| {
            let column = columns.get(key.key.column);
            LaneColumn::from_array(column.ok_or_else(|| Error::invalid("a sort key's column is not there"))?)
        });
        let lanes = lanes.collect::<Result<Vec<_>>>()?;
        self.encode_lanes(lanes.iter(), rows)
    }

    /// The keys of `rows` rows of one column per key.
    ///
    /// # Errors
    /// Those of [`RowKeyEncoder::encode`].
    pub(crate) fn encode_lanes<'a>(
        &self,
        lanes: impl ExactSizeIterator<Item = &'a LaneColumn> + Clone,
        rows: usize,
    ) -> Result<RowKeys> {
        if lanes.len() != self.keys.len() || lanes.clone().any(|column| column.rows != rows) {
            return Err(Error::invalid("a sort key's column is not there"));
        }
        let mut sizes = vec![0; rows];
        for (key, column) in self.keys.iter().zip(lanes.clone()) {
            if !key.nullable && column.nulls.is_some() {
                return Err(Error::invalid("nulls in a column that has none by its field"));
            }
            key.measure(column, &mut sizes)?;
        }
        let mut next = Vec::with_capacity(rows);
        let mut total = 0;
        for size in sizes {
            next.push(total);
            total += size;
        }
        let mut bytes = vec![0; total];
        for (key, column) in self.keys.iter().zip(lanes) {
            key.write(column, &mut bytes, &mut next)?;
        }
        Ok(RowKeys { bytes, ends: next })
    }
}

impl Form {
    fn of(data_type: &DataType) -> Result<Self> {
        use DataType as D;
        Ok(match value_type(data_type) {
            D::Null => Form::Null,
            // However they are stored, the precision says what they need.
            D::Decimal32(precision, _)
            | D::Decimal64(precision, _)
            | D::Decimal128(precision, _)
            | D::Decimal256(precision, _) => Form::Signed(match precision {
                0..=18 => 8,
                19..=38 => 16,
                _ => 32,
            }),
            D::UInt64 => Form::Unsigned,
            D::Float16 | D::Float32 | D::Float64 => Form::Float,
            plain if super::lanes::is_bytes(plain) => Form::Bytes,
            D::UInt32 => Form::Signed(8),
            D::Boolean => Form::Signed(4),
            plain if plain.is_nested() => return Err(unsupported(plain)),
            plain => match plain.primitive_width() {
                Some(width @ (1 | 2 | 4)) => Form::Signed(width.max(4)),
                Some(8) => Form::Signed(8),
                _ => return Err(unsupported(plain)),
            },
        })
    }
}

fn unsupported(data_type: &DataType) -> Error {
    Error::unsupported(format!("{data_type} as a sort key"), crate::error::Backend::Cpu)
}

impl Key {
    /// Adds each row's bytes of this key.
    fn measure(&self, column: &LaneColumn, sizes: &mut [usize]) -> Result<()> {
        let marker = usize::from(self.nullable);
        let valid = |row: usize| column.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        let fixed = match self.form {
            Form::Signed(width) => width,
            Form::Unsigned | Form::Float => 8,
            Form::Null | Form::Bytes => 0,
        };
        let escaped = |bytes: &[u8]| bytes.len() + bytes.iter().filter(|&&byte| byte == 0).count() + 2;
        match &column.lanes {
            Lanes::Bytes(array) if self.form == Form::Bytes => with_bytes!(array, |get| {
                let size = |row: usize| marker + if valid(row) { escaped(get(row)) } else { 0 };
                sizes.iter_mut().enumerate().for_each(|(row, total)| *total += size(row));
            }),
            Lanes::Codes { codes, values } if self.form == Form::Bytes => {
                let of_value: Vec<usize> = with_bytes!(values, |get| {
                    let known = |at: usize| if values.is_valid(at) { escaped(get(at)) } else { 0 };
                    (0..values.len()).map(known).collect()
                });
                let size = |row: usize| marker + if valid(row) { of_value[codes[row] as usize] } else { 0 };
                sizes.iter_mut().enumerate().for_each(|(row, total)| *total += size(row));
            }
            _ if self.form == Form::Bytes => return Err(mismatch()),
            _ => {
                let size = |row: usize| marker + if valid(row) { fixed } else { 0 };
                sizes.iter_mut().enumerate().for_each(|(row, total)| *total += size(row));
            }
        }
        Ok(())
    }

    /// Writes the key of each row at `next[row]`, which moves on.
    fn write(&self, column: &LaneColumn, out: &mut [u8], next: &mut [usize]) -> Result<()> {
        if self.nullable {
            for (row, next) in next.iter_mut().enumerate() {
                let valid = column.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
                out[*next] = u8::from(valid == self.key.nulls_first);
                *next += 1;
            }
        }
        let mut writing = Writing { nulls: column.nulls.as_ref(), flip: self.key.descending, out, next };
        match (self.form, &column.lanes) {
            (Form::Null, _) => Ok(()),
            (Form::Signed(4), Lanes::I32(values)) => {
                writing.fixed(|row| Ok((values[row] as u32 ^ 1 << 31).to_be_bytes()))
            }
            (Form::Signed(8), Lanes::I32(values)) => writing.fixed(|row| Ok(word(values[row].into()))),
            (Form::Signed(8), Lanes::I64(values)) => writing.fixed(|row| Ok(word(values[row]))),
            (Form::Signed(width), Lanes::I32(values)) => writing.wide(width, |row| Some(values[row].into())),
            (Form::Signed(width), Lanes::I64(values)) => writing.wide(width, |row| Some(values[row].into())),
            (Form::Signed(width), Lanes::I128(values)) => writing.wide(width, |row| Some(values[row])),
            (Form::Signed(32), Lanes::I256(values)) => writing.fixed(|row| Ok(huge(values[row]))),
            (Form::Signed(width), Lanes::I256(values)) => writing.wide(width, |row| values[row].to_i128()),
            (Form::Unsigned, Lanes::I64(values)) => {
                writing.fixed(|row| Ok((values[row] as u64).to_be_bytes()))
            }
            (Form::Unsigned, Lanes::I128(values)) => {
                writing.fixed(|row| Ok((values[row] as u64).to_be_bytes()))
            }
            (Form::Float, Lanes::F64(values)) => {
                writing.fixed(|row| Ok(word(float::to_ordered(values[row]))))
            }
            (Form::Bytes, Lanes::Bytes(array)) => {
                with_bytes!(array, |get| writing.escaped(get));
                Ok(())
            }
            (Form::Bytes, Lanes::Codes { codes, values }) => {
                with_bytes!(values, |get| writing.escaped(|row| get(codes[row] as usize)));
                Ok(())
            }
            _ => Err(mismatch()),
        }
    }
}

/// A key on its way into the rows.
struct Writing<'a> {
    nulls: Option<&'a arrow::buffer::NullBuffer>,
    flip: bool,
    out: &'a mut [u8],
    next: &'a mut [usize],
}

impl Writing<'_> {
    fn is_valid(&self, row: usize) -> bool {
        self.nulls.is_none_or(|nulls| nulls.is_valid(row))
    }

    fn fixed<const WIDTH: usize>(&mut self, value: impl Fn(usize) -> Result<[u8; WIDTH]>) -> Result<()> {
        let flip = if self.flip { u8::MAX } else { 0 };
        for row in 0..self.next.len() {
            if self.is_valid(row) {
                let at = self.next[row];
                self.out[at..at + WIDTH].copy_from_slice(&value(row)?.map(|byte| byte ^ flip));
                self.next[row] = at + WIDTH;
            }
        }
        Ok(())
    }

    /// Numbers of `width` bytes, 8, 16 or 32.
    fn wide(&mut self, width: usize, value: impl Fn(usize) -> Option<i128>) -> Result<()> {
        let beyond = || Error::invalid("a decimal beyond its precision");
        match width {
            8 => self.fixed(|row| {
                let narrow = value(row).and_then(|value| i64::try_from(value).ok());
                narrow.map(word).ok_or_else(beyond)
            }),
            16 => self.fixed(|row| value(row).map(words).ok_or_else(beyond)),
            _ => self.fixed(|row| value(row).map(|value| huge(i256::from_i128(value))).ok_or_else(beyond)),
        }
    }

    fn escaped<'b>(&mut self, value: impl Fn(usize) -> &'b [u8]) {
        let flip = if self.flip { u8::MAX } else { 0 };
        for row in 0..self.next.len() {
            if !self.is_valid(row) {
                continue;
            }
            let mut at = self.next[row];
            let mut put = |byte: u8| {
                self.out[at] = byte ^ flip;
                at += 1;
            };
            for &byte in value(row) {
                put(byte);
                if byte == 0 {
                    put(u8::MAX);
                }
            }
            put(0);
            put(0);
            self.next[row] = at;
        }
    }
}

fn word(value: i64) -> [u8; 8] {
    (value as u64 ^ 1 << 63).to_be_bytes()
}

fn words(value: i128) -> [u8; 16] {
    (value as u128 ^ 1 << 127).to_be_bytes()
}

fn huge(value: i256) -> [u8; 32] {
    let mut bytes = value.to_be_bytes();
    bytes[0] ^= 1 << 7;
    bytes
}

fn mismatch() -> Error {
    Error::invalid("a sort key's column is not of its field's type")
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
