//! Ranges of results, exact or not at all.

use crate::expr::ArithmeticOp;
use crate::expr::range::Range;

/// Every `i128`.
pub(super) const FULL: Range = Range { min: i128::MIN, max: i128::MAX };

/// Range of the exact result of `left op right`; none where it does not fit `i128`. Of a division or remainder, over
/// the divisors that are not zero.
pub(super) fn arithmetic(op: ArithmeticOp, left: Range, right: Range) -> Option<Range> {
    match op {
        ArithmeticOp::Add => {
            Some(Range { min: left.min.checked_add(right.min)?, max: left.max.checked_add(right.max)? })
        }
        ArithmeticOp::Subtract => {
            Some(Range { min: left.min.checked_sub(right.max)?, max: left.max.checked_sub(right.min)? })
        }
        ArithmeticOp::Multiply => corners(left, right, i128::checked_mul),
        ArithmeticOp::Divide => divide(left, right),
        ArithmeticOp::Remainder => Some(remainder(left, right)),
    }
}

/// A function that is monotone in each operand takes its extremes in the corners.
fn corners(left: Range, right: Range, f: impl Fn(i128, i128) -> Option<i128>) -> Option<Range> {
    let mut hull: Option<Range> = None;
    for a in [left.min, left.max] {
        for b in [right.min, right.max] {
            let value = Range::of(f(a, b)?);
            hull = Some(hull.map_or(value, |hull| hull.union(&value)));
        }
    }
    hull
}

/// Divisors below and above zero apart: within each part the quotient is monotone.
fn divide(left: Range, right: Range) -> Option<Range> {
    let below = Range { min: right.min, max: right.max.min(-1) };
    let above = Range { min: right.min.max(1), max: right.max };
    let mut hull = Range::of(0);
    for part in [below, above] {
        if part.min <= part.max {
            hull = hull.union(&corners(left, part, i128::checked_div)?);
        }
    }
    Some(hull)
}

fn remainder(left: Range, right: Range) -> Range {
    let most = right.min.unsigned_abs().max(right.max.unsigned_abs()).saturating_sub(1);
    let most = i128::try_from(most).unwrap_or(i128::MAX);
    Range {
        min: if left.min < 0 { left.min.max(-most) } else { 0 },
        max: if left.max > 0 { left.max.min(most) } else { 0 },
    }
}

/// The part of `range` that lies in `bounds`; `bounds` where none does, because no value will be seen.
pub(super) fn clamp(range: Range, bounds: Range) -> Range {
    let clamped = Range { min: range.min.max(bounds.min), max: range.max.min(bounds.max) };
    if clamped.min <= clamped.max { clamped } else { bounds }
}
