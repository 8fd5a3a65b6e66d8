//! Grouping sets, ROLLUP and CUBE through sessions. The reference aggregates the rows once for each set; the host rolls up
//! the groups of all keys, whichever side made them.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use pilaster::device::ShaderMode;
use pilaster::place::Outcome;
use pilaster::{BackendChoice, Report, Session, SessionConfig};
use pilaster_kernels::aggregate::gpu::GpuAggregate;
use pilaster_kernels::aggregate::{Aggregate, AggregateSpec, FloatSum};
use pilaster_shaders::Tier;
use pilaster_tests::compare::{self, Got, Order};
use pilaster_tests::reference::{self, Answer, Grouping, Row, Table};
use pilaster_tests::runner::check;
use pilaster_tests::strategies::{Choices, all_types, choices, count_rows, grouping};
use proptest::strategy::Strategy;

use super::aggregation;
use super::aggregation_functions::{plan, planned_case};
use super::backends::Share;
use super::plans::gpu_session;

/// An aggregation by several sets of its keys.
#[derive(Debug, Clone)]
pub struct Case {
    pub aggregation: aggregation::Case,
    pub grouping: Grouping,
}

impl Case {
    fn choose(types: &[DataType], most_rows: usize, choices: &mut Choices) -> Self {
        let aggregation = planned_case(types, most_rows, 3, choices);
        let grouping = grouping(aggregation.spec.keys.len(), choices);
        Case { aggregation, grouping }
    }

    /// What the reference gives, under the types of the source's arrays.
    pub fn expected(&self) -> Answer<Table> {
        let aggregation::Case { input, spec } = &self.aggregation;
        let mut table = reference::aggregate_sets(spec, &self.grouping, &input.table())?;
        let plan = plan(&self.aggregation, &spec.aggregates, Some(&self.grouping)).expect("planned before");
        let planned = plan.schema().fields().iter().map(|field| field.data_type().clone());
        let id = spec.keys.len();
        let own = std::mem::take(&mut table.types);
        table.types = planned.enumerate().map(|(at, t)| if at == id { own[at].clone() } else { t }).collect();
        Ok(table)
    }

    /// What a session gives, and where.
    pub fn run(&self, session: &Session) -> (pilaster_kernels::Result<Got>, Report) {
        let plan = plan(&self.aggregation, &self.aggregation.spec.aggregates, Some(&self.grouping));
        match plan.and_then(|plan| Ok((session.collect(&plan)?, plan))) {
            Ok(((batches, report), plan)) => (Ok(Got::batches(plan.schema(), &batches)), report),
            Err(error) => (Err(error), Report::default()),
        }
    }
}

/// Not only within the bounds of the reference: the same bits.
pub fn same_bits(one: &Got, other: &Got) -> Result<(), String> {
    let rows = one.rows.iter().cloned().map(Row::exact).collect();
    compare::table(&Table { types: one.types.clone(), rows }, other, Order::Open)
}

/// Sessions of 1, 2 and 4 threads.
pub fn cpu_sessions(float_sum: FloatSum) -> [Session; 3] {
    [1, 2, 4].map(|threads| {
        let backend = BackendChoice::Cpu;
        Session::new(SessionConfig { backend, threads, float_sum, ..SessionConfig::default() })
            .expect("a session")
    })
}

/// Every session's answer is the reference's; that of reproducible sums is also the first session's to the last bit.
fn agree(case: &Case, sessions: &[Session]) -> Result<(), String> {
    let expected = case.expected();
    let mut first = None;
    for session in sessions {
        let (got, _) = case.run(session);
        compare::outcome(&expected, &got, Order::Open)?;
        let Ok(got) = got else { continue };
        match &first {
            Some(first) if case.aggregation.spec.float_sum == FloatSum::Reproducible => {
                same_bits(first, &got)?;
            }
            Some(_) => {}
            None => first = Some(got),
        }
    }
    Ok(())
}

#[test]
fn grouping_sets_of_every_function_by_any_number_of_threads() {
    let fast = cpu_sessions(FloatSum::Fast);
    let reproducible = cpu_sessions(FloatSum::Reproducible);
    let cases = choices(300).prop_map(|mut choices| Case::choose(&all_types(), 260, &mut choices));
    check("grouping sets, CPU", 300, &cases, |case| match case.aggregation.spec.float_sum {
        FloatSum::Fast => agree(case, &fast),
        FloatSum::Reproducible => agree(case, &reproducible),
    });
    let sessions = fast.iter().chain(&reproducible);
    assert!(sessions.into_iter().all(|session| session.reserved_host_bytes() == 0), "memory is given back");
}

/// Few types, few shaders.
fn device_types() -> Vec<DataType> {
    use DataType as T;
    vec![
        T::Int64,
        T::Boolean,
        T::Decimal128(15, 2),
        T::Utf8,
        T::Float64,
        T::Int32,
        T::Timestamp(TimeUnit::Microsecond, None),
    ]
}

/// A case whose functions the device has; one that counts rows where it has none of them.
fn device_case(tier: &Tier, choices: &mut Choices) -> Case {
    let mut case = Case::choose(&device_types(), 1100, choices);
    let spec = &mut case.aggregation.spec;
    let alone = |aggregate: &Aggregate| AggregateSpec { aggregates: vec![aggregate.clone()], ..spec.clone() };
    let aggregates: Vec<Aggregate> = spec
        .aggregates
        .iter()
        .filter(|aggregate| GpuAggregate::supports(&alone(aggregate), tier).is_ok())
        .cloned()
        .collect();
    spec.aggregates = if aggregates.is_empty() { vec![count_rows()] } else { aggregates };
    spec.float_sum = FloatSum::Reproducible;
    case
}

/// True where the aggregation ran on the device.
pub fn taken(report: &Report) -> bool {
    let mut operators = report.operators.iter().filter(|operator| operator.operator.starts_with("Aggregate"));
    operators.next().is_some_and(|operator| operator.outcome == Outcome::Taken) && report.fell_back() == 0
}

#[test]
fn grouping_sets_where_the_device_groups() {
    let test = "grouping_sets_where_the_device_groups";
    let reproducible = |config: &mut SessionConfig| config.float_sum = FloatSum::Reproducible;
    let Some(session) = gpu_session(test, ShaderMode::Checked, reproducible) else { return };
    let device = session.device().expect("opened before");
    let tier = Arc::clone(&device).tier().clone();
    let [on_cpu, ..] = cpu_sessions(FloatSum::Reproducible);
    let share = Share::default();
    let cases = choices(300).prop_map(move |mut choices| device_case(&tier, &mut choices));
    check("grouping sets, GPU", 40, &cases, |case| {
        let (got, report) = case.run(&session);
        if !share.ran(&got) {
            return Ok(());
        }
        compare::outcome(&case.expected(), &got, Order::Open)?;
        let Ok(got) = got else { return Ok(()) };
        if case.aggregation.input.total() > 0 && !taken(&report) {
            return Err(format!("not taken:\n{report}"));
        }
        same_bits(&case.run(&on_cpu).0.map_err(|error| error.to_string())?, &got)
    });
    share.at_least(90);
}
