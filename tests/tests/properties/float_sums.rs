//! Reproducible float sums: one bit pattern, the correctly rounded one, whatever the order of rows, the cut into batches,
//! the tree of merges and the backend. Variances likewise, which are the same to the bit and within their bound.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use arrow::array::{ArrayRef, Float32Array, Float64Array, Int64Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use num_bigint::BigInt;
use pilaster::device::ShaderMode;
use pilaster_kernels::Result;
use pilaster_kernels::aggregate::{Aggregate, AggregateFunction as F, AggregateSpec, FloatSum};
use pilaster_kernels::expr::Expr;
use pilaster_shaders::Shader;
use pilaster_tests::Datum;
use pilaster_tests::compare::{self, Got, Order};
use pilaster_tests::reference::number::{parts, to_f64};
use pilaster_tests::reference::{self, Table};
use pilaster_tests::runner::cases;
use pilaster_tests::strategies::{Batches, Random, avg, sum};

use super::aggregation_sets::same_bits;
use super::backends::{Backend, Cpu, Gpu, Hostility};

/// What is drawn here from a generator of values.
trait Draw {
    /// From -2 to 2, times a power of two from `2^-spread` up to below `2^spread`.
    fn float(&mut self, spread: u64) -> f64;
    fn shuffle<T>(&mut self, items: &mut [T]);
}

impl Draw for Random {
    fn float(&mut self, spread: u64) -> f64 {
        let unit = f64::from_bits(self.bits() >> 12 | 1023 << 52);
        let exponent = self.below(2 * spread) as i32 - spread as i32;
        unit * 2f64.powi(exponent) * if self.below(2) == 0 { 1.0 } else { -1.0 }
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at as u64 + 1) as usize);
        }
    }
}

/// What the values are like.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Plain,
    Mixed,
    /// Beyond what any window holds.
    Wild,
    /// Everything cancels but the last places.
    Cancelling,
    Subnormal,
    /// Infinite on the way; NaN and infinities in some groups.
    Extreme,
}

const KINDS: [Kind; 6] =
    [Kind::Plain, Kind::Mixed, Kind::Wild, Kind::Cancelling, Kind::Subnormal, Kind::Extreme];

#[derive(Debug, Clone, Copy)]
struct Row {
    key: i64,
    double: Option<f64>,
    single: f32,
}

fn rows(kind: Kind, count: usize, groups: u64, random: &mut Random) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::with_capacity(count);
    for at in 0..count {
        let key = random.below(groups) as i64;
        let value = match kind {
            Kind::Plain => random.float(1),
            Kind::Mixed => random.float(40),
            Kind::Wild => random.float(1000),
            Kind::Cancelling if at % 2 == 1 => -rows[at - 1].double.unwrap_or(0.0),
            Kind::Cancelling => random.float(500),
            Kind::Subnormal => f64::from_bits(random.below(1 << 53)),
            Kind::Extreme => match (key % 4, random.below(40)) {
                (1, 0) => f64::INFINITY,
                (2, 0) => f64::NAN,
                (3, 0) => f64::NEG_INFINITY,
                (_, draw) => f64::MAX * if draw % 2 == 0 { 1.0 } else { -1.0 },
            },
        };
        let key = if matches!(kind, Kind::Cancelling) && at % 2 == 1 { rows[at - 1].key } else { key };
        let double = (random.below(10) > 0 || matches!(kind, Kind::Cancelling)).then_some(value);
        rows.push(Row { key, double, single: value as f32 });
    }
    rows
}

fn batches(rows: &[Row], random: &mut Random) -> Batches {
    let mut cut = Batches::of_arrays(vec![DataType::Int64, DataType::Float64, DataType::Float32], Vec::new());
    let mut rest = rows;
    while !rest.is_empty() {
        let (rows, others) = rest.split_at(rest.len().min(1 + random.below(2000) as usize));
        let keys: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.key)));
        // Whatever lies under nulls is no value, and has no say in how wide the device's sums are.
        let garbage =
            rows.iter().map(|row| row.double.unwrap_or_else(|| f64::from_bits(random.bits()))).collect();
        let nulls: NullBuffer = rows.iter().map(|row| row.double.is_some()).collect();
        let doubles: ArrayRef = Arc::new(Float64Array::new(garbage, Some(nulls)));
        let singles: ArrayRef = Arc::new(Float32Array::from_iter_values(rows.iter().map(|row| row.single)));
        cut.push(vec![keys, doubles, singles]);
        rest = others;
    }
    cut
}

fn spec(keyed: bool, float_sum: FloatSum) -> AggregateSpec {
    let double = || Expr::column(1, DataType::Float64);
    let single = || Expr::column(2, DataType::Float32);
    AggregateSpec {
        predicate: None,
        keys: if keyed { vec![Expr::column(0, DataType::Int64)] } else { vec![] },
        aggregates: vec![sum(double()), avg(double()), sum(single()), avg(single())],
        float_sum,
    }
}

/// Bits of the four results per key.
type Bits = BTreeMap<i128, Vec<Option<u64>>>;

fn bits(got: &Got, keyed: bool) -> Bits {
    let row = |row: &Vec<Datum>| {
        let (key, values) = match (&row[0], keyed) {
            (Datum::Int(key), true) => (*key, &row[1..]),
            _ => (0, &row[..]),
        };
        let bits = values.iter().map(|value| match value {
            Datum::Float(value) => Some(value.to_bits()),
            _ => None,
        });
        (key, bits.collect())
    };
    got.rows.iter().map(row).collect()
}

fn expected(rows: &[Row], keyed: bool) -> Bits {
    let mut groups: BTreeMap<i128, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
    for row in rows {
        let (doubles, singles) = groups.entry(if keyed { row.key.into() } else { 0 }).or_default();
        doubles.extend(row.double);
        singles.push(row.single.into());
    }
    let both = |values: &[f64]| [1, values.len()].map(|divisor| rounded(values, divisor));
    groups.into_iter().map(|(key, (a, b))| (key, [both(&a), both(&b)].concat())).collect()
}

/// The exact sum over `divisor`, rounded once.
fn rounded(values: &[f64], divisor: usize) -> Option<u64> {
    let has = |wanted: f64| values.contains(&wanted);
    let (up, down) = (has(f64::INFINITY), has(f64::NEG_INFINITY));
    if values.is_empty() {
        return None;
    }
    if values.iter().any(|value| value.is_nan()) || (up && down) {
        return Some(f64::NAN.to_bits());
    }
    if up || down {
        return Some(if up { f64::INFINITY } else { f64::NEG_INFINITY }.to_bits());
    }
    let term = |&value: &f64| {
        let (mantissa, exponent) = parts(value);
        mantissa << (exponent + 1074) as usize
    };
    let total: BigInt = values.iter().map(term).sum();
    Some(to_f64(&total, &((BigInt::from(1) << 1074usize) * divisor)).to_bits())
}

struct Case {
    rows: Vec<Row>,
    keyed: bool,
    float_sum: FloatSum,
    orders: usize,
}

fn agrees(backend: &impl Backend, case: &Case) -> Result<(), String> {
    let (mut random, mut rows) = (Random::new(case.orders as u64), case.rows.clone());
    let expected = expected(&rows, case.keyed);
    for order in 0..case.orders {
        let input = batches(&rows, &mut random);
        let got = backend.aggregate(&spec(case.keyed, case.float_sum), &input).map_err(|e| e.to_string())?;
        let found = bits(&got, case.keyed);
        if found != expected {
            let differs = expected.iter().find(|(key, bits)| found.get(key) != Some(bits));
            return Err(format!("order {order}: {differs:x?} expected, {} groups found", found.len()));
        }
        random.shuffle(&mut rows);
    }
    Ok(())
}

fn case(kind: Kind, count: usize, groups: u64, orders: usize) -> Case {
    let mut random = Random::new(count as u64 * groups);
    Case {
        rows: rows(kind, count, groups, &mut random),
        keyed: groups > 1,
        float_sum: FloatSum::Reproducible,
        orders,
    }
}

fn backends() -> [Cpu; 3] {
    [Cpu::default(), Cpu { parts: 3, as_partials: false }, Cpu { parts: 5, as_partials: true }]
}

#[test]
fn a_hundred_orders_give_one_bit_pattern_on_cpu() {
    let orders = cases(100) as usize;
    for kind in [Kind::Mixed, Kind::Wild] {
        for cpu in backends() {
            let case = case(kind, 5000, 1, orders / 3 + 1);
            assert_eq!(agrees(&cpu, &case), Ok(()), "{kind:?}");
        }
    }
}

#[test]
fn sums_by_group_are_correctly_rounded_on_cpu() {
    for kind in KINDS {
        for groups in [1, 2, 4, 5, 63, 64, 400] {
            for cpu in backends() {
                assert_eq!(agrees(&cpu, &case(kind, 3000, groups, 3)), Ok(()), "{kind:?}, {groups} groups");
            }
        }
    }
}

fn on_gpu(test: &str, hostility: Hostility) {
    let Some(gpu) = Gpu::open(test, ShaderMode::Checked) else { return };
    let gpu = gpu.hostile(hostility);
    for kind in KINDS {
        for groups in [1, 5, 300] {
            assert_eq!(agrees(&gpu, &case(kind, 3000, groups, 2)), Ok(()), "{kind:?}, {groups} groups");
        }
    }
}

#[test]
fn sums_are_correctly_rounded_on_gpu() {
    on_gpu("sums_are_correctly_rounded_on_gpu", Hostility::default());
}

/// Each batch is a program: exact partial sums merge.
#[test]
fn sums_by_several_programs_are_correctly_rounded_on_gpu() {
    let hostility = Hostility { program_per_batch: true, hash_table: true, ..Hostility::default() };
    on_gpu("sums_by_several_programs_are_correctly_rounded_on_gpu", hostility);
}

/// Sums as they are without the mode must not pass for it.
#[test]
fn fast_sums_are_told_apart() {
    let fast = Case { float_sum: FloatSum::Fast, ..case(Kind::Mixed, 5000, 1, 20) };
    println!("{}", agrees(&Cpu::default(), &fast).expect_err("fast sums pass for reproducible ones"));
    let one = Case { float_sum: FloatSum::Fast, ..case(Kind::Wild, 3000, 5, 2) };
    println!("{}", agrees(&Cpu { parts: 3, as_partials: true }, &one).expect_err("fast sums pass"));
}

/// One bit too high.
#[test]
fn an_error_in_the_shader_of_float_sums_is_noticed() {
    let Some(mut gpu) = Gpu::open("an_error_in_the_shader_of_float_sums_is_noticed", ShaderMode::Checked)
    else {
        return;
    };
    gpu.sabotage = Some(|shader: &Shader| {
        let mut shader = shader.clone();
        shader.wgsl = shader.wgsl.replace("max(exponent, 1u) - base", "max(exponent, 1u) - base + 1u");
        shader.id ^= 0x0f10_a751;
        shader
    });
    let reason = agrees(&gpu, &case(Kind::Plain, 500, 5, 1)).expect_err("the error is not noticed");
    println!("{reason}");
}

/// Variances and deviations of both columns, one of them of some rows.
fn moments(keyed: bool, float_sum: FloatSum) -> AggregateSpec {
    let of = |function, column, data_type| {
        Aggregate::new(function, vec![Expr::column(column, data_type)], DataType::Float64)
    };
    let known = Expr::is_not_null(Expr::column(1, DataType::Float64));
    let some = Aggregate { filter: Some(known), ..of(F::Variance { sample: true }, 2, DataType::Float32) };
    let aggregates = vec![
        of(F::Variance { sample: true }, 1, DataType::Float64),
        of(F::Stddev { sample: false }, 1, DataType::Float64),
        of(F::Stddev { sample: true }, 2, DataType::Float32),
        some,
        sum(Expr::column(1, DataType::Float64)),
    ];
    AggregateSpec { aggregates, ..spec(keyed, float_sum) }
}

/// The device's moments against exact rationals, and against the CPU's to the last bit.
fn moments_agree(gpu: &Gpu, case: &Case) -> Result<(), String> {
    let (mut random, mut rows) = (Random::new(case.orders as u64), case.rows.clone());
    let spec = moments(case.keyed, case.float_sum);
    for _ in 0..case.orders {
        let input = batches(&rows, &mut random);
        let expected = reference::aggregate(&spec, &input.table());
        let got = gpu.aggregate(&spec, &input);
        compare::outcome(&expected, &got, Order::Open)?;
        let text = |error: pilaster_kernels::Error| error.to_string();
        same_bits(&Cpu::default().aggregate(&spec, &input).map_err(text)?, &got.map_err(text)?)?;
        random.shuffle(&mut rows);
    }
    Ok(())
}

fn moments_on_gpu(test: &str, hostility: Hostility) -> Option<Gpu> {
    let gpu = Gpu::open(test, ShaderMode::Checked)?.hostile(hostility);
    for kind in KINDS {
        for groups in [1, 255, 257] {
            let case = case(kind, 700, groups, 1);
            assert_eq!(moments_agree(&gpu, &case), Ok(()), "{kind:?}, {groups} groups");
        }
    }
    Some(gpu)
}

#[test]
fn moments_are_those_of_the_cpu_on_gpu() {
    moments_on_gpu("moments_are_those_of_the_cpu_on_gpu", Hostility::default());
}

/// Each batch is a program, whose numbers are as wide as its own exponents need; rows in the order of a digit.
#[test]
fn moments_by_several_programs_are_those_of_the_cpu_on_gpu() {
    let test = "moments_by_several_programs_are_those_of_the_cpu_on_gpu";
    let hostility =
        Hostility { program_per_batch: true, digit_bits: Some(4), hash_table: true, ..Hostility::default() };
    moments_on_gpu(test, hostility);
}

/// A hash of two bits, a table that starts with room for one group.
#[test]
fn moments_in_a_table_of_four_chains_are_those_of_the_cpu_on_gpu() {
    let test = "moments_in_a_table_of_four_chains_are_those_of_the_cpu_on_gpu";
    let hostility =
        Hostility { hash_table: true, hash_bits: Some(2), first_groups: Some(1), ..Hostility::default() };
    moments_on_gpu(test, hostility);
}

/// States that exceed the budget are done in parts.
#[test]
fn moments_in_parts_are_those_of_the_cpu_on_gpu() {
    let test = "moments_in_parts_are_those_of_the_cpu_on_gpu";
    let hostility = Hostility {
        hash_table: true,
        device_bytes: Some(256 << 10),
        first_groups: Some(257),
        ..Hostility::default()
    };
    let Some(gpu) = moments_on_gpu(test, hostility) else { return };
    assert!(gpu.parts.load(Relaxed) > 1, "the widest states of 257 groups fit the budget");
}

/// Of values between which squares neither overflow nor vanish, within the bound of fast moments: their module's.
#[test]
fn fast_moments_are_within_their_bound_on_gpu() {
    for program_per_batch in [false, true] {
        let test = "fast_moments_are_within_their_bound_on_gpu";
        let Some(gpu) = Gpu::open(test, ShaderMode::Checked) else { return };
        let gpu = gpu.hostile(Hostility { program_per_batch, ..Hostility::default() });
        for kind in [Kind::Plain, Kind::Mixed] {
            for groups in [1, 7] {
                let case = case(kind, 1500, groups, 1);
                let input = batches(&case.rows, &mut Random::new(1));
                let spec = moments(case.keyed, FloatSum::Fast);
                let mut expected = reference::aggregate(&spec, &input.table()).expect("no error");
                widen(&mut expected, case.rows.len());
                let got = gpu.aggregate(&spec, &input);
                assert_eq!(
                    compare::outcome(&Ok(expected), &got, Order::Open),
                    Ok(()),
                    "{kind:?}, {groups} groups"
                );
            }
        }
    }
}

/// `(32 n + 128) * 2^-53` of each moment.
fn widen(table: &mut Table, rows: usize) {
    for row in &mut table.rows {
        let columns = row.values.iter().zip(&mut row.within);
        for (value, within) in columns {
            if let (Datum::Float(value), Some(within)) = (value, within) {
                *within = within.max((32 * rows + 128) as f64 * value.abs() * 2f64.powi(-53));
            }
        }
    }
}

/// The highest word of a square is lost.
#[test]
fn an_error_in_the_shader_of_float_squares_is_noticed() {
    let test = "an_error_in_the_shader_of_float_squares_is_noticed";
    let Some(mut gpu) = Gpu::open(test, ShaderMode::Checked) else { return };
    let case = case(Kind::Plain, 500, 5, 1);
    assert_eq!(moments_agree(&gpu, &case), Ok(()), "without the error");
    gpu.sabotage = Some(|shader: &Shader| {
        let mut shader = shader.clone();
        shader.wgsl = shader.wgsl.replace("third.x, high.y + third.y)", "third.x, third.y)");
        shader.id ^= 0x0f10_a752;
        shader
    });
    println!("{}", moments_agree(&gpu, &case).expect_err("the error is not noticed"));
}
