//! Whole plans through a session.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int8Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use pilaster::device::ShaderMode;
use pilaster::plan::{MemorySource, Plan};
use pilaster::{BackendChoice, Report, Session, SessionConfig};
use pilaster_kernels::Result;
use pilaster_kernels::aggregate::AggregateSpec;
use pilaster_kernels::expr::{CompareOp, Expr, value_type};
use pilaster_kernels::sort::SortKey;
use pilaster_tests::compare::{self, Got, Order};
use pilaster_tests::devices;
use pilaster_tests::reference::{self, Answer, Table};
use pilaster_tests::runner::check;
use pilaster_tests::strategies::{
    Batches, Choices, ExprLimits, aggregate_spec, all_types, batches, boolean_expr, choices, literal,
    sort_keys,
};
use proptest::strategy::Strategy;

use super::backends::Share;

/// filter -> project -> aggregate -> sort, each of them optional.
#[derive(Clone)]
struct Case {
    input: Batches,
    filter: Option<Expr>,
    project: Option<Vec<Expr>>,
    aggregate: Option<AggregateSpec>,
    sort: Option<(Vec<SortKey>, Option<usize>)>,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.plan(&self.input) {
            Ok(plan) => writeln!(f, "{plan:#?}")?,
            Err(error) => writeln!(f, "no plan: {error}")?,
        }
        self.input.fmt(f)
    }
}

impl Case {
    /// The plan over `input`, dealt to two partitions.
    fn plan(&self, input: &Batches) -> Result<Plan> {
        let all = input.record_batches();
        let (even, odd): (Vec<_>, Vec<_>) = all.into_iter().enumerate().partition(|(at, _)| at % 2 == 0);
        let part = |batches: Vec<(usize, RecordBatch)>| batches.into_iter().map(|(_, batch)| batch).collect();
        let source = MemorySource::with_partitions(input.schema(), vec![part(even), part(odd)])?;
        let mut plan = Plan::input(Arc::new(source));
        if let Some(filter) = &self.filter {
            plan = plan.filter(filter.clone())?;
        }
        let named = |exprs: &[Expr], prefix: &str| {
            exprs
                .iter()
                .enumerate()
                .map(|(at, expr)| (format!("{prefix}{at}"), expr.clone()))
                .collect::<Vec<_>>()
        };
        if let Some(exprs) = &self.project {
            plan = plan.project(named(exprs, "p"))?;
        }
        if let Some(spec) = &self.aggregate {
            let aggregates = spec.aggregates.iter().enumerate();
            let aggregates =
                aggregates.map(|(at, aggregate)| (format!("a{at}"), aggregate.clone())).collect();
            plan = plan.aggregate(named(&spec.keys, "k"), aggregates)?;
        }
        if let Some((keys, fetch)) = &self.sort {
            plan = plan.sort(keys.clone(), *fetch)?;
        }
        Ok(plan)
    }

    fn expected(&self) -> Answer<Table> {
        let mut table = self.input.table();
        // The sources' schema is physical; what leaves the plan has it.
        if let Some(filter) = &self.filter {
            table = reference::filter(&table, filter)?;
        }
        if let Some(exprs) = &self.project {
            table = reference::project(&table, None, exprs)?;
        }
        if let Some(spec) = &self.aggregate {
            table = reference::aggregate(spec, &table)?;
        }
        if let Some((keys, fetch)) = &self.sort {
            table = reference::sort(&table, keys, *fetch);
        }
        Ok(table)
    }

    fn order(&self) -> Order {
        // Groups have distinct keys, so their order is all there is to it. Rows with equal keys come from two partitions.
        if self.sort.is_some() && self.aggregate.is_some() { Order::Kept } else { Order::Open }
    }

    /// Runs the plan and judges its rows.
    fn judge(&self, session: &Session, input: &Batches) -> Result<Report, String> {
        let plan = self.plan(input).map_err(|error| format!("no plan: {error}"))?;
        let (result, report) = match session.collect(&plan) {
            Ok((batches, report)) => (Ok(batches), report),
            Err(error) => (Err(error), Report::default()),
        };
        let schema = Arc::clone(plan.schema());
        let got = result.map(|batches| Got::batches(&schema, &batches));
        let mut expected = self.expected();
        // A plan's schema names what its sources' arrays are.
        if let Ok(table) = &mut expected {
            table.types = schema.fields().iter().map(|field| field.data_type().clone()).collect();
        }
        compare::outcome(&expected, &got, self.order())?;
        if let (Ok(expected), Ok(got), Some((keys, _))) = (&expected, &got, &self.sort) {
            for (row, (expected, got)) in expected.rows.iter().zip(&got.rows).enumerate() {
                let equal =
                    |key: &SortKey| expected.values[key.column].order_nulls_first(&got[key.column]).is_eq();
                if !keys.iter().all(equal) {
                    return Err(format!("row {row} is out of order"));
                }
            }
        }
        Ok(report)
    }
}

/// Columns, and tests of columns that cannot fail: what is above decides which of them are evaluated at all.
fn projection(columns: &[DataType], choices: &mut Choices) -> Vec<Expr> {
    let one = |choices: &mut Choices| {
        let at = choices.pick(columns.len());
        let column = Expr::column(at, columns[at].clone());
        match choices.pick(4) {
            0 => Expr::is_null(column),
            1 => {
                let value = Expr::literal(literal(&columns[at], choices));
                Expr::compare(CompareOp::LtEq, column, value).expect("one type")
            }
            _ => column,
        }
    };
    (0..1 + choices.pick(4)).map(|_| one(choices)).collect()
}

fn any_case(types: Vec<DataType>, most_rows: usize) -> impl Strategy<Value = Case> {
    choices(300).prop_map(move |mut choices| {
        let choices = &mut choices;
        let count = 1 + choices.pick(4);
        let mut columns: Vec<DataType> = (0..count).map(|_| choices.one_of(&types).clone()).collect();
        let input = batches(&columns, most_rows, 1..5, choices);
        // The schema of a source is that of its arrays.
        columns = input.schema().fields().iter().map(|field| value_type(field.data_type()).clone()).collect();
        let limits = ExprLimits { columns: columns.clone(), depth: choices.pick(3) };
        let filter = (choices.pick(2) == 1).then(|| boolean_expr(&limits, choices));
        let project = (choices.pick(3) == 1).then(|| projection(&columns, choices));
        if let Some(exprs) = &project {
            columns = exprs.iter().map(Expr::data_type).collect();
        }
        let aggregate = (choices.pick(2) == 1).then(|| {
            let spec = aggregate_spec(&ExprLimits { columns: columns.clone(), depth: 0 }, 2, choices);
            AggregateSpec { predicate: None, ..spec }
        });
        let sort = sort(&columns, aggregate.as_ref(), choices);
        Case { input, filter, project, aggregate, sort }
    })
}

/// Above an aggregation the order of groups is open, so all keys are sorted by; ties of other sorts stay open across
/// partitions, so those keep all rows.
fn sort(
    columns: &[DataType],
    aggregate: Option<&AggregateSpec>,
    choices: &mut Choices,
) -> Option<(Vec<SortKey>, Option<usize>)> {
    if choices.pick(2) == 0 {
        return None;
    }
    let key = |column, choices: &mut Choices| SortKey {
        column,
        descending: choices.pick(2) == 1,
        nulls_first: choices.pick(2) == 1,
    };
    match aggregate {
        Some(spec) if spec.keys.is_empty() => None,
        Some(spec) => {
            let keys = (0..spec.keys.len()).map(|at| key(at, choices)).collect();
            Some((keys, (choices.pick(2) == 1).then(|| choices.pick(6))))
        }
        None => Some((sort_keys(columns.len(), choices), None)),
    }
}

pub fn session(change: impl FnOnce(&mut SessionConfig)) -> Session {
    let mut config = SessionConfig { backend: BackendChoice::Cpu, ..SessionConfig::default() };
    change(&mut config);
    Session::new(config).expect("a session")
}

#[test]
fn random_plans_on_cpu_with_any_number_of_threads() {
    let sessions = [1, 2, 4].map(|threads| session(|config| config.threads = threads));
    check("plans, CPU", 500, &any_case(all_types(), 260), |case| {
        sessions.iter().try_for_each(|session| case.judge(session, &case.input).map(drop))
    });
    assert!(sessions.iter().all(|session| session.reserved_host_bytes() == 0), "memory is given back");
}

#[test]
fn random_plans_on_cpu_row_by_row() {
    let session = session(|config| (config.threads, config.cpu_batch_rows) = (2, 1));
    check("plans, batches of one row, CPU", 120, &any_case(all_types(), 65), |case| {
        case.judge(&session, &case.input.cut(1)).map(drop)
    });
}

/// A session that fails rather than leave anything to the CPU.
pub fn gpu_session(test: &str, mode: ShaderMode, change: impl FnOnce(&mut SessionConfig)) -> Option<Session> {
    devices::device(test, mode)?;
    Some(session(|config| {
        config.backend = BackendChoice::Gpu;
        config.strict = true;
        config.threads = 2;
        config.device = devices::config(mode);
        change(config);
    }))
}

/// The types of the catalogue: fewer types, fewer shaders.
fn few_types() -> Vec<DataType> {
    vec![DataType::Int64, DataType::Boolean, DataType::Decimal128(15, 2), DataType::Utf8, DataType::Date32]
}

/// On the device, or refused for want of a kernel; never silently elsewhere.
fn placed(case: &Case, session: &Session, input: &Batches, share: &Share) -> Result<(), String> {
    let plan = case.plan(input).map_err(|error| format!("no plan: {error}"))?;
    let explained = session.explain(&plan);
    if !share.ran(&explained) {
        return Ok(());
    }
    let report = case.judge(session, input)?;
    if report.executed && report.fell_back() > 0 {
        return Err(format!("fell back:\n{report}"));
    }
    if report.executed && input.total() > 0 && report.taken() == 0 && case.computes() {
        return Err(format!("nothing was taken:\n{report}"));
    }
    Ok(())
}

impl Case {
    /// More than the passing on of columns.
    fn computes(&self) -> bool {
        self.filter.is_some() || self.aggregate.is_some()
    }
}

#[test]
fn random_plans_on_gpu() {
    let Some(session) = gpu_session("random_plans_on_gpu", ShaderMode::Checked, |_| {}) else { return };
    let share = Share::default();
    check("plans, GPU", 50, &any_case(few_types(), 1100), |case| placed(case, &session, &case.input, &share));
    share.at_least(60);
}

#[test]
fn random_plans_on_gpu_in_many_programs() {
    let hostile = |config: &mut SessionConfig| config.device_batch_rows = 64;
    let test = "random_plans_on_gpu_in_many_programs";
    let Some(session) = gpu_session(test, ShaderMode::Trusted, hostile) else { return };
    let share = Share::default();
    check("plans in many programs, GPU", 30, &any_case(few_types(), 1100), |case| {
        placed(case, &session, &case.input, &share)
    });
    share.at_least(60);
}

/// 200 groups under a schema whose dictionary keys are `Int8`: the result is split, not refused.
#[test]
fn more_groups_than_the_keys_of_a_dictionary() {
    let part = |from: usize| -> RecordBatch {
        let texts: Vec<String> = (from..from + 100).map(|at| format!("text {at}")).collect();
        let keys = Int8Array::from_iter_values(0..100);
        let column: ArrayRef = Arc::new(DictionaryArray::new(keys, Arc::new(StringArray::from(texts))));
        RecordBatch::try_from_iter([("text", column)]).unwrap()
    };
    let source = MemorySource::try_new(vec![part(0), part(100)]).unwrap();
    let key = ("text".to_string(), Expr::column(0, DataType::Utf8));
    let plan = Plan::input(Arc::new(source)).aggregate(vec![key], vec![]).unwrap();
    let text = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
    let schema = Schema::new(vec![Field::new("text", text, true)]);
    let plan = plan.with_schema(Arc::new(schema)).unwrap();
    let (batches, _) = session(|_| {}).collect(&plan).unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 200);
    assert!(batches.iter().all(|batch| batch.schema_ref() == plan.schema()));
}
