use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use ArithmeticOp::Divide;

const T: Option<bool> = Some(true);
const F: Option<bool> = Some(false);

fn truth_table() -> [ArrayRef; 2] {
    [
        array(BooleanArray::from(vec![T, T, T, F, F, F, None, None, None])),
        array(BooleanArray::from(vec![T, F, None, T, F, None, T, F, None])),
    ]
}

#[test]
fn three_valued_logic() {
    let columns = truth_table();
    let (a, b) = (column(0, &DataType::Boolean), column(1, &DataType::Boolean));
    let and = Expr::and(a.clone(), b.clone()).unwrap();
    assert_eq!(bools(&and, &columns), [T, F, None, F, F, F, None, F, None]);
    let or = Expr::or(a.clone(), b.clone()).unwrap();
    assert_eq!(bools(&or, &columns), [T, T, T, T, F, None, T, None, None]);
    assert_eq!(bools(&Expr::not(a.clone()).unwrap(), &columns), [F, F, F, T, T, T, None, None, None]);
    assert_eq!(bools(&Expr::is_null(a.clone()), &columns), [F, F, F, F, F, F, T, T, T]);
    assert_eq!(bools(&Expr::is_not_null(a), &columns), [T, T, T, T, T, T, F, F, F]);
    let kept = predicate_selection(&or, &columns, 9, None).unwrap();
    assert_eq!(kept.indices().to_vec(), [0, 1, 2, 3, 6]);
}

/// `10 / #0 > 1`.
fn division() -> Expr {
    let quotient = arithmetic(Divide, Expr::literal(10i32), column(0, &DataType::Int32), &DataType::Int32);
    Expr::compare(CompareOp::Gt, quotient, Expr::literal(1i32)).unwrap()
}

#[test]
fn errors_on_inactive_rows_do_not_exist() {
    let columns = [array(Int32Array::from(vec![Some(0), Some(2), Some(20), None]))];
    let zero = || Expr::compare(CompareOp::Eq, column(0, &DataType::Int32), Expr::literal(0i32)).unwrap();
    let nonzero =
        || Expr::compare(CompareOp::NotEq, column(0, &DataType::Int32), Expr::literal(0i32)).unwrap();
    assert!(matches!(run(&division(), &columns), Err(Error::DivideByZero { .. })));
    let guarded = Expr::and(nonzero(), division()).unwrap();
    assert_eq!(bools(&guarded, &columns), [F, T, F, None]);
    assert_eq!(predicate_selection(&guarded, &columns, 4, None).unwrap().indices().to_vec(), [1]);
    let guarded = Expr::or(zero(), division()).unwrap();
    assert_eq!(bools(&guarded, &columns), [T, T, F, None]);
    // The wrong order is an error: the left side is evaluated on all rows.
    assert!(run(&Expr::and(division(), nonzero()).unwrap(), &columns).is_err());
    assert!(predicate_selection(&Expr::and(division(), nonzero()).unwrap(), &columns, 4, None).is_err());
    // A row that a selection leaves out is not active either.
    let some = Selection::from_indices(4, vec![1, 3]);
    assert_eq!(predicate_selection(&division(), &columns, 4, Some(&some)).unwrap().indices().to_vec(), [1]);
}

#[test]
fn a_null_on_the_left_keeps_the_right_side_active() {
    let columns = [array(Int32Array::from(vec![0])), array(BooleanArray::from(vec![None::<bool>]))];
    let maybe = column(1, &DataType::Boolean);
    let and = Expr::and(maybe.clone(), division()).unwrap();
    assert!(matches!(run(&and, &columns), Err(Error::DivideByZero { .. })));
    assert!(matches!(predicate_selection(&and, &columns, 1, None), Err(Error::DivideByZero { .. })));
    assert!(run(&Expr::or(maybe, division()).unwrap(), &columns).is_err());
}

#[test]
fn conjunctions_on_shrinking_selections() {
    let rows = 10_000;
    let a: Vec<i32> = (0..rows).map(|i| i % 100).collect();
    let b: Vec<Option<i64>> = (0..rows).map(|i| (i % 3 != 0).then_some(i64::from(i))).collect();
    let columns = [array(Int32Array::from(a.clone())), array(Int64Array::from(b.clone()))];
    let first = Expr::compare(CompareOp::Lt, column(0, &DataType::Int32), Expr::literal(3i32)).unwrap();
    let second =
        Expr::compare(CompareOp::GtEq, column(1, &DataType::Int64), Expr::literal(5_000i64)).unwrap();
    let third =
        Expr::compare(CompareOp::NotEq, column(1, &DataType::Int64), Expr::literal(5_101i64)).unwrap();
    let all = Expr::and(Expr::and(first, second).unwrap(), third).unwrap();
    let keep = |row: &usize| a[*row] < 3 && b[*row].is_some_and(|b| b >= 5_000 && b != 5_101);
    let expected: Vec<u32> = (0..rows as usize).filter(keep).map(|row| row as u32).collect();
    assert_eq!(
        predicate_selection(&all, &columns, rows as usize, None).unwrap().indices().to_vec(),
        expected
    );
    for selection in [
        Selection::from_bitmap(arrow::buffer::BooleanBuffer::collect_bool(rows as usize, |i| i % 2 == 1)),
        Selection::from_indices(rows as usize, (0..rows as u32).filter(|i| i % 2 == 1).collect::<Vec<_>>()),
    ] {
        let found = predicate_selection(&all, &columns, rows as usize, Some(&selection)).unwrap();
        let expected: Vec<u32> = expected.iter().copied().filter(|row| row % 2 == 1).collect();
        assert_eq!(found.indices().to_vec(), expected);
    }
}

fn case_over(columns: &[ArrayRef], branches: Vec<(Expr, Expr)>, otherwise: Option<Expr>) -> Result<ArrayRef> {
    run(&Expr::case(branches, otherwise).unwrap(), columns)
}

#[test]
fn case_takes_the_first_true_branch() {
    let columns = [array(Int32Array::from(vec![Some(1), Some(2), Some(3), None]))];
    let x = || column(0, &DataType::Int32);
    let below = |limit: i32| Expr::compare(CompareOp::Lt, x(), Expr::literal(limit)).unwrap();
    let result = case_over(
        &columns,
        vec![(below(2), Expr::literal(10i64)), (below(3), Expr::literal(i64::MAX))],
        None,
    );
    assert_eq!(result.unwrap().as_ref(), &Int64Array::from(vec![Some(10), Some(i64::MAX), None, None]));
    let text =
        case_over(&columns, vec![(below(3), Expr::literal("low"))], Some(Expr::literal("high"))).unwrap();
    assert_eq!(text.as_ref(), &StringArray::from(vec!["low", "low", "high", "high"]));
    let null = || Expr::Literal(Scalar::null(DataType::Null));
    let some =
        case_over(&columns, vec![(below(2), null()), (below(3), Expr::literal(1.5))], Some(null())).unwrap();
    assert_eq!(some.as_ref(), &Float64Array::from(vec![None, Some(1.5), None, None]));
    let bits = case_over(&columns, vec![(below(2), below(1))], Some(Expr::literal(true))).unwrap();
    assert_eq!(bits.as_ref(), &BooleanArray::from(vec![false, true, true, true]));
    let mixed = Expr::case(vec![(below(2), Expr::literal(1i32))], Some(Expr::literal(1i64)));
    assert!(matches!(mixed, Err(Error::InvalidInput(_))));
}

#[test]
fn case_evaluates_a_branch_on_its_rows_only() {
    let columns = [array(Int32Array::from(vec![Some(0), Some(5), None, Some(0), Some(2)]))];
    let x = || column(0, &DataType::Int32);
    let zero = Expr::compare(CompareOp::Eq, x(), Expr::literal(0i32)).unwrap();
    let quotient = arithmetic(Divide, Expr::literal(10i32), x(), &DataType::Int32);
    let result =
        case_over(&columns, vec![(zero.clone(), Expr::literal(-1i32))], Some(quotient.clone())).unwrap();
    assert_eq!(result.as_ref(), &Int32Array::from(vec![Some(-1), Some(2), None, Some(-1), Some(5)]));
    // A later condition is evaluated where no earlier one was true.
    let result =
        case_over(&columns, vec![(zero, Expr::literal(1i32)), (division(), Expr::literal(2i32))], None)
            .unwrap();
    assert_eq!(result.as_ref(), &Int32Array::from(vec![Some(1), Some(2), None, Some(1), Some(2)]));
    assert!(case_over(&columns, vec![(Expr::is_null(x()), Expr::literal(0i32))], Some(quotient)).is_err());
}

#[derive(Debug)]
struct Doubled {
    rows_seen: AtomicUsize,
    returns: Option<ArrayRef>,
}

impl External for Doubled {
    fn name(&self) -> &str {
        "doubled"
    }
    fn data_type(&self) -> DataType {
        DataType::Int64
    }
    fn evaluate(&self, inputs: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        self.rows_seen.fetch_add(rows, Ordering::Relaxed);
        if let Some(array) = &self.returns {
            return Ok(array.clone());
        }
        // The declared type, whatever came in.
        let decimals = inputs[0].as_primitive::<arrow::datatypes::Decimal128Type>();
        Ok(array(decimals.iter().map(|value| value.map(|value| 2 * value as i64)).collect::<Int64Array>()))
    }
}

#[test]
fn external_functions_see_active_rows_in_declared_types() {
    let function = Arc::new(Doubled { rows_seen: AtomicUsize::new(0), returns: None });
    let logical = DataType::Decimal128(15, 2);
    let doubled = Expr::external(function.clone(), vec![column(1, &logical)]);
    let large = Expr::compare(CompareOp::Gt, doubled.clone(), Expr::literal(5i64)).unwrap();
    let flag = Expr::and(column(0, &DataType::Boolean), large).unwrap();
    let columns = [
        array(BooleanArray::from(vec![T, F, None, T])),
        array(
            Decimal64Array::from(vec![Some(1), Some(2), Some(3), Some(4)])
                .with_precision_and_scale(15, 2)
                .unwrap(),
        ),
    ];
    assert_eq!(bools(&flag, &columns), [F, F, None, T]);
    assert_eq!(function.rows_seen.load(Ordering::Relaxed), 3);
    // Shared by two outputs: one call.
    let evaluator = Evaluator::new([&doubled, &Expr::is_null(doubled.clone())]).unwrap();
    evaluator.evaluate(&columns, 4, None).unwrap();
    assert_eq!(function.rows_seen.load(Ordering::Relaxed), 7);
    for wrong in [array(Int64Array::from(vec![1])), array(Int32Array::from(vec![1, 2, 3, 4]))] {
        let liar = Arc::new(Doubled { rows_seen: AtomicUsize::new(0), returns: Some(wrong) });
        let expr = Expr::external(liar, vec![column(1, &logical)]);
        assert!(matches!(run(&expr, &columns), Err(Error::External { .. })));
    }
}

#[test]
fn outputs_on_a_selection_are_dense() {
    let columns = [
        decimals(&[Some(1), None, Some(i128::from(i64::MAX) * 8), Some(4)], 38, 0),
        array(StringArray::from(vec!["a", "b", "c", "d"])),
        array(ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
            Some(vec![Some(1)]),
            None,
            None,
            Some(vec![]),
        ])),
    ];
    let exprs = [
        column(0, &DataType::Decimal128(38, 0)),
        column(1, &DataType::Utf8),
        column(2, columns[2].data_type()),
        Expr::literal(7i32),
    ];
    let some = Selection::from_indices(4, vec![0, 1, 3]);
    let results = Evaluator::new(&exprs).unwrap().evaluate(&columns, 4, Some(&some)).unwrap();
    // The value that needs 128 bits is not among the rows.
    assert!(matches!(results[0].values(), Values::I64(_)));
    let arrays: Vec<_> =
        results.into_iter().zip(&exprs).map(|(v, e)| v.into_array(&e.data_type()).unwrap()).collect();
    assert_arrays!(arrays[0], decimals(&[Some(1), None, Some(4)], 38, 0));
    assert_eq!(arrays[1].as_ref(), &StringArray::from(vec!["a", "b", "d"]));
    assert_eq!(arrays[2].len(), 3);
    assert_eq!(arrays[3].as_ref(), &Int32Array::from(vec![7, 7, 7]));
}

#[test]
fn batches_and_selections_that_do_not_fit_are_refused() {
    let columns = [array(Int32Array::from(vec![1, 2]))];
    let x = column(0, &DataType::Int32);
    assert!(matches!(evaluate(&x, &columns, 3), Err(Error::InvalidInput(_))));
    let evaluator = Evaluator::new([&x]).unwrap();
    assert!(evaluator.evaluate(&columns, 2, Some(&Selection::none(3))).is_err());
    let beyond = Selection::Indices { indices: ScalarBuffer::from(vec![5u32]), rows: 2 };
    assert!(evaluator.evaluate(&columns, 2, Some(&beyond)).is_err());
    assert!(predicate_selection(&x, &columns, 2, None).is_err());
    let mut deep = Expr::literal(true);
    for _ in 0..3_000 {
        deep = Expr::Not(Box::new(deep));
    }
    assert!(matches!(Evaluator::new([&deep]), Err(Error::InvalidInput(_))));
}

#[test]
fn sliced_columns() {
    let numbers = array(Int32Array::from(vec![Some(9), Some(1), None, Some(3), Some(9)]).slice(1, 3));
    let flags = array(BooleanArray::from(vec![F, T, T, F, F]).slice(1, 3));
    let small = Expr::compare(CompareOp::LtEq, column(0, &DataType::Int32), Expr::literal(3i32)).unwrap();
    let both = Expr::and(small, column(1, &DataType::Boolean)).unwrap();
    assert_eq!(bools(&both, &[numbers, flags]), [T, None, F]);
}
