//! Exact sums of floats, in any order the same: fixed point, rounded once when a result leaves.
//!
//! ```text
//! block of rows -> extent: which bits do they need?                                           extent
//!   within reach, few groups   cut into parts that plain floats sum exactly, in registers     split
//!   within reach               128- or 256-bit cell per group, integer adds                   window, cell
//!   beyond                     value by value: cell, else the group's number over the whole   far
//!                              range; flags for NaN and infinities
//! ```
//! Integer adds commute and lose nothing, so neither order nor threads nor merges show. Bytes per row: the values once;
//! state per group 16 bytes while the values of the column span up to about 45 binary orders of magnitude, 32 up to about
//! 160, and 272 more for a group with values beyond that.
//!
//! Ideas: Kulisch's long accumulator; Neal, "Fast exact summation using small and large superaccumulators" (2015); Müller
//! et al., "Reproducible floating-point aggregation in RDBMSs" (ICDE 2018), whose window is anchored on the column. Ours
//! drops no bit, hence needs no bound but the one of the final rounding.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::i256;

use super::extent::{Extent, SIGNIFICAND_BITS, Scan, scan, take_apart};
use super::far::{Domain, Far};
use super::specials_of;
use super::window::{ROW_BITS, Window, rescaled};
use crate::aggregate::cpu::fold::Target;
use crate::aggregate::exact::{self, Exact, MINUS_INFINITY, NAN, PLUS_INFINITY, decode, encoded};
use crate::error::{Error, Result};
use crate::memory::Grant;

/// Rows whose extent is looked at together: they stay in the first cache level until they are added.
pub(super) const BLOCK: usize = 4096;

/// Sums per group; item 0 is the sink.
#[derive(Debug)]
pub(in crate::aggregate::cpu) struct ExactSums {
    pub(super) domain: Domain,
    pub(super) window: Window,
    pub(super) far: Far,
    /// Flags; empty while there were none.
    specials: Vec<u8>,
    pub(super) rows: u64,
}

impl ExactSums {
    /// Sums of values.
    pub(in crate::aggregate::cpu) fn new() -> Self {
        Self::of(Domain::Values)
    }

    pub(super) fn of(domain: Domain) -> Self {
        Self { domain, window: Window::default(), far: Far::default(), specials: Vec::new(), rows: 0 }
    }

    pub(in crate::aggregate::cpu) fn add(
        &mut self,
        values: &[f64],
        target: Target,
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        match target {
            Target::One => {
                for values in values.chunks(BLOCK) {
                    self.add_block(values, Target::One, groups, grant)?;
                }
            }
            Target::Each(numbers) => {
                for (values, numbers) in values.chunks(BLOCK).zip(numbers.chunks(BLOCK)) {
                    self.add_block(values, Target::Each(numbers), groups, grant)?;
                }
            }
        }
        Ok(())
    }

    fn add_block(&mut self, values: &[f64], target: Target, groups: usize, grant: &mut Grant) -> Result<()> {
        let numbers = match target {
            Target::One => None,
            Target::Each(numbers) => Some(numbers),
        };
        self.count_rows(values.len() as u64)?;
        match scan(values, numbers) {
            Scan::Zeros => Ok(()),
            Scan::Finite(extent) if self.window.cover(extent, self.rows, groups, grant)? => {
                self.window.add(values, target, extent);
                Ok(())
            }
            _ => self.add_scattered(values, numbers, groups, grant),
        }
    }

    pub(super) fn count_rows(&mut self, rows: u64) -> Result<()> {
        self.rows = self.rows.saturating_add(rows);
        if self.rows >> ROW_BITS == 0 {
            Ok(())
        } else {
            Err(Error::invalid("a sum of more than 2^40 values"))
        }
    }

    /// Values of which some are not within reach of the window.
    fn add_scattered(
        &mut self,
        values: &[f64],
        numbers: Option<&[u32]>,
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        let group = |row: usize| numbers.map_or(1, |numbers| numbers[row] as usize);
        let finite = || {
            (0..values.len()).filter(|&row| group(row) > 0 && values[row].is_finite() && values[row] != 0.0)
        };
        self.settle_window(finite().map(|row| position_of(values[row])), groups, grant)?;
        for (row, &value) in values.iter().enumerate() {
            let group = group(row);
            if group > 0 && !value.is_finite() {
                grant.resize(&mut self.specials, groups + 1, 0)?;
                self.specials[group] |= specials_of(value);
            }
        }
        for row in finite() {
            self.add_one(group(row), groups, values[row], grant)?;
        }
        Ok(())
    }

    /// Sees that there is a wide window, in the middle of the values at `positions` if there was none.
    pub(super) fn settle_window(
        &mut self,
        positions: impl Iterator<Item = i32>,
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        let around = match self.window.extent() {
            Some(seen) if self.window.is_narrow() => {
                Window::around((seen.low + seen.top - SIGNIFICAND_BITS) / 2)
            }
            Some(seen) => seen,
            None => {
                let mut positions: Vec<i32> = positions.collect();
                if positions.is_empty() {
                    return Ok(());
                }
                let at = positions.len() / 2;
                let (_, &mut middle, _) = positions.select_nth_unstable(at);
                Window::around(middle)
            }
        };
        self.window.cover(around, self.rows, groups, grant)?;
        Ok(())
    }

    fn add_one(&mut self, group: usize, groups: usize, value: f64, grant: &mut Grant) -> Result<()> {
        let low = position_of(value);
        let extent = Extent { low, top: low + SIGNIFICAND_BITS };
        if self.window.holds(extent) {
            self.window.add_one(group, value);
            self.window.note(extent);
            return Ok(());
        }
        let (significand, position) = take_apart(value.to_bits());
        let number = (value.is_sign_negative(), significand.into(), position as usize);
        self.far.add(self.domain, (group, groups), number, grant)
    }

    /// The exact sum of a group's finite values, and the flags of the others.
    pub(in crate::aggregate::cpu) fn get(&self, group: usize) -> (Exact, u8) {
        (self.finite(group), self.specials.get(group).copied().unwrap_or(0))
    }

    /// What a group's sum is because of values that are infinite or NaN.
    pub(in crate::aggregate::cpu) fn special(&self, group: usize) -> Option<f64> {
        exact::special(self.specials.get(group).copied().unwrap_or(0))
    }

    /// The sum of a group as an integer and the exponent of its unit; none where only [`ExactSums::get`] has it.
    pub(in crate::aggregate::cpu) fn cell(&self, group: usize) -> Option<(i256, i32)> {
        let (cell, anchor) = self.window.get(group);
        self.far.is_empty().then_some((cell, anchor + self.domain.base()))
    }

    fn finite(&self, group: usize) -> Exact {
        let (cell, anchor) = self.window.get(group);
        let near = Exact::from_i256(cell, anchor + self.domain.base());
        self.far.get(self.domain, group).map_or(near, |far| near.plus(&far))
    }

    /// Sum over `divisor`, rounded once.
    pub(in crate::aggregate::cpu) fn total(&self, group: usize, divisor: u64) -> f64 {
        if let Some(special) = self.special(group) {
            return special;
        }
        match self.cell(group) {
            Some((cell, exponent)) => exact::quotient(cell, exponent, divisor),
            None => self.finite(group).over(divisor),
        }
    }

    /// Adds sums of other groups: item `i` to group `numbers[i]`.
    pub(in crate::aggregate::cpu) fn merge(
        &mut self,
        other: &Self,
        numbers: &[u32],
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        self.count_rows(other.rows)?;
        let each = || (1..).zip(numbers.iter().map(|&number| number as usize));
        if !other.specials.is_empty() {
            grant.resize(&mut self.specials, groups + 1, 0)?;
            for (at, number) in each() {
                self.specials[number] |= other.specials.get(at).copied().unwrap_or(0);
            }
        }
        if let Some(extent) = other.window.extent() {
            let near = self.window.cover(extent, self.rows, groups, grant)?;
            let up = self.window.anchor() - other.window.anchor();
            for (at, number) in each() {
                let (cell, anchor) = other.window.get(at);
                if near {
                    self.window.add_wide(number, rescaled(cell, up));
                } else if cell != i256::ZERO {
                    let sum: Exact = Exact::from_i256(cell, anchor + self.domain.base());
                    self.far.add_exact(self.domain, (number, groups), &sum, grant)?;
                }
            }
        }
        for (at, number) in each().take_while(|_| !other.far.is_empty()) {
            if let Some(sum) = other.far.get(self.domain, at) {
                self.far.add_exact(self.domain, (number, groups), &sum, grant)?;
            }
        }
        Ok(())
    }

    /// The sums of groups `1..=groups` in a form that travels.
    pub(in crate::aggregate::cpu) fn states(&self, groups: usize) -> ArrayRef {
        encoded((1..=groups).map(|group| self.get(group)))
    }

    /// Adds what [`ExactSums::states`] of other groups gave: row `i` to group `numbers[i]`.
    pub(in crate::aggregate::cpu) fn merge_states(
        &mut self,
        states: &ArrayRef,
        numbers: &[u32],
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        let invalid = || Error::invalid("a state that is no exact sums");
        let states = states.as_binary_opt::<i64>().filter(|states| states.len() == numbers.len());
        let states = states.filter(|states| states.null_count() == 0).ok_or_else(invalid)?;
        let (lowest, highest) = self.domain.bits();
        let base = self.domain.base();
        let mut all: Option<Extent> = None;
        for bytes in states.iter().flatten() {
            let (number, specials) = decode(bytes, lowest, highest)?;
            if specials & !(NAN | PLUS_INFINITY | MINUS_INFINITY) != 0 {
                return Err(invalid());
            }
            if !number.is_zero() {
                let (low, high) = number.bits();
                let extent = Extent { low: low - base, top: high + 1 - base };
                all = Some(all.map_or(extent, |all| all.with(extent)));
            }
        }
        self.count_rows(states.len() as u64)?;
        let near = match all {
            Some(all) => self.window.cover(all, self.rows, groups, grant)?,
            None => true,
        };
        for (bytes, &group) in states.iter().flatten().zip(numbers) {
            let (number, specials) = decode(bytes, lowest, highest)?;
            let group = group as usize;
            if specials != 0 {
                grant.resize(&mut self.specials, groups + 1, 0)?;
                self.specials[group] |= specials;
            }
            if number.is_zero() {
                continue;
            }
            if near {
                let mut words = [0; 4];
                number.magnitude_at(base + self.window.anchor(), &mut words);
                self.window.add_magnitude(group, words, number.is_negative());
            } else {
                self.far.add_exact(self.domain, (group, groups), &number, grant)?;
            }
        }
        Ok(())
    }
}

/// Position of the lowest bit of a finite value's significand.
pub(super) fn position_of(value: f64) -> i32 {
    take_apart(value.to_bits()).1 as i32
}
