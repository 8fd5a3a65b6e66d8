//! The same groups as one plain table, whatever freezes, spills or recurses.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

use arrow::array::*;
use arrow::compute::{SortColumn, concat, lexsort_to_indices, take};
use arrow::datatypes::{DataType, Int32Type, SchemaRef};

use super::*;
use crate::aggregate::cpu::CpuAggregate;
use crate::aggregate::{Aggregate, AggregateFunction as F, FloatSum};
use crate::error::Error;
use crate::expr::{CompareOp, Expr, Scalar};
use crate::memory::{SpillWriter, Spilled, Unlimited};

/// Batches kept in memory, which count as bytes on disk.
#[derive(Debug, Default)]
struct Kept {
    files: AtomicUsize,
    alive: Arc<AtomicUsize>,
}

struct KeptWriter {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    alive: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct KeptFile {
    batches: Vec<RecordBatch>,
    alive: Arc<AtomicUsize>,
}

impl Spill for Kept {
    fn create(&self, schema: SchemaRef) -> Result<Box<dyn SpillWriter>> {
        self.files.fetch_add(1, SeqCst);
        self.alive.fetch_add(1, SeqCst);
        Ok(Box::new(KeptWriter { schema, batches: Vec::new(), alive: Arc::clone(&self.alive) }))
    }
}

impl SpillWriter for KeptWriter {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        assert_eq!(batch.schema(), self.schema);
        assert!(batch.num_rows() > 0);
        self.batches.push(batch.clone());
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Arc<dyn Spilled>> {
        Ok(Arc::new(KeptFile { batches: self.batches, alive: self.alive }))
    }
}

impl Spilled for KeptFile {
    fn read(&self, batch: usize) -> Result<RecordBatch> {
        Ok(self.batches[batch].clone())
    }

    fn bytes(&self) -> u64 {
        self.batches.iter().map(|batch| batch.get_array_memory_size() as u64).sum()
    }
}

impl Drop for KeptFile {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, SeqCst);
    }
}

/// A budget that never gives more than its limit, and remembers the most that it gave.
#[derive(Debug)]
struct Limited {
    limit: u64,
    held: AtomicU64,
    peak: AtomicU64,
}

impl Limited {
    fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { limit, held: 0.into(), peak: 0.into() })
    }
}

impl Reserve for Limited {
    fn try_grow(&self, bytes: u64) -> Result<()> {
        let grown = |held: u64| held.checked_add(bytes).filter(|&held| held <= self.limit);
        let refused =
            Error::OutOfMemory { backend: crate::Backend::Cpu, asked_bytes: bytes, limit_bytes: self.limit };
        let before = self.held.fetch_update(SeqCst, SeqCst, grown).map_err(|_| refused)?;
        self.peak.fetch_max(before + bytes, SeqCst);
        Ok(())
    }

    fn shrink(&self, bytes: u64) {
        assert!(self.held.fetch_sub(bytes, SeqCst) >= bytes, "gave back more than was held");
    }
}

fn small() -> PartitionSettings {
    PartitionSettings {
        hash_groups: 64,
        direct_slots: 64,
        run_rows: 3_000,
        run_bytes: 1 << 20,
        part_groups: 50,
    }
}

fn noise(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    })
}

/// Columns: an integer key, a string key, a number with nulls, a decimal, a flag.
fn batches(keys: impl Fn(u64) -> Option<i64>, count: u64, rows: usize) -> Vec<Vec<ArrayRef>> {
    (0..count)
        .map(|batch| {
            let noise: Vec<u64> = noise(batch + 1).take(rows).collect();
            let key: Vec<Option<i64>> = noise.iter().map(|&n| keys(n)).collect();
            let word = |key: &Option<i64>| key.map(|key| format!("word number {}", key.rem_euclid(4_999)));
            let words: Vec<Option<String>> = key.iter().map(word).collect();
            let words: ArrayRef = match batch % 3 {
                0 => Arc::new(StringArray::from_iter(words)),
                1 => Arc::new(words.iter().map(Option::as_deref).collect::<DictionaryArray<Int32Type>>()),
                _ => Arc::new(StringViewArray::from_iter(words)),
            };
            let number = noise.iter().map(|&n| (n % 7 > 0).then_some((n % 1_000) as i64 - 500));
            let decimal = noise.iter().map(|&n| i128::from(n) * 10i128.pow(15));
            let decimal = Decimal128Array::from_iter_values(decimal).with_precision_and_scale(38, 2).unwrap();
            vec![
                Arc::new(Int64Array::from(key)) as ArrayRef,
                words,
                Arc::new(number.collect::<Int64Array>()),
                Arc::new(decimal),
                Arc::new(noise.iter().map(|&n| Some(n % 3 == 0)).collect::<BooleanArray>()),
            ]
        })
        .collect()
}

fn spec(keys: Vec<Expr>, predicate: bool) -> Arc<AggregateSpec> {
    let number = || Expr::column(2, DataType::Int64);
    let decimal = || Expr::column(3, DataType::Decimal128(38, 2));
    let mut filtered = Aggregate::new(F::Sum, vec![number()], DataType::Int64);
    filtered.filter = Some(Expr::column(4, DataType::Boolean));
    let predicate = predicate.then(|| {
        let limit = Expr::literal(Scalar::from(-400i64));
        Expr::compare(CompareOp::Gt, number(), limit).unwrap()
    });
    let aggregates = vec![
        Aggregate::new(F::CountRows, vec![], DataType::Int64),
        Aggregate::new(F::Count, vec![number()], DataType::Int64),
        Aggregate::new(F::Sum, vec![number()], DataType::Int64),
        filtered,
        Aggregate::new(F::Sum, vec![decimal()], DataType::Decimal128(38, 2)),
        Aggregate::new(F::Avg, vec![number()], DataType::Float64),
        Aggregate::new(F::Min, vec![Expr::column(1, DataType::Utf8)], DataType::Utf8),
        Aggregate::new(F::Max, vec![number()], DataType::Int64),
        Aggregate::new(F::BitXor, vec![number()], DataType::Int64),
    ];
    Arc::new(AggregateSpec { predicate, keys, aggregates, float_sum: FloatSum::Fast })
}

fn integer_key() -> Expr {
    Expr::column(0, DataType::Int64)
}

fn string_key() -> Expr {
    Expr::column(1, DataType::Utf8)
}

/// A key that is no column.
fn computed_key() -> Expr {
    let tenth = Expr::literal(Scalar::from(10i64));
    Expr::compare(CompareOp::Lt, integer_key(), tenth).unwrap()
}

/// Rows in the order of the keys.
fn sorted(chunks: Vec<Vec<ArrayRef>>, keys: usize) -> Vec<ArrayRef> {
    let width = chunks.first().map_or(0, Vec::len);
    let joined: Vec<ArrayRef> = (0..width)
        .map(|at| {
            let parts: Vec<&dyn Array> = chunks.iter().map(|chunk| chunk[at].as_ref()).collect();
            concat(&parts).unwrap()
        })
        .collect();
    if keys == 0 {
        return joined;
    }
    let columns: Vec<SortColumn> =
        joined[..keys].iter().map(|key| SortColumn { values: Arc::clone(key), options: None }).collect();
    let order = lexsort_to_indices(&columns, None).unwrap();
    joined.iter().map(|column| take(column, &order, None).unwrap()).collect()
}

fn plain(spec: &Arc<AggregateSpec>, batches: &[Vec<ArrayRef>]) -> Vec<ArrayRef> {
    let mut table = CpuAggregate::new(Arc::clone(spec), Arc::new(Unlimited)).unwrap();
    for batch in batches {
        table.consume(batch, batch[0].len()).unwrap();
    }
    sorted(vec![table.finish().unwrap()], spec.keys.len())
}

struct Ran {
    columns: Vec<ArrayRef>,
    report: PartitionReport,
}

fn partitioned(
    spec: &Arc<AggregateSpec>,
    batches: &[Vec<ArrayRef>],
    workers: usize,
    memory: Arc<dyn Reserve>,
    spill: Option<Arc<dyn Spill>>,
    settings: PartitionSettings,
) -> Result<Ran> {
    let whole = PartitionedAggregate::new(memory, spill, settings);
    let mut working = (0..workers).map(|_| whole.worker(spec)).collect::<Result<Vec<_>>>()?;
    for (at, batch) in batches.iter().enumerate() {
        working[at % workers].consume_at((at as u64) << 32, batch, batch[0].len())?;
    }
    let parts = whole.finish(working)?;
    let mut chunks = Vec::new();
    for part in 0..parts.len() {
        chunks.extend(parts.compute(part)?);
    }
    Ok(Ran { columns: sorted(chunks, spec.keys.len()), report: whole.report() })
}

fn key_lists() -> Vec<Vec<Expr>> {
    vec![
        vec![integer_key()],
        vec![string_key()],
        vec![string_key(), integer_key()],
        vec![integer_key(), computed_key()],
    ]
}

#[test]
fn groups_are_those_of_one_table() {
    let wide = |n: u64| (!n.is_multiple_of(11)).then_some(((n % 5_000) as i64) << 32);
    let dense = |n: u64| (!n.is_multiple_of(11)).then_some((n % 5_000) as i64);
    for batches in [batches(wide, 12, 2_000), batches(dense, 12, 2_000)] {
        for keys in key_lists() {
            for predicate in [false, true] {
                let spec = spec(keys.clone(), predicate);
                let expected = plain(&spec, &batches);
                for workers in [1, 3] {
                    let ran =
                        partitioned(&spec, &batches, workers, Arc::new(Unlimited), None, small()).unwrap();
                    assert_eq!(ran.columns, expected, "{keys:?}, {workers} workers, predicate {predicate}");
                    assert!(ran.report.frozen_tables > 0 && ran.report.parts > 1, "{:?}", ran.report);
                    assert!(ran.report.staged_rows > 0);
                }
            }
        }
    }
}

#[test]
fn few_groups_stay_in_one_table_in_order_of_appearance() {
    let batches = batches(|n| Some(40 - (n % 40) as i64), 4, 1_000);
    let spec = spec(vec![integer_key()], false);
    let whole = PartitionedAggregate::new(Arc::new(Unlimited), None, PartitionSettings::default());
    let mut worker = whole.worker(&spec).unwrap();
    let mut table = CpuAggregate::new(Arc::clone(&spec), Arc::new(Unlimited)).unwrap();
    for batch in &batches {
        worker.consume_at(0, batch, 1_000).unwrap();
        table.consume(batch, 1_000).unwrap();
    }
    let parts = whole.finish(vec![worker]).unwrap();
    assert_eq!(parts.len(), 1);
    assert_eq!(parts.compute(0).unwrap(), vec![table.finish().unwrap()]);
    assert!(parts.compute(0).is_err(), "a part is computed once");
    assert_eq!(
        whole.report(),
        PartitionReport { mode: "direct array", parts: 1, ..PartitionReport::default() }
    );
}

#[test]
fn no_rows_and_no_keys() {
    let keyed = spec(vec![integer_key()], false);
    let ungrouped = spec(vec![], true);
    for (spec, batches, rows) in
        [(&keyed, vec![], 0), (&ungrouped, vec![], 1), (&ungrouped, batches(|n| Some(n as i64), 3, 500), 1)]
    {
        let expected = plain(spec, &batches);
        let ran = partitioned(spec, &batches, 2, Arc::new(Unlimited), None, small()).unwrap();
        assert_eq!((ran.columns[0].len(), &ran.columns), (rows, &expected));
    }
}

#[test]
fn a_hot_key_stays_in_the_frozen_table() {
    let skewed = |n: u64| Some(if !n.is_multiple_of(10) { 7 } else { (n % 100_000) as i64 * 1_000 });
    let batches = batches(skewed, 12, 2_000);
    let spec = spec(vec![integer_key()], false);
    let ran = partitioned(&spec, &batches, 2, Arc::new(Unlimited), None, small()).unwrap();
    assert_eq!(ran.columns, plain(&spec, &batches));
    assert!(ran.report.staged_rows < 24_000 / 8, "{:?}", ran.report);
    assert_eq!(ran.report.blind_batches, 0);
}

#[test]
fn unique_rows_are_staged_blindly_and_a_change_is_noticed() {
    let spec = spec(vec![integer_key()], false);
    let unique = batches(|n| Some(n as i64), 60, 300);
    let ran = partitioned(&spec, &unique, 1, Arc::new(Unlimited), None, small()).unwrap();
    assert_eq!(ran.columns, plain(&spec, &unique));
    assert!(ran.report.blind_batches > 50, "{:?}", ran.report);
    // Then only keys of the first batch: they are in the table.
    let again: Vec<Vec<ArrayRef>> =
        unique[..2].iter().chain(std::iter::repeat_n(&unique[0], 80)).cloned().collect();
    let ran = partitioned(&spec, &again, 1, Arc::new(Unlimited), None, small()).unwrap();
    assert_eq!(ran.columns, plain(&spec, &again));
    assert!(ran.report.blind_batches <= 2 * 32, "{:?}", ran.report);
    assert!(ran.report.staged_rows < 40 * 300, "{:?}", ran.report);
}

#[test]
fn budgets_are_held_by_spilling() {
    let wide = |n: u64| (!n.is_multiple_of(11)).then_some(((n % 20_000) as i64) << 32);
    let batches = batches(wide, 10, 800);
    for keys in key_lists() {
        let spec = spec(keys, true);
        let expected = plain(&spec, &batches);
        for limit in [300_000, 3_000_000] {
            let memory = Limited::new(limit);
            let kept = Arc::new(Kept::default());
            let settings = PartitionSettings { hash_groups: 1_000, ..small() };
            let spill = Arc::clone(&kept) as Arc<dyn Spill>;
            let ran = partitioned(&spec, &batches, 2, memory.clone(), Some(spill), settings).unwrap();
            assert_eq!(ran.columns, expected, "{limit} bytes");
            assert!(memory.peak.load(SeqCst) <= limit);
            assert_eq!(memory.held.load(SeqCst), 0, "all is given back");
            assert_eq!(kept.alive.load(SeqCst), 0, "no file is left");
            assert!(limit > 1_000_000 || ran.report.spilled_bytes > 0, "{:?}", ran.report);
        }
    }
}

#[test]
fn without_a_place_to_spill_a_refusal_is_an_error() {
    let batches = batches(|n| Some((n as i64) << 20), 20, 1_000);
    let spec = spec(vec![integer_key()], false);
    let memory = Limited::new(600_000);
    let ran = partitioned(&spec, &batches, 1, memory.clone(), None, small());
    assert!(matches!(ran, Err(Error::OutOfMemory { .. })));
    assert_eq!(memory.held.load(SeqCst), 0);
}

#[test]
fn partitions_that_are_too_large_are_partitioned_again() {
    let spec = spec(vec![integer_key()], false);
    let batches = batches(|n| Some((n % 200_000) as i64 * 7), 10, 2_000);
    let memory = Limited::new(40_000);
    let kept: Arc<dyn Spill> = Arc::new(Kept::default());
    let ran = partitioned(&spec, &batches, 1, memory, Some(kept), small()).unwrap();
    assert_eq!(ran.columns, plain(&spec, &batches));
    assert!(ran.report.depth > 1, "{:?}", ran.report);
}

/// One key, far more of it than fits: it is one group at every level.
#[test]
fn one_key_does_not_recurse() {
    let spec = spec(vec![integer_key()], false);
    let batches = batches(|_| Some(42), 20, 1_000);
    let memory = Limited::new(150_000);
    let kept: Arc<dyn Spill> = Arc::new(Kept::default());
    let ran = partitioned(&spec, &batches, 2, memory, Some(kept), small()).unwrap();
    assert_eq!(ran.columns, plain(&spec, &batches));
    assert!(ran.report.depth <= 2, "{:?}", ran.report);
}

/// Workers whose columns lie elsewhere, as below a UNION ALL, and one without the predicate.
#[test]
fn branches_meet_in_one_table() {
    let spec = spec(vec![string_key(), integer_key()], false);
    let batches = batches(|n| Some((n % 3_000) as i64), 8, 1_000);
    let turned = |expr: &Expr| expr.map_columns(&mut |column| 4 - column);
    let aggregates = spec.aggregates.iter().map(|aggregate| Aggregate {
        inputs: aggregate.inputs.iter().map(turned).collect(),
        filter: aggregate.filter.as_ref().map(turned),
        ..aggregate.clone()
    });
    let other = Arc::new(AggregateSpec {
        predicate: None,
        keys: spec.keys.iter().map(turned).collect(),
        aggregates: aggregates.collect(),
        float_sum: spec.float_sum,
    });
    let whole = PartitionedAggregate::new(Arc::new(Unlimited), None, small());
    let mut workers = vec![whole.worker(&spec).unwrap(), whole.worker(&other).unwrap()];
    for (at, batch) in batches.iter().enumerate() {
        let mut columns = batch.clone();
        if at % 2 == 1 {
            columns.reverse();
        }
        workers[at % 2].consume_at(0, &columns, 1_000).unwrap();
    }
    let parts = whole.finish(workers).unwrap();
    let chunks = (0..parts.len()).flat_map(|part| parts.compute(part).unwrap()).collect();
    assert_eq!(sorted(chunks, 2), plain(&spec, &batches));
}

#[test]
fn errors_of_rows_come_out() {
    let spec = spec(vec![integer_key()], false);
    let whole = PartitionedAggregate::new(Arc::new(Unlimited), None, small());
    let mut worker = whole.worker(&spec).unwrap();
    let columns = batches(|n| Some(n as i64), 1, 10).remove(0);
    assert!(matches!(worker.consume_at(0, &columns, 11), Err(Error::InvalidInput(_))));
    assert!(whole.finish(vec![]).is_err());
}

/// Sums of frozen tables travel as states: what is beyond the largest float in one of them may cancel in another.
#[test]
fn float_sums_overflow_in_no_table_on_the_way() {
    let total =
        |function| Aggregate::new(function, vec![Expr::column(1, DataType::Float64)], DataType::Float64);
    let aggregates = vec![total(F::Sum), total(F::Avg)];
    let (predicate, float_sum) = (None, FloatSum::Fast);
    let spec = Arc::new(AggregateSpec { predicate, keys: vec![integer_key()], aggregates, float_sum });
    let batch = |first: i64, value: f64| -> Vec<ArrayRef> {
        let keys = (0..1_200).map(|row| (first + row % 100) << 32);
        vec![Arc::new(Int64Array::from_iter_values(keys)), Arc::new(Float64Array::from(vec![value; 1_200]))]
    };
    // The two workers see 36 and -24 times 1e307 for each key and a little more, then keys that are new.
    let part = 1e307;
    let mut batches: Vec<_> = [part, -part, part, -part, part, 1.5].map(|value| batch(0, value)).into();
    batches.push(batch(1_000, 1.0));
    let ran = partitioned(&spec, &batches, 2, Arc::new(Unlimited), None, small()).unwrap();
    assert_eq!((ran.report.frozen_tables, ran.report.staged_rows), (2, 1_200));
    let column = |at: usize| ran.columns[at].as_primitive::<arrow::datatypes::Float64Type>().values();
    let (sums, means) = (&column(1)[..100], &column(2)[..100]);
    assert!(sums.iter().all(|&sum| (sum / 12.0 / part - 1.0).abs() < 1e-14), "{:?}", &sums[..3]);
    assert!(means.iter().all(|&mean| (mean / (part / 6.0) - 1.0).abs() < 1e-14));
}
