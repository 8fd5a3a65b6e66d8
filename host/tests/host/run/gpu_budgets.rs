//! Aggregations on a device within small budgets: in several parts, in the order of digits of the hashes, with groups that
//! the host has no room for either, and on the CPU where the device has none at all. Against sums computed by hand.

use std::collections::BTreeMap;

use arrow::array::Float64Array;
use pilaster::Report;
use pilaster::aggregate::{Aggregate, AggregateFunction};
use pilaster::place::Outcome;

use super::gpu::{config, opened};
use super::*;

/// Two rows of each group: keys `at mod groups`, values 2^e of exponents that no narrow sum holds.
fn rows(groups: i64) -> impl Iterator<Item = (i64, f64)> {
    (0..2 * groups).map(move |at| (at % groups, 2f64.powi((at * 37 % 600) as i32 - 300)))
}

fn value_of(groups: i64) -> Plan {
    let schema: SchemaRef = Arc::new(Schema::new(vec![
        Field::new("key", DataType::Int64, false),
        Field::new("float", DataType::Float64, false),
    ]));
    let all: Vec<(i64, f64)> = rows(groups).collect();
    let batch = |rows: &[(i64, f64)]| {
        // Keys lie far apart: no array is indexed by them.
        let keys = Int64Array::from_iter_values(rows.iter().map(|row| row.0 << 33));
        let floats = Float64Array::from_iter_values(rows.iter().map(|row| row.1));
        RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(keys), Arc::new(floats)]).unwrap()
    };
    let batches = all.chunks(2_000).map(batch).collect();
    Plan::input(Arc::new(MemorySource::try_new(batches).unwrap()))
}

/// By key: rows, sum, the least; with `wide`, the variance too.
fn grouped(groups: i64, wide: bool) -> Plan {
    use AggregateFunction as F;
    let float = || Expr::column(1, DataType::Float64);
    let of = |function, inputs, data_type| Aggregate::new(function, inputs, data_type);
    let mut aggregates = vec![
        ("rows".to_owned(), of(F::CountRows, vec![], DataType::Int64)),
        ("sum".to_owned(), of(F::Sum, vec![float()], DataType::Float64)),
    ];
    if wide {
        let variance = of(F::Variance { sample: true }, vec![float()], DataType::Float64);
        aggregates.push(("variance".to_owned(), variance));
    }
    let key = ("key".to_owned(), Expr::column(0, DataType::Int64));
    value_of(groups).aggregate(vec![key], aggregates).unwrap()
}

/// A sum of two floats is rounded once, here as there; so is the variance of two, `(a - b)^2 / 2`, where one is much larger.
fn rows_are_right(session: &Session, groups: i64, wide: bool) -> Report {
    let (batches, report) = session.collect(&grouped(groups, wide)).unwrap();
    let mut expected: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    rows(groups).for_each(|(key, value)| expected.entry(key).or_default().push(value));
    let mut found = 0;
    for batch in &batches {
        let of = |column: usize| ints(std::slice::from_ref(batch), column);
        let floats = |column: usize| batch.column(column).as_any().downcast_ref::<Float64Array>().unwrap();
        for (row, (key, count)) in of(0).into_iter().zip(of(1)).enumerate() {
            let values = expected.remove(&(key.unwrap() >> 33)).expect("a group comes once");
            assert_eq!((count, floats(2).value(row)), (Some(2), values[0] + values[1]));
            if wide {
                let variance = (values[0] - values[1]).powi(2) / 2.0;
                let differs = (floats(3).value(row) - variance).abs();
                assert!(differs <= variance * f64::EPSILON, "{} of {values:?}", floats(3).value(row));
            }
            found += 1;
        }
    }
    assert_eq!((found, session.reserved_host_bytes()), (groups, 0), "{report}");
    report
}

fn detail(report: &Report, wanted: &str) -> Option<u64> {
    let mut details = report.operators.iter().flat_map(|operator| &operator.details);
    details.find(|(name, _)| name == wanted).map(|(_, value)| value.parse().unwrap())
}

#[test]
fn wide_states_beyond_the_device_budget_are_done_in_parts() {
    let limits = SessionConfig { device_memory_limit_bytes: 2 << 20, strict: true, ..config() };
    let Some(session) = opened(limits) else { return };
    let report = rows_are_right(&session, 4_000, true);
    assert_eq!((report.operators[0].outcome.clone(), report.fell_back()), (Outcome::Taken, 0), "{report}");
    assert!(detail(&report, "device parts").is_some_and(|parts| parts > 1), "{report}");
    assert!(report.peak_device_bytes <= 2 << 20, "{report}");
    assert!(report.pipelines[0].submissions > 1, "{report}");
}

/// A table that outgrows the caches: the device says so, from a sample.
#[test]
fn many_groups_are_brought_into_the_order_of_digits() {
    let limits = SessionConfig { strict: true, ..config() };
    let Some(session) = opened(limits) else { return };
    let report = rows_are_right(&session, 1 << 17, false);
    assert_eq!((report.operators[0].outcome.clone(), report.fell_back()), (Outcome::Taken, 0), "{report}");
    assert!(detail(&report, "digits").is_some_and(|digits| digits > 1), "{report}");
}

/// The device groups, round by round; the host has no room for what it found, and spills it.
#[test]
fn groups_of_the_device_beyond_the_host_budget_spill() {
    let folder = tempfile::tempdir().unwrap();
    let limits = SessionConfig {
        strict: true,
        host_memory_limit_bytes: 6 << 20,
        spill_folder: Some(folder.path().into()),
        ..config()
    };
    let Some(session) = opened(limits) else { return };
    let report = rows_are_right(&session, 100_000, false);
    assert_eq!((report.operators[0].outcome.clone(), report.fell_back()), (Outcome::Taken, 0), "{report}");
    assert!(detail(&report, "spilled bytes").is_some_and(|bytes| bytes > 1 << 20), "{report}");
    assert!(report.peak_host_bytes <= 6 << 20, "{report}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// No number of parts keeps the device's budget: the CPU takes over, over its own budget, and the report says both.
#[test]
fn no_room_on_the_device_and_little_on_the_host_means_the_cpu_and_its_spill() {
    let folder = tempfile::tempdir().unwrap();
    let limits = SessionConfig {
        device_memory_limit_bytes: 64 << 10,
        host_memory_limit_bytes: 6 << 20,
        spill_folder: Some(folder.path().into()),
        ..config()
    };
    let Some(session) = opened(limits) else { return };
    let report = rows_are_right(&session, 100_000, false);
    assert!(report.fell_back() > 0, "{report}");
    let reason = report.operators[0].outcome.reason().unwrap_or_default();
    assert!(reason.contains("memory"), "{report}");
    assert!(detail(&report, "spilled bytes").is_some_and(|bytes| bytes > 1 << 20), "{report}");
    assert!(report.peak_host_bytes <= 6 << 20, "{report}");
}
