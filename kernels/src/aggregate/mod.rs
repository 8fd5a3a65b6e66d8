//! Aggregation, over all rows or by group.
//!
//! Integer and decimal sums are exact: the accumulator is wide enough that the order of rows and merges never shows, and
//! only a *final* sum that does not fit its type is an overflow. Float sums are in `Float64`, see [`AggregateFunction::Sum`].

use arrow::datatypes::DataType;

use crate::error::{Error, Result};
use crate::expr::{Expr, OverflowMode, Rounding};

pub mod cpu;
pub mod gpu;
pub mod partial;

mod exact;
mod function;
mod setting;

pub use function::{AggregateFunction, Fraction, Regression};

/// How floats are summed: sums, means, variances, covariances and what is made of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FloatSum {
    /// In `Float64`; the relative error of a sum is at most `n * 2^-53` of the sum of magnitudes, that of a variance
    /// `(32 n + 128) * 2^-53` whatever the mean, and the last places may differ between backends and runs.
    #[default]
    Fast,
    /// Independent of the order of rows: the same bits on every backend, thread count and run. A sum or
    /// mean is the exact one, rounded once; variances and what is made of them are within 0.51 of the last place.
    Reproducible,
}

/// One key of an aggregate's own ORDER BY.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderKey {
    /// What rows are ordered by.
    pub expr: Expr,
    /// Greatest first.
    pub descending: bool,
    /// Nulls before all values, whatever the direction.
    pub nulls_first: bool,
}

/// One aggregate of an [`AggregateSpec`].
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// The function.
    pub function: AggregateFunction,
    /// Its operands, as many as [`AggregateFunction::operands`] says.
    pub inputs: Vec<Expr>,
    /// Only distinct values of the operand count; see [`AggregateFunction`] for where that is of use.
    pub distinct: bool,
    /// The order of rows that the function sees, where it depends on it; then the order of the input. Empty: the order
    /// of the input alone.
    pub order_by: Vec<OrderKey>,
    /// `FILTER (WHERE ...)`: only rows where this is true count.
    pub filter: Option<Expr>,
    /// Result type, as the plan's schema names it.
    pub data_type: DataType,
    /// What a sum that does not fit `data_type` does.
    pub overflow: OverflowMode,
    /// How a decimal average is rounded.
    pub rounding: Rounding,
}

impl Aggregate {
    /// `function` over `inputs`: all rows, overflow checked, halves rounded away from zero.
    #[must_use]
    pub fn new(function: AggregateFunction, inputs: Vec<Expr>, data_type: DataType) -> Self {
        Self {
            function,
            inputs,
            distinct: false,
            order_by: Vec::new(),
            filter: None,
            data_type,
            overflow: OverflowMode::Checked,
            rounding: Rounding::HalfAwayFromZero,
        }
    }

    /// Every expression that is evaluated for it: operands, keys of its order, its filter.
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.inputs.iter().chain(self.order_by.iter().map(|key| &key.expr)).chain(&self.filter)
    }

    /// The first operand, as a function of one operand has it.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where there is none.
    pub fn operand(&self) -> Result<&Expr> {
        self.inputs.first().ok_or_else(|| Error::invalid(format!("{} without an operand", self.function)))
    }
}

/// A whole aggregation over the input columns of a pipeline: predicate, keys and aggregates are expressions over the
/// same batch, so that a fused shader evaluates all of them.
#[derive(Debug, Clone)]
pub struct AggregateSpec {
    /// Rows where this is not true are skipped, before keys and inputs are evaluated.
    pub predicate: Option<Expr>,
    /// Group keys; empty for one group of all rows. Nulls are equal, NaNs are equal, -0.0 equals 0.0; the key that
    /// comes out shows 0.0 and the canonical NaN.
    pub keys: Vec<Expr>,
    /// Aggregates.
    pub aggregates: Vec<Aggregate>,
    /// How floats are summed.
    pub float_sum: FloatSum,
}
