//! sum and avg where they do not share the state of their operand: over distinct values.

use arrow::array::ArrayRef;

use crate::aggregate::cpu::accumulator::Rows;
use crate::aggregate::cpu::fold::{Target, count_groups};
use crate::aggregate::cpu::plan::Input;
use crate::aggregate::cpu::state::InputState;
use crate::aggregate::{Aggregate, FloatSum};
use crate::error::Result;
use crate::keys::lanes::LaneColumn;
use crate::memory::Grant;

/// An operand's sum and count.
#[derive(Debug)]
pub(super) struct Shared {
    aggregate: Aggregate,
    input: InputState,
    /// Rows per group; item 0 is the sink.
    rows: Vec<u64>,
}

impl Shared {
    pub(super) fn new(aggregate: &Aggregate, float_sum: FloatSum) -> Result<Self> {
        let input = InputState::new(&Input::of(aggregate)?, float_sum);
        Ok(Self { aggregate: aggregate.clone(), input, rows: Vec::new() })
    }

    pub(super) fn update(&mut self, rows: &Rows, grant: &mut Grant) -> Result<()> {
        grant.resize(&mut self.rows, rows.groups + 1, 0)?;
        let column = LaneColumn::from_vector(rows.arguments[0])?;
        self.input.add(&column, rows.target, &self.rows, rows.groups, grant)?;
        match rows.target {
            Target::One => self.rows[1] += column.rows as u64,
            Target::Each(numbers) => count_groups(numbers, &mut self.rows),
        }
        Ok(())
    }

    pub(super) fn finish(self, groups: usize) -> Result<ArrayRef> {
        let counts = self.input.counts().unwrap_or(&self.rows);
        let counts: Vec<u64> = (1..=groups).map(|group| counts.get(group).copied().unwrap_or(0)).collect();
        self.input.finish(&self.aggregate, &counts)
    }
}
