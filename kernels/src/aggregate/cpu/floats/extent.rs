//! Which bits the values of a column need.
//!
//! Bits are numbered from the lowest that a float can have: position 0 is `2^-1074`.

/// Bits of a significand.
pub(super) const SIGNIFICAND_BITS: i32 = 53;

const MAGNITUDE: u64 = u64::MAX >> 1;
const INFINITY: u64 = f64::INFINITY.to_bits();
const FRACTION: u64 = (1 << 52) - 1;

/// Positions from the lowest bit in use to above the highest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) low: i32,
    pub(super) top: i32,
}

impl Extent {
    pub(super) fn with(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), top: self.top.max(other.top) }
    }

    pub(super) fn bits(self) -> i32 {
        self.top - self.low
    }
}

/// What rows hold: the extent of those that are finite and not zero, if any; whether any is infinite or NaN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scan {
    Zeros,
    Finite(Extent),
    Special,
}

/// Looks at rows, of which those in group 0 do not count.
pub(super) fn scan(values: &[f64], numbers: Option<&[u32]>) -> Scan {
    let (least, greatest) = match numbers {
        None => bounds(values),
        Some(numbers) => bounds_of_groups(values, numbers),
    };
    match greatest {
        0 => Scan::Zeros,
        INFINITY.. => Scan::Special,
        _ => Scan::Finite(Extent { low: position(least), top: position(greatest) + SIGNIFICAND_BITS }),
    }
}

/// Position of the lowest bit of a significand.
fn position(magnitude: u64) -> i32 {
    ((magnitude >> 52) as i32 - 1).max(0)
}

/// Bits of the least magnitude beside zero, and of the greatest; NaN above infinity. As signed integers, which every
/// vector unit can compare: the sign bit is gone.
#[multiversion::multiversion(targets("x86_64+avx512f+avx512dq+avx512bw+avx512vl", "x86_64+avx2"))]
fn bounds(values: &[f64]) -> (u64, u64) {
    let mut bounds = (i64::MAX, 0);
    // A loop and no fold: a closure is not inlined where the function has more instructions than its callee.
    for value in values {
        bounds = widen(bounds, value.to_bits());
    }
    (bounds.0 as u64 + 1, bounds.1 as u64)
}

#[multiversion::multiversion(targets("x86_64+avx512f+avx512dq+avx512bw+avx512vl", "x86_64+avx2"))]
fn bounds_of_groups(values: &[f64], numbers: &[u32]) -> (u64, u64) {
    let mut bounds = (i64::MAX, 0);
    for (value, &number) in values.iter().zip(numbers) {
        bounds = widen(bounds, if number == 0 { 0 } else { value.to_bits() });
    }
    (bounds.0 as u64 + 1, bounds.1 as u64)
}

/// The least is kept less one, so that zero is the greatest of all.
#[inline(always)]
fn widen((least, greatest): (i64, i64), bits: u64) -> (i64, i64) {
    let magnitude = (bits & MAGNITUDE) as i64;
    let less_one = magnitude.wrapping_sub(1) & MAGNITUDE as i64;
    (least.min(less_one), greatest.max(magnitude))
}

/// Significand of a finite float, and the position of its lowest bit.
#[inline(always)]
pub(super) fn take_apart(bits: u64) -> (u64, u64) {
    let biased = bits >> 52 & 0x7ff;
    let is_normal = u64::from(biased != 0);
    (bits & FRACTION | is_normal << 52, biased - is_normal)
}
