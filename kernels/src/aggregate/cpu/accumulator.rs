//! What a function with a state of its own does.

use std::fmt::Debug;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use super::fold::Target;
use crate::error::Result;
use crate::expr::cpu::Vector;
use crate::memory::Grant;

/// Rows of a batch that count for an aggregate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a> {
    /// The operands, then the keys of the aggregate's order: one value per row. Nulls are not yet left out.
    pub(super) arguments: &'a [&'a Vector],
    /// Where each row goes: groups are numbered from 1.
    pub(super) target: Target<'a>,
    /// Groups so far.
    pub(super) groups: usize,
    /// Where each row stands in the whole input; empty where the function does not depend on it
    /// ([`crate::aggregate::AggregateFunction::ordered`]).
    pub(super) positions: &'a [u64],
}

impl Rows<'_> {
    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.arguments.first().map_or(0, |argument| argument.len())
    }

    /// The group of `row`; 0 where the row does not count.
    pub(super) fn group(&self, row: usize) -> usize {
        match self.target {
            Target::One => 1,
            Target::Each(numbers) => numbers[row] as usize,
        }
    }
}

/// The state of one aggregate over all groups, which are numbered from 1.
///
/// Answers do not depend on how rows are spread over accumulators, nor on the order in which these merge. A group that
/// no row came to has the state of no rows.
pub(super) trait Accumulator: Debug + Send {
    /// Adds rows.
    fn update(&mut self, rows: &Rows, grant: &mut Grant) -> Result<()>;

    /// Types of the columns of a state.
    fn state_types(&self) -> Vec<DataType>;

    /// The state, one row per group, first group first.
    fn states(self: Box<Self>, groups: usize) -> Result<Vec<ArrayRef>>;

    /// Joins states of other groups, which may come from outside: row `i` goes to group `numbers[i]` of `groups`.
    ///
    /// # Errors
    /// [`crate::Error::InvalidInput`] for columns that are no state.
    fn merge(&mut self, states: &[ArrayRef], numbers: &[u32], groups: usize, grant: &mut Grant)
    -> Result<()>;

    /// The answer, one row per group, in the aggregate's declared type.
    fn finish(self: Box<Self>, groups: usize) -> Result<ArrayRef>;
}
