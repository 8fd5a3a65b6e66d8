//! Integer operands: lanes of 32, 64 or 128 bits, or one constant, with the range of their values; `+ - *` over them.
//!
//! Lanes wrap. One loop is compiled for each operator and pair of lane widths.

use arrow::array::Array;
use arrow::buffer::{NullBuffer, ScalarBuffer};

use super::decimal::{divide, divide_64};
use super::frame::Operand;
use super::vector::{Values, Vector};
use crate::error::{Error, Result};
use crate::expr::range::Range;
use crate::expr::types::power_of_ten;
use crate::expr::{Rounding, Value};
use crate::simd::lanes;

/// An integer operand with a range that holds all of its valid values.
#[derive(Debug, Clone)]
pub(crate) struct Side {
    pub(crate) lanes: Lanes,
    pub(crate) range: Range,
}

#[derive(Debug, Clone)]
pub(crate) enum Lanes {
    Constant(i128),
    I32(ScalarBuffer<i32>),
    I64(ScalarBuffer<i64>),
    I128(ScalarBuffer<i128>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ring {
    Add,
    Subtract,
    Multiply,
}

impl Side {
    pub(crate) fn constant(value: i128) -> Self {
        Self { lanes: Lanes::Constant(value), range: Range::of(value) }
    }

    /// None where a column has no value that is not null.
    pub(crate) fn of(operand: &Operand) -> Result<Option<Self>> {
        let column = match operand {
            Operand::Constant(scalar) => match scalar.value {
                Value::Integer(value) => return Ok(Some(Self::constant(value))),
                _ => return Err(Error::invalid(format!("{scalar} is not a number"))),
            },
            Operand::Column(column) => column,
        };
        let lanes = match column.values() {
            Values::I32(values) => Lanes::I32(values.clone()),
            Values::I64(values) => Lanes::I64(values.clone()),
            Values::I128(values) => Lanes::I128(values.clone()),
            Values::Other(array) if array.data_type().is_null() => return Ok(None),
            _ => return Err(Error::invalid("integer lanes were expected")),
        };
        Ok(column.range().map(|range| Self { lanes, range }))
    }

    pub(crate) fn into_vector(self, rows: usize, nulls: Option<NullBuffer>) -> Vector {
        let values = match self.lanes {
            Lanes::Constant(value) => match self.range.bits() {
                32 => Values::I32(vec![value as i32; rows].into()),
                64 => Values::I64(vec![value as i64; rows].into()),
                _ => Values::I128(vec![value; rows].into()),
            },
            Lanes::I32(values) => Values::I32(values),
            Lanes::I64(values) => Values::I64(values),
            Lanes::I128(values) => Values::I128(values),
        };
        Vector::with_range(values, nulls, self.range)
    }

    /// None where the result might not fit 128 bits.
    pub(super) fn combine(&self, op: Ring, other: &Side) -> Option<Side> {
        let range = match op {
            Ring::Add => self.range.add(&other.range),
            Ring::Subtract => self.range.subtract(&other.range),
            Ring::Multiply => self.range.multiply(&other.range),
        }?;
        Some(Side { lanes: lanes_op(op, &self.lanes, &other.lanes, range.bits()), range })
    }

    pub(crate) fn multiply(&self, factor: i128) -> Option<Side> {
        if factor == 1 { Some(self.clone()) } else { self.combine(Ring::Multiply, &Side::constant(factor)) }
    }

    /// From one decimal scale to another.
    pub(crate) fn rescale(&self, from: i32, to: i32, rounding: Rounding) -> Option<Side> {
        if to >= from {
            return self.multiply(power_of_ten(to.abs_diff(from))?);
        }
        let range = self.range.rescale(from, to)?;
        let Some(divisor) = power_of_ten(from.abs_diff(to)) else {
            // More digits go than a value has: at most 10^38 / 10^39 is left, which rounds to zero.
            return Some(self.map(range, |_| 0));
        };
        Some(match (&self.lanes, i64::try_from(divisor)) {
            (Lanes::I64(values), Ok(divisor)) => {
                let values = lanes::map(values, |v: i64| divide_64(v, divisor, rounding));
                Side { lanes: Lanes::I64(values.into()), range }
            }
            _ => self.map(range, |value| divide(value, divisor, rounding).unwrap_or(0)),
        })
    }

    /// `f` of each value; `range` holds the results. Plain loops: what comes here divides, which does not vectorise.
    pub(crate) fn map(&self, range: Range, f: impl Fn(i128) -> i128) -> Side {
        let lanes = match (&self.lanes, range.bits()) {
            (Lanes::Constant(value), _) => Lanes::Constant(f(*value)),
            (Lanes::I32(values), 32) => Lanes::I32(values.iter().map(|&v| f(v.into()) as i32).collect()),
            (Lanes::I32(values), _) => Lanes::I128(values.iter().map(|&v| f(v.into())).collect()),
            (Lanes::I64(values), 32 | 64) => Lanes::I64(values.iter().map(|&v| f(v.into()) as i64).collect()),
            (Lanes::I64(values), _) => Lanes::I128(values.iter().map(|&v| f(v.into())).collect()),
            (Lanes::I128(values), 32 | 64) => Lanes::I64(values.iter().map(|&v| f(v) as i64).collect()),
            (Lanes::I128(values), _) => Lanes::I128(values.iter().map(|&v| f(v)).collect()),
        };
        Side { lanes, range }
    }
}

impl Lanes {
    pub(crate) fn into_i128(self, rows: usize) -> ScalarBuffer<i128> {
        match self {
            Lanes::Constant(value) => vec![value; rows].into(),
            Lanes::I32(values) => lanes::map(&values, |v: i32| i128::from(v)).into(),
            Lanes::I64(values) => lanes::map(&values, |v: i64| i128::from(v)).into(),
            Lanes::I128(values) => values,
        }
    }

    /// 32-bit lanes in 64 bits: keeps the number of compiled loops over 128-bit results small.
    fn at_least_64(&self) -> Lanes {
        match self {
            Lanes::I32(values) => Lanes::I64(lanes::map(values, |v: i32| i64::from(v)).into()),
            other => other.clone(),
        }
    }
}

/// One loop per operator and combination of lanes.
macro_rules! ring_loops {
    ($op:expr, $out:ty, $a:expr, $b:expr; $($variant:ident),*) => {{
        let (a, b) = ($a, $b);
        macro_rules! with_op {
            ($f:ident, $call:expr) => {
                match $op {
                    Ring::Add => { let $f = |l: $out, r: $out| l.wrapping_add(r); $call }
                    Ring::Subtract => { let $f = |l: $out, r: $out| l.wrapping_sub(r); $call }
                    Ring::Multiply => { let $f = |l: $out, r: $out| l.wrapping_mul(r); $call }
                }
            };
        }
        ring_pairs!(a, b, $out, with_op; $($variant),*)
    }};
}

macro_rules! ring_pairs {
    ($a:ident, $b:ident, $out:ty, $with:ident; $one:ident) => {
        match ($a, $b) {
            (Lanes::$one(l), Lanes::$one(r)) => {
                Some($with!(f, lanes::zip(l, r, |l, r| f(l as $out, r as $out))))
            }
            (Lanes::$one(l), Lanes::Constant(r)) => {
                let r = *r as $out;
                Some($with!(f, lanes::map(l, |l| f(l as $out, r))))
            }
            (Lanes::Constant(l), Lanes::$one(r)) => {
                let l = *l as $out;
                Some($with!(f, lanes::map(r, |r| f(l, r as $out))))
            }
            _ => None,
        }
    };
    ($a:ident, $b:ident, $out:ty, $with:ident; $one:ident, $two:ident) => {
        match ($a, $b) {
            (Lanes::$one(l), Lanes::$one(r)) => {
                Some($with!(f, lanes::zip(l, r, |l, r| f(l as $out, r as $out))))
            }
            (Lanes::$one(l), Lanes::$two(r)) => {
                Some($with!(f, lanes::zip(l, r, |l, r| f(l as $out, r as $out))))
            }
            (Lanes::$two(l), Lanes::$one(r)) => {
                Some($with!(f, lanes::zip(l, r, |l, r| f(l as $out, r as $out))))
            }
            (Lanes::$two(l), Lanes::$two(r)) => {
                Some($with!(f, lanes::zip(l, r, |l, r| f(l as $out, r as $out))))
            }
            (Lanes::$one(l), Lanes::Constant(r)) => {
                let r = *r as $out;
                Some($with!(f, lanes::map(l, |l| f(l as $out, r))))
            }
            (Lanes::Constant(l), Lanes::$one(r)) => {
                let l = *l as $out;
                Some($with!(f, lanes::map(r, |r| f(l, r as $out))))
            }
            (Lanes::$two(l), Lanes::Constant(r)) => {
                let r = *r as $out;
                Some($with!(f, lanes::map(l, |l| f(l as $out, r))))
            }
            (Lanes::Constant(l), Lanes::$two(r)) => {
                let l = *l as $out;
                Some($with!(f, lanes::map(r, |r| f(l, r as $out))))
            }
            _ => None,
        }
    };
}

/// `a op b` modulo 2^n for lanes of at least `bits` bits.
pub(super) fn lanes_op(op: Ring, a: &Lanes, b: &Lanes, bits: u32) -> Lanes {
    if let (Lanes::Constant(l), Lanes::Constant(r)) = (a, b) {
        return Lanes::Constant(match op {
            Ring::Add => l.wrapping_add(*r),
            Ring::Subtract => l.wrapping_sub(*r),
            Ring::Multiply => l.wrapping_mul(*r),
        });
    }
    let narrow = (bits == 32).then(|| ring_loops!(op, i32, a, b; I32)).flatten();
    if let Some(values) = narrow {
        return Lanes::I32(values.into());
    }
    let middle = (bits <= 64).then(|| ring_loops!(op, i64, a, b; I32, I64)).flatten();
    if let Some(values) = middle {
        return Lanes::I64(values.into());
    }
    let (a, b) = (&a.at_least_64(), &b.at_least_64());
    let wide = ring_loops!(op, i128, a, b; I64, I128);
    // Every pair of wide lanes and constants is listed; two constants were folded above.
    Lanes::I128(wide.unwrap_or_default().into())
}
