//! Rows, as a list or as a multiset.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Schema};

use super::Mismatch;
use crate::Datum;
use crate::datum::rows_of;
use crate::reference::{Row, Table};

/// Whether the order of rows is part of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Row by row.
    Kept,
    /// As multisets.
    Open,
}

/// What a backend gave, as values.
#[derive(Debug, Clone)]
pub struct Got {
    /// Types of the columns.
    pub types: Vec<DataType>,
    /// The rows.
    pub rows: Vec<Vec<Datum>>,
}

impl Got {
    /// Columns of one length: one batch of an answer.
    #[must_use]
    pub fn arrays(columns: &[ArrayRef], rows: usize) -> Self {
        let row = |row: usize| columns.iter().map(|column| Datum::read(column.as_ref(), row)).collect();
        let types = columns.iter().map(|column| column.data_type().clone()).collect();
        Got { types, rows: (0..rows).map(row).collect() }
    }

    /// All rows of all batches. Types are the schema's; a batch of other types is told by them.
    #[must_use]
    pub fn batches(schema: &Schema, batches: &[RecordBatch]) -> Self {
        let mut types: Vec<DataType> =
            schema.fields().iter().map(|field| field.data_type().clone()).collect();
        for batch in batches {
            let own = batch.columns().iter().map(|column| column.data_type().clone()).collect();
            if types != own {
                types = own;
            }
        }
        Got { types, rows: batches.iter().flat_map(rows_of).collect() }
    }

    /// More rows of the same types.
    pub fn append(&mut self, other: Got) {
        assert_eq!(self.types, other.types, "batches of one answer have one type");
        self.rows.extend(other.rows);
    }
}

/// An answer against the reference's: types, number of rows, every value.
///
/// # Errors
/// The first difference.
pub fn table(expected: &Table, got: &Got, order: Order) -> Result<(), Mismatch> {
    if got.types != expected.types {
        return Err(format!("types {:?}, expected {:?}", got.types, expected.types));
    }
    rows(expected, got.rows.clone(), order)
}

fn rows(expected: &Table, mut got: Vec<Vec<Datum>>, order: Order) -> Result<(), Mismatch> {
    if got.len() != expected.rows.len() {
        return Err(format!("{} rows, expected {}", got.len(), expected.rows.len()));
    }
    let mut rows: Vec<&Row> = expected.rows.iter().collect();
    if order == Order::Open {
        let exact: Vec<usize> = exact_columns(expected);
        rows.sort_by(|a, b| sorting(&a.values, &b.values, &exact));
        got.sort_by(|a, b| sorting(a, b, &exact));
    }
    for (at, (row, got)) in rows.iter().zip(&got).enumerate() {
        for (column, (value, within)) in row.values.iter().zip(&row.within).enumerate() {
            if !agree(value, &got[column], *within) {
                let bound = within.map_or(String::new(), |within| format!(" within {within:e}"));
                let found = &got[column];
                return Err(format!(
                    "row {at}, column {column}: {found}, expected {value}{bound}; row: {}",
                    show(got)
                ));
            }
        }
    }
    Ok(())
}

/// Columns that are the same to the bit in every row: those that rows can be sorted by.
fn exact_columns(expected: &Table) -> Vec<usize> {
    (0..expected.types.len()).filter(|&c| expected.rows.iter().all(|row| row.within[c].is_none())).collect()
}

fn sorting(a: &[Datum], b: &[Datum], columns: &[usize]) -> Ordering {
    let bits = |datum: &Datum| if let Datum::Float(value) = datum { value.to_bits() } else { 0 };
    for &column in columns {
        let (a, b) = (&a[column], &b[column]);
        let order = a.order_nulls_first(b);
        let nan = matches!(a, Datum::Float(value) if value.is_nan());
        let order = if nan { order } else { order.then(bits(a).cmp(&bits(b))) };
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

/// The same value; for numbers with a bound, close enough.
fn agree(expected: &Datum, got: &Datum, within: Option<f64>) -> bool {
    match (expected, got, within) {
        (Datum::Float(expected), Datum::Float(got), Some(within)) => {
            if expected.is_nan() || got.is_nan() {
                return expected.is_nan() && got.is_nan();
            }
            // A total that rounds to the largest float or beyond it.
            let finite = |value: f64| value.clamp(-f64::MAX, f64::MAX);
            expected == got || (within > 0.0 && (finite(*expected) - finite(*got)).abs() <= within)
        }
        (Datum::Int(expected), Datum::Int(got), Some(within)) => expected.abs_diff(*got) as f64 <= within,
        _ => expected.same(got),
    }
}

fn show(row: &[Datum]) -> String {
    row.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
