//! Aggregations over budget: the right answer, from files that are gone afterwards.

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

fn spilled_bytes(report: &pilaster::Report) -> u64 {
    let details = report.operators.iter().flat_map(|operator| &operator.details);
    let bytes =
        details.filter(|(name, _)| name == "spilled bytes").map(|(_, bytes)| bytes.parse::<u64>().unwrap());
    bytes.sum()
}

#[test]
fn groups_over_budget_spill_and_come_out_right() {
    let folder = tempfile::tempdir().unwrap();
    let rows = 60_000;
    for threads in [1, 2] {
        let config = SessionConfig {
            backend: BackendChoice::Cpu,
            threads,
            cpu_batch_rows: 1_000,
            host_memory_limit_bytes: LIMIT,
            spill_folder: Some(folder.path().into()),
            ..Default::default()
        };
        let session = Session::new(config).unwrap();
        let (batches, report) = session.collect(&many_groups(rows)).unwrap();
        assert!(spilled_bytes(&report) > 1 << 20, "{report}");
        assert!(report.peak_host_bytes <= LIMIT, "{} bytes", report.peak_host_bytes);
        assert_eq!(
            (session.reserved_host_bytes(), std::fs::read_dir(folder.path()).unwrap().count()),
            (0, 0)
        );
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
    assert!(spilled_bytes(&report) > 0, "{report}");
    assert!(report.peak_host_bytes <= 2 * LIMIT, "{} bytes", report.peak_host_bytes);
    let mut ids: Vec<i64> = ints(&batches, 0).into_iter().flatten().collect();
    ids.sort_unstable();
    assert!(ids.iter().copied().eq(0..groups * rows));
    assert!(ints(&batches, 2).iter().all(|&count| count == Some(1)));
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
    let error = session.collect(&many_groups(60_000)).unwrap_err();
    assert!(matches!(error, pilaster::Error::Io { .. }), "{error}");
    assert_eq!(session.reserved_host_bytes(), 0);
}
