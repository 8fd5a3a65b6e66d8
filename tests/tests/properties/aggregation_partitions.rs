//! Aggregation by several workers whose tables freeze after a few groups, with and without a budget: staged rows, runs,
//! partitions within partitions, states and rows that go to disk and come back.

use std::sync::Arc;

use arrow::datatypes::DataType;
use pilaster::memory::{Budget, Reserve, Spill, SpillFolder};
use pilaster_kernels::aggregate::AggregateSpec;
use pilaster_kernels::aggregate::cpu::{PartitionReport, PartitionSettings, PartitionedAggregate};
use pilaster_kernels::memory::Unlimited;
use pilaster_kernels::{Backend as On, Error, Result};
use pilaster_tests::compare::Got;
use pilaster_tests::runner::check;
use pilaster_tests::strategies::{Batches, ExprLimits, aggregate_spec, all_types, batches, choices};
use proptest::strategy::Strategy;

use super::aggregation::{Case, judge};

/// Any aggregation with keys over any columns.
fn any_case(most_rows: usize) -> impl Strategy<Value = Case> {
    choices(300).prop_map(move |mut choices| {
        let types = all_types();
        let count = 1 + choices.pick(4);
        let columns: Vec<DataType> = (0..count).map(|_| choices.one_of(&types).clone()).collect();
        let limits = ExprLimits { columns, depth: choices.pick(2) };
        let spec = aggregate_spec(&limits, 3, &mut choices);
        Case { input: batches(&limits.columns, most_rows, 1..8, &mut choices), spec }
    })
}

/// How an aggregation is taken apart.
#[derive(Clone)]
struct Partitioned {
    workers: usize,
    settings: PartitionSettings,
    memory: Arc<dyn Reserve>,
    spill: Option<Arc<dyn Spill>>,
}

fn tiny() -> PartitionSettings {
    PartitionSettings { hash_groups: 3, direct_slots: 3, run_rows: 20, run_bytes: 4096, part_groups: 2 }
}

impl Partitioned {
    fn aggregate(&self, spec: &AggregateSpec, input: &Batches) -> Result<(Got, PartitionReport)> {
        let spec = Arc::new(spec.clone());
        let whole =
            PartitionedAggregate::new(Arc::clone(&self.memory), self.spill.clone(), self.settings.clone());
        let mut workers = (0..self.workers).map(|_| whole.worker(&spec)).collect::<Result<Vec<_>>>()?;
        let mut first = 0;
        for (at, (columns, &rows)) in input.batches.iter().zip(&input.rows).enumerate() {
            workers[at % self.workers].consume_at(first, columns, rows)?;
            first += rows as u64;
        }
        let parts = whole.finish(workers)?;
        let exprs = spec.keys.iter().map(|key| key.data_type());
        let results = spec.aggregates.iter().map(|aggregate| aggregate.data_type.clone());
        let mut got = Got { types: exprs.chain(results).collect(), rows: Vec::new() };
        for part in 0..parts.len() {
            for columns in parts.compute(part)? {
                let rows = columns.first().map_or(0, |column| column.len());
                got.append(Got::arrays(&columns, rows));
            }
        }
        Ok((got, whole.report()))
    }
}

#[test]
fn frozen_tables_and_staged_rows() {
    let staged = std::sync::atomic::AtomicU64::new(0);
    check("aggregations that freeze, CPU", 800, &any_case(260), |case| {
        [1, 3].into_iter().try_for_each(|workers| {
            let how = Partitioned { workers, settings: tiny(), memory: Arc::new(Unlimited), spill: None };
            let got = how.aggregate(&case.spec, &case.input).map(|(got, report)| {
                staged.fetch_add(report.staged_rows, std::sync::atomic::Ordering::Relaxed);
                got
            });
            judge(case, &got)
        })
    });
    assert!(staged.into_inner() > 10_000, "rows were staged");
}

/// Budgets down to what is refused at once: the right answer, or an error that says so; and nothing is left behind.
#[test]
fn budgets_that_spill() {
    let folder = tempfile::tempdir().unwrap();
    let spilled = std::sync::atomic::AtomicU64::new(0);
    let refused = std::sync::atomic::AtomicU64::new(0);
    let cases = 300;
    check("aggregations that spill, CPU", cases, &any_case(260), |case| {
        [40_000, 150_000].into_iter().try_for_each(|limit| {
            let memory = Arc::new(Budget::new(On::Cpu, limit));
            let how = Partitioned {
                workers: 2,
                settings: tiny(),
                memory: Arc::clone(&memory) as Arc<dyn Reserve>,
                spill: Some(Arc::new(SpillFolder::new(Some(folder.path())))),
            };
            let got = how.aggregate(&case.spec, &case.input).map(|(got, report)| {
                spilled.fetch_add(report.spilled_bytes, std::sync::atomic::Ordering::Relaxed);
                got
            });
            if memory.reserved() > 0 || memory.peak() > limit {
                return Err(format!("{} bytes held of {limit}, peak {}", memory.reserved(), memory.peak()));
            }
            if matches!(got, Err(Error::OutOfMemory { .. })) {
                refused.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                return Ok(());
            }
            judge(case, &got)
        })
    });
    assert!(spilled.into_inner() > 0, "something was spilled");
    assert!(refused.into_inner() < u64::from(cases), "most budgets suffice");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no file is left");
}
