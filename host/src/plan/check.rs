//! The checks behind the plan's constructors.

use arrow::datatypes::{DataType, Schema};
use pilaster_kernels::expr::{CastMode, CompareOp, Expr};
use pilaster_kernels::{Backend, Error, Result};

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

/// `data_type` can be compared: everything but nested types and intervals, which no kernel orders.
pub(super) fn ordered(data_type: &DataType, what: &str) -> Result<()> {
    match matches!(logical(data_type), DataType::Interval(_)) {
        true => Err(Error::unsupported(format!("{what} of type {data_type}"), Backend::Cpu)),
        false => flat(data_type, what),
    }
}

/// `data_type` is not nested: an engine keeps what has lists, structs or maps for keys and operands.
pub(super) fn flat(data_type: &DataType, what: &str) -> Result<()> {
    match logical(data_type).is_nested() {
        true => Err(Error::unsupported(format!("{what} of type {data_type}"), Backend::Cpu)),
        false => Ok(()),
    }
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
