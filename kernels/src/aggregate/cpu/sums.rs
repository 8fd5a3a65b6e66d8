//! Exact integer sums in three tiers, each used as long as the measured values prove that it cannot overflow.
//!
//! ```text
//! narrow  i64   |sum| <= bound, where bound grows by rows * greatest |value| of each batch
//! wide    i128  takes the narrow sums before their bound would exceed 2^63 - 1, likewise bounded
//! huge    i256 and a count of wraps: never overflows
//! ```
//! A sum is the sum of its tiers. In the common case only the narrow tier exists: 8 bytes per group, 64-bit adds.

use arrow::datatypes::i256;

use super::fold::{NarrowSum, Target, WideSum, fold};
use crate::error::Result;
use crate::keys::lanes::{LaneColumn, Lanes};
use crate::memory::Grant;

/// A sum of any number of 256-bit integers: `high * 2^256 + low`, with `low` signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Total {
    low: i256,
    high: i64,
}

impl Total {
    pub(super) fn add(&mut self, value: i256) {
        let (low, wrapped) = self.low.overflowing_add(value);
        self.low = low;
        if wrapped {
            self.high += if value.is_negative() { -1 } else { 1 };
        }
    }

    fn merge(&mut self, other: Total) {
        self.add(other.low);
        self.high += other.high;
    }

    /// The sum, where it fits 256 bits.
    pub(super) fn value(self) -> Option<i256> {
        (self.high == 0).then_some(self.low)
    }

    /// The sum modulo 2^256.
    pub(super) fn wrapped(self) -> i256 {
        self.low
    }
}

/// Sums per group; item 0 is the sink.
#[derive(Debug, Default)]
pub(super) struct IntegerSums {
    narrow: Vec<i64>,
    narrow_bound: u128,
    wide: Vec<i128>,
    wide_bound: u128,
    huge: Vec<Total>,
}

const NARROW_LIMIT: u128 = i64::MAX as u128;
const WIDE_LIMIT: u128 = i128::MAX as u128;

impl IntegerSums {
    /// Adds a column. `range` holds every value of a row that is not in the sink.
    pub(super) fn add(
        &mut self,
        column: &LaneColumn,
        range: Option<(i128, i128)>,
        target: Target,
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        let bound = range.map_or(0, |(low, high)| low.unsigned_abs().max(high.unsigned_abs()));
        let bound = bound.saturating_mul(column.rows as u128);
        match &column.lanes {
            Lanes::I32(values) if self.room_in_narrow(bound, groups, grant)? => {
                fold::<i32, NarrowSum>(target, values, &mut self.narrow);
            }
            Lanes::I64(values) if self.room_in_narrow(bound, groups, grant)? => {
                fold::<i64, NarrowSum>(target, values, &mut self.narrow);
            }
            Lanes::I32(values) => {
                self.room_in_wide(bound, groups, grant)?;
                fold::<i32, WideSum>(target, values, &mut self.wide);
            }
            Lanes::I64(values) => {
                self.room_in_wide(bound, groups, grant)?;
                fold::<i64, WideSum>(target, values, &mut self.wide);
            }
            Lanes::I128(values) if self.room_in_wide(bound, groups, grant)? => {
                fold::<i128, WideSum>(target, values, &mut self.wide);
            }
            Lanes::I128(values) => {
                self.add_huge(values.iter().map(|&v| i256::from(v)), target, groups, grant)?
            }
            Lanes::I256(values) => self.add_huge(values.iter().copied(), target, groups, grant)?,
            _ => debug_assert!(false, "integer sums of integer lanes"),
        }
        Ok(())
    }

    fn room_in_narrow(&mut self, bound: u128, groups: usize, grant: &mut Grant) -> Result<bool> {
        if bound > NARROW_LIMIT {
            return Ok(false);
        }
        if self.narrow_bound + bound > NARROW_LIMIT {
            let moved = self.narrow_bound;
            self.room_in_wide(moved, groups, grant)?;
            for (wide, narrow) in self.wide.iter_mut().zip(&mut self.narrow) {
                *wide = wide.wrapping_add(i128::from(std::mem::take(narrow)));
            }
            self.narrow_bound = 0;
        }
        grant.resize(&mut self.narrow, groups + 1, 0)?;
        self.narrow_bound += bound;
        Ok(true)
    }

    fn room_in_wide(&mut self, bound: u128, groups: usize, grant: &mut Grant) -> Result<bool> {
        if bound > WIDE_LIMIT {
            return Ok(false);
        }
        if self.wide_bound.saturating_add(bound) > WIDE_LIMIT {
            grant.resize(&mut self.huge, groups + 1, Total::default())?;
            for (huge, wide) in self.huge.iter_mut().zip(&mut self.wide) {
                huge.add(i256::from(std::mem::take(wide)));
            }
            self.wide_bound = 0;
        }
        grant.resize(&mut self.wide, groups + 1, 0)?;
        self.wide_bound += bound;
        Ok(true)
    }

    fn add_huge(
        &mut self,
        values: impl Iterator<Item = i256>,
        target: Target,
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        grant.resize(&mut self.huge, groups + 1, Total::default())?;
        match target {
            Target::One => values.for_each(|value| self.huge[1].add(value)),
            Target::Each(numbers) => {
                for (value, &group) in values.zip(numbers).filter(|(_, group)| **group > 0) {
                    self.huge[group as usize].add(value);
                }
            }
        }
        Ok(())
    }

    /// The sum of group number `group`.
    pub(super) fn total(&self, group: usize) -> Total {
        let mut total = self.huge.get(group).copied().unwrap_or_default();
        if let Some(&wide) = self.wide.get(group) {
            total.add(wide.into());
        }
        if let Some(&narrow) = self.narrow.get(group) {
            total.add(narrow.into());
        }
        total
    }

    /// Adds sums of other groups: item `i` to group `numbers[i]`.
    pub(super) fn merge(
        &mut self,
        totals: impl Iterator<Item = Total>,
        numbers: &[u32],
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        grant.resize(&mut self.huge, groups + 1, Total::default())?;
        for (total, &group) in totals.zip(numbers) {
            self.huge[group as usize].merge(total);
        }
        Ok(())
    }
}

impl From<i256> for Total {
    fn from(low: i256) -> Self {
        Self { low, high: 0 }
    }
}
