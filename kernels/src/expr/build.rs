//! Constructors that check types once.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::DataType;

use crate::error::{Backend, Error, Result};

use super::like::LikePattern;
use super::types::{Family, digits, family, same_type, value_type};
use super::{ArithmeticOp, CastMode, CompareOp, Expr, External, OverflowMode, Rounding, Scalar};

impl Expr {
    /// Column `index` of the input, of logical type `data_type`. A type that no operator knows may still be passed
    /// on and tested for null.
    ///
    /// ```
    /// use arrow::datatypes::DataType;
    /// use pilaster_kernels::expr::{CompareOp, Expr, Scalar};
    ///
    /// let quantity = Expr::column(3, DataType::Int32);
    /// let few = Expr::compare(CompareOp::Lt, quantity, Expr::literal(Scalar::from(24i32)))?;
    /// assert_eq!(few.to_string(), "(#3 < 24)");
    /// assert_eq!(few.data_type(), DataType::Boolean);
    /// # Ok::<(), pilaster_kernels::Error>(())
    /// ```
    #[must_use]
    pub fn column(index: usize, data_type: DataType) -> Self {
        Expr::Column { index, data_type }
    }

    /// A constant.
    #[must_use]
    pub fn literal(value: impl Into<Scalar>) -> Self {
        Expr::Literal(value.into())
    }

    /// A comparison. An untyped null takes the other side's type.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the operands are not of one type (see [`Expr::Compare`]),
    /// [`Error::Unsupported`] for types that do not compare.
    pub fn compare(op: CompareOp, left: Expr, right: Expr) -> Result<Self> {
        let (left, right) = typed_nulls(left, right);
        let (a, b) = (left.data_type(), right.data_type());
        if !comparable(&a, &b)? {
            return Err(Error::invalid(format!(
                "cannot compare {a} with {b} in {left} {op} {right}: cast one side"
            )));
        }
        Ok(Expr::Compare { op, left: Box::new(left), right: Box::new(right) })
    }

    /// `left AND right`.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] unless both are Boolean.
    pub fn and(left: Expr, right: Expr) -> Result<Self> {
        Ok(Expr::And(Box::new(boolean("AND", left)?), Box::new(boolean("AND", right)?)))
    }

    /// `left OR right`.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] unless both are Boolean.
    pub fn or(left: Expr, right: Expr) -> Result<Self> {
        Ok(Expr::Or(Box::new(boolean("OR", left)?), Box::new(boolean("OR", right)?)))
    }

    /// `NOT input`.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] unless it is Boolean.
    #[expect(clippy::should_implement_trait, reason = "a constructor that checks types, not an operator")]
    pub fn not(input: Expr) -> Result<Self> {
        Ok(Expr::Not(Box::new(boolean("NOT", input)?)))
    }

    /// Arithmetic with the result type that the plan names.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the operand types do not go with the result's (see [`Expr::Arithmetic`]),
    /// [`Error::Unsupported`] for types without arithmetic.
    pub fn arithmetic(
        op: ArithmeticOp,
        left: Expr,
        right: Expr,
        data_type: DataType,
        overflow: OverflowMode,
        rounding: Rounding,
    ) -> Result<Self> {
        let (left, right) = typed_nulls(left, right);
        let (a, b) = (left.data_type(), right.data_type());
        check_arithmetic(op, &a, &b, &data_type)?;
        Ok(Expr::Arithmetic {
            op,
            left: Box::new(left),
            right: Box::new(right),
            data_type,
            overflow,
            rounding,
        })
    }

    /// `- input`.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] unless it is a signed integer, float, decimal or duration.
    pub fn negate(input: Expr, overflow: OverflowMode) -> Result<Self> {
        let data_type = input.data_type();
        let signed = match family(&data_type)? {
            Family::Integer => is_signed(&data_type),
            Family::Float | Family::Decimal { .. } | Family::Duration(_) | Family::Null => true,
            _ => false,
        };
        if !signed {
            return Err(Error::invalid(format!("cannot negate {data_type}")));
        }
        Ok(Expr::Negate { input: Box::new(input), overflow })
    }

    /// `CAST(input AS to)` or `TRY_CAST`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where there is no such cast.
    pub fn cast(input: Expr, to: DataType, mode: CastMode) -> Result<Self> {
        let from = input.data_type();
        if !castable(family(&from)?, family(&to)?) || !zones_agree(&from, &to) {
            return Err(Error::unsupported(format!("a cast from {from} to {to}"), Backend::Cpu));
        }
        Ok(Expr::Cast { input: Box::new(input), to, mode })
    }

    /// `input IS NULL`.
    #[must_use]
    pub fn is_null(input: Expr) -> Self {
        Expr::IsNull(Box::new(input))
    }

    /// `input IS NOT NULL`.
    #[must_use]
    pub fn is_not_null(input: Expr) -> Self {
        Expr::IsNotNull(Box::new(input))
    }

    /// `input [NOT] BETWEEN low AND high`: the conjunction of two comparisons (its negation, where negated).
    ///
    /// # Errors
    /// As [`Expr::compare`].
    pub fn between(input: Expr, low: Expr, high: Expr, negated: bool) -> Result<Self> {
        let above = Expr::compare(CompareOp::GtEq, input.clone(), low)?;
        let below = Expr::compare(CompareOp::LtEq, input, high)?;
        let between = Expr::and(above, below)?;
        if negated { Expr::not(between) } else { Ok(between) }
    }

    /// `input [NOT] IN (list)`.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where a constant is not of the operand's type.
    pub fn in_list(input: Expr, list: Vec<Scalar>, negated: bool) -> Result<Self> {
        let data_type = input.data_type();
        let list = list
            .into_iter()
            .map(|item| {
                if item.is_null() {
                    return Ok(Scalar::null(data_type.clone()));
                }
                if !comparable(&data_type, &item.data_type)? {
                    return Err(Error::invalid(format!(
                        "{item} in IN is {}, not {data_type}",
                        item.data_type
                    )));
                }
                Ok(item)
            })
            .collect::<Result<Arc<[_]>>>()?;
        Ok(Expr::InList { input: Box::new(input), list, negated })
    }

    /// `input [NOT] [I]LIKE pattern`.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] unless it is a string.
    pub fn like(input: Expr, pattern: LikePattern, negated: bool) -> Result<Self> {
        let data_type = input.data_type();
        if !matches!(family(&data_type)?, Family::Text | Family::Null) {
            return Err(Error::invalid(format!("LIKE needs a string, not {data_type}")));
        }
        Ok(Expr::Like { input: Box::new(input), pattern: Arc::new(pattern), negated })
    }

    /// `CASE WHEN .. THEN .. [ELSE ..] END`. Its type is that of the first result that is not an untyped null; such
    /// nulls take that type.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] without branches, where a condition is not Boolean, or where results differ in type.
    pub fn case(branches: Vec<(Expr, Expr)>, otherwise: Option<Expr>) -> Result<Self> {
        if branches.is_empty() {
            return Err(Error::invalid("CASE without WHEN"));
        }
        let results = branches.iter().map(|(_, then)| then).chain(otherwise.as_ref());
        let data_type = results.map(Expr::data_type).find(|t| *t != DataType::Null).unwrap_or(DataType::Null);
        let result = |expr: Expr| {
            let expr = typed_null(expr, &data_type);
            let found = expr.data_type();
            if same_type(&found, &data_type) {
                return Ok(expr);
            }
            Err(Error::invalid(format!("CASE has results of types {data_type} and {found}: cast one")))
        };
        let branches = branches
            .into_iter()
            .map(|(when, then)| Ok((boolean("WHEN", when)?, result(then)?)))
            .collect::<Result<_>>()?;
        let otherwise = otherwise.map(result).transpose()?.map(Box::new);
        Ok(Expr::Case { branches, otherwise, data_type })
    }

    /// An engine's own function over `inputs`.
    #[must_use]
    pub fn external(function: Arc<dyn External>, inputs: Vec<Expr>) -> Self {
        Expr::External { function, inputs }
    }

    /// The logical type of the result.
    #[must_use]
    pub fn data_type(&self) -> DataType {
        match self {
            Expr::Column { data_type, .. }
            | Expr::Arithmetic { data_type, .. }
            | Expr::Case { data_type, .. } => data_type.clone(),
            Expr::Literal(scalar) => scalar.data_type.clone(),
            Expr::Negate { input, .. } => input.data_type(),
            Expr::Cast { to, .. } => to.clone(),
            Expr::External { function, .. } => function.data_type(),
            Expr::Compare { .. }
            | Expr::And(..)
            | Expr::Or(..)
            | Expr::Not(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::InList { .. }
            | Expr::Like { .. } => DataType::Boolean,
        }
    }
}

fn boolean(operator: &str, expr: Expr) -> Result<Expr> {
    let expr = typed_null(expr, &DataType::Boolean);
    let data_type = expr.data_type();
    if value_type(&data_type) == &DataType::Boolean {
        return Ok(expr);
    }
    Err(Error::invalid(format!("{operator} needs a Boolean, {expr} is {data_type}")))
}

/// An untyped null literal takes the type of its surroundings.
fn typed_null(expr: Expr, data_type: &DataType) -> Expr {
    match expr {
        Expr::Literal(scalar) if scalar.data_type == DataType::Null => {
            Expr::Literal(Scalar::null(data_type.clone()))
        }
        other => other,
    }
}

fn typed_nulls(left: Expr, right: Expr) -> (Expr, Expr) {
    let (a, b) = (left.data_type(), right.data_type());
    (typed_null(left, &b), typed_null(right, &a))
}

fn comparable(left: &DataType, right: &DataType) -> Result<bool> {
    let (a, b) = (family(left)?, family(right)?);
    Ok(match (a, b) {
        (Family::Null, _) | (_, Family::Null) => true,
        (Family::Integer | Family::Float, _) => value_type(left) == value_type(right),
        _ => a == b,
    })
}

fn is_signed(data_type: &DataType) -> bool {
    matches!(value_type(data_type), DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64)
}

fn castable(from: Family, to: Family) -> bool {
    use Family as F;
    if from == to || from == F::Null || from == F::Text || to == F::Text {
        return to != F::Null;
    }
    let number = |family| matches!(family, F::Integer | F::Float | F::Decimal { .. });
    let time =
        |family| matches!(family, F::Date32 | F::Date64 | F::Time(_) | F::Timestamp(_) | F::Duration(_));
    let instant = |family| matches!(family, F::Date32 | F::Date64 | F::Timestamp(_));
    match (from, to) {
        (F::Boolean, to) => matches!(to, F::Integer | F::Float),
        (from, F::Boolean) => matches!(from, F::Integer | F::Float),
        (F::Time(_), F::Time(_)) | (F::Duration(_), F::Duration(_)) => true,
        (F::Integer, to) if time(to) => true,
        (from, F::Integer) if time(from) => true,
        (from, to) => (number(from) && number(to)) || (instant(from) && instant(to)),
    }
}

/// A stored instant is UTC; casts that would have to ask what a zone's clock shows are left to the engine.
fn zones_agree(from: &DataType, to: &DataType) -> bool {
    let zoned = |data_type: &DataType| matches!(value_type(data_type), DataType::Timestamp(_, Some(_)));
    let plain = |data_type: &DataType| matches!(family(data_type), Ok(Family::Integer | Family::Null));
    zoned(from) == zoned(to) || (zoned(from) && plain(to)) || (zoned(to) && plain(from))
}

fn check_arithmetic(op: ArithmeticOp, left: &DataType, right: &DataType, result: &DataType) -> Result<()> {
    use ArithmeticOp::{Add, Subtract};
    use DataType as T;
    let (l, r, out) = (value_type(left), value_type(right), value_type(result));
    let fine = match (family(l)?, family(r)?, family(out)?) {
        (Family::Null, Family::Null, _) => true,
        (
            Family::Integer | Family::Float,
            Family::Integer | Family::Float,
            Family::Integer | Family::Float,
        ) => l == r && r == out,
        (Family::Decimal { .. }, Family::Decimal { .. }, Family::Decimal { .. }) => digits(out).is_some(),
        (Family::Date32, Family::Integer, Family::Date32) => matches!(op, Add | Subtract) && r == &T::Int32,
        (Family::Integer, Family::Date32, Family::Date32) => op == Add && l == &T::Int32,
        (Family::Date32, Family::Date32, Family::Integer) => op == Subtract && out == &T::Int32,
        (Family::Duration(a), Family::Duration(b), Family::Duration(c)) => {
            matches!(op, Add | Subtract) && a == b && b == c
        }
        (Family::Timestamp(a), Family::Duration(b), Family::Timestamp(c)) => {
            matches!(op, Add | Subtract) && a == b && b == c
        }
        (Family::Timestamp(a), Family::Timestamp(b), Family::Duration(c)) => {
            op == Subtract && a == b && b == c
        }
        _ => false,
    };
    if fine {
        return Ok(());
    }
    Err(Error::invalid(format!("{left} {op} {right} does not give {result}: cast an operand")))
}

/// External functions are one where they are the same object.
impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        use Expr as E;
        match (self, other) {
            (E::Column { index: a, data_type: t }, E::Column { index: b, data_type: u }) => a == b && t == u,
            (E::Literal(a), E::Literal(b)) => a == b,
            (E::Compare { op: o, left: a, right: b }, E::Compare { op: p, left: c, right: d }) => {
                o == p && a == c && b == d
            }
            (E::And(a, b), E::And(c, d)) | (E::Or(a, b), E::Or(c, d)) => a == c && b == d,
            (E::Not(a), E::Not(b)) | (E::IsNull(a), E::IsNull(b)) | (E::IsNotNull(a), E::IsNotNull(b)) => {
                a == b
            }
            (
                E::Arithmetic { op: o, left: a, right: b, data_type: t, overflow: m, rounding: q },
                E::Arithmetic { op: p, left: c, right: d, data_type: u, overflow: n, rounding: r },
            ) => (o, a, b, t, m, q) == (p, c, d, u, n, r),
            (E::Negate { input: a, overflow: m }, E::Negate { input: b, overflow: n }) => a == b && m == n,
            (E::Cast { input: a, to: t, mode: m }, E::Cast { input: b, to: u, mode: n }) => {
                a == b && t == u && m == n
            }
            (E::InList { input: a, list: l, negated: m }, E::InList { input: b, list: k, negated: n }) => {
                a == b && l == k && m == n
            }
            (E::Like { input: a, pattern: p, negated: m }, E::Like { input: b, pattern: q, negated: n }) => {
                a == b && p == q && m == n
            }
            (
                E::Case { branches: a, otherwise: o, data_type: t },
                E::Case { branches: b, otherwise: p, data_type: u },
            ) => a == b && o == p && t == u,
            (E::External { function: f, inputs: a }, E::External { function: g, inputs: b }) => {
                Arc::ptr_eq(f, g) && a == b
            }
            _ => false,
        }
    }
}

impl Eq for Expr {}

impl Hash for Expr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Expr::Column { index, data_type } => (index, data_type).hash(state),
            Expr::Literal(scalar) => scalar.hash(state),
            Expr::Compare { op, .. } => op.hash(state),
            Expr::And(..) | Expr::Or(..) | Expr::Not(_) | Expr::IsNull(_) | Expr::IsNotNull(_) => {}
            Expr::Arithmetic { op, data_type, overflow, rounding, .. } => {
                (op, data_type, overflow, rounding).hash(state);
            }
            Expr::Negate { overflow, .. } => overflow.hash(state),
            Expr::Cast { to, mode, .. } => (to, mode).hash(state),
            Expr::InList { list, negated, .. } => (list, negated).hash(state),
            Expr::Like { pattern, negated, .. } => (pattern, negated).hash(state),
            Expr::Case { branches, otherwise, data_type } => {
                (branches.len(), otherwise.is_some(), data_type).hash(state);
            }
            Expr::External { function, .. } => (Arc::as_ptr(function) as *const ()).hash(state),
        }
        self.children().for_each(|child| child.hash(state));
    }
}
