//! Joins through a session: what the report says, filters that reach scans, joins that explode, builds over budget.

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::Int64Type;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use pilaster::aggregate::{Aggregate, AggregateFunction};
use pilaster::join::{JoinKey, JoinType, Side};
use pilaster::plan::Join;
use pilaster::scan::Scan;
use pilaster::{Error, Report};

use super::spill::{in_budget, limited};
use super::*;

fn equal_ids() -> Vec<JoinKey> {
    vec![JoinKey { left: id(), right: id(), nulls_equal: false }]
}

fn join(left: Plan, right: Plan, join_type: JoinType, build: Side) -> Plan {
    left.join(right, Join { build: Some(build), ..Join::on(join_type, equal_ids()) }).unwrap()
}

/// Rows, and the sum of the first column.
fn counted(plan: Plan) -> Plan {
    let of =
        |name: &str, function, inputs| (name.to_owned(), Aggregate::new(function, inputs, DataType::Int64));
    let aggregates =
        vec![of("rows", AggregateFunction::CountRows, vec![]), of("sum", AggregateFunction::Sum, vec![id()])];
    plan.aggregate(Vec::new(), aggregates).unwrap()
}

fn count_and_sum(batches: &[RecordBatch]) -> (i64, Option<i64>) {
    (ints(batches, 0)[0].unwrap(), ints(batches, 1)[0])
}

fn detail<'a>(report: &'a Report, operator: &str, name: &str) -> Option<&'a str> {
    let found = report.operators.iter().find(|found| found.operator.starts_with(operator))?;
    found.details.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

#[test]
fn a_report_says_what_was_built_and_how_it_was_found() {
    let plan = join(source(1, 1, 40), source(2, 3, 500), JoinType::Right, Side::Left);
    for threads in [1, 2, 4] {
        let (batches, report) = cpu(threads).collect(&plan).unwrap();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 3_000);
        assert_eq!(detail(&report, "Join", "build"), Some("left"));
        assert_eq!(detail(&report, "Join", "build_rows"), Some("40"));
        assert_eq!(detail(&report, "Join", "mode"), Some("direct"));
        assert_eq!(report.operators[0].rows_out, Some(3_000));
        assert_eq!(report.left(), 3);
    }
    // Nobody says which side: the one with fewer rows.
    let plan = source(2, 3, 500).join(source(1, 1, 40), Join::on(JoinType::Inner, equal_ids())).unwrap();
    let (_, report) = cpu(1).collect(&plan).unwrap();
    assert_eq!(detail(&report, "Join", "build"), Some("right"));
}

/// Ids `0..rows`, sorted, in row groups of 1,000.
fn file(folder: &tempfile::TempDir, rows: i64) -> Scan {
    let path = folder.path().join("rows.parquet");
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(1_000)).build();
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = ArrowWriter::try_new(file, schema(), Some(properties)).unwrap();
    writer.write(&batch(0..rows)).unwrap();
    writer.close().unwrap();
    Scan::open(&[&path]).unwrap()
}

#[test]
fn a_finished_table_prunes_the_scan_that_probes_it() {
    let folder = tempfile::tempdir().unwrap();
    let probe = || Plan::scan(file(&folder, 20_000));
    // Ids 5,000 to 5,004 and 7,000: six row groups have none.
    let wanted = |ids: &[i64]| {
        let rows: Vec<RecordBatch> = ids.iter().map(|id| batch(*id..id + 1)).collect();
        Plan::input(Arc::new(MemorySource::try_new(rows).unwrap()))
    };
    let few = || wanted(&[5_000, 5_001, 5_002, 5_003, 5_004, 7_000]);
    for (join_type, dropped) in [
        (JoinType::Inner, true),
        (JoinType::RightSemi, true),
        (JoinType::Left, true),
        (JoinType::Right, false),
        (JoinType::RightAnti, false),
        (JoinType::Full, false),
    ] {
        let plan = counted(join(few(), probe(), join_type, Side::Left));
        let (batches, report) = cpu(2).collect(&plan).unwrap();
        let rows = if dropped { 6 } else { 20_000 - i64::from(join_type == JoinType::RightAnti) * 6 };
        assert_eq!(count_and_sum(&batches).0, rows, "{join_type}");
        let read = report.operators.iter().find(|found| found.operator.starts_with("Scan")).unwrap();
        assert_eq!(read.rows_out, Some(if dropped { 2_000 } else { 20_000 }), "{join_type}: {report}");
        assert_eq!(detail(&report, "Join", "runtime_filters").is_some(), dropped, "{join_type}: {report}");
    }
    // A row that the second join drops does not reach the first, unless that one has to see it.
    for (first, reaches) in [(JoinType::Inner, 6), (JoinType::Full, 2_000)] {
        let ids = wanted(&(0..2_000).collect::<Vec<_>>());
        let both = join(ids, probe(), first, Side::Left);
        let key = JoinKey { left: id(), right: Expr::column(3, DataType::Int64), nulls_equal: false };
        let second = Join { build: Some(Side::Left), ..Join::on(JoinType::Inner, vec![key]) };
        let small = || wanted(&[1, 2, 3, 4, 5, 6]);
        let (batches, report) = cpu(2).collect(&counted(small().join(both, second).unwrap())).unwrap();
        assert_eq!(count_and_sum(&batches), (6, Some(21)));
        let inner = report.operators.iter().filter(|found| found.operator.starts_with("Join")).nth(1);
        let rows = inner.unwrap().rows_out.unwrap();
        assert!(if reaches == 6 { rows == 6 } else { rows >= 2_000 }, "{first}: {report}");
    }
}

#[test]
fn ten_billion_rows_under_a_limit() {
    let constant = |plan: Plan| {
        let zero = Expr::literal(0i64);
        plan.project(vec![("id".into(), zero), ("value".into(), id())]).unwrap()
    };
    let side = || constant(source(2, 10, 5_000));
    let one_key = join(side(), side(), JoinType::Inner, Side::Right);
    let cross = side().join(side(), Join::on(JoinType::Inner, Vec::new())).unwrap();
    for plan in [one_key, cross] {
        let folder = tempfile::tempdir().unwrap();
        let session = limited(2, 32 << 20, folder.path());
        let (batches, report) = session.collect(&plan.limit(3, Some(10)).unwrap()).unwrap();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 10);
        assert!(report.peak_host_bytes < 32 << 20);
        assert_eq!(session.reserved_host_bytes(), 0);
    }
}

#[test]
fn an_exploding_join_can_be_cancelled() {
    let plan =
        source(2, 10, 5_000).join(source(2, 10, 5_000), Join::on(JoinType::Inner, Vec::new())).unwrap();
    let session = cpu(2);
    let mut execution = session.run(&counted(plan)).unwrap();
    let flag = execution.cancellation();
    let canceller = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(100));
        flag.cancel();
    });
    assert!(matches!(execution.next(), Some(Err(Error::Cancelled))));
    canceller.join().unwrap();
    drop(execution);
}

const LIMIT: u64 = 1 << 20;

/// Twenty times the budget on the build side.
#[test]
fn a_build_side_of_twenty_times_the_budget() {
    let rows = 400_000;
    let build = || source(2, 40, rows / 80);
    assert!(rows as u64 * 53 > 20 * LIMIT);
    let probe = || source(2, 10, 1_500).filter(less(id(), 30_000)).unwrap();
    let sum = |to: i64| to * (to - 1) / 2;
    for (join_type, expected) in [
        (JoinType::Inner, (30_000, Some(sum(30_000)))),
        (JoinType::Left, (rows, Some(sum(rows)))),
        (JoinType::RightSemi, (30_000, Some(sum(30_000)))),
        (JoinType::LeftAnti, (rows - 30_000, Some(sum(rows) - sum(30_000)))),
        (JoinType::Full, (rows, Some(sum(rows)))),
    ] {
        let plan = counted(join(build(), probe(), join_type, Side::Left));
        let (batches, report) = in_budget(&plan, 2, LIMIT);
        assert_eq!(count_and_sum(&batches), expected, "{join_type}");
        assert_eq!(detail(&report, "Join", "partitions"), Some("64"), "{join_type}: {report}");
        let cut = detail(&report, "Join", "cut_again").unwrap().parse::<u64>().unwrap();
        let rows_out =
            report.operators.iter().find(|found| found.operator.starts_with("Join")).unwrap().rows_out;
        assert_eq!(rows_out, Some(expected.0 as u64), "{join_type}: {report}");
        assert!(cut > 0, "{join_type}: {report}");
    }
}

/// All rows of one key: no hash divides them. Where one side may be taken in pieces, it is; else the error says so.
#[test]
fn one_key_larger_than_memory() {
    let constant = |rows: i64, key: i64| {
        let columns = vec![("id".into(), Expr::literal(key)), ("value".into(), value())];
        source(1, 20, rows / 20).project(columns).unwrap()
    };
    let plan = |join_type| counted(join(constant(100_000, 7), constant(40, 7), join_type, Side::Left));
    for (join_type, rows) in [
        (JoinType::Inner, 4_000_000),
        (JoinType::Left, 4_000_000),
        (JoinType::Right, 4_000_000),
        (JoinType::LeftSemi, 100_000),
    ] {
        let (batches, _) = in_budget(&plan(join_type), 2, LIMIT);
        assert_eq!(count_and_sum(&batches), (rows, Some(7 * rows)), "{join_type}");
    }
    let folder = tempfile::tempdir().unwrap();
    let session = limited(2, LIMIT, folder.path());
    assert!(matches!(session.collect(&plan(JoinType::Full)), Err(Error::OutOfMemory { .. })));
    assert_eq!(session.reserved_host_bytes(), 0);
}

/// A union of inputs, a join over budget, another join over budget: what the first gives is cut for the second.
#[test]
fn two_builds_over_budget_above_a_union() {
    let rows = 60_000;
    let twice = Plan::union(vec![source(1, 10, 600), source(2, 5, 600)]).unwrap();
    let first = join(source(1, 20, rows / 20), twice, JoinType::Inner, Side::Left);
    let second = join(source(1, 20, rows / 20), first, JoinType::Right, Side::Left);
    let (batches, report) = in_budget(&counted(second), 3, LIMIT / 2);
    assert_eq!(count_and_sum(&batches), (12_000, Some(2 * 6_000 * 5_999 / 2)));
    let divided =
        report.operators.iter().filter(|found| found.details.iter().any(|(name, _)| name == "partitions"));
    assert_eq!(divided.count(), 2, "{report}");
}

#[test]
fn an_empty_build_side_reads_no_probe_side() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = source(1, 1, 100).filter(less(id(), 0)).unwrap();
    let plan = join(nothing, Plan::scan(file(&folder, 3_000)), JoinType::Inner, Side::Left);
    let (batches, report) = cpu(2).collect(&plan).unwrap();
    assert!(batches.is_empty());
    let scan = report.operators.iter().find(|found| found.operator.starts_with("Scan")).unwrap();
    assert_eq!(scan.rows_out, Some(0));
}

#[test]
fn a_join_keeps_the_rows_of_both_sides_together() {
    let plan = join(source(1, 2, 1_000), source(2, 2, 1_000), JoinType::Inner, Side::Right);
    let (batches, _) = cpu(3).collect(&plan).unwrap();
    for batch in &batches {
        let column = |at: usize| -> &ArrayRef { batch.column(at) };
        assert_eq!(column(0).as_primitive::<Int64Type>(), column(3).as_primitive::<Int64Type>());
        assert_eq!((column(1), column(2)), (column(4), column(5)));
    }
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 2_000);
}
