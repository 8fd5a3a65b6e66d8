//! Which operands and results belong to which function.
//!
//! | function | operands | result |
//! | --- | --- | --- |
//! | count | any; none for `count(*)` | `Int64` or `UInt64`, never null |
//! | sum | integer; decimal; float; duration | an integer; a decimal of the same scale; a float; the same |
//! | avg | integer, float; decimal | a float; a decimal |
//! | min, max, percentile_disc, mode | anything ordered | the same logical type |
//! | var, stddev, covar, corr, regr | numbers | `Float64`; `Int64` or `UInt64`, never null, for regr_count |
//! | bool_and, bool_or | Boolean | Boolean |
//! | bit_and, bit_or, bit_xor | integer | the same |
//! | first_value, last_value, any_value | any | the same logical type |
//! | percentile_cont | integer, float; decimal | a float; a decimal of the same scale |
//! | array_agg | any | `List` or `LargeList` of the same logical type |
//! | string_agg | text | text |
//! | approx_distinct | any | `Int64` or `UInt64`, never null |
//! | approx_percentile | numbers | a float |
//!
//! No function takes nested types. An operand of type `Null` belongs to every function. Everything that is not said to be
//! never null is null over no rows, or where all operands are null.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use pilaster_kernels::aggregate::cpu::CpuAggregate;
use pilaster_kernels::aggregate::{Aggregate, AggregateFunction, AggregateSpec, FloatSum, Regression};
use pilaster_kernels::expr::Expr;
use pilaster_kernels::memory::Unlimited;
use pilaster_kernels::{Error, Result};

use super::check::{boolean, columns, flat, logical, ordered};

/// Operands, order, filter and result type of an aggregate belong together.
pub(super) fn check(aggregate: &Aggregate, input: &Schema) -> Result<()> {
    for expr in aggregate.exprs() {
        columns(expr, input)?;
    }
    if let Some(filter) = &aggregate.filter {
        boolean(filter, "an aggregate's filter")?;
    }
    for key in &aggregate.order_by {
        ordered(&key.expr.data_type(), "a key of an aggregate's order")?;
    }
    let operands: Vec<DataType> = aggregate.inputs.iter().map(Expr::data_type).collect();
    let shown: Vec<String> = operands.iter().map(ToString::to_string).collect();
    let shown = if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") };
    let (function, result) = (&aggregate.function, &aggregate.data_type);
    let (least, most) = function.operands();
    if !(least..=most).contains(&operands.len()) {
        return Err(Error::invalid(format!("{function} of {shown}: it takes {least} operands")));
    }
    operands.iter().try_for_each(|operand| flat(operand, &format!("an operand of {function}")))?;
    match fits(function, &operands, result)? {
        true => Ok(()),
        false => Err(Error::invalid(format!("{function} of {shown} cannot give {result}"))),
    }
}

/// The CPU, which runs what nobody else does, has kernels for all of it.
pub(super) fn supported(keys: &[Expr], aggregates: &[Aggregate]) -> Result<()> {
    let spec = AggregateSpec {
        predicate: None,
        keys: keys.to_vec(),
        aggregates: aggregates.to_vec(),
        float_sum: FloatSum::default(),
    };
    CpuAggregate::new(Arc::new(spec), Arc::new(Unlimited)).map(|_| ())
}

/// False only for functions that are never null.
pub(super) fn nullable(function: &AggregateFunction) -> bool {
    !matches!(
        function,
        AggregateFunction::CountRows
            | AggregateFunction::Count
            | AggregateFunction::Regression(Regression::Count)
            | AggregateFunction::ApproxDistinct
    )
}

fn fits(function: &AggregateFunction, operands: &[DataType], result: &DataType) -> Result<bool> {
    use AggregateFunction as F;
    let counts = matches!(result, DataType::Int64 | DataType::UInt64);
    let Some(first) = operands.first() else { return Ok(*function == F::CountRows && counts) };
    let nulls = logical(first) == DataType::Null;
    let same = nulls || logical(first) == logical(result);
    let all =
        |fits: fn(&DataType) -> bool| operands.iter().map(logical).all(|t| t == DataType::Null || fits(&t));
    Ok(match function {
        F::CountRows => false,
        F::Count => counts,
        F::Sum => nulls || sum_fits(first, result),
        F::Avg => nulls || avg_fits(first, result),
        F::Min | F::Max | F::PercentileDisc(_) | F::Mode => {
            ordered(first, &format!("the operand of {function}"))?;
            same
        }
        F::Regression(Regression::Count) => all(DataType::is_numeric) && counts,
        F::Variance { .. } | F::Stddev { .. } | F::Covariance { .. } | F::Correlation | F::Regression(_) => {
            all(DataType::is_numeric) && *result == DataType::Float64
        }
        F::BoolAnd | F::BoolOr => all(|t| *t == DataType::Boolean) && *result == DataType::Boolean,
        F::BitAnd | F::BitOr | F::BitXor => all(DataType::is_integer) && same,
        F::First { .. } | F::Last { .. } | F::AnyValue => same,
        F::PercentileCont(_) => nulls || middle_fits(first, result),
        F::ArrayAgg { .. } => list_fits(first, result),
        F::StringAgg { .. } => all(is_text) && is_text(&logical(result)),
        F::ApproxDistinct => counts,
        F::ApproxPercentile(_) => all(DataType::is_numeric) && result.is_floating(),
    })
}

fn sum_fits(operand: &DataType, result: &DataType) -> bool {
    match (logical(operand), logical(result)) {
        (DataType::Decimal256(_, from), DataType::Decimal256(_, to)) => from == to,
        (DataType::Duration(from), DataType::Duration(to)) => from == to,
        (operand, result) if operand.is_integer() => result.is_integer(),
        (operand, result) => operand.is_floating() && result.is_floating(),
    }
}

fn avg_fits(operand: &DataType, result: &DataType) -> bool {
    match logical(operand) {
        DataType::Decimal256(..) => matches!(logical(result), DataType::Decimal256(..)),
        operand => operand.is_numeric() && result.is_floating(),
    }
}

fn middle_fits(operand: &DataType, result: &DataType) -> bool {
    match (logical(operand), logical(result)) {
        (DataType::Decimal256(_, from), DataType::Decimal256(_, to)) => from == to,
        (operand, result) => operand.is_numeric() && !operand.is_decimal() && result.is_floating(),
    }
}

fn list_fits(operand: &DataType, result: &DataType) -> bool {
    match result {
        DataType::List(item) | DataType::LargeList(item) => logical(item.data_type()) == logical(operand),
        _ => false,
    }
}

fn is_text(data_type: &DataType) -> bool {
    *data_type == DataType::Utf8
}
