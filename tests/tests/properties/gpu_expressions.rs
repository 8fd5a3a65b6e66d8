//! Generated expressions and the filter on every profile of an adapter, against the CPU's evaluator.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int32Array,
    Int64Array, StringArray, UInt64Array,
};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, TimeUnit};
use pilaster::device::{Device, Profile, ShaderMode};
use pilaster::run::Cancellation;
use pilaster_kernels::Error;
use pilaster_kernels::expr::like::LikePattern;
use pilaster_kernels::expr::{
    ArithmeticOp, CastMode, CompareOp, Expr, OverflowMode, Rounding, Scalar, Value, cpu,
};
use pilaster_kernels::filter::gpu::{GpuFilter, Outcome};
use pilaster_kernels::gpu::column::{DeviceColumns, pack};
use pilaster_tests::devices::{device, profile};
use pilaster_tests::strategies::Random;

const MONEY: DataType = DataType::Decimal128(15, 2);
const HUGE: DataType = DataType::Decimal128(38, 4);
const INT32: usize = 0;
const INT64: usize = 1;
const PRICE: usize = 2;
const WIDE: usize = 3;
const DATE: usize = 4;
const TEXT: usize = 5;
const OTHER: usize = 6;
const FLAG: usize = 7;
const FLOAT64: usize = 8;
const FLOAT32: usize = 9;
const UINT64: usize = 10;

/// What is drawn here from a generator of values.
trait Draw {
    /// Within `-most..=most`, the ends and zero often.
    fn within(&mut self, most: i128) -> i128;
    /// Null one time in six.
    fn maybe<T>(&mut self, value: T) -> Option<T>;
}

impl Draw for Random {
    fn within(&mut self, most: i128) -> i128 {
        match self.bits() % 8 {
            0 => most,
            1 => -most,
            2 => 0,
            _ => {
                let wide = i128::from(self.bits()) << 64 | i128::from(self.bits());
                wide % most.max(1)
            }
        }
    }

    fn maybe<T>(&mut self, value: T) -> Option<T> {
        (!self.bits().is_multiple_of(6)).then_some(value)
    }
}

/// A batch; `most` bounds the plain integers.
fn batch(random: &mut Random, rows: usize, most: i128) -> Vec<ArrayRef> {
    const TEXTS: [&str; 5] = ["", "a", "abc", "b", "zeta"];
    const FLOATS: [f64; 7] = [0.0, -0.0, 1.5, -2.25, f64::NAN, f64::INFINITY, 1e300];
    let mut ints = |limit: i128| -> Vec<i128> { (0..rows).map(|_| random.within(most.min(limit))).collect() };
    let (a, b, c, d, u) = (
        ints(i32::MAX.into()),
        ints(i64::MAX.into()),
        ints(10i128.pow(15) - 1),
        ints(10i128.pow(17)),
        ints(i64::MAX.into()),
    );
    let mut texts = || -> Vec<Option<&str>> {
        (0..rows)
            .map(|_| {
                let text = TEXTS[random.bits() as usize % 5];
                random.maybe(text)
            })
            .collect()
    };
    let (text, other) = (texts(), texts());
    let floats: Vec<Option<f64>> = (0..rows)
        .map(|_| {
            let float = FLOATS[random.bits() as usize % 7];
            random.maybe(float)
        })
        .collect();
    let flags: Vec<Option<bool>> = (0..rows)
        .map(|_| {
            let flag = random.bits().is_multiple_of(2);
            random.maybe(flag)
        })
        .collect();
    let int32: Int32Array = a.iter().map(|&v| random.maybe(v as i32)).collect();
    let int64: Int64Array = b.iter().map(|&v| random.maybe(v as i64)).collect();
    let date: Date32Array = a.iter().map(|&v| random.maybe((v % 20_000) as i32)).collect();
    let wide: Decimal128Array = d.iter().map(|&v| random.maybe(v)).collect();
    let floats32: Float32Array = floats.iter().map(|v| v.map(|v| v as f32)).collect();
    vec![
        Arc::new(int32),
        Arc::new(int64),
        Arc::new(Decimal128Array::from(c).with_precision_and_scale(15, 2).unwrap()),
        Arc::new(wide.with_precision_and_scale(38, 4).unwrap()),
        Arc::new(date),
        Arc::new(StringArray::from(text)),
        Arc::new(StringArray::from(other)),
        Arc::new(BooleanArray::from(flags)),
        Arc::new(Float64Array::from(floats)),
        Arc::new(floats32),
        Arc::new(UInt64Array::from(u.iter().map(|v| v.unsigned_abs() as u64).collect::<Vec<_>>())),
    ]
}

/// Two batches, the first of them sliced.
fn batches(most: i128, rows: usize) -> Vec<Vec<ArrayRef>> {
    let mut random = Random::new(7);
    let first = batch(&mut random, rows + 5, most).iter().map(|array| array.slice(5, rows)).collect();
    vec![first, batch(&mut random, rows / 2 + 1, most)]
}

fn types() -> Vec<DataType> {
    batch(&mut Random::new(1), 1, 1).iter().map(|array| array.data_type().clone()).collect()
}

fn packed(batches: &[Vec<ArrayRef>]) -> DeviceColumns {
    let slices: Vec<&[ArrayRef]> = batches.iter().map(Vec::as_slice).collect();
    let types = types();
    let used: Vec<usize> = (0..types.len()).collect();
    // Small arenas: several of them, with borders inside of batches.
    pack(&slices, &types, &used, 32 << 10).unwrap()
}

fn column(index: usize) -> Expr {
    Expr::column(index, types()[index].clone())
}

fn integer(data_type: DataType, value: i128) -> Expr {
    Expr::literal(Scalar::new(data_type, Value::Integer(value)).unwrap())
}

fn arithmetic(op: ArithmeticOp, left: Expr, right: Expr, data_type: DataType, mode: OverflowMode) -> Expr {
    Expr::arithmetic(op, left, right, data_type, mode, Rounding::HalfAwayFromZero).unwrap()
}

fn checked(op: ArithmeticOp, left: Expr, right: Expr, data_type: DataType) -> Expr {
    arithmetic(op, left, right, data_type, OverflowMode::Checked)
}

fn compare(op: CompareOp, left: Expr, right: Expr) -> Expr {
    Expr::compare(op, left, right).unwrap()
}

fn strict(input: Expr, to: DataType) -> Expr {
    Expr::cast(input, to, CastMode::Strict).unwrap()
}

/// Expressions that raise no error on values within a thousand.
fn expressions() -> Vec<Expr> {
    use ArithmeticOp::{Add, Divide, Multiply, Remainder, Subtract};
    use DataType::{Date32, Decimal128, Int8, Int32, Int64, Timestamp, UInt64};
    let positive = compare(CompareOp::Gt, column(INT32), integer(Int32, 0));
    let quotient = checked(Divide, integer(Int32, 1_000), column(INT32), Int32);
    let one_less = checked(Subtract, integer(MONEY, 100), column(PRICE), Decimal128(16, 2));
    let discounted = checked(Multiply, column(PRICE), one_less, Decimal128(31, 4));
    let mut exprs = vec![
        discounted.clone(),
        checked(Multiply, discounted, integer(MONEY, 108), Decimal128(38, 3)),
        checked(Divide, column(WIDE), integer(MONEY, 700), Decimal128(38, 3)),
        checked(Remainder, column(WIDE), integer(MONEY, -77), HUGE),
        checked(Add, column(DATE), column(INT32), Date32),
        checked(Subtract, column(DATE), column(DATE), Int32),
        checked(Remainder, column(INT64), integer(Int64, -7), Int64),
        checked(Divide, column(INT64), integer(Int64, 3), Int64),
        checked(Add, column(UINT64), column(UINT64), UInt64),
        strict(column(INT64), Decimal128(20, 3)),
        strict(column(WIDE), Decimal128(20, 1)),
        strict(column(WIDE), Int64),
        strict(column(FLAG), Int32),
        strict(column(INT32), DataType::Boolean),
        strict(column(DATE), Timestamp(TimeUnit::Nanosecond, None)),
        strict(strict(column(INT64), Timestamp(TimeUnit::Second, None)), Date32),
        Expr::cast(column(INT64), Int8, CastMode::Try).unwrap(),
        Expr::negate(column(INT64), OverflowMode::Checked).unwrap(),
        Expr::negate(column(FLOAT64), OverflowMode::Checked).unwrap(),
        Expr::is_null(column(INT32)),
        Expr::is_not_null(column(FLOAT32)),
        Expr::in_list(column(INT32), vec![Scalar::from(0i32), Scalar::from(1_000i32)], false).unwrap(),
        Expr::in_list(column(INT64), vec![Scalar::from(0i64), Scalar::null(Int64)], true).unwrap(),
        Expr::in_list(column(FLOAT64), vec![Scalar::from(0.0), Scalar::from(f64::NAN)], false).unwrap(),
        Expr::in_list(column(FLOAT32), vec![Scalar::from(-0.0f32)], true).unwrap(),
        Expr::in_list(column(TEXT), vec![Scalar::utf8("a"), Scalar::utf8("q")], false).unwrap(),
        Expr::like(column(TEXT), LikePattern::new("%b%", None, false).unwrap(), true).unwrap(),
        compare(CompareOp::GtEq, column(TEXT), Expr::literal("abc")),
        compare(CompareOp::Lt, column(TEXT), column(OTHER)),
        compare(CompareOp::Eq, column(TEXT), column(OTHER)),
        compare(CompareOp::IsDistinctFrom, column(TEXT), column(OTHER)),
        compare(CompareOp::GtEq, column(FLOAT64), Expr::literal(1.5f64)),
        compare(CompareOp::Eq, column(FLOAT32), Expr::literal(0.0f32)),
        compare(CompareOp::Lt, column(FLAG), Expr::literal(true)),
        compare(CompareOp::IsNotDistinctFrom, column(INT64), strict(column(INT32), Int64)),
        Expr::and(positive.clone(), compare(CompareOp::Gt, quotient.clone(), integer(Int32, 3))).unwrap(),
        Expr::or(column(FLAG), positive.clone()).unwrap(),
        Expr::not(column(FLAG)).unwrap(),
        Expr::case(vec![(positive.clone(), quotient)], None).unwrap(),
        Expr::case(
            vec![(positive.clone(), column(TEXT)), (column(FLAG), Expr::literal(Scalar::utf8("q")))],
            Some(column(OTHER)),
        )
        .unwrap(),
        Expr::case(vec![(positive, column(INT64))], Some(integer(Int64, 1 << 40))).unwrap(),
        column(TEXT),
        column(FLAG),
        column(FLOAT64),
        column(FLOAT32),
        column(WIDE),
        Expr::literal(Scalar::null(Int64)),
    ];
    for op in [Add, Subtract, Multiply] {
        exprs.push(checked(op, column(INT32), column(INT32), Int32));
        exprs.push(checked(op, column(INT64), column(INT64), Int64));
        exprs.push(checked(op, column(WIDE), column(PRICE), Decimal128(38, 6)));
    }
    exprs
}

/// Expressions that wrap, on values of any size.
fn wrapping() -> Vec<Expr> {
    use ArithmeticOp::{Add, Multiply, Subtract};
    let mut exprs = vec![];
    for op in [Add, Subtract, Multiply] {
        for (index, data_type) in
            [(INT32, DataType::Int32), (INT64, DataType::Int64), (UINT64, DataType::UInt64)]
        {
            exprs.push(arithmetic(op, column(index), column(index), data_type, OverflowMode::Wrap));
        }
    }
    exprs
}

fn on_the_cpu(
    batches: &[Vec<ArrayRef>],
    predicate: Option<&Expr>,
    exprs: &[Expr],
) -> Result<Vec<ArrayRef>, Error> {
    let mut parts: Vec<Vec<ArrayRef>> = vec![vec![]; exprs.len()];
    for batch in batches {
        let rows = batch[0].len();
        let selection = match predicate {
            Some(predicate) => Some(cpu::predicate_selection(predicate, batch, rows, None)?),
            None => None,
        };
        let vectors = cpu::Evaluator::new(exprs)?.evaluate(batch, rows, selection.as_ref())?;
        for ((part, vector), expr) in parts.iter_mut().zip(vectors).zip(exprs) {
            part.push(vector.into_array(&expr.data_type())?);
        }
    }
    Ok(parts
        .iter()
        .map(|part| concat(&part.iter().map(AsRef::as_ref).collect::<Vec<_>>()).unwrap())
        .collect())
}

fn on_the_gpu(
    device: &Device,
    columns: &DeviceColumns,
    predicate: Option<&Expr>,
    exprs: &[Expr],
    capacity: u64,
) -> Result<Vec<ArrayRef>, Error> {
    let mut filter = GpuFilter::new(predicate, exprs, columns, device.tier())?;
    filter.resize(capacity);
    for _ in 0..2 {
        let run = device.run(&filter.program()?, &Cancellation::new())?;
        match filter.decode(&run.output)? {
            Outcome::Batch { columns, .. } => {
                return Ok(columns
                    .iter()
                    .zip(exprs)
                    .map(|(column, expr)| cast(column, &expr.data_type()).unwrap())
                    .collect());
            }
            Outcome::Retry { capacity } => filter.resize(capacity),
        }
    }
    panic!("the capacity that was asked for did not suffice");
}

/// Bits of floats; everything else as it is.
fn comparable(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Float64 => {
            let floats = array.as_any().downcast_ref::<Float64Array>().unwrap();
            Arc::new(floats.iter().map(|v| v.map(|v| v.to_bits() as i64)).collect::<Int64Array>())
        }
        DataType::Float32 => {
            let floats = array.as_any().downcast_ref::<Float32Array>().unwrap();
            Arc::new(floats.iter().map(|v| v.map(|v| v.to_bits() as i32)).collect::<Int32Array>())
        }
        _ => array.clone(),
    }
}

/// The device of this round's profile; none where the machine has no adapter, which is counted as a skip.
fn opened() -> Option<(Profile, Arc<Device>)> {
    Some((profile(), device("gpu_expressions", ShaderMode::Checked)?))
}

fn check(
    device: &Device,
    profile: Profile,
    batches: &[Vec<ArrayRef>],
    predicate: Option<&Expr>,
    exprs: &[Expr],
) {
    let columns = packed(batches);
    let expected = on_the_cpu(batches, predicate, exprs).unwrap();
    let rows = expected.first().map_or(0, |column| column.len() as u64);
    for capacity in [u64::MAX, rows / 2] {
        let found = on_the_gpu(device, &columns, predicate, exprs, capacity).unwrap();
        for ((expected, found), expr) in expected.iter().zip(&found).zip(exprs) {
            assert_eq!(
                &comparable(found),
                &comparable(expected),
                "{expr} where {predicate:?} on {profile:?}"
            );
        }
    }
}

#[test]
fn gpu_expressions_agree_with_the_cpu() {
    let moderate = batches(1_000, 700);
    let extreme = batches(i128::MAX, 300);
    let predicate = Expr::or(
        compare(CompareOp::Lt, column(DATE), Expr::literal(Scalar::date32(300))),
        Expr::like(column(TEXT), LikePattern::new("a%", None, false).unwrap(), false).unwrap(),
    )
    .unwrap();
    if let Some((profile, device)) = opened() {
        check(&device, profile, &moderate, Some(&predicate), &expressions());
        check(&device, profile, &extreme, None, &wrapping());
    }
}

#[test]
fn gpu_errors_are_those_of_the_cpu() {
    use ArithmeticOp::{Add, Divide, Multiply, Remainder};
    use DataType::{Decimal128, Int8, Int32, Int64, UInt64};
    let extreme = batches(i128::MAX, 100);
    let columns = packed(&extreme);
    let exprs = [
        checked(Add, column(INT32), column(INT32), Int32),
        checked(Multiply, column(INT64), column(INT64), Int64),
        checked(Multiply, column(UINT64), column(UINT64), UInt64),
        checked(Multiply, column(PRICE), column(PRICE), Decimal128(28, 4)),
        checked(Divide, integer(Int64, 7), column(INT64), Int64),
        checked(Remainder, integer(Int32, 7), column(INT32), Int32),
        strict(column(INT64), Int8),
        strict(column(WIDE), Decimal128(10, 4)),
    ];
    let never = compare(CompareOp::Gt, column(DATE), Expr::literal(Scalar::date32(1_000_000)));
    if let Some((profile, device)) = opened() {
        for expr in &exprs {
            let one = std::slice::from_ref(expr);
            let expected = on_the_cpu(&extreme, None, one).unwrap_err();
            let found = on_the_gpu(&device, &columns, None, one, u64::MAX).unwrap_err();
            match (&expected, &found) {
                // The device does not say which value.
                (Error::CastFailed { from, to, .. }, Error::CastFailed { from: a, to: b, .. }) => {
                    assert_eq!((from, to), (a, b), "{expr} on {profile:?}");
                }
                _ => assert_eq!(expected.to_string(), found.to_string(), "{expr} on {profile:?}"),
            }
        }
        let none = on_the_gpu(&device, &columns, Some(&never), &exprs, u64::MAX).unwrap();
        assert!(
            none.iter().all(|column| column.is_empty()),
            "errors on rows that are not active do not exist"
        );
    }
}
