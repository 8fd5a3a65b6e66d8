//! Expressions over chunks.

use pilaster_kernels::expr::Expr;
use pilaster_kernels::filter::{Selection, compact};
use pilaster_kernels::{Backend, Error, Result};

use super::chunk::Chunk;

/// Rows of `chunk` where `predicate` is true.
pub(super) fn select(predicate: &Expr, _chunk: &Chunk) -> Result<Selection> {
    Err(Error::unsupported(predicate, Backend::Cpu))
}

/// `exprs` for the selected rows of `chunk`.
pub(super) fn values(
    exprs: &[Expr],
    chunk: &Chunk,
    selection: &Selection,
) -> Result<Vec<arrow::array::ArrayRef>> {
    let value = |expr: &Expr| match expr {
        Expr::Column { index, .. } => compact(&chunk.columns[*index], selection),
        Expr::Literal(scalar) => scalar.to_array(selection.count()),
        other => Err(Error::unsupported(other, Backend::Cpu)),
    };
    exprs.iter().map(value).collect()
}
