//! Float sums, in the two modes of [`crate::aggregate::FloatSum`].

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeBinaryArray};
use arrow::datatypes::{DataType, UInt64Type};

use super::fold::Target;
use crate::aggregate::FloatSum;
use crate::aggregate::exact::{MINUS_INFINITY, NAN, PLUS_INFINITY};
use crate::aggregate::partial::StateColumn;
use crate::error::{Error, Result};
use crate::memory::Grant;

mod cell;
mod exact;
mod extent;
mod far;
mod fast;
mod products;
mod split;
#[cfg(test)]
mod tests;
mod window;

pub(super) use exact::ExactSums;
use fast::FastSums;

/// Bytes of a fast sum that travels: its two parts.
const PARTS_BYTES: i32 = 16;

/// Flag of a value that is infinite or NaN.
fn specials_of(value: f64) -> u8 {
    match (value.is_nan(), value > 0.0) {
        (true, _) => NAN,
        (false, true) => PLUS_INFINITY,
        (false, false) => MINUS_INFINITY,
    }
}

/// Sums per group; item 0 is the sink. Any NaN, or infinities of both signs, give NaN. Only a total beyond the greatest
/// float is infinite, whatever the order.
#[derive(Debug)]
pub(super) enum FloatSums {
    Fast(FastSums),
    Exact(ExactSums),
}

impl FloatSums {
    pub(super) fn new(mode: FloatSum) -> Self {
        match mode {
            FloatSum::Fast => Self::Fast(FastSums::default()),
            FloatSum::Reproducible => Self::Exact(ExactSums::new()),
        }
    }

    pub(super) fn add(
        &mut self,
        values: &[f64],
        target: Target,
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        match self {
            Self::Fast(sums) => sums.add(values, target, groups, grant),
            Self::Exact(sums) => sums.add(values, target, groups, grant),
        }
    }

    /// The sum of group number `group` over `divisor`.
    pub(super) fn total(&self, group: usize, divisor: u64) -> f64 {
        match self {
            Self::Fast(sums) => sums.total(group, divisor as f64),
            Self::Exact(sums) => sums.total(group, divisor),
        }
    }

    /// Adds sums of other groups: item `i` to group `numbers[i]`.
    pub(super) fn merge(
        &mut self,
        other: &Self,
        numbers: &[u32],
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        match (self, other) {
            (Self::Fast(mine), Self::Fast(theirs)) => mine.merge(theirs, numbers, groups, grant),
            (Self::Exact(mine), Self::Exact(theirs)) => mine.merge(theirs, numbers, groups, grant),
            _ => Err(Error::invalid("float sums of two modes")),
        }
    }

    /// Type of [`FloatSums::states`].
    pub(super) fn state_type(&self) -> DataType {
        match self {
            Self::Fast(_) => DataType::FixedSizeBinary(PARTS_BYTES),
            Self::Exact(_) => DataType::LargeBinary,
        }
    }

    /// The sums of groups `1..=groups`.
    pub(super) fn states(&self, groups: usize) -> ArrayRef {
        match self {
            Self::Fast(sums) => {
                let parts = (1..=groups).map(|group| sums.parts(group));
                let bytes: Vec<u8> =
                    parts.flat_map(|(sum, large)| [sum, large]).flat_map(f64::to_le_bytes).collect();
                Arc::new(FixedSizeBinaryArray::new(PARTS_BYTES, bytes.into(), None))
            }
            Self::Exact(sums) => sums.states(groups),
        }
    }

    /// Adds [`FloatSums::states`] of other groups: row `i` to group `numbers[i]`.
    pub(super) fn merge_states(
        &mut self,
        state: &ArrayRef,
        numbers: &[u32],
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        match self {
            Self::Fast(mine) => {
                let states = state
                    .as_fixed_size_binary_opt()
                    .filter(|states| states.value_length() == PARTS_BYTES && states.len() == numbers.len());
                let states = states.ok_or_else(|| Error::invalid("sums of floats were due"))?;
                let float = |bytes: &[u8]| bytes.try_into().map_or(f64::NAN, f64::from_le_bytes);
                let parts = |row: usize| states.value(row).split_at(8);
                let (sums, large): (Vec<f64>, Vec<f64>) =
                    (0..states.len()).map(parts).map(|(sum, large)| (float(sum), float(large))).unzip();
                mine.add(&sums, Target::Each(numbers), groups, grant)?;
                mine.add_scaled(&large, numbers, groups, grant)
            }
            Self::Exact(mine) => mine.merge_states(state, numbers, groups, grant),
        }
    }

    /// The sums of all groups, each of so many values. Those of the reproducible mode are exact.
    pub(super) fn partial(&self, counts: Vec<u64>) -> StateColumn {
        match self {
            Self::Fast(sums) => {
                let (sums, large) = (1..=counts.len()).map(|group| sums.parts(group)).unzip();
                StateColumn::Float { sums, large, counts }
            }
            Self::Exact(sums) => crate::aggregate::exact::states(
                (1..=counts.len()).map(|group| sums.get(group)),
                counts.clone(),
            ),
        }
    }

    /// Adds the sums of a partial: item `i` to group `numbers[i]`. Gives the counts that came with them.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a state of the other mode, or that is none.
    pub(super) fn load(
        &mut self,
        state: &StateColumn,
        numbers: &[u32],
        groups: usize,
        grant: &mut Grant,
    ) -> Result<Vec<u64>> {
        match (self, state) {
            (Self::Fast(mine), StateColumn::Float { sums, large, counts }) => {
                mine.add(sums, Target::Each(numbers), groups, grant)?;
                mine.add_scaled(large, numbers, groups, grant)?;
                Ok(counts.clone())
            }
            (Self::Exact(mine), StateColumn::Arrays(columns)) => {
                let [sums, counts] = columns.as_slice() else {
                    return Err(Error::invalid("an exact sum and its count were due"));
                };
                mine.merge_states(sums, numbers, groups, grant)?;
                let counts = counts.as_primitive_opt::<UInt64Type>();
                let counts =
                    counts.filter(|counts| counts.null_count() == 0 && counts.len() == numbers.len());
                let counts = counts.ok_or_else(|| Error::invalid("counts were due"))?;
                Ok(counts.values().to_vec())
            }
            _ => Err(Error::invalid("a float sum of another mode")),
        }
    }
}
