//! Aggregation and rank sort on a device against loops over cells.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int8Array, Int32Array, Int64Array, StringArray, UInt64Array,
};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int32Type, Int64Type,
    UInt64Type, i256,
};
use pilaster::Cancellation;
use pilaster::device::{Device, Profile, ShaderMode};
use pilaster_kernels::aggregate::gpu::{GpuAggregate, GpuAggregateSettings, Grouping, Outcome};
use pilaster_kernels::aggregate::partial::{LARGE_SCALE, Partial, StateColumn};
use pilaster_kernels::aggregate::{Aggregate, AggregateFunction, AggregateSpec, FloatSum};
use pilaster_kernels::expr::{CompareOp, Expr};
use pilaster_kernels::gpu::column::pack;
use pilaster_kernels::keys::order_words;
use pilaster_kernels::sort::{SortKey, gpu as rank_sort};
use pilaster_tests::devices::{device, profile};
use pilaster_tests::strategies::Random;

use AggregateFunction::{Avg, Count, CountRows, Max, Min, Sum};

/// The device of this round's profile; none where the machine has no adapter, which is counted as a skip.
fn opened() -> Option<(Profile, Arc<Device>)> {
    Some((profile(), device("aggregate_gpu_smoke", ShaderMode::Checked)?))
}

/// One value, whatever its type.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cell<'a> {
    Null,
    Integer(i128),
    Float(f64),
    Text(&'a str),
}

impl Cell<'_> {
    /// Text that is equal where the semantics page says that values are equal.
    fn show(self) -> String {
        match self {
            Cell::Float(value) if value.is_nan() => "NaN".into(),
            Cell::Float(value) => format!("{:e}", value + 0.0),
            other => format!("{other:?}"),
        }
    }

    fn is_less(self, other: Self) -> bool {
        match (self, other) {
            (Cell::Integer(left), Cell::Integer(right)) => left < right,
            (Cell::Text(left), Cell::Text(right)) => left < right,
            (Cell::Float(left), Cell::Float(right)) => left < right || (right.is_nan() && !left.is_nan()),
            other => panic!("{other:?}"),
        }
    }
}

fn cell(array: &dyn Array, row: usize) -> Cell<'_> {
    if array.is_null(row) {
        return Cell::Null;
    }
    match array.data_type() {
        DataType::Boolean => Cell::Integer(array.as_boolean().value(row).into()),
        DataType::Int8 => Cell::Integer(array.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int32 => Cell::Integer(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Cell::Integer(array.as_primitive::<Int64Type>().value(row).into()),
        DataType::UInt64 => Cell::Integer(array.as_primitive::<UInt64Type>().value(row).into()),
        DataType::Date32 => Cell::Integer(array.as_primitive::<Date32Type>().value(row).into()),
        DataType::Decimal128(..) => Cell::Integer(array.as_primitive::<Decimal128Type>().value(row)),
        DataType::Float32 => Cell::Float(array.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => Cell::Float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => Cell::Text(array.as_string::<i32>().value(row)),
        other => panic!("{other}"),
    }
}

trait Nullable {
    /// A value, or null once in eight.
    fn nullable<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T>;
}

impl Nullable for Random {
    fn nullable<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.below(8) == 0 { None } else { Some(value(self)) }
    }
}

/// Floats are multiples of this, so that their sums are exact in integers.
const FLOAT_STEP: f64 = 1.0 / (1 << 20) as f64;

const KEY: usize = 0;
const TEXT: usize = 1;
const NUMBER: usize = 2;
const LARGE: usize = 3;
const DECIMAL: usize = 4;
const DOUBLE: usize = 5;
const SINGLE: usize = 6;
const FLAG: usize = 7;
const ID: usize = 8;
const DATE: usize = 9;
const UNSIGNED: usize = 10;
const SPECIAL: usize = 11;

fn table(rows: usize, seed: u64) -> Vec<ArrayRef> {
    let random = &mut Random::new(seed);
    let texts = ["", "a", "a\0", "b", "ä", "zebra", "a long text, longer than any inline form"];
    let specials = [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1.5, -2.25];
    let extremes = [i64::MIN, i64::MAX, 0, -1, 1 << 32, -(1 << 32)];
    let ids: Vec<i64> = (0..rows.max(1)).map(|_| random.bits() as i64).collect();
    let large = |random: &mut Random| match random.below(4) {
        0 => extremes[random.below(6) as usize],
        _ => random.bits() as i64,
    };
    let decimal =
        |random: &mut Random| i128::from(random.bits() as i64) * i128::from(random.bits() as i32) * 1_000_000;
    let double = |random: &mut Random| (random.bits() as i64 >> 8) as f64 * FLOAT_STEP;
    let single = |random: &mut Random| (random.bits() as i32 >> 8) as f32 * FLOAT_STEP as f32;
    macro_rules! column {
        ($array:ident, $value:expr) => {
            (0..rows).map(|_| random.nullable($value)).collect::<$array>()
        };
    }
    vec![
        Arc::new(column!(Int8Array, |random| random.below(7) as i8 - 3)),
        Arc::new(column!(StringArray, |random| texts[random.below(7) as usize])),
        Arc::new((0..rows).map(|_| Some(random.below(6000) as i32 - 1000)).collect::<Int32Array>()),
        Arc::new(column!(Int64Array, large)),
        Arc::new(column!(Decimal128Array, decimal).with_precision_and_scale(38, 2).unwrap()),
        Arc::new(column!(Float64Array, double)),
        Arc::new(column!(Float32Array, single)),
        Arc::new(column!(BooleanArray, |random| random.below(3) == 0)),
        Arc::new(
            (0..rows).map(|_| Some(ids[random.below(ids.len() as u64) as usize])).collect::<Int64Array>(),
        ),
        Arc::new(column!(Date32Array, |random| random.below(3000) as i32 - 100)),
        Arc::new(column!(UInt64Array, |random| random.bits() << random.below(64))),
        Arc::new(column!(Float64Array, |random| specials[random.below(8) as usize])),
    ]
}

fn column(table: &[ArrayRef], index: usize) -> Expr {
    Expr::column(index, table[index].data_type().clone())
}

/// An aggregation by column numbers, which the reference understands too.
struct Query<'a> {
    keys: &'a [usize],
    aggregates: Vec<(AggregateFunction, Option<usize>, bool)>,
    predicate: bool,
}

impl<'a> Query<'a> {
    /// Every function over every one of `inputs`, some of them filtered.
    fn all(keys: &'a [usize], inputs: &[usize], table: &[ArrayRef]) -> Self {
        let mut aggregates = vec![(CountRows, None, false), (CountRows, None, true)];
        for &input in inputs {
            let sums: &[_] = if table[input].data_type().is_numeric() { &[Sum, Avg] } else { &[] };
            let functions = [Count, Min, Max].iter().chain(sums);
            aggregates.extend(functions.map(|function| (function.clone(), Some(input), false)));
            aggregates.push((Max, Some(input), true));
        }
        Query { keys, aggregates, predicate: true }
    }

    fn spec(&self, table: &[ArrayRef]) -> AggregateSpec {
        let number = column(table, NUMBER);
        let predicate = Expr::compare(CompareOp::Lt, number, Expr::literal(4000i32)).unwrap();
        let aggregate = |(function, input, filtered): &(AggregateFunction, Option<usize>, bool)| {
            let inputs = input.iter().map(|&input| column(table, input)).collect();
            let filter = filtered.then(|| column(table, FLAG));
            Aggregate { filter, ..Aggregate::new(function.clone(), inputs, DataType::Int64) }
        };
        AggregateSpec {
            predicate: self.predicate.then_some(predicate),
            keys: self.keys.iter().map(|&key| column(table, key)).collect(),
            aggregates: self.aggregates.iter().map(aggregate).collect(),
            float_sum: FloatSum::Fast,
        }
    }

    /// Groups by the text of their keys, aggregates as text.
    fn reference(&self, table: &[ArrayRef], rows: usize) -> BTreeMap<Vec<String>, Vec<String>> {
        let mut groups: BTreeMap<Vec<String>, Vec<usize>> = BTreeMap::new();
        if self.keys.is_empty() {
            groups.insert(vec![], vec![]);
        }
        for row in 0..rows {
            let is_kept = !self.predicate
                || matches!(cell(&table[NUMBER], row), Cell::Integer(number) if number < 4000);
            if is_kept {
                let key = self.keys.iter().map(|&key| cell(&table[key], row).show()).collect();
                groups.entry(key).or_default().push(row);
            }
        }
        let states = |rows: Vec<usize>| {
            self.aggregates.iter().map(|aggregate| reference(table, &rows, aggregate.clone())).collect()
        };
        groups.into_iter().map(|(key, rows)| (key, states(rows))).collect()
    }
}

fn reference(
    table: &[ArrayRef],
    rows: &[usize],
    (function, input, filtered): (AggregateFunction, Option<usize>, bool),
) -> String {
    let rows = rows.iter().filter(|&&row| !filtered || cell(&table[FLAG], row) == Cell::Integer(1));
    let cells: Vec<Cell<'_>> = match input {
        None => rows.map(|_| Cell::Integer(1)).collect(),
        Some(input) => rows.map(|&row| cell(&table[input], row)).filter(|cell| *cell != Cell::Null).collect(),
    };
    let better = |best: Option<Cell<'_>>, cell: Cell<'_>| {
        best.is_none_or(|best| if function == Max { best.is_less(cell) } else { cell.is_less(best) })
    };
    match function {
        CountRows | Count => cells.len().to_string(),
        Sum | Avg => format!("{} of {}", reference_sum(&cells), cells.len()),
        Min | Max => {
            let mut best = None;
            for &cell in &cells {
                if better(best, cell) {
                    best = Some(cell);
                }
            }
            best.unwrap_or(Cell::Null).show()
        }
        function => panic!("no reference for {function}"),
    }
}

/// Exact: in 256 bits; floats as multiples of the step, converted once.
fn reference_sum(cells: &[Cell<'_>]) -> String {
    let (mut integers, mut steps, mut is_float) = (i256::ZERO, 0i128, false);
    let (mut nan, mut infinities) = (false, [false; 2]);
    for cell in cells {
        match *cell {
            Cell::Integer(value) => integers = integers.checked_add(i256::from_i128(value)).unwrap(),
            Cell::Float(value) => {
                is_float = true;
                nan |= value.is_nan();
                infinities[0] |= value == f64::INFINITY;
                infinities[1] |= value == f64::NEG_INFINITY;
                if value.is_finite() {
                    steps += (value / FLOAT_STEP) as i128;
                }
            }
            _ => panic!("{cell:?}"),
        }
    }
    match (is_float, nan, infinities) {
        (false, ..) => integers.to_string(),
        (_, true, _) | (_, _, [true, true]) => "NaN".into(),
        (_, _, [true, _]) => Cell::Float(f64::INFINITY).show(),
        (_, _, [_, true]) => Cell::Float(f64::NEG_INFINITY).show(),
        _ => Cell::Float(steps as f64 * FLOAT_STEP).show(),
    }
}

fn shown(partial: &Partial) -> BTreeMap<Vec<String>, Vec<String>> {
    let group = |row| {
        let key: Vec<String> = partial.keys.iter().map(|key| cell(key, row).show()).collect();
        let states = partial.states.iter().map(|state| match state {
            StateColumn::Count(counts) => counts[row].to_string(),
            StateColumn::Integer { sums, counts } => format!("{} of {}", sums[row], counts[row]),
            // A sum of nothing is shown as the integer that the reference starts with.
            StateColumn::Float { counts, .. } if counts[row] == 0 => "0 of 0".into(),
            StateColumn::Float { sums, large, counts } => {
                let sum = sums[row] + large[row] * 2f64.powi(LARGE_SCALE);
                format!("{} of {}", Cell::Float(sum).show(), counts[row])
            }
            StateColumn::Extreme(array) => cell(array, row).show(),
            StateColumn::Arrays(_) => panic!("the device has no accumulators"),
        });
        (key, states.collect())
    };
    let groups: BTreeMap<_, _> = (0..partial.groups).map(group).collect();
    assert_eq!(groups.len(), partial.groups, "a group came out twice");
    groups
}

/// Runs on a device until the table is large enough; how often it had to grow is returned too.
fn run(
    device: &Device,
    query: &Query<'_>,
    table: &[ArrayRef],
    binding_bytes: u64,
    settings: GpuAggregateSettings,
) -> (Partial, &'static str, usize) {
    let types: Vec<DataType> = table.iter().map(|array| array.data_type().clone()).collect();
    let used: Vec<usize> = (0..table.len()).collect();
    let columns = pack(&[table], &types, &used, binding_bytes).unwrap();
    let spec = query.spec(table);
    GpuAggregate::supports(&spec, device.tier()).unwrap();
    let mut aggregate = GpuAggregate::new(&spec, &columns, device.tier(), settings).unwrap();
    for retries in 0..20 {
        let program = aggregate.program(0).unwrap();
        let output = device.run(&program, &Cancellation::new()).unwrap().output;
        match aggregate.decode(&output).unwrap() {
            Outcome::Partial(partial) => return (partial, aggregate.mode_name(), retries),
            Outcome::Retry(capacity) => aggregate.resize(capacity),
        }
    }
    panic!("grew too often");
}

const WHOLE: u64 = 64 << 20;

fn compare(query: &Query<'_>, rows: usize, binding_bytes: u64, grouping: Grouping, mode: &str) {
    let table = table(rows, rows as u64);
    let expected = query.reference(&table, rows);
    if let Some((profile, device)) = opened() {
        let settings = GpuAggregateSettings { grouping, ..GpuAggregateSettings::default() };
        let (partial, ran, _) = run(&device, query, &table, binding_bytes, settings);
        assert_eq!(ran, mode);
        let found = shown(&partial);
        assert_eq!(found.len(), expected.len(), "{profile:?} {rows} rows: groups");
        for (key, states) in &expected {
            assert_eq!(
                found.get(key),
                Some(states),
                "{profile:?} {rows} rows: {key:?} {:?}",
                query.aggregates
            );
        }
    }
}

const EVERY: [usize; 9] = [KEY, TEXT, NUMBER, LARGE, DECIMAL, FLAG, DATE, UNSIGNED, ID];

#[test]
fn ungrouped_in_registers() {
    let schema = table(1, 0);
    for rows in [1, 255, 257, 20_000] {
        compare(
            &Query::all(&[], &[NUMBER, LARGE, TEXT, FLAG], &schema),
            rows,
            WHOLE,
            Grouping::Auto,
            "ungrouped",
        );
    }
    compare(&Query::all(&[], &EVERY, &schema), 10_000, 256 << 10, Grouping::Auto, "ungrouped");
}

#[test]
fn ungrouped_float_sums() {
    let schema = table(1, 0);
    for (rows, binding_bytes) in [(1, WHOLE), (20_000, 256 << 10)] {
        compare(
            &Query::all(&[], &[DOUBLE, SINGLE, SPECIAL], &schema),
            rows,
            binding_bytes,
            Grouping::Auto,
            "ungrouped",
        );
    }
}

#[test]
fn direct_array_in_workgroup_memory() {
    let schema = table(1, 0);
    for (rows, binding_bytes) in [(1, WHOLE), (300, WHOLE), (20_000, 256 << 10)] {
        let query = Query::all(&[KEY, FLAG], &[NUMBER, LARGE, TEXT], &schema);
        compare(&query, rows, binding_bytes, Grouping::Auto, "direct array");
    }
}

#[test]
fn direct_array_in_device_memory() {
    let schema = table(1, 0);
    let query = Query::all(&[NUMBER], &[LARGE, DECIMAL, SINGLE, DOUBLE, SPECIAL], &schema);
    compare(&query, 10_000, 256 << 10, Grouping::Auto, "direct array");
}

#[test]
fn hash_table_of_few_groups() {
    let schema = table(1, 0);
    for (rows, binding_bytes) in [(1, WHOLE), (257, WHOLE), (20_000, 256 << 10)] {
        let query = Query::all(&[TEXT, KEY, FLAG], &[NUMBER, DECIMAL, TEXT], &schema);
        compare(&query, rows, binding_bytes, Grouping::HashTable, "hash table");
    }
}

#[test]
fn hash_table_of_any_keys() {
    let schema = table(1, 0);
    for keys in [&[SPECIAL][..], &[LARGE], &[SINGLE, UNSIGNED], &[DECIMAL, DATE, DOUBLE, TEXT]] {
        let query = Query::all(keys, &[NUMBER, DOUBLE], &schema);
        compare(&query, 5_000, 128 << 10, Grouping::Auto, "hash table");
    }
}

#[test]
fn hash_table_grows() {
    let rows = 40_000;
    let table = table(rows, 1);
    let query = Query {
        keys: &[ID],
        aggregates: vec![(CountRows, None, false), (Sum, Some(NUMBER), false)],
        predicate: false,
    };
    let expected = query.reference(&table, rows);
    if let Some((_, device)) = opened() {
        let (partial, mode, retries) = run(&device, &query, &table, 1 << 20, GpuAggregateSettings::default());
        assert_eq!((mode, retries), ("hash table", 1));
        assert_eq!(shown(&partial), expected);
        let settings =
            GpuAggregateSettings { expected_groups: Some(rows as u64), ..GpuAggregateSettings::default() };
        assert_eq!(run(&device, &query, &table, 1 << 20, settings).2, 0);
    }
}

#[test]
fn no_rows() {
    let schema = table(1, 0);
    compare(&Query::all(&[], &[NUMBER, DOUBLE, TEXT], &schema), 0, WHOLE, Grouping::Auto, "ungrouped");
    compare(&Query::all(&[KEY], &[NUMBER], &schema), 0, WHOLE, Grouping::HashTable, "hash table");
}

#[test]
fn rank_sort_is_stable() {
    for rows in [0, 1, 63, 65, 1000, 4096] {
        let table = table(rows, 5);
        let key = |column, descending, nulls_first| SortKey { column, descending, nulls_first };
        for keys in [
            vec![key(KEY, true, false)],
            vec![key(TEXT, false, true), key(SPECIAL, true, true), key(LARGE, false, false)],
        ] {
            let words = order_words(&table, &keys).unwrap();
            let mut expected: Vec<u32> = (0..rows as u32).collect();
            let of = |row: u32| &words.words[row as usize * words.width..][..words.width];
            expected.sort_by(|&left, &right| of(left).cmp(of(right)));
            if let Some((_, device)) = opened() {
                let program = rank_sort::program(&words, device.tier()).unwrap();
                let output = device.run(&program, &Cancellation::new()).unwrap().output;
                assert_eq!(rank_sort::decode(&output, rows).unwrap(), expected);
            }
        }
    }
}
