//! DISTINCT: any function over the first of equal values, in whatever order they come.
//!
//! A set of (group, value) pairs lets a row through to the function when its pair is new, so that the function is ready
//! at any time and only the set travels. State: a list of distinct values per group, one for each operand.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use super::lists::{elements, list_type, lists};
use super::operand::{canonical, nulls_of};
use super::pairs::Pairs;
use super::shared::Shared;
use crate::aggregate::cpu::accumulator::{Accumulator, Rows};
use crate::aggregate::cpu::fold::Target;
use crate::error::Result;
use crate::expr::cpu::Vector;
use crate::memory::Grant;

/// What distinct values go to.
#[derive(Debug)]
pub(super) enum Inner {
    /// A function with an accumulator of its own.
    Own(Box<dyn Accumulator>),
    /// Sum or avg.
    Shared(Box<Shared>),
}

/// A function over distinct values.
#[derive(Debug)]
pub(super) struct Distinct {
    pairs: Pairs,
    inner: Inner,
}

impl Distinct {
    /// `inner` over the distinct values of `operands`. Rows with a null operand do not count.
    pub(super) fn new(operands: impl IntoIterator<Item = DataType>, inner: Inner) -> Result<Self> {
        Ok(Self { pairs: Pairs::new(operands)?, inner })
    }

    fn add(&mut self, groups: Vec<u32>, operands: &[&Vector], count: usize, grant: &mut Grant) -> Result<()> {
        let operands: Vec<Vector> = operands.iter().map(|operand| canonical(operand)).collect();
        let operands: Vec<&Vector> = operands.iter().collect();
        let mut groups = groups;
        for operand in &operands {
            if let Some(nulls) = nulls_of(operand) {
                groups.iter_mut().zip(&nulls).for_each(|(group, valid)| *group *= u32::from(valid));
            }
        }
        let before = self.pairs.len();
        let mut known = before as u32;
        let pairs = self.pairs.assign(&groups, &operands, grant)?;
        if self.pairs.len() == before {
            return Ok(());
        }
        // New pairs are numbered in the order of their first rows.
        for (group, pair) in groups.iter_mut().zip(pairs) {
            if *group > 0 && pair == known + 1 {
                known = pair;
            } else {
                *group = 0;
            }
        }
        let rows =
            Rows { arguments: &operands, target: Target::Each(&groups), groups: count, positions: &[] };
        match &mut self.inner {
            Inner::Own(inner) => inner.update(&rows, grant),
            Inner::Shared(inner) => inner.update(&rows, grant),
        }
    }
}

impl Accumulator for Distinct {
    fn update(&mut self, rows: &Rows, grant: &mut Grant) -> Result<()> {
        let groups = (0..rows.len()).map(|row| rows.group(row) as u32).collect();
        let operands = self.pairs.types().len();
        self.add(groups, &rows.arguments[..operands], rows.groups, grant)
    }

    fn state_types(&self) -> Vec<DataType> {
        self.pairs.types().iter().cloned().map(list_type).collect()
    }

    fn states(self: Box<Self>, groups: usize) -> Result<Vec<ArrayRef>> {
        let (ends, order) = self.pairs.by_group(groups)?;
        let column = |at: usize| lists(&ends, crate::gather::take(&self.pairs.values(at)?, &order)?);
        (0..self.pairs.types().len()).map(column).collect()
    }

    fn merge(
        &mut self,
        states: &[ArrayRef],
        numbers: &[u32],
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        let elements = elements(states, self.pairs.types(), numbers)?;
        let operands: Vec<Vector> =
            elements.columns.iter().map(|column| Vector::load(column, None)).collect::<Result<_>>()?;
        let operands: Vec<&Vector> = operands.iter().collect();
        self.add(elements.numbers, &operands, groups, grant)
    }

    fn finish(self: Box<Self>, groups: usize) -> Result<ArrayRef> {
        match self.inner {
            Inner::Own(inner) => inner.finish(groups),
            Inner::Shared(inner) => inner.finish(groups),
        }
    }
}
