//! Sums to results: one set of rules for all ways of summing.

use crate::aggregate::exact::{Exact, Scaled};
use crate::aggregate::{AggregateFunction, Regression};

/// Sums of squares and products about the means, and the means, of a group.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Floats {
    pub(super) mean_x: f64,
    pub(super) mean_y: f64,
    pub(super) xx: f64,
    pub(super) yy: f64,
    pub(super) xy: f64,
}

/// `count` times the same, exact; in units of the operands' last places. NaN where an operand was infinite or NaN.
pub(super) struct Spread {
    pub(super) value: Scaled,
    pub(super) is_nan: bool,
    /// Decimal digits after the point.
    pub(super) scale: i32,
}

/// How many the sum of squares is divided by; none where there is no result.
fn divisor(function: &AggregateFunction, count: u64) -> Option<u64> {
    use AggregateFunction as F;
    match function {
        F::Variance { sample } | F::Stddev { sample } | F::Covariance { sample } => {
            count.checked_sub(u64::from(*sample)).filter(|&divisor| divisor > 0)
        }
        F::Regression(Regression::Sxx | Regression::Syy | Regression::Sxy) => (count > 0).then_some(1),
        _ => (count > 1).then_some(1),
    }
}

/// Result of floats.
pub(super) fn of_floats(function: &AggregateFunction, count: u64, sums: &Floats) -> Option<f64> {
    use AggregateFunction as F;
    let by = divisor(function, count)? as f64;
    let Floats { mean_x, mean_y, xx, yy, xy } = *sums;
    match function {
        F::Variance { .. } => Some(xx / by),
        F::Stddev { .. } => Some((xx / by).sqrt()),
        F::Covariance { .. } => Some(xy / by),
        F::Regression(Regression::Sxx) => Some(xx),
        F::Regression(Regression::Syy) => Some(yy),
        F::Regression(Regression::Sxy) => Some(xy),
        F::Regression(Regression::Slope) => (xx != 0.0).then(|| xy / xx),
        F::Regression(Regression::Intercept) => (xx != 0.0).then(|| mean_y - xy / xx * mean_x),
        F::Regression(Regression::R2) => {
            (xx != 0.0 && yy != 0.0).then(|| ((xy / xx) * (xy / yy)).clamp(0.0, 1.0))
        }
        // Roots first: the product of the sums may be beyond the range.
        _ => (xx != 0.0 && yy != 0.0).then(|| (xy / xx.sqrt() / yy.sqrt()).clamp(-1.0, 1.0)),
    }
}

/// Result of exact sums. `spread` gives the sums about the means, `count` times as large; `crossing` the numerator of the
/// intercept, whose denominator is the spread of x.
pub(super) fn of_exact(
    function: &AggregateFunction,
    count: u64,
    spread: impl Fn(super::Term) -> Spread,
    crossing: impl Fn() -> (Exact, i32),
) -> Option<f64> {
    use super::Term::{XX, XY, YY};
    use AggregateFunction as F;
    let by = divisor(function, count)?;
    let over = |term| {
        let spread = spread(term);
        let divided = spread.value.over(count.into()).over(by.into());
        if spread.is_nan { Err(f64::NAN) } else { Ok(divided.decimal(spread.scale)) }
    };
    // A spread that is divided by: none where it is zero.
    let divisor = |term| {
        let spread = spread(term);
        let is_zero = spread.value.is_zero() && !spread.is_nan;
        (!is_zero).then(|| numerator(&spread))
    };
    let result = match function {
        F::Stddev { .. } => over(XX).map(Scaled::root),
        F::Variance { .. } | F::Regression(Regression::Sxx) => over(XX),
        F::Regression(Regression::Syy) => over(YY),
        F::Covariance { .. } | F::Regression(Regression::Sxy) => over(XY),
        F::Regression(Regression::Slope) => {
            let xx = divisor(XX)?;
            numerator(&spread(XY)).and_then(|xy| Ok(xy.over(xx?)))
        }
        F::Regression(Regression::Intercept) => {
            let xx = divisor(XX)?;
            numerator(&spread(XY)).and_then(|_| {
                let (value, scale) = crossing();
                Ok(Scaled::from(&value).decimal(scale).over(xx?))
            })
        }
        _ => {
            let (xx, yy) = (divisor(XX)?, divisor(YY)?);
            let squared = *function == F::Regression(Regression::R2);
            numerator(&spread(XY)).and_then(|xy| {
                let product = xx?.times(yy?);
                Ok(if squared { xy.times(xy).over(product) } else { xy.over(product.root()) })
            })
        }
    };
    let value = result.map_or_else(|nan| nan, Scaled::to_f64);
    let is_share = matches!(function, F::Correlation | F::Regression(Regression::R2));
    Some(if is_share { value.clamp(-1.0, 1.0) } else { value })
}

fn numerator(spread: &Spread) -> Result<Scaled, f64> {
    if spread.is_nan { Err(f64::NAN) } else { Ok(spread.value.decimal(spread.scale)) }
}
