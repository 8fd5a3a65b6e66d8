//! Values of all groups, to be selected from: appended as they come, sorted into groups once.
//!
//! ```text
//! groups: [group u32] ...      values: [ordinal i64 or i128] ...       12 or 20 bytes a value, no allocation per group
//! ```
//! An ordinal is an integer with the order of its value: integers and times are themselves (`UInt64` moved down by 2^63),
//! floats by [`float::to_ordered`], strings and 256-bit decimals are numbers of an interner, which become ranks among
//! the distinct values at the end.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Decimal128Type, Int64Type, i256};

use crate::aggregate::cpu::functions::lists::by_group;
use crate::error::{Backend, Error, Result};
use crate::expr::value_type;
use crate::keys::interner::Interner;
use crate::keys::lanes::{LaneColumn, Lanes, with_bytes};
use crate::keys::{decode, float};
use crate::memory::Grant;

/// What the values of a type are as ordinals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Float,
    Integer,
    Unsigned,
    /// Decimals within 128 bits.
    Wide,
    /// Decimals beyond.
    Huge,
    Bytes,
}

#[derive(Debug)]
enum Ordinals {
    Narrow(Vec<i64>),
    Wide(Vec<i128>),
}

/// Values that were appended.
#[derive(Debug)]
pub(super) struct GroupedValues {
    class: Class,
    groups: Vec<u32>,
    ordinals: Ordinals,
    interner: Interner,
}

/// Values group after group.
#[derive(Debug)]
pub(super) struct Sorted {
    class: Class,
    /// Where each group begins and, last, where the last one ends.
    pub(super) ends: Vec<usize>,
    ordinals: Ordinals,
    interner: Interner,
    /// Numbers of the interner in order of their values, where ordinals are ranks.
    by_rank: Vec<u32>,
}

/// The class of a type.
///
/// # Errors
/// [`Error::Unsupported`] for types without an order.
pub(super) fn class(data_type: &DataType) -> Result<Class> {
    use DataType as D;
    use arrow::datatypes::IntervalUnit;
    Ok(match value_type(data_type) {
        D::Float16 | D::Float32 | D::Float64 => Class::Float,
        D::UInt64 => Class::Unsigned,
        D::Decimal32(..) | D::Decimal64(..) | D::Decimal128(..) => Class::Wide,
        D::Decimal256(..) => Class::Huge,
        D::Utf8 | D::LargeUtf8 | D::Utf8View | D::Binary | D::LargeBinary | D::BinaryView => Class::Bytes,
        D::FixedSizeBinary(_) => Class::Bytes,
        D::Interval(unit) if *unit != IntervalUnit::YearMonth => return Err(unordered(data_type)),
        nested if nested.is_nested() => return Err(unordered(nested)),
        _ => Class::Integer,
    })
}

fn unordered(data_type: &DataType) -> Error {
    Error::unsupported(format!("percentiles of {data_type}"), Backend::Cpu)
}

impl GroupedValues {
    pub(super) fn new(class: Class) -> Self {
        let ordinals = Ordinals::Narrow(Vec::new());
        Self { class, groups: Vec::new(), ordinals, interner: Interner::default() }
    }

    /// Appends the values that are not null, of rows whose group is not 0.
    pub(super) fn append(
        &mut self,
        column: &LaneColumn,
        group: impl Fn(usize) -> u32,
        grant: &mut Grant,
    ) -> Result<()> {
        let valid = |row: &usize| column.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(*row));
        let rows =
            (0..column.rows).filter(valid).map(|row| (row, group(row))).filter(|(_, group)| *group > 0);
        match (self.class, &column.lanes) {
            (Class::Integer | Class::Wide, Lanes::I32(values)) => rows
                .map(|(row, group)| (group, values[row].into()))
                .try_for_each(|pair| self.push(pair, grant)),
            (Class::Integer | Class::Wide, Lanes::I64(values)) => {
                rows.map(|(row, group)| (group, values[row])).try_for_each(|pair| self.push(pair, grant))
            }
            (Class::Unsigned, Lanes::I32(values)) => rows
                .map(|(row, group)| (group, i64::from(values[row]) ^ i64::MIN))
                .try_for_each(|pair| self.push(pair, grant)),
            (Class::Unsigned, Lanes::I64(values)) => rows
                .map(|(row, group)| (group, values[row] ^ i64::MIN))
                .try_for_each(|pair| self.push(pair, grant)),
            (Class::Unsigned, Lanes::I128(values)) => rows
                .map(|(row, group)| (group, values[row] as i64 ^ i64::MIN))
                .try_for_each(|pair| self.push(pair, grant)),
            (Class::Wide, Lanes::I128(values)) => rows
                .map(|(row, group)| (group, values[row]))
                .try_for_each(|(group, value)| self.push_wide(group, value, grant)),
            (Class::Float, Lanes::F64(values)) => rows
                .map(|(row, group)| (group, float::to_ordered(values[row])))
                .try_for_each(|pair| self.push(pair, grant)),
            (Class::Huge, lanes) => {
                rows.map(|(row, group)| (group, huge(lanes, row))).try_for_each(|(group, value)| {
                    let value =
                        value.ok_or_else(|| Error::invalid("a decimal of another type than declared"))?;
                    self.intern(group, &value, grant)
                })
            }
            (Class::Bytes, Lanes::Bytes(array)) => with_bytes!(array, |get| rows
                .map(|(row, group)| (group, get(row)))
                .try_for_each(|(group, value)| self.intern(group, value, grant))),
            (Class::Bytes, Lanes::Codes { codes, values }) => with_bytes!(values, |get| {
                for (row, group) in rows {
                    let code = usize::try_from(codes[row]).ok().filter(|&code| code < values.len());
                    let code = code.ok_or_else(|| Error::invalid("a code outside of its dictionary"))?;
                    self.intern(group, get(code), grant)?;
                }
                Ok(())
            }),
            // All rows of a column of type Null are null.
            (_, _) if rows.clone().next().is_none() => Ok(()),
            _ => Err(Error::invalid("an operand of another type than declared")),
        }
    }

    #[inline]
    fn push(&mut self, (group, value): (u32, i64), grant: &mut Grant) -> Result<()> {
        if self.groups.len() >= u32::MAX as usize {
            return Err(Error::unsupported("percentiles over more than 2^32 values", Backend::Cpu));
        }
        grant.reserve(&mut self.groups, 1)?;
        match &mut self.ordinals {
            Ordinals::Narrow(values) => {
                grant.reserve(values, 1)?;
                values.push(value);
            }
            Ordinals::Wide(values) => {
                grant.reserve(values, 1)?;
                values.push(value.into());
            }
        }
        self.groups.push(group);
        Ok(())
    }

    fn push_wide(&mut self, group: u32, value: i128, grant: &mut Grant) -> Result<()> {
        if let Ok(narrow) = i64::try_from(value) {
            return self.push((group, narrow), grant);
        }
        if let Ordinals::Narrow(values) = &self.ordinals {
            let mut wide = Vec::new();
            grant.reserve(&mut wide, values.len() + 1)?;
            wide.extend(values.iter().map(|&value| i128::from(value)));
            grant.shrink((values.capacity() * size_of::<i64>()) as u64);
            self.ordinals = Ordinals::Wide(wide);
        }
        grant.reserve(&mut self.groups, 1)?;
        if let Ordinals::Wide(values) = &mut self.ordinals {
            grant.reserve(values, 1)?;
            values.push(value);
            self.groups.push(group);
        }
        Ok(())
    }

    fn intern(&mut self, group: u32, value: &[u8], grant: &mut Grant) -> Result<()> {
        let code = self.interner.code(value, grant)?;
        self.push((group, code.into()), grant)
    }

    /// The type of a value in a state.
    pub(super) fn state_type(&self) -> DataType {
        match self.class {
            Class::Float | Class::Integer | Class::Unsigned => DataType::Int64,
            Class::Wide => DataType::Decimal128(38, 0),
            Class::Huge | Class::Bytes => DataType::LargeBinary,
        }
    }

    /// The values group after group, as a state has them.
    pub(super) fn into_state(self, groups: usize) -> Result<(Vec<usize>, ArrayRef)> {
        let class = self.class;
        let (ends, items) = by_group(&self.groups, groups);
        let wide = |item: &u32| match &self.ordinals {
            Ordinals::Narrow(values) => i128::from(values[*item as usize]),
            Ordinals::Wide(values) => values[*item as usize],
        };
        let values: ArrayRef = match class {
            Class::Float | Class::Integer | Class::Unsigned => {
                Arc::new(items.iter().map(|item| Some(wide(item) as i64)).collect::<Int64Array>())
            }
            Class::Wide => {
                let values: Decimal128Array = items.iter().map(|item| Some(wide(item))).collect();
                Arc::new(values.with_data_type(DataType::Decimal128(38, 0)))
            }
            Class::Huge | Class::Bytes => {
                let mut builder = LargeBinaryBuilder::new();
                items.iter().for_each(|item| builder.append_value(self.interner.value(wide(item) as usize)));
                Arc::new(builder.finish())
            }
        };
        Ok((ends, values))
    }

    /// Appends values of a state: value `i` to group `numbers[i]`.
    pub(super) fn append_state(
        &mut self,
        values: &ArrayRef,
        numbers: &[u32],
        grant: &mut Grant,
    ) -> Result<()> {
        if values.null_count() > 0 {
            return Err(Error::invalid("a state with a null among its values"));
        }
        match self.class {
            Class::Float | Class::Integer | Class::Unsigned => {
                let values = values.as_primitive_opt::<Int64Type>().ok_or_else(no_state)?;
                let pairs = numbers.iter().zip(values.values());
                pairs.into_iter().try_for_each(|(&group, &value)| self.push((group, value), grant))
            }
            Class::Wide => {
                let values = values.as_primitive_opt::<Decimal128Type>().ok_or_else(no_state)?;
                let mut pairs = numbers.iter().zip(values.values());
                pairs.try_for_each(|(&group, &value)| self.push_wide(group, value, grant))
            }
            Class::Huge | Class::Bytes => {
                let values = values.as_binary_opt::<i64>().ok_or_else(no_state)?;
                for (row, &group) in numbers.iter().enumerate() {
                    if self.class == Class::Huge && values.value(row).len() != size_of::<i256>() {
                        return Err(no_state());
                    }
                    self.intern(group, values.value(row), grant)?;
                }
                Ok(())
            }
        }
    }

    /// The values group after group.
    pub(super) fn sort(self, groups: usize) -> Sorted {
        let Self { class, groups: numbers, mut ordinals, interner } = self;
        let mut by_rank = Vec::new();
        if matches!(class, Class::Huge | Class::Bytes) {
            by_rank = (0..interner.len() as u32).collect();
            by_rank.sort_unstable_by_key(|&code| interner.value(code as usize));
            let mut ranks = vec![0; by_rank.len()];
            by_rank.iter().zip(0..).for_each(|(&code, rank)| ranks[code as usize] = rank);
            if let Ordinals::Narrow(values) = &mut ordinals {
                values.iter_mut().for_each(|value| *value = ranks[*value as usize]);
            }
        }
        let (ends, items) = by_group(&numbers, groups);
        let ordinals = match ordinals {
            Ordinals::Narrow(values) => {
                Ordinals::Narrow(items.iter().map(|&item| values[item as usize]).collect())
            }
            Ordinals::Wide(values) => {
                Ordinals::Wide(items.iter().map(|&item| values[item as usize]).collect())
            }
        };
        Sorted { class, ends, ordinals, interner, by_rank }
    }
}

impl Sorted {
    /// Number of values of a group, which is counted from 0.
    pub(super) fn count(&self, group: usize) -> usize {
        self.ends[group + 1] - self.ends[group]
    }

    /// The value that would stand at `at` if the group were sorted, and the next one (itself, at the end).
    pub(super) fn select(&mut self, group: usize, at: usize) -> (i128, i128) {
        fn pair<T: Copy + Ord + Into<i128>>(values: &mut [T], at: usize) -> (i128, i128) {
            let (_, &mut value, above) = values.select_nth_unstable(at);
            let next = above.iter().copied().min().unwrap_or(value);
            (value.into(), next.into())
        }
        let range = self.ends[group]..self.ends[group + 1];
        match &mut self.ordinals {
            Ordinals::Narrow(values) => pair(&mut values[range], at),
            Ordinals::Wide(values) => pair(&mut values[range], at),
        }
    }

    /// Ordinals as an array of `data_type`.
    pub(super) fn values(&self, ordinals: &[Option<i128>], data_type: &DataType) -> Result<ArrayRef> {
        let bytes = |rank: i128| self.interner.value(self.by_rank[rank as usize] as usize);
        match self.class {
            Class::Float => {
                let float = |ordinal: i128| float::canonical(float::from_ordered(ordinal as i64));
                let floats = ordinals.iter().map(|ordinal| ordinal.map(float));
                decode::to_declared(Arc::new(floats.collect::<Float64Array>()), data_type)
            }
            Class::Bytes => {
                let mut builder = LargeBinaryBuilder::new();
                ordinals.iter().for_each(|ordinal| builder.append_option(ordinal.map(bytes)));
                decode::to_declared(Arc::new(builder.finish()), data_type)
            }
            _ => {
                let values: Vec<Option<i256>> =
                    ordinals.iter().map(|ordinal| ordinal.map(|ordinal| self.integer(ordinal))).collect();
                decode::from_integers(&values, data_type)
            }
        }
    }

    /// An ordinal's integer.
    pub(super) fn integer(&self, ordinal: i128) -> i256 {
        match self.class {
            Class::Unsigned => i128::from((ordinal as i64 ^ i64::MIN).cast_unsigned()).into(),
            Class::Huge => {
                let mut bytes = [0; size_of::<i256>()];
                bytes.copy_from_slice(self.interner.value(self.by_rank[ordinal as usize] as usize));
                bytes[0] ^= 0x80;
                i256::from_be_bytes(bytes)
            }
            _ => ordinal.into(),
        }
    }

    /// The ordinal as a float, where the class is [`Class::Float`].
    pub(super) fn float(&self, ordinal: i128) -> Option<f64> {
        (self.class == Class::Float).then(|| float::from_ordered(ordinal as i64))
    }
}

/// A decimal as bytes that compare as it does.
fn huge(lanes: &Lanes, row: usize) -> Option<[u8; size_of::<i256>()]> {
    let value: i256 = match lanes {
        Lanes::I32(values) => values[row].into(),
        Lanes::I64(values) => values[row].into(),
        Lanes::I128(values) => values[row].into(),
        Lanes::I256(values) => values[row],
        _ => return None,
    };
    let mut bytes = value.to_be_bytes();
    bytes[0] ^= 0x80;
    Some(bytes)
}

fn no_state() -> Error {
    Error::invalid("a state that is no values of its operand")
}
