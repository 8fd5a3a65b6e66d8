//! var, stddev, covar, corr and regr_*: what is made of sums of values and of their products.
//!
//! ```text
//! integers, decimals      exact sums of x, y, x*x, x*y, y*y as integers                       exact, in both modes
//! floats, reproducible    the same sums, exact as fixed point: products of two floats have    exact
//!                         106 bits and lose none
//! floats, fast            sums of deviations from a centre that follows the mean              fast
//! means of regr_avg*      as avg has them
//! ```
//! From exact sums, `n * sum(x*y) - sum(x) * sum(y)` is exact too, so nothing cancels: results are within 0.51 of the last
//! place. Two operands of which one is a float, and `Decimal256`, are taken as `Float64`.
//!
//! Rows where an operand is null are skipped. Null over no rows; samples, slope, intercept, corr and r2 also over one row,
//! the latter four where an operand that they divide by does not vary (`regr_r2` of a constant y too, as DataFusion has
//! it; PostgreSQL gives 1). An infinity or a NaN makes every result that its operand enters NaN, but for the means.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, UInt64Array};
use arrow::datatypes::{DataType, UInt64Type};

use crate::aggregate::cpu::accumulator::{Accumulator, Rows};
use crate::aggregate::cpu::finish;
use crate::aggregate::cpu::fold::{Target, count_groups};
use crate::aggregate::{Aggregate, AggregateFunction, FloatSum, Regression};
use crate::error::{Error, Result};
use crate::keys::decode::to_declared;
use crate::memory::Grant;

mod exact;
mod fast;
mod operand;
mod result;
#[cfg(test)]
mod tests;

use exact::ExactMoments;
use fast::{Deviations, Pair, Spread};
use operand::{Columns, Operands};

/// The state of one such aggregate.
#[derive(Debug)]
pub(super) struct Moments {
    aggregate: Aggregate,
    operands: Operands,
    /// Rows per group without a null operand; item 0 is the sink.
    counts: Vec<u64>,
    kept: Kept,
}

/// What is kept beside the count.
#[derive(Debug)]
enum Kept {
    Nothing,
    Exact(ExactMoments),
    Spreads(Term, Deviations<Spread>),
    Pairs(Deviations<Pair>),
}

/// Which sums a function is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Term {
    X,
    Y,
    XX,
    YY,
    XY,
}

/// A function of one operand has it as x; of two, y comes first.
fn terms(function: &AggregateFunction) -> &'static [Term] {
    use AggregateFunction as F;
    use Term::{X, XX, XY, Y, YY};
    match function {
        F::Variance { .. } | F::Stddev { .. } | F::Regression(Regression::Sxx) => &[X, XX],
        F::Regression(Regression::Syy) => &[Y, YY],
        F::Covariance { .. } | F::Regression(Regression::Sxy) => &[X, Y, XY],
        F::Regression(Regression::Slope | Regression::Intercept) => &[X, Y, XX, XY],
        F::Regression(Regression::AvgX) => &[X],
        F::Regression(Regression::AvgY) => &[Y],
        F::Regression(Regression::Count) => &[],
        _ => &[X, Y, XX, YY, XY],
    }
}

impl Moments {
    pub(super) fn new(aggregate: &Aggregate, float_sum: FloatSum) -> Result<Self> {
        let operands = Operands::new(&aggregate.inputs)?;
        let terms = terms(&aggregate.function);
        let kept = match (terms.len(), float_sum) {
            (0, _) => Kept::Nothing,
            (1, _) | (_, FloatSum::Reproducible) => {
                Kept::Exact(ExactMoments::new(terms, &operands, float_sum))
            }
            _ if operands.are_integers() => Kept::Exact(ExactMoments::new(terms, &operands, float_sum)),
            (2, FloatSum::Fast) => Kept::Spreads(terms[0], Deviations::default()),
            (_, FloatSum::Fast) => Kept::Pairs(Deviations::default()),
        };
        Ok(Self { aggregate: aggregate.clone(), operands, counts: Vec::new(), kept })
    }

    fn result(&self, group: usize) -> Option<f64> {
        let count = self.counts.get(group).copied().unwrap_or(0);
        let function = &self.aggregate.function;
        match &self.kept {
            Kept::Nothing => None,
            Kept::Exact(sums) => sums.result(group, count, function, &self.operands),
            Kept::Spreads(_, spreads) => result::of_floats(function, count, &spreads.get(group)),
            Kept::Pairs(pairs) => result::of_floats(function, count, &pairs.get(group)),
        }
    }
}

impl Accumulator for Moments {
    fn update(&mut self, rows: &Rows, grant: &mut Grant) -> Result<()> {
        let columns = self.operands.columns(rows.arguments)?;
        let numbers = columns.numbers(rows.target);
        let target = numbers.as_deref().map_or(rows.target, Target::Each);
        match &mut self.kept {
            Kept::Nothing => {}
            Kept::Exact(sums) => sums.add(&columns, target, rows.groups, grant)?,
            Kept::Spreads(term, spreads) => spreads.add((*term, &columns), target, rows.groups, grant)?,
            Kept::Pairs(pairs) => pairs.add(&columns, target, rows.groups, grant)?,
        }
        grant.resize(&mut self.counts, rows.groups + 1, 0)?;
        match target {
            Target::One => self.counts[1] += rows.len() as u64,
            Target::Each(numbers) => count_groups(numbers, &mut self.counts),
        }
        Ok(())
    }

    fn state_types(&self) -> Vec<DataType> {
        let kept = match &self.kept {
            Kept::Nothing => Vec::new(),
            Kept::Exact(sums) => sums.state_types(),
            Kept::Spreads(_, spreads) => spreads.state_types(),
            Kept::Pairs(pairs) => pairs.state_types(),
        };
        [vec![DataType::UInt64], kept].concat()
    }

    fn states(self: Box<Self>, groups: usize) -> Result<Vec<ArrayRef>> {
        let count = |group: usize| self.counts.get(group).copied().unwrap_or(0);
        let counts: ArrayRef = Arc::new(UInt64Array::from_iter_values((1..=groups).map(count)));
        let kept = match &self.kept {
            Kept::Nothing => Vec::new(),
            Kept::Exact(sums) => sums.states(groups),
            Kept::Spreads(_, spreads) => spreads.states(groups),
            Kept::Pairs(pairs) => pairs.states(groups),
        };
        Ok([vec![counts], kept].concat())
    }

    fn merge(
        &mut self,
        states: &[ArrayRef],
        numbers: &[u32],
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        let invalid = || Error::invalid(format!("a state that is none of {}", self.aggregate.function));
        let types = self.state_types();
        let fits = |(state, data_type): (&ArrayRef, &DataType)| {
            state.data_type() == data_type && state.len() == numbers.len() && state.null_count() == 0
        };
        if states.len() != types.len() || !states.iter().zip(&types).all(fits) {
            return Err(invalid());
        }
        let (counts, kept) = states.split_first().ok_or_else(invalid)?;
        let counts = counts.as_primitive::<UInt64Type>().values();
        grant.resize(&mut self.counts, groups + 1, 0)?;
        match &mut self.kept {
            Kept::Nothing => {}
            Kept::Exact(sums) => sums.merge(kept, numbers, groups, grant)?,
            Kept::Spreads(_, spreads) => spreads.merge(kept, counts, numbers, groups, grant)?,
            Kept::Pairs(pairs) => pairs.merge(kept, counts, numbers, groups, grant)?,
        }
        for (&count, &group) in counts.iter().zip(numbers) {
            let own = &mut self.counts[group as usize];
            *own = own.saturating_add(count);
        }
        Ok(())
    }

    fn finish(self: Box<Self>, groups: usize) -> Result<ArrayRef> {
        if self.aggregate.function == AggregateFunction::Regression(Regression::Count) {
            let mut counts = self.counts;
            counts.resize(groups + 1, 0);
            return finish::counts(&counts[1..=groups], &self.aggregate);
        }
        let values = (1..=groups).map(|group| self.result(group).map(crate::keys::float::canonical));
        to_declared(Arc::new(values.collect::<Float64Array>()), &self.aggregate.data_type)
    }
}

impl Columns {
    /// Group numbers with nulls sent to the sink; none where no operand is null.
    fn numbers(&self, target: Target) -> Option<Vec<u32>> {
        let nulls = self.nulls.as_ref()?;
        let valid = nulls.inner().iter();
        Some(match target {
            Target::One => valid.map(u32::from).collect(),
            Target::Each(numbers) => {
                numbers.iter().zip(valid).map(|(&number, valid)| if valid { number } else { 0 }).collect()
            }
        })
    }
}
