//! From expressions to statements.

use std::sync::Arc;

use arrow::datatypes::DataType;

use super::arithmetic::Arithmetic;
use super::writer::{Mask, Operand, Writer, class_of};
use super::{Class, strings};
use crate::error::{Backend, Error, Result};
use crate::expr::range::Range;
use crate::expr::types::{Family, family, type_bounds};
use crate::expr::{Expr, Scalar, Value};

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
}

pub(super) fn bounds_of(data_type: &DataType) -> Result<Range> {
    type_bounds(data_type)
        .ok_or_else(|| Error::unsupported(format!("arithmetic of type {data_type}"), Backend::Gpu))
}

pub(super) fn canonical_f32(value: f64) -> u32 {
    if value.is_nan() { 0x7fc0_0000 } else { (value as f32).to_bits() }
}

pub(super) fn canonical_f64(value: f64) -> [u32; 2] {
    let bits = if value.is_nan() { 0x7ff8_0000_0000_0000 } else { value.to_bits() };
    [bits as u32, (bits >> 32) as u32]
}

/// Keeps the dictionaries' type in one place.
pub(super) type DictionaryRef = Arc<crate::gpu::column::Dictionary>;
