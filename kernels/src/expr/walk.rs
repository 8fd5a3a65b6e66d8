//! Walking and rewriting trees; trees as text.

use std::fmt;

use super::{ArithmeticOp, CastMode, CompareOp, Expr};
use crate::error::{Error, Result};

impl Expr {
    /// The operands, in order of evaluation: `WHEN`, `THEN`, ..., `ELSE` for a CASE.
    pub fn children(&self) -> impl Iterator<Item = &Expr> {
        let children: Vec<&Expr> = match self {
            Expr::Column { .. } | Expr::Literal(_) => vec![],
            Expr::Compare { left, right, .. }
            | Expr::And(left, right)
            | Expr::Or(left, right)
            | Expr::Arithmetic { left, right, .. } => vec![left.as_ref(), right.as_ref()],
            Expr::Not(input)
            | Expr::IsNull(input)
            | Expr::IsNotNull(input)
            | Expr::Negate { input, .. }
            | Expr::Cast { input, .. }
            | Expr::InList { input, .. }
            | Expr::Like { input, .. } => vec![input.as_ref()],
            Expr::Case { branches, otherwise, .. } => {
                branches.iter().flat_map(|(when, then)| [when, then]).chain(otherwise.as_deref()).collect()
            }
            Expr::External { inputs, .. } => inputs.iter().collect(),
        };
        children.into_iter()
    }

    /// The operands for rewriting, in the order of [`Expr::children`]. An operand must keep its type.
    pub fn children_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        let children: Vec<&mut Expr> = match self {
            Expr::Column { .. } | Expr::Literal(_) => vec![],
            Expr::Compare { left, right, .. }
            | Expr::And(left, right)
            | Expr::Or(left, right)
            | Expr::Arithmetic { left, right, .. } => vec![left.as_mut(), right.as_mut()],
            Expr::Not(input)
            | Expr::IsNull(input)
            | Expr::IsNotNull(input)
            | Expr::Negate { input, .. }
            | Expr::Cast { input, .. }
            | Expr::InList { input, .. }
            | Expr::Like { input, .. } => vec![input.as_mut()],
            Expr::Case { branches, otherwise, .. } => branches
                .iter_mut()
                .flat_map(|(when, then)| [when, then])
                .chain(otherwise.as_deref_mut())
                .collect(),
            Expr::External { inputs, .. } => inputs.iter_mut().collect(),
        };
        children.into_iter()
    }

    /// Calls `visit` with the index of every column, once per occurrence, left to right.
    pub fn for_each_column(&self, visit: &mut impl FnMut(usize)) {
        if let Expr::Column { index, .. } = self {
            visit(*index);
        }
        for child in self.children() {
            child.for_each_column(visit);
        }
    }

    /// The same tree over other column positions.
    ///
    /// ```
    /// use arrow::datatypes::DataType;
    /// use pilaster_kernels::expr::Expr;
    ///
    /// let third = Expr::is_null(Expr::column(3, DataType::Int32));
    /// assert_eq!(third.map_columns(&mut |index| index - 3), Expr::is_null(Expr::column(0, DataType::Int32)));
    /// ```
    #[must_use]
    pub fn map_columns(&self, map: &mut impl FnMut(usize) -> usize) -> Expr {
        let mut mapped = self.clone();
        map_in_place(&mut mapped, map);
        mapped
    }

    /// Inlines a projection: column `i` becomes `exprs[i]`.
    ///
    /// ```
    /// use arrow::datatypes::DataType;
    /// use pilaster_kernels::expr::{Expr, Scalar};
    ///
    /// let test = Expr::is_null(Expr::column(1, DataType::Int32));
    /// let projection = [Expr::literal(Scalar::from(1i32)), Expr::column(7, DataType::Int32)];
    /// assert_eq!(test.substitute(&projection)?.to_string(), "(#7 IS NULL)");
    /// # Ok::<(), pilaster_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where a column is not among `exprs` or has another type there.
    pub fn substitute(&self, exprs: &[Expr]) -> Result<Expr> {
        let mut inlined = self.clone();
        substitute_in_place(&mut inlined, exprs)?;
        Ok(inlined)
    }

    /// True where no row can make the expression raise an error: it is made of columns, literals and tests only.
    #[must_use]
    pub fn cannot_fail(&self) -> bool {
        let itself = matches!(
            self,
            Expr::Column { .. }
                | Expr::Literal(_)
                | Expr::Compare { .. }
                | Expr::And(..)
                | Expr::Or(..)
                | Expr::Not(_)
                | Expr::IsNull(_)
                | Expr::IsNotNull(_)
                | Expr::InList { .. }
                | Expr::Like { .. }
                | Expr::Case { .. }
        );
        itself && self.children().all(Expr::cannot_fail)
    }

    /// The parts of a conjunction, left to right; the expression itself where it is none.
    #[must_use]
    pub fn conjuncts(&self) -> Vec<&Expr> {
        match self {
            Expr::And(left, right) => {
                let mut parts = left.conjuncts();
                parts.extend(right.conjuncts());
                parts
            }
            other => vec![other],
        }
    }
}

fn map_in_place(expr: &mut Expr, map: &mut impl FnMut(usize) -> usize) {
    if let Expr::Column { index, .. } = expr {
        *index = map(*index);
    }
    for child in expr.children_mut() {
        map_in_place(child, map);
    }
}

fn substitute_in_place(expr: &mut Expr, exprs: &[Expr]) -> Result<()> {
    if let Expr::Column { index, data_type } = expr {
        let by = exprs.get(*index).ok_or_else(|| {
            Error::invalid(format!("column #{index} of a projection of {} columns", exprs.len()))
        })?;
        if !super::types::same_type(data_type, &by.data_type()) {
            return Err(Error::invalid(format!(
                "column #{index} is {data_type}, its projection is {}",
                by.data_type()
            )));
        }
        *expr = by.clone();
        return Ok(());
    }
    expr.children_mut().try_for_each(|child| substitute_in_place(child, exprs))
}

impl fmt::Display for CompareOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CompareOp::Eq => "=",
            CompareOp::NotEq => "<>",
            CompareOp::Lt => "<",
            CompareOp::LtEq => "<=",
            CompareOp::Gt => ">",
            CompareOp::GtEq => ">=",
            CompareOp::IsDistinctFrom => "IS DISTINCT FROM",
            CompareOp::IsNotDistinctFrom => "IS NOT DISTINCT FROM",
        })
    }
}

impl fmt::Display for ArithmeticOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ArithmeticOp::Add => "+",
            ArithmeticOp::Subtract => "-",
            ArithmeticOp::Multiply => "*",
            ArithmeticOp::Divide => "/",
            ArithmeticOp::Remainder => "%",
        })
    }
}

/// As SQL writes it, with columns by position: `((#4 * (1.00 - #5)) < 24)`.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = |negated: bool| if negated { "NOT " } else { "" };
        match self {
            Expr::Column { index, .. } => write!(f, "#{index}"),
            Expr::Literal(scalar) => write!(f, "{scalar}"),
            Expr::Compare { op, left, right } => write!(f, "({left} {op} {right})"),
            Expr::And(left, right) => write!(f, "({left} AND {right})"),
            Expr::Or(left, right) => write!(f, "({left} OR {right})"),
            Expr::Not(input) => write!(f, "(NOT {input})"),
            Expr::Arithmetic { op, left, right, .. } => write!(f, "({left} {op} {right})"),
            Expr::Negate { input, .. } => write!(f, "(- {input})"),
            Expr::Cast { input, to, mode: CastMode::Strict } => write!(f, "CAST({input} AS {to})"),
            Expr::Cast { input, to, mode: CastMode::Try } => write!(f, "TRY_CAST({input} AS {to})"),
            Expr::IsNull(input) => write!(f, "({input} IS NULL)"),
            Expr::IsNotNull(input) => write!(f, "({input} IS NOT NULL)"),
            Expr::InList { input, list, negated } => {
                write!(f, "({input} {}IN (", not(*negated))?;
                separated(f, list.iter())?;
                f.write_str("))")
            }
            Expr::Like { input, pattern, negated } => {
                let like = if pattern.case_insensitive() { "ILIKE" } else { "LIKE" };
                write!(f, "({input} {}{like} {pattern})", not(*negated))
            }
            Expr::Case { branches, otherwise, .. } => {
                f.write_str("CASE")?;
                branches.iter().try_for_each(|(when, then)| write!(f, " WHEN {when} THEN {then}"))?;
                otherwise.iter().try_for_each(|otherwise| write!(f, " ELSE {otherwise}"))?;
                f.write_str(" END")
            }
            Expr::External { function, inputs } => {
                write!(f, "{}(", function.name())?;
                separated(f, inputs.iter())?;
                f.write_str(")")
            }
        }
    }
}

fn separated<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: impl Iterator<Item = T>) -> fmt::Result {
    for (i, item) in items.enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}
