//! Partial states: what one backend, thread or device program hands on to be merged.

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::i256;

use super::AggregateSpec;
use crate::error::{Error, Result};

mod batch;
#[cfg(test)]
mod tests;

/// See [`StateColumn::Float`].
pub const LARGE_SCALE: i32 = 200;

/// State of one aggregate over all groups of a [`Partial`].
#[derive(Debug, Clone)]
pub enum StateColumn {
    /// count, count(*).
    Count(Vec<u64>),
    /// sum and avg of integers and decimals: exact sums of unscaled values, and how many.
    Integer {
        /// Exact sums.
        sums: Vec<i256>,
        /// Values summed.
        counts: Vec<u64>,
    },
    /// sum and avg of floats. A sum is `sums + large * 2^`[`LARGE_SCALE`], so that one beyond the largest float is still a
    /// number, which others may bring back.
    Float {
        /// Sums of all but very large values; NaN or infinite where such a value was met.
        sums: Vec<f64>,
        /// Finite sums of very large values, scaled down; mostly zero.
        large: Vec<f64>,
        /// Values summed.
        counts: Vec<u64>,
    },
    /// min and max: the best value so far in the input's type, null where there was none.
    Extreme(ArrayRef),
    /// Every other function: the columns of its accumulator's state.
    Arrays(Vec<ArrayRef>),
}

impl StateColumn {
    fn has_len(&self, groups: usize) -> bool {
        match self {
            StateColumn::Count(counts) => counts.len() == groups,
            StateColumn::Integer { sums, counts } => sums.len() == groups && counts.len() == groups,
            StateColumn::Float { sums, large, counts } => {
                [sums.len(), large.len(), counts.len()] == [groups; 3]
            }
            StateColumn::Extreme(values) => values.len() == groups,
            StateColumn::Arrays(columns) => columns.iter().all(|column| column.len() == groups),
        }
    }
}

/// Groups with their keys and states. A group may occur in many partials; merging joins them.
#[derive(Debug, Clone)]
pub struct Partial {
    /// Number of groups. One, for an aggregation without keys.
    pub groups: usize,
    /// One array of `groups` rows per key.
    pub keys: Vec<ArrayRef>,
    /// One state per aggregate, in the order of the spec.
    pub states: Vec<StateColumn>,
}

impl Partial {
    /// Refuses a partial that contradicts itself or `spec`: another number of keys or aggregates, columns that are not
    /// `groups` long.
    ///
    /// # Errors
    /// [`Error::InvalidInput`].
    pub fn check(&self, spec: &AggregateSpec) -> Result<()> {
        if self.keys.len() != spec.keys.len() || self.states.len() != spec.aggregates.len() {
            return Err(Error::invalid("a partial of another aggregation"));
        }
        if spec.keys.is_empty() && self.groups != 1 {
            return Err(Error::invalid(format!("{} groups without keys", self.groups)));
        }
        let keys = self.keys.iter().all(|key| key.len() == self.groups);
        if !keys || !self.states.iter().all(|state| state.has_len(self.groups)) {
            return Err(Error::invalid("columns of a partial differ in length"));
        }
        Ok(())
    }
}
