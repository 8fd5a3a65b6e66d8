//! Well-typed expressions over the columns of a batch.

use arrow::array::Array;
use arrow::datatypes::{DataType, TimeUnit};
use pilaster_kernels::expr::like::LikePattern;
use pilaster_kernels::expr::{ArithmeticOp, CastMode, CompareOp, Expr, OverflowMode, Rounding, Scalar};
use pilaster_kernels::sort::SortKey;

use super::{Choices, ColumnRecipe, Nulls, Physical, Spread, build};

const COMPARE: [CompareOp; 8] = [
    CompareOp::Eq,
    CompareOp::Lt,
    CompareOp::NotEq,
    CompareOp::LtEq,
    CompareOp::Gt,
    CompareOp::GtEq,
    CompareOp::IsDistinctFrom,
    CompareOp::IsNotDistinctFrom,
];

const ARITHMETIC: [ArithmeticOp; 5] = [
    ArithmeticOp::Add,
    ArithmeticOp::Subtract,
    ArithmeticOp::Multiply,
    ArithmeticOp::Divide,
    ArithmeticOp::Remainder,
];

/// What expressions are made of.
#[derive(Debug, Clone)]
pub struct ExprLimits {
    /// Types of the input's columns.
    pub columns: Vec<DataType>,
    /// Operators above each other.
    pub depth: usize,
}

impl ExprLimits {
    fn deeper(&self) -> ExprLimits {
        ExprLimits { depth: self.depth - 1, ..self.clone() }
    }
}

/// An expression of any type.
pub fn expr(limits: &ExprLimits, choices: &mut Choices) -> Expr {
    if choices.pick(2) == 0 || limits.columns.is_empty() {
        return boolean_expr(limits, choices);
    }
    let data_type = choices.one_of(&limits.columns).clone();
    typed(&data_type, limits, choices)
}

/// An expression of `data_type`.
fn typed(data_type: &DataType, limits: &ExprLimits, choices: &mut Choices) -> Expr {
    if data_type == &DataType::Boolean {
        return boolean_expr(limits, choices);
    }
    if limits.depth == 0 {
        return leaf(data_type, limits, choices);
    }
    match choices.pick(6) {
        0 => leaf(data_type, limits, choices),
        1 => case(data_type, &limits.deeper(), choices),
        2 => cast(data_type, &limits.deeper(), choices),
        _ => arithmetic_expr(data_type, &limits.deeper(), choices),
    }
}

/// A column of the type, or a constant.
fn leaf(data_type: &DataType, limits: &ExprLimits, choices: &mut Choices) -> Expr {
    let columns: Vec<usize> =
        (0..limits.columns.len()).filter(|&at| &limits.columns[at] == data_type).collect();
    if columns.is_empty() || choices.rarely(5) {
        return Expr::literal(literal(data_type, choices));
    }
    Expr::column(*choices.one_of(&columns), data_type.clone())
}

/// A constant, sometimes null.
///
/// # Panics
/// On a type that columns do not have.
pub fn literal(data_type: &DataType, choices: &mut Choices) -> Scalar {
    let spreads = [Spread::Tiny, Spread::Small, Spread::Extreme];
    let recipe = ColumnRecipe {
        data_type: data_type.clone(),
        physical: Physical::Plain,
        spread: *choices.one_of(&spreads),
        nulls: if choices.rarely(12) { Nulls::All } else { Nulls::Absent },
        offset: 0,
        seed: choices.seed(),
    };
    let array = build(&recipe, 1);
    if array.is_null(0) {
        Scalar::null(data_type.clone())
    } else {
        Scalar::from_array(&array, 0).expect("a known type")
    }
}

/// A predicate.
pub fn boolean_expr(limits: &ExprLimits, choices: &mut Choices) -> Expr {
    if limits.depth == 0 {
        return match choices.pick(2) {
            0 if !limits.columns.is_empty() => comparison(limits, choices),
            _ => leaf(&DataType::Boolean, limits, choices),
        };
    }
    let inner = limits.deeper();
    match choices.pick(10) {
        0 => Ok(comparison(&inner, choices)),
        1 => Expr::and(boolean_expr(&inner, choices), boolean_expr(&inner, choices)),
        2 => Expr::or(boolean_expr(&inner, choices), boolean_expr(&inner, choices)),
        3 => Expr::not(boolean_expr(&inner, choices)),
        4 => Ok(Expr::is_null(expr(&inner, choices))),
        5 => Ok(Expr::is_not_null(expr(&inner, choices))),
        6 => in_list(&inner, choices),
        7 => like(&inner, choices),
        8 => between(&inner, choices),
        _ => Ok(case(&DataType::Boolean, &inner, choices)),
    }
    .expect("well typed")
}

/// A type that some column has; of the numbers where there is no column.
fn some_type(limits: &ExprLimits, choices: &mut Choices) -> DataType {
    if limits.columns.is_empty() { DataType::Int64 } else { choices.one_of(&limits.columns).clone() }
}

fn comparison(limits: &ExprLimits, choices: &mut Choices) -> Expr {
    let data_type = some_type(limits, choices);
    let op = *choices.one_of(&COMPARE);
    // At the bottom only columns and constants are compared: a comparison of Booleans would be one of comparisons.
    let side = if limits.depth == 0 { leaf } else { typed };
    let left = side(&data_type, limits, choices);
    let right = side(&data_type, limits, choices);
    Expr::compare(op, left, right).expect("operands of one type")
}

fn between(limits: &ExprLimits, choices: &mut Choices) -> Result<Expr, pilaster_kernels::Error> {
    let data_type = some_type(limits, choices);
    let input = typed(&data_type, limits, choices);
    let low = Expr::literal(literal(&data_type, choices));
    let high = Expr::literal(literal(&data_type, choices));
    Expr::between(input, low, high, choices.pick(2) == 1)
}

fn in_list(limits: &ExprLimits, choices: &mut Choices) -> Result<Expr, pilaster_kernels::Error> {
    let data_type = some_type(limits, choices);
    let input = typed(&data_type, limits, choices);
    let count = 1 + choices.pick(6);
    let list = (0..count).map(|_| literal(&data_type, choices)).collect();
    Expr::in_list(input, list, choices.pick(2) == 1)
}

fn like(limits: &ExprLimits, choices: &mut Choices) -> Result<Expr, pilaster_kernels::Error> {
    const PATTERNS: [&str; 10] = ["a%", "%b", "%a%", "", "%", "_", "a_%b", "%\\%%", "__%_", "%\u{f6}%a"];
    let is_text = |t: &&DataType| matches!(t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let texts: Vec<DataType> = limits.columns.iter().filter(is_text).cloned().collect();
    if texts.is_empty() {
        return Ok(comparison(limits, choices));
    }
    let data_type = choices.one_of(&texts).clone();
    let input = leaf(&data_type, limits, choices);
    let pattern = LikePattern::new(PATTERNS[choices.pick(PATTERNS.len())], Some('\\'), choices.rarely(4))?;
    Expr::like(input, pattern, choices.pick(2) == 1)
}

fn case(data_type: &DataType, limits: &ExprLimits, choices: &mut Choices) -> Expr {
    let branches = 1 + choices.pick(2);
    let branches =
        (0..branches).map(|_| (boolean_expr(limits, choices), typed(data_type, limits, choices))).collect();
    let otherwise = (choices.pick(3) > 0).then(|| typed(data_type, limits, choices));
    Expr::case(branches, otherwise).expect("results of one type")
}

/// Types that are cast to `data_type` without text.
fn cast_sources(data_type: &DataType) -> Vec<DataType> {
    use DataType as T;
    let numbers = [
        T::Int64,
        T::Int32,
        T::Decimal128(15, 2),
        T::Float64,
        T::UInt8,
        T::UInt64,
        T::Decimal128(38, 6),
        T::Float32,
        T::Boolean,
    ];
    let times = [
        T::Date32,
        T::Date64,
        T::Timestamp(TimeUnit::Second, None),
        T::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        T::Timestamp(TimeUnit::Nanosecond, None),
    ];
    match data_type {
        T::Decimal32(..) | T::Decimal64(..) | T::Decimal128(..) => numbers[..8].to_vec(),
        T::Utf8 | T::LargeUtf8 | T::Utf8View => vec![T::Utf8, T::LargeUtf8, T::Utf8View],
        T::Binary | T::LargeBinary | T::BinaryView => Vec::new(),
        T::Date32 | T::Date64 | T::Timestamp(..) => times.to_vec(),
        _ => numbers.to_vec(),
    }
}

fn cast(data_type: &DataType, limits: &ExprLimits, choices: &mut Choices) -> Expr {
    let sources = cast_sources(data_type);
    if sources.is_empty() {
        return leaf(data_type, limits, choices);
    }
    // A column of a source type where there is one, so that casts see more than constants.
    let there: Vec<DataType> = sources.iter().filter(|t| limits.columns.contains(t)).cloned().collect();
    let from = choices.one_of(if there.is_empty() { &sources } else { &there }).clone();
    let mode = if choices.pick(2) == 0 { CastMode::Try } else { CastMode::Strict };
    let input = typed(&from, limits, choices);
    // Some casts are left to the engines, which differ on them.
    Expr::cast(input, data_type.clone(), mode).unwrap_or_else(|_| leaf(data_type, limits, choices))
}

/// Arithmetic that gives `data_type`; a leaf where there is none.
pub fn arithmetic_expr(data_type: &DataType, limits: &ExprLimits, choices: &mut Choices) -> Expr {
    use DataType as T;
    let overflow = if choices.pick(2) == 0 { OverflowMode::Checked } else { OverflowMode::Wrap };
    let rounding = if choices.pick(3) > 0 { Rounding::Truncate } else { Rounding::HalfAwayFromZero };
    let op = *choices.one_of(&ARITHMETIC);
    let built = |op, left, right| Expr::arithmetic(op, left, right, data_type.clone(), overflow, rounding);
    match data_type {
        T::Date32 => {
            let op = if op == ArithmeticOp::Subtract { op } else { ArithmeticOp::Add };
            built(op, typed(&T::Date32, limits, choices), typed(&T::Int32, limits, choices))
        }
        T::Date64 | T::Timestamp(..) => Ok(leaf(data_type, limits, choices)),
        T::Decimal32(..) | T::Decimal64(..) | T::Decimal128(..) => {
            let is_decimal =
                |t: &&DataType| matches!(t, T::Decimal32(..) | T::Decimal64(..) | T::Decimal128(..));
            let mut decimals: Vec<DataType> = limits.columns.iter().filter(is_decimal).cloned().collect();
            decimals.push(data_type.clone());
            let left = typed(&choices.one_of(&decimals).clone(), limits, choices);
            if choices.rarely(8) {
                return typed(data_type, limits, choices);
            }
            let right = typed(&choices.one_of(&decimals).clone(), limits, choices);
            built(op, left, right)
        }
        t if t.is_numeric() => {
            let left = typed(data_type, limits, choices);
            let signed = !matches!(t, T::UInt8 | T::UInt16 | T::UInt32 | T::UInt64);
            if signed && choices.rarely(6) {
                Expr::negate(left, overflow)
            } else {
                built(op, left, typed(data_type, limits, choices))
            }
        }
        _ => Ok(leaf(data_type, limits, choices)),
    }
    .expect("well typed")
}

/// Sort keys over `columns` columns: one to three.
pub fn sort_keys(columns: usize, choices: &mut Choices) -> Vec<SortKey> {
    let count = 1 + choices.pick(3);
    let key = |choices: &mut Choices| SortKey {
        column: choices.pick(columns),
        descending: choices.pick(2) == 1,
        nulls_first: choices.pick(2) == 1,
    };
    (0..count).map(|_| key(choices)).collect()
}
