use super::*;
use ArithmeticOp::{Add, Divide, Multiply, Remainder, Subtract};

fn wrap(op: ArithmeticOp, left: Expr, right: Expr, data_type: &DataType) -> Expr {
    Expr::arithmetic(op, left, right, data_type.clone(), OverflowMode::Wrap, Rounding::Truncate).unwrap()
}

#[test]
fn tpch_price_expressions_stay_in_64_bits() {
    let money = DataType::Decimal128(15, 2);
    let columns = [
        decimals(&[Some(10_494_950), Some(90_100), None], 15, 2),
        decimals(&[Some(4), Some(10), Some(0)], 15, 2),
        decimals(&[Some(2), Some(8), Some(0)], 15, 2),
    ];
    let one = || Expr::literal(Scalar::decimal128(100, 15, 2).unwrap());
    let rest = arithmetic(Subtract, one(), column(1, &money), &DataType::Decimal128(16, 2));
    let price = arithmetic(Multiply, column(0, &money), rest, &DataType::Decimal128(32, 4));
    let taxed = arithmetic(Add, one(), column(2, &money), &DataType::Decimal128(16, 2));
    let charge = arithmetic(Multiply, price.clone(), taxed, &DataType::Decimal128(38, 6));
    let results = Evaluator::new([&price, &charge]).unwrap().evaluate(&columns, 3, None).unwrap();
    for result in &results {
        assert!(matches!(result.values(), Values::I64(_)), "{result:?}");
    }
    // 1 - discount lies between 0.90 and 1.00: proven, not measured.
    assert_eq!(results[0].range(), Some(Range { min: 90_100 * 90, max: 10_494_950 * 100 }));
    let expected = decimals(&[Some(10_494_950 * 96), Some(90_100 * 90), None], 32, 4);
    assert_eq!(&results[0].clone().into_array(&price.data_type()).unwrap(), &expected);
    let expected = decimals(&[Some(10_494_950 * 96 * 102), Some(90_100 * 90 * 108), None], 38, 6);
    assert_eq!(&results[1].clone().into_array(&charge.data_type()).unwrap(), &expected);
}

#[test]
fn every_physical_decimal_gives_the_same() {
    let logical = DataType::Decimal128(9, 2);
    let square = arithmetic(Multiply, column(0, &logical), column(0, &logical), &DataType::Decimal128(19, 4));
    let expected = decimals(&[Some(15_129), Some(49)], 19, 4);
    let arrays = [
        array(Decimal32Array::from(vec![123, -7]).with_precision_and_scale(9, 2).unwrap()),
        array(Decimal64Array::from(vec![123, -7]).with_precision_and_scale(9, 2).unwrap()),
        decimals(&[Some(123), Some(-7)], 9, 2),
    ];
    for physical in arrays {
        assert_arrays!(run(&square, &[physical]).unwrap(), expected);
    }
}

#[test]
fn integer_overflow_is_an_error_at_each_width() {
    macro_rules! check {
        ($array:ty, $variant:ident, $max:expr, $min:expr) => {{
            let t = DataType::$variant;
            let max = array(<$array>::from(vec![Some($max), None]));
            let min = array(<$array>::from(vec![Some($min), None]));
            let x = || column(0, &t);
            let one = || Expr::Literal(Scalar::new(t.clone(), Value::Integer(1)).unwrap());
            let sum = arithmetic(Add, x(), one(), &t);
            assert!(
                matches!(run(&sum, std::slice::from_ref(&max)), Err(Error::ArithmeticOverflow { .. })),
                "{sum} {t}"
            );
            assert_eq!(
                run(&sum, std::slice::from_ref(&min)).unwrap().as_ref(),
                &<$array>::from(vec![Some($min + 1), None])
            );
            let difference = arithmetic(Subtract, x(), one(), &t);
            assert!(matches!(
                run(&difference, std::slice::from_ref(&min)),
                Err(Error::ArithmeticOverflow { .. })
            ));
            let product = arithmetic(Multiply, x(), x(), &t);
            assert!(matches!(
                run(&product, std::slice::from_ref(&max)),
                Err(Error::ArithmeticOverflow { .. })
            ));
            let wrapped = run(&wrap(Add, x(), one(), &t), std::slice::from_ref(&max)).unwrap();
            assert_eq!(wrapped.as_ref(), &<$array>::from(vec![Some($min), None]));
            let wrapped = run(&wrap(Multiply, x(), x(), &t), &[max]).unwrap();
            assert_eq!(wrapped.as_ref(), &<$array>::from(vec![Some($max.wrapping_mul($max)), None]));
        }};
    }
    check!(Int8Array, Int8, i8::MAX, i8::MIN);
    check!(Int16Array, Int16, i16::MAX, i16::MIN);
    check!(Int32Array, Int32, i32::MAX, i32::MIN);
    check!(Int64Array, Int64, i64::MAX, i64::MIN);
    check!(UInt8Array, UInt8, u8::MAX, 0u8);
    check!(UInt32Array, UInt32, u32::MAX, 0u32);
    check!(UInt64Array, UInt64, u64::MAX, 0u64);
}

#[test]
fn a_sum_that_fits_by_value_though_not_by_range() {
    let columns = [
        array(Int64Array::from(vec![i64::MAX, i64::MIN, 0])),
        array(Int64Array::from(vec![i64::MIN, i64::MAX, 5])),
    ];
    let sum = arithmetic(Add, column(0, &DataType::Int64), column(1, &DataType::Int64), &DataType::Int64);
    assert_eq!(run(&sum, &columns).unwrap().as_ref(), &Int64Array::from(vec![-1, -1, 5]));
}

#[test]
fn garbage_under_nulls_raises_nothing() {
    let t = DataType::Int64;
    let columns =
        [with_garbage(vec![Some(6), None, Some(-6)], i64::MIN), with_garbage(vec![Some(4), None, None], 0)];
    let (a, b) = (column(0, &t), column(1, &t));
    for (op, expected) in [(Add, 10), (Multiply, 24), (Divide, 1), (Remainder, 2), (Subtract, 2)] {
        let result = run(&arithmetic(op, a.clone(), b.clone(), &t), &columns).unwrap();
        assert_eq!(result.as_ref(), &Int64Array::from(vec![Some(expected), None, None]));
    }
    let negated = run(&Expr::negate(a, OverflowMode::Checked).unwrap(), &columns).unwrap();
    assert_eq!(negated.as_ref(), &Int64Array::from(vec![Some(-6), None, Some(6)]));
}

#[test]
fn integer_division() {
    let t = DataType::Int32;
    let columns = [array(Int32Array::from(vec![7, -7, 7, -7])), array(Int32Array::from(vec![2, 2, -2, -2]))];
    let (a, b) = (column(0, &t), column(1, &t));
    let quotient = arithmetic(Divide, a.clone(), b.clone(), &t);
    assert_eq!(run(&quotient, &columns).unwrap().as_ref(), &Int32Array::from(vec![3, -3, -3, 3]));
    let remainder = arithmetic(Remainder, a, b, &t);
    assert_eq!(run(&remainder, &columns).unwrap().as_ref(), &Int32Array::from(vec![1, -1, 1, -1]));

    let by = |divisor: i32| {
        let columns = [array(Int32Array::from(vec![i32::MIN]))];
        let x = column(0, &t);
        (
            run(&arithmetic(Divide, x.clone(), Expr::literal(divisor), &t), &columns),
            run(&arithmetic(Remainder, x.clone(), Expr::literal(divisor), &t), &columns),
            run(&wrap(Divide, x, Expr::literal(divisor), &t), &columns),
        )
    };
    let (quotient, remainder, _) = by(0);
    assert!(matches!(quotient, Err(Error::DivideByZero { .. })));
    assert!(matches!(remainder, Err(Error::DivideByZero { .. })));
    let (quotient, remainder, wrapped) = by(-1);
    assert!(matches!(quotient, Err(Error::ArithmeticOverflow { .. })));
    assert_eq!(remainder.unwrap().as_ref(), &Int32Array::from(vec![0]));
    assert_eq!(wrapped.unwrap().as_ref(), &Int32Array::from(vec![i32::MIN]));
}

#[test]
fn negation() {
    let t = DataType::Int8;
    let negated = Expr::negate(column(0, &t), OverflowMode::Checked).unwrap();
    assert!(matches!(
        run(&negated, &[array(Int8Array::from(vec![-128]))]),
        Err(Error::ArithmeticOverflow { .. })
    ));
    let wrapped = Expr::negate(column(0, &t), OverflowMode::Wrap).unwrap();
    let result = run(&wrapped, &[array(Int8Array::from(vec![-128, 5]))]).unwrap();
    assert_eq!(result.as_ref(), &Int8Array::from(vec![-128, -5]));
    assert!(Expr::negate(column(0, &DataType::UInt8), OverflowMode::Checked).is_err());
    let floats = Expr::negate(column(0, &DataType::Float64), OverflowMode::Checked).unwrap();
    let result = run(&floats, &[array(Float64Array::from(vec![0.0]))]).unwrap();
    assert!(result.as_primitive::<arrow::datatypes::Float64Type>().value(0).is_sign_negative());
}

#[test]
fn decimal_scales_and_rounding() {
    let (a, b) = (DataType::Decimal128(10, 2), DataType::Decimal128(10, 1));
    // 1.25, -1.25, 0.05 and 0.5, 0.5, -0.3
    let columns =
        [decimals(&[Some(125), Some(-125), Some(5)], 10, 2), decimals(&[Some(5), Some(5), Some(-3)], 10, 1)];
    let (x, y) = (column(0, &a), column(1, &b));
    let run_to = |op, scale, rounding| {
        let t = DataType::Decimal128(20, scale);
        let expr = Expr::arithmetic(op, x.clone(), y.clone(), t, OverflowMode::Checked, rounding).unwrap();
        run(&expr, &columns).unwrap()
    };
    let half = Rounding::HalfAwayFromZero;
    let expect = |values: [i128; 3], scale| decimals(&values.map(Some), 20, scale);
    assert_arrays!(run_to(Add, 2, half), expect([175, -75, -25], 2));
    assert_arrays!(run_to(Add, 4, half), expect([17_500, -7_500, -2_500], 4));
    // 1.75, -0.75, -0.25 to one digit.
    assert_arrays!(run_to(Add, 1, half), expect([18, -8, -3], 1));
    assert_arrays!(run_to(Add, 1, Rounding::Truncate), expect([17, -7, -2], 1));
    assert_arrays!(run_to(Subtract, 2, half), expect([75, -175, 35], 2));
    // 0.625, -0.625, -0.015
    assert_arrays!(run_to(Multiply, 3, half), expect([625, -625, -15], 3));
    assert_arrays!(run_to(Multiply, 2, half), expect([63, -63, -2], 2));
    assert_arrays!(run_to(Multiply, 2, Rounding::Truncate), expect([62, -62, -1], 2));
    // 2.5, -2.5, -0.1666...
    assert_arrays!(run_to(Divide, 0, half), expect([3, -3, 0], 0));
    assert_arrays!(run_to(Divide, 4, half), expect([25_000, -25_000, -1_667], 4));
    assert_arrays!(run_to(Divide, 4, Rounding::Truncate), expect([25_000, -25_000, -1_666], 4));
    // 1.25 % 0.5 = 0.25, -0.25, 0.05 % -0.3 = 0.05
    assert_arrays!(run_to(Remainder, 2, half), expect([25, -25, 5], 2));
}

#[test]
fn decimals_beyond_128_bits_and_beyond_their_precision() {
    let t = DataType::Decimal128(38, 10);
    let big = 10i128.pow(37);
    let columns = [decimals(&[Some(big), Some(-big), None], 38, 10)];
    let x = || column(0, &t);
    // (10^27)^2 overflows; 10^27 / 10^27 needs 10^47 on the way.
    let square = arithmetic(Multiply, x(), x(), &t);
    assert!(matches!(run(&square, &columns), Err(Error::ArithmeticOverflow { .. })));
    let one = arithmetic(Divide, x(), x(), &t);
    assert_arrays!(
        run(&one, &columns).unwrap(),
        decimals(&[Some(10i128.pow(10)), Some(10i128.pow(10)), None], 38, 10)
    );
    // 10^27 * 10^-10: the exact product has 20 digits after the point and 10^47 unscaled.
    let tiny = Expr::literal(Scalar::decimal128(1, 38, 10).unwrap());
    let product = arithmetic(Multiply, x(), tiny, &t);
    assert_arrays!(
        run(&product, &columns).unwrap(),
        decimals(&[Some(10i128.pow(27)), Some(-(10i128.pow(27))), None], 38, 10)
    );
    // Precision, not storage, is the limit.
    let small = DataType::Decimal128(3, 0);
    let sum = arithmetic(Add, column(0, &small), column(0, &small), &small);
    assert!(matches!(run(&sum, &[decimals(&[Some(500)], 3, 0)]), Err(Error::ArithmeticOverflow { .. })));
    assert_arrays!(run(&sum, &[decimals(&[Some(499)], 3, 0)]).unwrap(), decimals(&[Some(998)], 3, 0));
    assert!(matches!(
        run(&arithmetic(Divide, column(0, &small), column(0, &small), &small), &[decimals(&[Some(0)], 3, 0)]),
        Err(Error::DivideByZero { .. })
    ));
}

#[test]
fn floats_are_ieee() {
    let columns = [array(Float64Array::from(vec![Some(1.0), Some(0.0), None, Some(5.5)]))];
    let t = DataType::Float64;
    let x = || column(0, &t);
    let by_zero = run(&arithmetic(Divide, x(), Expr::literal(0.0), &t), &columns).unwrap();
    let by_zero = by_zero.as_primitive::<arrow::datatypes::Float64Type>();
    assert_eq!(by_zero.value(0), f64::INFINITY);
    assert!(by_zero.value(1).is_nan() && by_zero.is_null(2));
    let rest = run(&arithmetic(Remainder, x(), Expr::literal(2.0), &t), &columns).unwrap();
    assert_eq!(rest.as_ref(), &Float64Array::from(vec![Some(1.0), Some(0.0), None, Some(1.5)]));
    let from = run(&arithmetic(Subtract, Expr::literal(1.0), x(), &t), &columns).unwrap();
    assert_eq!(from.as_ref(), &Float64Array::from(vec![Some(0.0), Some(1.0), None, Some(-4.5)]));
    let single = [array(Float32Array::from(vec![0.1f32]))];
    let y = column(0, &DataType::Float32);
    let sum = run(&arithmetic(Add, y.clone(), y, &DataType::Float32), &single).unwrap();
    assert_eq!(sum.as_ref(), &Float32Array::from(vec![0.2f32]));
}

#[test]
fn dates_and_times() {
    let columns =
        [array(Date32Array::from(vec![Some(10_000), None])), array(Date32Array::from(vec![9_990, 1]))];
    let (a, b) = (column(0, &DataType::Date32), column(1, &DataType::Date32));
    let later = arithmetic(Subtract, a.clone(), Expr::literal(90i32), &DataType::Date32);
    assert_eq!(run(&later, &columns).unwrap().as_ref(), &Date32Array::from(vec![Some(9_910), None]));
    let days = arithmetic(Subtract, a.clone(), b, &DataType::Int32);
    assert_eq!(run(&days, &columns).unwrap().as_ref(), &Int32Array::from(vec![Some(10), None]));
    let overflow = arithmetic(Add, a, Expr::literal(i32::MAX), &DataType::Date32);
    assert!(matches!(run(&overflow, &columns), Err(Error::ArithmeticOverflow { .. })));
    let zone = DataType::Timestamp(TimeUnit::Second, Some("UTC".into()));
    let instants = [array(TimestampSecondArray::from(vec![100, 50]).with_timezone("UTC"))];
    let t = column(0, &zone);
    let passed = arithmetic(Subtract, t.clone(), t, &DataType::Duration(TimeUnit::Second));
    assert_eq!(run(&passed, &instants).unwrap().as_ref(), &DurationSecondArray::from(vec![0, 0]));
    assert!(
        Expr::arithmetic(
            Multiply,
            column(0, &DataType::Date32),
            Expr::literal(2i32),
            DataType::Date32,
            OverflowMode::Checked,
            Rounding::default()
        )
        .is_err()
    );
}

#[test]
fn untyped_and_typed_nulls() {
    let columns = [array(Int32Array::from(vec![1, 2]))];
    let null = Expr::Literal(Scalar::null(DataType::Null));
    let sum = arithmetic(Add, column(0, &DataType::Int32), null, &DataType::Int32);
    assert_eq!(run(&sum, &columns).unwrap().as_ref(), &Int32Array::from(vec![None, None]));
    let nothing = [array(Int32Array::from(vec![None, None]))];
    let double =
        arithmetic(Multiply, column(0, &DataType::Int32), column(0, &DataType::Int32), &DataType::Int32);
    assert_eq!(run(&double, &nothing).unwrap().as_ref(), &Int32Array::from(vec![None, None]));
    assert_eq!(run(&double, &[array(Int32Array::from(Vec::<i32>::new()))]).unwrap().len(), 0);
}
