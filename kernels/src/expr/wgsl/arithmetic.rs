//! Arithmetic of integers, decimals and floats.

use arrow::datatypes::DataType;

use super::Class;
use super::integer::{Beyond, Limits, wrap_bits};
use super::lower::bounds_of;
use super::writer::{Mask, Operand, Writer};
use crate::error::{Backend, Error, Result};
use crate::expr::types::{digits, power_of_ten};
use crate::expr::{ArithmeticOp, Expr, OverflowMode, Rounding};

/// What [`Writer::arithmetic`] is to write.
pub(super) struct Arithmetic<'e> {
    pub(super) op: ArithmeticOp,
    pub(super) left: &'e Expr,
    pub(super) right: &'e Expr,
    pub(super) data_type: &'e DataType,
    pub(super) overflow: OverflowMode,
    pub(super) rounding: Rounding,
}

impl<'a> Writer<'a> {
    pub(super) fn negate(&mut self, input: &'a Expr, overflow: OverflowMode, mask: &Mask) -> Result<Operand> {
        let data_type = input.data_type();
        let operand = self.lower(input, mask)?;
        match operand.class {
            // IEEE negation flips the sign, of NaN too.
            Class::F32 => {
                let value = self.bind(format_args!("{} ^ 0x80000000u", operand.value));
                Ok(Operand::new(Class::F32, value, operand.valid))
            }
            Class::F64 => {
                let value = self.bind(format_args!("{} ^ vec2<u32>(0u, 0x80000000u)", operand.value));
                Ok(Operand::new(Class::F64, value, operand.valid))
            }
            _ => {
                let error = overflow_error("-", &[input]);
                let bounds = bounds_of(&data_type)?;
                let wrap_bits = if digits(&data_type).is_some() { None } else { wrap_bits(overflow, bounds) };
                let zero = self.fixed_operand(0);
                let limits = Limits { bounds, wrap_bits, error: &error };
                self.limited_arithmetic(ArithmeticOp::Subtract, &zero, &operand, mask, &limits)
            }
        }
    }

    pub(super) fn arithmetic(
        &mut self,
        what: &Arithmetic<'_>,
        mask: &Mask,
        left: &'a Expr,
        right: &'a Expr,
    ) -> Result<Operand> {
        let error = overflow_error(&what.op.to_string(), &[left, right]);
        let (left, right) = (self.lower(left, mask)?, self.lower(right, mask)?);
        if matches!(left.class, Class::F32 | Class::F64) {
            return self.float_arithmetic(what.op, what.data_type, &left, &right);
        }
        let bounds = bounds_of(what.data_type)?;
        if let Some((_, scale)) = digits(what.data_type) {
            let limits = Limits { bounds, wrap_bits: None, error: &error };
            return self.decimal_arithmetic(what, scale, left, right, mask, &limits);
        }
        let limits = Limits { bounds, wrap_bits: wrap_bits(what.overflow, bounds), error: &error };
        let right = self.divisor(what.op, right, &left.valid, mask);
        self.limited_arithmetic(what.op, &left, &right, mask, &limits)
    }

    /// Zeros of a divisor reported; other operands as they are.
    fn divisor(&mut self, op: ArithmeticOp, right: Operand, other: &Mask, mask: &Mask) -> Operand {
        match op {
            ArithmeticOp::Divide | ArithmeticOp::Remainder => {
                let error = Error::DivideByZero { operator: op.to_string() };
                self.nonzero(right, other, mask, &error)
            }
            _ => right,
        }
    }

    /// Exact at full scale, then brought to the declared scale and precision.
    fn decimal_arithmetic(
        &mut self,
        what: &Arithmetic<'_>,
        scale: i8,
        left: Operand,
        right: Operand,
        mask: &Mask,
        limits: &Limits<'_>,
    ) -> Result<Operand> {
        let (a, b) = (decimal_scale(what.left)?, decimal_scale(what.right)?);
        let scale = i32::from(scale);
        let symbol = what.op.to_string();
        let refused = Beyond::Refused(&symbol);
        // Where digits are lost afterwards, a result beyond 128 bits may come back.
        let beyond = |natural: i32| if natural > scale { refused } else { Beyond::Fails(limits.error) };
        let exact = match what.op {
            ArithmeticOp::Add | ArithmeticOp::Subtract | ArithmeticOp::Remainder => {
                let common = a.max(b);
                let left = self.scaled_up(&left, common - a, mask, refused)?;
                let right = self.scaled_up(&right, common - b, mask, refused)?;
                let right = self.divisor(what.op, right, &left.valid, mask);
                let exact = self.exact(what.op, &left, &right, mask, beyond(common))?;
                self.rescaled(&exact, scale - common, what.rounding, mask, limits.error)?
            }
            ArithmeticOp::Multiply => {
                let exact = self.exact(what.op, &left, &right, mask, beyond(a + b))?;
                self.rescaled(&exact, scale - a - b, what.rounding, mask, limits.error)?
            }
            ArithmeticOp::Divide => {
                let right = self.divisor(what.op, right, &left.valid, mask);
                // left / right * 10^(scale - a + b), the power on the side where it is whole.
                let power = scale - a + b;
                let left = self.scaled_up(&left, power.max(0), mask, refused)?;
                let right = self.scaled_up(&right, (-power).max(0), mask, refused)?;
                self.rounded_quotient(&left, &right, what.rounding, mask, limits.error)?
            }
        };
        Ok(self.limited(exact, mask, limits))
    }

    /// `operand * 10^digits`.
    pub(super) fn scaled_up(
        &mut self,
        operand: &Operand,
        digits: i32,
        mask: &Mask,
        beyond: Beyond<'_>,
    ) -> Result<Operand> {
        if digits == 0 {
            return Ok(operand.clone());
        }
        let power = u32::try_from(digits).ok().and_then(power_of_ten);
        let power =
            power.ok_or_else(|| Error::unsupported("a decimal scaled beyond 38 digits", Backend::Gpu))?;
        let power = self.fixed_operand(power);
        self.exact(ArithmeticOp::Multiply, operand, &power, mask, beyond)
    }

    /// `operand * 10^digits`, rounded where digits are lost.
    pub(super) fn rescaled(
        &mut self,
        operand: &Operand,
        digits: i32,
        rounding: Rounding,
        mask: &Mask,
        error: &Error,
    ) -> Result<Operand> {
        if digits >= 0 {
            return self.scaled_up(operand, digits, mask, Beyond::Fails(error));
        }
        let Some(power) = power_of_ten(digits.unsigned_abs()) else {
            // More digits go than a value has.
            let zero = self.fixed_operand(0);
            return Ok(Operand { valid: operand.valid.clone(), ..zero });
        };
        let power = self.fixed_operand(power);
        self.rounded_quotient(operand, &power, rounding, mask, error)
    }
}

/// As the CPU names it: by the operator and the first column that it reads.
fn overflow_error(operator: &str, operands: &[&Expr]) -> Error {
    let mut first = None;
    operands.iter().for_each(|expr| expr.for_each_column(&mut |index| first = first.or(Some(index))));
    Error::ArithmeticOverflow { operator: operator.into(), column: first.map(|index| format!("#{index}")) }
}

fn decimal_scale(expr: &Expr) -> Result<i32> {
    let data_type = expr.data_type();
    match digits(&data_type) {
        Some((_, scale)) => Ok(i32::from(scale)),
        None => Err(Error::unsupported(format!("decimal arithmetic with {data_type}"), Backend::Gpu)),
    }
}
