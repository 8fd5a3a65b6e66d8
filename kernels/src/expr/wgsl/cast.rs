//! Casts among booleans, integers, decimals, dates, times, timestamps and durations.

use arrow::datatypes::{DataType, TimeUnit};

use super::Class;
use super::integer::Limits;
use super::interval;
use super::lower::bounds_of;
use super::writer::{Mask, Operand, Writer};
use crate::error::{Backend, Error, Result};
use crate::expr::range::Range;
use crate::expr::types::{Family, family, units_per_second};
use crate::expr::{ArithmeticOp, CastMode, Expr, Rounding};

const SECONDS_PER_DAY: i128 = 86_400;

/// How the integer of one type becomes that of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Conversion {
    /// As it is.
    Same,
    /// Times a power of ten, rounded where it is negative.
    Digits(i32),
    /// Times a factor.
    Times(i128),
    /// Over a factor, towards minus infinity.
    Floor(i128),
    /// To a Boolean: not zero.
    Truth,
}

/// The conversion of a cast that runs on the device.
fn conversion(from: &DataType, to: &DataType) -> Result<Conversion> {
    use Family as F;
    let scale = |family| if let F::Decimal { scale } = family { i32::from(scale) } else { 0 };
    let (from_family, to_family) = (family(from)?, family(to)?);
    Ok(match (from_family, to_family) {
        (a, b) if a == b && !matches!(a, F::Float | F::Text | F::Binary) => Conversion::Same,
        (F::Boolean, F::Integer) => Conversion::Same,
        (F::Integer, F::Boolean) => Conversion::Truth,
        (F::Integer | F::Decimal { .. }, F::Integer | F::Decimal { .. }) => {
            Conversion::Digits(scale(to_family) - scale(from_family))
        }
        (F::Integer, F::Date32 | F::Date64 | F::Time(_) | F::Timestamp(_) | F::Duration(_))
        | (F::Date32 | F::Date64 | F::Time(_) | F::Timestamp(_) | F::Duration(_), F::Integer) => {
            Conversion::Same
        }
        (F::Date32 | F::Date64 | F::Timestamp(_), F::Date32 | F::Date64 | F::Timestamp(_))
        | (F::Time(_), F::Time(_))
        | (F::Duration(_), F::Duration(_)) => {
            let (from_units, to_units) = (units_per_day(from_family), units_per_day(to_family));
            if to_units >= from_units {
                Conversion::Times(to_units / from_units)
            } else {
                Conversion::Floor(from_units / to_units)
            }
        }
        _ => return Err(Error::unsupported(format!("a cast from {from} to {to}"), Backend::Gpu)),
    })
}

fn units_per_day(family: Family) -> i128 {
    match family {
        Family::Date64 => SECONDS_PER_DAY * units_per_second(TimeUnit::Millisecond),
        Family::Time(unit) | Family::Timestamp(unit) | Family::Duration(unit) => {
            SECONDS_PER_DAY * units_per_second(unit)
        }
        _ => 1,
    }
}

/// Whether the cast can run.
pub(super) fn supports(from: &DataType, to: &DataType) -> Result<()> {
    conversion(from, to).map(|_| ())
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
        let conversion = conversion(&from, to)?;
        let operand = self.lower(input, mask)?;
        if family(&from)? == Family::Boolean && family(to)? == Family::Boolean {
            return Ok(operand);
        }
        let operand = match operand.class {
            Class::Bool => {
                let value = self.bind(format_args!("select(0i, 1i, {})", operand.value));
                Operand::integer(Class::I32, value, operand.valid, Range { min: 0, max: 1 })
            }
            _ => operand,
        };
        let error = Error::CastFailed { value: "a value".into(), from: from.to_string(), to: to.to_string() };
        let exact = match conversion {
            Conversion::Truth => return Ok(self.truth(operand)),
            Conversion::Same => operand,
            Conversion::Digits(digits) => {
                self.refuse_try(mode, &operand, ten_to(digits.max(0)), &from, to)?;
                self.rescaled(&operand, digits, Rounding::HalfAwayFromZero, mask, &error)?
            }
            Conversion::Times(factor) => {
                let factor = self.fixed_operand(factor);
                self.exact(ArithmeticOp::Multiply, &operand, &factor, mask, &error)
            }
            Conversion::Floor(factor) => self.floor_quotient(&operand, factor, mask, &error),
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

    /// A product beyond 128 bits would be an error, where `TRY_CAST` wants null.
    fn refuse_try(
        &self,
        mode: CastMode,
        operand: &Operand,
        factor: Option<i128>,
        from: &DataType,
        to: &DataType,
    ) -> Result<()> {
        let product = factor.and_then(|factor| {
            interval::arithmetic(ArithmeticOp::Multiply, operand.range, Range::of(factor))
        });
        if mode == CastMode::Try && product.is_none() {
            return Err(Error::unsupported(
                format!("TRY_CAST of such values from {from} to {to}"),
                Backend::Gpu,
            ));
        }
        Ok(())
    }

    fn floor_quotient(&mut self, operand: &Operand, factor: i128, mask: &Mask, error: &Error) -> Operand {
        let divisor = self.fixed_operand(factor);
        let quotient = self.exact(ArithmeticOp::Divide, operand, &divisor, mask, error);
        if operand.range.min >= 0 {
            return quotient;
        }
        let class = quotient.class;
        let (a, b) = (self.convert(operand, class), self.convert(&divisor, class));
        let remainder = self.operate(class, ArithmeticOp::Remainder, &a, &b);
        let (zero, one) = (self.fixed_integer(class, 0), self.fixed_integer(class, 1));
        let below = super::integer::less(class, &remainder, &zero);
        let step = self.bind(format_args!("select({zero}, {one}, {below})"));
        let value = self.operate(class, ArithmeticOp::Subtract, &quotient.value, &step);
        let range = Range { min: quotient.range.min.saturating_sub(1), max: quotient.range.max };
        Operand { value, range, ..quotient }
    }

    fn null_outside(&mut self, exact: Operand, bounds: Range) -> Operand {
        if exact.range.within(&bounds) {
            return self.narrowed(exact);
        }
        let outside = self.outside(&exact, bounds);
        let inside = self.bind(format_args!("!({outside})"));
        let valid = self.both(&exact.valid, &Some(inside));
        let range = interval::clamp(exact.range, bounds);
        self.narrowed(Operand { valid, range, ..exact })
    }
}

fn ten_to(digits: i32) -> Option<i128> {
    u32::try_from(digits).ok().and_then(crate::expr::types::power_of_ten)
}
