use super::*;

const OPS: [CompareOp; 6] =
    [CompareOp::Eq, CompareOp::NotEq, CompareOp::Lt, CompareOp::LtEq, CompareOp::Gt, CompareOp::GtEq];

fn holds(op: CompareOp, ordering: std::cmp::Ordering) -> bool {
    match op {
        CompareOp::Eq => ordering.is_eq(),
        CompareOp::NotEq => ordering.is_ne(),
        CompareOp::Lt => ordering.is_lt(),
        CompareOp::LtEq => ordering.is_le(),
        CompareOp::Gt => ordering.is_gt(),
        _ => ordering.is_ge(),
    }
}

#[test]
fn every_operator_at_every_word_boundary() {
    for rows in [0, 1, 63, 64, 65, 127, 130, 1000] {
        let values: Vec<i32> = (0..rows).map(|i| (i * 7) % 13 - 6).collect();
        let columns = [array(Int32Array::from(values.clone()))];
        for op in OPS {
            let x = || column(0, &DataType::Int32);
            let right = Expr::compare(op, x(), Expr::literal(2i32)).unwrap();
            let left = Expr::compare(op, Expr::literal(2i32), x()).unwrap();
            let expected: Vec<_> = values.iter().map(|v| Some(holds(op, v.cmp(&2)))).collect();
            assert_eq!(bools(&right, &columns), expected, "{right} over {rows} rows");
            let expected: Vec<_> = values.iter().map(|v| Some(holds(op, 2.cmp(v)))).collect();
            assert_eq!(bools(&left, &columns), expected, "{left} over {rows} rows");
        }
    }
}

#[test]
fn columns_of_different_physical_widths() {
    let narrow = array(Decimal64Array::from(vec![100, 250, -5]).with_precision_and_scale(10, 2).unwrap());
    let wide = decimals(&[Some(100), Some(i128::from(i64::MAX) * 10), None], 30, 2);
    let less = Expr::compare(
        CompareOp::Lt,
        column(0, &DataType::Decimal128(10, 2)),
        column(1, &DataType::Decimal128(30, 2)),
    )
    .unwrap();
    assert_eq!(bools(&less, &[narrow, wide]), [Some(false), Some(true), None]);
}

#[test]
fn floats_in_the_total_order() {
    let values = [f64::NEG_INFINITY, -0.0, 0.0, 1.5, f64::INFINITY, f64::NAN, -f64::NAN];
    // Rank in the order: zeros are equal, NaNs are equal and last.
    let ranks = [0, 1, 1, 2, 3, 4, 4];
    let x = array(Float64Array::from(values.to_vec()));
    for (constant, rank) in values.iter().zip(ranks) {
        let y = array(Float64Array::from(vec![*constant; values.len()]));
        for op in OPS {
            let expected: Vec<_> = ranks.iter().map(|r| Some(holds(op, r.cmp(&rank)))).collect();
            let literal = Expr::compare(op, column(0, &DataType::Float64), Expr::literal(*constant)).unwrap();
            assert_eq!(bools(&literal, std::slice::from_ref(&x)), expected, "{literal}");
            let columns =
                Expr::compare(op, column(0, &DataType::Float64), column(1, &DataType::Float64)).unwrap();
            assert_eq!(bools(&columns, &[x.clone(), y.clone()]), expected, "{columns} {constant}");
        }
    }
    let single = array(Float32Array::from(vec![f32::NAN, -0.0]));
    let top =
        Expr::compare(CompareOp::Gt, column(0, &DataType::Float32), Expr::literal(f32::INFINITY)).unwrap();
    assert_eq!(bools(&top, &[single]), [Some(true), Some(false)]);
}

#[test]
fn distinct_is_never_null() {
    let columns = [
        array(Int32Array::from(vec![Some(1), Some(1), None, None])),
        array(Int32Array::from(vec![Some(1), Some(2), Some(2), None])),
    ];
    let (a, b) = (column(0, &DataType::Int32), column(1, &DataType::Int32));
    let distinct = Expr::compare(CompareOp::IsDistinctFrom, a.clone(), b.clone()).unwrap();
    assert_eq!(bools(&distinct, &columns), [Some(false), Some(true), Some(true), Some(false)]);
    let same = Expr::compare(CompareOp::IsNotDistinctFrom, a.clone(), b).unwrap();
    assert_eq!(bools(&same, &columns), [Some(true), Some(false), Some(false), Some(true)]);
    let null =
        Expr::compare(CompareOp::IsDistinctFrom, a, Expr::Literal(Scalar::null(DataType::Null))).unwrap();
    assert_eq!(bools(&null, &columns), [Some(true), Some(true), Some(false), Some(false)]);
}

#[test]
fn literal_beyond_the_lanes() {
    let columns = [decimals(&[Some(1), Some(-1), None], 38, 0)];
    let huge = Scalar::decimal128(i128::from(i64::MAX) * 4, 38, 0).unwrap();
    for (op, expected) in [(CompareOp::Lt, true), (CompareOp::GtEq, false), (CompareOp::Eq, false)] {
        let test =
            Expr::compare(op, column(0, &DataType::Decimal128(38, 0)), Expr::literal(huge.clone())).unwrap();
        assert_eq!(bools(&test, &columns), [Some(expected), Some(expected), None]);
    }
}

fn strings() -> Vec<Option<&'static str>> {
    vec![Some("MAIL"), None, Some("SHIP"), Some(""), Some("RAIL"), Some("MAIL")]
}

/// The same strings in every layout; codes under nulls point outside.
fn layouts() -> Vec<ArrayRef> {
    let values = StringArray::from(vec![Some("SHIP"), Some("MAIL"), Some(""), Some("RAIL"), None]);
    let nulls = NullBuffer::from(vec![true, false, true, true, true, true]);
    let keys = Int32Array::new(vec![1, 0, 0, 2, 3, 1].into(), Some(nulls));
    let null_value = Int32Array::from(vec![1, 4, 0, 2, 3, 1]);
    let bytes = Int8Array::from(vec![1, 4, 0, 2, 3, 1]);
    vec![
        array(StringArray::from(strings())),
        array(LargeStringArray::from(strings())),
        array(StringViewArray::from(strings())),
        array(StringArray::from([vec![Some("x")], strings(), vec![Some("y")]].concat()).slice(1, 6)),
        array(DictionaryArray::new(keys, array(values.clone()))),
        array(DictionaryArray::new(null_value, array(values.clone()))),
        array(DictionaryArray::new(bytes, array(values))),
    ]
}

#[test]
fn strings_in_every_layout() {
    let x = || column(0, &DataType::Utf8);
    let mail = Expr::compare(CompareOp::Eq, x(), Expr::literal("MAIL")).unwrap();
    let below = Expr::compare(CompareOp::Lt, x(), Expr::literal("RAIL")).unwrap();
    let like = Expr::like(x(), LikePattern::new("%AI_", Some('\\'), false).unwrap(), false).unwrap();
    let unlike = Expr::like(x(), LikePattern::new("%AI_", Some('\\'), false).unwrap(), true).unwrap();
    let list = Expr::in_list(x(), vec![Scalar::utf8("SHIP"), Scalar::utf8("AIR")], false).unwrap();
    for layout in layouts() {
        let columns = [layout];
        let t = Some(true);
        let f = Some(false);
        assert_eq!(bools(&mail, &columns), [t, None, f, f, f, t]);
        assert_eq!(bools(&below, &columns), [t, None, f, t, f, t]);
        assert_eq!(bools(&like, &columns), [t, None, f, f, t, t]);
        assert_eq!(bools(&unlike, &columns), [f, None, t, t, f, f]);
        assert_eq!(bools(&list, &columns), [f, None, t, f, f, f]);
    }
}

#[test]
fn string_columns_of_two_layouts() {
    let other = array(StringViewArray::from(vec!["MAIL", "x", "A", "", "RAIM", "MAI"]));
    let less =
        Expr::compare(CompareOp::LtEq, column(0, &DataType::Utf8), column(1, &DataType::Utf8View)).unwrap();
    for layout in layouts() {
        let expected = [Some(true), None, Some(false), Some(true), Some(true), Some(false)];
        assert_eq!(bools(&less, &[layout, other.clone()]), expected);
    }
}

#[test]
fn dictionary_larger_than_the_batch() {
    let values = StringArray::from_iter_values((0..100).map(|i| format!("v{i}")));
    let keys = Int32Array::from(vec![Some(99), None, Some(3)]);
    let columns = [array(DictionaryArray::new(keys, array(values)))];
    let test = Expr::compare(CompareOp::Eq, column(0, &DataType::Utf8), Expr::literal("v3")).unwrap();
    assert_eq!(bools(&test, &columns), [Some(false), None, Some(true)]);
}

#[test]
fn in_lists() {
    let columns = [array(Int32Array::from(vec![Some(1), Some(2), None]))];
    let x = || column(0, &DataType::Int32);
    let one = || Scalar::from(1i32);
    let cases = [
        (vec![one()], [Some(true), Some(false), None]),
        (vec![one(), Scalar::null(DataType::Int32)], [Some(true), None, None]),
        (vec![], [Some(false); 3]),
        ((1..=1).chain(10..40).map(Scalar::from).collect(), [Some(true), Some(false), None]),
    ];
    for (list, expected) in cases {
        let test = Expr::in_list(x(), list.clone(), false).unwrap();
        assert_eq!(bools(&test, &columns), expected, "{test}");
        let test = Expr::in_list(x(), list, true).unwrap();
        assert_eq!(bools(&test, &columns), expected.map(|value| value.map(|value| !value)), "{test}");
    }
}

#[test]
fn like_patterns() {
    let cases = [
        ("abc", "abc", true),
        ("abc", "abcd", false),
        ("", "", true),
        ("%", "", true),
        ("_", "", false),
        ("a%", "abc", true),
        ("%c", "abc", true),
        ("%b%", "abc", true),
        ("a%a", "a", false),
        ("a%a", "aa", true),
        ("%aab%", "aaaab", true),
        ("%special%requests%", "a special kind of requests", true),
        ("%special%requests%", "requests, special", false),
        ("_%_", "x", false),
        ("_%_", "öü", true),
        ("%_x", "ax", true),
        ("%__", "ö", false),
        ("100\\%", "100%", true),
        ("100\\%", "1000", false),
        ("\\\\_", "\\x", true),
        ("%a_c%", "aacabc", true),
        ("%%a%%", "bab", true),
        ("Ab%", "abc", false),
    ];
    for (pattern, text, expected) in cases {
        let pattern = LikePattern::new(pattern, Some('\\'), false).unwrap();
        assert_eq!(pattern.matches(text), expected, "{text:?} LIKE {pattern}");
    }
    assert!(LikePattern::new("aB_Ö%", None, true).unwrap().matches("AbcöX"));
    assert!(LikePattern::new("a\\", Some('\\'), false).is_err());
    assert!(LikePattern::new("a!%", Some('!'), false).unwrap().matches("a%"));
}

#[test]
fn booleans_compare() {
    let columns = [array(BooleanArray::from(vec![Some(true), Some(false), None]))];
    let x = || column(0, &DataType::Boolean);
    let test = |op, value: bool| bools(&Expr::compare(op, x(), Expr::literal(value)).unwrap(), &columns);
    assert_eq!(test(CompareOp::Lt, true), [Some(false), Some(true), None]);
    assert_eq!(test(CompareOp::GtEq, true), [Some(true), Some(false), None]);
    assert_eq!(test(CompareOp::NotEq, false), [Some(true), Some(false), None]);
}

#[test]
fn type_errors_name_the_types() {
    let error = Expr::compare(CompareOp::Eq, column(0, &DataType::Int32), Expr::literal(1i64)).unwrap_err();
    assert!(matches!(&error, Error::InvalidInput(what) if what.contains("Int32") && what.contains("Int64")));
    let list = DataType::new_list(DataType::Int32, true);
    let error = Expr::compare(CompareOp::Eq, column(0, &list), column(1, &list)).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }));
    // Physical arrays that do not stand for the declared type are refused, not misread.
    let test = Expr::compare(CompareOp::Eq, column(0, &DataType::Int32), Expr::literal(1i32)).unwrap();
    assert!(matches!(run(&test, &[array(Int64Array::from(vec![1]))]), Err(Error::InvalidInput(_))));
    assert!(matches!(run(&test, &[]), Err(Error::InvalidInput(_))));
}
