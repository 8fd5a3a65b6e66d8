//! Integer arithmetic in the narrowest class that is exact.
//!
//! A result's range decides: its class, whether a check against the declared type is needed, and which side of it.

use super::Class;
use super::writer::{Mask, Operand, Writer, class_of, i128_text};
use crate::error::{Backend, Error, Result};
use crate::expr::range::Range;
use crate::expr::{ArithmeticOp, OverflowMode, Rounding};

const I64: Range = Range { min: i64::MIN as i128, max: i64::MAX as i128 };

/// Every `i128`.
pub(super) const FULL: Range = Range { min: i128::MIN, max: i128::MAX };

/// What an intermediate result that may not fit 128 bits means.
#[derive(Clone, Copy)]
pub(super) enum Beyond<'e> {
    /// The final result fits its type even less: check, and this is the error.
    Fails(&'e Error),
    /// The final result may fit again: only the CPU can tell.
    Refused(&'e str),
}

/// Range of the exact result; none where it may not fit 128 bits.
fn exact_range(op: ArithmeticOp, left: Range, right: Range) -> Option<Range> {
    match op {
        ArithmeticOp::Add => left.add(&right),
        ArithmeticOp::Subtract => left.subtract(&right),
        ArithmeticOp::Multiply => left.multiply(&right),
        ArithmeticOp::Divide => left.divide(),
        ArithmeticOp::Remainder => left.remainder(&right),
    }
}

/// The part of `range` within `bounds`; where there is none, no value will be seen.
pub(super) fn clamp(range: Range, bounds: Range) -> Range {
    range.intersection(&bounds).unwrap_or(bounds)
}

/// What a result that leaves its declared type does.
pub(super) struct Limits<'e> {
    /// What the declared type holds.
    pub bounds: Range,
    /// Check, or keep the low bits of this many.
    pub wrap_bits: Option<u32>,
    /// The error of a check.
    pub error: &'e Error,
}

impl Writer<'_> {
    /// `value` of `operand` in another integer class, which must be able to hold it.
    pub(super) fn convert(&mut self, operand: &Operand, class: Class) -> String {
        let value = &operand.value;
        let text = match (operand.class, class) {
            (from, to) if from == to => return value.clone(),
            (Class::I32, Class::I64) => format!("i64_from_i32({value})"),
            (Class::I32, Class::I128) => format!("i128_from_i32({value})"),
            (Class::I64, Class::I128) => format!("i128_from_i64({value})"),
            (Class::I64, _) => format!("bitcast<i32>(i64_lo({value}))"),
            (Class::I128, Class::I64) => {
                format!("i64_from_words({value}.x, {value}.y)")
            }
            (_, _) => format!("bitcast<i32>({value}.x)"),
        };
        self.bind(text)
    }

    /// An integer operand in the narrowest class of its range.
    pub(super) fn narrowed(&mut self, operand: Operand) -> Operand {
        let class = class_of(operand.range);
        let value = self.convert(&operand, class);
        Operand { class, value, ..operand }
    }

    /// `op` on two values of one class; no overflow is possible or wanted to be seen.
    pub(super) fn operate(&mut self, class: Class, op: ArithmeticOp, left: &str, right: &str) -> String {
        let (symbol, name) = match op {
            ArithmeticOp::Add => ("+", "add"),
            ArithmeticOp::Subtract => ("-", "sub"),
            ArithmeticOp::Multiply => ("*", "mul"),
            ArithmeticOp::Divide => ("/", "div"),
            ArithmeticOp::Remainder => ("%", "rem"),
        };
        match class {
            Class::I64 => self.bind(format_args!("i64_{name}({left}, {right})")),
            Class::I128 if op == ArithmeticOp::Divide => {
                self.bind(format_args!("i128_divide({left}, {right}).quotient"))
            }
            Class::I128 if op == ArithmeticOp::Remainder => {
                self.bind(format_args!("i128_divide({left}, {right}).remainder"))
            }
            Class::I128 => self.bind(format_args!("i128_{name}({left}, {right})")),
            _ => self.bind(format_args!("{left} {symbol} {right}")),
        }
    }

    /// The exact result of `left op right`.
    pub(super) fn exact(
        &mut self,
        op: ArithmeticOp,
        left: &Operand,
        right: &Operand,
        mask: &Mask,
        beyond: Beyond<'_>,
    ) -> Result<Operand> {
        let valid = self.both(&left.valid, &right.valid);
        let range = exact_range(op, left.range, right.range);
        // The operands' classes too: a remainder is narrow, what it is computed from may not be.
        let class = class_of(range.unwrap_or(FULL)).max(class_of(left.range)).max(class_of(right.range));
        if (op, class) == (ArithmeticOp::Multiply, Class::I128)
            && left.range.within(&I64)
            && right.range.within(&I64)
        {
            let (a, b) = (self.convert(left, Class::I64), self.convert(right, Class::I64));
            let value = self.bind(format_args!("i128_mul_i64({a}, {b})"));
            return Ok(Operand::integer(class, value, valid, range.unwrap_or(FULL)));
        }
        let (a, b) = (self.convert(left, class), self.convert(right, class));
        if range.is_none() {
            match beyond {
                Beyond::Fails(error) => self.fail_beyond_128(op, &a, &b, &[mask, &valid], error),
                Beyond::Refused(what) => {
                    return Err(Error::unsupported(
                        format!("{what} through more than 128 bits"),
                        Backend::Gpu,
                    ));
                }
            }
        }
        let value = self.operate(class, op, &a, &b);
        Ok(Operand::integer(class, value, valid, range.unwrap_or(FULL)))
    }

    fn fail_beyond_128(&mut self, op: ArithmeticOp, a: &str, b: &str, masks: &[&Mask], error: &Error) {
        let condition = match op {
            ArithmeticOp::Add => format!("i128_add_overflows({a}, {b})"),
            ArithmeticOp::Subtract => format!("i128_sub_overflows({a}, {b})"),
            ArithmeticOp::Multiply => format!("i128_mul_overflows({a}, {b})"),
            // Only the smallest value over -1 leaves 128 bits.
            ArithmeticOp::Divide | ArithmeticOp::Remainder => {
                let lowest = self.fixed_integer(Class::I128, i128::MIN);
                let minus_one = self.fixed_integer(Class::I128, -1);
                format!("i128_eq({a}, {lowest}) & i128_eq({b}, {minus_one})")
            }
        };
        self.fail(error.clone(), masks, &condition);
    }

    /// `left op right` within the limits of the declared type.
    pub(super) fn limited_arithmetic(
        &mut self,
        op: ArithmeticOp,
        left: &Operand,
        right: &Operand,
        mask: &Mask,
        limits: &Limits<'_>,
    ) -> Result<Operand> {
        use ArithmeticOp::{Add, Multiply, Subtract};
        let fits_64 = left.range.within(&I64) && right.range.within(&I64);
        let range = exact_range(op, left.range, right.range);
        let leaves_64 = range.is_none_or(|range| !range.within(&I64));
        if matches!(op, Add | Subtract | Multiply) && limits.bounds == I64 && fits_64 && leaves_64 {
            return Ok(self.limited_64(op, left, right, mask, limits));
        }
        let exact = match (limits.wrap_bits, range) {
            // The low words are right even where 128 bits overflow.
            (Some(_), None) => {
                let valid = self.both(&left.valid, &right.valid);
                let (a, b) = (self.convert(left, Class::I128), self.convert(right, Class::I128));
                let value = self.operate(Class::I128, op, &a, &b);
                Operand::integer(Class::I128, value, valid, FULL)
            }
            _ => self.exact(op, left, right, mask, Beyond::Fails(limits.error))?,
        };
        Ok(self.limited(exact, mask, limits))
    }

    /// 64-bit results of 64-bit operands: the overflow test of the class is cheaper than 128-bit arithmetic.
    fn limited_64(
        &mut self,
        op: ArithmeticOp,
        left: &Operand,
        right: &Operand,
        mask: &Mask,
        limits: &Limits<'_>,
    ) -> Operand {
        let valid = self.both(&left.valid, &right.valid);
        let (a, b) = (self.convert(left, Class::I64), self.convert(right, Class::I64));
        if limits.wrap_bits.is_none() {
            let name = match op {
                ArithmeticOp::Add => "add",
                ArithmeticOp::Subtract => "sub",
                _ => "mul",
            };
            let condition = format!("i64_{name}_overflows({a}, {b})");
            self.fail(limits.error.clone(), &[mask, &valid], &condition);
        }
        let value = self.operate(Class::I64, op, &a, &b);
        Operand::integer(Class::I64, value, valid, I64)
    }

    /// An exact result brought within its declared type.
    pub(super) fn limited(&mut self, exact: Operand, mask: &Mask, limits: &Limits<'_>) -> Operand {
        if exact.range.within(&limits.bounds) {
            return self.narrowed(exact);
        }
        if let Some(bits) = limits.wrap_bits {
            return self.wrapped(&exact, bits, limits.bounds);
        }
        let condition = self.outside(&exact, limits.bounds);
        self.fail(limits.error.clone(), &[mask, &exact.valid], &condition);
        let range = clamp(exact.range, limits.bounds);
        self.narrowed(Operand { range, ..exact })
    }

    /// Condition that a value lies outside of bounds, asking only what its range leaves open.
    pub(super) fn outside(&mut self, operand: &Operand, bounds: Range) -> String {
        let class = operand.class;
        let value = &operand.value;
        let mut conditions = Vec::new();
        if operand.range.min < bounds.min {
            let low = self.fixed_integer(class, bounds.min);
            conditions.push(less(class, value, &low));
        }
        if operand.range.max > bounds.max {
            let high = self.fixed_integer(class, bounds.max);
            conditions.push(less(class, &high, value));
        }
        if conditions.is_empty() { "false".to_string() } else { conditions.join(" | ") }
    }

    /// The low `bits` of a value, in two's complement or unsigned by the bounds.
    fn wrapped(&mut self, exact: &Operand, bits: u32, bounds: Range) -> Operand {
        let signed = bounds.min < 0;
        let word = |index: usize| match exact.class {
            Class::I32 => format!("bitcast<u32>({})", exact.value),
            Class::I64 if index == 0 => format!("i64_lo({})", exact.value),
            Class::I64 => format!("i64_hi({})", exact.value),
            _ => format!("{}.{}", exact.value, ["x", "y"][index.min(1)]),
        };
        // Values of 32 bits and fewer come out of the low word; 64 bits exceed only classes of more than one word.
        let (class, text) = match (bits, signed) {
            (64, true) => (Class::I64, format!("i64_from_words({}, {})", word(0), word(1))),
            (64, false) if exact.class == Class::I32 => {
                let sign = format!("bitcast<u32>({} >> 31u)", exact.value);
                (Class::I128, i128_text([word(0), sign, "0u".into(), "0u".into()]))
            }
            (64, false) => (Class::I128, i128_text([word(0), word(1), "0u".into(), "0u".into()])),
            (32, false) => (Class::I64, format!("i64_from_words({}, 0u)", word(0))),
            (_, false) => (Class::I32, format!("bitcast<i32>(extractBits({}, 0u, {bits}u))", word(0))),
            (_, true) => (Class::I32, format!("extractBits(bitcast<i32>({}), 0u, {bits}u)", word(0))),
        };
        let value = self.bind(text);
        Operand::integer(class, value, exact.valid.clone(), bounds)
    }

    /// `dividend / divisor` rounded; the divisor must not be zero where the quotient matters.
    pub(super) fn rounded_quotient(
        &mut self,
        dividend: &Operand,
        divisor: &Operand,
        rounding: Rounding,
        mask: &Mask,
        error: &Error,
    ) -> Result<Operand> {
        let quotient = self.exact(ArithmeticOp::Divide, dividend, divisor, mask, Beyond::Fails(error))?;
        if rounding == Rounding::Truncate {
            return Ok(quotient);
        }
        let class = quotient.class;
        let (a, b) = (self.convert(dividend, class), self.convert(divisor, class));
        let remainder = self.operate(class, ArithmeticOp::Remainder, &a, &b);
        let remainder = self.magnitude(class, &remainder);
        let divisor = self.magnitude(class, &b);
        // 2r >= d without doubling: r >= d - r.
        let rest = self.operate(class, ArithmeticOp::Subtract, &divisor, &remainder);
        let up = format!("!{}", less(class, &remainder, &rest));
        let zero = self.fixed_integer(class, 0);
        let negative = format!("({} != {})", less(class, &a, &zero), less(class, &b, &zero));
        let (one, minus_one) = (self.fixed_integer(class, 1), self.fixed_integer(class, -1));
        let step = self.bind(format_args!("select({zero}, select({one}, {minus_one}, {negative}), {up})"));
        let value = self.operate(class, ArithmeticOp::Add, &quotient.value, &step);
        // Away from zero by one at most, and a quotient that is rounded is not at the end of the type.
        let range =
            Range { min: quotient.range.min.saturating_sub(1), max: quotient.range.max.saturating_add(1) };
        Ok(Operand { value, range, ..quotient })
    }

    fn magnitude(&mut self, class: Class, value: &str) -> String {
        match class {
            Class::I64 => self.bind(format_args!("i64_magnitude({value})")),
            Class::I128 => self.bind(format_args!("i128_magnitude({value})")),
            _ => self.bind(format_args!("abs({value})")),
        }
    }

    /// A divisor with its zeros reported and replaced by one.
    pub(super) fn nonzero(&mut self, divisor: Operand, other: &Mask, mask: &Mask, error: &Error) -> Operand {
        if !divisor.range.contains(0) {
            return divisor;
        }
        let class = divisor.class;
        let (zero, one) = (self.fixed_integer(class, 0), self.fixed_integer(class, 1));
        let is_zero = self.bind(equal(class, &divisor.value, &zero));
        self.fail(error.clone(), &[mask, &divisor.valid, other], &is_zero);
        let value = self.bind(format_args!("select({}, {one}, {is_zero})", divisor.value));
        let range = divisor.range.union(&Range::of(1));
        Operand { value, range, ..divisor }
    }

    /// A constant integer operand that follows from types alone.
    pub(super) fn fixed_operand(&mut self, value: i128) -> Operand {
        let range = Range::of(value);
        let class = class_of(range);
        let text = self.fixed_integer(class, value);
        Operand::integer(class, text, None, range)
    }
}

/// `left < right` in an integer class.
pub(super) fn less(class: Class, left: &str, right: &str) -> String {
    match class {
        Class::I64 => format!("i64_lt({left}, {right})"),
        Class::I128 => format!("i128_lt({left}, {right})"),
        _ => format!("({left} < {right})"),
    }
}

/// `left = right` in an integer class.
pub(super) fn equal(class: Class, left: &str, right: &str) -> String {
    match class {
        Class::I64 => format!("i64_eq({left}, {right})"),
        Class::I128 => format!("i128_eq({left}, {right})"),
        _ => format!("({left} == {right})"),
    }
}

/// Width of the integers that may wrap.
pub(super) fn wrap_bits(mode: OverflowMode, bounds: Range) -> Option<u32> {
    let bits = 128 - bounds.max.leading_zeros() + u32::from(bounds.min < 0);
    (mode == OverflowMode::Wrap).then_some(bits)
}
