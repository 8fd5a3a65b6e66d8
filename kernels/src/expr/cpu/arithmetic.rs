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
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, i256};

use crate::error::{Error, Result};
use crate::expr::range::Range;
use crate::expr::types::{power_of_ten, type_bounds, value_type, with_integer_type};
use crate::expr::{ArithmeticOp, Expr, OverflowMode, Rounding, Value};
use crate::simd::lanes;

use super::frame::{Frame, Operand};
use super::graph::NodeId;
use super::vector::{Values, Vector, scale_of};

/// An integer operand with a range that holds all of its valid values.
#[derive(Debug, Clone)]
pub(crate) struct Side {
    pub(crate) lanes: Lanes,
    pub(crate) range: Range,
}

#[derive(Debug, Clone)]
pub(crate) enum Lanes {
    Constant(i128),
    I32(ScalarBuffer<i32>),
    I64(ScalarBuffer<i64>),
    I128(ScalarBuffer<i128>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ring {
    Add,
    Subtract,
    Multiply,
}

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

impl Side {
    pub(crate) fn constant(value: i128) -> Self {
        Self { lanes: Lanes::Constant(value), range: Range::of(value) }
    }

    /// None where a column has no value that is not null.
    pub(crate) fn of(operand: &Operand) -> Result<Option<Self>> {
        let column = match operand {
            Operand::Constant(scalar) => match scalar.value {
                Value::Integer(value) => return Ok(Some(Self::constant(value))),
                _ => return Err(Error::invalid(format!("{scalar} is not a number"))),
            },
            Operand::Column(column) => column,
        };
        let lanes = match column.values() {
            Values::I32(values) => Lanes::I32(values.clone()),
            Values::I64(values) => Lanes::I64(values.clone()),
            Values::I128(values) => Lanes::I128(values.clone()),
            Values::Other(array) if array.data_type().is_null() => return Ok(None),
            _ => return Err(Error::invalid("integer lanes were expected")),
        };
        Ok(column.range().map(|range| Self { lanes, range }))
    }

    pub(crate) fn into_vector(self, rows: usize, nulls: Option<NullBuffer>) -> Vector {
        let values = match self.lanes {
            Lanes::Constant(value) => match self.range.bits() {
                32 => Values::I32(vec![value as i32; rows].into()),
                64 => Values::I64(vec![value as i64; rows].into()),
                _ => Values::I128(vec![value; rows].into()),
            },
            Lanes::I32(values) => Values::I32(values),
            Lanes::I64(values) => Values::I64(values),
            Lanes::I128(values) => Values::I128(values),
        };
        Vector::with_range(values, nulls, self.range)
    }

    /// None where the result might not fit 128 bits.
    fn combine(&self, op: Ring, other: &Side) -> Option<Side> {
        let range = match op {
            Ring::Add => self.range.add(&other.range),
            Ring::Subtract => self.range.subtract(&other.range),
            Ring::Multiply => self.range.multiply(&other.range),
        }?;
        Some(Side { lanes: lanes_op(op, &self.lanes, &other.lanes, range.bits()), range })
    }

    pub(crate) fn multiply(&self, factor: i128) -> Option<Side> {
        if factor == 1 { Some(self.clone()) } else { self.combine(Ring::Multiply, &Side::constant(factor)) }
    }

    /// From one decimal scale to another.
    pub(crate) fn rescale(&self, from: i32, to: i32, rounding: Rounding) -> Option<Side> {
        if to >= from {
            return self.multiply(power_of_ten(to.abs_diff(from))?);
        }
        let range = self.range.rescale(from, to)?;
        let Some(divisor) = power_of_ten(from.abs_diff(to)) else {
            // More digits go than a value has: at most 10^38 / 10^39 is left, which rounds to zero.
            return Some(self.map(range, |_| 0));
        };
        Some(match (&self.lanes, i64::try_from(divisor)) {
            (Lanes::I64(values), Ok(divisor)) => {
                let values = lanes::map(values, |v: i64| divide_64(v, divisor, rounding));
                Side { lanes: Lanes::I64(values.into()), range }
            }
            _ => self.map(range, |value| divide(value, divisor, rounding).unwrap_or(0)),
        })
    }

    /// `f` of each value; `range` holds the results. Plain loops: what comes here divides, which does not vectorise.
    pub(crate) fn map(&self, range: Range, f: impl Fn(i128) -> i128) -> Side {
        let lanes = match (&self.lanes, range.bits()) {
            (Lanes::Constant(value), _) => Lanes::Constant(f(*value)),
            (Lanes::I32(values), 32) => Lanes::I32(values.iter().map(|&v| f(v.into()) as i32).collect()),
            (Lanes::I32(values), _) => Lanes::I128(values.iter().map(|&v| f(v.into())).collect()),
            (Lanes::I64(values), 32 | 64) => Lanes::I64(values.iter().map(|&v| f(v.into()) as i64).collect()),
            (Lanes::I64(values), _) => Lanes::I128(values.iter().map(|&v| f(v.into())).collect()),
            (Lanes::I128(values), 32 | 64) => Lanes::I64(values.iter().map(|&v| f(v) as i64).collect()),
            (Lanes::I128(values), _) => Lanes::I128(values.iter().map(|&v| f(v)).collect()),
        };
        Side { lanes, range }
    }
}

impl Lanes {
    pub(crate) fn into_i128(self, rows: usize) -> ScalarBuffer<i128> {
        match self {
            Lanes::Constant(value) => vec![value; rows].into(),
            Lanes::I32(values) => lanes::map(&values, |v: i32| i128::from(v)).into(),
            Lanes::I64(values) => lanes::map(&values, |v: i64| i128::from(v)).into(),
            Lanes::I128(values) => values,
        }
    }

    /// 32-bit lanes in 64 bits: keeps the number of compiled loops over 128-bit results small.
    fn at_least_64(&self) -> Lanes {
        match self {
            Lanes::I32(values) => Lanes::I64(lanes::map(values, |v: i32| i64::from(v)).into()),
            other => other.clone(),
        }
    }
}

/// One loop per operator and combination of lanes.
macro_rules! ring_loops {
    ($op:expr, $out:ty, $a:expr, $b:expr; $($variant:ident),*) => {{
        let (a, b) = ($a, $b);
        macro_rules! with_op {
            ($f:ident, $call:expr) => {
                match $op {
                    Ring::Add => { let $f = |l: $out, r: $out| l.wrapping_add(r); $call }
                    Ring::Subtract => { let $f = |l: $out, r: $out| l.wrapping_sub(r); $call }
                    Ring::Multiply => { let $f = |l: $out, r: $out| l.wrapping_mul(r); $call }
                }
            };
        }
        ring_pairs!(a, b, $out, with_op; $($variant),*)
    }};
}

macro_rules! ring_pairs {
    ($a:ident, $b:ident, $out:ty, $with:ident; $one:ident) => {
        match ($a, $b) {
            (Lanes::$one(l), Lanes::$one(r)) => {
                Some($with!(f, lanes::zip(l, r, |l, r| f(l as $out, r as $out))))
            }
            (Lanes::$one(l), Lanes::Constant(r)) => {
                let r = *r as $out;
                Some($with!(f, lanes::map(l, |l| f(l as $out, r))))
            }
            (Lanes::Constant(l), Lanes::$one(r)) => {
                let l = *l as $out;
                Some($with!(f, lanes::map(r, |r| f(l, r as $out))))
            }
            _ => None,
        }
    };
    ($a:ident, $b:ident, $out:ty, $with:ident; $one:ident, $two:ident) => {
        match ($a, $b) {
            (Lanes::$one(l), Lanes::$one(r)) => {
                Some($with!(f, lanes::zip(l, r, |l, r| f(l as $out, r as $out))))
            }
            (Lanes::$one(l), Lanes::$two(r)) => {
                Some($with!(f, lanes::zip(l, r, |l, r| f(l as $out, r as $out))))
            }
            (Lanes::$two(l), Lanes::$one(r)) => {
                Some($with!(f, lanes::zip(l, r, |l, r| f(l as $out, r as $out))))
            }
            (Lanes::$two(l), Lanes::$two(r)) => {
                Some($with!(f, lanes::zip(l, r, |l, r| f(l as $out, r as $out))))
            }
            (Lanes::$one(l), Lanes::Constant(r)) => {
                let r = *r as $out;
                Some($with!(f, lanes::map(l, |l| f(l as $out, r))))
            }
            (Lanes::Constant(l), Lanes::$one(r)) => {
                let l = *l as $out;
                Some($with!(f, lanes::map(r, |r| f(l, r as $out))))
            }
            (Lanes::$two(l), Lanes::Constant(r)) => {
                let r = *r as $out;
                Some($with!(f, lanes::map(l, |l| f(l as $out, r))))
            }
            (Lanes::Constant(l), Lanes::$two(r)) => {
                let l = *l as $out;
                Some($with!(f, lanes::map(r, |r| f(l, r as $out))))
            }
            _ => None,
        }
    };
}

/// `a op b` modulo 2^n for lanes of at least `bits` bits.
fn lanes_op(op: Ring, a: &Lanes, b: &Lanes, bits: u32) -> Lanes {
    if let (Lanes::Constant(l), Lanes::Constant(r)) = (a, b) {
        return Lanes::Constant(match op {
            Ring::Add => l.wrapping_add(*r),
            Ring::Subtract => l.wrapping_sub(*r),
            Ring::Multiply => l.wrapping_mul(*r),
        });
    }
    let narrow = (bits == 32).then(|| ring_loops!(op, i32, a, b; I32)).flatten();
    if let Some(values) = narrow {
        return Lanes::I32(values.into());
    }
    let middle = (bits <= 64).then(|| ring_loops!(op, i64, a, b; I32, I64)).flatten();
    if let Some(values) = middle {
        return Lanes::I64(values.into());
    }
    let (a, b) = (&a.at_least_64(), &b.at_least_64());
    let wide = ring_loops!(op, i128, a, b; I64, I128);
    // Every pair of wide lanes and constants is listed; two constants were folded above.
    Lanes::I128(wide.unwrap_or_default().into())
}

/// `dividend / divisor`, rounded; none for zero and for `MIN / -1`.
pub(crate) fn divide(dividend: i128, divisor: i128, rounding: Rounding) -> Option<i128> {
    let quotient = dividend.checked_div(divisor)?;
    let remainder = dividend.checked_rem(divisor)?.unsigned_abs();
    let away = rounding == Rounding::HalfAwayFromZero && remainder >= divisor.unsigned_abs() - remainder;
    let sign = if (dividend < 0) == (divisor < 0) { 1 } else { -1 };
    if away && remainder > 0 { quotient.checked_add(sign) } else { Some(quotient) }
}

/// Likewise for 64 bits and a divisor above one.
fn divide_64(dividend: i64, divisor: i64, rounding: Rounding) -> i64 {
    let quotient = dividend.wrapping_div(divisor);
    let remainder = dividend.wrapping_rem(divisor).unsigned_abs();
    let away = rounding == Rounding::HalfAwayFromZero && remainder >= divisor.unsigned_abs() - remainder;
    quotient + i64::from(away && remainder > 0) * dividend.signum()
}

fn divide_256(dividend: i256, divisor: i256, rounding: Rounding) -> i256 {
    let quotient = dividend.wrapping_div(divisor);
    let remainder = dividend.wrapping_rem(divisor).wrapping_abs();
    let away = rounding == Rounding::HalfAwayFromZero
        && remainder != i256::ZERO
        && remainder >= divisor.wrapping_abs().wrapping_sub(remainder);
    let same_sign = (dividend < i256::ZERO) == (divisor < i256::ZERO);
    match (away, same_sign) {
        (false, _) => quotient,
        (true, true) => quotient.wrapping_add(i256::ONE),
        (true, false) => quotient.wrapping_sub(i256::ONE),
    }
}

fn scale_256(value: i256, exponent: i32) -> Option<i256> {
    value.checked_mul(i256::from_i128(10).checked_pow(u32::try_from(exponent).ok()?)?)
}

/// One value from one decimal scale to another; none beyond 128 bits.
pub(crate) fn rescale_value(value: i128, from: i32, to: i32, rounding: Rounding) -> Option<i128> {
    let factor = power_of_ten(from.abs_diff(to));
    if to >= from {
        return if value == 0 { Some(0) } else { value.checked_mul(factor?) };
    }
    factor.map_or(Some(0), |factor| divide(value, factor, rounding))
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

fn mismatch() -> Error {
    Error::invalid("floats of one width were expected")
}

fn float_arithmetic(op: ArithmeticOp, left: &Operand, right: &Operand, rows: usize) -> Result<Vector> {
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
