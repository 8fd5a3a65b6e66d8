//! Each operator against rows computed by hand.

use std::collections::BTreeMap;

use arrow::array::StringArray;
use arrow::datatypes::DataType;
use pilaster::aggregate::{Aggregate, AggregateFunction};
use pilaster::expr::{ArithmeticOp, CompareOp, Expr, OverflowMode, Rounding};
use pilaster::plan::Plan;
use pilaster::sort::SortKey;

use super::*;

const THREADS: [usize; 3] = [1, 2, 4];

/// The value column for `id`, as [`batch`] makes it.
fn value_of(id: i64) -> Option<i64> {
    (id % 5 != 0).then_some(7 * id % 10)
}

fn aggregate(function: AggregateFunction, input: Option<Expr>) -> Aggregate {
    Aggregate::new(function, input.into_iter().collect(), DataType::Int64)
}

fn twice(expr: Expr) -> Expr {
    let two = Expr::literal(2i64);
    let (data_type, rounding) = (DataType::Int64, Rounding::default());
    Expr::arithmetic(ArithmeticOp::Multiply, expr, two, data_type, OverflowMode::Checked, rounding).unwrap()
}

#[test]
fn filter_and_project_stream_out() {
    let plan = source(3, 4, 700)
        .filter(less(value(), 3))
        .unwrap()
        .project(vec![("v2".into(), twice(value())), ("id".into(), id())])
        .unwrap();
    let expected: Vec<(Option<i64>, Option<i64>)> = (0..8_400)
        .filter(|&id| value_of(id).is_some_and(|value| value < 3))
        .map(|id| (value_of(id).map(|value| 2 * value), Some(id)))
        .collect();
    for threads in THREADS {
        let (batches, report) = cpu(threads).collect(&plan).unwrap();
        assert!(batches.iter().all(|batch| batch.schema_ref() == plan.schema()));
        let mut rows: Vec<_> = ints(&batches, 0).into_iter().zip(ints(&batches, 1)).collect();
        rows.sort_by_key(|row| row.1);
        assert_eq!(rows, expected);
        assert_eq!(report.operators[0].rows_out, Some(expected.len() as u64));
        assert_eq!(report.operators[2].rows_out, Some(8_400));
    }
}

#[test]
fn groups_are_the_same_on_any_number_of_threads() {
    let name = Expr::column(2, DataType::Utf8);
    let plan = source(3, 4, 700)
        .filter(less(id(), 8_000))
        .unwrap()
        .aggregate(
            vec![("name".into(), name)],
            vec![
                ("rows".into(), aggregate(AggregateFunction::CountRows, None)),
                ("values".into(), aggregate(AggregateFunction::Count, Some(value()))),
                ("total".into(), aggregate(AggregateFunction::Sum, Some(twice(value())))),
                ("least".into(), aggregate(AggregateFunction::Min, Some(id()))),
                ("most".into(), aggregate(AggregateFunction::Max, Some(id()))),
            ],
        )
        .unwrap()
        .sort(vec![ascending(0)], None)
        .unwrap();
    let mut expected: BTreeMap<String, [i64; 5]> = BTreeMap::new();
    for id in 0..8_000 {
        let group = expected.entry(format!("n{}", id % 3)).or_insert([0, 0, 0, i64::MAX, i64::MIN]);
        group[0] += 1;
        group[1] += i64::from(value_of(id).is_some());
        group[2] += 2 * value_of(id).unwrap_or(0);
        group[3] = group[3].min(id);
        group[4] = group[4].max(id);
    }
    for threads in THREADS {
        let (batches, _) = cpu(threads).collect(&plan).unwrap();
        let names = batches[0].column(0).as_any().downcast_ref::<StringArray>().unwrap();
        assert_eq!(names.iter().flatten().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for column in 0..5 {
            let want: Vec<_> = expected.values().map(|group| Some(group[column])).collect();
            assert_eq!(ints(&batches, column + 1), want, "column {column}, {threads} threads");
        }
    }
}

#[test]
fn no_rows_make_one_group_without_keys_and_none_with() {
    let count = || vec![("n".to_owned(), aggregate(AggregateFunction::CountRows, None))];
    let nothing = source(1, 1, 100).filter(less(id(), 0)).unwrap();
    let (batches, _) = cpu(2).collect(&nothing.clone().aggregate(vec![], count()).unwrap()).unwrap();
    assert_eq!(ints(&batches, 0), [Some(0)]);
    let grouped = nothing.aggregate(vec![("id".into(), id())], count()).unwrap();
    assert_eq!(cpu(2).collect(&grouped).unwrap().0.len(), 0);
}

#[test]
fn a_sort_is_stable_and_a_top_k_is_its_head() {
    let by_value = SortKey { column: 1, descending: true, nulls_first: true };
    let mut expected: Vec<i64> = (0..8_400).collect();
    expected.sort_by_key(|&id| match value_of(id) {
        None => i64::MIN,
        Some(value) => -value,
    });
    let expected: Vec<_> = expected.into_iter().map(Some).collect();
    for threads in THREADS {
        let session = cpu(threads);
        let all = source(3, 4, 700).sort(vec![by_value], None).unwrap();
        assert_eq!(ints(&session.collect(&all).unwrap().0, 0), expected);
        for fetch in [0, 1, 10, 5_000, 8_400, 9_000] {
            let top = source(3, 4, 700).sort(vec![by_value], Some(fetch)).unwrap();
            let wanted = &expected[..fetch.min(expected.len())];
            assert_eq!(ints(&session.collect(&top).unwrap().0, 0), wanted, "fetch {fetch}");
        }
        let page = source(3, 4, 700).sort(vec![by_value], Some(100)).unwrap().limit(90, Some(20)).unwrap();
        let (batches, report) = session.collect(&page).unwrap();
        assert_eq!(ints(&batches, 0), expected[90..100]);
        assert_eq!(report.pipelines.len(), 1, "a limit above a sort is part of it");
    }
}

#[test]
fn order_survives_what_is_above_a_sort() {
    let plan = source(2, 10, 700)
        .sort(vec![SortKey { column: 0, descending: true, nulls_first: false }], None)
        .unwrap()
        .filter(less(value(), 5))
        .unwrap()
        .project(vec![("id".into(), id())])
        .unwrap();
    let expected: Vec<_> =
        (0..14_000).rev().filter(|&id| value_of(id).is_some_and(|value| value < 5)).map(Some).collect();
    for threads in THREADS {
        assert_eq!(ints(&cpu(threads).collect(&plan).unwrap().0, 0), expected);
        let limited = plan.clone().limit(7, Some(3_000)).unwrap();
        assert_eq!(ints(&cpu(threads).collect(&limited).unwrap().0, 0), expected[7..3_007]);
    }
}

#[test]
fn a_limit_takes_the_first_rows_whatever_the_threads() {
    for threads in THREADS {
        for (skip, fetch) in
            [(0, Some(0)), (0, Some(1)), (650, Some(100)), (2_000, Some(6_000)), (8_000, None)]
        {
            let plan = source(3, 4, 700).limit(skip, fetch).unwrap();
            let end = fetch.map_or(8_400, |fetch| skip + fetch).min(8_400);
            let expected: Vec<_> = (skip as i64..end as i64).map(Some).collect();
            assert_eq!(ints(&cpu(threads).collect(&plan).unwrap().0, 0), expected, "{skip} {fetch:?}");
        }
    }
}

#[test]
fn a_union_keeps_every_row_of_every_input() {
    let low = source(1, 2, 500).filter(less(id(), 700)).unwrap();
    let sorted = source(2, 1, 300).sort(vec![ascending(0)], Some(50)).unwrap();
    let plan = Plan::union(vec![low, sorted]).unwrap();
    let mut expected: Vec<i64> = (0..700).chain(0..50).collect();
    expected.sort_unstable();
    for threads in THREADS {
        let mut rows: Vec<_> =
            ints(&cpu(threads).collect(&plan).unwrap().0, 0).into_iter().flatten().collect();
        rows.sort_unstable();
        assert_eq!(rows, expected);
        let count = vec![("n".to_owned(), aggregate(AggregateFunction::CountRows, None))];
        let counted = plan.clone().aggregate(vec![], count).unwrap();
        assert_eq!(ints(&cpu(threads).collect(&counted).unwrap().0, 0), [Some(750)]);
    }
}

#[test]
fn projections_that_double_do_not_explode() {
    let mut plan = source(1, 1, 10);
    for _ in 0..40 {
        let one = || Expr::column(0, DataType::Int64);
        let (minus, rounding) = (ArithmeticOp::Subtract, Rounding::default());
        let zero = Expr::arithmetic(minus, one(), one(), DataType::Int64, OverflowMode::Checked, rounding);
        let same = Expr::arithmetic(
            ArithmeticOp::Add,
            zero.unwrap(),
            one(),
            DataType::Int64,
            OverflowMode::Checked,
            rounding,
        );
        plan = plan.project(vec![("id".into(), same.unwrap())]).unwrap();
    }
    let (batches, _) = cpu(2).collect(&plan).unwrap();
    assert_eq!(ints(&batches, 0), (0..10).map(Some).collect::<Vec<_>>());
}

#[test]
fn an_error_on_a_row_that_the_filter_drops_does_not_exist() {
    let hundred = |op| {
        let (data_type, rounding) = (DataType::Int64, Rounding::default());
        Expr::arithmetic(op, Expr::literal(100i64), value(), data_type, OverflowMode::Checked, rounding)
            .unwrap()
    };
    let nonzero = Expr::compare(CompareOp::NotEq, value(), Expr::literal(0i64)).unwrap();
    let quotients = |plan: Plan| plan.project(vec![("q".into(), hundred(ArithmeticOp::Divide))]).unwrap();
    // Values are never 0: id mod 10 would have to be 0, and those are null. So make some.
    let shifted = |by: i64| {
        let (op, rounding) = (ArithmeticOp::Subtract, Rounding::default());
        let shift = Expr::arithmetic(
            op,
            value(),
            Expr::literal(by),
            DataType::Int64,
            OverflowMode::Checked,
            rounding,
        );
        source(1, 1, 100).project(vec![("id".into(), id()), ("value".into(), shift.unwrap())]).unwrap()
    };
    let (batches, _) = cpu(1).collect(&quotients(shifted(7).filter(nonzero).unwrap())).unwrap();
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 70);
    let error = cpu(1).collect(&quotients(shifted(7))).unwrap_err();
    assert!(matches!(error, pilaster::Error::DivideByZero { .. }), "{error}");
}
