//! Smallest and greatest values. Whether a group has one at all is known from its count of values.
//!
//! Integers in two tiers: 64 bits while values leave the identity (`i64::MAX` for a minimum) unused, 128 bits beside
//! them. Floats as integers in the total order.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef, LargeBinaryBuilder};
use arrow::datatypes::{DataType, i256};

use super::fold::{Fold, Greatest, Least, Target, WideGreatest, WideLeast, fold};
use crate::error::Result;
use crate::keys::decode::{from_integers, from_words, to_declared};
use crate::keys::float;
use crate::keys::lanes::{LaneColumn, Lanes, with_bytes};
use crate::memory::Grant;

/// Best values per group; item 0 is the sink.
#[derive(Debug)]
pub(super) struct Extremes {
    greatest: bool,
    narrow: Vec<i64>,
    wide: Vec<i128>,
    huge: Vec<Option<i256>>,
    bytes: Vec<Option<Box<[u8]>>>,
}

/// A narrow accumulator that has met no value: [`Extremes::add`] keeps such values out of it.
fn narrow_identity(greatest: bool) -> i64 {
    if greatest { i64::MIN } else { i64::MAX }
}

fn wide_identity(greatest: bool) -> i128 {
    if greatest { i128::MIN } else { i128::MAX }
}

impl Extremes {
    pub(super) fn new(greatest: bool) -> Self {
        Self { greatest, narrow: Vec::new(), wide: Vec::new(), huge: Vec::new(), bytes: Vec::new() }
    }

    /// Adds a column. `range` holds every value of a row that is not in the sink.
    pub(super) fn add(
        &mut self,
        column: &LaneColumn,
        range: Option<(i128, i128)>,
        target: Target,
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        let inside =
            range.is_none_or(|(low, high)| low > i128::from(i64::MIN) && high < i128::from(i64::MAX));
        match &column.lanes {
            Lanes::I32(values) => self.add_narrow::<i32>(values, target, groups, grant),
            Lanes::I64(values) if inside => self.add_narrow::<i64>(values, target, groups, grant),
            Lanes::I64(values) => self.add_wide::<i64>(values, target, groups, grant),
            Lanes::I128(values) => self.add_wide::<i128>(values, target, groups, grant),
            Lanes::F64(values) => {
                let ordered: Vec<i64> = values.iter().map(|&value| float::to_ordered(value)).collect();
                self.add_narrow::<i64>(&ordered, target, groups, grant)
            }
            Lanes::I256(values) => {
                grant.resize(&mut self.huge, groups + 1, None)?;
                for_each_row(target, values.len(), |row, group| {
                    self.offer_huge(group, values[row]);
                    Ok(())
                })
            }
            Lanes::Bytes(array) => with_bytes!(array, |get| {
                grant.resize(&mut self.bytes, groups + 1, None)?;
                for_each_row(target, array.len(), |row, group| self.offer_bytes(group, get(row), grant))
            }),
            Lanes::Codes { codes, values } => with_bytes!(values, |get| {
                grant.resize(&mut self.bytes, groups + 1, None)?;
                for_each_row(target, codes.len(), |row, group| {
                    self.offer_bytes(group, get(codes[row] as usize), grant)
                })
            }),
        }
    }

    fn add_narrow<V: Copy + 'static>(
        &mut self,
        values: &[V],
        target: Target,
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()>
    where
        Least: Fold<V, Acc = i64>,
        Greatest: Fold<V, Acc = i64>,
    {
        grant.resize(&mut self.narrow, groups + 1, narrow_identity(self.greatest))?;
        if self.greatest {
            fold::<V, Greatest>(target, values, &mut self.narrow);
        } else {
            fold::<V, Least>(target, values, &mut self.narrow);
        }
        Ok(())
    }

    fn add_wide<V: Copy + 'static>(
        &mut self,
        values: &[V],
        target: Target,
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()>
    where
        WideLeast: Fold<V, Acc = i128>,
        WideGreatest: Fold<V, Acc = i128>,
    {
        grant.resize(&mut self.wide, groups + 1, wide_identity(self.greatest))?;
        if self.greatest {
            fold::<V, WideGreatest>(target, values, &mut self.wide);
        } else {
            fold::<V, WideLeast>(target, values, &mut self.wide);
        }
        Ok(())
    }

    fn better(&self, order: Ordering) -> bool {
        order == if self.greatest { Ordering::Greater } else { Ordering::Less }
    }

    fn offer_huge(&mut self, group: usize, value: i256) {
        if self.huge[group].is_none_or(|best| self.better(value.cmp(&best))) {
            self.huge[group] = Some(value);
        }
    }

    fn offer_bytes(&mut self, group: usize, value: &[u8], grant: &mut Grant) -> Result<()> {
        if let Some(best) = &self.bytes[group] {
            if !self.better(value.cmp(best)) {
                return Ok(());
            }
            grant.shrink(best.len() as u64);
        }
        grant.grow(value.len() as u64)?;
        self.bytes[group] = Some(value.into());
        Ok(())
    }

    /// The best values of groups 1 to `groups` as an array of `data_type`; null where `count` says that there is none.
    pub(super) fn values(
        &self,
        groups: usize,
        count: impl Fn(usize) -> u64,
        data_type: &DataType,
    ) -> Result<ArrayRef> {
        let numbers = 1..=groups;
        if !self.bytes.is_empty() {
            let mut builder = LargeBinaryBuilder::new();
            numbers.for_each(|group| builder.append_option(self.bytes.get(group).and_then(Option::as_deref)));
            return to_declared(std::sync::Arc::new(builder.finish()), data_type);
        }
        if is_float(data_type) {
            let value = |group: usize| (count(group) > 0).then(|| self.float(group));
            let values: arrow::array::Float64Array = numbers.map(value).collect();
            return to_declared(std::sync::Arc::new(values), data_type);
        }
        if self.narrow.len() > groups && self.wide.is_empty() && self.huge.is_empty() {
            let seen: Vec<bool> = numbers.clone().map(|group| count(group) > 0).collect();
            let word = |group: usize| if seen[group - 1] { self.narrow[group] } else { 0 };
            let nulls = seen.contains(&false).then(|| seen.iter().copied().collect());
            return from_words(numbers.map(word).collect(), nulls, data_type);
        }
        if !self.narrow.is_empty() || !self.wide.is_empty() || !self.huge.is_empty() {
            let value = |group: usize| (count(group) > 0).then(|| self.integer(group));
            return from_integers(&numbers.map(value).collect::<Vec<_>>(), data_type);
        }
        Ok(arrow::array::new_null_array(data_type, groups))
    }

    fn float(&self, group: usize) -> f64 {
        float::from_ordered(self.narrow.get(group).copied().unwrap_or_default())
    }

    /// The best over all tiers of a group that has a value.
    fn integer(&self, group: usize) -> i256 {
        let narrow = self.narrow.get(group).filter(|value| **value != narrow_identity(self.greatest));
        let wide = self.wide.get(group).filter(|value| **value != wide_identity(self.greatest));
        let huge = self.huge.get(group).copied().flatten();
        let known = [narrow.map(|&value| value.into()), wide.map(|&value| value.into()), huge];
        let known = known.into_iter().flatten();
        let best = if self.greatest { known.max() } else { known.min() };
        // All of its values were the identity of the wide tier.
        best.unwrap_or_else(|| wide_identity(self.greatest).into())
    }
}

/// Calls `with` for each row that is not in the sink.
fn for_each_row(target: Target, rows: usize, mut with: impl FnMut(usize, usize) -> Result<()>) -> Result<()> {
    match target {
        Target::One => (0..rows).try_for_each(|row| with(row, 1)),
        Target::Each(numbers) => numbers
            .iter()
            .enumerate()
            .filter(|(_, group)| **group > 0)
            .try_for_each(|(row, &group)| with(row, group as usize)),
    }
}

fn is_float(data_type: &DataType) -> bool {
    crate::expr::value_type(data_type).is_floating()
}
