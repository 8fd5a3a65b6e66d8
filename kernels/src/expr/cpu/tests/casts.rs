use super::*;

fn cast_to(from: &DataType, to: &DataType, mode: CastMode) -> Expr {
    Expr::cast(column(0, from), to.clone(), mode).unwrap()
}

fn strict(input: ArrayRef, to: &DataType) -> Result<ArrayRef> {
    run(&cast_to(input.data_type(), to, CastMode::Strict), std::slice::from_ref(&input))
}

/// Casts `good` to `expected`; with one bad value appended, a strict cast fails and TRY_CAST gives null.
fn check(good: ArrayRef, bad: ArrayRef, expected: ArrayRef) {
    let to = expected.data_type().clone();
    assert_arrays!(strict(good.clone(), &to).unwrap(), expected);
    let both = arrow::compute::concat(&[&good, &bad]).unwrap();
    assert!(matches!(strict(both.clone(), &to), Err(Error::CastFailed { .. })), "{both:?} to {to}");
    let tried = run(&cast_to(good.data_type(), &to, CastMode::Try), &[both]).unwrap();
    assert_eq!(&tried.slice(0, good.len()), &expected);
    assert!((good.len()..tried.len()).all(|row| tried.is_null(row)), "{tried:?}");
}

#[test]
fn numbers() {
    let ints = |values: Vec<Option<i64>>| array(Int64Array::from(values));
    check(
        ints(vec![Some(127), None, Some(-128)]),
        ints(vec![Some(128)]),
        array(Int8Array::from(vec![Some(127), None, Some(-128)])),
    );
    check(ints(vec![Some(0), Some(5)]), ints(vec![Some(-1)]), array(UInt64Array::from(vec![0, 5])));
    check(ints(vec![Some(12), None]), ints(vec![Some(1_000)]), decimals(&[Some(120), None], 4, 1));
    check(
        decimals(&[Some(125), Some(-125), Some(-124)], 5, 1),
        decimals(&[Some(1_275)], 5, 1),
        array(Int8Array::from(vec![13, -13, -12])),
    );
    check(
        decimals(&[Some(1_255), Some(-1_255)], 10, 3),
        decimals(&[Some(99_995)], 10, 3),
        decimals(&[Some(126), Some(-126)], 4, 2),
    );
    let scaled = strict(decimals(&[Some(12)], 4, 1), &DataType::Decimal128(38, 20)).unwrap();
    assert_arrays!(scaled, decimals(&[Some(12 * 10i128.pow(19))], 38, 20));
    let wide = strict(ints(vec![Some(i64::MAX)]), &DataType::Decimal128(38, 18)).unwrap();
    assert_arrays!(wide, decimals(&[Some(i128::from(i64::MAX) * 10i128.pow(18))], 38, 18));
}

#[test]
fn floats() {
    let floats = |values: &[f64]| array(Float64Array::from(values.to_vec()));
    let bad = floats(&[f64::NAN, f64::INFINITY, 2_147_483_648.0]);
    check(floats(&[0.5, 1.5, -2.5, 2_147_483_647.0]), bad, array(Int32Array::from(vec![0, 2, -2, i32::MAX])));
    let bad = floats(&[f64::NAN, f64::NEG_INFINITY, 1e40, 999.995]);
    // 0.125 is exact and a tie; 1.005 lies just below one.
    check(
        floats(&[0.125, -0.125, 1.005, 0.0, 1e-300, 99.99]),
        bad,
        decimals(&[Some(13), Some(-13), Some(100), Some(0), Some(0), Some(9_999)], 5, 2),
    );
    check(floats(&[1.5, -0.0]), floats(&[1e300]), array(Float32Array::from(vec![1.5, -0.0])));
    let special = strict(floats(&[f64::INFINITY, f64::NAN]), &DataType::Float32).unwrap();
    let special = special.as_primitive::<arrow::datatypes::Float32Type>();
    assert!(special.value(0).is_infinite() && special.value(1).is_nan());
    let exact =
        strict(decimals(&[Some(1), Some(-25), Some(123_456_789_012_345_678_901)], 30, 1), &DataType::Float64)
            .unwrap();
    assert_arrays!(exact, floats(&[0.1, -2.5, 12_345_678_901_234_567_890.1]));
    // The float nearest 10^40 is 10000000000000000303786028427003666890752.
    let coarse = strict(floats(&[1e40]), &DataType::Decimal128(38, -10)).unwrap();
    assert_arrays!(coarse, decimals(&[Some(1_000_000_000_000_000_030_378_602_842_700)], 38, -10));
    let single = strict(array(Int64Array::from(vec![16_777_217])), &DataType::Float32).unwrap();
    assert_eq!(single.as_ref(), &Float32Array::from(vec![16_777_216.0]));
}

#[test]
fn booleans() {
    let bits = array(BooleanArray::from(vec![Some(true), Some(false), None]));
    assert_eq!(
        strict(bits.clone(), &DataType::Int16).unwrap().as_ref(),
        &Int16Array::from(vec![Some(1), Some(0), None])
    );
    assert_eq!(
        strict(bits.clone(), &DataType::Float32).unwrap().as_ref(),
        &Float32Array::from(vec![Some(1.0), Some(0.0), None])
    );
    let numbers = array(Int32Array::from(vec![Some(-3), Some(0), None]));
    assert_arrays!(strict(numbers, &DataType::Boolean).unwrap(), bits);
}

#[test]
fn times() {
    let day = DataType::Date32;
    let millis = DataType::Timestamp(TimeUnit::Millisecond, None);
    let dates = array(Date32Array::from(vec![Some(1), None, Some(-1)]));
    let instants = strict(dates.clone(), &millis).unwrap();
    assert_eq!(
        instants.as_ref(),
        &TimestampMillisecondArray::from(vec![Some(86_400_000), None, Some(-86_400_000)])
    );
    assert_arrays!(strict(instants, &day).unwrap(), dates);
    let before_epoch = array(TimestampMillisecondArray::from(vec![-1]));
    assert_eq!(strict(before_epoch.clone(), &day).unwrap().as_ref(), &Date32Array::from(vec![-1]));
    let seconds = strict(before_epoch, &DataType::Timestamp(TimeUnit::Second, None)).unwrap();
    assert_eq!(seconds.as_ref(), &TimestampSecondArray::from(vec![-1]));
    let far = array(TimestampSecondArray::from(vec![i64::MAX]));
    let nanos = DataType::Timestamp(TimeUnit::Nanosecond, None);
    assert!(matches!(strict(far, &nanos), Err(Error::CastFailed { .. })));
    let zoned = DataType::Timestamp(TimeUnit::Second, Some("+01:00".into()));
    assert!(matches!(Expr::cast(column(0, &zoned), day, CastMode::Strict), Err(Error::Unsupported { .. })));
}

#[test]
fn text() {
    let good = array(StringArray::from(vec![Some("12"), None, Some("-7")]));
    check(good, array(StringArray::from(vec!["x"])), array(Int32Array::from(vec![Some(12), None, Some(-7)])));
    let dates = array(StringArray::from(vec!["1998-12-01"]));
    assert_eq!(strict(dates, &DataType::Date32).unwrap().as_ref(), &Date32Array::from(vec![10_561]));
    let shown = strict(decimals(&[Some(-105), None], 10, 2), &DataType::Utf8).unwrap();
    assert_eq!(shown.as_ref(), &StringArray::from(vec![Some("-1.05"), None]));
    // A dictionary value that no valid row points to does not fail.
    let keys = Int32Array::from(vec![Some(0), None, Some(0)]);
    let numbers = array(DictionaryArray::new(keys, array(StringArray::from(vec!["5", "x"]))));
    assert_eq!(
        strict(numbers, &DataType::Int64).unwrap().as_ref(),
        &Int64Array::from(vec![Some(5), None, Some(5)])
    );
    let layout = strict(array(StringViewArray::from(vec!["a"])), &DataType::LargeUtf8).unwrap();
    assert_eq!(layout.as_ref(), &LargeStringArray::from(vec!["a"]));
}

#[test]
fn garbage_under_nulls_does_not_fail() {
    let columns = [with_garbage(vec![Some(1), None], i64::MAX)];
    let small = run(&cast_to(&DataType::Int64, &DataType::Int8, CastMode::Strict), &columns).unwrap();
    assert_eq!(small.as_ref(), &Int8Array::from(vec![Some(1), None]));
}

#[test]
fn casts_without_meaning_are_refused() {
    assert!(matches!(
        Expr::cast(column(0, &DataType::Boolean), DataType::Date32, CastMode::Strict),
        Err(Error::Unsupported { .. })
    ));
    assert!(matches!(
        Expr::cast(column(0, &DataType::Float64), DataType::Date32, CastMode::Strict),
        Err(Error::Unsupported { .. })
    ));
}
