//! Typed expressions over the columns of a batch.
//!
//! One tree, two evaluators: [`cpu`] evaluates it vector by vector with selections, [`wgsl`] writes it as WGSL that the
//! fused shaders of a pipeline call row by row. Both follow three-valued logic and the same rules of evaluation:
//!
//! - An expression is evaluated on *active* rows only; an error (overflow, division by zero, failed cast) on a row
//!   that is not active does not exist.
//! - `AND` evaluates its right side where the left is not false; `OR` where the left is not true. `CASE` evaluates a
//!   `THEN` where its `WHEN` is the first that is true. So which errors surface does not depend on the backend.
//! - A value under a null is never looked at.
//!
//! The tree carries its types: [`Expr`]s are made by the constructors of [`Expr`], which check them once.

use std::fmt;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use crate::error::Result;

mod build;
pub mod cpu;
pub mod like;
pub mod range;
mod scalar;
#[cfg(test)]
mod tests;
mod types;
mod walk;
pub mod wgsl;

pub use scalar::{Scalar, Value};
pub use types::{type_bounds, value_type};

/// Comparison. Floats compare in the total order of the semantics page (NaN greatest and equal to itself, -0.0 = 0.0);
/// strings and binaries as unsigned bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// `=`
    Eq,
    /// `<>`
    NotEq,
    /// `<`
    Lt,
    /// `<=`
    LtEq,
    /// `>`
    Gt,
    /// `>=`
    GtEq,
    /// `IS DISTINCT FROM`: never null.
    IsDistinctFrom,
    /// `IS NOT DISTINCT FROM`: never null.
    IsNotDistinctFrom,
}

/// Arithmetic on integers, floats, decimals, and dates (date plus or minus days).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArithmeticOp {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`: integers truncate towards zero; decimals round by [`Rounding`].
    Divide,
    /// `%`: the sign of the dividend.
    Remainder,
}

/// What happens when a result does not fit its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OverflowMode {
    /// [`crate::Error::ArithmeticOverflow`].
    #[default]
    Checked,
    /// Two's complement wrapping, for the engines whose plans ask for it.
    Wrap,
}

/// How a decimal that loses digits is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Rounding {
    /// Half away from zero: the rule of the semantics page.
    #[default]
    HalfAwayFromZero,
    /// Towards zero, for the engines whose plans ask for it.
    Truncate,
}

/// A cast that meets a value it cannot represent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CastMode {
    /// [`crate::Error::CastFailed`].
    #[default]
    Strict,
    /// Null (`TRY_CAST`).
    Try,
}

/// An engine's own expression: evaluates its inputs' columns on the CPU, inside our pipeline.
///
/// `evaluate` gets one array per input of the [`Expr::External`] node, all of `rows` rows, and returns an array of
/// `rows` rows of [`External::data_type`]. It is called on active rows only (they are gathered first).
pub trait External: fmt::Debug + Send + Sync {
    /// The name that reports and errors show.
    fn name(&self) -> &str;
    /// Type of the result.
    fn data_type(&self) -> DataType;
    /// Evaluates `rows` rows.
    ///
    /// # Errors
    /// Whatever the engine's expression raises, as [`crate::Error::External`].
    fn evaluate(&self, inputs: &[ArrayRef], rows: usize) -> Result<ArrayRef>;
}

/// A typed expression. Build it with the constructors ([`Expr::column`], [`Expr::compare`], ...), which check types;
/// a tree that they built never fails for a reason of type.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Expr {
    /// Column `index` of the input batch.
    Column {
        /// Position in the input schema.
        index: usize,
        /// Its logical type. The array may be physically narrower: a `Decimal128(p, s)` column may arrive as
        /// `Decimal64` or `Decimal32` of the same scale; a string column as a dictionary over it.
        data_type: DataType,
    },
    /// A constant.
    Literal(Scalar),
    /// A comparison of two operands of the same type (strings, binaries and their views and dictionaries count as
    /// one type each; decimals must have the same scale). Boolean.
    Compare {
        /// The operator.
        op: CompareOp,
        /// Left operand.
        left: Box<Expr>,
        /// Right operand.
        right: Box<Expr>,
    },
    /// Three-valued conjunction, evaluated left to right.
    And(Box<Expr>, Box<Expr>),
    /// Three-valued disjunction, evaluated left to right.
    Or(Box<Expr>, Box<Expr>),
    /// Three-valued negation.
    Not(Box<Expr>),
    /// Arithmetic. Integer and float operands have the result's type. Decimal operands may differ in precision and
    /// scale; the exact result is brought to the scale of `data_type` by `rounding` and must fit its precision.
    /// Dates: `Date32 + Int32` and `Date32 - Int32` in days, `Date32 - Date32` gives `Int32`.
    Arithmetic {
        /// The operator.
        op: ArithmeticOp,
        /// Left operand.
        left: Box<Expr>,
        /// Right operand.
        right: Box<Expr>,
        /// Type of the result, as the plan's schema names it.
        data_type: DataType,
        /// What an overflow does (integers; decimals are always checked).
        overflow: OverflowMode,
        /// How a decimal quotient or product loses digits.
        rounding: Rounding,
    },
    /// Arithmetic negation of a signed integer, float or decimal.
    Negate {
        /// Operand.
        input: Box<Expr>,
        /// What an overflow does.
        overflow: OverflowMode,
    },
    /// A cast among booleans, integers, floats, decimals, dates, timestamps and strings.
    Cast {
        /// Operand.
        input: Box<Expr>,
        /// Target type.
        to: DataType,
        /// What a value without a counterpart does.
        mode: CastMode,
    },
    /// `IS NULL`: never null.
    IsNull(Box<Expr>),
    /// `IS NOT NULL`: never null.
    IsNotNull(Box<Expr>),
    /// `[NOT] IN (constants)`. A null among the constants makes a miss null.
    InList {
        /// Operand.
        input: Box<Expr>,
        /// Constants of the operand's type.
        list: Arc<[Scalar]>,
        /// `NOT IN`.
        negated: bool,
    },
    /// `[NOT] [I]LIKE` with a constant pattern over strings.
    Like {
        /// Operand.
        input: Box<Expr>,
        /// The compiled pattern.
        pattern: Arc<like::LikePattern>,
        /// `NOT LIKE`.
        negated: bool,
    },
    /// Searched `CASE`.
    Case {
        /// `WHEN` (Boolean), `THEN` pairs, in order.
        branches: Vec<(Expr, Expr)>,
        /// `ELSE`; null where absent.
        otherwise: Option<Box<Expr>>,
        /// Common type of all results.
        data_type: DataType,
    },
    /// An engine's own expression over `inputs`. CPU only.
    External {
        /// The function.
        function: Arc<dyn External>,
        /// Its operands.
        inputs: Vec<Expr>,
    },
}
