//! Aggregation: sum, count, min, max and avg, over all rows or by group.
//!
//! Integer and decimal sums are exact: the accumulator is wide enough that the order of rows and merges never shows, and
//! only a *final* sum that does not fit its type is an overflow. Float sums are in `Float64`, see [`AggregateFunction::Sum`].

use arrow::datatypes::DataType;

use crate::expr::{Expr, OverflowMode, Rounding};

pub mod cpu;
pub mod gpu;
pub mod partial;

/// What is computed over the rows of a group. Nulls are skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AggregateFunction {
    /// `count(*)`: rows, whatever they hold.
    CountRows,
    /// `count(x)`: rows where `x` is not null.
    Count,
    /// `sum(x)`. Integers and decimals are summed exactly. Floats in `Float64`: relative error at most `n * 2^-53` of the
    /// sum of magnitudes; any NaN, or infinities of both signs, give NaN. Null over no rows.
    Sum,
    /// `min(x)`, in the order of comparison expressions. Null over no rows. All ordered types.
    Min,
    /// `max(x)`, likewise.
    Max,
    /// `avg(x)`: the exact sum over the count, divided once. Float64 for integers and floats, decimal for decimals.
    Avg,
}

/// One aggregate of an [`AggregateSpec`].
#[derive(Debug, Clone)]
pub struct Aggregate {
    /// The function.
    pub function: AggregateFunction,
    /// Its operand; none for [`AggregateFunction::CountRows`].
    pub input: Option<Expr>,
    /// `FILTER (WHERE ...)`: only rows where this is true count.
    pub filter: Option<Expr>,
    /// Result type, as the plan's schema names it.
    pub data_type: DataType,
    /// What a sum that does not fit `data_type` does.
    pub overflow: OverflowMode,
    /// How a decimal average is rounded.
    pub rounding: Rounding,
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
}
