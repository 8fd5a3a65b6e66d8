//! Rows of a table through filter, projection, sort and limit.

use std::cmp::Ordering;

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use pilaster_kernels::expr::Expr;
use pilaster_kernels::sort::SortKey;

use super::{Answer, Kinds, all, evaluate};
use crate::Datum;
use crate::datum::rows_of;

/// A row, with how far a backend may be off in each column: none where it must give the same bits.
#[derive(Debug, Clone)]
pub struct Row {
    /// One value per column.
    pub values: Vec<Datum>,
    /// One distance per column.
    pub within: Vec<Option<f64>>,
}

impl Row {
    /// A row that must come out as it is.
    #[must_use]
    pub fn exact(values: Vec<Datum>) -> Self {
        Row { within: vec![None; values.len()], values }
    }
}

/// Rows with the types of their columns.
#[derive(Debug, Clone)]
pub struct Table {
    /// Type of each column.
    pub types: Vec<DataType>,
    /// The rows.
    pub rows: Vec<Row>,
}

impl Table {
    /// All rows of all batches, in order.
    #[must_use]
    pub fn read(types: &[DataType], batches: &[RecordBatch]) -> Table {
        let rows = batches.iter().flat_map(rows_of).map(Row::exact).collect();
        Table { types: types.to_vec(), rows }
    }
}

/// True where the predicate is true.
pub(super) fn keeps(predicate: &Expr, row: &[Datum]) -> Answer<bool> {
    Ok(matches!(evaluate(predicate, row)?, Datum::Bool(true)))
}

/// Rows where the predicate is true.
///
/// # Errors
/// The kinds of all errors.
pub fn filter(input: &Table, predicate: &Expr) -> Answer<Table> {
    let kept = input.rows.iter().map(|row| Ok(keeps(predicate, &row.values)?.then(|| row.clone())));
    let rows = all(kept)?.into_iter().flatten().collect();
    Ok(Table { types: input.types.clone(), rows })
}

/// One column per expression, over rows that `predicate` keeps. Rows that it does not keep raise only its own errors.
///
/// # Errors
/// The kinds of all errors.
pub fn project(input: &Table, predicate: Option<&Expr>, exprs: &[Expr]) -> Answer<Table> {
    let project = |row: &Row| -> Result<Option<Row>, Kinds> {
        if let Some(predicate) = predicate
            && !keeps(predicate, &row.values)?
        {
            return Ok(None);
        }
        Ok(Some(Row::exact(all(exprs.iter().map(|expr| evaluate(expr, &row.values)))?)))
    };
    let rows = all(input.rows.iter().map(project))?.into_iter().flatten().collect();
    Ok(Table { types: exprs.iter().map(Expr::data_type).collect(), rows })
}

/// Stable order by `keys`, by insertion: row numbers.
#[must_use]
pub fn order(input: &Table, keys: &[SortKey]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..input.rows.len()).collect();
    // The standard library's stable sort, which no kernel uses.
    order.sort_by(|&a, &b| compare(&input.rows[a].values, &input.rows[b].values, keys));
    order
}

/// Stable sort; the first `fetch` rows.
#[must_use]
pub fn sort(input: &Table, keys: &[SortKey], fetch: Option<usize>) -> Table {
    let order = order(input, keys);
    let rows = order.iter().take(fetch.unwrap_or(usize::MAX)).map(|&row| input.rows[row].clone()).collect();
    Table { types: input.types.clone(), rows }
}

fn compare(a: &[Datum], b: &[Datum], keys: &[SortKey]) -> Ordering {
    for key in keys {
        let (x, y) = (&a[key.column], &b[key.column]);
        let order = match (x.is_null(), y.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) if key.nulls_first => Ordering::Less,
            (true, false) => Ordering::Greater,
            (false, true) if key.nulls_first => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) if key.descending => y.order(x),
            (false, false) => x.order(y),
        };
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

/// Drops `skip` rows, then keeps `fetch`.
#[must_use]
pub fn limit(input: &Table, skip: usize, fetch: Option<usize>) -> Table {
    let rows = input.rows.iter().skip(skip).take(fetch.unwrap_or(usize::MAX)).cloned().collect();
    Table { types: input.types.clone(), rows }
}
