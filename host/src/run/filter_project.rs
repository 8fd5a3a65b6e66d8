//! Filter and project on the CPU: the columns of a branch for the rows that its predicate keeps.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use pilaster_kernels::expr::Expr;
use pilaster_kernels::expr::cpu::{Evaluator, Predicate};
use pilaster_kernels::filter::{Selection, compact};
use pilaster_kernels::{Error, Result};

use super::chunk::Chunk;
use super::pipeline::Branch;
use super::task::Filtered;

/// A branch's predicate and columns, made ready once and applied to chunks of its source.
#[derive(Debug)]
pub(crate) struct FilterProject {
    predicate: Option<Predicate>,
    columns: Vec<Column>,
    computed: Evaluator,
}

#[derive(Debug)]
enum Column {
    /// The source's column as it is, in whatever physical type it came.
    Plain(usize),
    /// The next of the computed ones.
    Computed(DataType),
}

impl FilterProject {
    /// # Errors
    /// Where an expression nests too deep.
    pub(crate) fn new(branch: &Branch) -> Result<Self> {
        let column = |expr: &Expr| match expr {
            Expr::Column { index, .. } => Column::Plain(*index),
            other => Column::Computed(other.data_type()),
        };
        let computed = branch.columns.iter().filter(|expr| !matches!(expr, Expr::Column { .. }));
        Ok(FilterProject {
            predicate: branch.predicate.as_ref().map(Predicate::new).transpose()?,
            columns: branch.columns.iter().map(column).collect(),
            computed: Evaluator::new(computed)?,
        })
    }

    /// The branch's columns for the kept rows of `chunk`, which keep their order among chunks by its position. Columns are
    /// computed on kept rows only.
    ///
    /// # Errors
    /// Those of the expressions.
    pub(crate) fn apply(&self, chunk: Chunk, filtered: Filtered) -> Result<Chunk> {
        let Chunk { columns, rows, position, .. } = chunk;
        let selection = match &self.predicate {
            Some(predicate) if filtered == Filtered::No => predicate.select(&columns, rows, None)?,
            _ => Selection::all(rows),
        };
        let kept = selection.count();
        let mut computed = self.computed.evaluate(&columns, rows, Some(&selection))?.into_iter();
        let missing = || Error::invalid("a chunk without a column that its plan reads");
        let column = |column: &Column| -> Result<ArrayRef> {
            match column {
                Column::Plain(index) => compact(columns.get(*index).ok_or_else(missing)?, &selection),
                Column::Computed(data_type) => computed.next().ok_or_else(missing)?.into_array(data_type),
            }
        };
        let columns = self.columns.iter().map(column).collect::<Result<_>>()?;
        Ok(Chunk { position, ..Chunk::new(columns, kept) })
    }
}
