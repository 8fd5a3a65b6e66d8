//! Exact sums of values and products.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Decimal256Array, Int64Array};
use arrow::datatypes::{DataType, i256};

use super::operand::{Columns, Numbers, Operands};
use super::result::{self, Spread};
use super::{Term, Term as T};
use crate::aggregate::cpu::floats::{ExactSums, FloatSums};
use crate::aggregate::cpu::fold::Target;
use crate::aggregate::cpu::sums::IntegerSums;
use crate::aggregate::exact::{self, Exact, Scaled};
use crate::aggregate::{AggregateFunction, FloatSum, Regression};
use crate::error::{Error, Result};
use crate::keys::lanes::{LaneColumn, Lanes};
use crate::memory::Grant;

/// Words that sums about the mean of usual numbers take: one of 106-bit products, two of values.
const SHORT_WORDS: usize = 16;

/// Sums per group, one per term.
#[derive(Debug)]
pub(super) struct ExactMoments {
    sums: Vec<(Term, Sums)>,
}

#[derive(Debug)]
enum Sums {
    Integers(IntegerSums),
    Values(FloatSums),
    Products(ExactSums),
}

impl ExactMoments {
    /// Sums of `terms`. Products of floats are exact in either mode; `mode` is that of sums of values.
    pub(super) fn new(terms: &[Term], operands: &Operands, mode: FloatSum) -> Self {
        let sums = |&term: &Term| {
            let sums = match term {
                _ if operands.are_integers() => Sums::Integers(IntegerSums::default()),
                T::X | T::Y => Sums::Values(FloatSums::new(mode)),
                _ => Sums::Products(ExactSums::of_products()),
            };
            (term, sums)
        };
        Self { sums: terms.iter().map(sums).collect() }
    }

    pub(super) fn add(
        &mut self,
        columns: &Columns,
        target: Target,
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        for (term, sums) in &mut self.sums {
            match (sums, columns.factors(*term)) {
                (Sums::Integers(sums), (Numbers::Integers(x), None)) => {
                    sums.add(x, x.range(), target, groups, grant)?;
                }
                (Sums::Integers(sums), (Numbers::Integers(x), Some(Numbers::Integers(y)))) => {
                    let (column, range) = products(x, y)?;
                    sums.add(&column, range, target, groups, grant)?;
                }
                (Sums::Values(sums), (x, None)) => sums.add(x.floats(), target, groups, grant)?,
                (Sums::Products(sums), (x, Some(y))) => {
                    sums.add_products((x.floats(), y.floats()), target, groups, grant)?;
                }
                _ => return Err(Error::invalid("operands of another kind than before")),
            }
        }
        Ok(())
    }

    pub(super) fn state_types(&self) -> Vec<DataType> {
        let data_type = |(_, sums): &(Term, Sums)| match sums {
            Sums::Integers(_) => IntegerSums::state_type(),
            Sums::Values(sums) => sums.state_type(),
            Sums::Products(_) => DataType::LargeBinary,
        };
        self.sums.iter().map(data_type).collect()
    }

    pub(super) fn states(&self, groups: usize) -> Vec<ArrayRef> {
        let state = |(_, sums): &(Term, Sums)| match sums {
            Sums::Integers(sums) => sums.states(groups),
            Sums::Values(sums) => sums.states(groups),
            Sums::Products(sums) => sums.states(groups),
        };
        self.sums.iter().map(state).collect()
    }

    pub(super) fn merge(
        &mut self,
        states: &[ArrayRef],
        numbers: &[u32],
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        for ((_, sums), state) in self.sums.iter_mut().zip(states) {
            match sums {
                Sums::Integers(sums) => sums.merge_states(state, numbers, groups, grant)?,
                Sums::Values(sums) => sums.merge_states(state, numbers, groups, grant)?,
                Sums::Products(sums) => sums.merge_states(state, numbers, groups, grant)?,
            }
        }
        Ok(())
    }

    pub(super) fn result(
        &self,
        group: usize,
        count: u64,
        function: &AggregateFunction,
        operands: &Operands,
    ) -> Option<f64> {
        let (x, y) = operands.scales();
        let (x, y) = if operands.are_integers() { (x, y) } else { (0, 0) };
        match function {
            _ if count == 0 => None,
            AggregateFunction::Regression(Regression::AvgX) => Some(self.mean(T::X, group, count, x)),
            AggregateFunction::Regression(Regression::AvgY) => Some(self.mean(T::Y, group, count, y)),
            function => {
                let spread = |term| self.spread(term, group, count, (x, y));
                let crossing = || {
                    let sum = |term| self.sum(term, group);
                    let value = sum(T::Y).times(&sum(T::XX)).minus(&sum(T::X).times(&sum(T::XY)));
                    (value, y + 2 * x)
                };
                result::of_exact(function, count, spread, crossing)
            }
        }
    }

    fn mean(&self, term: Term, group: usize, count: u64, scale: i32) -> f64 {
        match self.of(term) {
            Some(Sums::Values(sums)) => sums.total(group, count),
            _ if scale == 0 => self.sum(term, group).over(count),
            _ => Scaled::from(&self.sum(term, group)).decimal(scale).over(count.into()).to_f64(),
        }
    }

    /// `count * sum(x * y) - sum(x) * sum(y)`.
    fn spread(&self, term: Term, group: usize, count: u64, (x, y): (i32, i32)) -> Spread {
        let (first, second, scale) = match term {
            T::YY => (T::Y, T::Y, 2 * y),
            T::XY => (T::X, T::Y, x + y),
            _ => (T::X, T::X, 2 * x),
        };
        let short = || {
            let number =
                |term| self.cell(term, group).map(|(cell, exponent)| Exact::from_i256(cell, exponent));
            exact::spread::<SHORT_WORDS>(count, &number(term)?, &number(first)?, &number(second)?)
        };
        let long = || {
            let sum = |term| self.sum(term, group);
            exact::spread(count, &sum(term), &sum(first), &sum(second))
        };
        Spread {
            // There is a long way for every number: MOST_WORDS is made for it.
            value: short().or_else(long).unwrap_or(Scaled::from(0)),
            is_nan: self.is_nan(first, group) || self.is_nan(second, group),
            scale,
        }
    }

    /// A sum that is a fixed-point cell.
    fn cell(&self, term: Term, group: usize) -> Option<(i256, i32)> {
        match self.of(term)? {
            Sums::Integers(sums) => sums.total(group).value().map(|sum| (sum, 0)),
            Sums::Values(FloatSums::Exact(sums)) | Sums::Products(sums) => sums.cell(group),
            Sums::Values(_) => None,
        }
    }

    fn of(&self, term: Term) -> Option<&Sums> {
        self.sums.iter().find(|(other, _)| *other == term).map(|(_, sums)| sums)
    }

    fn sum(&self, term: Term, group: usize) -> Exact {
        match self.of(term) {
            Some(Sums::Integers(sums)) => sums.total(group).exact(),
            Some(Sums::Values(FloatSums::Exact(sums)) | Sums::Products(sums)) => sums.get(group).0,
            _ => Exact::ZERO,
        }
    }

    fn is_nan(&self, term: Term, group: usize) -> bool {
        match self.of(term) {
            Some(Sums::Values(FloatSums::Exact(sums))) => sums.get(group).1 != 0,
            _ => false,
        }
    }
}

/// Products of two columns in lanes that hold them, and their range.
fn products(x: &LaneColumn, y: &LaneColumn) -> Result<(LaneColumn, Option<(i128, i128)>)> {
    let most = |column: &LaneColumn| {
        column.range().map_or(0, |(low, high)| low.unsigned_abs().max(high.unsigned_abs()))
    };
    let bound = most(x).checked_mul(most(y)).and_then(|bound| i128::try_from(bound).ok());
    let array: ArrayRef = match bound {
        Some(bound) if i64::try_from(bound).is_ok() => {
            let product = |x: i128, y: i128| (x as i64).wrapping_mul(y as i64);
            Arc::new(Int64Array::from_iter_values(pairs(x, y)?.map(|(x, y)| product(x, y))))
        }
        Some(_) => Arc::new(Decimal128Array::from_iter_values(pairs(x, y)?.map(|(x, y)| x.wrapping_mul(y)))),
        None => {
            let product = |x: i128, y: i128| i256::from_i128(x).wrapping_mul(i256::from_i128(y));
            Arc::new(Decimal256Array::from_iter_values(pairs(x, y)?.map(|(x, y)| product(x, y))))
        }
    };
    Ok((LaneColumn::from_array(&array)?, bound.map(|bound| (-bound, bound))))
}

/// Both columns row by row.
fn pairs<'a>(x: &'a LaneColumn, y: &'a LaneColumn) -> Result<impl Iterator<Item = (i128, i128)> + 'a> {
    let lanes = |column: &'a LaneColumn| -> Result<Box<dyn Iterator<Item = i128> + 'a>> {
        match &column.lanes {
            Lanes::I32(values) => Ok(Box::new(values.iter().map(|&value| value.into()))),
            Lanes::I64(values) => Ok(Box::new(values.iter().map(|&value| value.into()))),
            Lanes::I128(values) => Ok(Box::new(values.iter().copied())),
            _ => Err(Error::invalid("a product of columns that are no integers")),
        }
    };
    Ok(lanes(x)?.zip(lanes(y)?))
}
