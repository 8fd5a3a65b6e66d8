//! Planted errors: each comparison must turn red, or it proves nothing.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::DataType;
use pilaster::SessionConfig;
use pilaster::device::ShaderMode;
use pilaster_kernels::Result;
use pilaster_kernels::aggregate::{AggregateSpec, FloatSum};
use pilaster_kernels::expr::{CompareOp, Expr, Scalar};
use pilaster_kernels::sort::SortKey;
use pilaster_shaders::Shader;
use pilaster_tests::Datum;
use pilaster_tests::compare::{self, Got, Order};
use pilaster_tests::reference::{self, Grouping};
use pilaster_tests::strategies::{Batches, ColumnRecipe, Nulls, Spread, avg, count, count_rows, sum};

use super::backends::{Backend, Cpu, Gpu, Hostility};
use super::{aggregation, aggregation_functions, aggregation_sets, expressions, plans, sorting};

fn input() -> Batches {
    let recipe = ColumnRecipe::plain;
    let recipes = vec![
        recipe(DataType::Int64, Spread::Small, Nulls::Percent(20), 1),
        recipe(DataType::Decimal128(15, 2), Spread::Small, Nulls::Absent, 2),
        recipe(DataType::Utf8, Spread::Tiny, Nulls::Absent, 3),
    ];
    Batches::new(recipes, &[700])
}

fn expression_case() -> expressions::Case {
    let column = |at: usize, data_type| Expr::column(at, data_type);
    let positive =
        Expr::compare(CompareOp::Gt, column(0, DataType::Int64), Expr::literal(Scalar::from(0i64)));
    expressions::Case {
        input: input(),
        predicate: Some(positive.expect("well typed")),
        exprs: vec![column(0, DataType::Int64), column(2, DataType::Utf8)],
    }
}

fn aggregation_case() -> aggregation::Case {
    let price = || Expr::column(1, DataType::Decimal128(15, 2));
    let spec = AggregateSpec {
        predicate: None,
        keys: vec![Expr::column(2, DataType::Utf8)],
        aggregates: vec![sum(price()), avg(price()), count_rows(), count(Expr::column(0, DataType::Int64))],
        float_sum: FloatSum::Fast,
    };
    aggregation::Case { input: input(), spec }
}

fn sorting_case() -> sorting::Case {
    let keys = vec![SortKey { column: 0, descending: true, nulls_first: false }];
    sorting::Case { input: input(), keys, fetch: None }
}

/// A constant of a stage's text, off by one, in whichever stage has it.
fn off_by_one(shader: &Shader, from: &str, to: &str) -> Shader {
    let mut shader = shader.clone();
    if shader.wgsl.contains(from) {
        shader.wgsl = shader.wgsl.replace(from, to);
        // Another text is another pipeline.
        shader.id ^= 0x0ff0_b701;
    }
    shader
}

/// A GPU with an error in it, which must be noticed, and which is noticed because of that error alone.
fn noticed<T>(
    test: &str,
    hostility: Hostility,
    sabotage: fn(&Shader) -> Shader,
    case: &T,
    agrees: fn(&Gpu, &T) -> Result<(), String>,
) {
    let Some(gpu) = Gpu::open(test, ShaderMode::Checked) else { return };
    let mut gpu = gpu.hostile(hostility);
    assert_eq!(agrees(&gpu, case), Ok(()), "without the error");
    gpu.sabotage = Some(sabotage);
    let reason = agrees(&gpu, case).expect_err("the error is not noticed");
    println!("{test}: {reason}");
}

#[test]
fn an_error_in_the_shader_of_a_filter_is_noticed() {
    let sabotage =
        |shader: &Shader| off_by_one(shader, "var position = before +", "var position = 1u + before +");
    let test = "an_error_in_the_shader_of_a_filter_is_noticed";
    noticed(test, Hostility::default(), sabotage, &expression_case(), expressions::agrees);
}

#[test]
fn an_error_in_the_shader_of_an_aggregation_is_noticed() {
    let sabotage = |shader: &Shader| off_by_one(shader, "row < parameters[0]", "row + 1u < parameters[0]");
    let test = "an_error_in_the_shader_of_an_aggregation_is_noticed";
    noticed(test, Hostility::default(), sabotage, &aggregation_case(), aggregation::agrees);
}

/// Keys are compared from their second word on, and have one.
#[test]
fn an_error_in_the_shader_of_the_hash_table_is_noticed() {
    let sabotage =
        |shader: &Shader| off_by_one(shader, "var word = 0u; word < width", "var word = 1u; word < width");
    let test = "an_error_in_the_shader_of_the_hash_table_is_noticed";
    let hostility = Hostility { hash_table: true, ..Hostility::default() };
    noticed(test, hostility, sabotage, &aggregation_case(), aggregation::agrees);
}

#[test]
fn an_error_in_the_shader_of_a_sort_is_noticed() {
    let sabotage =
        |shader: &Shader| off_by_one(shader, "var word = 0u; word < width", "var word = 1u; word < width");
    let test = "an_error_in_the_shader_of_a_sort_is_noticed";
    noticed(test, Hostility::default(), sabotage, &sorting_case(), sorting::agrees);
}

/// The CPU kernels, with one value of the answer off by one.
struct Wrong;

impl Backend for Wrong {
    fn project(&self, predicate: Option<&Expr>, exprs: &[Expr], input: &Batches) -> Result<Got> {
        Ok(spoiled(Cpu::default().project(predicate, exprs, input)?))
    }

    fn aggregate(&self, spec: &AggregateSpec, input: &Batches) -> Result<Got> {
        Ok(spoiled(Cpu::default().aggregate(spec, input)?))
    }

    fn sort(&self, keys: &[SortKey], fetch: Option<usize>, input: &Batches) -> Result<Vec<u32>> {
        let mut order = Cpu::default().sort(keys, fetch, input)?;
        let last = order.len() - 1;
        order.swap(last - 1, last);
        Ok(order)
    }
}

/// The last integer of the last row that has one, plus one.
fn spoiled(mut got: Got) -> Got {
    let values = got.rows.iter_mut().rev().flatten();
    let mut integers =
        values.filter_map(|value| if let Datum::Int(value) = value { Some(value) } else { None });
    *integers.next().expect("an integer") += 1;
    got
}

#[test]
fn an_error_of_a_cpu_kernel_is_noticed() {
    assert_eq!(expressions::agrees(&Cpu::default(), &expression_case()), Ok(()));
    assert_eq!(aggregation::agrees(&Cpu::default(), &aggregation_case()), Ok(()));
    assert_eq!(sorting::agrees(&Cpu::default(), &sorting_case()), Ok(()));
    assert!(expressions::agrees(&Wrong, &expression_case()).is_err());
    assert!(aggregation::agrees(&Wrong, &aggregation_case()).is_err());
    assert!(sorting::agrees(&Wrong, &sorting_case()).is_err());
}

/// Every function: a wrong number, a wrong text, a list with one value less.
#[test]
fn an_error_of_an_aggregate_function_is_noticed() {
    for case in aggregation_functions::one_by_one() {
        let got = Cpu::default().aggregate(&case.spec, &case.input);
        assert_eq!(aggregation::judge(&case, &got), Ok(()), "{case:?}");
        let mut got = got.expect("the case has no error");
        let values = got.rows.iter_mut().rev().filter_map(|row| row.last_mut());
        change(values.into_iter().find(|value| !value.is_null()).expect("a value"));
        assert!(aggregation::judge(&case, &Ok(got)).is_err(), "{case:?}");
    }
}

/// A value that is another: a wrong number, a wrong text, a list with one value less.
fn change(value: &mut Datum) {
    match value {
        Datum::Int(value) => *value += 1,
        Datum::Float(value) => *value = *value * 1.5 + 1.0,
        Datum::Bool(value) => *value = !*value,
        Datum::Bytes(bytes) => bytes.push(b'!'),
        Datum::List(items) => items.truncate(items.len() - 1),
        Datum::Null => *value = Datum::Int(1),
    }
}

fn grouping_sets_case() -> aggregation_sets::Case {
    let mut aggregation = aggregation_case();
    aggregation.spec.keys.push(Expr::column(0, DataType::Int64));
    aggregation.spec.aggregates.push(avg(Expr::column(0, DataType::Int64)));
    aggregation.spec.float_sum = FloatSum::Reproducible;
    aggregation_sets::Case {
        aggregation,
        grouping: Grouping::Sets(vec![vec![0], vec![0, 1], vec![0], vec![]]),
    }
}

/// Grouping sets on either side: a wrong value in each column, a row too few, a last bit, other sets than were
/// asked for.
#[test]
fn an_error_of_grouping_sets_is_noticed() {
    let case = grouping_sets_case();
    let expected = case.expected();
    let judge = |got: Got| compare::outcome(&expected, &Ok(got), Order::Open);
    let reproducible = |config: &mut SessionConfig| config.float_sum = FloatSum::Reproducible;
    let device =
        plans::gpu_session("an_error_of_grouping_sets_is_noticed", ShaderMode::Checked, reproducible);
    for session in aggregation_sets::cpu_sessions(FloatSum::Reproducible).into_iter().chain(device) {
        let (got, report) = case.run(&session);
        let got = got.expect("the case has no error");
        assert_eq!(judge(got.clone()), Ok(()), "{report}");
        for column in 0..got.types.len() {
            let mut wrong = got.clone();
            change(&mut wrong.rows[0][column]);
            assert!(judge(wrong.clone()).is_err(), "column {column}\n{report}");
            assert!(aggregation_sets::same_bits(&got, &wrong).is_err(), "column {column}\n{report}");
        }
        let mut short = got.clone();
        short.rows.truncate(got.rows.len() - 1);
        assert!(judge(short).is_err(), "{report}");
        let mut last = got.clone();
        let mut floats = last.rows.iter_mut().filter_map(|row| row.last_mut());
        let float = floats.find_map(|value| if let Datum::Float(value) = value { Some(value) } else { None });
        let float = float.expect("a mean");
        *float = float.next_up();
        assert!(aggregation_sets::same_bits(&got, &last).is_err(), "{report}");
        for sets in [
            vec![vec![1], vec![0, 1], vec![0], vec![]],
            vec![vec![0], vec![0, 1], vec![], vec![]],
            vec![vec![0], vec![0, 1], vec![0]],
        ] {
            let other = aggregation_sets::Case { grouping: Grouping::Sets(sets.clone()), ..case.clone() };
            let got = other.run(&session).0.expect("the case has no error");
            assert!(judge(got).is_err(), "{sets:?}\n{report}");
        }
    }
}

/// An error on the side of the reference is one too: nothing compares a backend with itself.
#[test]
fn an_error_of_the_reference_is_noticed() {
    let case = expression_case();
    let got = Cpu::default().project(case.predicate.as_ref(), &case.exprs, &case.input);
    let mut expected = reference::project(&case.input.table(), case.predicate.as_ref(), &case.exprs);
    assert_eq!(compare::outcome(&expected, &got, Order::Kept), Ok(()));
    let table = expected.as_mut().expect("the case has no error");
    if let Datum::Int(value) = &mut table.rows[0].values[0] {
        *value -= 1;
    }
    assert!(compare::outcome(&expected, &got, Order::Kept).is_err());
    assert!(compare::outcome(&expected, &got, Order::Open).is_err());
}

/// A property that fails is reported, with its smallest case.
#[test]
#[should_panic(expected = "smallest case: 10")]
fn the_runner_reports_and_shrinks() {
    pilaster_tests::runner::check("a false property", 200, &(0u32..1000), |value| {
        if *value < 10 { Ok(()) } else { Err("ten or more".into()) }
    });
}

#[test]
fn values_outside_of_a_slice_and_under_nulls_are_not_compared() {
    let long: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), None, Some(1), Some(9)]));
    let got = Got::arrays(&[long.slice(1, 2)], 2);
    assert!(got.rows[0][0].is_null());
    assert!(matches!(got.rows[1][0], Datum::Int(1)));
}
