//! Large results without an order: compared in the time that sorting them takes.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Float64Type};
use arrow::row::{RowConverter, Rows, SortField};

use super::{Mismatch, near};

/// How far two floats may be apart where they are near 0: a correlation of numbers that have none.
const ABSOLUTE: f64 = 1e-12;

/// Compares two results as multisets of rows: columns other than floats exactly, integers and decimals by their number,
/// floats as in [`super::check`]. Rows are paired by their exact columns, then by their floats in order.
///
/// # Errors
/// [`Mismatch`] names the first difference.
pub fn same_rows(actual: &[RecordBatch], expected: &[RecordBatch]) -> Result<(), Mismatch> {
    let (actual, expected) = (Sorted::new(actual)?, Sorted::new(expected)?);
    let shape = |sorted: &Sorted| (sorted.floats.len(), sorted.others, sorted.order.len());
    if shape(&actual) != shape(&expected) {
        let text = |(floats, others, rows)| format!("{rows} rows of {floats} floats and {others} others");
        return Err(Mismatch(format!("{}, expected {}", text(shape(&actual)), text(shape(&expected)))));
    }
    for (&one, &other) in actual.order.iter().zip(&expected.order) {
        if actual.others > 0 && actual.keys.row(one).as_ref() != expected.keys.row(other).as_ref() {
            return Err(Mismatch(format!("row {other} is missing, or row {one} is too much")));
        }
        for (column, (ours, theirs)) in actual.floats.iter().zip(&expected.floats).enumerate() {
            let (ours, theirs) = (value(ours, one), value(theirs, other));
            let same = match (ours, theirs) {
                (None, None) => true,
                (Some(ours), Some(theirs)) => near(ours, theirs, ABSOLUTE),
                _ => false,
            };
            if !same {
                return Err(Mismatch(format!("float column {column} is {ours:?}, expected {theirs:?}")));
            }
        }
    }
    Ok(())
}

/// Rows in the order of their exact columns, then of their floats.
struct Sorted {
    keys: Rows,
    others: usize,
    floats: Vec<ArrayRef>,
    order: Vec<usize>,
}

impl Sorted {
    fn new(batches: &[RecordBatch]) -> Result<Self, Mismatch> {
        let failed = |error: arrow::error::ArrowError| Mismatch(error.to_string());
        let none = RecordBatch::new_empty(std::sync::Arc::new(arrow::datatypes::Schema::empty()));
        let whole = match batches.first() {
            Some(first) => concat_batches(&first.schema(), batches).map_err(failed)?,
            None => none,
        };
        let (mut exact, mut floats) = (Vec::new(), Vec::new());
        for column in whole.columns() {
            let to = plain(column.data_type());
            let column = cast(column, &to).map_err(failed)?;
            if to == DataType::Float64 { floats.push(column) } else { exact.push(column) }
        }
        let fields = exact.iter().map(|column| SortField::new(column.data_type().clone()));
        let converter = RowConverter::new(fields.collect()).map_err(failed)?;
        let keys = match exact.is_empty() {
            true => converter.empty_rows(0, 0),
            false => converter.convert_columns(&exact).map_err(failed)?,
        };
        let mut order: Vec<usize> = (0..whole.num_rows()).collect();
        let others = exact.len();
        let by_floats = |one: usize, other: usize| {
            let pairs = floats.iter().map(|column| (value(column, one), value(column, other)));
            pairs.map(|(one, other)| compare(one, other)).find(|order| order.is_ne())
        };
        order.sort_unstable_by(|&one, &other| {
            let keys =
                if others == 0 { std::cmp::Ordering::Equal } else { keys.row(one).cmp(&keys.row(other)) };
            keys.then_with(|| by_floats(one, other).unwrap_or(std::cmp::Ordering::Equal))
        });
        Ok(Sorted { keys, others, floats, order })
    }
}

fn compare(one: Option<f64>, other: Option<f64>) -> std::cmp::Ordering {
    match (one, other) {
        (Some(one), Some(other)) => one.total_cmp(&other),
        (one, other) => one.is_some().cmp(&other.is_some()),
    }
}

fn value(column: &ArrayRef, row: usize) -> Option<f64> {
    let column = column.as_primitive::<Float64Type>();
    column.is_valid(row).then(|| column.value(row))
}

/// Engines differ in the physical type of a number or text.
fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) => plain(values),
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        integer if integer.is_integer() => DataType::Decimal128(38, 0),
        DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal128(_, scale) => {
            DataType::Decimal128(38, *scale)
        }
        float if float.is_floating() => DataType::Float64,
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int32Array, Int64Array, StringArray};

    use super::*;

    fn batch(keys: &[Option<&str>], sums: &[Option<f64>]) -> RecordBatch {
        let counts = Int64Array::from_iter_values(0..keys.len() as i64);
        let columns: [(&str, ArrayRef); 3] = [
            ("k", Arc::new(StringArray::from(keys.to_vec()))),
            ("s", Arc::new(Float64Array::from(sums.to_vec()))),
            ("n", Arc::new(counts)),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    #[test]
    fn order_and_last_places_do_not_matter_and_values_do() {
        let expected = batch(&[Some("a"), None, Some("b")], &[Some(1.0), None, Some(0.1 + 0.2)]);
        let same = batch(&[Some("a"), None, Some("b")], &[Some(1.0), None, Some(0.3)]);
        let split = [same.slice(2, 1), same.slice(0, 2)];
        assert_eq!(same_rows(&split, std::slice::from_ref(&expected)), Ok(()));
        for wrong in [
            batch(&[Some("a"), None, Some("b")], &[Some(1.0), None, Some(0.300_001)]),
            batch(&[Some("a"), None, Some("b")], &[Some(1.0), Some(0.0), Some(0.3)]),
            batch(&[Some("a"), None, Some("c")], &[Some(1.0), None, Some(0.3)]),
            batch(&[Some("a"), None], &[Some(1.0), None]),
            batch(&[None, Some("a"), Some("b")], &[None, Some(1.0), Some(0.3)]),
        ] {
            assert!(same_rows(&[wrong], std::slice::from_ref(&expected)).is_err());
        }
    }

    #[test]
    fn integers_of_any_width_and_results_of_floats_alone_are_compared() {
        let ints = |column: ArrayRef| RecordBatch::try_from_iter([("n", column)]).unwrap();
        let narrow = ints(Arc::new(Int32Array::from(vec![2, 1])));
        assert_eq!(same_rows(&[narrow], &[ints(Arc::new(Int64Array::from(vec![1, 2])))]), Ok(()));
        let floats = |values: Vec<f64>| ints(Arc::new(Float64Array::from(values)));
        assert_eq!(same_rows(&[floats(vec![2.0, 1.0])], &[floats(vec![1.0, 2.0])]), Ok(()));
        assert!(same_rows(&[floats(vec![2.0, 1.5])], &[floats(vec![1.0, 2.0])]).is_err());
        assert_eq!(same_rows(&[], &[]), Ok(()));
    }
}
