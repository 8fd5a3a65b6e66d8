//! Variances, covariances and what is made of them, as exact rationals of all values, rounded once.

use num_bigint::BigInt;
use pilaster_kernels::aggregate::{Aggregate, AggregateFunction as F, FloatSum, Regression as R};

use super::Seen;
use super::functions::Answered;
use super::sums::{float, floats};
use crate::Datum;
use crate::reference::number::{decimal, parts, ten, to_f64};

/// Values as integers over one denominator.
struct Numbers {
    values: Vec<BigInt>,
    denominator: BigInt,
    /// An infinity or a NaN among them.
    is_nan: bool,
}

impl Numbers {
    fn of(aggregate: &Aggregate, operand: usize, rows: &[Seen]) -> Numbers {
        let scale = decimal(&aggregate.inputs[operand].data_type()).map_or(0, |(_, scale)| scale);
        let mut numbers = Numbers { values: Vec::new(), denominator: ten(scale as u32), is_nan: false };
        for row in rows {
            match row.operands[operand] {
                Datum::Int(value) => numbers.values.push(value.into()),
                Datum::Float(value) if value.is_finite() => {
                    numbers.denominator = BigInt::from(1) << 1074usize;
                    let (mantissa, exponent) = parts(value);
                    numbers.values.push(mantissa << (exponent + 1074) as usize);
                }
                Datum::Float(_) => numbers.is_nan = true,
                ref other => panic!("no moment of {other:?}"),
            }
        }
        numbers
    }

    fn sum(&self) -> BigInt {
        self.values.iter().sum()
    }
}

/// `n * sum(x * y) - sum(x) * sum(y)`: n squared times the covariance, over both denominators.
fn spread(a: &Numbers, b: &Numbers) -> BigInt {
    let products: BigInt = a.values.iter().zip(&b.values).map(|(a, b)| a * b).sum();
    BigInt::from(a.values.len()) * products - a.sum() * b.sum()
}

/// The moment of rows without nulls, of which there is one at least.
pub(super) fn moment(aggregate: &Aggregate, mode: FloatSum, rows: &[Seen]) -> Answered {
    let x = Numbers::of(aggregate, aggregate.inputs.len() - 1, rows);
    let y = Numbers::of(aggregate, 0, rows);
    let n = rows.len();
    let mean = |operand: usize, numbers: &Numbers| {
        let values: Vec<Datum> = rows.iter().map(|row| row.operands[operand].clone()).collect();
        if matches!(values[0], Datum::Float(_)) {
            return float(&floats(&values), true, mode);
        }
        rounded(to_f64(&numbers.sum(), &(&numbers.denominator * n)))
    };
    let squares = |numbers: &Numbers| &numbers.denominator * &numbers.denominator;
    let one_by_other = || &x.denominator * &y.denominator;
    match aggregate.function {
        F::Regression(R::Count) => (Datum::Int(n as i128), None),
        F::Regression(R::AvgX) => mean(1, &x),
        F::Regression(R::AvgY) => mean(0, &y),
        F::Regression(R::Sxx) => over(spread(&x, &x), squares(&x) * n, x.is_nan),
        F::Regression(R::Syy) => over(spread(&y, &y), squares(&y) * n, y.is_nan),
        F::Regression(R::Sxy) => over(spread(&x, &y), one_by_other() * n, x.is_nan || y.is_nan),
        F::Variance { sample } | F::Stddev { sample } | F::Covariance { sample } if sample && n < 2 => null(),
        F::Variance { sample } => over(spread(&x, &x), squares(&x) * n * (n - usize::from(sample)), x.is_nan),
        F::Stddev { sample } => {
            let divisor = squares(&x) * n * (n - usize::from(sample));
            if x.is_nan { nan() } else { rounded(root(spread(&x, &x), divisor)) }
        }
        F::Covariance { sample } => {
            let divisor = one_by_other() * n * (n - usize::from(sample));
            over(spread(&x, &y), divisor, x.is_nan || y.is_nan)
        }
        _ if n < 2 => null(),
        _ => line(&aggregate.function, &x, &y),
    }
}

/// What is divided by a spread.
fn line(function: &F, x: &Numbers, y: &Numbers) -> Answered {
    let zero = BigInt::from(0);
    let is_nan = x.is_nan || y.is_nan;
    let constant = |numbers: &Numbers| !numbers.is_nan && spread(numbers, numbers) == zero;
    let by_both = matches!(function, F::Correlation | F::Regression(R::R2));
    if constant(x) || by_both && constant(y) {
        return null();
    }
    if is_nan {
        return nan();
    }
    let (xx, yy, xy) = (spread(x, x), spread(y, y), spread(x, y));
    match function {
        F::Regression(R::Slope) => over(xy * &x.denominator, xx * &y.denominator, false),
        F::Regression(R::Intercept) => {
            let numerator = y.sum() * &xx - xy * x.sum();
            over(numerator, xx * x.values.len() * &y.denominator, false)
        }
        F::Regression(R::R2) => over(&xy * &xy, xx * yy, false),
        _ => {
            let size = root(&xy * &xy, xx * yy);
            rounded(if xy < zero { -size } else { size })
        }
    }
}

fn null() -> Answered {
    (Datum::Null, Some(0.0))
}

fn nan() -> Answered {
    (Datum::Float(f64::NAN), Some(0.0))
}

fn over(numerator: BigInt, denominator: BigInt, is_nan: bool) -> Answered {
    if is_nan { nan() } else { rounded(to_f64(&numerator, &denominator)) }
}

/// Within a unit of the last place, and one for this reference's own rounding of roots.
fn rounded(value: f64) -> Answered {
    (Datum::Float(value), Some(value.abs().min(f64::MAX) * 2f64.powi(-51) + f64::from_bits(1)))
}

/// The root of a fraction that is not negative, to a hundred bits.
fn root(numerator: BigInt, denominator: BigInt) -> f64 {
    let digits = numerator.bits() as i64 - denominator.bits() as i64;
    let shift = ((200 - digits) / 2).max(0) as usize;
    let square: BigInt = (numerator << (2 * shift)) / denominator;
    to_f64(&square.sqrt(), &(BigInt::from(1) << shift))
}
