//! What a scan needs to know of a predicate.

use std::collections::BTreeSet;

use arrow::datatypes::Schema;
use pilaster_kernels::expr::Expr;
use pilaster_kernels::{Error, Result};

/// Columns that an expression reads, checked against the schema.
///
/// # Errors
/// [`Error::InvalidInput`] for a column outside of the schema.
pub(super) fn columns(expr: &Expr, schema: &Schema) -> Result<BTreeSet<usize>> {
    let mut found = BTreeSet::new();
    expr.for_each_column(&mut |index| {
        found.insert(index);
    });
    match found.last() {
        Some(&last) if last >= schema.fields().len() => {
            let count = schema.fields().len();
            Err(Error::invalid(format!("the predicate reads column {last} of {count}")))
        }
        _ => Ok(found),
    }
}
