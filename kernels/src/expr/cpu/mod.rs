//! Vectorised evaluation on the CPU.
//!
//! [`Evaluator`] holds a list of expressions as a graph in which equal subtrees are one node, and evaluates them over a
//! batch, or over the rows of a [`Selection`]. Results are [`Vector`]s: integer-like types (decimals too) in the narrowest
//! lanes at hand, so that `price * (1 - discount)` runs on 64-bit lanes whatever its declared precision.
//!
//! ```text
//! columns --load--> vectors --loops--> vectors        one loop per node and batch (8 to 32 thousand rows)
//!    |  rows of the selection only; Decimal128 that fits is narrowed to i64 on the way
//!    +- a predicate: conjunct by conjunct, each on what the one before left
//! ```
//!
//! The loops are plain Rust in [`crate::simd`], compiled per instruction set. Floors, in bytes per row at cache bandwidth:
//! a comparison of an `i32` column with a constant 4.125, of `i64` 8.125; `i64 * i64` 24; `constant - i64` 16; measuring a
//! range 4 or 8, once per column and batch.
//!
//! The idea of vectors, selections and lazily evaluated conjuncts is MonetDB/X100's (Boncz, Zukowski, Nes 2005);
//! arithmetic at the width of measured ranges is "compressed materialisation" as DuckDB has it, per batch.

use arrow::array::{Array, ArrayRef};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::DataType;

use crate::error::{Error, Result};
use crate::filter::Selection;

use super::Expr;

mod arithmetic;
mod bytes;
mod case;
mod cast;
mod compare;
mod decimal;
mod float;
mod frame;
mod graph;
mod logic;
mod side;
#[cfg(test)]
mod tests;
mod vector;

use frame::Frame;
use graph::Graph;
use logic::Truth;
pub use vector::{Values, Vector};

/// Several expressions over one batch, made ready once and evaluated many times, from any number of threads.
#[derive(Debug, Clone)]
pub struct Evaluator {
    graph: Graph,
}

impl Evaluator {
    /// Makes `exprs` ready; equal subtrees become one.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where an expression nests deeper than 2000 levels.
    pub fn new<'e>(exprs: impl IntoIterator<Item = &'e Expr>) -> Result<Self> {
        let exprs: Vec<&Expr> = exprs.into_iter().collect();
        exprs.iter().try_for_each(|expr| check_depth(expr))?;
        Ok(Self { graph: Graph::new(exprs) })
    }

    /// The expressions' values, in their order: one row per active row.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use arrow::array::{ArrayRef, Int64Array};
    /// use arrow::datatypes::DataType;
    /// use pilaster_kernels::expr::cpu::Evaluator;
    /// use pilaster_kernels::expr::{ArithmeticOp, Expr, OverflowMode, Rounding};
    /// use pilaster_kernels::filter::Selection;
    ///
    /// let x = Expr::column(0, DataType::Int64);
    /// let square = Expr::arithmetic(
    ///     ArithmeticOp::Multiply, x.clone(), x, DataType::Int64, OverflowMode::Checked, Rounding::default(),
    /// )?;
    /// let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![1, i64::MAX, 3]))];
    /// let some = Selection::from_indices(3, vec![0, 2]);
    /// let squares = Evaluator::new([&square])?.evaluate(&columns, 3, Some(&some))?.remove(0);
    /// assert_eq!(squares.into_array(&DataType::Int64)?.as_ref(), &Int64Array::from(vec![1, 9]));
    /// # Ok::<(), pilaster_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ArithmeticOverflow`], [`Error::DivideByZero`], [`Error::CastFailed`] and [`Error::External`] as values on
    /// active rows give rise to; [`Error::InvalidInput`] where the columns are not of the types that the expressions name,
    /// or not of `rows` rows.
    pub fn evaluate(
        &self,
        columns: &[ArrayRef],
        rows: usize,
        selection: Option<&Selection>,
    ) -> Result<Vec<Vector>> {
        let frame = Frame::new(&self.graph, columns, rows, active_rows(columns, rows, selection)?);
        self.graph.roots.iter().map(|&root| frame.value(root)).collect()
    }
}

/// One expression over all rows, as an array of its declared type.
///
/// ```
/// use std::sync::Arc;
///
/// use arrow::array::{ArrayRef, BooleanArray, StringArray};
/// use arrow::datatypes::DataType;
/// use pilaster_kernels::expr::{Expr, cpu, like::LikePattern};
///
/// let name = Expr::column(0, DataType::Utf8);
/// let promo = Expr::like(name, LikePattern::new("PROMO%", Some('\\'), false)?, false)?;
/// let columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(vec![Some("PROMO TIN"), None, Some("TIN")]))];
/// let result = cpu::evaluate(&promo, &columns, 3)?;
/// assert_eq!(result.as_ref(), &BooleanArray::from(vec![Some(true), None, Some(false)]));
/// # Ok::<(), pilaster_kernels::Error>(())
/// ```
///
/// # Errors
/// As [`Evaluator::evaluate`].
pub fn evaluate(expr: &Expr, columns: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let vector = Evaluator::new([expr])?.evaluate(columns, rows, None)?.remove(0);
    vector.into_array(&expr.data_type())
}

/// The rows (of `selection`, or of the batch) where a predicate is true.
///
/// A conjunction is evaluated conjunct by conjunct. While many rows are left and the next conjunct cannot fail, it is
/// evaluated on all rows and the bitmaps are joined; else on the rows that are left. Those are the rows where no
/// conjunct before was false: a null does not close a row, so that errors surface as the rules of evaluation say.
///
/// ```
/// use std::sync::Arc;
///
/// use arrow::array::{ArrayRef, Int32Array};
/// use arrow::datatypes::DataType;
/// use pilaster_kernels::expr::{CompareOp, Expr, Scalar, cpu};
///
/// let large = Expr::compare(CompareOp::Gt, Expr::column(0, DataType::Int32), Expr::literal(Scalar::from(5i32)))?;
/// let columns: Vec<ArrayRef> = vec![Arc::new(Int32Array::from(vec![Some(9), None, Some(1), Some(6)]))];
/// let selection = cpu::predicate_selection(&large, &columns, 4, None)?;
/// assert_eq!(selection.indices().to_vec(), [0, 3]);
/// # Ok::<(), pilaster_kernels::Error>(())
/// ```
///
/// # Errors
/// As [`Evaluator::evaluate`]; [`Error::InvalidInput`] unless the predicate is Boolean.
pub fn predicate_selection(
    predicate: &Expr,
    columns: &[ArrayRef],
    rows: usize,
    selection: Option<&Selection>,
) -> Result<Selection> {
    Predicate::new(predicate)?.select(columns, rows, selection)
}

/// A predicate made ready once; see [`predicate_selection`].
#[derive(Debug, Clone)]
pub struct Predicate {
    /// One root per conjunct.
    conjuncts: Evaluator,
}

/// Below one row in this many, the rows left are gathered and the next conjunct runs on them alone. A dense `i32` comparison
/// moves 4 bytes per row of the batch; a gathered one a random read, a write and a read again per row left.
const SPARSE_SHARE: usize = 16;

impl Predicate {
    /// Makes a predicate ready.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] unless it is Boolean.
    pub fn new(predicate: &Expr) -> Result<Self> {
        if predicate.data_type() != DataType::Boolean {
            return Err(Error::invalid(format!("the predicate {predicate} is {}", predicate.data_type())));
        }
        Ok(Self { conjuncts: Evaluator::new(predicate.conjuncts())? })
    }

    /// The rows (of `selection`, or of the batch) where the predicate is true.
    ///
    /// # Errors
    /// As [`Evaluator::evaluate`].
    pub fn select(
        &self,
        columns: &[ArrayRef],
        rows: usize,
        selection: Option<&Selection>,
    ) -> Result<Selection> {
        let graph = &self.conjuncts.graph;
        let active = active_rows(columns, rows, selection)?;
        let mut frame = Frame::new(graph, columns, rows, active.clone());
        let mut numbers = active;
        // Of the frame's rows: those not yet false, and those among them where all was true.
        let mut open: Option<Truth> = None;
        for &conjunct in &graph.roots {
            if let Some(truth) = &open {
                let left = !&truth.is_false;
                let count = left.count_set_bits();
                if count == 0 {
                    return Ok(Selection::none(rows));
                }
                let sparse = count * SPARSE_SHARE < frame.rows();
                if count < frame.rows() && (sparse || frame.can_fail(conjunct)) {
                    let kept: ScalarBuffer<u32> = left.set_indices_u32().collect::<Vec<_>>().into();
                    let kept_numbers = match &numbers {
                        None => kept.clone(),
                        Some(numbers) => crate::simd::lanes::gather(numbers, &kept).into(),
                    };
                    open = Some(Truth {
                        is_true: vector::gather_bits(&truth.is_true, &kept),
                        is_false: vector::gather_bits(&truth.is_false, &kept),
                    });
                    frame = Frame::new(graph, columns, rows, Some(kept_numbers.clone()));
                    numbers = Some(kept_numbers);
                }
            }
            let next = Truth::of(&frame.value(conjunct)?)?;
            open = Some(match open {
                None => next,
                Some(before) => Truth {
                    is_true: &before.is_true & &next.is_true,
                    is_false: &before.is_false | &next.is_false,
                },
            });
        }
        let Some(truth) = open else { return Ok(Selection::all(rows)) };
        Ok(match numbers {
            None => Selection::from_bitmap(truth.is_true),
            Some(numbers) => {
                let kept: Vec<u32> = truth.is_true.set_indices().map(|i| numbers[i]).collect();
                Selection::from_indices(rows, kept)
            }
        })
    }
}

/// Checks the batch; the numbers of its active rows, none where all are.
fn active_rows(
    columns: &[ArrayRef],
    rows: usize,
    selection: Option<&Selection>,
) -> Result<Option<ScalarBuffer<u32>>> {
    if let Some((index, column)) = columns.iter().enumerate().find(|(_, column)| column.len() != rows) {
        return Err(Error::invalid(format!("column #{index} has {} rows, the batch {rows}", column.len())));
    }
    let Some(selection) = selection else { return Ok(None) };
    if selection.rows() != rows {
        return Err(Error::invalid(format!(
            "a selection over {} rows, the batch has {rows}",
            selection.rows()
        )));
    }
    if selection.is_all() {
        return Ok(None);
    }
    let numbers = selection.indices();
    if numbers.iter().any(|&row| row as usize >= rows) {
        return Err(Error::invalid(format!("a selection beyond the {rows} rows of the batch")));
    }
    Ok(Some(numbers))
}

/// Evaluation and hashing recurse; a hostile tree must not exhaust the stack.
const MAX_DEPTH: usize = 2_000;

fn check_depth(expr: &Expr) -> Result<()> {
    let mut level: Vec<&Expr> = vec![expr];
    for _ in 0..MAX_DEPTH {
        level = level.iter().flat_map(|expr| expr.children()).collect();
        if level.is_empty() {
            return Ok(());
        }
    }
    Err(Error::invalid(format!("an expression nests deeper than {MAX_DEPTH} levels")))
}
