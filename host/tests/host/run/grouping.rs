//! Grouping sets against one aggregation for each set; positions of rows.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Int64Type, UInt8Type};
use pilaster::Error;
use pilaster::aggregate::{Aggregate, AggregateFunction};
use pilaster::plan::GroupingSets;

use super::*;

/// Name, value, grouping id, sum of ids, rows, greatest id.
type Row = (Option<String>, Option<i64>, u8, Option<i64>, i64, Option<i64>);

fn keys() -> Vec<(String, Expr)> {
    vec![("name".into(), Expr::column(2, DataType::Utf8)), ("value".into(), value())]
}

fn aggregates() -> Vec<(String, Aggregate)> {
    let of = |function, inputs| Aggregate::new(function, inputs, DataType::Int64);
    vec![
        ("sum".into(), of(AggregateFunction::Sum, vec![id()])),
        ("rows".into(), of(AggregateFunction::CountRows, vec![])),
        ("most".into(), of(AggregateFunction::Max, vec![id()])),
    ]
}

fn rows(batches: &[RecordBatch]) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in batches {
        let names = batch.column(0).as_string::<i32>();
        let ids = batch.column(2).as_primitive::<UInt8Type>();
        let ints = |column: usize| batch.column(column).as_primitive::<Int64Type>();
        let int = |column: usize, row: usize| ints(column).is_valid(row).then(|| ints(column).value(row));
        for row in 0..batch.num_rows() {
            let name = names.is_valid(row).then(|| names.value(row).to_owned());
            rows.push((name, int(1, row), ids.value(row), int(3, row), ints(4).value(row), int(5, row)));
        }
    }
    rows.sort();
    rows
}

/// By hand, set by set, over ids `0..count`.
fn expected(count: i64, sets: &GroupingSets) -> Vec<Row> {
    let mut rows = Vec::new();
    for set in sets.sets() {
        let mut groups = std::collections::BTreeMap::<_, Vec<i64>>::new();
        for id in 0..count {
            let name = set.keys().contains(&0).then(|| format!("n{}", id % 3));
            let value = (id % 5 != 0 && set.keys().contains(&1)).then_some(7 * id % 10);
            groups.entry((name, value)).or_default().push(id);
        }
        let id = set.id() as u8;
        rows.extend(groups.into_iter().map(|((name, value), ids)| {
            (name, value, id, Some(ids.iter().sum()), ids.len() as i64, ids.iter().copied().max())
        }));
        if count == 0 && set.keys().is_empty() {
            rows.push((None, None, id, None, 0, None));
        }
    }
    rows.sort();
    rows
}

#[test]
fn sets_are_what_an_aggregation_by_each_gives() {
    let all = [
        GroupingSets::rollup(2).unwrap(),
        GroupingSets::cube(2).unwrap(),
        GroupingSets::new(2, &[vec![1], vec![0]]).unwrap(),
        GroupingSets::new(2, &[vec![], vec![1, 0], vec![1], vec![1], vec![]]).unwrap(),
    ];
    for sets in all {
        for (threads, partitions) in [(1, 1), (3, 4)] {
            let plan = source(partitions, 3, 500);
            let plan = plan.aggregate_sets(keys(), "gid", sets.clone(), aggregates()).unwrap();
            assert_eq!(plan.schema().field(2).name(), "gid");
            let (batches, report) = cpu(threads).collect(&plan).unwrap();
            assert_eq!(rows(&batches), expected(partitions * 1500, &sets), "{sets}");
            assert!(report.operators[0].operator.contains(&format!("sets={sets}")), "{report}");
            assert!(report.operators[0].details.iter().any(|(name, _)| name == "mode"), "{report}");
        }
        let none = source(1, 2, 100).filter(less(id(), 0)).unwrap();
        let plan = none.aggregate_sets(keys(), "gid", sets.clone(), aggregates()).unwrap();
        let (batches, _) = cpu(2).collect(&plan).unwrap();
        assert_eq!(rows(&batches), expected(0, &sets), "{sets} over no rows");
    }
}

#[test]
fn ids_are_those_of_sql_and_tell_repeated_sets_apart() {
    let ids = |sets: &GroupingSets| sets.sets().iter().map(|set| set.id()).collect::<Vec<_>>();
    let sets = GroupingSets::new(3, &[vec![0, 1, 2], vec![1], vec![1], vec![]]).unwrap();
    assert_eq!(ids(&sets), [0b000, 0b101, 0b1_101, 0b111]);
    assert_eq!(*sets.id_type(), DataType::UInt8);
    let eight = GroupingSets::new(8, &[vec![0], vec![0]]).unwrap();
    assert_eq!((ids(&eight), eight.id_type()), (vec![0x7f, 0x17f], &DataType::UInt16));
    assert_eq!(*GroupingSets::rollup(64).unwrap().id_type(), DataType::UInt64);
    assert!(GroupingSets::rollup(65).is_err());
    assert!(GroupingSets::cube(17).is_err());
    assert!(GroupingSets::new(64, &[vec![], vec![]]).is_err());
    assert!(GroupingSets::new(2, &[vec![2]]).is_err());
    assert!(GroupingSets::new(2, &[]).is_err());
}

#[test]
fn results_that_do_not_belong_to_their_function_are_refused() {
    use AggregateFunction as F;
    let (text, bad) = (Expr::column(2, DataType::Utf8), DataType::Int32);
    for (function, inputs, result) in [
        (F::Sum, vec![text.clone()], DataType::Utf8),
        (F::Count, vec![id()], bad.clone()),
        (F::Stddev { sample: true }, vec![id()], DataType::Int64),
        (F::Correlation, vec![id()], DataType::Float64),
        (F::BoolAnd, vec![id()], DataType::Boolean),
        (F::BitOr, vec![text.clone()], DataType::Utf8),
        (F::AnyValue, vec![text], DataType::Int64),
        (F::CountRows, vec![id()], DataType::Int64),
    ] {
        let aggregate = Aggregate::new(function.clone(), inputs, result);
        let error = source(1, 1, 1).aggregate(vec![], vec![("x".into(), aggregate)]).unwrap_err();
        assert!(matches!(error, Error::InvalidInput(_)), "{function}: {error}");
    }
}

/// Ids in the order that they were collected in, by name; ids `0..count`, name `n{id mod 3}`.
fn collected(batches: &[RecordBatch], item: usize) -> Vec<(String, Vec<i64>)> {
    let mut rows = Vec::new();
    for batch in batches {
        let (names, lists) = (batch.column(0).as_string::<i32>(), batch.column(item).as_list::<i32>());
        for row in 0..batch.num_rows() {
            let values = lists.value(row).as_primitive::<Int64Type>().values().to_vec();
            rows.push((names.value(row).to_owned(), values));
        }
    }
    rows.sort();
    rows
}

#[test]
fn functions_that_depend_on_the_order_of_rows_see_that_of_the_input_on_any_number_of_threads() {
    let list = DataType::new_list(DataType::Int64, true);
    let name = || vec![("name".to_owned(), Expr::column(2, DataType::Utf8))];
    let of = |function, data_type: &DataType| Aggregate::new(function, vec![id()], data_type.clone());
    let aggregates = || {
        vec![
            ("all".to_owned(), of(AggregateFunction::ArrayAgg { ignore_nulls: false }, &list)),
            ("first".to_owned(), of(AggregateFunction::First { ignore_nulls: false }, &DataType::Int64)),
            ("last".to_owned(), of(AggregateFunction::Last { ignore_nulls: false }, &DataType::Int64)),
        ]
    };
    let kept = |id: &i64| 7 * id % 10 < 8 && id % 5 != 0;
    let of_name = |rest: i64| -> Vec<i64> { (0..6_000).filter(|id| id % 3 == rest && kept(id)).collect() };
    for (threads, partitions) in [(1, 1), (2, 3), (4, 6)] {
        let rows = source(partitions, 6 / partitions, 1_000).filter(less(value(), 8)).unwrap();
        let plain = rows.clone().aggregate(name(), aggregates()).unwrap();
        let (batches, _) = cpu(threads).collect(&plain).unwrap();
        let expected: Vec<_> = (0..3).map(|rest| (format!("n{rest}"), of_name(rest))).collect();
        assert_eq!(collected(&batches, 1), expected, "{threads} threads, {partitions} partitions");
        let ends = |column: usize| {
            let mut ends = ints(&batches, column);
            ends.sort_unstable();
            ends
        };
        let by_hand = |end: fn(&Vec<i64>) -> Option<i64>| {
            let mut ends: Vec<_> = expected.iter().map(|(_, ids)| end(ids)).collect();
            ends.sort_unstable();
            ends
        };
        assert_eq!(ends(2), by_hand(|ids| ids.first().copied()));
        assert_eq!(ends(3), by_hand(|ids| ids.last().copied()));
        // The same through a set that is rolled up from finer groups.
        let sets = GroupingSets::new(2, &[vec![0]]).unwrap();
        let rolled = rows.aggregate_sets(keys(), "gid", sets, aggregates()).unwrap();
        let (batches, _) = cpu(threads).collect(&rolled).unwrap();
        assert_eq!(collected(&batches, 3), expected, "rolled up, {threads} threads");
    }
}
