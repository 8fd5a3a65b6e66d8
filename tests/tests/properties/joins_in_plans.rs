//! Joins through a session: chains of two, below unions, above filters, over sources of every kind, on any build side.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use pilaster::join::{JoinKey, JoinSpec, JoinType, Side};
use pilaster::plan::{BatchSource, Join, MemorySource, Plan};
use pilaster::{Error, Report, Session, SessionConfig};
use pilaster_kernels::Result;
use pilaster_kernels::expr::{CompareOp, Expr};
use pilaster_tests::compare::{self, Got, Order};
use pilaster_tests::reference::{self, Answer, Table};
use pilaster_tests::runner::check;
use pilaster_tests::strategies::{
    Batches, Choices, JOIN_TYPES, JoinInput, any_join, choices, everything, join_side, literal,
};
use proptest::strategy::Strategy;

use super::plans::session;

/// ((left JOIN right) JOIN third) WHERE ..., all but the first join optional.
#[derive(Debug, Clone)]
struct Case {
    first: JoinInput,
    second: Option<(JoinSpec, Batches)>,
    filter: Option<Expr>,
    /// Build sides; none: the plan's own choice.
    build: [Option<Side>; 2],
    /// Which input comes as streams, in place of batches in memory; past the last one, none.
    streamed: usize,
    /// The left input is a union of its batches.
    union: bool,
    keys_only: bool,
}

/// Partitions that can only be read once, one after the other or at once.
#[derive(Debug)]
struct Streams(MemorySource);

impl BatchSource for Streams {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn partitions(&self) -> usize {
        self.0.partitions()
    }

    fn open(&self, partition: usize) -> Result<Box<dyn Iterator<Item = Result<RecordBatch>> + Send>> {
        self.0.open(partition)
    }
}

/// Decimals of the precision that plans are told: a source has no other.
fn declared(input: &Batches) -> Batches {
    let column = |(column, to): (&ArrayRef, &DataType)| match to.is_decimal() {
        true => cast(column, to).expect("a wider decimal"),
        false => Arc::clone(column),
    };
    let batch = |columns: &Vec<ArrayRef>| columns.iter().zip(&input.types).map(column).collect();
    let mut declared = input.clone();
    declared.batches = input.batches.iter().map(batch).collect();
    declared
}

fn source(input: &Batches, streamed: bool) -> Result<Plan> {
    let input = declared(input);
    let partitions = input.record_batches().into_iter().map(|batch| vec![batch]).collect();
    let source = MemorySource::with_partitions(input.schema(), partitions)?;
    Ok(if streamed { Plan::input(Arc::new(Streams(source))) } else { Plan::input(Arc::new(source)) })
}

fn joined(left: Plan, right: Plan, spec: &JoinSpec, build: Option<Side>) -> Result<Plan> {
    let JoinSpec { join_type, keys, residual, output, .. } = spec.clone();
    left.join(right, Join { join_type, keys, residual, output: Some(output), build })
}

impl Case {
    fn plan(&self) -> Result<Plan> {
        let left = match self.union && self.first.left.batches.len() > 1 {
            true => {
                let batch = |at| source(&self.first.left.only(at), self.streamed == 0);
                let parts = (0..self.first.left.batches.len()).map(batch).collect::<Result<_>>()?;
                // A union of batches of one schema; each of them may be empty.
                Plan::union(parts)?
            }
            false => source(&self.first.left, self.streamed == 0)?,
        };
        let right = source(&self.first.right, self.streamed == 1)?;
        let mut plan = joined(left, right, &self.first.spec, self.build[0])?;
        if let Some((spec, third)) = &self.second {
            plan = joined(plan, source(third, self.streamed == 2)?, spec, self.build[1])?;
        }
        if let Some(filter) = &self.filter {
            plan = plan.filter(filter.clone())?;
        }
        if self.keys_only {
            let (name, data_type) = (plan.schema().field(0).name().clone(), self.types()[0].clone());
            plan = plan.project(vec![(name, Expr::column(0, data_type))])?;
        }
        Ok(plan)
    }

    /// Logical types of the rows that the last join gives.
    fn types(&self) -> Vec<DataType> {
        output_types(self.second.as_ref().map_or(&self.first.spec, |(spec, _)| spec))
    }

    fn expected(&self) -> Answer<Table> {
        let JoinInput { spec, left, right } = &self.first;
        let mut table = reference::join(&left.table(), &right.table(), spec)?;
        if let Some((spec, third)) = &self.second {
            table = reference::join(&table, &third.table(), spec)?;
        }
        if let Some(filter) = &self.filter {
            table = reference::filter(&table, filter)?;
        }
        if self.keys_only {
            table = reference::project(&table, None, &[Expr::column(0, self.types()[0].clone())])?;
        }
        Ok(table)
    }

    /// Runs the plan and judges its rows, unless memory was refused.
    fn judge(&self, session: &Session) -> std::result::Result<Report, String> {
        let plan = self.plan().map_err(|error| format!("no plan: {error}"))?;
        let (result, report) = match session.collect(&plan) {
            Ok((batches, report)) => (Ok(batches), report),
            Err(error) => (Err(error), Report::default()),
        };
        if matches!(result, Err(Error::OutOfMemory { .. })) {
            return Ok(report);
        }
        let schema = Arc::clone(plan.schema());
        let got = result.map(|batches| Got::batches(&schema, &batches));
        let mut expected = self.expected();
        if let Ok(table) = &mut expected {
            table.types = schema.fields().iter().map(|field| field.data_type().clone()).collect();
        }
        if expected.is_err() && got.is_ok() && self.may_pass_over_rows() {
            return Ok(report);
        }
        compare::outcome(&expected, &got, Order::Open).map(|()| report)
    }

    /// A row that has a partner need not look at its other candidates, and nothing is read for a table without rows: the
    /// errors there are not met.
    fn may_pass_over_rows(&self) -> bool {
        let pairs = [JoinType::Inner, JoinType::Left, JoinType::Right, JoinType::Full];
        self.second.is_some() || !pairs.contains(&self.first.spec.join_type)
    }
}

fn output_types(spec: &JoinSpec) -> Vec<DataType> {
    spec.output.iter().map(|&column| spec.output_type(column).expect("a column").clone()).collect()
}

/// A join of what `first` gives with rows that mostly meet one of its columns.
fn any_second(first: &JoinSpec, most_rows: usize, choices: &mut Choices) -> (JoinSpec, Batches) {
    let left = output_types(first);
    let column = choices.pick(left.len());
    let join_type = *choices.one_of(&JOIN_TYPES);
    let right = vec![left[column].clone(), DataType::Int32];
    let third = join_side(&right, most_rows, choices);
    let key = JoinKey {
        left: Expr::column(column, left[column].clone()),
        right: Expr::column(0, left[column].clone()),
        nulls_equal: join_type != JoinType::LeftAntiNullAware && choices.rarely(3),
    };
    let output = everything(join_type, left.len(), right.len());
    (JoinSpec { join_type, left, right, keys: vec![key], residual: None, output }, third)
}

fn any_case(most_rows: usize) -> impl Strategy<Value = Case> {
    choices(200).prop_map(move |mut choices| {
        let choices = &mut choices;
        let first = any_join(most_rows, choices);
        let second = (choices.pick(2) == 1).then(|| any_second(&first.spec, most_rows / 2, choices));
        let types = output_types(second.as_ref().map_or(&first.spec, |(spec, _)| spec));
        let filter = (choices.pick(3) == 1).then(|| {
            let at = choices.pick(types.len());
            let value = Expr::literal(literal(&types[at], choices));
            let column = Expr::column(at, types[at].clone());
            Expr::compare(CompareOp::LtEq, column, value).expect("one type")
        });
        let build = [None, Some(Side::Left), Some(Side::Right)];
        Case {
            build: [*choices.one_of(&build), *choices.one_of(&build)],
            streamed: choices.pick(4),
            union: choices.pick(3) == 1,
            keys_only: choices.pick(3) == 1,
            first,
            second,
            filter,
        }
    })
}

fn sessions(change: impl Fn(&mut SessionConfig)) -> [Session; 3] {
    [1, 2, 4].map(|threads| {
        session(|config| {
            config.threads = threads;
            change(config);
        })
    })
}

fn agrees(name: &str, cases: u32, sessions: &[Session]) {
    check(name, cases, &any_case(65), |case| {
        let judged = |session| match case.judge(session)? {
            report if case.expected().is_ok() && !report.executed => Err("memory was refused".to_owned()),
            _ => Ok(()),
        };
        sessions.iter().try_for_each(judged)
    });
    assert!(sessions.iter().all(|session| session.reserved_host_bytes() == 0), "memory is given back");
}

#[test]
fn random_joins_in_plans_with_any_number_of_threads() {
    agrees("joins in plans, CPU", 200, &sessions(|_| {}));
}

/// Each chunk of a join is a row: what one source row gives comes in many chunks, through the next join and into the sink.
#[test]
fn random_joins_in_plans_row_by_row() {
    agrees("joins in plans, chunks of one row, CPU", 60, &sessions(|config| config.cpu_batch_rows = 1));
}

/// Budgets that some builds exceed: partitions on disk, cut again, one key in pieces; or the error that says so.
#[test]
fn random_joins_in_plans_in_little_memory() {
    let limits = [16_000u64, 60_000, 200_000];
    let sessions =
        limits.map(|bytes| session(|config| (config.threads, config.host_memory_limit_bytes) = (2, bytes)));
    let (divided, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    check("joins in plans in little memory, CPU", 120, &any_case(257), |case| {
        for session in &sessions {
            let report = case.judge(session)?;
            let details = report.operators.iter().flat_map(|operator| &operator.details);
            if details.into_iter().any(|(name, _)| name == "partitions") {
                divided.fetch_add(1, Ordering::Relaxed);
            }
            refused.fetch_add(usize::from(!report.executed), Ordering::Relaxed);
        }
        Ok(())
    });
    let (divided, refused) = (divided.into_inner(), refused.into_inner());
    assert!(divided > 20, "{divided} joins were divided, {refused} refused");
    assert!(sessions.iter().all(|session| session.reserved_host_bytes() == 0), "memory is given back");
}
