//! Moments against exact rational arithmetic.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Float64Type, UInt64Type};
use num_bigint::{BigInt, Sign};
use proptest::prelude::*;

use crate::aggregate::cpu::CpuAggregate;
use crate::aggregate::{Aggregate, AggregateFunction as F, AggregateSpec, FloatSum, Regression as R};
use crate::expr::Expr;
use crate::memory::Unlimited;

const ALL: [F; 15] = [
    F::Variance { sample: false },
    F::Variance { sample: true },
    F::Stddev { sample: false },
    F::Stddev { sample: true },
    F::Covariance { sample: false },
    F::Covariance { sample: true },
    F::Correlation,
    F::Regression(R::Slope),
    F::Regression(R::Intercept),
    F::Regression(R::R2),
    F::Regression(R::AvgX),
    F::Regression(R::AvgY),
    F::Regression(R::Sxx),
    F::Regression(R::Syy),
    F::Regression(R::Sxy),
];

/// An exact rational: an integer over an integer above zero.
type Ratio = (BigInt, BigInt);

/// A finite float as an integer times `2^-1074`.
fn fixed(value: f64) -> BigInt {
    let bits = value.to_bits();
    let biased = bits >> 52 & 0x7ff;
    let significand = bits & ((1 << 52) - 1) | u64::from(biased != 0) << 52;
    let magnitude = BigInt::from(significand) << (biased.max(1) - 1) as usize;
    if value.is_sign_negative() { -magnitude } else { magnitude }
}

fn unit() -> BigInt {
    BigInt::from(1) << 1074usize
}

/// Sums about the means, times n, of integers; the sums themselves.
struct Sums {
    n: BigInt,
    x: BigInt,
    y: BigInt,
    sxx: BigInt,
    syy: BigInt,
    sxy: BigInt,
}

impl Sums {
    fn of(pairs: &[(BigInt, BigInt)]) -> Self {
        let sum = |term: &dyn Fn(&(BigInt, BigInt)) -> BigInt| pairs.iter().map(term).sum::<BigInt>();
        let n = BigInt::from(pairs.len());
        let (x, y) = (sum(&|p| p.0.clone()), sum(&|p| p.1.clone()));
        let spread = |product: BigInt, a: &BigInt, b: &BigInt| &n * product - a * b;
        let sxx = spread(sum(&|p| &p.0 * &p.0), &x, &x);
        let syy = spread(sum(&|p| &p.1 * &p.1), &y, &y);
        let sxy = spread(sum(&|p| &p.0 * &p.1), &x, &y);
        Self { n, x, y, sxx, syy, sxy }
    }

    /// The result, or its square where the function is a root (with the sign apart); none for null. `unit` is what the
    /// integers are units of: 1 over it.
    fn result(&self, function: &F, unit: &BigInt) -> Option<(Ratio, i32)> {
        let n = &self.n;
        let ones = |sample: &bool| n - BigInt::from(u8::from(*sample));
        let zero = BigInt::from(0);
        let square = unit * unit;
        let plain = |numerator: &BigInt, denominator: BigInt| {
            (denominator > zero).then(|| ((numerator.clone(), denominator), 1))
        };
        let enough = *n > BigInt::from(1);
        match function {
            F::Variance { sample } => plain(&self.sxx, n * ones(sample) * square),
            F::Stddev { sample } => plain(&self.sxx, n * ones(sample) * square).map(|(ratio, _)| (ratio, 2)),
            F::Covariance { sample } => plain(&self.sxy, n * ones(sample) * square),
            F::Regression(R::Sxx) => plain(&self.sxx, n * square),
            F::Regression(R::Syy) => plain(&self.syy, n * square),
            F::Regression(R::Sxy) => plain(&self.sxy, n * square),
            F::Regression(R::AvgX) => plain(&self.x, n * unit),
            F::Regression(R::AvgY) => plain(&self.y, n * unit),
            _ if !enough => None,
            F::Regression(R::Slope) => plain(&self.sxy, self.sxx.clone()),
            // (y - slope x) / n
            F::Regression(R::Intercept) => {
                plain(&(&self.y * &self.sxx - &self.sxy * &self.x), n * unit * &self.sxx)
            }
            F::Regression(R::R2) => plain(&(&self.sxy * &self.sxy), &self.sxx * &self.syy),
            _ => {
                let sign = if self.sxy.sign() == Sign::Minus { -2 } else { 2 };
                plain(&(&self.sxy * &self.sxy), &self.sxx * &self.syy).map(|(ratio, _)| (ratio, sign))
            }
        }
    }
}

/// True where `found` is within `places` hundredths of its last place of the result.
fn is_near(found: f64, (ratio, root): &(Ratio, i32), hundredths: u64) -> bool {
    let (numerator, denominator) = ratio;
    if !found.is_finite() {
        // Only what is beyond the greatest float, or nearly.
        let most = fixed(f64::MAX);
        let (most, power) = if root.abs() == 2 { (&most * &most, unit() * unit()) } else { (most, unit()) };
        return BigInt::from(numerator.magnitude().clone()) * power >= most * denominator;
    }
    let place = fixed(f64::from_bits(found.abs().to_bits() + 1)) - fixed(found.abs());
    let (value, slack) = (fixed(found) * 100, place * hundredths);
    let (low, high): (BigInt, BigInt) = (&value - &slack, value + slack);
    if root.abs() == 2 {
        // low <= root <= high, all at least zero after the sign is taken off.
        let (low, high) = if *root < 0 { (-high, -low) } else { (low, high) };
        let power = (unit() * 100) * (unit() * 100);
        let wanted = numerator * power;
        let low = if low.sign() == Sign::Minus { BigInt::from(0) } else { low };
        return high.sign() != Sign::Minus
            && &low * &low * denominator <= wanted
            && wanted <= &high * &high * denominator;
    }
    let wanted = numerator * unit() * 100;
    low * denominator <= wanted && wanted <= high * denominator
}

fn run(
    functions: &[F],
    types: &DataType,
    mode: FloatSum,
    blocks: &[Vec<ArrayRef>],
    through_states: bool,
) -> Vec<ArrayRef> {
    let (y, x) = (Expr::column(0, types.clone()), Expr::column(1, types.clone()));
    let aggregates = functions.iter().map(|function| {
        let inputs = if function.operands().0 == 1 { vec![x.clone()] } else { vec![y.clone(), x.clone()] };
        Aggregate::new(function.clone(), inputs, DataType::Float64)
    });
    let spec = Arc::new(AggregateSpec {
        predicate: None,
        keys: Vec::new(),
        aggregates: aggregates.collect(),
        float_sum: mode,
    });
    let new = || CpuAggregate::new(Arc::clone(&spec), Arc::new(Unlimited)).unwrap();
    let mut all = new();
    for block in blocks {
        let mut one = new();
        one.consume(block, block[0].len()).unwrap();
        if through_states {
            all.merge_partial(&one.into_partial().unwrap()).unwrap();
        } else {
            all.merge(one).unwrap();
        }
    }
    all.finish().unwrap()
}

fn value(column: &ArrayRef) -> Option<f64> {
    let column = column.as_primitive::<Float64Type>();
    column.is_valid(0).then(|| column.value(0))
}

fn float_blocks(pairs: &[(f64, f64)], blocks: usize) -> Vec<Vec<ArrayRef>> {
    pairs
        .chunks(pairs.len().div_ceil(blocks).max(1))
        .map(|pairs| {
            let column = |get: fn(&(f64, f64)) -> f64| {
                Arc::new(Float64Array::from_iter_values(pairs.iter().map(get))) as ArrayRef
            };
            vec![column(|pair| pair.1), column(|pair| pair.0)]
        })
        .collect()
}

fn check_exact(pairs: &[(f64, f64)]) {
    let integers: Vec<(BigInt, BigInt)> = pairs.iter().map(|&(x, y)| (fixed(x), fixed(y))).collect();
    let sums = Sums::of(&integers);
    let mut bits = Vec::new();
    for (blocks, states) in [(1, false), (3, false), (5, true)] {
        let found =
            run(&ALL, &DataType::Float64, FloatSum::Reproducible, &float_blocks(pairs, blocks), states);
        for (function, found) in ALL.iter().zip(&found) {
            match (value(found), sums.result(function, &unit())) {
                (None, None) => {}
                (Some(found), Some(wanted)) => {
                    assert!(is_near(found, &wanted, 51), "{function} is {found:e} for {pairs:?}");
                    // The checker is as strict as it says: two places off is noticed.
                    let off = f64::from_bits(found.to_bits() + 2);
                    assert!(!off.is_finite() || !is_near(off, &wanted, 51), "{function}: {off:e} passes");
                }
                (found, wanted) => panic!("{function}: {found:?}, not {wanted:?}, for {pairs:?}"),
            }
        }
        bits.push(found.iter().map(|found| value(found).map(f64::to_bits)).collect::<Vec<_>>());
        let mut turned = pairs.to_vec();
        turned.reverse();
        let found =
            run(&ALL, &DataType::Float64, FloatSum::Reproducible, &float_blocks(&turned, blocks), states);
        bits.push(found.iter().map(|found| value(found).map(f64::to_bits)).collect());
    }
    bits.dedup();
    assert_eq!(bits.len(), 1, "an order or a cut showed");
}

fn float() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-1000i32..1000).prop_map(f64::from),
        4 => -1.0f64..1.0,
        2 => 1e9f64..1.000_001e9,
        1 => any::<f64>().prop_filter("finite", |value| value.is_finite()),
        1 => proptest::sample::select(vec![0.0, -0.0, 5e-324, f64::MIN_POSITIVE, f64::MAX, -f64::MAX, 1e-308, 1e308]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn reproducible_moments_are_within_a_place(pairs in proptest::collection::vec((float(), float()), 0..40)) {
        check_exact(&pairs);
    }

    #[test]
    fn tame_moments_are_within_a_place(pairs in proptest::collection::vec((-1e6f64..1e6, -1.0f64..1.0), 0..200)) {
        check_exact(&pairs);
    }

    /// Variances of floats in floats, whatever the mean, the order and the cuts.
    #[test]
    fn fast_variances_are_within_their_bound(
        middle in prop_oneof![Just(0.0), Just(1e9), Just(-1e15), Just(1e-9), Just(1e100)],
        spread in prop_oneof![Just(1.0), Just(1e-6), Just(1e12)],
        pairs in proptest::collection::vec((-1.0f64..1.0, -1.0f64..1.0), 1..300),
        outlier in prop_oneof![Just(None), (0usize..300).prop_map(Some)],
        blocks in 1usize..9,
    ) {
        let mut pairs: Vec<(f64, f64)> = pairs.iter().map(|&(x, y)| (middle + x * spread, y - middle)).collect();
        if let Some(at) = outlier {
            let at = at % pairs.len();
            pairs[at].0 += spread * 1e8;
        }
        let integers: Vec<_> = pairs.iter().map(|&(x, y)| (fixed(x), fixed(y))).collect();
        let sums = Sums::of(&integers);
        let functions = [F::Variance { sample: false }, F::Regression(R::Syy), F::Covariance { sample: false }, F::Regression(R::Sxx)];
        let n = pairs.len() as f64;
        let bound = (32.0 * n + 128.0) * 2f64.powi(-53);
        for states in [false, true] {
            let found = run(&functions, &DataType::Float64, FloatSum::Fast, &float_blocks(&pairs, blocks), states);
            let found: Vec<f64> = found.iter().map(|found| value(found).unwrap()).collect();
            // The exact results are within a place of these.
            let exact = run(&functions, &DataType::Float64, FloatSum::Reproducible, &float_blocks(&pairs, 1), false);
            let exact: Vec<f64> = exact.iter().map(|exact| value(exact).unwrap()).collect();
            let about = [exact[0], exact[1], (exact[0] * exact[1] / n).sqrt(), exact[3]];
            for ((found, exact), about) in found.iter().zip(&exact).zip(about) {
                assert!((found - exact).abs() <= bound * about, "{found:e}, not {exact:e}, of {sums_n} rows", sums_n = sums.n);
            }
        }
    }

    /// Integers are exact in both modes, also where squares take 256 bits.
    #[test]
    fn integers_are_within_a_place(
        pairs in proptest::collection::vec((any::<i64>(), -1000i64..1000), 0..30),
        wide in proptest::collection::vec((-(10i128.pow(37))..10i128.pow(37), any::<i64>()), 0..30),
        scale in 0i8..12,
        fast in any::<bool>(),
    ) {
        let mode = if fast { FloatSum::Fast } else { FloatSum::Reproducible };
        let check = |types: DataType, pairs: Vec<(i128, i128)>, blocks: Vec<Vec<ArrayRef>>, unit: BigInt| {
            let integers: Vec<(BigInt, BigInt)> = pairs.iter().map(|&(x, y)| (x.into(), y.into())).collect();
            let sums = Sums::of(&integers);
            let found = run(&ALL, &types, mode, &blocks, fast);
            for (function, found) in ALL.iter().zip(&found) {
                match (value(found), sums.result(function, &unit)) {
                    (None, None) => {}
                    (Some(found), Some(wanted)) => assert!(is_near(found, &wanted, 51), "{function} is {found:e} of {pairs:?}"),
                    (found, wanted) => panic!("{function}: {found:?}, not {wanted:?}, for {pairs:?}"),
                }
            }
        };
        let column = |values: Vec<i64>| Arc::new(Int64Array::from(values)) as ArrayRef;
        let blocks = pairs.chunks(11).map(|pairs| {
            vec![column(pairs.iter().map(|pair| pair.1).collect()), column(pairs.iter().map(|pair| pair.0).collect())]
        });
        let as_wide = pairs.iter().map(|&(x, y)| (x.into(), y.into())).collect();
        check(DataType::Int64, as_wide, blocks.collect(), BigInt::from(1));
        let decimal = DataType::Decimal128(38, scale);
        let column = |values: Vec<i128>| {
            Arc::new(Decimal128Array::from(values).with_data_type(decimal.clone())) as ArrayRef
        };
        let blocks = wide.chunks(7).map(|pairs| {
            vec![column(pairs.iter().map(|pair| pair.1.into()).collect()), column(pairs.iter().map(|pair| pair.0).collect())]
        });
        let as_wide = wide.iter().map(|&(x, y)| (x, y.into())).collect();
        check(decimal.clone(), as_wide, blocks.collect(), BigInt::from(10).pow(scale as u32));
    }
}

#[test]
fn nothing_cancels() {
    // The textbook's case: a mean of 1e9 and a variance of 30.
    let pairs: Vec<(f64, f64)> = [4.0, 7.0, 13.0, 16.0].iter().map(|v| (1e9 + v, 1e15 - v)).collect();
    for mode in [FloatSum::Fast, FloatSum::Reproducible] {
        let found = run(&ALL, &DataType::Float64, mode, &float_blocks(&pairs, 1), false);
        assert_eq!(value(&found[1]), Some(30.0));
        assert_eq!(value(&found[5]), Some(-30.0));
        assert_eq!((value(&found[6]), value(&found[7])), (Some(-1.0), Some(-1.0)));
    }
}

#[test]
fn nulls_and_what_is_no_number() {
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    let column = |values: Vec<Option<f64>>| Arc::new(Float64Array::from(values)) as ArrayRef;
    for mode in [FloatSum::Fast, FloatSum::Reproducible] {
        let run = |y: Vec<Option<f64>>, x: Vec<Option<f64>>| -> Vec<Option<f64>> {
            let found = run(&ALL, &DataType::Float64, mode, &[vec![column(y), column(x)]], true);
            found.iter().map(value).collect()
        };
        let none = run(vec![None, Some(1.0)], vec![Some(1.0), None]);
        // The variance of x alone has a row, no pair has.
        assert_eq!(none[..4], [Some(0.0), None, Some(0.0), None]);
        assert!(none[4..].iter().all(Option::is_none), "{none:?}");
        let one = run(vec![Some(2.0), None], vec![Some(3.0), None]);
        let expected = [Some(0.0), None, Some(0.0), None, Some(0.0), None, None, None, None, None];
        assert_eq!(one[..10], expected);
        assert_eq!(one[10..], [Some(3.0), Some(2.0), Some(0.0), Some(0.0), Some(0.0)]);
        let constant = run(vec![Some(1.0), Some(2.0)], vec![Some(0.1), Some(0.1)]);
        assert_eq!(constant[6..10], [None; 4], "x does not vary");
        assert_eq!(constant[0], Some(0.0));
        let constant = run(vec![Some(0.1), Some(0.1)], vec![Some(1.0), Some(2.0)]);
        assert_eq!(constant[6..10], [None, Some(0.0), Some(0.1), None], "y does not vary");
        let special = run(vec![Some(1.0), Some(2.0), Some(3.0)], vec![Some(1.0), Some(inf), Some(4.0)]);
        for at in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 14] {
            assert!(special[at].is_some_and(f64::is_nan), "{}: {:?}", ALL[at], special[at]);
        }
        assert_eq!((special[10], special[11], special[13]), (Some(inf), Some(2.0), Some(2.0)));
        let special = run(vec![Some(nan), Some(2.0)], vec![Some(1.0), Some(2.0)]);
        assert_eq!((special[0], special[12]), (Some(0.25), Some(0.5)), "x has no NaN");
        assert!(special[4].is_some_and(f64::is_nan) && special[11].is_some_and(f64::is_nan));
    }
}

#[test]
fn counts_of_pairs() {
    let column = |values: Vec<Option<f64>>| Arc::new(Float64Array::from(values)) as ArrayRef;
    let inputs = vec![Expr::column(0, DataType::Float64), Expr::column(1, DataType::Float64)];
    let count = Aggregate::new(F::Regression(R::Count), inputs, DataType::UInt64);
    let spec =
        AggregateSpec { predicate: None, keys: vec![], aggregates: vec![count], float_sum: FloatSum::Fast };
    let spec = Arc::new(spec);
    let mut one = CpuAggregate::new(Arc::clone(&spec), Arc::new(Unlimited)).unwrap();
    one.consume(&[column(vec![Some(1.0), None, Some(2.0)]), column(vec![Some(1.0), Some(1.0), None])], 3)
        .unwrap();
    let mut two = CpuAggregate::new(spec, Arc::new(Unlimited)).unwrap();
    two.merge(one).unwrap();
    assert_eq!(two.finish().unwrap()[0].as_primitive::<UInt64Type>().values(), &[1]);
}
