//! Hand-computed answers, parts that merge in several ways, and states from outside.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::*;

use crate::aggregate::cpu::CpuAggregate;
use crate::aggregate::partial::{Partial, StateColumn};
use crate::aggregate::{Aggregate, AggregateFunction as F, AggregateSpec, FloatSum, Fraction, OrderKey};
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::memory::Unlimited;

/// Column 0 is the key, column 1 the operand, column 2 what rows are ordered by.
fn call(function: F, from: &DataType, to: DataType) -> Aggregate {
    Aggregate::new(function, vec![Expr::column(1, from.clone())], to)
}

fn distinct(aggregate: Aggregate) -> Aggregate {
    Aggregate { distinct: true, ..aggregate }
}

fn ordered(aggregate: Aggregate, descending: bool, nulls_first: bool) -> Aggregate {
    let expr = Expr::column(2, DataType::Int64);
    Aggregate { order_by: vec![OrderKey { expr, descending, nulls_first }], ..aggregate }
}

fn spec(aggregates: Vec<Aggregate>) -> Arc<AggregateSpec> {
    let keys = vec![Expr::column(0, DataType::Int64)];
    Arc::new(AggregateSpec { predicate: None, keys, aggregates, float_sum: FloatSum::Fast })
}

fn array(array: impl Array + 'static) -> ArrayRef {
    Arc::new(array)
}

fn start(spec: &Arc<AggregateSpec>) -> CpuAggregate {
    CpuAggregate::new(Arc::clone(spec), Arc::new(Unlimited)).unwrap()
}

/// The aggregates in order of key: over all rows at once, row by row, and in parts of three rows, merged backwards as
/// they are and as partials.
fn run(spec: &Arc<AggregateSpec>, columns: &[ArrayRef]) -> Vec<ArrayRef> {
    let rows = columns[0].len();
    let cut = |from: usize, to: usize| -> Vec<ArrayRef> {
        columns.iter().map(|column| column.slice(from, to.min(rows) - from)).collect()
    };
    let mut whole = start(spec);
    whole.consume(columns, rows).unwrap();
    let mut single = start(spec);
    (0..rows).for_each(|row| single.consume(&cut(row, row + 1), 1).unwrap());
    let part = |first: usize| {
        let mut part = start(spec);
        let columns = cut(first, first + 3);
        part.consume_at(first as u64, &columns, columns[0].len()).unwrap();
        part
    };
    let mut merged = start(spec);
    (0..rows).step_by(3).rev().for_each(|first| merged.merge(part(first)).unwrap());
    let mut loaded = start(spec);
    let parts = (0..rows).step_by(3).rev();
    parts.for_each(|first| loaded.merge_partial(&part(first).into_partial().unwrap()).unwrap());
    let answers = [whole, single, merged, loaded].map(|aggregate| in_order(aggregate.finish().unwrap()));
    let [whole, others @ ..] = answers;
    for other in others {
        assert_eq!(format!("{whole:?}"), format!("{other:?}"));
    }
    whole
}

fn in_order(columns: Vec<ArrayRef>) -> Vec<ArrayRef> {
    let order = arrow::compute::sort_to_indices(&columns[0], None, None).unwrap();
    columns[1..].iter().map(|column| arrow::compute::take(column, &order, None).unwrap()).collect()
}

fn strings(column: &ArrayRef) -> Vec<Option<&str>> {
    column.as_string::<i32>().iter().collect()
}

fn keys() -> ArrayRef {
    array(Int64Array::from(vec![1, 1, 2, 1, 2, 1, 1, 3]))
}

fn words() -> ArrayRef {
    let words = [None, Some("b"), Some("c"), Some("a"), Some("d"), None, Some("b"), None];
    array(StringArray::from_iter(words))
}

fn order() -> ArrayRef {
    array(Int64Array::from(vec![Some(5), Some(3), None, Some(9), Some(1), Some(0), Some(3), Some(1)]))
}

#[test]
fn first_and_last_values() {
    let text = DataType::Utf8;
    let first = |ignore_nulls| call(F::First { ignore_nulls }, &text, text.clone());
    let last = |ignore_nulls| call(F::Last { ignore_nulls }, &text, text.clone());
    let spec = spec(vec![
        first(false),
        first(true),
        last(false),
        last(true),
        call(F::AnyValue, &text, text.clone()),
        ordered(first(false), false, true),
        ordered(last(true), false, false),
        ordered(first(true), true, false),
        ordered(last(false), true, true),
    ]);
    let answers = run(&spec, &[keys(), words(), order()]);
    let expected = [
        [None, Some("c"), None],
        [Some("b"), Some("c"), None],
        [Some("b"), Some("d"), None],
        [Some("b"), Some("d"), None],
        [Some("b"), Some("c"), None],
        [None, Some("c"), None],
        [Some("a"), Some("c"), None],
        [Some("a"), Some("d"), None],
        [None, Some("d"), None],
    ];
    for (answer, expected) in answers.iter().zip(expected) {
        assert_eq!(strings(answer), expected);
    }
}

#[test]
fn nested_values_are_kept() {
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(
        (0..8).map(|row| (row != 1).then(|| (0..row).map(Some).collect::<Vec<_>>())),
    );
    let data_type = lists.data_type().clone();
    let list_of = DataType::List(Arc::new(Field::new_list_field(data_type.clone(), true)));
    let spec = spec(vec![
        call(F::Last { ignore_nulls: true }, &data_type, data_type.clone()),
        call(F::ArrayAgg { ignore_nulls: true }, &data_type, list_of),
    ]);
    let answers = run(&spec, &[keys(), array(lists), order()]);
    assert_eq!(answers[0].as_list::<i32>().value(0).len(), 6);
    assert_eq!(answers[1].as_list::<i32>().value(0).len(), 4);
}

#[test]
fn collected_values() {
    let text = DataType::Utf8;
    let list = DataType::List(Arc::new(Field::new_list_field(text.clone(), true)));
    let all = |ignore_nulls| call(F::ArrayAgg { ignore_nulls }, &text, list.clone());
    let joined = || call(F::StringAgg { separator: "; ".into() }, &text, text.clone());
    let spec = spec(vec![
        all(false),
        all(true),
        ordered(all(false), true, false),
        distinct(all(false)),
        joined(),
        ordered(joined(), false, true),
        distinct(joined()),
    ]);
    let answers = run(&spec, &[keys(), words(), order()]);
    let list = |at: usize, row: usize| {
        let values = answers[at].as_list::<i32>().value(row);
        values.as_string::<i32>().iter().map(|word| word.unwrap_or("-")).collect::<String>()
    };
    assert_eq!(list(0, 0), "-ba-b");
    assert_eq!(list(1, 0), "bab");
    assert!(answers[1].is_null(2) && answers[0].is_valid(2));
    assert_eq!(list(2, 0), "a-bb-");
    assert_eq!(list(3, 0), "-ba");
    assert_eq!(strings(&answers[4]), [Some("b; a; b"), Some("c; d"), None]);
    assert_eq!(strings(&answers[5]), [Some("b; b; a"), Some("c; d"), None]);
    assert_eq!(strings(&answers[6]), [Some("b; a"), Some("c; d"), None]);
}

#[test]
fn distinct_values() {
    let float = DataType::Float64;
    let two = Aggregate {
        inputs: vec![Expr::column(1, float.clone()), Expr::column(2, DataType::Int64)],
        ..call(F::Count, &float, DataType::Int64)
    };
    let values =
        vec![Some(0.0), Some(-0.0), Some(2.0), Some(3.0), None, Some(f64::NAN), Some(-f64::NAN), None];
    let spec = spec(vec![
        distinct(call(F::Count, &float, DataType::Int64)),
        distinct(two.clone()),
        two,
        distinct(call(F::Mode, &float, float.clone())),
        call(F::Mode, &float, float.clone()),
    ]);
    let answers = run(&spec, &[keys(), array(Float64Array::from(values)), order()]);
    let counts = |at: usize| answers[at].as_primitive::<Int64Type>().values().to_vec();
    assert_eq!((counts(0), counts(1), counts(2)), (vec![3, 1, 0], vec![5, 0, 0], vec![5, 0, 0]));
    let floats = |at: usize| answers[at].as_primitive::<Float64Type>().iter().collect::<Vec<_>>();
    assert_eq!(floats(3), [Some(0.0), Some(2.0), None]);
    assert_eq!(floats(4), [Some(0.0), Some(2.0), None], "two zeros and two NaNs: the smaller");
}

#[test]
fn distinct_sums() {
    let spec = spec(vec![
        distinct(call(F::Sum, &DataType::Int64, DataType::Int64)),
        distinct(call(F::Avg, &DataType::Int64, DataType::Float64)),
        distinct(call(F::BitXor, &DataType::Int64, DataType::Int64)),
    ]);
    let values = array(Int64Array::from(vec![5, 5, 7, 1, 7, 1, 3, 0]));
    let answers = run(&spec, &[keys(), values, order()]);
    assert_eq!(answers[0].as_primitive::<Int64Type>().values(), &[9, 7, 0]);
    assert_eq!(answers[1].as_primitive::<Float64Type>().values(), &[3.0, 7.0, 0.0]);
    assert_eq!(answers[2].as_primitive::<Int64Type>().values(), &[7, 7, 0]);
}

#[test]
fn percentiles() {
    let fraction = |value| Fraction::new(value).unwrap();
    let decimal = DataType::Decimal128(10, 2);
    let spec = spec(vec![
        call(F::PercentileCont(Fraction::HALF), &decimal, decimal.clone()),
        call(F::PercentileCont(fraction(0.25)), &decimal, DataType::Float64),
        call(F::PercentileDisc(fraction(0.5)), &decimal, decimal.clone()),
        distinct(call(F::PercentileDisc(fraction(1.0)), &decimal, decimal.clone())),
    ]);
    let values = vec![Some(-100), Some(25), Some(3), None, Some(-4), Some(25), Some(26), None];
    let values = Decimal128Array::from(values).with_precision_and_scale(10, 2).unwrap();
    let answers = run(&spec, &[keys(), array(values), order()]);
    let decimals = |at: usize| answers[at].as_primitive::<Decimal128Type>().iter().collect::<Vec<_>>();
    assert_eq!(decimals(0), [Some(25), Some(-1), None], "half of -0.04 and 0.03: away from zero");
    let floats: Vec<_> = answers[1].as_primitive::<Float64Type>().iter().collect();
    assert_eq!(floats, [Some(-1.0 + 1.25 * 0.75), Some(-0.04 + 0.07 * 0.25), None]);
    assert_eq!(decimals(2), [Some(25), Some(-4), None]);
    assert_eq!(decimals(3), [Some(26), Some(3), None]);
}

#[test]
fn percentiles_of_strings() {
    let text = DataType::Utf8;
    let spec = spec(vec![call(F::PercentileDisc(Fraction::HALF), &text, text.clone())]);
    let answers = run(&spec, &[keys(), words(), order()]);
    assert_eq!(strings(&answers[0]), [Some("b"), Some("c"), None]);
}

#[test]
fn estimates() {
    let (int, float) = (DataType::Int64, DataType::Float64);
    let spec = spec(vec![
        call(F::ApproxDistinct, &int, int.clone()),
        call(F::ApproxPercentile(Fraction::HALF), &int, float),
    ]);
    let values = array(Int64Array::from(vec![5, 5, 7, 1, 7, 1, 3, 0]));
    let answers = run(&spec, &[keys(), values, order()]);
    assert_eq!(answers[0].as_primitive::<Int64Type>().values(), &[3, 1, 1]);
    assert_eq!(answers[1].as_primitive::<Float64Type>().values(), &[3.0, 7.0, 0.0]);
}

fn every_function() -> Vec<Aggregate> {
    let int = DataType::Int64;
    let list = DataType::List(Arc::new(Field::new_list_field(int.clone(), true)));
    let first = || call(F::First { ignore_nulls: false }, &int, int.clone());
    vec![
        first(),
        ordered(first(), true, false),
        call(F::ArrayAgg { ignore_nulls: false }, &int, list.clone()),
        ordered(distinct(call(F::ArrayAgg { ignore_nulls: false }, &int, list)), false, false),
        distinct(call(F::Count, &int, int.clone())),
        distinct(call(F::Sum, &int, int.clone())),
        call(F::PercentileDisc(Fraction::HALF), &int, int.clone()),
        call(F::Mode, &int, int.clone()),
        call(F::BitXor, &int, int.clone()),
        call(F::ApproxDistinct, &int, int.clone()),
        call(F::ApproxPercentile(Fraction::HALF), &int, int.clone()),
    ]
}

fn numbers() -> Vec<ArrayRef> {
    vec![keys(), array(Int64Array::from(vec![5, 5, 7, 1, 7, 1, 3, 0])), order()]
}

/// Columns that are missing, of another type, of another function, or null where a state never is.
#[test]
fn states_from_outside_are_checked() {
    let all = every_function();
    let states: Vec<Partial> = all
        .iter()
        .map(|aggregate| {
            let mut part = start(&spec(vec![aggregate.clone()]));
            part.consume(&numbers(), 8).unwrap();
            part.into_partial().unwrap()
        })
        .collect();
    for (at, aggregate) in all.iter().enumerate() {
        let load = |columns: Vec<ArrayRef>| -> Result<()> {
            let mut whole = start(&spec(vec![aggregate.clone()]));
            let state = StateColumn::Arrays(columns);
            whole.merge_partial(&Partial { states: vec![state], ..states[at].clone() })
        };
        let StateColumn::Arrays(own) = &states[at].states[0] else { panic!("{}", aggregate.function) };
        load(own.clone()).unwrap();
        for column in 0..own.len() {
            let mut missing = own.clone();
            missing.truncate(column);
            assert!(matches!(load(missing), Err(Error::InvalidInput(_))), "{} {column}", aggregate.function);
            let mut others: Vec<ArrayRef> = vec![array(BooleanArray::from(vec![true; 3]))];
            let list = ListArray::from_iter_primitive::<Int64Type, _, _>((0..3).map(|_| Some([Some(1)])));
            others.push(array(list));
            // A value or a fold may be null: that is no value.
            if own[column].data_type().is_nested() {
                others.push(new_null_array(own[column].data_type(), 3));
            }
            for other in others {
                let mut wrong = own.clone();
                wrong[column] = other;
                let loaded = load(wrong);
                assert!(matches!(loaded, Err(Error::InvalidInput(_))), "{} {column}", aggregate.function);
            }
        }
    }
}

/// Each holds more of the budget than a count of rows over the same input.
#[test]
fn every_function_reserves() {
    let bytes = |aggregate: Aggregate| {
        let mut whole = start(&spec(vec![aggregate]));
        let column = |step: i64| array((0..20_000).map(|row| Some(row * step)).collect::<Int64Array>());
        whole.consume(&[column(0), column(1), column(2)], 20_000).unwrap();
        whole.size_bytes()
    };
    let rows = bytes(Aggregate::new(F::CountRows, Vec::new(), DataType::Int64));
    for aggregate in every_function() {
        let function = aggregate.function.to_string();
        let keeps = matches!(aggregate.function, F::First { .. } | F::BitXor);
        let least = if keeps { 1 } else { 20_000 * 4 };
        assert!(bytes(aggregate) >= rows + least, "{function}");
    }
}
