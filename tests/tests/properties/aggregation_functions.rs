//! Every aggregate function on the CPU: against the reference, in random trees of merges, with long strings.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use arrow::datatypes::DataType;
use pilaster::plan::{GroupingSets, MemorySource, Plan};
use pilaster::{BackendChoice, Session, SessionConfig};
use pilaster_kernels::Result;
use pilaster_kernels::aggregate::{
    Aggregate, AggregateFunction as F, AggregateSpec, FloatSum, Fraction, Regression,
};
use pilaster_kernels::expr::{Expr, value_type};
use pilaster_tests::compare::{self, Got, Order};
use pilaster_tests::reference::{self, Grouping, Row, Table};
use pilaster_tests::runner::check;
use pilaster_tests::strategies::{
    Batches, Choices, ColumnRecipe, ExprLimits, Nulls, Physical, Spread, all_types, any_aggregate_spec,
    batches, choices, lengthen, sums_floats,
};
use proptest::strategy::Strategy;

use super::aggregation::{Case, agrees, judge};
use super::backends::{Backend, Cpu, aggregate_in_a_tree};

fn case(most_rows: usize, choices: &mut Choices) -> Case {
    let types = all_types();
    let count = 1 + choices.pick(4);
    let columns: Vec<DataType> = (0..count).map(|_| choices.one_of(&types).clone()).collect();
    let limits = ExprLimits { columns, depth: choices.pick(2) };
    let spec = any_aggregate_spec(&limits, 2, choices);
    Case { input: batches(&limits.columns, most_rows, 1..5, choices), spec }
}

fn any_case(most_rows: usize) -> impl Strategy<Value = Case> {
    choices(300).prop_map(move |mut choices| case(most_rows, &mut choices))
}

#[test]
fn every_function_on_cpu() {
    check("every function, CPU", 1500, &any_case(130), |case| agrees(&Cpu::default(), case));
}

/// Groups and values beyond every small limit.
#[test]
fn every_function_over_many_rows_on_cpu() {
    check("every function over many rows, CPU", 60, &any_case(1025), |case| agrees(&Cpu::default(), case));
}

#[test]
fn every_function_in_random_trees_of_merges() {
    let cases = choices(300).prop_map(|mut choices| (choices.seed(), case(260, &mut choices)));
    check("every function in trees of merges, CPU", 800, &cases, |(seed, case)| {
        judge(case, &aggregate_in_a_tree(&case.spec, &case.input, *seed))
    });
}

/// Not only within the bounds of the reference, but to the last bit; fast sums of floats aside.
#[test]
fn answers_do_not_depend_on_the_merges() {
    let cases = choices(300).prop_map(|mut choices| {
        let seed = choices.seed();
        let mut case = case(1025, &mut choices);
        let reproducible = case.spec.float_sum == FloatSum::Reproducible;
        case.spec.aggregates.retain(|aggregate| reproducible || !sums_floats(aggregate));
        (seed, case)
    });
    check("the same bits after any merges, CPU", 200, &cases, |(seed, case)| {
        let whole = Cpu::default().aggregate(&case.spec, &case.input);
        let tree = aggregate_in_a_tree(&case.spec, &case.input, *seed);
        match (whole, tree) {
            (Ok(whole), Ok(tree)) => {
                let rows = whole.rows.into_iter().map(Row::exact).collect();
                compare::table(&Table { types: whole.types, rows }, &tree, Order::Open)
            }
            (Err(_), Err(_)) => Ok(()),
            (whole, tree) => Err(format!("{:?} and {:?}", whole.map(|_| ()), tree.map(|_| ()))),
        }
    });
}

#[test]
fn strings_of_up_to_100_kb() {
    let cases = choices(200).prop_map(|mut choices| {
        let seed = choices.seed();
        let columns = vec![DataType::Utf8, DataType::Utf8, DataType::Int64];
        let limits = ExprLimits { columns, depth: 0 };
        let spec = any_aggregate_spec(&limits, 2, &mut choices);
        let recipe = |data_type: &DataType| ColumnRecipe {
            physical: Physical::Plain,
            ..ColumnRecipe::choose(data_type, &mut choices.clone())
        };
        let recipes = limits.columns.iter().map(recipe).collect();
        let mut input = Batches::new(recipes, &[17, 0, 23]);
        lengthen(&mut input, seed);
        (seed, Case { input, spec })
    });
    check("long strings, CPU", 100, &cases, |(seed, case)| {
        agrees(&Cpu::default(), case)?;
        judge(case, &aggregate_in_a_tree(&case.spec, &case.input, *seed))
    });
}

/// A plan of the aggregates over one partition, whose row groups of work any thread may take.
pub fn plan(case: &Case, aggregates: &[Aggregate], grouping: Option<&Grouping>) -> Result<Plan> {
    let source = Plan::input(Arc::new(MemorySource::try_new(case.input.record_batches())?));
    let named = |(at, key): (usize, &Expr)| (format!("k{at}"), key.clone());
    let keys: Vec<_> = case.spec.keys.iter().enumerate().map(named).collect();
    let named = |(at, aggregate): (usize, &Aggregate)| (format!("a{at}"), aggregate.clone());
    let aggregates = aggregates.iter().enumerate().map(named).collect();
    let sets = match grouping {
        None => return source.aggregate(keys, aggregates),
        Some(Grouping::Rollup) => GroupingSets::rollup(keys.len())?,
        Some(Grouping::Cube) => GroupingSets::cube(keys.len())?,
        Some(Grouping::Sets(sets)) => GroupingSets::new(keys.len(), sets)?,
    };
    source.aggregate_sets(keys, "id", sets, aggregates)
}

/// Columns of these types, and an aggregation of any functions over them that plans accept.
pub fn planned_case(types: &[DataType], most_rows: usize, most_keys: usize, choices: &mut Choices) -> Case {
    let count = 1 + choices.pick(4);
    let columns: Vec<DataType> = (0..count).map(|_| choices.one_of(types).clone()).collect();
    let input = batches(&columns, most_rows, 1..5, choices);
    // The schema of a source is that of its arrays.
    let schema = input.schema();
    let columns = schema.fields().iter().map(|field| value_type(field.data_type()).clone()).collect();
    let spec = any_aggregate_spec(&ExprLimits { columns, depth: 0 }, most_keys, choices);
    let mut case = Case { input, spec: AggregateSpec { predicate: None, ..spec } };
    // Some results that kernels can give are no SQL: plans refuse them.
    let aggregates = std::mem::take(&mut case.spec.aggregates);
    let planned = |aggregate: &Aggregate| plan(&case, std::slice::from_ref(aggregate), None).is_ok();
    case.spec.aggregates = aggregates.into_iter().filter(planned).collect();
    case
}

/// Through plan, pipelines and sinks, by any number of threads: rows that come to a thread late stand where they stood.
#[test]
fn every_function_in_a_session() {
    let cases = choices(300).prop_map(|mut choices| {
        let mut case = planned_case(&all_types(), 260, 2, &mut choices);
        case.spec.float_sum = FloatSum::Reproducible;
        case
    });
    let sessions = [1, 2, 4].map(|threads| {
        let backend = BackendChoice::Cpu;
        let float_sum = FloatSum::Reproducible;
        Session::new(SessionConfig { backend, threads, float_sum, ..SessionConfig::default() })
            .expect("a session")
    });
    let counts = [AtomicUsize::new(0), AtomicUsize::new(0)];
    check("every function in a session, CPU", 300, &cases, |case| {
        counts[usize::from(case.spec.aggregates.is_empty())].fetch_add(1, Relaxed);
        let plan = plan(case, &case.spec.aggregates, None).map_err(|error| format!("no plan: {error}"))?;
        let mut expected = reference::aggregate(&case.spec, &case.input.table());
        if let Ok(table) = &mut expected {
            table.types = plan.schema().fields().iter().map(|field| field.data_type().clone()).collect();
        }
        for session in &sessions {
            let got = session.collect(&plan).map(|(batches, _)| Got::batches(plan.schema(), &batches));
            compare::outcome(&expected, &got, Order::Open)?;
        }
        Ok(())
    });
    let [some, none] = counts.map(AtomicUsize::into_inner);
    assert!(some > 4 * none, "{none} of {some} plans were empty");
}

/// A case for each function, with and without DISTINCT, that has values in every group.
pub fn one_by_one() -> Vec<Case> {
    use DataType as T;
    let list = |item: DataType| T::List(Arc::new(arrow::datatypes::Field::new_list_field(item, true)));
    let functions = [
        (F::Count, 1, T::Int64, T::Int64),
        (F::Sum, 1, T::Int64, T::Int64),
        (F::Avg, 1, T::Int64, T::Float64),
        (F::Min, 1, T::Int64, T::Int64),
        (F::Max, 1, T::Int64, T::Int64),
        (F::First { ignore_nulls: true }, 1, T::Int64, T::Int64),
        (F::Last { ignore_nulls: true }, 2, T::Utf8, T::Utf8),
        (F::AnyValue, 1, T::Int64, T::Int64),
        (F::ArrayAgg { ignore_nulls: false }, 2, T::Utf8, list(T::Utf8)),
        (F::StringAgg { separator: "-".into() }, 2, T::Utf8, T::Utf8),
        (F::BoolAnd, 3, T::Boolean, T::Boolean),
        (F::BoolOr, 3, T::Boolean, T::Boolean),
        (F::BitAnd, 1, T::Int64, T::Int64),
        (F::BitOr, 1, T::Int64, T::Int64),
        (F::BitXor, 1, T::Int64, T::Int64),
        (F::PercentileCont(Fraction::HALF), 1, T::Int64, T::Float64),
        (F::PercentileDisc(Fraction::HALF), 2, T::Utf8, T::Utf8),
        (F::Mode, 1, T::Int64, T::Int64),
        (F::ApproxDistinct, 1, T::Int64, T::Int64),
        (F::ApproxPercentile(Fraction::HALF), 1, T::Int64, T::Float64),
        (F::Variance { sample: true }, 1, T::Int64, T::Float64),
        (F::Stddev { sample: false }, 1, T::Int64, T::Float64),
        (F::Covariance { sample: false }, 1, T::Int64, T::Float64),
        (F::Correlation, 1, T::Int64, T::Float64),
        (F::Regression(Regression::Slope), 1, T::Int64, T::Float64),
        (F::Regression(Regression::Intercept), 1, T::Int64, T::Float64),
        (F::Regression(Regression::Count), 1, T::Int64, T::Int64),
        (F::Regression(Regression::R2), 1, T::Int64, T::Float64),
        (F::Regression(Regression::AvgX), 1, T::Int64, T::Float64),
        (F::Regression(Regression::AvgY), 1, T::Int64, T::Float64),
        (F::Regression(Regression::Sxx), 1, T::Int64, T::Float64),
        (F::Regression(Regression::Syy), 1, T::Int64, T::Float64),
        (F::Regression(Regression::Sxy), 1, T::Int64, T::Float64),
    ];
    let recipe = |data_type: DataType, spread, seed| ColumnRecipe {
        data_type,
        physical: Physical::Plain,
        spread,
        nulls: Nulls::Percent(20),
        offset: 3,
        seed,
    };
    let input = Batches::new(
        vec![
            recipe(T::Int32, Spread::Tiny, 1),
            recipe(T::Int64, Spread::Small, 2),
            recipe(T::Utf8, Spread::Small, 3),
            recipe(T::Boolean, Spread::Tiny, 4),
            recipe(T::Int64, Spread::Small, 5),
        ],
        &[300, 100],
    );
    let mut cases = Vec::new();
    for (function, column, from, to) in functions {
        for distinct in [false, true] {
            let mut operands = vec![Expr::column(column, from.clone())];
            if function.operands().0 == 2 {
                operands.push(Expr::column(4, T::Int64));
            }
            let aggregate = Aggregate::new(function.clone(), operands, to.clone());
            let spec = AggregateSpec {
                predicate: None,
                keys: vec![Expr::column(0, T::Int32)],
                aggregates: vec![Aggregate { distinct, ..aggregate }],
                float_sum: FloatSum::Fast,
            };
            cases.push(Case { input: input.clone(), spec });
        }
    }
    cases
}
