//! The comparison itself: each kind of difference is one.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array};
use arrow::datatypes::DataType;

use super::{Got, Order, errors, table};
use crate::Datum;
use crate::reference::{Answer, Kind, Row, Table, fails};

fn expected(values: &[(Option<i64>, f64)], within: Option<f64>) -> Table {
    let row = |&(a, b): &(Option<i64>, f64)| Row {
        values: vec![a.map_or(Datum::Null, |a| Datum::Int(a.into())), Datum::Float(b)],
        within: vec![None, within],
    };
    Table { types: vec![DataType::Int64, DataType::Float64], rows: values.iter().map(row).collect() }
}

fn got(values: &[(Option<i64>, f64)]) -> Got {
    let ints: Int64Array = values.iter().map(|value| value.0).collect();
    let floats: Float64Array = values.iter().map(|value| Some(value.1)).collect();
    let columns: [ArrayRef; 2] = [Arc::new(ints), Arc::new(floats)];
    Got::arrays(&columns, values.len())
}

#[test]
fn equal_rows_agree_in_any_order_where_it_is_open() {
    let wanted = expected(&[(Some(1), 0.5), (None, f64::NAN), (Some(1), -0.0)], None);
    let same = got(&[(Some(1), 0.5), (None, -f64::NAN), (Some(1), -0.0)]);
    let other = got(&[(None, f64::NAN), (Some(1), -0.0), (Some(1), 0.5)]);
    assert_eq!(table(&wanted, &same, Order::Kept), Ok(()));
    assert_eq!(table(&wanted, &other, Order::Open), Ok(()));
    assert!(table(&wanted, &other, Order::Kept).is_err());
}

#[test]
fn each_difference_is_found() {
    let wanted = expected(&[(Some(1), 0.0), (None, 2.0)], None);
    let wrong = [
        got(&[(Some(2), 0.0), (None, 2.0)]),
        got(&[(Some(1), -0.0), (None, 2.0)]),
        got(&[(Some(1), 0.0), (Some(0), 2.0)]),
        got(&[(Some(1), 0.0), (None, 2.0_f64.next_up())]),
        got(&[(Some(1), 0.0)]),
        got(&[(Some(1), 0.0), (None, 2.0), (None, 2.0)]),
        got(&[(Some(1), 0.0), (Some(1), 0.0)]),
    ];
    for wrong in wrong {
        assert!(table(&wanted, &wrong, Order::Open).is_err(), "{wrong:?}");
    }
    let mut narrow = got(&[(Some(1), 0.0), (None, 2.0)]);
    narrow.types.swap(0, 1);
    assert!(table(&wanted, &narrow, Order::Open).is_err(), "types are compared");
}

#[test]
fn a_bound_is_kept_and_no_more() {
    let wanted = expected(&[(Some(1), 1.0), (Some(2), f64::MAX)], Some(1e-9));
    let answer = |a, b| table(&wanted, &got(&[(Some(1), a), (Some(2), b)]), Order::Kept);
    assert_eq!(answer(1.0 + 1e-10, f64::MAX), Ok(()));
    assert!(answer(1.0 + 1e-8, f64::MAX).is_err());
    assert!(answer(f64::NAN, f64::MAX).is_err());
    assert!(answer(1.0, f64::NEG_INFINITY).is_err());
}

#[test]
fn errors_are_compared_by_kind() {
    let overflow: Answer<()> = Err(fails(Kind::Overflow));
    let error = |operator: &str| pilaster_kernels::Error::DivideByZero { operator: operator.into() };
    assert!(errors::<(), ()>(&overflow, &Err(error("/"))).is_err());
    assert!(errors::<(), ()>(&overflow, &Ok(())).is_err());
    assert!(errors::<(), ()>(&Ok(()), &Err(error("/"))).is_err());
    assert_eq!(errors::<(), ()>(&Err(fails(Kind::DivideByZero)), &Err(error("%"))), Ok(()));
}
