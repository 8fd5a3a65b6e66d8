//! Filter and project on the CPU: the columns of a step for the rows that its predicate keeps.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use pilaster_kernels::expr::Expr;
use pilaster_kernels::expr::cpu::{Evaluator, Predicate};
use pilaster_kernels::filter::{Selection, compact};
use pilaster_kernels::{Error, Result};

use super::chunk::Chunk;
use super::pipeline::Step;
use super::reading::Filtered;

/// A step's predicate and columns, made ready once and applied to chunks of what it is over.
#[derive(Debug)]
pub(crate) struct FilterProject {
    predicate: Option<Predicate>,
    columns: Vec<Column>,
    computed: Evaluator,
}

#[derive(Debug)]
enum Column {
    /// The column below as it is, in whatever physical type it came.
    Plain(usize),
    /// The next of the computed ones.
    Computed(DataType),
}

/// A step's columns, and which of their rows are kept.
#[derive(Debug)]
pub(crate) struct Selected {
    pub(crate) columns: Vec<ArrayRef>,
    /// Of the columns.
    pub(crate) rows: usize,
    pub(crate) selection: Selection,
}

impl FilterProject {
    /// # Errors
    /// Where an expression nests too deep.
    pub(crate) fn new(step: &Step) -> Result<Self> {
        let column = |expr: &Expr| match expr {
            Expr::Column { index, .. } => Column::Plain(*index),
            other => Column::Computed(other.data_type()),
        };
        let computed = step.columns.iter().filter(|expr| !matches!(expr, Expr::Column { .. }));
        Ok(FilterProject {
            predicate: step.predicate.as_ref().map(Predicate::new).transpose()?,
            columns: step.columns.iter().map(column).collect(),
            computed: Evaluator::new(computed)?,
        })
    }

    /// The step's columns for the kept rows of `chunk`, which keep their order among chunks by its position. Columns are
    /// computed on kept rows only.
    ///
    /// # Errors
    /// Those of the expressions.
    pub(crate) fn apply(&self, chunk: Chunk, filtered: Filtered) -> Result<Chunk> {
        let selection = self.kept(&chunk, filtered)?;
        self.compacted(&chunk, &selection)
    }

    /// As [`FilterProject::apply`], for whoever takes a selection, of rows that [`FilterProject::kept`] has found, or some of
    /// them: where nothing is computed, no row is copied.
    ///
    /// # Errors
    /// Those of the expressions.
    pub(crate) fn selected(&self, chunk: &Chunk, selection: Selection) -> Result<Selected> {
        let plain = |column: &Column| match column {
            Column::Plain(index) => chunk.columns.get(*index).cloned(),
            Column::Computed(_) => None,
        };
        if let Some(columns) = self.columns.iter().map(plain).collect() {
            return Ok(Selected { columns, rows: chunk.rows, selection });
        }
        let Chunk { columns, rows, .. } = self.compacted(chunk, &selection)?;
        Ok(Selected { columns, rows, selection: Selection::all(rows) })
    }

    /// The rows that the predicate keeps.
    ///
    /// # Errors
    /// Those of the expressions.
    pub(crate) fn kept(&self, chunk: &Chunk, filtered: Filtered) -> Result<Selection> {
        match &self.predicate {
            Some(predicate) if filtered == Filtered::No => predicate.select(&chunk.columns, chunk.rows, None),
            _ => Ok(Selection::all(chunk.rows)),
        }
    }

    fn compacted(&self, chunk: &Chunk, selection: &Selection) -> Result<Chunk> {
        let Chunk { columns, rows, position, .. } = chunk;
        let mut computed = self.computed.evaluate(columns, *rows, Some(selection))?.into_iter();
        let missing = || Error::invalid("a chunk without a column that its plan reads");
        let column = |column: &Column| -> Result<ArrayRef> {
            match column {
                Column::Plain(index) => compact(columns.get(*index).ok_or_else(missing)?, selection),
                Column::Computed(data_type) => computed.next().ok_or_else(missing)?.into_array(data_type),
            }
        };
        let columns = self.columns.iter().map(column).collect::<Result<_>>()?;
        Ok(Chunk { position: *position, ..Chunk::new(columns, selection.count()) })
    }
}
