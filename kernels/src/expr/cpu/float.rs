//! Arithmetic of floats: IEEE 754, one loop per operator.

use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;

use super::frame::Operand;
use super::vector::{Values, Vector};
use crate::error::{Error, Result};
use crate::expr::{ArithmeticOp, Value};
use crate::simd::lanes;

fn mismatch() -> Error {
    Error::invalid("floats of one width were expected")
}

pub(super) fn float_arithmetic(
    op: ArithmeticOp,
    left: &Operand,
    right: &Operand,
    rows: usize,
) -> Result<Vector> {
    macro_rules! run {
        ($variant:ident, $native:ty) => {{
            let f = |l: $native, r: $native| match op {
                ArithmeticOp::Add => l + r,
                ArithmeticOp::Subtract => l - r,
                ArithmeticOp::Multiply => l * r,
                ArithmeticOp::Divide => l / r,
                ArithmeticOp::Remainder => l % r,
            };
            let column = |operand: &Operand| match operand {
                Operand::Column(column) => Ok(column.clone()),
                Operand::Constant(scalar) => Vector::load(&scalar.to_array(rows)?, None),
            };
            match (left, right) {
                (Operand::Column(l), Operand::Constant(r)) => {
                    let (Values::$variant(values), Value::Float(r)) = (l.values(), &r.value) else {
                        return Err(mismatch());
                    };
                    let r = *r as $native;
                    let values = match op {
                        ArithmeticOp::Add => lanes::map(values, |l: $native| l + r),
                        ArithmeticOp::Subtract => lanes::map(values, |l: $native| l - r),
                        ArithmeticOp::Multiply => lanes::map(values, |l: $native| l * r),
                        _ => lanes::map(values, |l: $native| f(l, r)),
                    };
                    Ok(Vector::new(Values::$variant(values.into()), l.nulls().cloned()))
                }
                _ => {
                    let (l, r) = (column(left)?, column(right)?);
                    let (Values::$variant(a), Values::$variant(b)) = (l.values(), r.values()) else {
                        return Err(mismatch());
                    };
                    let values = match op {
                        ArithmeticOp::Add => lanes::zip(a, b, |l: $native, r: $native| l + r),
                        ArithmeticOp::Subtract => lanes::zip(a, b, |l: $native, r: $native| l - r),
                        ArithmeticOp::Multiply => lanes::zip(a, b, |l: $native, r: $native| l * r),
                        ArithmeticOp::Divide => lanes::zip(a, b, |l: $native, r: $native| l / r),
                        ArithmeticOp::Remainder => lanes::zip(a, b, |l: $native, r: $native| l % r),
                    };
                    Ok(Vector::new(Values::$variant(values.into()), NullBuffer::union(l.nulls(), r.nulls())))
                }
            }
        }};
    }
    let single = [left, right].iter().any(|operand| match operand {
        Operand::Column(column) => matches!(column.values(), Values::F32(_)),
        Operand::Constant(scalar) => scalar.data_type == DataType::Float32,
    });
    if single { run!(F32, f32) } else { run!(F64, f64) }
}
