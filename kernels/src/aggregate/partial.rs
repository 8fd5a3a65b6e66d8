//! Partial states: what one backend, thread or device program hands on to be merged.

use arrow::array::ArrayRef;
use arrow::datatypes::i256;

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
    /// sum and avg of floats.
    Float {
        /// Sums.
        sums: Vec<f64>,
        /// Values summed.
        counts: Vec<u64>,
    },
    /// min and max: the best value so far in the input's type, null where there was none.
    Extreme(ArrayRef),
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
