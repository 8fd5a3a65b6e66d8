//! Few groups: exact sums in plain floats, in vector registers.
//!
//! A value is cut into parts on a grid so coarse that no sum of 1024 parts needs more than the 53 bits of a float:
//!
//! ```text
//! top    = 1.5 * 2^t                      t = exponent above the greatest value + 10
//! head   = (value + top) - top            the multiple of 2^(t - 52) nearest to value
//! rest   = value - head                   exact, at most 2^(t - 53): the next value to cut, with t - 43
//! heads += head ... rests += rest         exact: |sum| <= 2^(t + 1), a multiple of 2^(t - 52)
//! ```
//! One cut takes values whose bits span 86 positions, each further cut 43 more. Per row and cut: four additions, of which
//! a vector unit does eight at once; the fixed-point cells see two or three floats per 1024 rows. (Rump, Ogita and Oishi,
//! "Accurate floating-point summation", 2008; Demmel and Nguyen's binned sums. Ours sums all bits, so no bin is dropped.)

use super::extent::Extent;

/// Rows whose parts are summed before they go to the cells.
pub(super) const BLOCK: usize = 1 << BLOCK_BITS;
const BLOCK_BITS: i32 = 10;

/// Bits that a cut leaves to the next one.
const CUT_BITS: i32 = f64::MANTISSA_DIGITS as i32 - BLOCK_BITS;

/// Up to here a compare per group and vector is cheaper than a cell per row.
pub(super) const MASKED_GROUPS: usize = 4;

/// Most cuts that pay.
const MOST_CUTS: usize = 4;

/// Sums of heads and rests; their sum is the sum of the values.
type Parts = [f64; MOST_CUTS + 1];

/// How values within an extent are cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cuts {
    tops: [f64; MOST_CUTS],
    count: usize,
}

impl Cuts {
    /// None where cutting is not what pays, or where a top would be infinite.
    pub(super) fn of(extent: Extent) -> Option<Self> {
        let count = usize::try_from((extent.bits() - 1) / CUT_BITS).unwrap_or(0).max(1);
        let exponent = extent.top - 1074 + BLOCK_BITS;
        if count > MOST_CUTS || exponent > 1022 {
            return None;
        }
        let mut tops = [0.0; MOST_CUTS];
        for (cut, top) in tops.iter_mut().take(count).enumerate() {
            // Below the least float's place nothing is left to cut.
            let exponent = exponent - CUT_BITS * cut as i32;
            *top = 1.5 * crate::aggregate::exact::power_of_two(exponent.max(-1022));
        }
        Some(Self { tops, count })
    }

    /// Whether cuts for several groups pay: beyond, sums and rests no longer fit the registers, and a cell per row is as
    /// fast (Zen 5: 0.4 ns per row for two cuts and four groups, 2.8 for three, 7 for four).
    pub(super) fn pay_by_group(&self) -> bool {
        self.count <= 2
    }

    /// Sums of a block of at most [`BLOCK`] values.
    pub(super) fn sum(&self, values: &[f64]) -> Parts {
        let [a, b, c, d] = self.tops;
        match self.count {
            1 => sum_all(values, [a]),
            2 => sum_all(values, [a, b]),
            3 => sum_all(values, [a, b, c]),
            _ => sum_all(values, [a, b, c, d]),
        }
    }

    /// Sums of a block per group, for groups `1..=groups`, at most [`MASKED_GROUPS`].
    pub(super) fn sum_groups(
        &self,
        values: &[f64],
        numbers: &[u32],
        groups: usize,
    ) -> [Parts; MASKED_GROUPS] {
        let [a, b, c, d] = self.tops;
        match self.count {
            1 => masked(values, numbers, groups, [a]),
            2 => masked(values, numbers, groups, [a, b]),
            3 => masked(values, numbers, groups, [a, b, c]),
            _ => masked(values, numbers, groups, [a, b, c, d]),
        }
    }
}

#[inline(always)]
fn cut<const LANES: usize>(rest: &mut [f64; LANES], top: f64) -> [f64; LANES] {
    let mut heads = [0.0; LANES];
    for (head, rest) in heads.iter_mut().zip(rest) {
        *head = (*rest + top) - top;
        *rest -= *head;
    }
    heads
}

#[multiversion::multiversion(targets("x86_64+avx512f+avx512dq+avx512bw+avx512vl", "x86_64+avx2"))]
fn sum_all<const CUTS: usize>(values: &[f64], tops: [f64; CUTS]) -> Parts {
    const LANES: usize = 32;
    let mut parts = [[0.0; LANES]; CUTS];
    let mut rests = [0.0; LANES];
    let (chunks, tail) = values.as_chunks::<LANES>();
    for &chunk in chunks {
        add(chunk, &tops, &mut parts, &mut rests);
    }
    let mut last = [0.0; LANES];
    last[..tail.len()].copy_from_slice(tail);
    add(last, &tops, &mut parts, &mut rests);
    gather(&parts, &rests)
}

fn masked<const CUTS: usize>(
    values: &[f64],
    numbers: &[u32],
    groups: usize,
    tops: [f64; CUTS],
) -> [Parts; MASKED_GROUPS] {
    let mut sums = [[0.0; MOST_CUTS + 1]; MASKED_GROUPS];
    match groups {
        1 => sums[..1].copy_from_slice(&masked_groups::<CUTS, 1>(values, numbers, tops)),
        2 => sums[..2].copy_from_slice(&masked_groups::<CUTS, 2>(values, numbers, tops)),
        3 => sums[..3].copy_from_slice(&masked_groups::<CUTS, 3>(values, numbers, tops)),
        _ => sums = masked_groups::<CUTS, MASKED_GROUPS>(values, numbers, tops),
    }
    sums
}

#[multiversion::multiversion(targets("x86_64+avx512f+avx512dq+avx512bw+avx512vl", "x86_64+avx2"))]
fn masked_groups<const CUTS: usize, const GROUPS: usize>(
    values: &[f64],
    numbers: &[u32],
    tops: [f64; CUTS],
) -> [Parts; GROUPS] {
    const LANES: usize = 8;
    let mut parts = [[[0.0; LANES]; CUTS]; GROUPS];
    let mut rests = [[0.0; LANES]; GROUPS];
    let (value_chunks, value_tail) = values.as_chunks::<LANES>();
    let (number_chunks, number_tail) = numbers.as_chunks::<LANES>();
    for (&values, &numbers) in value_chunks.iter().zip(number_chunks) {
        add_masked(values, numbers, &tops, &mut parts, &mut rests);
    }
    let (mut last, mut of) = ([0.0; LANES], [0; LANES]);
    last[..value_tail.len()].copy_from_slice(value_tail);
    of[..number_tail.len()].copy_from_slice(number_tail);
    add_masked(last, of, &tops, &mut parts, &mut rests);
    std::array::from_fn(|group| gather(&parts[group], &rests[group]))
}

/// One step of [`sum_all`]; a function, since a closure would not be inlined there.
#[inline(always)]
fn add<const LANES: usize, const CUTS: usize>(
    mut rest: [f64; LANES],
    tops: &[f64; CUTS],
    parts: &mut [[f64; LANES]; CUTS],
    rests: &mut [f64; LANES],
) {
    for (part, &top) in parts.iter_mut().zip(tops) {
        let heads = cut(&mut rest, top);
        for at in 0..LANES {
            part[at] += heads[at];
        }
    }
    for at in 0..LANES {
        rests[at] += rest[at];
    }
}

/// One step of [`masked_groups`].
#[inline(always)]
fn add_masked<const LANES: usize, const CUTS: usize, const GROUPS: usize>(
    mut rest: [f64; LANES],
    numbers: [u32; LANES],
    tops: &[f64; CUTS],
    parts: &mut [[[f64; LANES]; CUTS]; GROUPS],
    rests: &mut [[f64; LANES]; GROUPS],
) {
    for (at, &top) in tops.iter().enumerate() {
        let heads = cut(&mut rest, top);
        for (number, parts) in (1..).zip(parts.iter_mut()) {
            add_where(&mut parts[at], heads, numbers, number);
        }
    }
    for (number, rests) in (1..).zip(rests.iter_mut()) {
        add_where(rests, rest, numbers, number);
    }
}

#[inline(always)]
fn add_where<const LANES: usize>(
    sums: &mut [f64; LANES],
    values: [f64; LANES],
    numbers: [u32; LANES],
    number: u32,
) {
    for at in 0..LANES {
        let sum = sums[at] + values[at];
        sums[at] = if numbers[at] == number { sum } else { sums[at] };
    }
}

/// Lanes to one: exact too, since the grid allows for as many rows as the block has.
fn gather<const LANES: usize>(parts: &[[f64; LANES]], rests: &[f64; LANES]) -> Parts {
    let mut gathered = [0.0; MOST_CUTS + 1];
    for (sum, lanes) in gathered.iter_mut().zip(parts.iter().chain([rests])) {
        *sum = lanes.iter().sum();
    }
    gathered
}
