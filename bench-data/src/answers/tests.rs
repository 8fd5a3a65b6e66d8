use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal64Array, Decimal128Array, Float64Array, Int64Array, StringArray};

use super::*;

const TEXT: &str = "flag:VARCHAR,\"total:DECIMAL(38,2)\",mean:DOUBLE,count:BIGINT\n\
    A,10.50,3.5,3\nA,-0.25,0.1,1\nN,7.00,1e3,2\n,,,0\n";

fn answer(sorted_by: &[usize]) -> Answer {
    Answer::parse(TEXT, sorted_by).unwrap()
}

/// The columns of the right result, in the answer's order.
fn columns() -> Vec<ArrayRef> {
    let total = Decimal128Array::from(vec![Some(105_000), Some(-2500), Some(70_000), None]);
    vec![
        Arc::new(StringArray::from(vec![Some("A"), Some("A"), Some("N"), None])),
        Arc::new(total.with_precision_and_scale(38, 4).unwrap()),
        Arc::new(Float64Array::from(vec![Some(3.5), Some(0.1 + 1e-12), Some(1000.0), None])),
        Arc::new(Int64Array::from(vec![3, 1, 2, 0])),
    ]
}

fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_from_iter(["flag", "total", "mean", "count"].into_iter().zip(columns)).unwrap()
}

fn reordered(rows: &[u32]) -> RecordBatch {
    let rows = arrow::array::UInt32Array::from(rows.to_vec());
    batch(columns().iter().map(|column| arrow::compute::take(column, &rows, None).unwrap()).collect())
}

fn with(position: usize, column: impl Array + 'static) -> RecordBatch {
    let mut columns = columns();
    columns[position] = Arc::new(column);
    batch(columns)
}

#[test]
fn the_right_result_passes_in_one_batch_or_several() {
    let whole = batch(columns());
    check(std::slice::from_ref(&whole), &answer(&[0])).unwrap();
    check(&[whole.slice(0, 1), whole.slice(1, 0), whole.slice(1, 3)], &answer(&[0])).unwrap();
}

#[test]
fn rows_may_move_among_their_peers_only() {
    // Rows 0 and 1 share their sort key.
    check(&[reordered(&[1, 0, 2, 3])], &answer(&[0])).unwrap();
    assert!(check(&[reordered(&[1, 0, 2, 3])], &answer(&[0, 3])).is_err());
    assert!(check(&[reordered(&[2, 0, 1, 3])], &answer(&[0])).is_err());
    check(&[reordered(&[3, 1, 2, 0])], &answer(&[])).unwrap();
}

#[test]
fn planted_errors_are_refused() {
    let cent = Decimal128Array::from(vec![Some(105_001), Some(-2500), Some(70_000), None]);
    let planted = [
        ("a ten-thousandth", with(1, cent.with_precision_and_scale(38, 4).unwrap())),
        ("a float", with(2, Float64Array::from(vec![Some(3.5), Some(0.1 + 1e-9), Some(1000.0), None]))),
        ("a count", with(3, Int64Array::from(vec![3, 1, 3, 0]))),
        ("a string", with(0, StringArray::from(vec![Some("A"), Some("B"), Some("N"), None]))),
        ("a null for a value", with(3, Int64Array::from(vec![Some(3), None, Some(2), Some(0)]))),
        ("a value for a null", with(2, Float64Array::from(vec![3.5, 0.1, 1000.0, 0.0]))),
        ("floats for decimals", with(1, Float64Array::from(vec![Some(10.5), Some(-0.25), Some(7.0), None]))),
        ("integers for floats", with(2, Int64Array::from(vec![Some(3), Some(0), Some(1000), None]))),
        ("a row twice", reordered(&[0, 0, 2, 3])),
        ("a row less", reordered(&[0, 1, 2])),
        ("a row more", reordered(&[0, 1, 2, 3, 3])),
    ];
    for (what, result) in planted {
        assert!(check(&[result], &answer(&[])).is_err(), "{what} went unnoticed");
    }
    let narrow = batch(columns()).project(&[0, 1, 2]).unwrap();
    assert!(check(&[narrow], &answer(&[])).is_err());
    assert!(check(&[], &answer(&[])).is_err());
}

#[test]
fn a_mismatch_names_row_and_column() {
    let wrong = with(3, Int64Array::from(vec![3, 1, 5, 0]));
    let message = check(&[wrong], &answer(&[0])).unwrap_err().to_string();
    assert_eq!(message, "row 2: column count is 5, expected 2");
}

#[test]
fn decimals_stand_for_floats_up_to_their_last_place() {
    let mean = |values: [i64; 3]| {
        let values = Decimal64Array::from(vec![Some(values[0]), Some(values[1]), Some(values[2]), None]);
        with(2, values.with_precision_and_scale(18, 3).unwrap())
    };
    check(&[mean([3500, 100, 1_000_000])], &answer(&[])).unwrap();
    // Cut instead of rounded: one unit.
    check(&[mean([3499, 100, 1_000_000])], &answer(&[])).unwrap();
    assert!(check(&[mean([3498, 100, 1_000_000])], &answer(&[])).is_err());
}

#[test]
fn stored_answers_can_be_read_and_have_columns_to_sort_by() {
    for stored in STORED {
        let query = tpch::query(stored.query).unwrap();
        let answer = Answer::parse(stored.text, query.sorted_by).unwrap();
        assert!(answer.rows() > 0 || stored.scale < 1.0, "Q{} at {}", stored.query, stored.scale);
        assert_eq!(expected(stored.suite, stored.scale, stored.query), Some(answer));
    }
    for (scale, query) in [(0.1, 1), (0.1, 6), (1.0, 1), (1.0, 6)] {
        assert!(expected("tpch", scale, query).is_some(), "Q{query} at {scale}");
    }
}

#[test]
fn malformed_answers_are_refused() {
    for text in ["", "a,b\n1,2\n", "a:BIGINT\nx\n", "a:BIGINT\n1,2\n", "a:DOUBLE\nx\n"] {
        assert!(Answer::parse(text, &[]).is_err(), "{text:?}");
    }
    assert!(Answer::parse("a:BIGINT\n1\n", &[1]).is_err());
}
