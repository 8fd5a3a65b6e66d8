//! Grouped aggregation on a device where it is hard: functions over bits and sets of values, tables that must grow, be
//! partitioned or be cut in parts, keys that collide, one hot group among many. Against loops over rows in this file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int8Array, Int32Array, Int64Array, StringArray,
    UInt64Array,
};
use arrow::datatypes::DataType;
use pilaster::device::ShaderMode;
use pilaster_kernels::aggregate::gpu::GpuAggregate;
use pilaster_kernels::aggregate::{Aggregate, AggregateFunction as F, AggregateSpec, FloatSum};
use pilaster_kernels::expr::Expr;
use pilaster_shaders::Shader;
use pilaster_tests::Datum;
use pilaster_tests::compare::{self, Order};
use pilaster_tests::reference::{Row, Table};
use pilaster_tests::strategies::{Batches, Random};

use super::backends::{Backend, Gpu, Hostility};

const KEY: usize = 0;
const SMALL: usize = 1;
const LARGE: usize = 2;
const UNSIGNED: usize = 3;
const FLAG: usize = 4;
const TEXT: usize = 5;
const DECIMAL: usize = 6;
const DOUBLE: usize = 7;
const BYTE: usize = 8;

/// One batch: `keys`, and columns of each type that functions treat differently, a fifth of their values null.
fn batch(keys: &[Option<i64>], seed: u64) -> Vec<ArrayRef> {
    let random = &mut Random::new(seed);
    let texts = ["", "a", "a\0", "b", "ä", "a text that fits in no view"];
    let doubles = [f64::NAN, -f64::NAN, 0.0, -0.0, 1.5, -2.25, f64::INFINITY];
    macro_rules! column {
        ($array:ident, $value:expr) => {
            keys.iter()
                .map(|_| if random.percent(20) { None } else { Some($value(&mut *random)) })
                .collect::<$array>()
        };
    }
    vec![
        Arc::new(keys.iter().copied().collect::<Int64Array>()),
        Arc::new(column!(Int32Array, |random: &mut Random| random.below(90) as i32 - 45)),
        Arc::new(column!(Int64Array, |random: &mut Random| random.bits() as i64)),
        Arc::new(column!(UInt64Array, |random: &mut Random| random.bits() | 1 << 63)),
        Arc::new(column!(BooleanArray, |random: &mut Random| random.below(3) > 0)),
        Arc::new(column!(StringArray, |random: &mut Random| texts[random.below(6) as usize])),
        Arc::new(
            column!(Decimal128Array, |random: &mut Random| i128::from(random.below(40)) - 20)
                .with_precision_and_scale(15, 2)
                .unwrap(),
        ),
        Arc::new(column!(Float64Array, |random: &mut Random| doubles[random.below(7) as usize])),
        Arc::new(column!(Int8Array, |random: &mut Random| random.bits() as i8)),
    ]
}

/// Batches of these keys, cut into `pieces`.
fn input(keys: &[Option<i64>], pieces: usize) -> Batches {
    let size = keys.len().div_ceil(pieces).max(1);
    let mut batches: Vec<Vec<ArrayRef>> =
        keys.chunks(size).enumerate().map(|(at, keys)| batch(keys, at as u64)).collect();
    if batches.is_empty() {
        batches.push(batch(&[], 0));
    }
    let mut input = Batches::new(vec![], &[]);
    input.types = batch(&[], 0).iter().map(|column| column.data_type().clone()).collect();
    input.rows = batches.iter().map(|batch| batch[0].len()).collect();
    input.batches = batches;
    input
}

fn column(at: usize) -> Expr {
    Expr::column(at, batch(&[], 0)[at].data_type().clone())
}

/// A function over columns, distinct or not, of all rows or of those with FLAG.
#[derive(Debug, Clone)]
struct Call {
    function: F,
    columns: Vec<usize>,
    distinct: bool,
    filtered: bool,
}

fn call(function: F, columns: &[usize]) -> Call {
    Call { function, columns: columns.to_vec(), distinct: false, filtered: false }
}

impl Call {
    fn distinct(self) -> Self {
        Call { distinct: true, ..self }
    }

    fn filtered(self) -> Self {
        Call { filtered: true, ..self }
    }

    fn data_type(&self) -> DataType {
        match self.function {
            F::CountRows | F::Count | F::ApproxDistinct | F::Sum => DataType::Int64,
            F::Variance { .. } | F::Stddev { .. } => DataType::Float64,
            _ => column(self.columns[0]).data_type(),
        }
    }

    fn scale(&self) -> f64 {
        if self.columns[0] == DECIMAL { 100.0 } else { 1.0 }
    }

    fn aggregate(&self) -> Aggregate {
        let inputs = self.columns.iter().map(|&at| column(at)).collect();
        let mut aggregate = Aggregate::new(self.function.clone(), inputs, self.data_type());
        aggregate.distinct = self.distinct;
        aggregate.filter = self.filtered.then(|| column(FLAG));
        aggregate
    }

    /// The answer over the rows of a group.
    fn answer(&self, rows: &[&[Datum]]) -> Datum {
        let kept = rows.iter().filter(|row| !self.filtered || matches!(row[FLAG], Datum::Bool(true)));
        let values = kept.map(|row| self.columns.iter().map(|&at| row[at].clone().canonical()).collect());
        let mut values: Vec<Vec<Datum>> =
            values.filter(|values: &Vec<Datum>| values.iter().all(|value| !value.is_null())).collect();
        if self.distinct {
            let mut seen = BTreeSet::new();
            values.retain(|value| seen.insert(shown(value)));
        }
        let numbers = values.iter().filter_map(|values| match values.first() {
            Some(Datum::Int(value)) => Some(*value),
            Some(Datum::Bool(value)) => Some(i128::from(*value)),
            _ => None,
        });
        let bits = |join: fn(i128, i128) -> i128| match numbers.clone().reduce(join) {
            Some(number) if self.columns[0] == FLAG => Datum::Bool(number == 1),
            Some(number) => Datum::Int(number),
            None => Datum::Null,
        };
        match self.function {
            F::CountRows | F::Count => Datum::Int(values.len() as i128),
            F::Sum if values.is_empty() => Datum::Null,
            F::Sum => Datum::Int(numbers.sum()),
            F::Min => numbers.min().map_or(Datum::Null, Datum::Int),
            F::Max => numbers.max().map_or(Datum::Null, Datum::Int),
            F::BoolAnd | F::BitAnd => bits(|a, b| a & b),
            F::BoolOr | F::BitOr => bits(|a, b| a | b),
            F::BitXor => bits(|a, b| a ^ b),
            // So few values are counted exactly by a sketch.
            F::ApproxDistinct => {
                let distinct: BTreeSet<String> = values.iter().map(|values| shown(values)).collect();
                Datum::Int(distinct.len() as i128)
            }
            F::Variance { sample } => variance(&numbers.collect::<Vec<_>>(), sample, self.scale()),
            F::Stddev { sample } => match variance(&numbers.collect::<Vec<_>>(), sample, self.scale()) {
                Datum::Float(variance) => Datum::Float(variance.sqrt()),
                other => other,
            },
            ref function => panic!("no loop for {function}"),
        }
    }
}

/// In two passes over floats: no sum of squares, and nothing that cancels.
fn variance(numbers: &[i128], sample: bool, scale: f64) -> Datum {
    let count = numbers.len() as f64;
    let divisor = if sample { count - 1.0 } else { count };
    if divisor <= 0.0 {
        return Datum::Null;
    }
    // The mean of 64-bit integers is taken from the first one: differences of so large numbers would be rounded.
    let first = numbers[0];
    let differences: Vec<f64> = numbers.iter().map(|number| (number - first) as f64 / scale).collect();
    let mean = differences.iter().sum::<f64>() / count;
    let squares = differences.iter().map(|difference| (difference - mean) * (difference - mean));
    Datum::Float(squares.sum::<f64>() / divisor)
}

/// Equal values have equal texts.
fn shown(values: &[Datum]) -> String {
    format!("{values:?}")
}

fn spec(keys: &[usize], calls: &[Call]) -> AggregateSpec {
    AggregateSpec {
        predicate: None,
        keys: keys.iter().map(|&key| column(key)).collect(),
        aggregates: calls.iter().map(Call::aggregate).collect(),
        float_sum: FloatSum::Fast,
    }
}

fn expected(keys: &[usize], calls: &[Call], input: &Batches) -> Table {
    let rows = input.table().rows;
    let mut groups: BTreeMap<String, (Vec<Datum>, Vec<&[Datum]>)> = BTreeMap::new();
    if keys.is_empty() {
        groups.insert(String::new(), (vec![], vec![]));
    }
    for row in &rows {
        let key: Vec<Datum> = keys.iter().map(|&key| row.values[key].clone().canonical()).collect();
        let name = if keys.is_empty() { String::new() } else { shown(&key) };
        groups.entry(name).or_insert_with(|| (key, vec![])).1.push(&row.values);
    }
    let row = |(key, rows): (Vec<Datum>, Vec<&[Datum]>)| {
        let answers: Vec<Datum> = calls.iter().map(|call| call.answer(&rows)).collect();
        let near = |answer: &Datum| match answer {
            Datum::Float(value) => Some(value.abs() * 1e-12),
            _ => None,
        };
        let within = std::iter::repeat_n(None, key.len()).chain(answers.iter().map(near)).collect();
        Row { within, values: key.into_iter().chain(answers).collect() }
    };
    let types = keys.iter().map(|&key| column(key).data_type()).chain(calls.iter().map(Call::data_type));
    Table { types: types.collect(), rows: groups.into_values().map(row).collect() }
}

/// Runs on the device, which must be able to, and compares.
fn judge(gpu: &Gpu, keys: &[usize], calls: &[Call], input: &Batches) -> Result<(), String> {
    let spec = spec(keys, calls);
    GpuAggregate::supports(&spec, gpu.tier()).unwrap();
    let got = gpu.aggregate(&spec, input);
    compare::outcome(&Ok(expected(keys, calls, input)), &got, Order::Open)
}

fn check(gpu: &Gpu, keys: &[usize], calls: &[Call], input: &Batches, what: &str) {
    judge(gpu, keys, calls, input).unwrap_or_else(|reason| panic!("{what}: {reason}"));
}

/// Functions over bits of every width.
fn bit_calls() -> Vec<Call> {
    let mut calls = vec![call(F::CountRows, &[])];
    for function in [F::BitAnd, F::BitOr, F::BitXor] {
        calls.extend([SMALL, LARGE, UNSIGNED, BYTE].map(|at| call(function.clone(), &[at])));
        calls.push(call(function, &[LARGE]).filtered());
    }
    calls.extend([call(F::BoolAnd, &[FLAG]), call(F::BoolOr, &[FLAG]).filtered(), call(F::Min, &[LARGE])]);
    calls.push(call(F::BitOr, &[SMALL]).distinct());
    calls
}

/// Functions over sets of values, of every type of value.
fn set_calls() -> Vec<Call> {
    let mut calls = vec![call(F::CountRows, &[]), call(F::Max, &[LARGE])];
    for at in [SMALL, LARGE, FLAG, TEXT, DECIMAL, DOUBLE] {
        calls.push(call(F::Count, &[at]).distinct());
    }
    calls.push(call(F::Count, &[TEXT]).distinct().filtered());
    calls.push(call(F::Count, &[SMALL, DOUBLE]).distinct());
    calls.push(call(F::Sum, &[SMALL]).distinct());
    calls.push(call(F::BitXor, &[SMALL]).distinct().filtered());
    calls.extend([SMALL, TEXT, DOUBLE].map(|at| call(F::ApproxDistinct, &[at])));
    calls
}

/// Moments of integers and decimals.
fn moment_calls() -> Vec<Call> {
    let mut calls = vec![call(F::CountRows, &[]), call(F::Sum, &[SMALL])];
    for at in [SMALL, LARGE, UNSIGNED, DECIMAL, BYTE] {
        calls.push(call(F::Variance { sample: false }, &[at]));
        calls.push(call(F::Stddev { sample: true }, &[at]).filtered());
    }
    calls
}

fn cliff_calls() -> Vec<Call> {
    vec![
        call(F::CountRows, &[]),
        call(F::Sum, &[SMALL]),
        call(F::Min, &[LARGE]),
        call(F::BitXor, &[BYTE]),
        call(F::Count, &[TEXT]).filtered(),
    ]
}

/// `rows` keys of `groups` values, all of which occur where there are rows enough.
fn uniform(rows: usize, groups: u64, seed: u64) -> Vec<Option<i64>> {
    let random = &mut Random::new(seed);
    let key = |row: usize| if (row as u64) < groups { row as u64 } else { random.below(groups) };
    (0..rows).map(key).map(|key| Some(key.wrapping_mul(0x9e37_79b9_7f4a_7c15) as i64)).collect()
}

fn everywhere(gpu: &Gpu, calls: &[Call]) {
    let keys = uniform(1500, 40, 1);
    for pieces in [1, 3] {
        let input = input(&keys, pieces);
        check(gpu, &[], calls, &input, "ungrouped");
        check(gpu, &[BYTE, FLAG], calls, &input, "direct array");
        check(gpu, &[KEY], calls, &input, "hash table");
    }
    check(gpu, &[DOUBLE, TEXT, DECIMAL], calls, &input(&keys, 2), "several keys");
    check(gpu, &[KEY], calls, &input(&[], 1), "no rows");
    check(gpu, &[], calls, &input(&[], 1), "no rows, ungrouped");
}

#[test]
fn bits_on_gpu() {
    let Some(gpu) = Gpu::open("bits_on_gpu", ShaderMode::Checked) else { return };
    everywhere(&gpu, &bit_calls());
}

#[test]
fn bits_on_gpu_by_programs_that_merge() {
    let Some(gpu) = Gpu::open("bits_on_gpu_by_programs_that_merge", ShaderMode::Trusted) else { return };
    let hostility = Hostility { program_per_batch: true, ..Hostility::default() };
    let gpu = gpu.hostile(hostility);
    for keys in [&[][..], &[KEY], &[FLAG]] {
        check(&gpu, keys, &bit_calls(), &input(&uniform(700, 30, 2), 4), "programs");
    }
}

#[test]
fn sets_of_values_on_gpu() {
    let Some(gpu) = Gpu::open("sets_of_values_on_gpu", ShaderMode::Checked) else { return };
    everywhere(&gpu, &set_calls());
}

/// Values of one group in several programs, and in rows that are partitioned.
#[test]
fn sets_of_values_on_gpu_by_programs_that_merge() {
    let test = "sets_of_values_on_gpu_by_programs_that_merge";
    let Some(gpu) = Gpu::open(test, ShaderMode::Trusted) else { return };
    let hostility = Hostility { program_per_batch: true, digit_bits: Some(3), ..Hostility::default() };
    let gpu = gpu.hostile(hostility);
    for keys in [&[][..], &[KEY], &[FLAG]] {
        check(&gpu, keys, &set_calls(), &input(&uniform(700, 30, 2), 4), "programs");
    }
    assert!(gpu.digits.load(Relaxed) > 0, "rows were not partitioned");
}

/// More different values than the table of pairs has room for at first.
#[test]
fn sets_of_many_values_on_gpu() {
    let Some(gpu) = Gpu::open("sets_of_many_values_on_gpu", ShaderMode::Trusted) else { return };
    let calls = [call(F::Count, &[LARGE]).distinct(), call(F::Count, &[BYTE]).distinct()];
    let input = input(&uniform(90_000, 7, 2), 3);
    check(&gpu, &[KEY], &calls, &input, "many values");
    check(&gpu, &[], &calls, &input, "many values of all rows");
    assert!(gpu.retries.load(Relaxed) > 0, "there was room for all values");
}

#[test]
fn moments_on_gpu() {
    let Some(gpu) = Gpu::open("moments_on_gpu", ShaderMode::Checked) else { return };
    everywhere(&gpu, &moment_calls());
}

/// Sizes around powers of two, in tables that start with room for one group.
#[test]
fn tables_around_powers_of_two_on_gpu() {
    let Some(gpu) = Gpu::open("tables_around_powers_of_two_on_gpu", ShaderMode::Checked) else { return };
    let hostility = Hostility { first_groups: Some(1), hash_table: true, ..Hostility::default() };
    let gpu = gpu.hostile(hostility);
    for groups in [1, 2, 255, 256, 257, 1023, 1024, 1025] {
        let input = input(&uniform(1300, groups, groups), 2);
        check(&gpu, &[KEY], &cliff_calls(), &input, &format!("{groups} groups"));
    }
    assert!(gpu.retries.load(Relaxed) > 0, "no table was too small");
}

/// Rows in the order of digits of 1, 4 and 8 bits, in one batch or several.
#[test]
fn partitioned_tables_on_gpu() {
    for bits in [1, 4, 8] {
        let Some(gpu) = Gpu::open("partitioned_tables_on_gpu", ShaderMode::Trusted) else { return };
        let hostility = Hostility {
            digit_bits: Some(bits),
            hash_table: true,
            first_groups: Some(9000),
            ..Hostility::default()
        };
        let gpu = gpu.hostile(hostility);
        for (rows, groups, pieces) in [(1, 1, 1), (257, 3, 1), (9000, 7000, 1), (9000, 500, 3)] {
            let input = input(&uniform(rows, groups, 7), pieces);
            check(
                &gpu,
                &[KEY],
                &cliff_calls(),
                &input,
                &format!("{bits} bits, {rows} rows, {groups} groups"),
            );
        }
        assert_eq!(gpu.digits.load(Relaxed), 1 << bits, "rows were not partitioned");
    }
}

/// Skipped rows have places in the order too, and no slot.
#[test]
fn partitioned_tables_skip_rows_on_gpu() {
    let Some(gpu) = Gpu::open("partitioned_tables_skip_rows_on_gpu", ShaderMode::Checked) else { return };
    let gpu = gpu.hostile(Hostility { digit_bits: Some(5), hash_table: true, ..Hostility::default() });
    let calls = cliff_calls();
    let input = input(&uniform(6000, 900, 3), 2);
    let spec = AggregateSpec { predicate: Some(column(FLAG)), ..spec(&[KEY, BYTE], &calls) };
    let mut kept = input.clone();
    for (batch, rows) in kept.batches.iter_mut().zip(&mut kept.rows) {
        let flags = arrow::compute::prep_null_mask_filter(
            batch[FLAG].as_any().downcast_ref::<BooleanArray>().unwrap(),
        );
        *batch = batch.iter().map(|column| arrow::compute::filter(column, &flags).unwrap()).collect();
        *rows = batch[0].len();
    }
    let got = gpu.aggregate(&spec, &input);
    let expected = expected(&[KEY, BYTE], &calls, &kept);
    compare::outcome(&Ok(expected), &got, Order::Open).unwrap();
    assert!(gpu.digits.load(Relaxed) > 0);
}

/// Hot groups, Zipf, mostly nulls, sorted, all alike: with the workgroups' own states and with partitioned rows.
#[test]
fn skewed_keys_on_gpu() {
    let random = &mut Random::new(11);
    let rows = 8000;
    let hot = |random: &mut Random| {
        let key = |row| Some(if random.percent(90) { -1 } else { row });
        (0..rows).map(key).collect::<Vec<_>>()
    };
    let zipf = |random: &mut Random| {
        (0..rows).map(|_| Some(5000 / (1 + random.below(5000)) as i64)).collect::<Vec<_>>()
    };
    let nulls = |random: &mut Random| {
        let key = |row: i64| if random.percent(95) { None } else { Some(row % 300) };
        (0..rows).map(key).collect::<Vec<_>>()
    };
    let shapes = [
        ("hot", hot(random)),
        ("zipf", zipf(random)),
        ("nulls", nulls(random)),
        ("sorted", (0..rows).map(|row| Some(row / 3)).collect()),
        ("one", vec![Some(i64::MIN); rows as usize]),
        ("all different", (0..rows).map(Some).collect()),
    ];
    for digit_bits in [None, Some(6)] {
        let Some(gpu) = Gpu::open("skewed_keys_on_gpu", ShaderMode::Trusted) else { return };
        let first_groups = Some(rows as u64);
        let hostility = Hostility { digit_bits, hash_table: true, first_groups, ..Hostility::default() };
        let gpu = gpu.hostile(hostility);
        for (name, keys) in &shapes {
            check(&gpu, &[KEY], &cliff_calls(), &input(keys, 2), name);
        }
    }
}

/// A hash of three bits: eight chains. A hash of no bits gives up, and says so.
#[test]
fn colliding_keys_on_gpu() {
    let Some(gpu) = Gpu::open("colliding_keys_on_gpu", ShaderMode::Trusted) else { return };
    let hostility = Hostility { hash_bits: Some(3), hash_table: true, ..Hostility::default() };
    let mut gpu = gpu.hostile(hostility);
    check(&gpu, &[KEY], &cliff_calls(), &input(&uniform(2000, 700, 5), 2), "three bits");
    gpu.hostility.hash_bits = Some(0);
    check(&gpu, &[KEY], &cliff_calls(), &input(&uniform(900, 400, 5), 1), "all hashes equal");
    let calls = cliff_calls();
    let error = gpu.aggregate(&spec(&[KEY], &calls), &input(&uniform(3000, 2000, 5), 1)).unwrap_err();
    assert!(matches!(error, pilaster_kernels::Error::OutOfMemory { .. }), "{error}");
}

/// A table beyond the budget is done in parts; the budget holds for each of the programs.
#[test]
fn tables_over_the_budget_in_parts_on_gpu() {
    let Some(gpu) = Gpu::open("tables_over_the_budget_in_parts_on_gpu", ShaderMode::Checked) else { return };
    let keys = uniform(20_000, 15_000, 9);
    let mut narrow = input(&keys, 1);
    narrow.types.truncate(2);
    narrow.batches.iter_mut().for_each(|batch| batch.truncate(2));
    let calls = [call(F::CountRows, &[]), call(F::Sum, &[SMALL]), call(F::BitOr, &[SMALL])];
    let hostility = Hostility {
        hash_table: true,
        first_groups: Some(15_000),
        device_bytes: Some(700 << 10),
        ..Hostility::default()
    };
    let gpu = gpu.hostile(hostility);
    check(&gpu, &[KEY], &calls, &narrow, "in parts");
    assert!(gpu.parts.load(Relaxed) > 1, "one part kept the budget");
}

/// The device looks at a sample: few groups go as they come; many are partitioned; a table that is far too small is known
/// to be before any row has entered it.
#[test]
fn samples_decide_on_gpu() {
    let rows = 1 << 18;
    let calls = [call(F::CountRows, &[]), call(F::Sum, &[KEY]), call(F::Min, &[KEY])];
    let run = |keys: Vec<Option<i64>>, first_groups| {
        let gpu = Gpu::open("samples_decide_on_gpu", ShaderMode::Trusted)?;
        let gpu = gpu.hostile(Hostility { hash_table: true, first_groups, ..Hostility::default() });
        let mut narrow = Batches::new(vec![], &[]);
        narrow.types = vec![DataType::Int64];
        narrow.rows = vec![keys.len()];
        narrow.batches = vec![vec![Arc::new(keys.into_iter().collect::<Int64Array>())]];
        check(&gpu, &[KEY], &calls, &narrow, "sampled");
        Some((gpu.digits.load(Relaxed), gpu.retries.load(Relaxed)))
    };
    let small = |keys: Vec<Option<i64>>| keys.into_iter().map(|key| key.map(|key| key >> 24)).collect();
    let Some(few) = run(small(uniform(rows, 100, 1)), Some(rows as u64)) else { return };
    assert_eq!(few, (0, 0), "few groups");
    let many = run(small(uniform(rows, rows as u64, 1)), Some(rows as u64)).unwrap();
    assert!(many.0 > 0 && many.1 == 0, "many groups: {many:?}");
    let surprise = run(small(uniform(rows, rows as u64, 1)), None).unwrap();
    assert!(surprise.0 > 0 && surprise.1 == 1, "many groups, not expected: {surprise:?}");
}

/// A shader with an error in it must be noticed.
fn noticed(test: &str, hostility: Hostility, sabotage: fn(&Shader) -> Shader, calls: &[Call]) {
    let Some(gpu) = Gpu::open(test, ShaderMode::Trusted) else { return };
    let mut gpu = gpu.hostile(hostility);
    let input = input(&uniform(3000, 50, 4), 2);
    assert_eq!(judge(&gpu, &[KEY], calls, &input), Ok(()), "without the error");
    gpu.sabotage = Some(sabotage);
    judge(&gpu, &[KEY], calls, &input).expect_err("the error is not noticed");
}

fn replaced(shader: &Shader, from: &str, to: &str) -> Shader {
    let mut shader = shader.clone();
    if shader.wgsl.contains(from) {
        shader.wgsl = shader.wgsl.replace(from, to);
        shader.id ^= 0x0bad_5eed;
    }
    shader
}

#[test]
fn an_error_in_the_partition_is_noticed() {
    let sabotage = |shader: &Shader| replaced(shader, "order[place] = row;", "order[place] = row ^ 1u;");
    let hostility = Hostility { digit_bits: Some(4), hash_table: true, ..Hostility::default() };
    noticed("an_error_in_the_partition_is_noticed", hostility, sabotage, &cliff_calls());
}

#[test]
fn an_error_in_the_bits_is_noticed() {
    let sabotage = |shader: &Shader| replaced(shader, "atomicXor(&local_state", "atomicOr(&local_state");
    let calls = [call(F::BitXor, &[BYTE])];
    noticed("an_error_in_the_bits_is_noticed", Hostility::default(), sabotage, &calls);
}

#[test]
fn an_error_in_the_pairs_is_noticed() {
    let sabotage = |shader: &Shader| replaced(shader, "pair_keys[first] = group;", "pair_keys[first] = 0u;");
    let calls = [call(F::Count, &[SMALL]).distinct()];
    noticed("an_error_in_the_pairs_is_noticed", Hostility::default(), sabotage, &calls);
}

#[test]
fn an_error_in_the_squares_is_noticed() {
    let sabotage = |shader: &Shader| replaced(shader, "over = product.y +", "over = product.y + 1u +");
    let calls = [call(F::Variance { sample: false }, &[LARGE])];
    noticed("an_error_in_the_squares_is_noticed", Hostility::default(), sabotage, &calls);
}
