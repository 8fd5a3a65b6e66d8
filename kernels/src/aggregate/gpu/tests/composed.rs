//! Every mode, site and kind of slot, on every tier: composes, validates, and binds what the program binds.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Float32Array, Float64Array, Int64Array, StringArray,
};
use arrow::datatypes::DataType;
use pilaster_shaders::Tier;

use super::{Avg, Count, CountRows, Max, Min, Sum, aggregate};
use crate::aggregate::gpu::{Capacity, GpuAggregate, GpuAggregateSettings, Grouping, Outcome, Partitioning};
use crate::aggregate::partial::StateColumn;
use crate::aggregate::{Aggregate, AggregateFunction, AggregateSpec, FloatSum};
use crate::error::{Backend, Error};
use crate::expr::{CompareOp, Expr};
use crate::gpu::column::{DeviceColumns, pack};
use crate::gpu::program::{BufferInit, Program, ProgramOutput};

fn tiers() -> Vec<Tier> {
    let tier = |int64, float64, subgroups| Tier { int64, float64, subgroups, ..Tier::BASELINE };
    let large = Tier { workgroup_bytes: 48 << 10, storage_buffers: 32, ..tier(true, true, true) };
    vec![Tier::BASELINE, tier(true, false, false), large]
}

fn types() -> Vec<DataType> {
    let decimal = DataType::Decimal128(38, 2);
    vec![DataType::Int64, DataType::Utf8, DataType::Boolean, decimal, DataType::Float32, DataType::Float64]
}

fn columns() -> DeviceColumns {
    let batch = |least: i64| -> Vec<ArrayRef> {
        let decimals = vec![Some(i128::MAX / 7), None, Some(-1)];
        let decimals = Decimal128Array::from(decimals).with_precision_and_scale(38, 2).unwrap();
        vec![
            Arc::new(Int64Array::from(vec![Some(least), None, Some(i64::MAX)])),
            Arc::new(StringArray::from(vec![Some("b"), Some("a"), None])),
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
            Arc::new(decimals),
            Arc::new(Float32Array::from(vec![Some(1.5), None, Some(f32::NAN)])),
            Arc::new(Float64Array::from(vec![Some(-0.0), None, Some(f64::INFINITY)])),
        ]
    };
    let batches = [batch(-5), batch(i64::MIN)];
    let batches: Vec<&[ArrayRef]> = batches.iter().map(Vec::as_slice).collect();
    pack(&batches, &types(), &[0, 1, 2, 3, 4, 5], 128 << 20).unwrap()
}

fn column(index: usize) -> Expr {
    Expr::column(index, types()[index].clone())
}

fn aggregates(indices: &[usize]) -> Vec<Aggregate> {
    let mut aggregates = vec![aggregate(CountRows, None)];
    for &index in indices {
        let sums: &[_] = if types()[index].is_numeric() { &[Sum, Avg] } else { &[] };
        for function in [Count, Min, Max].iter().chain(sums) {
            let filter = (*function == Max).then(|| column(2));
            aggregates.push(Aggregate {
                inputs: vec![column(index)],
                filter,
                ..aggregate(function.clone(), None)
            });
        }
    }
    aggregates
}

fn spec(keys: &[usize], inputs: &[usize]) -> AggregateSpec {
    let predicate = Expr::compare(CompareOp::NotEq, column(0), Expr::literal(7i64)).unwrap();
    let keys = keys.iter().map(|&key| column(key)).collect();
    AggregateSpec {
        predicate: Some(predicate),
        keys,
        aggregates: aggregates(inputs),
        float_sum: FloatSum::Fast,
    }
}

fn prepare(spec: &AggregateSpec, tier: &Tier, grouping: Grouping) -> GpuAggregate {
    GpuAggregate::supports(spec, tier).unwrap();
    let settings = GpuAggregateSettings { grouping, ..GpuAggregateSettings::default() };
    GpuAggregate::new(spec, &columns(), tier, settings).unwrap()
}

fn check(program: &Program, tier: &Tier) {
    for stage in &program.stages {
        assert_eq!(stage.bindings.len(), stage.shader.bindings.len(), "{}", stage.label);
        assert!(stage.bindings.len() <= tier.storage_buffers as usize);
        for (buffer, binding) in stage.bindings.iter().zip(&stage.shader.bindings) {
            let buffer = &program.buffers[buffer.0 as usize];
            assert!(buffer.bytes >= binding.min_bytes, "{} {} {}", stage.label, binding.name, buffer.label);
        }
    }
    for buffer in &program.buffers {
        if let BufferInit::Upload(pieces) = &buffer.init {
            assert!(pieces.iter().all(|(offset, piece)| offset + piece.len() as u64 <= buffer.bytes));
        }
    }
}

#[test]
fn on_every_tier() {
    let all = [0, 1, 2, 3, 4, 5];
    for tier in &tiers() {
        for (keys, inputs, grouping, name, stages) in [
            (&[][..], &[0, 1, 2, 3][..], Grouping::Auto, "ungrouped", 4),
            (&[], &all, Grouping::Auto, "ungrouped", 4),
            (&[1, 2], &[0], Grouping::Auto, "direct array", 2),
            (&[1, 2], &all, Grouping::Auto, "direct array", 4),
            (&[1, 2], &[1], Grouping::HashTable, "hash table", 4),
            (&all, &all, Grouping::Auto, "hash table", 3 + 4),
            (&[5], &[], Grouping::Auto, "hash table", 4),
        ] {
            let aggregate = prepare(&spec(keys, inputs), tier, grouping);
            assert_eq!(aggregate.mode_name(), name);
            let program = aggregate.program(0).unwrap();
            assert_eq!(
                program.stages.len(),
                stages * columns().batches.len(),
                "{keys:?} {inputs:?} {}",
                tier.name()
            );
            check(&program, tier);
        }
    }
}

#[test]
fn text_depends_on_shape_only() {
    let number = |value: i64| {
        let batch: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![0, value]))];
        let columns = pack(&[&batch], &[DataType::Int64], &[0], 128 << 20).unwrap();
        let keys = vec![Expr::column(0, DataType::Int64)];
        let aggregates = vec![aggregate(CountRows, None)];
        let spec = AggregateSpec { predicate: None, keys, aggregates, float_sum: FloatSum::Fast };
        let settings = GpuAggregateSettings::default();
        let aggregate = GpuAggregate::new(&spec, &columns, &Tier::BASELINE, settings).unwrap();
        aggregate.program(0).unwrap().stages[0].shader.id
    };
    assert_eq!(number(100), number(90));
}

/// What a device gives back that saw no rows: all zero, and the table's head as it was uploaded.
fn nothing(program: &Program) -> ProgramOutput {
    let words = program.read_back.iter().map(|range| vec![0; range.bytes as usize / 4]).collect();
    ProgramOutput { words }
}

#[test]
fn no_rows_give_one_group_or_none() {
    let aggregate = prepare(&spec(&[], &[0, 1, 5]), &Tier::BASELINE, Grouping::Auto);
    let output = nothing(&aggregate.program(0).unwrap());
    let Outcome::Partial(partial) = aggregate.decode(&output).unwrap() else { panic!() };
    assert_eq!((partial.groups, partial.keys.len()), (1, 0));
    for (state, aggregate) in partial.states.iter().zip(&aggregates(&[0, 1, 5])) {
        match state {
            StateColumn::Count(counts) => assert_eq!(counts, &[0]),
            StateColumn::Integer { counts, .. } | StateColumn::Float { counts, .. } => {
                assert_eq!(counts, &[0])
            }
            StateColumn::Extreme(array) => {
                assert_eq!(array.data_type(), &aggregate.inputs[0].data_type());
                assert_eq!((array.len(), array.null_count()), (1, 1));
            }
            StateColumn::Arrays(_) => panic!("{} has no accumulator", aggregate.function),
        }
    }
    for grouping in [Grouping::Auto, Grouping::HashTable] {
        let aggregate = prepare(&spec(&[1, 2], &[0]), &Tier::BASELINE, grouping);
        let output = nothing(&aggregate.program(0).unwrap());
        let Outcome::Partial(partial) = aggregate.decode(&output).unwrap() else { panic!() };
        assert_eq!((partial.groups, partial.keys.len(), partial.keys[0].len()), (0, 2, 0));
        assert_eq!(partial.keys[0].data_type(), &DataType::Utf8);
    }
}

#[test]
fn overflow_asks_for_more_room_and_then_for_another_backend() {
    let mut aggregate = prepare(&spec(&[0], &[]), &Tier::BASELINE, Grouping::HashTable);
    let first = aggregate.capacity;
    let mut output = nothing(&aggregate.program(0).unwrap());
    output.words[2][1] = 2;
    let mut rounds = 0;
    let error = loop {
        match aggregate.decode(&output) {
            Ok(Outcome::Retry(larger)) => {
                assert!(larger.slots > aggregate.capacity.slots && larger.groups >= first.groups);
                aggregate.resize(larger);
                output = nothing(&aggregate.program(0).unwrap());
                output.words[2][1] = 2;
                rounds += 1;
            }
            other => break other.unwrap_err(),
        }
    };
    assert!(rounds > 0);
    assert!(matches!(error, Error::OutOfMemory { backend: Backend::Gpu, .. }), "{error}");
}

#[test]
fn budgets_are_kept() {
    let settings = GpuAggregateSettings { device_bytes: 100, ..GpuAggregateSettings::default() };
    let aggregate = GpuAggregate::new(&spec(&[1], &[5]), &columns(), &Tier::BASELINE, settings).unwrap();
    let error = aggregate.program(0).unwrap_err();
    assert!(matches!(error, Error::OutOfMemory { backend: Backend::Gpu, limit_bytes: 100, .. }), "{error}");
    let mut aggregate = prepare(&spec(&[0], &[]), &Tier::BASELINE, Grouping::HashTable);
    aggregate.resize(Capacity { groups: 1 << 31, slots: 1 << 62, parts: 1, pairs: 0 });
    assert!(aggregate.program(0).is_err_and(|error| error.is_device_failure()));
}

#[test]
fn read_backs_that_cannot_be_are_device_failures() {
    let aggregate = prepare(&spec(&[1], &[1]), &Tier::BASELINE, Grouping::HashTable);
    let program = aggregate.program(0).unwrap();
    let mut output = nothing(&program);
    output.words[2][0] = u32::MAX;
    assert!(aggregate.decode(&output).is_err_and(|error| error.is_device_failure()));
    output.words.pop();
    assert!(aggregate.decode(&output).is_err_and(|error| error.is_device_failure()));
    assert!(aggregate.decode(&ProgramOutput::default()).is_err_and(|error| error.is_device_failure()));
}

#[test]
fn sums_of_strings_are_refused_before_the_data_is_seen() {
    let spec = AggregateSpec {
        predicate: None,
        keys: vec![],
        aggregates: vec![Aggregate { inputs: vec![column(1)], ..aggregate(Sum, None) }],
        float_sum: FloatSum::Fast,
    };
    let error = GpuAggregate::supports(&spec, &Tier::BASELINE).unwrap_err();
    assert!(matches!(error, Error::Unsupported { on_backend: Backend::Gpu, .. }), "{error}");
}

/// One set of values, which two functions share, is three more stages to a batch, whatever finds the groups.
#[test]
fn functions_over_sets_and_bits_on_every_tier() {
    use AggregateFunction as F;
    let call = |function, at: usize, distinct| {
        let mut call = Aggregate::new(function, vec![column(at)], DataType::Int64);
        call.distinct = distinct;
        call
    };
    for tier in &tiers() {
        for (keys, grouping, stages) in [
            (&[][..], Grouping::Auto, 1 + 3),
            (&[1, 2], Grouping::Auto, 1 + 3),
            (&[0, 4, 5], Grouping::Auto, 4 + 3),
        ] {
            let aggregates = vec![
                call(F::Count, 5, true),
                call(F::Sum, 5, true),
                call(F::BitXor, 0, false),
                call(F::BoolAnd, 2, false),
                call(F::Variance { sample: true }, 3, false),
                call(F::Variance { sample: true }, 4, false),
                call(F::Stddev { sample: false }, 5, false),
            ];
            let spec = AggregateSpec { aggregates, predicate: None, ..spec(keys, &[]) };
            let aggregate = prepare(&spec, tier, grouping);
            let program = aggregate.program(0).unwrap();
            assert_eq!(program.stages.len(), stages * columns().batches.len(), "{keys:?} {}", tier.name());
            check(&program, tier);
        }
    }
}

#[test]
fn what_has_no_state_on_the_device_is_refused_by_name() {
    use AggregateFunction as F;
    for (function, at) in [(F::Mode, 0), (F::Variance { sample: true }, 2), (F::BitAnd, 4), (F::BoolOr, 0)] {
        let aggregates = vec![Aggregate::new(function.clone(), vec![column(at)], DataType::Int64)];
        let spec = AggregateSpec { aggregates, ..spec(&[], &[]) };
        let error = GpuAggregate::supports(&spec, &Tier::BASELINE).unwrap_err();
        assert!(error.to_string().contains(&function.to_string()), "{error}");
    }
}

/// Rows are partitioned where that is asked for: sample, choice, count, scan, scatter before rows enter the table.
#[test]
fn partitions_on_every_tier() {
    for tier in &tiers() {
        let partitioning = Partitioning::Digits(4);
        let settings = GpuAggregateSettings { partitioning, ..GpuAggregateSettings::default() };
        let aggregate = GpuAggregate::new(&spec(&[0], &[]), &columns(), tier, settings).unwrap();
        let program = aggregate.program(0).unwrap();
        assert_eq!(program.stages.len(), 1 + (4 + 6) * columns().batches.len());
        check(&program, tier);
    }
}
