//! From expressions to statements.

use std::sync::Arc;

use arrow::datatypes::DataType;

use super::integer::{Beyond, Limits, equal, less, wrap_bits};
use super::writer::{Mask, Operand, Writer, class_of, words_of};
use super::{Class, strings};
use crate::error::{Backend, Error, Result};
use crate::expr::range::Range;
use crate::expr::types::{Family, digits, family, power_of_ten, type_bounds};
use crate::expr::{ArithmeticOp, CompareOp, Expr, OverflowMode, Rounding, Scalar, Value};

/// What [`Writer::arithmetic`] is to write.
struct Arithmetic<'e> {
    op: ArithmeticOp,
    left: &'e Expr,
    right: &'e Expr,
    data_type: &'e DataType,
    overflow: OverflowMode,
    rounding: Rounding,
}

impl<'a> Writer<'a> {
    /// Writes `expr` for the rows where `mask` holds; what was written before is used again.
    pub(super) fn lower(&mut self, expr: &'a Expr, mask: &Mask) -> Result<Operand> {
        if let Some(known) = self.known_under(expr, mask) {
            self.fallible |= known.fallible;
            return Ok(known);
        }
        let outer = std::mem::replace(&mut self.fallible, false);
        let mut operand = match strings::single_column(expr, self.columns) {
            Some(column) => self.lookup(expr, column)?,
            None => self.lower_node(expr, mask)?,
        };
        operand.fallible = self.fallible;
        self.fallible |= outer;
        self.known.entry(expr).or_default().push((mask.clone(), operand.clone()));
        Ok(operand)
    }

    fn known_under(&self, expr: &Expr, mask: &Mask) -> Option<Operand> {
        let known = self.known.get(expr)?;
        known
            .iter()
            .find(|(under, operand)| !operand.fallible || under == mask)
            .map(|(_, operand)| operand.clone())
    }

    fn lower_node(&mut self, expr: &'a Expr, mask: &Mask) -> Result<Operand> {
        match expr {
            Expr::Column { index, .. } => self.column(*index),
            Expr::Literal(scalar) => self.literal(scalar),
            Expr::Compare { op, left, right } => {
                let (left, right) = (self.lower(left, mask)?, self.lower(right, mask)?);
                self.compare(*op, &left, &right)
            }
            Expr::And(left, right) => self.connective(left, right, mask, true),
            Expr::Or(left, right) => self.connective(left, right, mask, false),
            Expr::Not(input) => {
                let input = self.lower(input, mask)?;
                let value = match &input.valid {
                    None => self.bind(format_args!("!{}", input.value)),
                    Some(valid) => self.bind(format_args!("{valid} & !{}", input.value)),
                };
                Ok(Operand::boolean(value, input.valid))
            }
            Expr::Arithmetic { op, left, right, data_type, overflow, rounding } => {
                let (op, overflow, rounding) = (*op, *overflow, *rounding);
                self.arithmetic(
                    &Arithmetic { op, left, right, data_type, overflow, rounding },
                    mask,
                    left,
                    right,
                )
            }
            Expr::Negate { input, overflow } => self.negate(input, *overflow, mask),
            Expr::Cast { input, to, mode } => self.cast(input, to, *mode, mask),
            Expr::IsNull(input) | Expr::IsNotNull(input) => {
                let input = self.lower(input, mask)?;
                let value = match (&input.valid, expr) {
                    (None, Expr::IsNull(_)) => "false".to_string(),
                    (None, _) => "true".to_string(),
                    (Some(valid), Expr::IsNull(_)) => format!("!{valid}"),
                    (Some(valid), _) => valid.clone(),
                };
                let value = self.bind(value);
                Ok(Operand::boolean(value, None))
            }
            Expr::InList { input, list, negated } => {
                let input = self.lower(input, mask)?;
                self.in_list(&input, list, *negated)
            }
            Expr::Like { .. } => Err(Error::unsupported("LIKE over more than one column", Backend::Gpu)),
            Expr::Case { branches, otherwise, data_type } => {
                self.case(branches, otherwise.as_deref(), data_type, mask)
            }
            Expr::External { function, .. } => Err(Error::unsupported(function.name(), Backend::Gpu)),
        }
    }

    fn literal(&mut self, scalar: &Scalar) -> Result<Operand> {
        let operand = match &scalar.value {
            Value::Null => self.null(&scalar.data_type),
            Value::Boolean(value) => {
                let index = self.constant(&[u32::from(*value)]);
                Operand::boolean(self.bind(format_args!("parameters[{index}] != 0u")), None)
            }
            Value::Integer(value) => {
                let range = Range::of(*value);
                let class = class_of(range);
                let text = self.integer(class, *value);
                Operand::integer(class, self.bind(text), None, range)
            }
            Value::Float(value) if scalar.data_type == DataType::Float32 => {
                let index = self.constant(&[(*value as f32).to_bits()]);
                Operand::new(Class::F32, self.bind(format_args!("parameters[{index}]")), None)
            }
            Value::Float(value) => {
                let bits = value.to_bits();
                let index = self.constant(&[bits as u32, (bits >> 32) as u32]);
                let text = format!("vec2<u32>(parameters[{index}], parameters[{}])", index + 1);
                Operand::new(Class::F64, self.bind(text), None)
            }
            Value::Bytes(_) => {
                let value = self.bind("0u");
                let dictionary = Some(strings::single_value(scalar)?);
                Operand { dictionary, ..Operand::new(Class::Code, value, None) }
            }
        };
        Ok(operand)
    }

    /// A null: no row is valid.
    fn null(&mut self, data_type: &DataType) -> Operand {
        let (class, value) = match family(data_type) {
            Ok(Family::Boolean) => (Class::Bool, "false"),
            Ok(Family::Float) if *data_type == DataType::Float32 => (Class::F32, "0u"),
            Ok(Family::Float) => (Class::F64, "vec2<u32>(0u, 0u)"),
            Ok(Family::Text | Family::Binary) => (Class::Code, "0u"),
            _ => (Class::I32, "0i"),
        };
        let dictionary = (class == Class::Code).then(|| strings::no_values(data_type));
        Operand { dictionary, ..Operand::new(class, self.bind(value), Some("false".into())) }
    }

    /// AND (or OR): the right side counts only where the left does not decide.
    fn connective(&mut self, left: &'a Expr, right: &'a Expr, mask: &Mask, and: bool) -> Result<Operand> {
        let left = self.lower(left, mask)?;
        let undecided = match (and, &left.valid) {
            (true, None) => left.value.clone(),
            // Not false: true or null.
            (true, Some(valid)) => self.bind(format_args!("{} | !{valid}", left.value)),
            (false, _) => self.bind(format_args!("!{}", left.value)),
        };
        let mask = self.both(mask, &Some(undecided));
        let right = self.lower(right, &mask)?;
        let operator = if and { "&" } else { "|" };
        let value = self.bind(format_args!("{} {operator} {}", left.value, right.value));
        let decided = |side: &Operand| match (and, &side.valid) {
            (true, None) => format!("!{}", side.value),
            (true, Some(valid)) => format!("({valid} & !{})", side.value),
            (false, _) => side.value.clone(),
        };
        let both = self.both(&left.valid, &right.valid);
        let valid =
            both.map(|both| self.bind(format_args!("{both} | {} | {}", decided(&left), decided(&right))));
        Ok(Operand::boolean(value, valid))
    }

    /// A comparison of operands of one family.
    pub(super) fn compare(&mut self, op: CompareOp, left: &Operand, right: &Operand) -> Result<Operand> {
        let (equality, ordered) = match left.class {
            Class::Bool => self.words_compare("u32", left, right, |value| format!("select(0u, 1u, {value})")),
            Class::F32 => self.words_compare("u32", left, right, |value| format!("f32_order({value})")),
            Class::F64 => self.words_compare("vec2<u32>", left, right, |value| format!("f64_order({value})")),
            Class::Code => {
                let (left, right) = self.ranks(left, right)?;
                (
                    format!("({left} == {right})"),
                    (format!("({left} < {right})"), format!("({right} < {left})")),
                )
            }
            _ => {
                let class = left.class.max(right.class);
                let (a, b) = (self.convert(left, class), self.convert(right, class));
                (equal(class, &a, &b), (less(class, &a, &b), less(class, &b, &a)))
            }
        };
        let (less, greater) = ordered;
        let text = match op {
            CompareOp::Eq | CompareOp::IsNotDistinctFrom => equality,
            CompareOp::NotEq | CompareOp::IsDistinctFrom => format!("!{equality}"),
            CompareOp::Lt => less,
            CompareOp::GtEq => format!("!{less}"),
            CompareOp::Gt => greater,
            CompareOp::LtEq => format!("!{greater}"),
        };
        let valid = self.both(&left.valid, &right.valid);
        if matches!(op, CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom) {
            return Ok(self.distinct(op, left, right, &valid, &text));
        }
        let value = match &valid {
            None => self.bind(text),
            Some(valid) => self.bind(format_args!("{valid} & {text}")),
        };
        Ok(Operand::boolean(value, valid))
    }

    /// Null-aware equality out of the plain one.
    fn distinct(
        &mut self,
        op: CompareOp,
        left: &Operand,
        right: &Operand,
        both: &Mask,
        text: &str,
    ) -> Operand {
        let Some(both) = both else {
            let value = self.bind(text);
            return Operand::boolean(value, None);
        };
        let valid = |side: &Operand| side.valid.clone().unwrap_or_else(|| "true".into());
        let (a, b) = (valid(left), valid(right));
        let value = match op {
            CompareOp::IsDistinctFrom => format!("({a} != {b}) | ({both} & {text})"),
            _ => format!("({a} == {b}) & (!{both} | {text})"),
        };
        let value = self.bind(value);
        Operand::boolean(value, None)
    }

    /// Equality and order of operands through words in unsigned order.
    fn words_compare(
        &mut self,
        wgsl_type: &str,
        left: &Operand,
        right: &Operand,
        order: impl Fn(&str) -> String,
    ) -> (String, (String, String)) {
        let (a, b) = (self.bind(order(&left.value)), self.bind(order(&right.value)));
        if wgsl_type == "u32" {
            return (format!("({a} == {b})"), (format!("({a} < {b})"), format!("({b} < {a})")));
        }
        let less = |a: &str, b: &str| format!("(({a}.y < {b}.y) | (({a}.y == {b}.y) & ({a}.x < {b}.x)))");
        (format!("all({a} == {b})"), (less(&a, &b), less(&b, &a)))
    }

    /// Membership by a loop over constants: how many there are is data.
    fn in_list(&mut self, input: &Operand, list: &[Scalar], negated: bool) -> Result<Operand> {
        if list.is_empty() {
            // Not even a null is in an empty list.
            let value = self.bind(negated);
            return Ok(Operand::boolean(value, None));
        }
        let has_null = list.iter().any(Scalar::is_null);
        let values: Vec<&Value> =
            list.iter().map(|item| &item.value).filter(|item| **item != Value::Null).collect();
        let (class, words) = in_list_words(input, &values)?;
        let count = self.constant(&[(words.len() / class.words()) as u32, 0]);
        let start = self.next_constant() as u32;
        self.constant(&words);
        if let Some(slot) = (count + 1).checked_sub(self.first_constant()) {
            self.constants[slot] = start;
        }
        let operand = if matches!(class, Class::I32 | Class::I64 | Class::I128) {
            self.convert(input, class)
        } else {
            self.in_list_word(input)
        };
        let (found, index, at) = (self.name(), self.name(), self.name());
        let width = class.words();
        let item = item_text(class, &at);
        let test = match class {
            Class::F64 => format!("all({operand} == {item})"),
            other => equal(other, &operand, &item),
        };
        self.statement(format_args!("var {found} = false;"));
        self.statement(format_args!("for (var {index} = 0u; {index} < parameters[{count}]; {index}++) {{"));
        self.statement(format_args!("    let {at} = parameters[{}] + {index} * {width}u;", count + 1));
        self.statement(format_args!("    {found} = {found} | {test};"));
        self.statement("}");
        let hit = self.bind(&found);
        // A miss among nulls is null.
        let valid = match has_null {
            true => self.both(&input.valid, &Some(hit.clone())),
            false => input.valid.clone(),
        };
        let result = if negated { format!("!{hit}") } else { hit };
        let value = match &valid {
            None => self.bind(result),
            Some(valid) => self.bind(format_args!("{valid} & {result}")),
        };
        Ok(Operand::boolean(value, valid))
    }

    /// The operand of IN as the word that constants are compared with.
    fn in_list_word(&mut self, input: &Operand) -> String {
        match input.class {
            Class::F32 => self.bind(format_args!("f32_canonical({})", input.value)),
            Class::F64 => self.bind(format_args!("f64_canonical({})", input.value)),
            Class::Bool => self.bind(format_args!("select(0u, 1u, {})", input.value)),
            _ => input.value.clone(),
        }
    }

    fn case(
        &mut self,
        branches: &'a [(Expr, Expr)],
        otherwise: Option<&'a Expr>,
        data_type: &DataType,
        mask: &Mask,
    ) -> Result<Operand> {
        let mut rest = mask.clone();
        let mut results = Vec::with_capacity(branches.len() + 1);
        for (when, then) in branches {
            let when = self.lower(when, &rest)?;
            let taken = self.both(&rest, &Some(when.value.clone()));
            results.push((Some(when.value.clone()), self.lower(then, &taken)?));
            let open = self.bind(format_args!("!{}", when.value));
            rest = self.both(&rest, &Some(open));
        }
        results.push((
            None,
            match otherwise {
                Some(otherwise) => self.lower(otherwise, &rest)?,
                None => self.null(data_type),
            },
        ));
        self.choose(results)
    }

    /// The first result whose condition is true.
    fn choose(&mut self, results: Vec<(Mask, Operand)>) -> Result<Operand> {
        let (conditions, operands): (Vec<Mask>, Vec<Operand>) = results.into_iter().unzip();
        let (operands, dictionary) = match operands.iter().any(|operand| operand.class == Class::Code) {
            true => {
                let (operands, dictionary) = self.unified(operands)?;
                (operands, Some(dictionary))
            }
            false => (operands, None),
        };
        let class = operands.iter().map(|operand| operand.class).max().unwrap_or(Class::I32);
        let some = operands.iter().filter(|operand| operand.valid.as_deref() != Some("false"));
        let range = some.map(|operand| operand.range).reduce(|a, b| a.union(&b)).unwrap_or(Range::of(0));
        let nullable = operands.iter().any(|operand| operand.valid.is_some());
        let (mut value, mut valid) = (String::new(), String::new());
        for (condition, operand) in conditions.iter().zip(&operands).rev() {
            let this = match class {
                Class::I32 | Class::I64 | Class::I128 => self.convert(operand, class),
                _ => operand.value.clone(),
            };
            let this_valid = operand.valid.clone().unwrap_or_else(|| "true".into());
            match condition {
                None => (value, valid) = (this, this_valid),
                Some(condition) => {
                    value = self.bind(format_args!("select({value}, {this}, {condition})"));
                    if nullable {
                        valid = self.bind(format_args!("select({valid}, {this_valid}, {condition})"));
                    }
                }
            }
        }
        let chosen = Operand { range, dictionary, ..Operand::new(class, value, nullable.then_some(valid)) };
        match class {
            Class::I32 | Class::I64 | Class::I128 => Ok(self.narrowed(chosen)),
            _ => Ok(chosen),
        }
    }

    fn negate(&mut self, input: &'a Expr, overflow: OverflowMode, mask: &Mask) -> Result<Operand> {
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

    fn arithmetic(
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

pub(super) fn bounds_of(data_type: &DataType) -> Result<Range> {
    type_bounds(data_type)
        .ok_or_else(|| Error::unsupported(format!("arithmetic of type {data_type}"), Backend::Gpu))
}

fn decimal_scale(expr: &Expr) -> Result<i32> {
    let data_type = expr.data_type();
    match digits(&data_type) {
        Some((_, scale)) => Ok(i32::from(scale)),
        None => Err(Error::unsupported(format!("decimal arithmetic with {data_type}"), Backend::Gpu)),
    }
}

/// Constants of an IN list in the class that they are compared in.
fn in_list_words(input: &Operand, values: &[&Value]) -> Result<(Class, Vec<u32>)> {
    let integers = || {
        values.iter().map(|value| match value {
            Value::Integer(value) => Ok(*value),
            Value::Boolean(value) => Ok(i128::from(*value)),
            other => Err(Error::invalid(format!("{other:?} in an IN list of integers"))),
        })
    };
    let floats = || {
        values.iter().map(|value| match value {
            Value::Float(value) if value.is_nan() => Ok(f64::NAN),
            // Zero has one form.
            Value::Float(value) => Ok(*value + 0.0),
            other => Err(Error::invalid(format!("{other:?} in an IN list of floats"))),
        })
    };
    Ok(match input.class {
        Class::F32 => (Class::Code, floats().map(|value| Ok(canonical_f32(value?))).collect::<Result<_>>()?),
        Class::F64 => {
            let words = floats().map(|value| value.map(canonical_f64)).collect::<Result<Vec<_>>>()?;
            (Class::F64, words.into_iter().flatten().collect())
        }
        Class::Bool => (Class::Code, integers().map(|value| Ok(value? as u32)).collect::<Result<_>>()?),
        Class::Code => return Err(Error::unsupported("IN over several string columns", Backend::Gpu)),
        _ => {
            let integers: Vec<i128> = integers().collect::<Result<_>>()?;
            let class =
                integers.iter().map(|value| class_of(Range::of(*value))).fold(input.class, Class::max);
            (class, integers.iter().flat_map(|value| words_of(class, *value)).collect())
        }
    })
}

fn canonical_f32(value: f64) -> u32 {
    if value.is_nan() { 0x7fc0_0000 } else { (value as f32).to_bits() }
}

fn canonical_f64(value: f64) -> [u32; 2] {
    let bits = if value.is_nan() { 0x7ff8_0000_0000_0000 } else { value.to_bits() };
    [bits as u32, (bits >> 32) as u32]
}

/// A value of `class` at a computed index of `parameters`.
fn item_text(class: Class, at: &str) -> String {
    let word = |offset: u32| format!("parameters[{at} + {offset}u]");
    match class {
        Class::I32 => format!("bitcast<i32>({})", word(0)),
        Class::I64 => format!("i64_from_words({}, {})", word(0), word(1)),
        Class::I128 => super::writer::i128_text([word(0), word(1), word(2), word(3)]),
        Class::F64 => format!("vec2<u32>({}, {})", word(0), word(1)),
        _ => word(0),
    }
}

/// Keeps the dictionaries' type in one place.
pub(super) type DictionaryRef = Arc<crate::gpu::column::Dictionary>;
