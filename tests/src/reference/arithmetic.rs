//! `+ - * / %` and negation of one row.

use arrow::datatypes::DataType;
use num_bigint::BigInt;
use num_bigint::Sign::NoSign;
use pilaster_kernels::expr::{ArithmeticOp, OverflowMode, Rounding, value_type};

use super::number::{decimal, fits, rescale, round, ten, to_i128, wrap};
use super::{Answer, Kind, fails};
use crate::Datum;

/// Everything about an operation but its operands.
pub(super) struct Operation<'a> {
    pub op: ArithmeticOp,
    pub left: &'a DataType,
    pub right: &'a DataType,
    pub result: &'a DataType,
    pub overflow: OverflowMode,
    pub rounding: Rounding,
}

impl Operation<'_> {
    pub fn apply(&self, left: &Datum, right: &Datum) -> Answer<Datum> {
        match (left, right) {
            (Datum::Null, _) | (_, Datum::Null) => Ok(Datum::Null),
            (Datum::Float(a), Datum::Float(b)) => Ok(Datum::Float(self.float(*a, *b))),
            (Datum::Int(a), Datum::Int(b)) => self.exact(&BigInt::from(*a), &BigInt::from(*b)),
            _ => panic!("no arithmetic on {left:?} and {right:?}"),
        }
    }

    fn float(&self, a: f64, b: f64) -> f64 {
        let wide = |a: f64, b: f64| match self.op {
            ArithmeticOp::Add => a + b,
            ArithmeticOp::Subtract => a - b,
            ArithmeticOp::Multiply => a * b,
            ArithmeticOp::Divide => a / b,
            ArithmeticOp::Remainder => a % b,
        };
        match value_type(self.result) {
            // Float64 has more than twice the digits of Float32, so rounding twice is rounding once.
            DataType::Float32 => f64::from(wide(a, b) as f32),
            _ => wide(a, b),
        }
    }

    /// Integers are decimals of scale 0 here.
    fn exact(&self, a: &BigInt, b: &BigInt) -> Answer<Datum> {
        let scale = |data_type| decimal(data_type).map_or(0, |(_, scale)| scale);
        let (sa, sb, out) = (scale(self.left), scale(self.right), scale(self.result));
        let common = sa.max(sb);
        let up = |value: &BigInt, from: i32| value * ten(common.abs_diff(from));
        let divides = matches!(self.op, ArithmeticOp::Divide | ArithmeticOp::Remainder);
        if divides && b.sign() == NoSign {
            return Err(fails(Kind::DivideByZero));
        }
        let value = match self.op {
            ArithmeticOp::Add => rescale(&(up(a, sa) + up(b, sb)), common, out, self.rounding),
            ArithmeticOp::Subtract => rescale(&(up(a, sa) - up(b, sb)), common, out, self.rounding),
            ArithmeticOp::Multiply => rescale(&(a * b), sa + sb, out, self.rounding),
            ArithmeticOp::Remainder => rescale(&(up(a, sa) % up(b, sb)), common, out, self.rounding),
            ArithmeticOp::Divide if decimal(self.result).is_none() => a / b,
            ArithmeticOp::Divide => {
                // a / 10^sa / (b / 10^sb) * 10^out
                let (mut numerator, mut denominator) = (a.clone(), b.clone());
                let exponent = out + sb - sa;
                if exponent >= 0 {
                    numerator *= ten(exponent.unsigned_abs());
                } else {
                    denominator *= ten(exponent.unsigned_abs());
                }
                if denominator < BigInt::from(0) {
                    (numerator, denominator) = (-numerator, -denominator);
                }
                round(&numerator, &denominator, self.rounding)
            }
        };
        settle(&value, value_type(self.result), self.overflow)
    }
}

/// `- input`.
pub(super) fn negate(input: &Datum, data_type: &DataType, overflow: OverflowMode) -> Answer<Datum> {
    match input {
        Datum::Null => Ok(Datum::Null),
        Datum::Float(value) => Ok(Datum::Float(-value)),
        Datum::Int(value) => settle(&-BigInt::from(*value), value_type(data_type), overflow),
        other => panic!("no negation of {other:?}"),
    }
}

/// A result in its type: wrapped, or an overflow. Decimals are always checked.
pub(super) fn settle(value: &BigInt, data_type: &DataType, overflow: OverflowMode) -> Answer<Datum> {
    if fits(value, data_type) {
        return Ok(Datum::Int(to_i128(value)));
    }
    if overflow == OverflowMode::Wrap && decimal(data_type).is_none() {
        return Ok(Datum::Int(to_i128(&wrap(value, data_type))));
    }
    Err(fails(Kind::Overflow))
}
