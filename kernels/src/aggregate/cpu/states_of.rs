//! States from rows that another backend has already brought to their groups.

use std::sync::Arc;

use arrow::array::ArrayRef;

use super::accumulator::Rows;
use super::fold::Target;
use super::functions;
use crate::aggregate::{Aggregate, FloatSum};
use crate::error::Result;
use crate::expr::cpu::Vector;
use crate::memory::{Grant, Reserve};

/// The state columns of `aggregate` over rows of its operands: row `i` goes to group `numbers[i]`, from 1 to `groups`.
///
/// # Errors
/// What the function's accumulator says of the operands' types.
pub(in crate::aggregate) fn states_of(
    aggregate: &Aggregate,
    float_sum: FloatSum,
    operands: &[ArrayRef],
    numbers: &[u32],
    groups: usize,
    memory: Arc<dyn Reserve>,
) -> Result<Vec<ArrayRef>> {
    let mut accumulator = functions::accumulator(aggregate, float_sum)?;
    let operands = operands.iter().map(|operand| Vector::load(operand, None)).collect::<Result<Vec<_>>>()?;
    let arguments: Vec<&Vector> = operands.iter().collect();
    let rows = Rows { arguments: &arguments, target: Target::Each(numbers), groups, positions: &[] };
    accumulator.update(&rows, &mut Grant::new(memory))?;
    accumulator.states(groups)
}
