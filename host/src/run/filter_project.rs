//! Filter and project on the CPU: the columns of a branch for the rows that its predicate keeps.

use pilaster_kernels::Result;
use pilaster_kernels::expr::Expr;
use pilaster_kernels::filter::Selection;

use super::chunk::Chunk;
use super::evaluate;
use super::pipeline::Branch;
use super::task::Filtered;

/// A branch's predicate and columns, ready to be applied to chunks of its source.
#[derive(Debug)]
pub(crate) struct FilterProject {
    predicate: Option<Expr>,
    columns: Vec<Expr>,
}

impl FilterProject {
    pub(crate) fn new(branch: &Branch) -> Self {
        FilterProject { predicate: branch.predicate.clone(), columns: branch.columns.clone() }
    }

    /// The branch's columns for the kept rows of `chunk`. Columns are evaluated on kept rows only.
    ///
    /// # Errors
    /// Those of the expressions.
    pub(crate) fn apply(&self, chunk: Chunk, filtered: Filtered) -> Result<Chunk> {
        let selection = match &self.predicate {
            Some(predicate) if filtered == Filtered::No => evaluate::select(predicate, &chunk)?,
            _ => Selection::all(chunk.rows),
        };
        let rows = selection.count();
        // Plain columns are compacted as they are; the rest is evaluated on the kept rows.
        let columns = evaluate::values(&self.columns, &chunk, &selection)?;
        Ok(Chunk { columns, rows })
    }
}
