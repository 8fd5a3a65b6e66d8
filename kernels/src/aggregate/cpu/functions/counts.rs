//! count(x, y, ...) and count(distinct ...): rows where no operand is null.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, UInt64Array};
use arrow::datatypes::{DataType, UInt64Type};

use super::operand::nulls_of;
use crate::aggregate::Aggregate;
use crate::aggregate::cpu::accumulator::{Accumulator, Rows};
use crate::aggregate::cpu::finish;
use crate::error::{Error, Result};
use crate::memory::Grant;

/// Rows per group; item 0 is the sink.
#[derive(Debug)]
pub(super) struct Counts {
    aggregate: Aggregate,
    counts: Vec<u64>,
}

impl Counts {
    pub(super) fn new(aggregate: &Aggregate) -> Self {
        Self { aggregate: aggregate.clone(), counts: Vec::new() }
    }

    fn counts(&self, groups: usize) -> Vec<u64> {
        (1..=groups).map(|group| self.counts.get(group).copied().unwrap_or(0)).collect()
    }
}

impl Accumulator for Counts {
    fn update(&mut self, rows: &Rows, grant: &mut Grant) -> Result<()> {
        grant.resize(&mut self.counts, rows.groups + 1, 0)?;
        let operands = &rows.arguments[..self.aggregate.inputs.len()];
        let nulls: Vec<_> = operands.iter().filter_map(|operand| nulls_of(operand)).collect();
        for row in 0..rows.len() {
            let counts = nulls.iter().all(|nulls| nulls.is_valid(row));
            self.counts[rows.group(row)] += u64::from(counts);
        }
        Ok(())
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![DataType::UInt64]
    }

    fn states(self: Box<Self>, groups: usize) -> Result<Vec<ArrayRef>> {
        Ok(vec![Arc::new(UInt64Array::from(self.counts(groups)))])
    }

    fn merge(
        &mut self,
        states: &[ArrayRef],
        numbers: &[u32],
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        grant.resize(&mut self.counts, groups + 1, 0)?;
        let counts = states.first().and_then(|state| state.as_primitive_opt::<UInt64Type>());
        let counts = counts.filter(|counts| counts.null_count() == 0);
        let counts = counts.ok_or_else(|| Error::invalid("a state that is no counts"))?;
        for (count, &group) in counts.values().iter().zip(numbers) {
            let sum = &mut self.counts[group as usize];
            *sum = sum.saturating_add(*count);
        }
        Ok(())
    }

    fn finish(self: Box<Self>, groups: usize) -> Result<ArrayRef> {
        finish::counts(&self.counts(groups), &self.aggregate)
    }
}
