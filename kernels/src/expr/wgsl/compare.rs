//! Comparisons and IN lists.

use super::Class;
use super::integer::{equal, less};
use super::lower::{canonical_f32, canonical_f64};
use super::writer::{Mask, Operand, Writer, class_of, words_of};
use crate::error::{Backend, Error, Result};
use crate::expr::range::Range;
use crate::expr::{CompareOp, Scalar, Value};

impl<'a> Writer<'a> {
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
    pub(super) fn distinct(
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
    pub(super) fn in_list(&mut self, input: &Operand, list: &[Scalar], negated: bool) -> Result<Operand> {
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
