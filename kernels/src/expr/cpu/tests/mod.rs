//! Hand-computed expectations, feature by feature.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Int32Type, TimeUnit};

use super::*;
use crate::expr::like::LikePattern;
use crate::expr::range::Range;
use crate::expr::{ArithmeticOp, CastMode, CompareOp, External, OverflowMode, Rounding, Scalar, Value};

/// `assert_eq!` moves a trait object out of its `Arc`.
macro_rules! assert_arrays {
    ($left:expr, $right:expr $(,)?) => {
        assert_eq!(&$left, &$right)
    };
}

mod arithmetic;
mod casts;
mod compare;
mod conditions;

fn array<A: Array + 'static>(array: A) -> ArrayRef {
    Arc::new(array)
}

fn column(index: usize, data_type: &DataType) -> Expr {
    Expr::column(index, data_type.clone())
}

/// The expression over all rows, in its declared type.
fn run(expr: &Expr, columns: &[ArrayRef]) -> Result<ArrayRef> {
    evaluate(expr, columns, columns.first().map_or(0, |column| column.len()))
}

fn bools(expr: &Expr, columns: &[ArrayRef]) -> Vec<Option<bool>> {
    run(expr, columns).unwrap().as_boolean().iter().collect()
}

fn arithmetic(op: ArithmeticOp, left: Expr, right: Expr, data_type: &DataType) -> Expr {
    let (overflow, rounding) = (OverflowMode::Checked, Rounding::HalfAwayFromZero);
    Expr::arithmetic(op, left, right, data_type.clone(), overflow, rounding).unwrap()
}

fn decimals(values: &[Option<i128>], precision: u8, scale: i8) -> ArrayRef {
    let values = Decimal128Array::from(values.to_vec());
    array(values.with_precision_and_scale(precision, scale).unwrap())
}

/// Values of which every null hides `garbage`.
fn with_garbage(values: Vec<Option<i64>>, garbage: i64) -> ArrayRef {
    let nulls = NullBuffer::from(values.iter().map(Option::is_some).collect::<Vec<_>>());
    let values: Vec<i64> = values.into_iter().map(|value| value.unwrap_or(garbage)).collect();
    array(Int64Array::new(values.into(), Some(nulls)))
}
