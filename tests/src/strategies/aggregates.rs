//! Aggregations over the columns of a batch.

use arrow::datatypes::DataType;
use pilaster_kernels::aggregate::{Aggregate, AggregateFunction, AggregateSpec, FloatSum};
use pilaster_kernels::expr::{Expr, OverflowMode, Rounding};

use super::{Choices, ExprLimits, boolean_expr, expr};
use crate::reference::Grouping;

/// `count(*)`.
#[must_use]
pub fn count_rows() -> Aggregate {
    Aggregate::new(AggregateFunction::CountRows, Vec::new(), DataType::Int64)
}

/// `count(input)`.
#[must_use]
pub fn count(input: Expr) -> Aggregate {
    Aggregate::new(AggregateFunction::Count, vec![input], DataType::Int64)
}

/// `min(input)` or `max(input)`.
#[must_use]
pub fn extreme(function: AggregateFunction, input: Expr) -> Aggregate {
    let data_type = input.data_type();
    Aggregate::new(function, vec![input], data_type)
}

/// `sum(input)` in the type that SQL gives it: 64 bits, a decimal of ten digits more, or Float64.
#[must_use]
pub fn sum(input: Expr) -> Aggregate {
    use DataType as T;
    let data_type = match input.data_type() {
        T::UInt8 | T::UInt16 | T::UInt32 | T::UInt64 => T::UInt64,
        T::Float32 | T::Float64 => T::Float64,
        T::Decimal32(p, s) | T::Decimal64(p, s) | T::Decimal128(p, s) => T::Decimal128((p + 10).min(38), s),
        _ => T::Int64,
    };
    Aggregate::new(AggregateFunction::Sum, vec![input], data_type)
}

/// `avg(input)`: Float64, or a decimal of four digits more.
#[must_use]
pub fn avg(input: Expr) -> Aggregate {
    use DataType as T;
    let data_type = match input.data_type() {
        T::Decimal32(p, s) | T::Decimal64(p, s) | T::Decimal128(p, s) => {
            T::Decimal128((p + 4).min(38), (s + 4).min(38))
        }
        _ => T::Float64,
    };
    Aggregate::new(AggregateFunction::Avg, vec![input], data_type)
}

/// Any aggregate over any operand.
pub fn aggregate(limits: &ExprLimits, choices: &mut Choices) -> Aggregate {
    let input = match (limits.columns.len(), choices.pick(4)) {
        (0, _) | (_, 3) => expr(limits, choices),
        (columns, _) => {
            let column = choices.pick(columns);
            Expr::column(column, limits.columns[column].clone())
        }
    };
    let numeric = input.data_type().is_numeric();
    let mut aggregate = match choices.pick(6) {
        0 if numeric => sum(input),
        1 if numeric => avg(input),
        0..=2 => count_rows(),
        3 => count(input),
        4 => extreme(AggregateFunction::Min, input),
        _ => extreme(AggregateFunction::Max, input),
    };
    if choices.rarely(4) {
        aggregate.filter = Some(boolean_expr(&ExprLimits { depth: 1, ..limits.clone() }, choices));
    }
    if choices.rarely(6) && aggregate.function == AggregateFunction::Sum {
        aggregate.overflow = OverflowMode::Wrap;
    }
    if choices.rarely(6) {
        aggregate.rounding = Rounding::Truncate;
    }
    aggregate
}

/// A whole aggregation: up to `most_keys` keys and one to four aggregates.
pub fn aggregate_spec(limits: &ExprLimits, most_keys: usize, choices: &mut Choices) -> AggregateSpec {
    let key = |choices: &mut Choices| {
        if limits.columns.is_empty() || choices.rarely(5) {
            return expr(&ExprLimits { depth: 1, ..limits.clone() }, choices);
        }
        let column = choices.pick(limits.columns.len());
        Expr::column(column, limits.columns[column].clone())
    };
    let keys = choices.pick(most_keys + 1);
    let keys = (0..keys).map(|_| key(choices)).collect();
    let aggregates = 1 + choices.pick(4);
    let aggregates = (0..aggregates).map(|_| aggregate(limits, choices)).collect();
    let predicate = (choices.pick(3) == 1).then(|| boolean_expr(limits, choices));
    AggregateSpec { predicate, keys, aggregates, float_sum: FloatSum::Fast }
}

/// ROLLUP, CUBE, or up to five sets in which keys and whole sets may come twice, or not at all.
pub fn grouping(keys: usize, choices: &mut Choices) -> Grouping {
    match choices.pick(4) {
        0 => Grouping::Rollup,
        1 => Grouping::Cube,
        _ => {
            let set = |choices: &mut Choices| {
                let most = if keys == 0 { 0 } else { choices.pick(keys + 2) };
                (0..most).map(|_| choices.pick(keys)).collect()
            };
            let count = 1 + choices.pick(5);
            Grouping::Sets((0..count).map(|_| set(choices)).collect())
        }
    }
}
