//! Casts among booleans, integers, decimals, dates, times, timestamps and durations.

use arrow::datatypes::DataType;

use super::Class;
use super::integer::{Beyond, Limits, clamp};
use super::lower::bounds_of;
use super::writer::{Mask, Operand, Writer};
use crate::error::{Backend, Error, Result};
use crate::expr::range::{Conversion, Range, conversion};
use crate::expr::types::{Family, family};
use crate::expr::{ArithmeticOp, CastMode, Expr, Rounding};

/// How a cast runs on the device.
enum Way {
    /// To a Boolean: not zero.
    Truth,
    /// By the stored integer; a Boolean counts as 0 or 1.
    Integer(Conversion),
}

fn way(from: &DataType, to: &DataType) -> Result<Way> {
    let way = match (family(from)?, family(to)?) {
        (Family::Integer | Family::Boolean, Family::Boolean) => Some(Way::Truth),
        (Family::Boolean, Family::Integer) => Some(Way::Integer(Conversion::Ratio { up: 1, down: 1 })),
        (from, to) => conversion(from, to).map(Way::Integer),
    };
    way.ok_or_else(|| Error::unsupported(format!("a cast from {from} to {to}"), Backend::Gpu))
}

/// Whether the cast can run.
pub(super) fn supports(from: &DataType, to: &DataType) -> Result<()> {
    way(from, to).map(|_| ())
}

impl<'a> Writer<'a> {
    /// `CAST(input AS to)`, or `TRY_CAST`.
    pub(super) fn cast(
        &mut self,
        input: &'a Expr,
        to: &DataType,
        mode: CastMode,
        mask: &Mask,
    ) -> Result<Operand> {
        let from = input.data_type();
        let way = way(&from, to)?;
        let operand = self.lower(input, mask)?;
        let conversion = match way {
            Way::Truth if operand.class == Class::Bool => return Ok(operand),
            Way::Truth => return Ok(self.truth(operand)),
            Way::Integer(conversion) => conversion,
        };
        let operand = match operand.class {
            Class::Bool => {
                let value = self.bind(format_args!("select(0i, 1i, {})", operand.value));
                Operand::integer(Class::I32, value, operand.valid, Range { min: 0, max: 1 })
            }
            _ => operand,
        };
        let error = Error::CastFailed { value: "a value".into(), from: from.to_string(), to: to.to_string() };
        let beyond = match mode {
            CastMode::Strict => Beyond::Fails(&error),
            // An overflow of 128 bits would have to be a null.
            CastMode::Try => Beyond::Refused("TRY_CAST"),
        };
        let exact = match conversion {
            Conversion::Scale { from, to } if to >= from => {
                self.scaled_up(&operand, to - from, mask, beyond)?
            }
            Conversion::Scale { from, to } => {
                self.rescaled(&operand, to - from, Rounding::HalfAwayFromZero, mask, &error)?
            }
            Conversion::Ratio { up, down } => {
                let up = self.fixed_operand(up);
                let scaled = if up.range == Range::of(1) {
                    operand
                } else {
                    self.exact(ArithmeticOp::Multiply, &operand, &up, mask, beyond)?
                };
                if down == 1 { scaled } else { self.floor_quotient(&scaled, down, mask, beyond)? }
            }
        };
        let limits = Limits { bounds: bounds_of(to)?, wrap_bits: None, error: &error };
        match mode {
            CastMode::Strict => Ok(self.limited(exact, mask, &limits)),
            CastMode::Try => Ok(self.null_outside(exact, limits.bounds)),
        }
    }

    fn truth(&mut self, operand: Operand) -> Operand {
        let zero = self.fixed_integer(operand.class, 0);
        let is_zero = super::integer::equal(operand.class, &operand.value, &zero);
        let value = match &operand.valid {
            None => self.bind(format_args!("!{is_zero}")),
            Some(valid) => self.bind(format_args!("{valid} & !{is_zero}")),
        };
        Operand::boolean(value, operand.valid)
    }

    fn floor_quotient(
        &mut self,
        operand: &Operand,
        factor: i128,
        mask: &Mask,
        beyond: Beyond<'_>,
    ) -> Result<Operand> {
        let divisor = self.fixed_operand(factor);
        let quotient = self.exact(ArithmeticOp::Divide, operand, &divisor, mask, beyond)?;
        if operand.range.min >= 0 {
            return Ok(quotient);
        }
        let class = quotient.class;
        let (a, b) = (self.convert(operand, class), self.convert(&divisor, class));
        let remainder = self.operate(class, ArithmeticOp::Remainder, &a, &b);
        let (zero, one) = (self.fixed_integer(class, 0), self.fixed_integer(class, 1));
        let below = super::integer::less(class, &remainder, &zero);
        let step = self.bind(format_args!("select({zero}, {one}, {below})"));
        let value = self.operate(class, ArithmeticOp::Subtract, &quotient.value, &step);
        let range = Range { min: quotient.range.min.saturating_sub(1), max: quotient.range.max };
        Ok(Operand { value, range, ..quotient })
    }

    fn null_outside(&mut self, exact: Operand, bounds: Range) -> Operand {
        if exact.range.within(&bounds) {
            return self.narrowed(exact);
        }
        let outside = self.outside(&exact, bounds);
        let inside = self.bind(format_args!("!({outside})"));
        let valid = self.both(&exact.valid, &Some(inside));
        let range = clamp(exact.range, bounds);
        self.narrowed(Operand { valid, range, ..exact })
    }
}
