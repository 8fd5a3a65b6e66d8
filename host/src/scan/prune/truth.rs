//! Which truth values a predicate may have over rows of which only facts are known.
//!
//! A predicate is evaluated over *sets* of truth values: `column op constant` by the bounds of the column, `AND`, `OR` and
//! `NOT` by combining sets, anything else as "may be anything". Rows are left out where *true* is not in the set.

use std::cmp::Ordering::{self, Equal, Greater, Less};

use pilaster_kernels::expr::like::{LikePattern, Rest};
use pilaster_kernels::expr::{CompareOp, Expr, Scalar, Value};

use super::cast;
use crate::scan::statistics::{Facts, after_all_with, compare};

/// What is known of the columns in some rows.
pub(super) trait Evidence {
    /// Bounds and nulls of a column.
    fn facts(&self, column: usize) -> Facts;

    /// True where no row of the column holds `value`, for certain. Asked only where the bounds leave it open.
    fn excludes(&self, column: usize, value: &Value) -> bool;
}

/// Bounds alone.
impl<F: Fn(usize) -> Facts> Evidence for F {
    fn facts(&self, column: usize) -> Facts {
        self(column)
    }

    fn excludes(&self, _column: usize, _value: &Value) -> bool {
        false
    }
}

/// Truth values that a predicate may have on some row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Truth {
    pub(super) can_true: bool,
    pub(super) can_false: bool,
    pub(super) can_null: bool,
}

impl Truth {
    pub(super) const ANY: Self = Self { can_true: true, can_false: true, can_null: true };
    const NULL: Self = Self { can_true: false, can_false: false, can_null: true };

    fn of(value: bool) -> Self {
        Self { can_true: value, can_false: !value, can_null: false }
    }

    fn not(self) -> Self {
        Self { can_true: self.can_false, can_false: self.can_true, ..self }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self {
            can_true: self.can_true && other.can_true,
            can_false: self.can_false || other.can_false,
            can_null: (self.can_null && (other.can_null || other.can_true))
                || (other.can_null && self.can_true),
        }
    }

    pub(super) fn or(self, other: Self) -> Self {
        self.not().and(other.not()).not()
    }
}

/// The truth values of `predicate` over rows that obey `evidence`.
pub(super) fn truth(predicate: &Expr, evidence: &impl Evidence) -> Truth {
    match predicate {
        Expr::Literal(Scalar { value: Value::Boolean(value), .. }) => Truth::of(*value),
        Expr::Literal(Scalar { value: Value::Null, .. }) => Truth::NULL,
        Expr::And(left, right) => truth(left, evidence).and(truth(right, evidence)),
        Expr::Or(left, right) => truth(left, evidence).or(truth(right, evidence)),
        Expr::Not(input) => truth(input, evidence).not(),
        Expr::IsNull(input) => is_null(input, evidence),
        Expr::IsNotNull(input) => is_null(input, evidence).not(),
        Expr::Column { .. } => match Operand::of(predicate, evidence) {
            Some(operand) => operand.against(CompareOp::Eq, &Value::Boolean(true)),
            None => Truth::ANY,
        },
        Expr::Compare { op, left, right } => match (left.as_ref(), right.as_ref()) {
            (operand, Expr::Literal(constant)) => compared(operand, *op, &constant.value, evidence),
            (Expr::Literal(constant), operand) => compared(operand, mirrored(*op), &constant.value, evidence),
            _ => Truth::ANY,
        },
        Expr::InList { input, list, negated } => {
            let Some(operand) = Operand::of(input, evidence) else { return Truth::ANY };
            let equals = list.iter().map(|constant| operand.against(CompareOp::Eq, &constant.value));
            let any = equals.fold(Truth::of(false), Truth::or);
            if *negated { any.not() } else { any }
        }
        Expr::Like { input, pattern, negated } => {
            let Some(operand) = Operand::of(input, evidence) else { return Truth::ANY };
            let like = operand.like(pattern);
            if *negated { like.not() } else { like }
        }
        _ => Truth::ANY,
    }
}

fn compared(operand: &Expr, op: CompareOp, constant: &Value, evidence: &impl Evidence) -> Truth {
    match Operand::of(operand, evidence) {
        Some(operand) => operand.against(op, constant),
        None if *constant == Value::Null => match op {
            CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom => Truth::ANY,
            _ => Truth::NULL,
        },
        None => Truth::ANY,
    }
}

fn is_null(input: &Expr, evidence: &impl Evidence) -> Truth {
    match Operand::of(input, evidence) {
        Some(Operand { facts, .. }) => {
            Truth { can_true: facts.nulls, can_false: facts.values, can_null: false }
        }
        None => Truth { can_null: false, ..Truth::ANY },
    }
}

fn mirrored(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::LtEq => CompareOp::GtEq,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::GtEq => CompareOp::LtEq,
        same => same,
    }
}

/// A column, or a monotone cast of one, and what is known of its values.
struct Operand<'a, E> {
    facts: Facts,
    /// The column itself, where the operand is one: only its own values can be looked up.
    column: Option<usize>,
    evidence: &'a E,
}

impl<'a, E: Evidence> Operand<'a, E> {
    fn of(expr: &Expr, evidence: &'a E) -> Option<Self> {
        match expr {
            Expr::Column { index, .. } => {
                Some(Self { facts: evidence.facts(*index), column: Some(*index), evidence })
            }
            Expr::Cast { input, to, mode } => {
                let inner = Self::of(input, evidence)?;
                let facts = cast::facts(&inner.facts, &input.data_type(), to, *mode)?;
                Some(Self { facts, column: None, evidence })
            }
            _ => None,
        }
    }

    fn excludes(&self, value: &Value) -> bool {
        self.column.is_some_and(|column| self.evidence.excludes(column, value))
    }

    fn against(&self, op: CompareOp, constant: &Value) -> Truth {
        let facts = &self.facts;
        match op {
            CompareOp::IsNotDistinctFrom if *constant == Value::Null => {
                Truth { can_true: facts.nulls, can_false: facts.values, can_null: false }
            }
            CompareOp::IsNotDistinctFrom => {
                let equal = self.against(CompareOp::Eq, constant);
                Truth { can_false: equal.can_false || equal.can_null, can_null: false, ..equal }
            }
            CompareOp::IsDistinctFrom => self.against(CompareOp::IsNotDistinctFrom, constant).not(),
            _ if *constant == Value::Null => Truth::NULL,
            _ => {
                let (can_true, can_false) =
                    if facts.values { self.values_against(op, constant) } else { (false, false) };
                Truth { can_true, can_false, can_null: facts.nulls }
            }
        }
    }

    /// Whether `value op constant` can be true, and can be false, for values within the bounds.
    fn values_against(&self, op: CompareOp, constant: &Value) -> (bool, bool) {
        let (mut can_true, mut can_false) = within(&self.facts, op, constant);
        let float = matches!(constant, Value::Float(_));
        if self.facts.nan && float {
            let nan = holds(op, compare(&Value::Float(f64::NAN), constant).unwrap_or(Greater));
            can_true |= nan;
            can_false |= !nan;
        }
        match op {
            CompareOp::Eq if can_true && self.excludes(constant) => (false, true),
            CompareOp::NotEq if can_false && self.excludes(constant) => (true, false),
            _ => (can_true, can_false),
        }
    }

    fn like(&self, pattern: &LikePattern) -> Truth {
        let facts = &self.facts;
        if !facts.values {
            return Truth { can_true: false, can_false: false, can_null: facts.nulls };
        }
        let Some(prefix) = pattern.prefix() else { return Truth { can_null: facts.nulls, ..Truth::ANY } };
        let begins = prefix.text.as_bytes();
        if prefix.rest == Rest::Nothing {
            return self.against(CompareOp::Eq, &Value::Bytes(begins.to_vec()));
        }
        let bytes = |bound: &Option<Value>| match bound {
            Some(Value::Bytes(bytes)) => Some(bytes.clone()),
            _ => None,
        };
        let (min, max) = (bytes(&facts.min), bytes(&facts.max));
        // All strings with the prefix lie from it up to, without, the next string after them.
        let below = max.as_deref().is_some_and(|max| max < begins);
        let after = after_all_with(begins.to_vec());
        let above = min.as_ref().zip(after.as_ref()).is_some_and(|(min, after)| min >= after);
        let all = prefix.rest == Rest::Anything
            && min.is_some_and(|min| min.as_slice() >= begins)
            && (begins.is_empty() || max.zip(after).is_some_and(|(max, after)| max < after));
        Truth { can_true: !below && !above, can_false: !all, can_null: facts.nulls }
    }
}

fn holds(op: CompareOp, order: Ordering) -> bool {
    match op {
        CompareOp::Eq | CompareOp::IsNotDistinctFrom => order == Equal,
        CompareOp::NotEq | CompareOp::IsDistinctFrom => order != Equal,
        CompareOp::Lt => order == Less,
        CompareOp::LtEq => order != Greater,
        CompareOp::Gt => order == Greater,
        CompareOp::GtEq => order != Less,
    }
}

/// As for [`Operand::values_against`], for values that are not NaN.
fn within(facts: &Facts, op: CompareOp, constant: &Value) -> (bool, bool) {
    // A missing bound, or one of another class, excludes nothing.
    let min = facts.min.as_ref().and_then(|min| compare(min, constant));
    let max = facts.max.as_ref().and_then(|max| compare(max, constant));
    let some_less = min.is_none_or(|order| order == Less);
    let some_greater = max.is_none_or(|order| order == Greater);
    let some_equal = min.is_none_or(|order| order != Greater) && max.is_none_or(|order| order != Less);
    let all_equal = min == Some(Equal) && max == Some(Equal);
    match op {
        CompareOp::Eq => (some_equal, !all_equal),
        CompareOp::NotEq => (!all_equal, some_equal),
        CompareOp::Lt => (some_less, max.is_none_or(|order| order != Less)),
        CompareOp::LtEq => (min.is_none_or(|order| order != Greater), some_greater),
        CompareOp::Gt => (some_greater, min.is_none_or(|order| order != Greater)),
        CompareOp::GtEq => (max.is_none_or(|order| order != Less), some_less),
        CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom => (true, true),
    }
}
