//! Evaluation of predicates, keys and inputs over a batch.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::BooleanBuffer;

use crate::error::{Backend, Error, Result};
use crate::expr::Expr;
use crate::filter::{Selection, compact};
use crate::keys::lanes::LaneColumn;

/// The values of `exprs` on the selected rows, in order.
pub(super) fn evaluate(
    exprs: &[Expr],
    columns: &[ArrayRef],
    selection: &Selection,
) -> Result<Vec<LaneColumn>> {
    exprs
        .iter()
        .map(|expr| match expr {
            Expr::Column { index, .. } => {
                let array = columns.get(*index).ok_or_else(|| Error::invalid("no such column"))?;
                LaneColumn::from_array(&compact(array, selection)?)
            }
            other => Err(Error::unsupported(other.to_string(), Backend::Cpu)),
        })
        .collect()
}

/// The selected rows where `predicate` is true.
pub(super) fn select(predicate: &Expr, columns: &[ArrayRef], selection: &Selection) -> Result<Selection> {
    match predicate {
        Expr::Column { index, .. } => {
            let array = columns.get(*index).ok_or_else(|| Error::invalid("no such column"))?;
            let array = array.as_boolean();
            let bits: BooleanBuffer = match array.nulls() {
                Some(nulls) => array.values() & nulls.inner(),
                None => array.values().clone(),
            };
            Ok(Selection::from_bitmap(&bits & &selection.bitmap()))
        }
        other => Err(Error::unsupported(other.to_string(), Backend::Cpu)),
    }
}
