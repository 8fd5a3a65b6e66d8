//! Arithmetic in the narrowest lanes that provably hold the result.
//!
//! ```text
//! ranges of the operands (measured once per batch) -> range of the exact result -> 32, 64 or 128 bit lanes
//! range within the type: done       otherwise: one min/max pass over the result tells whether a row overflowed
//! range beyond 128 bits:            row by row in 256 bits
//! ```
//! So an overflow is found by a scan and never by a branch per row, and a result that fits by its range is not even scanned.
//! Lanes wrap; a lane that holds its exact result is right whatever happened to the bits above it, because `+ - *`
//! modulo 2^n need only the operands modulo 2^n. Decimals are integers with scales; a loss of digits is one division.
//!
//! Bytes per row: both operands read, the result written (`i64 * i64`: 24; `100 - i64`: 16).

use arrow::array::Array;
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, i256};

use crate::error::{Error, Result};
use crate::expr::range::Range;
use crate::expr::types::{power_of_ten, type_bounds, value_type, with_integer_type};
use crate::expr::{ArithmeticOp, Expr, OverflowMode, Rounding};
use crate::simd::lanes;

use super::decimal::{divide, divide_256, rescale_value, scale_256};
use super::float::float_arithmetic;
use super::frame::{Frame, Operand};
use super::graph::NodeId;
use super::side::{Lanes, Ring, Side, lanes_op};
use super::vector::{Values, Vector, scale_of};

pub(crate) fn arithmetic(frame: &Frame, node: NodeId) -> Result<Vector> {
    let Expr::Arithmetic { op, left, right, data_type, overflow, rounding } = frame.expr(node) else {
        return Err(Error::invalid("not arithmetic"));
    };
    let children = frame.children(node);
    let (l, r) = (frame.operand(children[0])?, frame.operand(children[1])?);
    let rows = frame.rows();
    if is_null(&l) || is_null(&r) {
        return nulls_of(data_type, rows);
    }
    if matches!(value_type(data_type), DataType::Float32 | DataType::Float64) {
        return float_arithmetic(*op, &l, &r, rows);
    }
    let nulls = NullBuffer::union(operand_nulls(&l), operand_nulls(&r));
    let (Some(a), Some(b)) = (Side::of(&l)?, Side::of(&r)?) else { return nulls_of(data_type, rows) };
    let job = Job {
        op: *op,
        scales: (scale_of(&left.data_type()), scale_of(&right.data_type()), scale_of(data_type)),
        rounding: *rounding,
        bounds: type_bounds(data_type)
            .ok_or_else(|| Error::invalid(format!("arithmetic gives no {data_type}")))?,
        rows,
        nulls: nulls.as_ref(),
        expr: frame.expr(node),
    };
    let integer = !matches!(
        value_type(data_type),
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..)
    );
    if integer && *overflow == OverflowMode::Wrap {
        return job.wrapping(a, b, data_type);
    }
    job.checked(a, b)
}

pub(crate) fn negate(frame: &Frame, node: NodeId) -> Result<Vector> {
    let Expr::Negate { input, overflow } = frame.expr(node) else {
        return Err(Error::invalid("not a negation"));
    };
    let data_type = input.data_type();
    let value = frame.value(frame.children(node)[0])?;
    match value.values() {
        Values::F32(values) => {
            return Ok(Vector::new(
                Values::F32(lanes::map(values, |v: f32| -v).into()),
                value.nulls().cloned(),
            ));
        }
        Values::F64(values) => {
            return Ok(Vector::new(
                Values::F64(lanes::map(values, |v: f64| -v).into()),
                value.nulls().cloned(),
            ));
        }
        Values::Other(array) if array.data_type().is_null() => return Ok(value),
        _ => {}
    }
    let nulls = value.nulls().cloned();
    let Some(side) = Side::of(&Operand::Column(value))? else { return nulls_of(&data_type, frame.rows()) };
    let scale = scale_of(&data_type);
    let job = Job {
        op: ArithmeticOp::Subtract,
        scales: (scale, scale, scale),
        rounding: Rounding::HalfAwayFromZero,
        bounds: type_bounds(&data_type)
            .ok_or_else(|| Error::invalid(format!("cannot negate {data_type}")))?,
        rows: frame.rows(),
        nulls: nulls.as_ref(),
        expr: frame.expr(node),
    };
    let zero = Side::constant(0);
    let decimal = crate::expr::types::digits(&data_type).is_some();
    if *overflow == OverflowMode::Wrap && !decimal {
        return job.wrapping(zero, side, &data_type);
    }
    job.checked(zero, side)
}

/// One arithmetic operation on integer lanes.
struct Job<'a> {
    op: ArithmeticOp,
    /// Of the left and right operand and the result.
    scales: (i32, i32, i32),
    rounding: Rounding,
    bounds: Range,
    rows: usize,
    nulls: Option<&'a NullBuffer>,
    /// For error messages.
    expr: &'a Expr,
}

impl Job<'_> {
    fn checked(&self, a: Side, b: Side) -> Result<Vector> {
        let exact = match self.op {
            ArithmeticOp::Divide | ArithmeticOp::Remainder => None,
            _ => self.ring(&a, &b),
        };
        let side = match exact {
            Some(side) => side,
            None => self.by_row(&a, &b)?,
        };
        let range = side.range;
        let vector = side.into_vector(self.rows, self.nulls.cloned());
        if range.within(&self.bounds) {
            return Ok(vector);
        }
        let measured = vector.measure();
        match measured {
            Some(measured) if !measured.within(&self.bounds) => Err(self.overflow()),
            Some(measured) => {
                let vector = Vector::with_range(vector.values().clone(), self.nulls.cloned(), measured);
                Ok(vector.narrowed(measured))
            }
            None => Ok(vector),
        }
    }

    /// `+ - *` with rescaling, in lanes; none where an intermediate might not fit 128 bits.
    fn ring(&self, a: &Side, b: &Side) -> Option<Side> {
        let (left, right, out) = self.scales;
        let common = left.max(right);
        match self.op {
            ArithmeticOp::Multiply => a.combine(Ring::Multiply, b)?.rescale(left + right, out, self.rounding),
            op => {
                let ring = if op == ArithmeticOp::Add { Ring::Add } else { Ring::Subtract };
                let (a, b) =
                    (a.rescale(left, common, self.rounding)?, b.rescale(right, common, self.rounding)?);
                a.combine(ring, &b)?.rescale(common, out, self.rounding)
            }
        }
    }

    /// Two's complement at the width of the type.
    fn wrapping(&self, a: Side, b: Side, data_type: &DataType) -> Result<Vector> {
        let ring = match self.op {
            ArithmeticOp::Add => Ring::Add,
            ArithmeticOp::Subtract => Ring::Subtract,
            ArithmeticOp::Multiply => Ring::Multiply,
            ArithmeticOp::Divide | ArithmeticOp::Remainder => {
                let quotients = self.by_row(&a, &b)?;
                return Ok(self.wrapped(quotients, data_type));
            }
        };
        if let Some(side) = a.combine(ring, &b).filter(|side| side.range.within(&self.bounds)) {
            return Ok(side.into_vector(self.rows, self.nulls.cloned()));
        }
        let wide = Side { lanes: lanes_op(ring, &a.lanes, &b.lanes, 128), range: self.bounds };
        Ok(self.wrapped(wide, data_type))
    }

    fn wrapped(&self, side: Side, data_type: &DataType) -> Vector {
        let wide = side.lanes.into_i128(self.rows);
        let values = lanes::map(&wide, |v: i128| wrap(v, data_type));
        Vector::new(Values::I128(values.into()), self.nulls.cloned()).narrowed(self.bounds)
    }

    /// Division, remainder, and whatever may need more than 128 bits; nulls are stepped over.
    fn by_row(&self, a: &Side, b: &Side) -> Result<Side> {
        let (l, r) = (a.lanes.clone().into_i128(self.rows), b.lanes.clone().into_i128(self.rows));
        let narrow = self.fits_128(a, b);
        let mut values = vec![0i128; self.rows];
        let mut row_value = |row: usize| -> Result<()> {
            let narrow = if narrow { self.row_128(l[row], r[row])? } else { None };
            values[row] = match narrow {
                Some(value) => value,
                None => self.row_256(l[row], r[row])?,
            };
            Ok(())
        };
        match self.nulls {
            None => (0..self.rows).try_for_each(&mut row_value)?,
            Some(nulls) => nulls.valid_indices().try_for_each(&mut row_value)?,
        }
        Ok(Side { lanes: Lanes::I128(values.into()), range: Range { min: i128::MIN, max: i128::MAX } })
    }

    fn fits_128(&self, a: &Side, b: &Side) -> bool {
        let (left, right, out) = self.scales;
        match self.op {
            ArithmeticOp::Divide => {
                a.range.rescale(left, left.max(out + right)).is_some()
                    && b.range.rescale(right, right.max(left - out)).is_some()
            }
            ArithmeticOp::Remainder => {
                let common = left.max(right);
                a.range.rescale(left, common).is_some() && b.range.rescale(right, common).is_some()
            }
            _ => false,
        }
    }

    /// A quotient or remainder whose scaled operands fit 128 bits.
    fn row_128(&self, a: i128, b: i128) -> Result<Option<i128>> {
        if b == 0 {
            return Err(self.divide_by_zero());
        }
        let (left, right, out) = self.scales;
        let power = |exponent: i32| u32::try_from(exponent).ok().map_or(Some(1), power_of_ten);
        let common = left.max(right);
        Ok(match self.op {
            ArithmeticOp::Divide => {
                let exponent = out - left + right;
                let (Some(up), Some(down)) = (power(exponent), power(-exponent)) else { return Ok(None) };
                let (Some(dividend), Some(divisor)) = (a.checked_mul(up), b.checked_mul(down)) else {
                    return Ok(None);
                };
                divide(dividend, divisor, self.quotient_rounding())
            }
            _ => {
                let (Some(up), Some(down)) = (power(common - left), power(common - right)) else {
                    return Ok(None);
                };
                let (Some(dividend), Some(divisor)) = (a.checked_mul(up), b.checked_mul(down)) else {
                    return Ok(None);
                };
                let Some(remainder) = dividend.checked_rem(divisor) else { return Ok(Some(0)) };
                rescale_value(remainder, common, out, self.rounding)
            }
        })
    }

    /// Integers divide towards zero whatever the plan's rounding of decimals.
    fn quotient_rounding(&self) -> Rounding {
        if self.scales == (0, 0, 0) && !is_decimal(self.expr) { Rounding::Truncate } else { self.rounding }
    }

    fn row_256(&self, a: i128, b: i128) -> Result<i128> {
        let (left, right, out) = self.scales;
        let common = left.max(right);
        let (a, b) = (i256::from_i128(a), i256::from_i128(b));
        let up = |value: i256, exponent: i32| scale_256(value, exponent).ok_or_else(|| self.overflow());
        let rescale = |value: i256, from: i32| -> Result<i256> {
            if out >= from {
                return up(value, out - from);
            }
            let divisor = up(i256::ONE, from - out)?;
            Ok(divide_256(value, divisor, self.rounding))
        };
        let divides = matches!(self.op, ArithmeticOp::Divide | ArithmeticOp::Remainder);
        if divides && b == i256::ZERO {
            return Err(self.divide_by_zero());
        }
        let value = match self.op {
            ArithmeticOp::Multiply => rescale(a.wrapping_mul(b), left + right)?,
            ArithmeticOp::Divide => {
                let exponent = out - left + right;
                let (a, b) = (up(a, exponent.max(0))?, up(b, (-exponent).max(0))?);
                divide_256(a, b, self.quotient_rounding())
            }
            op => {
                let (a, b) = (up(a, common - left)?, up(b, common - right)?);
                let value = match op {
                    ArithmeticOp::Add => a.checked_add(b),
                    ArithmeticOp::Subtract => a.checked_sub(b),
                    _ => a.checked_rem(b),
                };
                rescale(value.ok_or_else(|| self.overflow())?, common)?
            }
        };
        value.to_i128().ok_or_else(|| self.overflow())
    }

    fn overflow(&self) -> Error {
        let mut first = None;
        self.expr.for_each_column(&mut |index| first = first.or(Some(index)));
        let operator = match self.expr {
            Expr::Negate { .. } => "-".to_owned(),
            _ => self.op.to_string(),
        };
        Error::ArithmeticOverflow { operator, column: first.map(|index| format!("#{index}")) }
    }

    fn divide_by_zero(&self) -> Error {
        Error::DivideByZero { operator: self.op.to_string() }
    }
}

fn is_decimal(expr: &Expr) -> bool {
    crate::expr::types::digits(&expr.data_type()).is_some()
}

/// The low bits of `value` as a value of an integer type.
fn wrap(value: i128, data_type: &DataType) -> i128 {
    use crate::expr::types::Integer;
    use arrow::datatypes::ArrowPrimitiveType;
    with_integer_type!(value_type(data_type),
        T => <<T as ArrowPrimitiveType>::Native as Integer>::truncate(value).widen(),
        else value
    )
}

fn is_null(operand: &Operand) -> bool {
    matches!(operand, Operand::Constant(scalar) if scalar.is_null())
}

fn operand_nulls(operand: &Operand) -> Option<&NullBuffer> {
    match operand {
        Operand::Constant(_) => None,
        Operand::Column(column) => column.nulls(),
    }
}

fn nulls_of(data_type: &DataType, rows: usize) -> Result<Vector> {
    Vector::load(&arrow::array::new_null_array(value_type(data_type), rows), None)
}
