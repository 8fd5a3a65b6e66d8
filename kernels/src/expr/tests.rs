//! Trees, constants and intervals.

use std::collections::HashSet;

use arrow::array::*;
use arrow::datatypes::{DataType, TimeUnit};

use super::like::LikePattern;
use super::range::{Range, can_fail, range_of};
use super::*;
use super::{Scalar, Value};

fn x(index: usize) -> Expr {
    Expr::column(index, DataType::Int32)
}

fn arithmetic(op: ArithmeticOp, left: Expr, right: Expr, data_type: DataType) -> Expr {
    Expr::arithmetic(op, left, right, data_type, OverflowMode::Checked, Rounding::default()).unwrap()
}

#[test]
fn trees_as_text() {
    let sum = arithmetic(ArithmeticOp::Add, x(0), Expr::literal(1i32), DataType::Int32);
    let between = Expr::between(sum, Expr::literal(2i32), x(1), true).unwrap();
    assert_eq!(between.to_string(), "(NOT (((#0 + 1) >= 2) AND ((#0 + 1) <= #1)))");
    let name = Expr::column(2, DataType::Utf8View);
    let like = Expr::like(name.clone(), LikePattern::new("a'%", Some('!'), true).unwrap(), true).unwrap();
    assert_eq!(like.to_string(), "(#2 NOT ILIKE 'a''%' ESCAPE '!')");
    let case = Expr::case(vec![(Expr::is_null(x(0)), Expr::literal("it's"))], Some(name)).unwrap();
    assert_eq!(case.to_string(), "CASE WHEN (#0 IS NULL) THEN 'it''s' ELSE #2 END");
    assert_eq!(case.data_type(), DataType::Utf8);
    let day = Expr::cast(Expr::literal(Scalar::date32(8_766)), DataType::Date64, CastMode::Try).unwrap();
    assert_eq!(day.to_string(), "TRY_CAST(1994-01-01 AS Date64)");
}

#[test]
fn equal_trees_are_equal_keys() {
    let one = || arithmetic(ArithmeticOp::Multiply, x(0), x(1), DataType::Int32);
    let other = arithmetic(ArithmeticOp::Multiply, x(1), x(0), DataType::Int32);
    let set = HashSet::from([one(), one(), other.clone()]);
    assert_eq!(set.len(), 2);
    assert_ne!(one(), other);
    assert_eq!(Expr::literal(f64::NAN), Expr::literal(f64::NAN));
    assert_ne!(Expr::literal(0.0), Expr::literal(-0.0));
}

#[test]
fn columns_are_found_moved_and_replaced() {
    let expr = arithmetic(
        ArithmeticOp::Add,
        x(3),
        arithmetic(ArithmeticOp::Add, x(1), x(3), DataType::Int32),
        DataType::Int32,
    );
    let mut seen = Vec::new();
    expr.for_each_column(&mut |index| seen.push(index));
    assert_eq!(seen, [3, 1, 3]);
    assert_eq!(expr.map_columns(&mut |index| index * 2).to_string(), "(#6 + (#2 + #6))");
    let projection = [x(9), Expr::literal(5i32), x(9), Expr::negate(x(0), OverflowMode::Checked).unwrap()];
    assert_eq!(expr.substitute(&projection).unwrap().to_string(), "((- #0) + (5 + (- #0)))");
    assert!(expr.substitute(&projection[..3]).is_err());
    assert!(x(0).substitute(&[Expr::literal(1i64)]).is_err());
}

#[test]
fn constants_come_back_from_arrays() {
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(BooleanArray::from(vec![true])),
        Arc::new(Int8Array::from(vec![-128])),
        Arc::new(UInt64Array::from(vec![u64::MAX])),
        Arc::new(Float32Array::from(vec![0.1])),
        Arc::new(Decimal32Array::from(vec![-5]).with_precision_and_scale(3, 1).unwrap()),
        Arc::new(Decimal128Array::from(vec![i128::MAX / 2]).with_precision_and_scale(38, 1).unwrap()),
        Arc::new(Date64Array::from(vec![86_400_000])),
        Arc::new(Time32SecondArray::from(vec![1])),
        Arc::new(TimestampNanosecondArray::from(vec![1]).with_timezone("UTC")),
        Arc::new(DurationMicrosecondArray::from(vec![-1])),
        Arc::new(LargeStringArray::from(vec!["é"])),
        Arc::new(StringViewArray::from(vec!["longer than twelve bytes"])),
        Arc::new(BinaryArray::from(vec![b"\xff".as_slice()])),
        Arc::new(BinaryViewArray::from(vec![b"\xff".as_slice()])),
        Arc::new(FixedSizeBinaryArray::try_new(2, b"ab".to_vec().into(), None).unwrap()),
    ];
    for array in arrays {
        let scalar = Scalar::from_array(&array, 0).unwrap();
        assert_eq!(scalar.data_type, *array.data_type());
        let three = scalar.to_array(3).unwrap();
        assert_eq!(&three.slice(2, 1), &array);
        assert_eq!(Scalar::new(scalar.data_type.clone(), scalar.value.clone()).unwrap(), scalar);
        assert_eq!(Scalar::null(scalar.data_type).to_array(2).unwrap().null_count(), 2);
        assert!(Scalar::from_array(&array, 1).is_err());
    }
    assert!(Scalar::new(DataType::Utf8, Value::Bytes(vec![0xff])).is_err());
    assert!(Scalar::new(DataType::Float32, Value::Float(0.1)).is_err());
    assert!(Scalar::new(DataType::new_list(DataType::Int8, true), Value::Null).is_err());
}

/// Every product, quotient and remainder of small ranges lies within its interval, and the ends of `+ - *` are met.
#[test]
fn intervals_hold_what_they_bound() {
    let ends = [-7i128, -1, 0, 2, 5];
    let ranges: Vec<Range> = ends
        .iter()
        .flat_map(|&min| ends.iter().filter(move |&&max| min <= max).map(move |&max| Range { min, max }))
        .collect();
    for a in &ranges {
        for b in &ranges {
            let pairs = || (a.min..=a.max).flat_map(|l| (b.min..=b.max).map(move |r| (l, r)));
            let met = |values: Vec<i128>| Range {
                min: *values.iter().min().unwrap(),
                max: *values.iter().max().unwrap(),
            };
            assert_eq!(a.add(b), Some(met(pairs().map(|(l, r)| l + r).collect())));
            assert_eq!(a.subtract(b), Some(met(pairs().map(|(l, r)| l - r).collect())));
            assert_eq!(a.multiply(b), Some(met(pairs().map(|(l, r)| l * r).collect())));
            for (l, r) in pairs().filter(|(_, r)| *r != 0) {
                assert!(a.divide().unwrap().contains(l / r));
                assert!(a.remainder(b).unwrap().contains(l % r), "{l} % {r} in {:?}", a.remainder(b));
            }
        }
    }
    let all = Range { min: i128::MIN, max: i128::MAX };
    assert_eq!((all.add(&Range::of(1)), all.negate(), all.multiply(&all)), (None, None, None));
    assert_eq!(Range { min: -15, max: 25 }.rescale(1, 2), Some(Range { min: -150, max: 250 }));
    assert!(Range { min: -15, max: 25 }.rescale(1, 0).unwrap().contains(3));
    assert_eq!([Range::of(0).bits(), Range::of(1 << 31).bits(), Range::of(1 << 63).bits()], [32, 64, 128]);
}

#[test]
fn failure_follows_from_ranges() {
    let sum = arithmetic(ArithmeticOp::Add, x(0), x(1), DataType::Int32);
    let half = Range { min: 0, max: i128::from(i32::MAX / 2) };
    assert!(!can_fail(&sum, &mut |_| Some(half)));
    assert!(can_fail(&sum, &mut |_| Some(Range { min: 0, max: half.max + 1 })));
    assert!(can_fail(&sum, &mut |_| None));
    let by_column = arithmetic(ArithmeticOp::Divide, x(0), x(1), DataType::Int32);
    assert!(can_fail(&by_column, &mut |_| Some(half)));
    let by_two = arithmetic(ArithmeticOp::Divide, x(0), Expr::literal(2i32), DataType::Int32);
    assert!(!can_fail(&by_two, &mut |_| Some(half)));
    let seconds = DataType::Timestamp(TimeUnit::Second, None);
    let nanos = DataType::Timestamp(TimeUnit::Nanosecond, None);
    let finer = Expr::cast(Expr::column(0, seconds), nanos, CastMode::Strict).unwrap();
    assert!(!can_fail(&finer, &mut |_| Some(Range { min: 0, max: 1 << 33 })));
    assert!(can_fail(&finer, &mut |_| Some(Range { min: 0, max: 1 << 34 })));
    let positive = Expr::compare(CompareOp::Gt, x(0), Expr::literal(0i32)).unwrap();
    let case = Expr::case(vec![(positive, x(0))], Some(Expr::literal(-9i32))).unwrap();
    let range = range_of(&case, &mut |_| Some(Range { min: 1, max: 4 }));
    assert_eq!(range, Some(Range { min: -9, max: 4 }));
    let open =
        Expr::case(vec![(Expr::is_null(x(0)), Expr::Literal(Scalar::null(DataType::Int32)))], Some(x(0)))
            .unwrap();
    assert_eq!(range_of(&open, &mut |_| Some(Range::of(3))), Some(Range::of(3)));
}
