//! An expression over one row.

use std::cmp::Ordering;

use pilaster_kernels::expr::{CompareOp, Expr};

use super::arithmetic::{Operation, negate};
use super::cast::cast;
use super::like::like;
use super::{Answer, all, both};
use crate::Datum;

/// The value of `expr` on one active row, or all errors that it raises there.
///
/// # Errors
/// The kinds of all errors on the row.
pub fn evaluate(expr: &Expr, row: &[Datum]) -> Answer<Datum> {
    match expr {
        Expr::Column { index, .. } => Ok(row[*index].clone()),
        Expr::Literal(scalar) => Ok(Datum::of_scalar(scalar)),
        Expr::Compare { op, left, right } => {
            let (left, right) = both(evaluate(left, row), evaluate(right, row))?;
            Ok(compare(*op, &left, &right))
        }
        Expr::And(left, right) => connect(left, right, row, false),
        Expr::Or(left, right) => connect(left, right, row, true),
        Expr::Not(input) => Ok(not(evaluate(input, row)?)),
        Expr::Arithmetic { op, left, right, data_type, overflow, rounding } => {
            let types = (left.data_type(), right.data_type());
            let operation = Operation {
                op: *op,
                left: &types.0,
                right: &types.1,
                result: data_type,
                overflow: *overflow,
                rounding: *rounding,
            };
            let (left, right) = both(evaluate(left, row), evaluate(right, row))?;
            operation.apply(&left, &right)
        }
        Expr::Negate { input, overflow } => negate(&evaluate(input, row)?, &input.data_type(), *overflow),
        Expr::Cast { input, to, mode } => cast(&evaluate(input, row)?, &input.data_type(), to, *mode),
        Expr::IsNull(input) => Ok(Datum::Bool(evaluate(input, row)?.is_null())),
        Expr::IsNotNull(input) => Ok(Datum::Bool(!evaluate(input, row)?.is_null())),
        Expr::InList { input, list, negated } => {
            let input = evaluate(input, row)?;
            let found = any(list.iter().map(|item| compare(CompareOp::Eq, &input, &Datum::of_scalar(item))));
            Ok(if *negated { not(found) } else { found })
        }
        Expr::Like { input, pattern, negated } => match evaluate(input, row)? {
            Datum::Bytes(text) => {
                let text = std::str::from_utf8(&text).expect("strings are UTF-8");
                let found = like(text, pattern.source(), pattern.escape(), pattern.case_insensitive());
                Ok(Datum::Bool(found != *negated))
            }
            _ => Ok(Datum::Null),
        },
        Expr::Case { branches, otherwise, .. } => {
            for (when, then) in branches {
                if let Datum::Bool(true) = evaluate(when, row)? {
                    return evaluate(then, row);
                }
            }
            otherwise.as_ref().map_or(Ok(Datum::Null), |otherwise| evaluate(otherwise, row))
        }
        Expr::External { function, inputs } => {
            all(inputs.iter().map(|input| evaluate(input, row)))?;
            panic!("the reference knows no function {}", function.name())
        }
        other => panic!("the reference does not know {other}"),
    }
}

/// AND (`decisive` false) and OR (`decisive` true): the right side is evaluated unless the left decides.
fn connect(left: &Expr, right: &Expr, row: &[Datum], decisive: bool) -> Answer<Datum> {
    // Whether the right side would run is not known where the left fails, and no evaluator gets there.
    let left = evaluate(left, row)?;
    if is(&left, decisive) {
        return Ok(Datum::Bool(decisive));
    }
    let right = evaluate(right, row)?;
    Ok(if is(&right, decisive) {
        Datum::Bool(decisive)
    } else if left.is_null() || right.is_null() {
        Datum::Null
    } else {
        Datum::Bool(!decisive)
    })
}

fn is(datum: &Datum, value: bool) -> bool {
    matches!(datum, Datum::Bool(found) if *found == value)
}

fn not(datum: Datum) -> Datum {
    match datum {
        Datum::Bool(value) => Datum::Bool(!value),
        other => other,
    }
}

/// Three-valued disjunction.
fn any(values: impl Iterator<Item = Datum>) -> Datum {
    let mut result = Datum::Bool(false);
    for value in values {
        if is(&value, true) {
            return value;
        }
        if value.is_null() {
            result = Datum::Null;
        }
    }
    result
}

fn compare(op: CompareOp, left: &Datum, right: &Datum) -> Datum {
    let order = match (left.is_null(), right.is_null()) {
        (false, false) => left.order(right),
        (one, other) => {
            return match op {
                CompareOp::IsDistinctFrom => Datum::Bool(one != other),
                CompareOp::IsNotDistinctFrom => Datum::Bool(one == other),
                _ => Datum::Null,
            };
        }
    };
    Datum::Bool(match op {
        CompareOp::Eq | CompareOp::IsNotDistinctFrom => order == Ordering::Equal,
        CompareOp::NotEq | CompareOp::IsDistinctFrom => order != Ordering::Equal,
        CompareOp::Lt => order == Ordering::Less,
        CompareOp::LtEq => order != Ordering::Greater,
        CompareOp::Gt => order == Ordering::Greater,
        CompareOp::GtEq => order != Ordering::Less,
    })
}
