//! The checks behind the plan's constructors.

use arrow::datatypes::{DataType, Schema};
use pilaster_kernels::aggregate::{Aggregate, AggregateFunction};
use pilaster_kernels::expr::{CastMode, CompareOp, Expr};
use pilaster_kernels::{Error, Result};

/// The logical type behind a physical one: strings are one type, binaries are one type, a dictionary is its values, a
/// decimal is its precision and scale.
pub(crate) fn logical(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => logical(values),
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => DataType::Decimal256(*p, *s),
        other => other.clone(),
    }
}

/// Each column that `expr` reads exists in `schema` with the type that the expression was built for.
pub(super) fn columns(expr: &Expr, schema: &Schema) -> Result<()> {
    let mut open = vec![expr];
    while let Some(expr) = open.pop() {
        if let Expr::Column { index, data_type } = expr {
            let field = schema.fields().get(*index).ok_or_else(|| {
                Error::invalid(format!("column {index} of an input with {} columns", schema.fields().len()))
            })?;
            if logical(field.data_type()) != logical(data_type) {
                let (name, is) = (field.name(), field.data_type());
                return Err(Error::invalid(format!(
                    "column {name} is {is}, the expression expects {data_type}"
                )));
            }
        }
        open.extend(expr.children());
    }
    Ok(())
}

/// `expr` is Boolean.
pub(super) fn boolean(expr: &Expr, what: &str) -> Result<()> {
    match expr.data_type() {
        DataType::Boolean => Ok(()),
        other => Err(Error::invalid(format!("{what} must be Boolean, is {other}"))),
    }
}

/// `data_type` can be compared: everything but nested types and intervals.
pub(super) fn ordered(data_type: &DataType, what: &str) -> Result<()> {
    let logical = logical(data_type);
    if logical.is_nested() || matches!(logical, DataType::Interval(_)) {
        return Err(Error::invalid(format!("{what} cannot be {data_type}")));
    }
    Ok(())
}

/// Same number of columns with the same logical types.
pub(crate) fn same_columns(left: &Schema, right: &Schema, what: &str) -> Result<()> {
    let (ours, theirs) = (left.fields(), right.fields());
    if ours.len() != theirs.len() {
        return Err(Error::invalid(format!("{what}: {} and {} columns", ours.len(), theirs.len())));
    }
    for (one, other) in ours.iter().zip(theirs) {
        if logical(one.data_type()) != logical(other.data_type()) {
            return Err(Error::invalid(format!(
                "{what}: {} is {}, {} is {}",
                one.name(),
                one.data_type(),
                other.name(),
                other.data_type()
            )));
        }
    }
    Ok(())
}

/// Operand, filter and result type of an aggregate belong together.
pub(super) fn aggregate(aggregate: &Aggregate, input: &Schema) -> Result<()> {
    for expr in aggregate.exprs() {
        columns(expr, input)?;
    }
    if let Some(filter) = &aggregate.filter {
        boolean(filter, "an aggregate's filter")?;
    }
    let operand = aggregate.inputs.first().map(Expr::data_type);
    let result = &aggregate.data_type;
    let fits = match (&aggregate.function, &operand) {
        (AggregateFunction::CountRows, None) | (AggregateFunction::Count, Some(_)) => {
            matches!(result, DataType::Int64 | DataType::UInt64)
        }
        (AggregateFunction::Sum, Some(operand)) => sum_fits(operand, result),
        (AggregateFunction::Avg, Some(operand)) => avg_fits(operand, result),
        (AggregateFunction::Min | AggregateFunction::Max, Some(operand)) => {
            ordered(operand, "the operand of min or max")?;
            logical(operand) == logical(result)
        }
        (AggregateFunction::BoolAnd | AggregateFunction::BoolOr, Some(operand)) => {
            logical(operand) == DataType::Boolean && *result == DataType::Boolean
        }
        (AggregateFunction::BitAnd | AggregateFunction::BitOr | AggregateFunction::BitXor, Some(operand)) => {
            operand.is_integer() && operand == result
        }
        _ => false,
    };
    if !fits {
        let operand = operand.map_or_else(|| "nothing".to_owned(), |operand| operand.to_string());
        return Err(Error::invalid(format!("{} of {operand} cannot give {result}", aggregate.function)));
    }
    Ok(())
}

fn sum_fits(operand: &DataType, result: &DataType) -> bool {
    match (logical(operand), logical(result)) {
        (DataType::Decimal256(_, from), DataType::Decimal256(_, to)) => from == to,
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

/// False only where `expr` can never give null over rows of `schema`.
pub(super) fn nullable(expr: &Expr, schema: &Schema) -> bool {
    let any_operand = || expr.children().any(|operand| nullable(operand, schema));
    match expr {
        Expr::Column { index, .. } => schema.fields().get(*index).is_none_or(|field| field.is_nullable()),
        Expr::Literal(scalar) => scalar.is_null(),
        Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::Compare { op: CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom, .. } => false,
        Expr::Compare { .. }
        | Expr::And(..)
        | Expr::Or(..)
        | Expr::Not(_)
        | Expr::Arithmetic { .. }
        | Expr::Negate { .. }
        | Expr::Like { .. }
        | Expr::Cast { mode: CastMode::Strict, .. } => any_operand(),
        Expr::InList { list, .. } => list.iter().any(|item| item.is_null()) || any_operand(),
        Expr::Case { branches, otherwise, .. } => {
            otherwise.as_ref().is_none_or(|expr| nullable(expr, schema))
                || branches.iter().any(|(_, then)| nullable(then, schema))
        }
        _ => true,
    }
}
