//! Pipelines on a device, against rows computed by hand; what happens when the device fails. Without an adapter a test is
//! counted as skipped, with the reason.

use pilaster::aggregate::{Aggregate, AggregateFunction};
use pilaster::device::Fault;
use pilaster::expr::{OverflowMode, Rounding};
use pilaster::place::Outcome;
use pilaster::{Error, Report};

use super::*;

pub(super) fn config() -> SessionConfig {
    SessionConfig { backend: BackendChoice::Gpu, threads: 2, cpu_batch_rows: 1_000, ..Default::default() }
}

/// A session on whatever adapter there is; none, said aloud, where there is none.
pub(super) fn opened(config: SessionConfig) -> Option<Session> {
    let session = Session::new(config).unwrap();
    match session.device() {
        Ok(_) => Some(session),
        Err(error) => {
            crate::device::support::skip(&error.to_string());
            None
        }
    }
}

fn aggregate(function: AggregateFunction, input: Option<Expr>) -> Aggregate {
    Aggregate::new(function, input.into_iter().collect(), DataType::Int64)
}

/// Filter, groups by name, sort: two pipelines.
fn grouped(input: Plan) -> Plan {
    let aggregates = vec![
        ("rows".to_owned(), aggregate(AggregateFunction::CountRows, None)),
        ("total".to_owned(), aggregate(AggregateFunction::Sum, Some(value()))),
        ("most".to_owned(), aggregate(AggregateFunction::Max, Some(id()))),
    ];
    let keys = vec![("name".to_owned(), Expr::column(2, DataType::Utf8))];
    input
        .filter(less(id(), 3_500))
        .unwrap()
        .aggregate(keys, aggregates)
        .unwrap()
        .sort(vec![ascending(0)], None)
        .unwrap()
}

/// What [`grouped`] gives over ids from 0 up to 3,500 at least: rows, total, most per name.
fn expected() -> [Vec<Option<i64>>; 3] {
    let mut groups = [[0i64, 0, 0]; 3];
    for id in 0..3_500 {
        let group = &mut groups[(id % 3) as usize];
        group[0] += 1;
        group[1] += if id % 5 == 0 { 0 } else { 7 * id % 10 };
        group[2] = id;
    }
    [0, 1, 2].map(|column| groups.iter().map(|group| Some(group[column])).collect())
}

fn rows_are_right(session: &Session, plan: &Plan) -> Report {
    let (batches, report) = session.collect(plan).unwrap();
    assert_eq!([1, 2, 3].map(|column| ints(&batches, column)), expected());
    assert_eq!(batches[0].schema_ref(), plan.schema());
    assert_eq!(session.reserved_host_bytes(), 0);
    report
}

#[test]
fn supported_pipelines_are_taken_in_one_submission_each() {
    let Some(session) = opened(SessionConfig { strict: true, ..config() }) else { return };
    let plan = grouped(source(2, 2, 1_000));
    let explained = session.explain(&plan).unwrap();
    assert_eq!((explained.taken(), explained.left(), explained.executed), (4, 0, false));
    let report = rows_are_right(&session, &plan);
    assert_eq!((report.taken(), report.left(), report.fell_back()), (4, 0, 0), "{report}");
    for pipeline in &report.pipelines {
        assert_eq!((pipeline.submissions, pipeline.read_backs), (1, 1), "{report}");
        assert!(pipeline.bytes_up > 0 && pipeline.bytes_down > 0, "{report}");
    }
    assert!(report.adapter.is_some() && report.peak_device_bytes > 0);
}

#[test]
fn a_small_device_budget_means_more_programs_and_the_same_rows() {
    let limits = SessionConfig { device_memory_limit_bytes: 1 << 20, device_batch_rows: 500, ..config() };
    let Some(session) = opened(limits) else { return };
    let report = rows_are_right(&session, &grouped(source(2, 30, 1_000)));
    assert!(report.pipelines[0].submissions > 1, "{report}");
    assert_eq!(report.fell_back(), 0, "{report}");
}

#[test]
fn a_device_lost_half_way_means_the_same_rows_from_the_cpu() {
    let Some(session) = opened(config()) else { return };
    let plan = grouped(source(2, 2, 1_000));
    session.device().unwrap().inject(Fault::LoseAfterStages(0));
    let report = rows_are_right(&session, &plan);
    assert_eq!(report.fell_back(), 3, "{report}");
    let reasons = report.operators.iter().filter_map(|operator| operator.outcome.reason());
    assert!(reasons.clone().any(|reason| reason.contains("lost")), "{report}");
    // The query's second pipeline has opened the device again, and the next query finds it.
    let report = rows_are_right(&session, &plan);
    assert_eq!(report.taken(), 4, "{report}");
}

#[test]
fn a_strict_session_fails_instead() {
    let Some(session) = opened(SessionConfig { strict: true, ..config() }) else { return };
    let plan = grouped(source(2, 2, 1_000));
    session.device().unwrap().inject(Fault::LoseAfterStages(0));
    let error = session.collect(&plan).unwrap_err();
    assert!(matches!(error, Error::DeviceLost(_)), "{error}");
    rows_are_right(&session, &plan);
    let limited = source(1, 1, 100).filter(less(id(), 50)).unwrap().limit(0, Some(3)).unwrap();
    let error = session.collect(&limited).unwrap_err();
    assert!(matches!(&error, Error::Unsupported { what, .. } if what.contains("limit")), "{error}");
    assert!(matches!(session.explain(&limited), Err(Error::Unsupported { .. })));
}

#[test]
fn an_error_of_the_data_is_no_reason_to_fall_back() {
    let Some(session) = opened(config()) else { return };
    let max = Expr::literal(i64::MAX);
    let (op, rounding) = (pilaster::expr::ArithmeticOp::Add, Rounding::default());
    let huge = Expr::arithmetic(op, value(), max, DataType::Int64, OverflowMode::Checked, rounding).unwrap();
    let total = vec![("t".to_owned(), aggregate(AggregateFunction::Max, Some(huge)))];
    let plan = source(1, 1, 1_000).aggregate(vec![], total).unwrap();
    let error = session.collect(&plan).unwrap_err();
    assert!(matches!(error, Error::ArithmeticOverflow { .. }), "{error}");
    rows_are_right(&session, &grouped(source(2, 2, 1_000)));
}

#[test]
fn no_adapter_means_the_cpu_or_an_error() {
    let nowhere = SessionConfig { adapter: Some("no such adapter".into()), ..config() };
    let plan = grouped(source(2, 2, 1_000));
    let report = rows_are_right(&Session::new(nowhere.clone()).unwrap(), &plan);
    assert_eq!(report.taken(), 0);
    let reason = |outcome: &Outcome| outcome.reason().is_some_and(|reason| reason.contains("adapter"));
    assert!(report.operators.iter().all(|operator| reason(&operator.outcome)), "{report}");
    let strict = Session::new(SessionConfig { strict: true, ..nowhere.clone() }).unwrap();
    assert!(matches!(strict.collect(&plan), Err(Error::Unsupported { .. })));
    let auto = SessionConfig { backend: BackendChoice::Auto, ..nowhere };
    assert_eq!(rows_are_right(&Session::new(auto).unwrap(), &plan).taken(), 0);
}

#[test]
fn filter_and_project_are_taken_and_keep_the_order_of_a_sort() {
    let Some(session) = opened(SessionConfig { strict: true, ..config() }) else { return };
    let (op, rounding) = (pilaster::expr::ArithmeticOp::Add, Rounding::default());
    let sum = Expr::arithmetic(op, id(), value(), DataType::Int64, OverflowMode::Checked, rounding).unwrap();
    let columns = vec![("sum".to_owned(), sum), ("name".to_owned(), Expr::column(2, DataType::Utf8))];
    let backwards = SortKey { column: 0, descending: true, nulls_first: false };
    let plan = source(2, 2, 1_000)
        .sort(vec![backwards], None)
        .unwrap()
        .filter(less(value(), 5))
        .unwrap()
        .project(columns)
        .unwrap();
    let (batches, report) = session.collect(&plan).unwrap();
    let kept = (0..4_000i64).rev().filter(|id| id % 5 != 0 && 7 * id % 10 < 5);
    assert_eq!(ints(&batches, 0), kept.map(|id| Some(id + 7 * id % 10)).collect::<Vec<_>>());
    assert!(batches.iter().all(|batch| batch.schema_ref() == plan.schema()));
    assert_eq!((report.taken(), report.pipelines[1].submissions), (4, 1), "{report}");
}

/// Results that a device reads from disk, and a sort that is too large for it.
#[test]
fn a_device_reads_what_was_spilled() {
    let folder = tempfile::tempdir().unwrap();
    let limits = SessionConfig {
        host_memory_limit_bytes: 4 << 20,
        spill_folder: Some(folder.path().into()),
        ..config()
    };
    let Some(session) = opened(limits) else { return };
    let backwards = SortKey { column: 0, descending: true, nulls_first: false };
    let sorted = source(2, 20, 3_000).sort(vec![backwards], None).unwrap();
    let totals = vec![
        ("rows".to_owned(), aggregate(AggregateFunction::CountRows, None)),
        ("total".to_owned(), aggregate(AggregateFunction::Sum, Some(id()))),
    ];
    let plan = sorted.aggregate(vec![("value".to_owned(), value())], totals).unwrap();
    let plan = plan.sort(vec![ascending(0)], None).unwrap();
    let (batches, report) = session.collect(&plan).unwrap();
    let mut expected = std::collections::BTreeMap::new();
    for id in (0..120_000i64).filter(|id| id % 5 != 0) {
        let (rows, total) = expected.entry(7 * id % 10).or_insert((0, 0));
        *rows += 1;
        *total += id;
    }
    let nulls = (0..120_000i64).filter(|id| id % 5 == 0);
    let expected = expected.into_iter().map(|(value, group)| (Some(value), group));
    let expected: Vec<_> = expected.chain([(None, (24_000, nulls.sum::<i64>()))]).collect();
    let columns = [0, 1, 2].map(|column| ints(&batches, column));
    let found = (0..columns[0].len())
        .map(|row| (columns[0][row], (columns[1][row].unwrap_or(0), columns[2][row].unwrap_or(0))));
    assert_eq!(found.collect::<Vec<_>>(), expected);
    assert!(report.pipelines[0].spilled_bytes > 0, "{report}");
    let aggregate = report.operators.iter().find(|operator| operator.operator.starts_with("Aggregate"));
    assert!(aggregate.is_some_and(|aggregate| aggregate.outcome == Outcome::Taken), "{report}");
    assert_eq!((session.reserved_host_bytes(), std::fs::read_dir(folder.path()).unwrap().count()), (0, 0));
}
