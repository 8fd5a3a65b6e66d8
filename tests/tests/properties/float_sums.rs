//! Reproducible float sums: one bit pattern, the correctly rounded one, whatever the order of rows, the cut into batches,
//! the tree of merges and the backend.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Float64Array, Int64Array};
use arrow::datatypes::DataType;
use num_bigint::BigInt;
use pilaster::device::ShaderMode;
use pilaster_kernels::Result;
use pilaster_kernels::aggregate::{AggregateSpec, FloatSum};
use pilaster_kernels::expr::Expr;
use pilaster_shaders::Shader;
use pilaster_tests::Datum;
use pilaster_tests::compare::Got;
use pilaster_tests::reference::number::{parts, to_f64};
use pilaster_tests::runner::cases;
use pilaster_tests::strategies::{Batches, Random, avg, sum};

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
        let doubles: ArrayRef = Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.double)));
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
        shader.wgsl = shader.wgsl.replace("max(exponent, 1u) - 1u", "max(exponent, 1u)");
        shader.id ^= 0x0f10_a751;
        shader
    });
    let reason = agrees(&gpu, &case(Kind::Plain, 500, 5, 1)).expect_err("the error is not noticed");
    println!("{reason}");
}
