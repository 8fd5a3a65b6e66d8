//! Aggregation: ungrouped, direct array, hash table; partial states that merge.

use std::fmt;
use std::sync::atomic::Ordering::Relaxed;

use arrow::datatypes::DataType;
use pilaster::device::ShaderMode;
use pilaster_kernels::Result;
use pilaster_kernels::aggregate::{AggregateSpec, OrderKey};
use pilaster_tests::compare::{self, Got, Order};
use pilaster_tests::reference;
use pilaster_tests::runner::check;
use pilaster_tests::strategies::{Batches, ExprLimits, aggregate_spec, all_types, batches, choices};
use proptest::strategy::Strategy;

use super::backends::{Backend, Cpu, Gpu, Hostility, Share};
use super::shapes;

/// An aggregation and its input.
#[derive(Clone)]
pub struct Case {
    pub input: Batches,
    pub spec: AggregateSpec,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AggregateSpec { predicate, keys, aggregates, float_sum } = &self.spec;
        writeln!(f, "{float_sum:?} float sums")?;
        predicate.iter().try_for_each(|predicate| writeln!(f, "where {predicate}"))?;
        keys.iter().try_for_each(|key| writeln!(f, "by {key} as {}", key.data_type()))?;
        for aggregate in aggregates {
            let inputs = aggregate.inputs.iter().map(|input| format!("{input} as {}", input.data_type()));
            let input = inputs.collect::<Vec<_>>().join(", ");
            let filter = aggregate.filter.as_ref().map_or(String::new(), |filter| format!(" where {filter}"));
            let (function, data_type, overflow) =
                (&aggregate.function, &aggregate.data_type, aggregate.overflow);
            let distinct = if aggregate.distinct { "distinct " } else { "" };
            for OrderKey { expr, descending, nulls_first } in &aggregate.order_by {
                writeln!(f, "ordered by {expr}, descending {descending}, nulls first {nulls_first}:")?;
            }
            writeln!(
                f,
                "{function:?}({distinct}{input}){filter} as {data_type}, {overflow:?}, {:?}",
                aggregate.rounding
            )?;
        }
        self.input.fmt(f)
    }
}

pub fn judge(case: &Case, got: &Result<Got>) -> Result<(), String> {
    let expected = reference::aggregate(&case.spec, &case.input.table());
    compare::outcome(&expected, got, Order::Open)
}

pub fn agrees(backend: &impl Backend, case: &Case) -> Result<(), String> {
    judge(case, &backend.aggregate(&case.spec, &case.input))
}

/// Any aggregation over any columns.
fn any_case(most_rows: usize) -> impl Strategy<Value = Case> {
    choices(300).prop_map(move |mut choices| {
        let types = all_types();
        let count = 1 + choices.pick(4);
        let columns: Vec<DataType> = (0..count).map(|_| choices.one_of(&types).clone()).collect();
        let limits = ExprLimits { columns, depth: choices.pick(2) };
        let spec = aggregate_spec(&limits, 3, &mut choices);
        Case { input: batches(&limits.columns, most_rows, 1..5, &mut choices), spec }
    })
}

#[test]
fn random_aggregations_on_cpu() {
    check("random aggregations, CPU", 2000, &any_case(260), |case| agrees(&Cpu::default(), case));
}

#[test]
fn random_aggregations_on_cpu_in_parts_that_merge() {
    check("aggregations in parts, CPU", 600, &any_case(130), |case| {
        agrees(&Cpu { parts: 3, as_partials: false }, case)?;
        agrees(&Cpu { parts: 4, as_partials: true }, case)
    });
}

#[test]
fn random_aggregations_on_cpu_row_by_row() {
    check("aggregations, batches of one row, CPU", 200, &any_case(65), |case| {
        let got = Cpu { parts: 2, as_partials: false }.aggregate(&case.spec, &case.input.cut(1));
        judge(case, &got)
    });
}

#[test]
fn catalogue_of_aggregations_on_cpu() {
    check("catalogue of aggregations, CPU", 200, &shapes::aggregations(2100), |case| {
        agrees(&Cpu::default(), case)
    });
}

fn battery(name: &str, gpu: &Gpu, cases: u32, percent: usize, strategy: &impl Strategy<Value = Case>) {
    let share = Share::default();
    check(name, cases, strategy, |case| {
        let got = gpu.aggregate(&case.spec, &case.input);
        if share.ran(&got) { judge(case, &got) } else { Ok(()) }
    });
    share.at_least(percent);
}

#[test]
fn catalogue_of_aggregations_on_gpu() {
    let Some(gpu) = Gpu::open("catalogue_of_aggregations_on_gpu", ShaderMode::Checked) else { return };
    battery("catalogue of aggregations, GPU", &gpu, 60, 90, &shapes::aggregations(4100));
}

#[test]
fn random_aggregations_on_gpu() {
    let Some(gpu) = Gpu::open("random_aggregations_on_gpu", ShaderMode::Checked) else { return };
    battery("random aggregations, GPU", &gpu, 40, 50, &any_case(260));
}

/// A table with room for one group at first, every mode but the table forbidden, small arenas.
#[test]
fn catalogue_of_aggregations_on_gpu_in_a_table_that_is_too_small() {
    let test = "catalogue_of_aggregations_on_gpu_in_a_table_that_is_too_small";
    let Some(gpu) = Gpu::open(test, ShaderMode::Trusted) else { return };
    let gpu = gpu.hostile(Hostility {
        arena_bytes: Some(16 << 10),
        hash_table: true,
        first_groups: Some(1),
        ..Hostility::default()
    });
    battery("aggregations in a small table, GPU", &gpu, 40, 90, &shapes::aggregations(2100));
    assert!(gpu.retries.load(Relaxed) > 0, "no table was too small");
}

#[test]
fn catalogue_of_aggregations_on_gpu_by_programs_that_merge() {
    let test = "catalogue_of_aggregations_on_gpu_by_programs_that_merge";
    let Some(gpu) = Gpu::open(test, ShaderMode::Checked) else { return };
    let gpu = gpu.hostile(Hostility { program_per_batch: true, ..Hostility::default() });
    battery("aggregations by several programs, GPU", &gpu, 25, 90, &shapes::aggregations(1100));
}
