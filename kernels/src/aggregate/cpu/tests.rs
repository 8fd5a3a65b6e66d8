//! Hand-computed aggregations and hostile inputs.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::*;

use super::*;
use crate::aggregate::{Aggregate, AggregateFunction, FloatSum};
use crate::expr::OverflowMode;
use crate::memory::Unlimited;

use AggregateFunction::{Avg, Count, CountRows, Max, Min, Sum};

fn aggregate(function: AggregateFunction, column: usize, from: DataType, to: DataType) -> Aggregate {
    let operand = (function != CountRows).then(|| Expr::column(column, from));
    Aggregate::new(function, operand.into_iter().collect(), to)
}

fn spec(keys: &[DataType], aggregates: Vec<Aggregate>) -> Arc<AggregateSpec> {
    let keys =
        keys.iter().enumerate().map(|(index, data_type)| Expr::column(index, data_type.clone())).collect();
    Arc::new(AggregateSpec { predicate: None, keys, aggregates, float_sum: FloatSum::Fast })
}

fn array(array: impl Array + 'static) -> ArrayRef {
    Arc::new(array)
}

/// Runs the batches in one aggregation, in two that are merged, and through partials; all must agree.
fn run(spec: &Arc<AggregateSpec>, batches: &[Vec<ArrayRef>]) -> Result<Vec<ArrayRef>> {
    let start = || CpuAggregate::new(Arc::clone(spec), Arc::new(Unlimited));
    let mut whole = start()?;
    let mut halves = [start()?, start()?];
    let mut parts = [start()?, start()?];
    for (at, batch) in batches.iter().enumerate() {
        let rows = batch.first().map_or(0, |column| column.len());
        whole.consume(batch, rows)?;
        let half = usize::from(at * 2 >= batches.len());
        halves[half].consume(batch, rows)?;
        parts[half].consume(batch, rows)?;
    }
    let whole = whole.finish();
    let [mut merged, last] = halves;
    let mut loaded = start()?;
    let [first, second] = parts;
    let partials = (first.into_partial(), second.into_partial());
    merged.merge(last)?;
    let merged = merged.finish();
    if let (Ok(first), Ok(second)) = partials {
        loaded.merge_partial(&first)?;
        loaded.merge_partial(&second)?;
        compare(&whole, &loaded.finish());
    }
    compare(&whole, &merged);
    whole
}

fn compare(expected: &Result<Vec<ArrayRef>>, found: &Result<Vec<ArrayRef>>) {
    match (expected, found) {
        (Ok(expected), Ok(found)) => {
            for (expected, found) in expected.iter().zip(found) {
                assert_eq!(format!("{expected:?}"), format!("{found:?}"));
            }
        }
        (Err(expected), Err(found)) => assert_eq!(expected.to_string(), found.to_string()),
        (expected, found) => panic!("{expected:?} against {found:?}"),
    }
}

fn one<T: ArrowPrimitiveType>(result: &[ArrayRef], column: usize) -> Option<T::Native> {
    let array = result[column].as_primitive::<T>();
    assert_eq!(array.len(), 1);
    array.is_valid(0).then(|| array.value(0))
}

#[test]
fn ungrouped_over_nothing_is_one_row() {
    let all = vec![
        aggregate(CountRows, 0, DataType::Int64, DataType::Int64),
        aggregate(Count, 0, DataType::Int64, DataType::Int64),
        aggregate(Sum, 0, DataType::Int64, DataType::Int64),
        aggregate(Min, 0, DataType::Int64, DataType::Int64),
        aggregate(Avg, 0, DataType::Int64, DataType::Float64),
    ];
    let empty = vec![array(Int64Array::from(Vec::<i64>::new()))];
    let all_null = vec![array(Int64Array::new(vec![7, i64::MAX].into(), Some(vec![false, false].into())))];
    for (batches, rows) in [(vec![], 0), (vec![empty], 0), (vec![all_null], 2)] {
        let result = run(&spec(&[], all.clone()), &batches).unwrap();
        assert_eq!(one::<Int64Type>(&result, 0), Some(rows));
        assert_eq!(one::<Int64Type>(&result, 1), Some(0));
        assert_eq!(one::<Int64Type>(&result, 2), None);
        assert_eq!(one::<Int64Type>(&result, 3), None);
        assert_eq!(one::<Float64Type>(&result, 4), None);
    }
    let grouped = run(&spec(&[DataType::Int64], all), &[]).unwrap();
    assert!(grouped.iter().all(|column| column.is_empty()));
}

#[test]
fn sums_are_exact_and_only_the_last_value_can_overflow() {
    let sum = spec(&[], vec![aggregate(Sum, 0, DataType::Int64, DataType::Int64)]);
    let batch = |values: Vec<i64>| vec![array(Int64Array::from(values))];
    let result = run(&sum, &[batch(vec![i64::MAX, i64::MAX]), batch(vec![-i64::MAX, -5])]).unwrap();
    assert_eq!(one::<Int64Type>(&result, 0), Some(i64::MAX - 5));
    let result = run(&sum, &[batch(vec![i64::MIN, i64::MIN]), batch(vec![i64::MAX, i64::MAX])]).unwrap();
    assert_eq!(one::<Int64Type>(&result, 0), Some(-2));
    let overflow = run(&sum, &[batch(vec![i64::MAX, 1])]);
    assert!(
        matches!(&overflow, Err(Error::ArithmeticOverflow { operator, column: Some(_) }) if operator == "sum")
    );
    let mut wrapping = aggregate(Sum, 0, DataType::Int64, DataType::Int64);
    wrapping.overflow = OverflowMode::Wrap;
    let result = run(&spec(&[], vec![wrapping]), &[batch(vec![i64::MAX, 1])]).unwrap();
    assert_eq!(one::<Int64Type>(&result, 0), Some(i64::MIN));
}

#[test]
fn decimal_sums_pass_through_every_tier() {
    let kind = DataType::Decimal128(38, 0);
    let both = vec![
        aggregate(Sum, 0, kind.clone(), kind.clone()),
        aggregate(Avg, 0, kind.clone(), kind.clone()),
        aggregate(Max, 0, kind.clone(), kind.clone()),
    ];
    let most = 10i128.pow(38) - 1;
    let batch = |values: Vec<i128>| {
        vec![array(Decimal128Array::from(values).with_precision_and_scale(38, 0).unwrap())]
    };
    let batches =
        [batch(vec![7, 8]), batch(vec![most, most, most, most]), batch(vec![-most, -most, -most, 1])];
    let result = run(&spec(&[], both.clone()), &batches[..2]);
    assert!(matches!(result, Err(Error::ArithmeticOverflow { .. })));
    let result = run(&spec(&[], both), &[&batches[..], &[batch(vec![-16])]].concat()).unwrap();
    assert_eq!(one::<Decimal128Type>(&result, 0), Some(most), "the last value brings it back");
    let fewer = vec![
        aggregate(Sum, 0, kind.clone(), DataType::Decimal256(40, 0)),
        aggregate(Avg, 0, kind.clone(), kind.clone()),
        aggregate(Max, 0, kind.clone(), kind),
    ];
    let result = run(&spec(&[], fewer), &batches).unwrap();
    assert_eq!(one::<Decimal256Type>(&result, 0), Some(i256::from_i128(most + 16)));
    assert_eq!(one::<Decimal128Type>(&result, 1), Some((most + 16 + 5) / 10));
    assert_eq!(one::<Decimal128Type>(&result, 2), Some(most));
}

#[test]
fn decimal_averages_round_half_away_and_narrow_arrays_stand_for_wide_types() {
    let kind = DataType::Decimal128(15, 2);
    let narrow =
        Decimal64Array::from(vec![Some(100), Some(101), None]).with_precision_and_scale(15, 2).unwrap();
    let tiny = Decimal32Array::from(vec![Some(-302)]).with_precision_and_scale(9, 2).unwrap();
    let all = vec![
        aggregate(Avg, 0, kind.clone(), DataType::Decimal128(19, 6)),
        aggregate(Avg, 0, kind.clone(), DataType::Decimal128(15, 2)),
        aggregate(Sum, 0, kind.clone(), DataType::Decimal128(25, 2)),
        aggregate(Min, 0, kind.clone(), kind),
    ];
    let result = run(&spec(&[], all), &[vec![array(narrow)], vec![array(tiny)]]).unwrap();
    // (1.00 + 1.01 - 3.02) / 3 = -0.33666...
    assert_eq!(one::<Decimal128Type>(&result, 0), Some(-336_667));
    assert_eq!(one::<Decimal128Type>(&result, 1), Some(-34));
    assert_eq!(one::<Decimal128Type>(&result, 2), Some(-101));
    assert_eq!(one::<Decimal128Type>(&result, 3), Some(-302));
    assert_eq!(result[2].data_type(), &DataType::Decimal128(25, 2));
}

#[test]
fn floats_follow_the_total_order_and_never_overflow_on_the_way() {
    let kind = DataType::Float64;
    let all = [Sum, Avg, Min, Max].map(|function| aggregate(function, 0, kind.clone(), kind.clone()));
    let result = |values: Vec<f64>| {
        let result = run(&spec(&[], all.to_vec()), &[vec![array(Float64Array::from(values))]]).unwrap();
        [0, 1, 2, 3].map(|at| one::<Float64Type>(&result, at).unwrap())
    };
    assert_eq!(result(vec![f64::MAX, f64::MAX, -f64::MAX, -f64::MAX, 3.0]), [3.0, 0.6, -f64::MAX, f64::MAX]);
    assert_eq!(result(vec![f64::MAX, f64::MAX])[..2], [f64::INFINITY, f64::MAX]);
    assert_eq!(result(vec![f64::INFINITY, 1.0])[..2], [f64::INFINITY, f64::INFINITY]);
    assert!(result(vec![f64::INFINITY, f64::NEG_INFINITY])[..2].iter().all(|value| value.is_nan()));
    let [sum, _, least, greatest] = result(vec![-f64::NAN, 1.0, -1.0]);
    assert!(sum.is_nan() && least == -1.0);
    assert_eq!(greatest.to_bits(), f64::NAN.to_bits());
    assert_eq!(result(vec![-0.0, -0.0]).map(f64::to_bits), [0; 4], "one zero");
}

#[test]
fn strings_booleans_and_dates_have_extremes() {
    let text = StringViewArray::from(vec![
        Some("b"),
        None,
        Some("a\0"),
        Some("a"),
        Some("a longer string than a view"),
    ]);
    let dictionary: DictionaryArray<Int32Type> =
        vec![Some("zz"), None, Some("zz"), Some("A"), None].into_iter().collect();
    let flags = BooleanArray::from(vec![Some(true), None, Some(false), None, None]);
    let dates = Date32Array::from(vec![Some(5), None, Some(-5), None, None]);
    let coded = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let all = vec![
        aggregate(Min, 0, DataType::Utf8View, DataType::Utf8View),
        aggregate(Max, 0, DataType::Utf8View, DataType::Utf8),
        aggregate(Min, 1, DataType::Utf8, DataType::Utf8),
        aggregate(Max, 1, DataType::Utf8, coded.clone()),
        aggregate(Min, 2, DataType::Boolean, DataType::Boolean),
        aggregate(Max, 3, DataType::Date32, DataType::Date32),
        aggregate(Count, 1, DataType::Utf8, DataType::UInt64),
    ];
    let batch = vec![array(text), array(dictionary), array(flags), array(dates)];
    let result = run(&spec(&[], all), &[batch]).unwrap();
    assert_eq!(result[0].as_string_view().value(0), "a");
    assert_eq!(result[1].as_string::<i32>().value(0), "b");
    assert_eq!(result[2].as_string::<i32>().value(0), "A");
    assert_eq!(result[3].data_type(), &coded);
    assert!(!result[4].as_boolean().value(0));
    assert_eq!(one::<Date32Type>(&result, 5), Some(5));
    assert_eq!(one::<UInt64Type>(&result, 6), Some(3));
}

#[test]
fn extremes_of_the_type_are_values_too() {
    let all = |kind: DataType| {
        [Min, Max].map(|function| aggregate(function, 0, kind.clone(), kind.clone())).to_vec()
    };
    let result = run(
        &spec(&[], all(DataType::Int64)),
        &[
            vec![array(Int64Array::from(vec![i64::MAX, i64::MAX]))],
            vec![array(Int64Array::from(vec![i64::MAX]))],
        ],
    );
    assert_eq!(one::<Int64Type>(&result.unwrap(), 0), Some(i64::MAX));
    let batches = [
        vec![array(UInt64Array::from(vec![u64::MAX, 1 << 63]))],
        vec![array(UInt64Array::from(vec![u64::MAX - 1]))],
    ];
    let result = run(&spec(&[], all(DataType::UInt64)), &batches).unwrap();
    assert_eq!(
        (one::<UInt64Type>(&result, 0), one::<UInt64Type>(&result, 1)),
        (Some(1 << 63), Some(u64::MAX))
    );
}

/// Keys and counts as text, in the order that came out.
fn counted(spec_keys: &[DataType], batches: &[Vec<ArrayRef>]) -> Vec<(Vec<String>, i64)> {
    let count = aggregate(CountRows, 0, DataType::Null, DataType::Int64);
    let result = run(&spec(spec_keys, vec![count]), batches).unwrap();
    let options = arrow::util::display::FormatOptions::new().with_null("null");
    let keys: Vec<_> = result[..spec_keys.len()]
        .iter()
        .map(|key| arrow::util::display::ArrayFormatter::try_new(key.as_ref(), &options).unwrap())
        .collect();
    let counts = result[spec_keys.len()].as_primitive::<Int64Type>();
    (0..counts.len())
        .map(|row| (keys.iter().map(|key| key.value(row).to_string()).collect(), counts.value(row)))
        .collect()
}

fn counted_one(data_type: DataType, arrays: Vec<ArrayRef>) -> Vec<(String, i64)> {
    let batches: Vec<_> = arrays.into_iter().map(|array| vec![array]).collect();
    counted(&[data_type], &batches).into_iter().map(|(mut key, count)| (key.remove(0), count)).collect()
}

fn expect(pairs: &[(&str, i64)]) -> Vec<(String, i64)> {
    pairs.iter().map(|&(key, count)| (key.to_owned(), count)).collect()
}

#[test]
fn nulls_and_nans_and_zeros_form_one_group_each() {
    let numbers = Int32Array::new(vec![1, 9, 1, 8].into(), Some(vec![true, false, true, false].into()));
    let sliced = Int32Array::from(vec![9, 2, 1]).slice(1, 2);
    let found = counted_one(DataType::Int32, vec![array(numbers), array(sliced)]);
    assert_eq!(found, expect(&[("1", 3), ("null", 2), ("2", 1)]));
    let floats = Float64Array::from(vec![-0.0, f64::NAN, 0.0, -f64::NAN]);
    assert_eq!(counted_one(DataType::Float64, vec![array(floats)]), expect(&[("0.0", 2), ("NaN", 2)]));
    assert_eq!(counted_one(DataType::Null, vec![array(NullArray::new(3))]), expect(&[("null", 3)]));
    let flags = BooleanArray::from(vec![Some(true), None, Some(false), Some(true)]);
    let found = counted_one(DataType::Boolean, vec![array(flags)]);
    assert_eq!(found, expect(&[("true", 2), ("null", 1), ("false", 1)]));
}

#[test]
fn strings_group_alike_in_every_layout() {
    let plain = StringArray::from(vec![Some("a"), Some(""), None, Some("a")]);
    let keys = Int8Array::from(vec![Some(1), Some(2), Some(0), None, Some(1)]);
    let values = StringArray::from(vec![None, Some("a"), Some("a"), Some("never used")]);
    let coded = DictionaryArray::<Int8Type>::new(keys, Arc::new(values));
    let views = StringViewArray::from(vec![Some("a string beyond twelve bytes"), Some("a")]);
    let found = counted_one(DataType::Utf8, vec![array(plain), array(coded), array(views)]);
    assert_eq!(found, expect(&[("a", 6), ("", 1), ("null", 3), ("a string beyond twelve bytes", 1)]));
}

#[test]
fn integers_move_from_mode_to_mode() {
    let far = |values: Vec<i64>| array(Int64Array::from(values));
    let arrays = vec![
        far(vec![5, 6, 5]),
        far(vec![4, 70_000, 5]),
        far(vec![i64::MAX, 4]),
        far(vec![i64::MIN, i64::MAX, 5]),
        array(Int64Array::from(vec![None, Some(-1)])),
    ];
    let found = counted_one(DataType::Int64, arrays);
    let (least, most) = (i64::MIN.to_string(), i64::MAX.to_string());
    let expected = [
        ("5", 4),
        ("6", 1),
        ("4", 2),
        ("70000", 1),
        (most.as_str(), 2),
        (least.as_str(), 1),
        ("null", 1),
        ("-1", 1),
    ];
    assert_eq!(found, expect(&expected));
    let unsigned = UInt64Array::from(vec![u64::MAX, 0, 1 << 63, u64::MAX]);
    let small = UInt64Array::from(vec![0, 3]);
    let found = counted_one(DataType::UInt64, vec![array(small), array(unsigned)]);
    assert_eq!(found, expect(&[("0", 2), ("3", 1), ("18446744073709551615", 2), ("9223372036854775808", 1)]));
}

#[test]
fn wide_decimals_are_keys() {
    let most = 10i128.pow(38) - 1;
    let wide = Decimal128Array::from(vec![most, 1, -most, most]).with_precision_and_scale(38, 0).unwrap();
    let narrow = Decimal64Array::from(vec![1, i64::MIN + 1]).with_precision_and_scale(18, 0).unwrap();
    let found = counted_one(DataType::Decimal128(38, 0), vec![array(wide), array(narrow)]);
    let text = (most.to_string(), format!("-{most}"), (i64::MIN + 1).to_string());
    assert_eq!(found, expect(&[(&text.0, 2), ("1", 2), (&text.1, 1), (&text.2, 1)]));
}

#[test]
fn several_keys_in_every_width() {
    let a = || array(StringArray::from(vec![Some("x"), Some("y"), None, Some("x")]));
    let b = || array(Int64Array::from(vec![i64::MIN, 1, 1, i64::MIN]));
    let c = || array(Float64Array::from(vec![0.5, -0.5, f64::NAN, 0.5]));
    let d = || array(Int64Array::from(vec![Some(i64::MAX), None, Some(3), Some(i64::MAX)]));
    let types = [DataType::Utf8, DataType::Int64, DataType::Float64, DataType::Int64];
    let all = [a(), b(), c(), d()];
    for width in 1..=4 {
        let found = counted(&types[..width], &[all[..width].to_vec(), all[..width].to_vec()]);
        let counts: Vec<i64> = found.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [4, 2, 2], "{width} keys");
        assert_eq!(found[2].0[0], "null");
    }
    let full = counted(&types, &[all.to_vec()]);
    let last: Vec<&str> = full[0].0.iter().map(String::as_str).collect();
    assert_eq!(last, ["x", &i64::MIN.to_string(), "0.5", &i64::MAX.to_string()]);
}

#[test]
fn group_counts_around_powers_of_two() {
    for groups in [1i64, 2, 3, 4, 5, 63, 64, 65, 127, 128, 129, 65_535, 65_536, 65_537] {
        for stride in [1i64, 1 << 40] {
            let values: Vec<i64> =
                (0..groups).chain(0..groups).map(|value| (value - 3).wrapping_mul(stride)).collect();
            let all = vec![
                aggregate(CountRows, 0, DataType::Int64, DataType::Int64),
                aggregate(Sum, 1, DataType::Int64, DataType::Int64),
                aggregate(Min, 1, DataType::Int64, DataType::Int64),
            ];
            let amounts: Vec<i64> = (0..2 * groups).collect();
            let batch = vec![array(Int64Array::from(values.clone())), array(Int64Array::from(amounts))];
            let mut one = CpuAggregate::new(spec(&[DataType::Int64], all), Arc::new(Unlimited)).unwrap();
            one.consume(&batch, values.len()).unwrap();
            assert_eq!(one.mode_name().starts_with("hash"), stride > 1 && groups > 1, "{groups} by {stride}");
            let result = one.finish().unwrap();
            assert_eq!(result[0].as_primitive::<Int64Type>().values()[..], values[..groups as usize]);
            assert!(result[1].as_primitive::<Int64Type>().values().iter().all(|&count| count == 2));
            let sums = result[2].as_primitive::<Int64Type>().values();
            assert!((0..groups).all(|at| sums[at as usize] == 2 * at + groups));
            assert!((0..groups).all(|at| result[3].as_primitive::<Int64Type>().value(at as usize) == at));
        }
    }
}

#[test]
fn predicate_and_filter_choose_rows() {
    let flags = |values: Vec<Option<bool>>| array(BooleanArray::from(values));
    for keep in [
        vec![true, true, true, true, false, true],
        vec![false, false, true, false, false, true],
        vec![true; 6],
    ] {
        for keys in [vec![], vec![Expr::column(0, DataType::Int32)]] {
            let mut filtered = aggregate(Sum, 1, DataType::Int64, DataType::Int64);
            filtered.filter = Some(Expr::column(3, DataType::Boolean));
            let mut count = aggregate(CountRows, 1, DataType::Int64, DataType::Int64);
            count.filter.clone_from(&filtered.filter);
            let plain = aggregate(Sum, 1, DataType::Int64, DataType::Int64);
            let spec = Arc::new(AggregateSpec {
                predicate: Some(Expr::column(2, DataType::Boolean)),
                keys: keys.clone(),
                aggregates: vec![plain, filtered, count],
                float_sum: FloatSum::Fast,
            });
            let values = [Some(1), Some(10), None, Some(100), Some(1000), Some(10_000)];
            let chosen = [Some(true), None, Some(true), Some(false), Some(true), Some(true)];
            let batch = vec![
                array(Int32Array::from(vec![7; 6])),
                array(Int64Array::from(values.to_vec())),
                flags(keep.iter().map(|&keep| Some(keep)).collect()),
                flags(chosen.to_vec()),
            ];
            let result = run(&spec, &[batch.clone(), batch]).unwrap();
            let sum = |keep: &dyn Fn(usize) -> bool| -> i64 {
                (0..6).filter(|&row| keep(row)).filter_map(|row| values[row]).sum()
            };
            let chosen_rows = (0..6).filter(|&row| keep[row] && chosen[row] == Some(true)).count() as i64;
            let at = keys.len();
            assert_eq!(one::<Int64Type>(&result, at), Some(2 * sum(&|row| keep[row])));
            let expected = 2 * sum(&|row| keep[row] && chosen[row] == Some(true));
            assert_eq!(one::<Int64Type>(&result, at + 1), Some(expected));
            assert_eq!(one::<Int64Type>(&result, at + 2), Some(2 * chosen_rows));
        }
    }
}

#[test]
fn rows_that_a_predicate_drops_make_no_group() {
    let mut spec =
        (*spec(&[DataType::Int32], vec![aggregate(CountRows, 0, DataType::Null, DataType::Int64)])).clone();
    spec.predicate = Some(Expr::column(1, DataType::Boolean));
    let keys = array(Int32Array::from(vec![Some(1), None, Some(1), Some(1)]));
    let keep = array(BooleanArray::from(vec![Some(true), None, Some(true), Some(true)]));
    let result = run(&Arc::new(spec), &[vec![keys, keep]]).unwrap();
    assert_eq!(one::<Int32Type>(&result, 0), Some(1));
    assert_eq!(one::<Int64Type>(&result, 1), Some(3));
}

/// A budget of so many bytes.
#[derive(Debug)]
struct Limited {
    limit: u64,
    held: std::sync::atomic::AtomicU64,
}

impl Reserve for Limited {
    fn try_grow(&self, bytes: u64) -> Result<()> {
        use std::sync::atomic::Ordering::SeqCst;
        let grown = |held: u64| held.checked_add(bytes).filter(|&held| held <= self.limit);
        let refused =
            Error::OutOfMemory { backend: crate::Backend::Cpu, asked_bytes: bytes, limit_bytes: self.limit };
        self.held.fetch_update(SeqCst, SeqCst, grown).map(|_| ()).map_err(|_| refused)
    }

    fn shrink(&self, bytes: u64) {
        let before = self.held.fetch_sub(bytes, std::sync::atomic::Ordering::SeqCst);
        assert!(before >= bytes, "gave back more than was held");
    }
}

#[test]
fn memory_is_asked_for_and_given_back() {
    let sum = vec![aggregate(Sum, 0, DataType::Utf8, DataType::Int64)];
    assert!(matches!(CpuAggregate::new(spec(&[], sum), Arc::new(Unlimited)), Err(Error::Unsupported { .. })));
    let all = || vec![aggregate(Max, 0, DataType::Utf8, DataType::Utf8)];
    let strings =
        array(StringArray::from_iter_values((0..20_000).map(|value| format!("value number {value}"))));
    for (limit, fits) in [(100_000, false), (1 << 20, false), (1 << 24, true)] {
        let memory = Arc::new(Limited { limit, held: 0.into() });
        let mut one = CpuAggregate::new(spec(&[DataType::Utf8], all()), memory.clone()).unwrap();
        let done = (0..3).try_for_each(|_| one.consume(std::slice::from_ref(&strings), 20_000));
        assert_eq!(done.is_ok(), fits, "{limit}: {done:?}");
        assert!(fits || matches!(done, Err(Error::OutOfMemory { .. })));
        assert_eq!(one.size_bytes() as u64, memory.held.load(std::sync::atomic::Ordering::SeqCst));
        drop(one);
        assert_eq!(memory.held.load(std::sync::atomic::Ordering::SeqCst), 0);
    }
}

#[test]
fn contradictions_are_refused() {
    let sums = vec![aggregate(Sum, 0, DataType::Int64, DataType::Int64)];
    let mut one = CpuAggregate::new(spec(&[], sums.clone()), Arc::new(Unlimited)).unwrap();
    let column = array(Int64Array::from(vec![1, 2]));
    assert!(matches!(one.consume(&[column], 3), Err(Error::InvalidInput(_))));
    let state = || StateColumn::Count(vec![1]);
    let bad = [
        Partial { groups: 1, keys: vec![], states: vec![] },
        Partial { groups: 2, keys: vec![], states: vec![state()] },
        Partial { groups: 1, keys: vec![], states: vec![state()] },
        Partial {
            groups: 1,
            keys: vec![],
            states: vec![StateColumn::Float { sums: vec![1.0], large: vec![], counts: vec![1] }],
        },
    ];
    for partial in bad {
        assert!(matches!(one.merge_partial(&partial), Err(Error::InvalidInput(_))), "{partial:?}");
    }
    assert!(one.finish().is_ok());
}
