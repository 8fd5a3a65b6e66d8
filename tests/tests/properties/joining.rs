//! Joins: nested loops over values = the hash join on either build side, any number of threads, any cut; whole, by
//! partitions or by pieces ([`partitions`]).

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::scope;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use pilaster_kernels::expr::{CompareOp, Expr, value_type};
use pilaster_kernels::filter::Selection;
use pilaster_kernels::join::cpu::{JoinBatch, JoinBuild, JoinSettings, JoinTable, Prober, RuntimeFilter};
use pilaster_kernels::join::{JoinKey, JoinSpec, JoinType, Side};
use pilaster_kernels::memory::Reserve;
use pilaster_kernels::{Backend, Error, Result};
use pilaster_tests::Datum;
use pilaster_tests::compare::{self, Got, Order};
use pilaster_tests::reference;
use pilaster_tests::runner::check;
use pilaster_tests::strategies::{
    Batches, ColumnRecipe, JOIN_TYPES, JoinInput, Nulls, Spread, any_join, choices, everything,
};
use proptest::strategy::Strategy;
use rayon::ThreadPool;

mod partitions;

/// How a join is run.
#[derive(Debug, Clone)]
pub struct Run {
    build: Side,
    threads: usize,
    settings: JoinSettings,
    /// Rows of an output batch, at most.
    limit: usize,
    /// Rows of an input batch, at most.
    cut: usize,
    limit_bytes: u64,
    /// Whether rows are dropped by runtime filters before they are probed, where they may be.
    filtered: bool,
}

impl Run {
    fn plain(build: Side) -> Self {
        let settings = JoinSettings::default();
        Run {
            build,
            threads: 1,
            settings,
            limit: 1 << 14,
            cut: usize::MAX,
            limit_bytes: u64::MAX,
            filtered: false,
        }
    }
}

#[derive(Debug, Clone)]
struct Case {
    input: JoinInput,
    run: Run,
}

fn any_case(most_rows: usize) -> impl Strategy<Value = Case> {
    choices(120).prop_map(move |mut choices| {
        let run = Run {
            build: *choices.one_of(&[Side::Right, Side::Left]),
            threads: *choices.one_of(&[1, 2, 4]),
            settings: JoinSettings {
                hash_bits: *choices.one_of(&[64, 0, 3]),
                direct: choices.pick(2) == 0,
                region_bits: *choices.one_of(&[14, 4, 6]),
                tagged_slots: *choices.one_of(&[usize::MAX, 0]),
                output_bytes: *choices.one_of(&[u64::MAX, 1, 300]),
            },
            limit: *choices.one_of(&[1 << 14, 1, 3, 100]),
            cut: *choices.one_of(&[usize::MAX, 1, 10]),
            limit_bytes: u64::MAX,
            filtered: choices.pick(2) == 1,
        };
        Case { input: any_join(most_rows, &mut choices.split()), run }
    })
}

/// A budget that knows what is out.
#[derive(Debug)]
struct Budget {
    used: AtomicU64,
    limit: u64,
}

impl Reserve for Budget {
    fn try_grow(&self, bytes: u64) -> Result<()> {
        let grown = |used: u64| used.checked_add(bytes).filter(|&used| used <= self.limit);
        match self.used.fetch_update(Ordering::SeqCst, Ordering::SeqCst, grown) {
            Ok(_) => Ok(()),
            Err(_) => {
                Err(Error::OutOfMemory { backend: Backend::Cpu, asked_bytes: bytes, limit_bytes: self.limit })
            }
        }
    }

    fn shrink(&self, bytes: u64) {
        let used = self.used.fetch_sub(bytes, Ordering::SeqCst);
        assert!(used >= bytes, "more is given back than was taken");
    }
}

fn pool(threads: usize) -> &'static ThreadPool {
    static POOLS: [OnceLock<ThreadPool>; 5] = [const { OnceLock::new() }; 5];
    POOLS[threads].get_or_init(|| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap())
}

/// Runs a join; fails the test where batches break their bounds or memory is not given back.
fn join(spec: &JoinSpec, left: &Batches, right: &Batches, run: &Run) -> Result<Got> {
    let memory = Arc::new(Budget { used: AtomicU64::new(0), limit: run.limit_bytes });
    let (build, probe) = match run.build {
        Side::Left => (left, right),
        Side::Right => (right, left),
    };
    let joined = run_join(spec, &build.cut(run.cut), &probe.cut(run.cut), run, &memory);
    assert_eq!(memory.used.load(Ordering::SeqCst), 0, "memory is not given back");
    joined
}

fn run_join(
    spec: &JoinSpec,
    build_side: &Batches,
    probe_side: &Batches,
    run: &Run,
    memory: &Arc<Budget>,
) -> Result<Got> {
    let memory: Arc<dyn Reserve> = Arc::clone(memory) as _;
    let build = JoinBuild::with_settings(Arc::new(spec.clone()), run.build, memory, run.settings.clone())?;
    let next = AtomicUsize::new(0);
    let workers = threads(run.threads, || {
        let mut worker = build.worker();
        while let Some(at) = next_of(&next, build_side) {
            worker.consume(&build_side.batches[at], build_side.rows[at], None)?;
        }
        Ok(worker)
    })?;
    let table = Arc::new(pool(run.threads).install(|| build.finish(workers))?);
    let next = AtomicUsize::new(0);
    let filters = filters(spec, &table, run)?;
    let parts = threads(run.threads, || {
        let mut prober = table.prober();
        let mut out = Vec::new();
        while let Some(at) = next_of(&next, probe_side) {
            let (columns, rows) = (&probe_side.batches[at], probe_side.rows[at]);
            let kept =
                filters.iter().enumerate().map(|(key, filter)| Ok(filter.keep(&columns[key])?.bitmap()));
            let kept = kept.collect::<Result<Vec<_>>>()?.into_iter().reduce(|a, b| &a & &b);
            prober.begin(columns, rows, kept.map(Selection::from_bitmap).as_ref())?;
            drain(&mut prober, run.limit, &mut out)?;
        }
        Ok(out)
    })?;
    let mut all = Got { types: types_of(spec), rows: Vec::new() };
    parts.into_iter().flatten().for_each(|batch| append(&mut all, batch));
    if table.has_remaining() {
        let mut start = 0;
        while start < table.rows() {
            let rows = table.remaining_rows(start, run.limit);
            assert!((1..=run.limit).contains(&rows));
            append(&mut all, table.remaining(start, rows)?);
            start += rows;
        }
    }
    Ok(all)
}

/// One per key, where all keys have one: key `k` is column `k`.
fn filters(spec: &JoinSpec, table: &JoinTable, run: &Run) -> Result<Vec<RuntimeFilter>> {
    if !run.filtered || !table.may_drop_probe_rows() {
        return Ok(Vec::new());
    }
    let filters =
        (0..spec.keys.len()).map(|key| table.runtime_filter(key)).collect::<Result<Option<Vec<_>>>>();
    Ok(filters?.unwrap_or_default())
}

fn next_of(next: &AtomicUsize, side: &Batches) -> Option<usize> {
    Some(next.fetch_add(1, Ordering::SeqCst)).filter(|&at| at < side.batches.len())
}

fn drain(prober: &mut Prober, limit: usize, out: &mut Vec<JoinBatch>) -> Result<()> {
    while let Some(batch) = prober.next(limit)? {
        assert!((1..=limit).contains(&batch.rows), "{} rows of {limit}", batch.rows);
        out.push(batch);
    }
    Ok(())
}

fn threads<T: Send>(count: usize, work: impl Fn() -> Result<T> + Sync) -> Result<Vec<T>> {
    let work = &work;
    scope(|scope| {
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn types_of(spec: &JoinSpec) -> Vec<DataType> {
    spec.output.iter().map(|&column| spec.output_type(column).unwrap().clone()).collect()
}

/// Adds a batch, whose columns may be physically narrower than their logical types.
fn append(all: &mut Got, batch: JoinBatch) {
    for (column, logical) in batch.columns.iter().zip(&all.types) {
        assert_eq!(column.len(), batch.rows);
        assert!(stands_for(column, logical), "{} for {logical}", column.data_type());
    }
    all.rows.extend(Got::arrays(&batch.columns, batch.rows).rows);
}

fn stands_for(column: &ArrayRef, logical: &DataType) -> bool {
    let physical = value_type(column.data_type());
    physical == logical || physical.is_decimal() && logical.is_decimal()
}

fn agrees(input: &JoinInput, run: &Run) -> std::result::Result<(), String> {
    judge(input, &join(&input.spec, &input.left, &input.right, run))
}

fn judge(input: &JoinInput, got: &Result<Got>) -> std::result::Result<(), String> {
    let expected = reference::join(&input.left.table(), &input.right.table(), &input.spec);
    let by_row =
        !matches!(input.spec.join_type, JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full);
    if expected.is_err() && got.is_ok() && by_row {
        // A row that has a partner need not look at its other candidates, and meets no error there.
        return Ok(());
    }
    compare::outcome(&expected, got, Order::Open)
}

#[test]
fn random_joins_on_cpu() {
    check("random joins, CPU", 1500, &any_case(65), |case| agrees(&case.input, &case.run));
}

/// Enough rows for several regions, several groups of batches and lists across them.
#[test]
fn larger_random_joins_on_cpu() {
    check("larger random joins, CPU", 25, &any_case(300), |case| {
        let settings = JoinSettings { region_bits: 4, ..case.run.settings.clone() };
        agrees(&case.input, &Run { settings, ..case.run.clone() })
    });
}

/// Whatever the budget: the answer, or the error that says so; nothing is kept.
#[test]
fn joins_in_little_memory() {
    let strategy = (any_case(65), 0u64..40_000);
    check("joins in little memory, CPU", 300, &strategy, |(case, limit_bytes)| {
        let run = Run { limit_bytes: *limit_bytes, ..case.run.clone() };
        match join(&case.input.spec, &case.input.left, &case.input.right, &run) {
            Err(Error::OutOfMemory { .. }) => Ok(()),
            got => judge(&case.input, &got),
        }
    });
}

/// Two keys with nulls on both sides, several batches, a residual that refuses some candidates.
fn fixed(join_type: JoinType) -> JoinInput {
    let null_aware = join_type == JoinType::LeftAntiNullAware;
    let recipe = ColumnRecipe::plain;
    let side = |seed: u64, nulls| {
        let numbers = if null_aware { Spread::Small } else { Spread::Tiny };
        let recipes = vec![
            recipe(DataType::Int64, numbers, nulls, seed),
            recipe(DataType::Utf8, Spread::Tiny, nulls, seed + 1),
            recipe(DataType::Int32, Spread::Small, nulls, seed + 2),
        ];
        Batches::new(recipes, &[33, 5, 20])
    };
    let types = vec![DataType::Int64, DataType::Utf8, DataType::Int32];
    let key = |at: usize| JoinKey {
        left: Expr::column(at, types[at].clone()),
        right: Expr::column(at, types[at].clone()),
        nulls_equal: at == 1,
    };
    let value = |at| Expr::column(at, DataType::Int32);
    let residual = Expr::compare(CompareOp::Lt, value(2), value(5)).unwrap();
    let spec = JoinSpec {
        join_type,
        keys: (0..if null_aware { 1 } else { 2 }).map(key).collect(),
        residual: (!null_aware).then_some(residual),
        output: everything(join_type, 3, 3),
        left: types.clone(),
        right: types.clone(),
    };
    // A null on the right leaves nothing of a NOT IN to go wrong.
    let right_nulls = if null_aware { Nulls::Absent } else { Nulls::Percent(20) };
    JoinInput { spec, left: side(1, Nulls::Percent(20)), right: side(11, right_nulls) }
}

/// A join with an error in it must not pass for the right one: nulls that meet or do not, a residual that is not asked, a key
/// that is not compared, another type, a batch that is lost, a value that is off by one.
#[test]
fn errors_of_a_join_are_noticed() {
    for (join_type, build) in JOIN_TYPES.into_iter().flat_map(|t| [(t, Side::Left), (t, Side::Right)]) {
        let input = fixed(join_type);
        let run = Run::plain(build);
        let of = |spec: &JoinSpec| join(spec, &input.left, &input.right, &run);
        let noticed = |spec: JoinSpec, what: &str| {
            assert!(judge(&input, &of(&spec)).is_err(), "{join_type:?}, built on {build:?}: {what}");
        };
        assert_eq!(judge(&input, &of(&input.spec)), Ok(()), "{join_type:?}, built on {build:?}");
        let spec = input.spec.clone();
        if join_type != JoinType::LeftAntiNullAware {
            noticed(JoinSpec { residual: None, ..spec.clone() }, "no residual");
            noticed(JoinSpec { keys: spec.keys[..1].to_vec(), ..spec.clone() }, "one key");
            for key in 0..2 {
                let mut keys = spec.keys.clone();
                keys[key].nulls_equal = !keys[key].nulls_equal;
                noticed(JoinSpec { keys, ..spec.clone() }, "nulls of a key");
            }
        } else {
            noticed(JoinSpec { join_type: JoinType::LeftAnti, ..spec.clone() }, "not null aware");
        }
        let (less, mut off) = (input.left.only(0), of(&spec).unwrap());
        assert!(
            judge(&input, &join(&spec, &less, &input.right, &run)).is_err(),
            "{join_type:?}: a batch lost"
        );
        spoil(&mut off);
        assert!(judge(&input, &Ok(off)).is_err(), "{join_type:?}: a value off by one");
    }
}

fn spoil(got: &mut Got) {
    match got.rows.iter_mut().flatten().find(|value| matches!(value, Datum::Int(_))) {
        Some(Datum::Int(value)) => *value += 1,
        _ => got.rows.push(vec![Datum::Null; got.types.len()]),
    }
}
