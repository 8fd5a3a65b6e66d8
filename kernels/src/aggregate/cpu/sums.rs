//! Exact integer sums in three tiers, each used as long as the measured values prove that it cannot overflow.
//!
//! ```text
//! narrow  i64   |sum| <= bound, where bound grows by rows * greatest |value| of each batch
//! wide    i128  takes the narrow sums before their bound would exceed 2^63 - 1, likewise bounded
//! huge    i256 and a count of wraps: never overflows
//! ```
//! A sum is the sum of its tiers. In the common case only the narrow tier exists: 8 bytes per group, 64-bit adds.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeBinaryArray};
use arrow::datatypes::{DataType, i256};

use super::fold::{NarrowSum, Target, WideSum, fold};
use crate::aggregate::exact::Exact;
use crate::error::{Error, Result};
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
            self.high = self.high.wrapping_add(if value.is_negative() { -1 } else { 1 });
        }
    }

    fn merge(&mut self, other: Total) {
        self.add(other.low);
        self.high = self.high.wrapping_add(other.high);
    }

    /// The sum, where it fits 256 bits.
    pub(super) fn value(self) -> Option<i256> {
        (self.high == 0).then_some(self.low)
    }

    /// The sum, whatever it is.
    pub(super) fn exact(self) -> Exact {
        let high = Exact::from_i256(i256::from_i128(self.high.into()), 256);
        Exact::from_i256(self.low, 0).plus(&high)
    }

    fn to_bytes(self) -> [u8; STATE_BYTES] {
        let mut bytes = [0; STATE_BYTES];
        bytes[..32].copy_from_slice(&self.low.to_le_bytes());
        bytes[32..].copy_from_slice(&self.high.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (low, high) = bytes.split_first_chunk::<32>()?;
        let high = i64::from_le_bytes(high.try_into().ok()?);
        Some(Self { low: i256::from_le_bytes(*low), high })
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

/// Bytes of a sum that travels.
const STATE_BYTES: usize = 40;

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

    /// The sums of groups 1 to `groups`, where all of them are in the narrow tier.
    pub(super) fn narrow(&self, groups: usize) -> Option<&[i64]> {
        let only = self.wide.is_empty() && self.huge.is_empty();
        self.narrow.get(1..=groups).filter(|_| only)
    }

    /// Adds the sums of other groups: those of group `i + 1` to group `numbers[i]`.
    pub(super) fn merge(
        &mut self,
        other: &Self,
        numbers: &[u32],
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        match other.narrow(numbers.len()) {
            // No group sums to more than the bound, however many of theirs become one of ours.
            Some(sums) => self.add_words(sums, other.narrow_bound, numbers, groups, grant),
            None => {
                let totals = (1..=numbers.len()).map(|group| other.total(group));
                self.add_totals(totals, numbers, groups, grant)
            }
        }
    }

    /// Adds sums: item `i` to group `numbers[i]`.
    pub(super) fn load(
        &mut self,
        sums: &[i256],
        numbers: &[u32],
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        let word = |sum: &i256| sum.to_i128().and_then(|sum| i64::try_from(sum).ok());
        let words: Option<Vec<i64>> = sums.iter().map(word).collect();
        let Some(words) = words else {
            return self.add_totals(sums.iter().map(|&sum| Total::from(sum)), numbers, groups, grant);
        };
        let greatest = words.iter().map(|word| u128::from(word.unsigned_abs())).max().unwrap_or(0);
        self.add_words(&words, greatest.saturating_mul(words.len() as u128), numbers, groups, grant)
    }

    /// Adds words whose magnitudes sum up to `bound` at most in any group.
    fn add_words(
        &mut self,
        words: &[i64],
        bound: u128,
        numbers: &[u32],
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        if self.room_in_narrow(bound, groups, grant)? {
            fold::<i64, NarrowSum>(Target::Each(numbers), words, &mut self.narrow);
            return Ok(());
        }
        let totals = words.iter().map(|&word| Total::from(i256::from_i128(word.into())));
        self.add_totals(totals, numbers, groups, grant)
    }

    fn add_totals(
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

impl IntegerSums {
    /// Type of [`IntegerSums::states`].
    pub(super) fn state_type() -> DataType {
        DataType::FixedSizeBinary(STATE_BYTES as i32)
    }

    /// The sums of groups `1..=groups`: 320 bits each, lowest byte first.
    pub(super) fn states(&self, groups: usize) -> ArrayRef {
        let mut bytes = Vec::with_capacity(groups * STATE_BYTES);
        (1..=groups).for_each(|group| bytes.extend(self.total(group).to_bytes()));
        Arc::new(FixedSizeBinaryArray::new(STATE_BYTES as i32, bytes.into(), None))
    }

    /// Adds [`IntegerSums::states`] of other groups: row `i` to group `numbers[i]`.
    pub(super) fn merge_states(
        &mut self,
        states: &ArrayRef,
        numbers: &[u32],
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        let states = states.as_fixed_size_binary_opt().filter(|states| states.len() == numbers.len());
        let totals = states.and_then(|states| {
            (0..states.len()).map(|row| Total::from_bytes(states.value(row))).collect::<Option<Vec<_>>>()
        });
        let totals = totals.ok_or_else(|| Error::invalid("a state that is no integer sums"))?;
        self.add_totals(totals.into_iter(), numbers, groups, grant)
    }
}

impl From<i256> for Total {
    fn from(low: i256) -> Self {
        Self { low, high: 0 }
    }
}
