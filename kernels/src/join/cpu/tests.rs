//! How rows are found, in which order they come out, what is not copied. That they are the right ones is the business of the
//! property tests.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Int32Type, Int64Type};

use super::*;
use crate::expr::{CompareOp, Expr};
use crate::filter::Selection;
use crate::join::{JoinKey, JoinType, OutputColumn, Side};
use crate::memory::{Reserve, Unlimited};

fn spec(join_type: JoinType, types: &[DataType], keys: usize) -> JoinSpec {
    let key = |at: usize| JoinKey {
        left: Expr::column(at, types[at].clone()),
        right: Expr::column(at, types[at].clone()),
        nulls_equal: false,
    };
    let output = (0..types.len()).map(OutputColumn::Left).chain((0..types.len()).map(OutputColumn::Right));
    JoinSpec {
        join_type,
        left: types.to_vec(),
        right: types.to_vec(),
        keys: (0..keys).map(key).collect(),
        residual: None,
        output: output.collect(),
    }
}

fn table(spec: JoinSpec, batches: &[Vec<ArrayRef>]) -> Arc<JoinTable> {
    let build = JoinBuild::new(Arc::new(spec), Side::Right, Arc::new(Unlimited)).unwrap();
    let mut worker = build.worker();
    batches.iter().for_each(|batch| worker.consume(batch, batch[0].len(), None).unwrap());
    Arc::new(build.finish(vec![worker]).unwrap())
}

fn ints(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn values(array: &ArrayRef) -> Vec<i64> {
    array.as_primitive::<Int64Type>().values().to_vec()
}

/// All output of one batch, `limit` rows at a time.
fn probe(table: &Arc<JoinTable>, columns: &[ArrayRef], limit: usize) -> Vec<JoinBatch> {
    let mut prober = table.prober();
    prober.begin(columns, columns[0].len(), None).unwrap();
    std::iter::from_fn(|| prober.next(limit).unwrap()).collect()
}

#[test]
fn modes_follow_from_the_keys() {
    let int = [DataType::Int64];
    let mode = |batch: Vec<ArrayRef>, types: &[DataType], keys| {
        table(spec(JoinType::Inner, types, keys), &[batch]).mode_name()
    };
    assert_eq!(mode(vec![ints(7_000_000..7_000_100)], &int, 1), "direct");
    assert_eq!(mode(vec![ints((0..100).map(|v| v << 40))], &int, 1), "narrow");
    let two = [DataType::Int64, DataType::Int64];
    let spread = || ints([i64::MIN, 0, i64::MAX]);
    assert_eq!(mode(vec![spread(), ints([1, 2, 3])], &two, 2), "wide");
    let three = [DataType::Int64, DataType::Int64, DataType::Int64];
    assert_eq!(mode(vec![spread(), spread(), spread()], &three, 3), "hashed");
    let text = |value: &str| -> ArrayRef { Arc::new(StringArray::from(vec![value, "b"])) };
    assert_eq!(mode(vec![text("seven..")], &[DataType::Utf8], 1), "narrow");
    assert_eq!(mode(vec![text("fifteen letters")], &[DataType::Utf8], 1), "wide");
    assert_eq!(mode(vec![text("sixteen letters.")], &[DataType::Utf8], 1), "hashed");
}

#[test]
fn rows_come_in_probe_order_then_build_order_in_bounded_batches() {
    let types = [DataType::Int64, DataType::Int64];
    let build = vec![ints([1, 2, 1, 3, 1]), ints([10, 20, 11, 30, 12])];
    let table = table(spec(JoinType::Left, &types, 1), &[build]);
    assert!(!table.is_unique());
    let columns = [ints([3, 1, 9, 1]), ints([0, 1, 2, 3])];
    for limit in [1, 2, 3, 100] {
        let batches = probe(&table, &columns, limit);
        assert!(batches.iter().all(|batch| batch.rows <= limit));
        let column = |at: usize| -> Vec<Option<i64>> {
            let arrays = batches.iter().map(|batch| batch.columns[at].as_primitive::<Int64Type>().clone());
            arrays.flat_map(|array| array.iter().collect::<Vec<_>>()).collect()
        };
        let probe_rows = [0, 1, 1, 1, 2, 3, 3, 3].map(Some);
        assert_eq!(column(1), probe_rows, "{limit}");
        let build_rows = [Some(30), Some(10), Some(11), Some(12), None, Some(10), Some(11), Some(12)];
        assert_eq!(column(3), build_rows, "{limit}");
    }
}

#[test]
fn where_all_rows_match_once_nothing_of_the_probe_side_is_copied() {
    let types = [DataType::Int64, DataType::Int64];
    let table = table(spec(JoinType::Inner, &types, 1), &[vec![ints(0..100), ints(100..200)]]);
    assert!(table.is_unique());
    let columns = [ints((0..100).rev()), ints(0..100)];
    let batches = probe(&table, &columns, 1000);
    assert!(batches[0].columns[1].to_data().ptr_eq(&columns[1].to_data()));
    assert_eq!(values(&batches[0].columns[3]), (100..200).rev().collect::<Vec<_>>());
}

#[test]
fn dictionaries_and_views_stay_what_they_are() {
    let types = [DataType::Int64, DataType::Utf8, DataType::Utf8];
    let dictionary: DictionaryArray<Int32Type> = vec!["x", "y", "x"].into_iter().collect();
    let views = StringViewArray::from(vec!["a string beyond twelve bytes", "b", "c"]);
    let batch: Vec<ArrayRef> = vec![ints([1, 2, 2]), Arc::new(dictionary), Arc::new(views)];
    let table = table(spec(JoinType::Inner, &types, 1), std::slice::from_ref(&batch));
    let out = &probe(&table, &batch, 100)[0].columns;
    let held = |column: &ArrayRef| Arc::clone(column.as_any_dictionary().values());
    assert!(Arc::ptr_eq(&held(&out[4]), &held(&batch[1])));
    let buffers = |column: &ArrayRef| column.as_string_view().data_buffers()[0].as_ptr();
    assert_eq!(buffers(&out[5]), buffers(&batch[2]));
}

#[test]
fn selected_rows_alone_take_part() {
    let types = [DataType::Int64];
    let build = JoinBuild::new(Arc::new(spec(JoinType::Inner, &types, 1)), Side::Left, Arc::new(Unlimited));
    let build = build.unwrap();
    let mut worker = build.worker();
    worker.consume(&[ints(0..10)], 10, Some(&Selection::from_indices(10, vec![2, 4, 6]))).unwrap();
    assert_eq!(worker.rows(), 3);
    let table = Arc::new(build.finish(vec![worker]).unwrap());
    let mut prober = table.prober();
    prober.begin(&[ints(0..10)], 10, Some(&Selection::from_indices(10, vec![3, 4, 5, 6]))).unwrap();
    assert_eq!(values(&prober.next(10).unwrap().unwrap().columns[1]), [4, 6]);
}

/// 10^10 pairs, of which the first few are asked for.
#[test]
fn an_exploding_join_stops_where_it_is_told_to() {
    let zeros = || ints(std::iter::repeat_n(0, 100_000));
    for keys in [0, 1] {
        let table = table(spec(JoinType::Inner, &[DataType::Int64], keys), &[vec![zeros()]]);
        let mut prober = table.prober();
        prober.begin(&[zeros()], 100_000, None).unwrap();
        assert_eq!(prober.next(10).unwrap().unwrap().rows, 10);
    }
}

/// Few rows of long strings, each with each: batches are bounded by bytes, whichever side they are of, and by rows where strings are short.
#[test]
fn long_rows_make_short_batches() {
    const LONG: usize = 10_000;
    let types = [DataType::Int64, DataType::Utf8];
    let zeros = |rows| ints(std::iter::repeat_n(0, rows));
    let texts = |rows: usize, length: usize| -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..rows).map(|row| "x".repeat(length + row))))
    };
    let residual = Expr::compare(CompareOp::LtEq, Expr::column(1, DataType::Utf8), Expr::literal("y"));
    let residual = residual.unwrap();
    for (join_type, long_build, residual) in [
        (JoinType::Inner, true, None),
        (JoinType::Inner, false, None),
        (JoinType::Full, true, None),
        (JoinType::Left, false, Some(residual)),
    ] {
        let (build, probe) = if long_build { (LONG, 3) } else { (3, LONG) };
        let spec = JoinSpec { residual, ..spec(join_type, &types, 1) };
        let settings = JoinSettings { output_bytes: 100_000, ..JoinSettings::default() };
        let build_side =
            JoinBuild::with_settings(Arc::new(spec), Side::Right, Arc::new(Unlimited), settings).unwrap();
        let mut worker = build_side.worker();
        worker.consume(&[zeros(40), texts(40, build)], 40, None).unwrap();
        let table = Arc::new(build_side.finish(vec![worker]).unwrap());
        let batches = probe_all(&table, &[zeros(40), texts(40, probe)]);
        let bytes = |batch: &JoinBatch| {
            [1, 3].map(|at| batch.columns[at].as_string::<i32>().value_data().len()).iter().sum::<usize>()
        };
        assert_eq!(batches.iter().map(|batch| batch.rows).sum::<usize>(), 1600, "{join_type:?}");
        assert!(batches.iter().all(|batch| bytes(batch) <= 100_000), "{join_type:?}");
        assert!(batches.iter().rev().skip(1).all(|batch| bytes(batch) > 80_000), "{join_type:?}");
        assert_eq!(table.remaining_rows(0, 100), if long_build { 9 } else { 40 });
        assert_eq!(table.remaining_rows(39, 100), 1);
    }
}

fn probe_all(table: &Arc<JoinTable>, columns: &[ArrayRef]) -> Vec<JoinBatch> {
    probe(table, columns, 1 << 14)
}

#[derive(Debug)]
struct Budget(std::sync::atomic::AtomicU64);

impl Reserve for Budget {
    fn try_grow(&self, bytes: u64) -> Result<()> {
        let left = |left: u64| left.checked_sub(bytes);
        match self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left) {
            Ok(_) => Ok(()),
            Err(left) => Err(Error::OutOfMemory {
                backend: crate::Backend::Cpu,
                asked_bytes: bytes,
                limit_bytes: left,
            }),
        }
    }

    fn shrink(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::SeqCst);
    }
}

/// Also one that is taken in pieces, of which the first would fit.
#[test]
fn a_batch_that_does_not_fit_leaves_the_worker_as_it_was() {
    let memory = Arc::new(Budget(5_000_000.into()));
    let types = [DataType::Int64, DataType::Int64];
    let spec = Arc::new(spec(JoinType::Inner, &types, 1));
    let build = JoinBuild::new(spec, Side::Right, Arc::clone(&memory) as Arc<dyn Reserve>).unwrap();
    let mut worker = build.worker();
    let small = [ints(0..100), ints(0..100)];
    worker.consume(&small, 100, None).unwrap();
    let (bytes, left) = (worker.bytes(), memory.0.load(Ordering::SeqCst));
    let large = [ints(0..400_000), ints(0..400_000)];
    assert!(matches!(worker.consume(&large, 400_000, None), Err(Error::OutOfMemory { .. })));
    assert_eq!((worker.rows(), worker.bytes(), memory.0.load(Ordering::SeqCst)), (100, bytes, left));
    let table = Arc::new(build.finish(vec![worker]).unwrap());
    assert_eq!(probe(&table, &small, 1000)[0].rows, 100);
    drop(table);
    assert_eq!(memory.0.load(Ordering::SeqCst), 5_000_000);
}

/// Probers look at tags once most rows have no partner, and find the same rows then.
#[test]
fn tags_lose_no_partner() {
    let types = [DataType::Int64];
    let spread = |value: i64| value.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64.cast_signed());
    for hash_bits in [64, 5] {
        let settings = JoinSettings { tagged_slots: 0, hash_bits, region_bits: 6, ..JoinSettings::default() };
        let spec = Arc::new(spec(JoinType::Inner, &types, 1));
        let build = JoinBuild::with_settings(spec, Side::Right, Arc::new(Unlimited), settings).unwrap();
        let mut worker = build.worker();
        worker.consume(&[ints((0..1000).map(spread))], 1000, None).unwrap();
        let table = Arc::new(build.finish(vec![worker]).unwrap());
        let mut prober = table.prober();
        let mut hits = |start: i64| {
            prober.begin(&[ints((start..start + 1000).map(spread))], 1000, None).unwrap();
            std::iter::from_fn(|| prober.next(1 << 14).unwrap()).map(|batch| batch.rows).sum::<usize>()
        };
        assert_eq!([1000, 900, 0, 0, 900, 0].map(&mut hits), [0, 100, 1000, 1000, 100, 1000]);
    }
}

/// 10^10 candidates again: of those, a semi join looks at one per row, also where a residual refuses half of them.
#[test]
fn a_hot_key_does_not_make_a_semi_join_quadratic() {
    let types = [DataType::Int64, DataType::Int64];
    let residual =
        Expr::compare(CompareOp::NotEq, Expr::column(1, DataType::Int64), Expr::column(3, DataType::Int64));
    let zeros = || ints(std::iter::repeat_n(0, 100_000));
    for (join_type, residual) in [
        (JoinType::LeftSemi, None),
        (JoinType::RightSemi, None),
        (JoinType::LeftSemi, Some(residual.unwrap())),
    ] {
        let output = vec![if join_type == JoinType::LeftSemi {
            OutputColumn::Left(1)
        } else {
            OutputColumn::Right(1)
        }];
        let bounded = residual.is_some();
        let spec = JoinSpec { output, residual, ..spec(join_type, &types, 1) };
        let table = table(spec, &[vec![zeros(), ints(0..100_000)]]);
        let rows = if bounded { 1000 } else { 100_000 };
        let out = probe(&table, &[zeros().slice(0, rows), ints(0..rows as i64)], 1 << 20);
        let rest = if table.has_remaining() { table.remaining(0, 1 << 20).unwrap().rows } else { 0 };
        assert_eq!(out.iter().map(|batch| batch.rows).sum::<usize>() + rest, rows.max(rest));
    }
}

/// Of rows without partner, bits drop all, and a Bloom filter all but a few; of rows with one, neither drops any.
#[test]
fn runtime_filters_keep_partners_and_drop_others() {
    let types = [DataType::Int64];
    let spread = |value: i64| value.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64.cast_signed());
    for (kind, key) in [("bits", (|value| value * 3) as fn(i64) -> i64), ("bloom", spread)] {
        let table = table(spec(JoinType::Inner, &types, 1), &[vec![ints((0..10_000).map(key))]]);
        let filter = table.runtime_filter(0).unwrap().unwrap();
        assert_eq!(filter.kind(), kind);
        let kept = filter.keep(&ints((0..20_000).map(key))).unwrap();
        assert!((0..10_000).all(|row| kept.bitmap().value(row)), "{kind}");
        let others = kept.count() - 10_000;
        assert!(others <= if kind == "bits" { 0 } else { 100 }, "{kind}: {others} rows pass by chance");
        assert_eq!(filter.counts(), (20_000, kept.count() as u64));
        assert!(table.runtime_filter(1).is_err());
    }
}

#[test]
fn a_runtime_filter_that_drops_nothing_turns_itself_off() {
    let table = table(spec(JoinType::Inner, &[DataType::Int64], 1), &[vec![ints(0..1000)]]);
    let filter = table.runtime_filter(0).unwrap().unwrap();
    let hits = ints((0..1 << 16).map(|row| row % 1000));
    assert!(filter.pays());
    assert_eq!(filter.keep(&hits).unwrap().count(), 1 << 16);
    assert!(!filter.pays());
    assert!(filter.keep(&ints(5000..5010)).unwrap().is_all());
}

#[test]
fn a_runtime_filter_is_a_predicate_too() {
    let predicate = |batch: ArrayRef, data_type: DataType| {
        let table = table(spec(JoinType::Inner, std::slice::from_ref(&data_type), 1), &[vec![batch]]);
        let filter = table.runtime_filter(0).unwrap().unwrap();
        filter.predicate(&Expr::column(4, data_type)).unwrap().map(|predicate| predicate.to_string())
    };
    assert_eq!(predicate(ints([5, -3, 5]), DataType::Int64).unwrap(), "(#4 IN (-3, 5))");
    let text = Arc::new(StringArray::from(vec!["b", "", "long"]));
    assert_eq!(predicate(text, DataType::Utf8).unwrap(), "(#4 IN ('', 'b', 'long'))");
    let range = predicate(ints(10..1000), DataType::Int64).unwrap();
    assert_eq!(range, "((#4 >= 10) AND (#4 <= 999))");
    assert_eq!(predicate(Arc::new(Float64Array::from(vec![1.0])), DataType::Float64), None);
}

/// Which probe rows make a difference although they have no partner.
#[test]
fn rows_are_dropped_before_the_join_only_where_they_make_no_difference() {
    let may_drop = |join_type, side| {
        let spec = JoinSpec { output: Vec::new(), ..spec(join_type, &[DataType::Int64], 1) };
        let build = JoinBuild::new(Arc::new(spec), side, Arc::new(Unlimited)).unwrap();
        build.finish(vec![build.worker()]).unwrap().may_drop_probe_rows()
    };
    use JoinType as T;
    for join_type in [T::Inner, T::Right, T::LeftSemi, T::RightSemi, T::RightAnti, T::RightMark] {
        assert!(may_drop(join_type, Side::Right), "{join_type:?}");
    }
    for join_type in [T::Left, T::Full, T::LeftAnti, T::LeftMark, T::LeftAntiNullAware] {
        assert!(!may_drop(join_type, Side::Right), "{join_type:?}");
    }
    assert!(!may_drop(T::LeftAntiNullAware, Side::Left));
}
