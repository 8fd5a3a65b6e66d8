//! Interval arithmetic: which results cannot overflow.
//!
//! From measured ranges of the columns, [`range_of`] bounds an expression's values and [`can_fail`] tells whether it may
//! raise an error at all. The CPU computes in the narrowest lanes that hold the bound; the GPU picks its storage by it.
//! A bound is never trusted from a type or a file: without a measured range, a column is unbounded within its type.

use crate::expr::types::{Family, digits, family, power_of_ten, type_bounds, units_per_second, value_type};
use crate::expr::{ArithmeticOp, CastMode, Expr, OverflowMode, Value};
use arrow::datatypes::DataType;

/// Smallest and largest value of an integer-like column or expression (decimals unscaled), both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Range {
    /// No value is below.
    pub min: i128,
    /// No value is above.
    pub max: i128,
}

impl Range {
    /// One value.
    #[must_use]
    pub fn of(value: i128) -> Self {
        Self { min: value, max: value }
    }

    /// True where `value` lies within.
    #[must_use]
    pub fn contains(&self, value: i128) -> bool {
        self.min <= value && value <= self.max
    }

    /// True where every value of `self` lies within `bounds`.
    #[must_use]
    pub fn within(&self, bounds: &Range) -> bool {
        bounds.min <= self.min && self.max <= bounds.max
    }

    /// The smallest range that holds both.
    #[must_use]
    pub fn union(&self, other: &Range) -> Range {
        Range { min: self.min.min(other.min), max: self.max.max(other.max) }
    }

    /// The values that both hold; none where they have no value in common.
    #[must_use]
    pub fn intersection(&self, other: &Range) -> Option<Range> {
        let both = Range { min: self.min.max(other.min), max: self.max.min(other.max) };
        (both.min <= both.max).then_some(both)
    }

    /// Bits of the narrowest signed machine integer that holds every value: 32, 64 or 128.
    ///
    /// ```
    /// use pilaster_kernels::expr::range::Range;
    ///
    /// assert_eq!(Range { min: -5, max: 1 << 31 }.bits(), 64);
    /// ```
    #[must_use]
    pub fn bits(&self) -> u32 {
        let fits = |bits: u32| self.within(&Range { min: -(1 << (bits - 1)), max: (1 << (bits - 1)) - 1 });
        [32, 64].into_iter().find(|&bits| fits(bits)).unwrap_or(128)
    }

    /// Sums; none beyond 128 bits, as for every operation here.
    #[must_use]
    pub fn add(&self, other: &Range) -> Option<Range> {
        Some(Range { min: self.min.checked_add(other.min)?, max: self.max.checked_add(other.max)? })
    }

    /// Differences.
    #[must_use]
    pub fn subtract(&self, other: &Range) -> Option<Range> {
        Some(Range { min: self.min.checked_sub(other.max)?, max: self.max.checked_sub(other.min)? })
    }

    /// Products.
    #[must_use]
    pub fn multiply(&self, other: &Range) -> Option<Range> {
        let corners = [
            self.min.checked_mul(other.min)?,
            self.min.checked_mul(other.max)?,
            self.max.checked_mul(other.min)?,
            self.max.checked_mul(other.max)?,
        ];
        let mut range = Range::of(corners[0]);
        corners.iter().for_each(|&corner| range = range.union(&Range::of(corner)));
        Some(range)
    }

    /// Negated values.
    #[must_use]
    pub fn negate(&self) -> Option<Range> {
        Some(Range { min: self.max.checked_neg()?, max: self.min.checked_neg()? })
    }

    /// Quotients by any divisor but zero, however they are rounded: no quotient is larger in magnitude than the dividend.
    #[must_use]
    pub fn divide(&self) -> Option<Range> {
        let magnitude = self.min.checked_abs()?.max(self.max.checked_abs()?);
        Some(Range { min: -magnitude, max: magnitude })
    }

    /// Remainders of these dividends by these divisors: below both in magnitude, with the dividend's sign.
    #[must_use]
    pub fn remainder(&self, divisor: &Range) -> Option<Range> {
        let magnitude = divisor.min.checked_abs()?.max(divisor.max.checked_abs()?).saturating_sub(1).max(0);
        Some(Range { min: self.min.max(-magnitude).min(0), max: self.max.min(magnitude).max(0) })
    }

    /// Unscaled values brought from one decimal scale to another, rounded half away from zero or towards zero.
    #[must_use]
    pub fn rescale(&self, from: i32, to: i32) -> Option<Range> {
        let factor = power_of_ten(from.abs_diff(to));
        if to >= from {
            return self.multiply(&Range::of(factor?));
        }
        // Beyond 10^38 nothing but zero and one half rounded up is left.
        let factor = factor.unwrap_or(i128::MAX);
        Some(Range { min: (self.min / factor).saturating_sub(1), max: (self.max / factor).saturating_add(1) })
    }
}

/// Bounds of an integer-like expression's values over rows where it does not fail and is not null, given measured
/// ranges of columns. None: unbounded within 128 bits, or not integer-like.
///
/// ```
/// use arrow::datatypes::DataType;
/// use pilaster_kernels::expr::range::{Range, range_of};
/// use pilaster_kernels::expr::{ArithmeticOp, Expr, OverflowMode, Rounding, Scalar};
///
/// let decimal = DataType::Decimal128(15, 2);
/// let discount = Expr::column(6, decimal.clone());
/// let one = Expr::literal(Scalar::decimal128(100, 15, 2)?);
/// let (checked, rounding) = (OverflowMode::Checked, Rounding::HalfAwayFromZero);
/// let rest = Expr::arithmetic(ArithmeticOp::Subtract, one, discount, decimal, checked, rounding)?;
/// let range = range_of(&rest, &mut |_| Some(Range { min: 0, max: 10 }));
/// assert_eq!(range, Some(Range { min: 90, max: 100 }));
/// # Ok::<(), pilaster_kernels::Error>(())
/// ```
pub fn range_of(expr: &Expr, columns: &mut impl FnMut(usize) -> Option<Range>) -> Option<Range> {
    let bounds = type_bounds(&expr.data_type());
    let computed = match expr {
        Expr::Column { index, .. } => columns(*index),
        Expr::Literal(scalar) => match scalar.value {
            Value::Integer(value) => Some(Range::of(value)),
            _ => None,
        },
        Expr::Arithmetic { .. } | Expr::Negate { .. } => {
            let exact = exact_range(expr, columns);
            // A wrapped result may be anything; a checked one that fails is no value.
            if wraps(expr) {
                exact.filter(|range| bounds.is_some_and(|bounds| range.within(&bounds)))
            } else {
                exact
            }
        }
        Expr::Cast { input, to, .. } => cast_range(input, to, columns),
        Expr::Case { branches, otherwise, .. } => {
            let mut results = branches.iter().map(|(_, then)| then).chain(otherwise.as_deref());
            let is_null = |expr: &Expr| matches!(expr, Expr::Literal(scalar) if scalar.is_null());
            results.try_fold(None, |all: Option<Range>, result| {
                if is_null(result) {
                    return Some(all);
                }
                let range = range_of(result, columns)?;
                Some(Some(all.map_or(range, |all| all.union(&range))))
            })?
        }
        _ => None,
    };
    match (computed, bounds) {
        (Some(range), Some(bounds)) => range.intersection(&bounds).or(Some(bounds)),
        (None, bounds) => bounds,
        (range, None) => range,
    }
}

fn wraps(expr: &Expr) -> bool {
    match expr {
        Expr::Arithmetic { overflow, data_type, .. } => {
            *overflow == OverflowMode::Wrap && digits(data_type).is_none()
        }
        Expr::Negate { input, overflow } => {
            *overflow == OverflowMode::Wrap && digits(&input.data_type()).is_none()
        }
        _ => false,
    }
}

/// Bounds of the mathematical result of arithmetic, before it is fitted into its type.
fn exact_range(expr: &Expr, columns: &mut impl FnMut(usize) -> Option<Range>) -> Option<Range> {
    let Expr::Arithmetic { op, left, right, data_type, .. } = expr else {
        let Expr::Negate { input, .. } = expr else { return None };
        return range_of(input, columns)?.negate();
    };
    let scale = |data_type: &DataType| digits(data_type).map_or(0, |(_, scale)| i32::from(scale));
    let (a, b) = (scale(&left.data_type()), scale(&right.data_type()));
    let out = scale(data_type);
    let (l, r) = (range_of(left, columns)?, range_of(right, columns)?);
    let common = a.max(b);
    match op {
        ArithmeticOp::Add => l.rescale(a, common)?.add(&r.rescale(b, common)?)?.rescale(common, out),
        ArithmeticOp::Subtract => {
            l.rescale(a, common)?.subtract(&r.rescale(b, common)?)?.rescale(common, out)
        }
        ArithmeticOp::Multiply => l.multiply(&r)?.rescale(a + b, out),
        ArithmeticOp::Divide => l.rescale(a, (out + b).max(a))?.divide(),
        ArithmeticOp::Remainder => {
            l.rescale(a, common)?.remainder(&r.rescale(b, common)?)?.rescale(common, out)
        }
    }
}

fn cast_range(
    input: &Expr,
    to: &DataType,
    columns: &mut impl FnMut(usize) -> Option<Range>,
) -> Option<Range> {
    use Family as F;
    let from = input.data_type();
    let (a, b) = (family(&from).ok()?, family(to).ok()?);
    match (a, b) {
        (F::Boolean, F::Integer) => return Some(Range { min: 0, max: 1 }),
        (F::Text | F::Binary | F::Float | F::Boolean | F::Null, _) => return None,
        _ => {}
    }
    convert_range(range_of(input, columns)?, a, b)
}

/// Bounds after a cast between integer-like families, before it is fitted into its type.
pub(crate) fn convert_range(range: Range, from: Family, to: Family) -> Option<Range> {
    match conversion(from, to)? {
        Conversion::Scale { from, to } => range.rescale(from, to),
        Conversion::Ratio { up, down } => {
            let up = range.multiply(&Range::of(up))?;
            Some(Range { min: up.min.div_euclid(down), max: up.max.div_euclid(down) })
        }
    }
}

/// What a cast between two integer-like families does to the stored integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conversion {
    /// From one decimal scale to another, rounded half away from zero. Integers have scale 0.
    Scale { from: i32, to: i32 },
    /// Times `up`, then divided by `down` towards minus infinity.
    Ratio { up: i128, down: i128 },
}

pub(crate) fn conversion(from: Family, to: Family) -> Option<Conversion> {
    use Family as F;
    const DAY: i128 = 86_400;
    let ratio = |from: i128, to: i128| {
        if to >= from {
            Conversion::Ratio { up: to / from, down: 1 }
        } else {
            Conversion::Ratio { up: 1, down: from / to }
        }
    };
    Some(match (from, to) {
        (F::Decimal { scale: a }, F::Decimal { scale: b }) => {
            Conversion::Scale { from: i32::from(a), to: i32::from(b) }
        }
        (F::Decimal { scale }, F::Integer) => Conversion::Scale { from: i32::from(scale), to: 0 },
        (F::Integer, F::Decimal { scale }) => Conversion::Scale { from: 0, to: i32::from(scale) },
        (F::Date32, F::Date64) => ratio(1, DAY * 1_000),
        (F::Date64, F::Date32) => ratio(DAY * 1_000, 1),
        (F::Date32, F::Timestamp(unit)) => ratio(1, DAY * units_per_second(unit)),
        (F::Timestamp(unit), F::Date32) => ratio(DAY * units_per_second(unit), 1),
        (F::Date64, F::Timestamp(unit)) => ratio(1_000, units_per_second(unit)),
        (F::Timestamp(unit), F::Date64) => ratio(units_per_second(unit), 1_000),
        (F::Timestamp(a), F::Timestamp(b)) | (F::Time(a), F::Time(b)) | (F::Duration(a), F::Duration(b)) => {
            ratio(units_per_second(a), units_per_second(b))
        }
        (F::Text | F::Binary | F::Float | F::Boolean | F::Null, _) => return None,
        (_, F::Text | F::Binary | F::Float | F::Boolean | F::Null) => return None,
        _ => Conversion::Ratio { up: 1, down: 1 },
    })
}

/// True where evaluating `expr` may raise an error on some row, as far as the measured ranges of columns tell.
pub fn can_fail(expr: &Expr, columns: &mut impl FnMut(usize) -> Option<Range>) -> bool {
    if expr.children().any(|child| can_fail(child, columns)) {
        return true;
    }
    let float = |data_type: &DataType| matches!(value_type(data_type), DataType::Float32 | DataType::Float64);
    let mut exact_fits = |expr: &Expr| {
        let bounds = type_bounds(&expr.data_type());
        exact_range(expr, columns).zip(bounds).is_some_and(|(range, bounds)| range.within(&bounds))
    };
    match expr {
        Expr::External { .. } => true,
        Expr::Arithmetic { data_type, .. } if float(data_type) => false,
        Expr::Arithmetic { op: ArithmeticOp::Divide | ArithmeticOp::Remainder, right, .. } => {
            let nonzero =
                matches!(right.as_ref(), Expr::Literal(scalar) if scalar.value != Value::Integer(0));
            !(nonzero && exact_fits(expr))
        }
        Expr::Arithmetic { .. } => !wraps(expr) && !exact_fits(expr),
        Expr::Negate { input, .. } => !float(&input.data_type()) && !wraps(expr) && !exact_fits(expr),
        Expr::Cast { mode: CastMode::Try, .. } => false,
        Expr::Cast { input, to, .. } => cast_can_fail(input, to, columns),
        _ => false,
    }
}

fn cast_can_fail(input: &Expr, to: &DataType, columns: &mut impl FnMut(usize) -> Option<Range>) -> bool {
    use Family as F;
    let from = input.data_type();
    match (family(&from), family(to)) {
        (Ok(F::Boolean), Ok(F::Integer | F::Float)) | (Ok(F::Null), _) => false,
        (Ok(F::Integer | F::Float | F::Decimal { .. }), Ok(F::Float | F::Boolean)) => false,
        (Ok(a), Ok(b)) if a == b && matches!(a, F::Text | F::Boolean) => false,
        (Ok(_), Ok(_)) => {
            let bounds = type_bounds(to);
            !cast_range(input, to, columns).zip(bounds).is_some_and(|(range, bounds)| range.within(&bounds))
        }
        _ => true,
    }
}
