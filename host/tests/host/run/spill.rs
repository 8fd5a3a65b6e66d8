//! Aggregations, sorts and results between pipelines over budget: the right answer, from files that are gone afterwards.

use parquet::arrow::ArrowWriter;
use pilaster::aggregate::{Aggregate, AggregateFunction};
use pilaster::scan::Scan;

use super::*;

const LIMIT: u64 = 6 << 20;

/// Groups by `id * 2^33`: nearly every row is one.
fn many_groups(rows: i64) -> Plan {
    let shifted = Expr::arithmetic(
        pilaster::expr::ArithmeticOp::Multiply,
        id(),
        Expr::literal(1i64 << 33),
        DataType::Int64,
        pilaster::expr::OverflowMode::Checked,
        pilaster::expr::Rounding::default(),
    );
    let name = Expr::column(2, DataType::Utf8);
    let aggregates = vec![
        ("rows", Aggregate::new(AggregateFunction::CountRows, vec![], DataType::Int64)),
        ("sum", Aggregate::new(AggregateFunction::Sum, vec![value()], DataType::Int64)),
        ("name", Aggregate::new(AggregateFunction::Max, vec![name], DataType::Utf8)),
    ];
    let aggregates = aggregates.into_iter().map(|(alias, aggregate)| (alias.to_owned(), aggregate));
    let twice = Plan::union(vec![source(2, 10, rows / 20), source(1, 10, rows / 10)]).unwrap();
    twice.aggregate(vec![("key".into(), shifted.unwrap())], aggregates.collect()).unwrap()
}

/// A session that spills into `folder`.
pub fn limited(threads: usize, bytes: u64, folder: &std::path::Path) -> Session {
    let config = SessionConfig {
        backend: BackendChoice::Cpu,
        threads,
        cpu_batch_rows: 1_000,
        host_memory_limit_bytes: bytes,
        spill_folder: Some(folder.into()),
        ..Default::default()
    };
    Session::new(config).unwrap()
}

fn files(folder: &std::path::Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

/// Runs a plan in a budget: something was spilled, the budget was held, nothing is left.
pub fn in_budget(plan: &Plan, threads: usize, bytes: u64) -> (Vec<RecordBatch>, pilaster::Report) {
    let folder = tempfile::tempdir().unwrap();
    let session = limited(threads, bytes, folder.path());
    let (batches, report) = session.collect(plan).unwrap();
    assert!(report.spilled_bytes() > 0, "{report}");
    assert!(report.peak_host_bytes <= bytes, "{} of {bytes} bytes", report.peak_host_bytes);
    assert_eq!((session.reserved_host_bytes(), files(folder.path())), (0, 0));
    (batches, report)
}

fn detail(report: &pilaster::Report, what: &str) -> u64 {
    let details = report.operators.iter().flat_map(|operator| &operator.details);
    details.filter(|(name, _)| name == what).map(|(_, value)| value.parse::<u64>().unwrap()).sum()
}

#[test]
fn groups_over_budget_spill_and_come_out_right() {
    let rows = 60_000;
    for threads in [1, 2] {
        let (batches, report) = in_budget(&many_groups(rows), threads, LIMIT);
        assert!(detail(&report, "spilled bytes") > 1 << 20, "{report}");
        let mut found: Vec<(i64, i64, Option<i64>, String)> = Vec::new();
        for batch in &batches {
            let names = batch.column(3).as_any().downcast_ref::<StringArray>().unwrap();
            let of = |column: usize| ints(std::slice::from_ref(batch), column);
            let numbers = of(0).into_iter().zip(of(1)).zip(of(2)).zip(names);
            found.extend(numbers.map(|(((key, rows), sum), name)| {
                (key.unwrap() >> 33, rows.unwrap(), sum, name.unwrap().to_owned())
            }));
        }
        found.sort_unstable();
        let value = |id: i64| (id % 5 != 0).then_some(2 * (7 * id % 10));
        let expected: Vec<_> = (0..rows).map(|id| (id, 2, value(id), format!("n{}", id % 3))).collect();
        assert_eq!(found, expected);
    }
}

/// A scan of row groups that take a good part of the budget: what the aggregation holds must leave it room.
#[test]
fn a_scan_below_a_spilling_aggregation_has_room_to_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.parquet");
    let groups = 4;
    let rows = 60_000;
    let mut writer = ArrowWriter::try_new(std::fs::File::create(&file).unwrap(), schema(), None).unwrap();
    for group in 0..groups {
        writer.write(&batch(group * rows..(group + 1) * rows)).unwrap();
        writer.flush().unwrap();
    }
    writer.close().unwrap();
    let scan = Scan::open(&[&file]).unwrap();
    let count = ("rows".to_owned(), Aggregate::new(AggregateFunction::CountRows, vec![], DataType::Int64));
    let name = Expr::column(2, DataType::Utf8);
    let keys = vec![("id".to_owned(), id()), ("name".to_owned(), name)];
    let plan = Plan::scan(scan).aggregate(keys, vec![count]).unwrap();
    let config = SessionConfig {
        backend: BackendChoice::Cpu,
        threads: 2,
        host_memory_limit_bytes: 2 * LIMIT,
        spill_folder: Some(folder.path().into()),
        ..Default::default()
    };
    let (batches, report) = Session::new(config).unwrap().collect(&plan).unwrap();
    assert!(report.spilled_bytes() > 0, "{report}");
    assert!(report.peak_host_bytes <= 2 * LIMIT, "{} bytes", report.peak_host_bytes);
    let mut ids: Vec<i64> = ints(&batches, 0).into_iter().flatten().collect();
    ids.sort_unstable();
    assert!(ids.iter().copied().eq(0..groups * rows));
    assert!(ints(&batches, 2).iter().all(|&count| count == Some(1)));
}

/// A million groups, whose result of 32 bytes each is four times the budget, and 16 times what results may hold of it.
const GROUPS: i64 = 1_050_000;
const BUDGET: u64 = 8 << 20;

/// Columns: the group's number, its number of rows, which is 1, and its value, twice.
fn a_million_groups() -> Plan {
    let aggregates = vec![
        ("rows", Aggregate::new(AggregateFunction::CountRows, vec![], DataType::Int64)),
        ("most", Aggregate::new(AggregateFunction::Max, vec![value()], DataType::Int64)),
        ("sum", Aggregate::new(AggregateFunction::Sum, vec![value()], DataType::Int64)),
    ];
    let aggregates = aggregates.into_iter().map(|(alias, aggregate)| (alias.to_owned(), aggregate));
    let input = source(3, 10, GROUPS / 30);
    input.aggregate(vec![("id".to_owned(), id())], aggregates.collect()).unwrap()
}

#[test]
fn an_aggregation_above_a_million_groups() {
    let most = Expr::column(2, DataType::Int64);
    let aggregates = vec![
        ("groups".to_owned(), Aggregate::new(AggregateFunction::CountRows, vec![], DataType::Int64)),
        ("total".to_owned(), Aggregate::new(AggregateFunction::Sum, vec![id()], DataType::Int64)),
    ];
    let plan = a_million_groups().aggregate(vec![("most".into(), most)], aggregates).unwrap();
    let (batches, report) = in_budget(&plan, 2, BUDGET);
    assert!(detail(&report, "result spilled bytes") > BUDGET / 4, "{report}");
    assert!(report.pipelines[0].spilled_bytes < 100 << 20, "written again and again: {report}");
    let mut found: Vec<[Option<i64>; 3]> = Vec::new();
    for batch in &batches {
        let of = |column: usize| ints(std::slice::from_ref(batch), column);
        found.extend((0..batch.num_rows()).map(|row| [0, 1, 2].map(|column| of(column)[row])));
    }
    found.sort_unstable();
    let mut expected = std::collections::BTreeMap::new();
    for id in 0..GROUPS {
        let value = (id % 5 != 0).then_some(7 * id % 10);
        let (groups, total) = expected.entry(value).or_insert((0, 0));
        *groups += 1;
        *total += id;
    }
    let expected: Vec<_> =
        expected.into_iter().map(|(value, (groups, total))| [value, Some(groups), Some(total)]).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_sort_above_a_million_groups() {
    let keys = vec![SortKey { column: 2, descending: true, nulls_first: false }, ascending(0)];
    let plan = a_million_groups().sort(keys, None).unwrap();
    let (batches, report) = in_budget(&plan, 2, BUDGET);
    assert!(detail(&report, "sorted runs") > 1, "{report}");
    assert!(detail(&report, "result spilled bytes") > BUDGET / 4, "{report}");
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), GROUPS as usize);
    assert!(ints(&batches, 3) == ints(&batches, 2), "columns stay with their rows");
    let mut expected: Vec<(i64, i64)> =
        (0..GROUPS).map(|id| (if id % 5 == 0 { 1 } else { -(7 * id % 10) }, id)).collect();
    expected.sort_unstable();
    assert!(ints(&batches, 0).into_iter().flatten().eq(expected.into_iter().map(|(_, id)| id)));
}

/// Few distinct keys, some null: ties show whether a sort is stable, whatever was spilled, merged and merged again.
#[test]
fn sorts_over_budget_are_stable() {
    let rows = 60_000;
    let by_value = SortKey { column: 1, descending: true, nulls_first: true };
    let mut expected: Vec<i64> = (0..rows).collect();
    expected.sort_by_key(|id| (id % 5 != 0).then_some(-(7 * id % 10)));
    let by_name = SortKey { column: 2, descending: true, nulls_first: true };
    let mut named: Vec<i64> = (0..rows).collect();
    named.sort_by_key(|id| -(id % 3));
    for threads in [1, 2, 4] {
        for (key, expected) in [(by_value, &expected), (by_name, &named)] {
            for (skip, fetch) in [(0, None), (100, None), (0, Some(50_000)), (20_000, Some(30_000))] {
                let input = source(3, 4, rows / 12).sort(vec![key], None).unwrap();
                let plan = input.limit(skip, fetch).unwrap();
                let (batches, report) = in_budget(&plan, threads, 1 << 20);
                assert!(detail(&report, "sorted runs") > 1, "{report}");
                let until = fetch.map_or(expected.len(), |fetch| (skip + fetch).min(expected.len()));
                let found: Vec<i64> = ints(&batches, 0).into_iter().flatten().collect();
                assert_eq!(found, expected[skip..until], "{threads} threads, {skip}, {fetch:?}");
            }
        }
    }
}

/// So little memory that runs are merged in several passes.
#[test]
fn many_short_runs_are_merged_in_passes() {
    let rows = 200_000;
    let plan = source(2, 20, rows / 40).sort(vec![ascending(1)], None).unwrap();
    let (batches, report) = in_budget(&plan, 2, 512 << 10);
    assert!(detail(&report, "sorted runs") > 64, "{report}");
    let mut expected: Vec<i64> = (0..rows).collect();
    expected.sort_by_key(|id| if id % 5 == 0 { 10 } else { 7 * id % 10 });
    assert!(ints(&batches, 0).into_iter().flatten().eq(expected));
}

#[test]
fn an_offset_over_budget_keeps_the_order() {
    let plan = source(3, 4, 5_000).limit(7, None).unwrap();
    let (batches, _) = in_budget(&plan, 2, 1 << 20);
    assert!(ints(&batches, 0).into_iter().flatten().eq(7..60_000));
}

/// What is above a sort reads it in order, also from disk.
#[test]
fn a_spilled_order_is_kept_by_what_reads_it() {
    let backwards = SortKey { column: 0, descending: true, nulls_first: false };
    let plan = source(3, 4, 5_000).sort(vec![backwards], None).unwrap().filter(less(value(), 5)).unwrap();
    let expected = (0..60_000i64).rev().filter(|id| id % 5 != 0 && 7 * id % 10 < 5);
    let (batches, _) = in_budget(&plan, 2, 1 << 20);
    assert!(ints(&batches, 0).into_iter().flatten().eq(expected));
}

#[test]
fn a_cancelled_query_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let session = limited(2, 1 << 20, folder.path());
    let many = a_million_groups().sort(vec![ascending(1), ascending(0)], None).unwrap();
    let execution = session.run(&many).unwrap();
    let start = std::time::Instant::now();
    while files(folder.path()) == 0 {
        assert!(start.elapsed() < std::time::Duration::from_secs(60), "nothing is spilled");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    execution.close();
    assert_eq!((session.reserved_host_bytes(), files(folder.path())), (0, 0));
    // In the merge: its first rows are out, all others wait on disk.
    let sorted = source(3, 4, 5_000).sort(vec![ascending(1)], None).unwrap();
    let mut execution = session.run(&sorted).unwrap();
    execution.next().unwrap().unwrap();
    assert!(files(folder.path()) > 0);
    execution.close();
    assert_eq!((session.reserved_host_bytes(), files(folder.path())), (0, 0));
}

#[test]
fn files_that_vanish_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let session = limited(1, 1 << 20, folder.path());
    let sorted = source(3, 4, 5_000).sort(vec![ascending(1)], None).unwrap();
    let mut execution = session.run(&sorted).unwrap();
    execution.next().unwrap().unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    let error = execution.find_map(std::result::Result::err).unwrap();
    assert!(matches!(error, pilaster::Error::Io { .. }), "{error}");
    assert_eq!(session.reserved_host_bytes(), 0);
}

#[test]
fn a_spill_folder_that_is_not_there_is_an_error() {
    let config = SessionConfig {
        backend: BackendChoice::Cpu,
        threads: 2,
        host_memory_limit_bytes: LIMIT,
        spill_folder: Some("/nowhere/at/all".into()),
        ..Default::default()
    };
    let session = Session::new(config).unwrap();
    let sort = source(3, 4, 50_000).sort(vec![ascending(1)], None).unwrap();
    for plan in [many_groups(60_000), sort] {
        let error = session.collect(&plan).unwrap_err();
        assert!(matches!(error, pilaster::Error::Io { .. }), "{error}");
        assert_eq!(session.reserved_host_bytes(), 0);
    }
}
