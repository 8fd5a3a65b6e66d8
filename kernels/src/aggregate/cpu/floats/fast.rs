//! Fast float sums. The plain path adds; a batch with values that could overflow on the way, infinities or NaNs is told apart
//! once per batch and takes the careful one.
//!
//! ```text
//! plain     values below 2^900: fewer than 2^63 of them cannot overflow
//! scaled    larger finite values, times 2^-200
//! specials  NaN, +inf, -inf seen
//! ```
//! So an overflow on the way never shows: only a *total* beyond the largest float is infinite. States that travel carry plain
//! and scaled sums apart, for the same reason.
//! Any order of adding keeps the error within `n * 2^-53` of the sum of magnitudes; several accumulators side by side
//! and one per batch keep it far below.

use super::specials_of;
use crate::aggregate::cpu::fold::{FloatSum, Target, fold};
use crate::aggregate::exact;
use crate::aggregate::partial::LARGE_SCALE;
use crate::error::{Error, Result};
use crate::memory::Grant;

/// 2^900.
const LARGE: f64 = f64::from_bits((1023 + 900) << 52);
/// 2^-200 and 2^200.
const DOWN: f64 = f64::from_bits(((1023 - LARGE_SCALE) as u64) << 52);
const UP: f64 = f64::from_bits(((1023 + LARGE_SCALE) as u64) << 52);

/// Sums per group; item 0 is the sink.
#[derive(Debug, Default)]
pub(in crate::aggregate::cpu) struct FastSums {
    plain: Vec<f64>,
    careful: Vec<Careful>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Careful {
    scaled: f64,
    specials: u8,
}

impl FastSums {
    pub(super) fn add(
        &mut self,
        values: &[f64],
        target: Target,
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        grant.resize(&mut self.plain, groups + 1, 0.0)?;
        if greatest_magnitude(values) < LARGE.to_bits() {
            fold::<f64, FloatSum>(target, values, &mut self.plain);
            return Ok(());
        }
        grant.resize(&mut self.careful, groups + 1, Careful::default())?;
        match target {
            Target::One => values.iter().for_each(|&value| self.add_one(1, value)),
            Target::Each(numbers) => {
                for (&value, &group) in values.iter().zip(numbers).filter(|(_, group)| **group > 0) {
                    self.add_one(group as usize, value);
                }
            }
        }
        Ok(())
    }

    fn add_one(&mut self, group: usize, value: f64) {
        if !value.is_finite() {
            self.careful[group].specials |= specials_of(value);
        } else if value.abs() >= LARGE {
            self.careful[group].scaled += value * DOWN;
        } else {
            self.plain[group] += value;
        }
    }

    /// The two parts of the sum of group number `group`, see [`crate::aggregate::partial::StateColumn::Float`].
    pub(super) fn parts(&self, group: usize) -> (f64, f64) {
        let plain = self.plain.get(group).copied().unwrap_or(0.0);
        let Careful { scaled, specials } = self.careful.get(group).copied().unwrap_or_default();
        exact::special(specials).map_or((plain, scaled), |special| (special, 0.0))
    }

    /// Adds scaled sums, item `i` to group `numbers[i]`.
    pub(super) fn add_scaled(
        &mut self,
        scaled: &[f64],
        numbers: &[u32],
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        if scaled.iter().all(|&scaled| scaled == 0.0) {
            return Ok(());
        }
        if !scaled.iter().all(|scaled| scaled.abs() < LARGE) {
            return Err(Error::invalid("a scaled sum of floats beyond its range"));
        }
        grant.resize(&mut self.careful, groups + 1, Careful::default())?;
        for (&scaled, &group) in scaled.iter().zip(numbers) {
            self.careful[group as usize].scaled += scaled;
        }
        Ok(())
    }

    /// The sum of group number `group`, divided by `divisor` before it can overflow.
    pub(super) fn total(&self, group: usize, divisor: f64) -> f64 {
        let plain = self.plain.get(group).copied().unwrap_or(0.0);
        let Careful { scaled, specials } = self.careful.get(group).copied().unwrap_or_default();
        match exact::special(specials) {
            Some(special) => special,
            None if scaled == 0.0 => plain / divisor,
            None => (scaled + plain * DOWN) / divisor * UP,
        }
    }

    /// Adds sums of other groups: item `i` to group `numbers[i]`.
    pub(super) fn merge(
        &mut self,
        other: &Self,
        numbers: &[u32],
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        grant.resize(&mut self.plain, groups + 1, 0.0)?;
        let own = |numbers: &[u32], at: usize| numbers[at - 1] as usize;
        for (at, value) in other.plain.iter().enumerate().skip(1) {
            self.plain[own(numbers, at)] += value;
        }
        if !other.careful.is_empty() {
            grant.resize(&mut self.careful, groups + 1, Careful::default())?;
        }
        for (at, careful) in other.careful.iter().enumerate().skip(1) {
            let to = &mut self.careful[own(numbers, at)];
            to.scaled += careful.scaled;
            to.specials |= careful.specials;
        }
        Ok(())
    }
}

/// Bits of the greatest magnitude; NaN above infinity.
#[multiversion::multiversion(targets("x86_64+avx512f+avx512dq+avx512bw+avx512vl", "x86_64+avx2"))]
fn greatest_magnitude(values: &[f64]) -> u64 {
    // As signed integers, which every vector unit can compare: the sign bit is gone.
    values.iter().fold(0i64, |most, value| most.max((value.to_bits() & (u64::MAX >> 1)) as i64)) as u64
}
