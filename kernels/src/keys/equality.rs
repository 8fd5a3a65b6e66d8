//! Key columns as integer codes, equal where the keys are equal, the same in every batch.
//!
//! | keys | code |
//! | --- | --- |
//! | booleans, integers, times, decimals within 64 bits | the value (`UInt64`: minus 2^63) |
//! | floats | the integer whose order is the total order: one NaN, one zero |
//! | strings, binaries | number of the value in order of appearance (an interner) |
//! | dictionaries over these | the same number, looked up once per dictionary and not once per row |
//! | decimals beyond 64 bits | number of the value, counted from the smallest code |
//!
//! Codes decode into keys again, in the declared type.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::*;

use super::interner::{Interner, Unseen};
use super::lanes::{LaneColumn, Lanes, is_bytes, range_of};
use super::{decode, float};
use crate::error::{Error, Result};
use crate::expr::value_type;
use crate::memory::Grant;

/// Codes below this one are numbers of interned decimals.
pub(super) const FIRST_DIRECT: i64 = i64::MIN + (1 << 32);

/// Codes of one key column of one batch. What lies under a null is unspecified.
#[derive(Debug, Clone)]
pub struct CodeColumn {
    /// The codes.
    pub codes: Codes,
    /// Validity; none where no row is null.
    pub nulls: Option<NullBuffer>,
    /// Smallest and largest code that a valid row may have; none where there is no valid row.
    pub range: Option<(i64, i64)>,
}

/// The codes of a [`CodeColumn`].
#[derive(Debug, Clone)]
pub enum Codes {
    /// 32-bit lanes are the codes.
    Narrow(ScalarBuffer<i32>),
    /// 64-bit codes.
    Wide(ScalarBuffer<i64>),
    /// `map[codes[row]]`: a dictionary.
    Mapped {
        /// Codes of the batch's dictionary.
        codes: ScalarBuffer<i32>,
        /// Our code of each entry.
        map: Arc<[u32]>,
    },
}

/// Codes of keys to be decoded; 0 under a null.
#[derive(Debug, Clone)]
pub(super) struct CodeList {
    pub(super) codes: Vec<i64>,
    pub(super) nulls: Option<NullBuffer>,
}

impl CodeList {
    pub(super) fn new(mut codes: Vec<i64>, valid: impl ExactSizeIterator<Item = bool>) -> Self {
        let nulls = NullBuffer::from_iter(valid);
        if nulls.null_count() == 0 {
            return Self { codes, nulls: None };
        }
        codes.iter_mut().zip(&nulls).filter(|(_, valid)| !valid).for_each(|(code, _)| *code = 0);
        Self { codes, nulls: Some(nulls) }
    }

    pub(super) fn nulls(len: usize) -> Self {
        Self { codes: vec![0; len], nulls: Some(NullBuffer::new_null(len)) }
    }

    #[inline]
    pub(super) fn get(&self, row: usize) -> Option<i64> {
        self.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)).then(|| self.codes[row])
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Option<i64>> {
        (0..self.codes.len()).map(|row| self.get(row))
    }
}

/// Encodes the columns of a key list, batch after batch, and decodes the codes.
#[derive(Debug)]
pub struct KeyEncoder {
    columns: Vec<ColumnEncoder>,
}

#[derive(Debug)]
pub(super) struct ColumnEncoder {
    pub(super) data_type: DataType,
    /// `UInt64` lanes are moved down by 2^63.
    pub(super) unsigned: bool,
    /// Strings and binaries: every code is a number of the interner.
    bytes: bool,
    pub(super) interner: Interner,
    dictionary: Option<Dictionary>,
}

/// The last dictionary and the codes of its entries. Held, so that its address stays its own.
#[derive(Debug)]
struct Dictionary {
    values: ArrayRef,
    map: Arc<[u32]>,
    /// Values of the interner when the map was made, where new ones were not added.
    known: Option<usize>,
}

impl KeyEncoder {
    /// An encoder of keys of these declared types.
    #[must_use]
    pub fn new(types: impl IntoIterator<Item = DataType>) -> Self {
        let column = |data_type: DataType| ColumnEncoder {
            unsigned: value_type(&data_type) == &DataType::UInt64,
            bytes: is_bytes(value_type(&data_type)),
            data_type,
            interner: Interner::default(),
            dictionary: None,
        };
        Self { columns: types.into_iter().map(column).collect() }
    }

    /// Number of key columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Codes of column number `key`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::InvalidInput`] where a dictionary's code has no value.
    pub fn encode(&mut self, key: usize, column: LaneColumn, grant: &mut Grant) -> Result<CodeColumn> {
        self.columns[key].encode(column, &mut Unseen::Added(grant))
    }

    /// As [`KeyEncoder::encode`], but values without a code get one that no key has.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where a dictionary's code has no value.
    pub(super) fn encode_known(&mut self, key: usize, column: LaneColumn) -> Result<CodeColumn> {
        self.columns[key].encode(column, &mut Unseen::Left)
    }

    /// The keys of column number `key`, one per item of `codes`, in the declared type.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the declared type cannot hold the keys that came in.
    pub(super) fn decode(&self, key: usize, codes: CodeList) -> Result<ArrayRef> {
        decode::decode(&self.columns[key], codes)
    }
}

impl ColumnEncoder {
    fn encode(&mut self, column: LaneColumn, unseen: &mut Unseen) -> Result<CodeColumn> {
        // What an expression measured is not measured again, where values are codes.
        let measured = match &column.lanes {
            Lanes::I32(_) | Lanes::I64(_) if !self.unsigned && !self.is_decimal() => column.range(),
            _ => None,
        };
        let measured =
            measured.and_then(|(low, high)| Some((i64::try_from(low).ok()?, i64::try_from(high).ok()?)));
        let LaneColumn { lanes, nulls, rows, .. } = column;
        if nulls.as_ref().is_some_and(|nulls| nulls.null_count() == nulls.len()) {
            let codes = Codes::Narrow(vec![0; rows].into());
            return Ok(CodeColumn { codes, nulls, range: None });
        }
        let codes = match lanes {
            Lanes::I32(values) if self.unsigned => {
                Codes::Wide(values.iter().map(|&v| rebase(v.into())).collect())
            }
            Lanes::I64(values) if self.unsigned => {
                Codes::Wide(values.iter().map(|&v| rebase(v.into())).collect())
            }
            Lanes::I128(values) if self.unsigned => Codes::Wide(values.iter().map(|&v| rebase(v)).collect()),
            Lanes::I32(values) => Codes::Narrow(values),
            Lanes::I64(values) if self.is_decimal() => self.wide(&values, nulls.as_ref(), unseen)?,
            Lanes::I64(values) => Codes::Wide(values),
            Lanes::I128(values) => self.wide(&values, nulls.as_ref(), unseen)?,
            Lanes::I256(values) => self.wide(&values, nulls.as_ref(), unseen)?,
            Lanes::F64(values) => Codes::Wide(values.iter().map(|&value| float::to_ordered(value)).collect()),
            Lanes::Codes { codes, values } => Codes::Mapped { codes, map: self.map(&values, unseen)? },
            Lanes::Bytes(array) => {
                Codes::Narrow(self.interner.array_codes(&array, nulls.as_ref(), unseen)?)
            }
        };
        let range = match &codes {
            _ if self.bytes => {
                let codes = self.interner.len() + usize::from(matches!(unseen, Unseen::Left));
                (codes > 0).then(|| (0, codes as i64 - 1))
            }
            Codes::Mapped { .. } => {
                return Err(Error::invalid(format!("a dictionary as {}", self.data_type)));
            }
            Codes::Narrow(_) | Codes::Wide(_) if measured.is_some() => measured,
            Codes::Narrow(values) => {
                range_of(values, nulls.as_ref()).map(|(low, high)| (i64::from(low), i64::from(high)))
            }
            Codes::Wide(values) => range_of(values, nulls.as_ref()),
        };
        Ok(CodeColumn { codes, nulls, range })
    }

    fn is_decimal(&self) -> bool {
        use DataType as D;
        matches!(
            value_type(&self.data_type),
            D::Decimal32(..) | D::Decimal64(..) | D::Decimal128(..) | D::Decimal256(..)
        )
    }

    /// Decimals: themselves where they fit, numbers where they do not.
    fn wide<T: Copy + Into<i256>>(
        &mut self,
        values: &[T],
        nulls: Option<&NullBuffer>,
        unseen: &mut Unseen,
    ) -> Result<Codes> {
        let mut codes = Vec::with_capacity(values.len());
        for (row, &value) in values.iter().enumerate() {
            if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                codes.push(0);
                continue;
            }
            let value: i256 = value.into();
            let direct = value.to_i128().and_then(|value| i64::try_from(value).ok());
            codes.push(match direct {
                Some(direct) if direct >= FIRST_DIRECT => direct,
                _ => i64::MIN + i64::from(self.interner.code_or(&value.to_le_bytes(), unseen)?),
            });
        }
        Ok(Codes::Wide(codes.into()))
    }

    /// Our codes of a dictionary's entries; made once while batches share the dictionary.
    fn map(&mut self, values: &ArrayRef, unseen: &mut Unseen) -> Result<Arc<[u32]>> {
        let known = matches!(unseen, Unseen::Left).then(|| self.interner.len());
        if let Some(held) = &self.dictionary
            && (Arc::ptr_eq(&held.values, values) || held.values.to_data().ptr_eq(&values.to_data()))
            && (held.known.is_none() || held.known == known)
        {
            return Ok(Arc::clone(&held.map));
        }
        let nulls = values.nulls().cloned();
        let codes = self.interner.array_codes(values, nulls.as_ref(), unseen)?;
        let map: Arc<[u32]> = codes.iter().map(|&code| code as u32).collect();
        self.dictionary = Some(Dictionary { values: Arc::clone(values), map: Arc::clone(&map), known });
        Ok(map)
    }
}

/// `UInt64` on the signed scale.
fn rebase(value: i128) -> i64 {
    (value as i64) ^ i64::MIN
}

impl CodeColumn {
    /// The code of a row that is not null.
    #[inline]
    pub(super) fn code(&self, row: usize) -> i64 {
        match &self.codes {
            Codes::Narrow(values) => values[row].into(),
            Codes::Wide(values) => values[row],
            Codes::Mapped { codes, map } => map[codes[row] as usize].into(),
        }
    }

    /// Refuses a dictionary whose codes point outside of it: batches are checked once, loops index freely.
    pub(super) fn check(&self) -> Result<()> {
        if let Codes::Mapped { codes, map } = &self.codes
            && let Some((low, high)) = range_of(codes, self.nulls.as_ref())
            && (low < 0 || high as usize >= map.len())
        {
            return Err(Error::invalid(format!("code {high} of a dictionary of {} values", map.len())));
        }
        Ok(())
    }
}
