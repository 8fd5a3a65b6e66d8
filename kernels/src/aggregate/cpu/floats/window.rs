//! The window: one fixed-point cell per group, all at one anchor, as wide as the values so far need.
//!
//! ```text
//!                 top of any sum          top of a value            low      anchor
//! narrow  i128  |s|<-- log2(rows) -->|<-- extent of the values -->|<- slack ->|
//! wide    i256  |s|<---- 40 bits --->|<-- extent of the values -->|<- slack ->|
//! ```
//! A value outside moves the anchor (all cells are shifted, exactly) or widens the cells, with slack to both sides so that
//! this stays rare. What 256 bits cannot hold does not belong here.

use arrow::datatypes::i256;

use super::cell::{self, Cell};
use super::extent::{Extent, SIGNIFICAND_BITS};
use super::split::{self, Cuts};
use crate::aggregate::cpu::fold::Target;
use crate::error::Result;
use crate::memory::Grant;

/// Rows that a wide cell has room for. Nothing sums more: [`super::exact`] refuses.
pub(super) const ROW_BITS: i32 = 40;

const NARROW_BITS: i32 = 128;
const WIDE_BITS: i32 = 256;

/// Sums of the values within reach, per group; item 0 is the sink.
#[derive(Debug, Default)]
pub(super) struct Window {
    cells: Cells,
    anchor: i32,
    /// Of all values so far.
    extent: Option<Extent>,
}

#[derive(Debug)]
enum Cells {
    Narrow(Vec<i128>),
    Wide(Vec<i256>),
}

impl Default for Cells {
    fn default() -> Self {
        Self::Narrow(Vec::new())
    }
}

/// Bits that a sum of `rows` values has more than each of them, with the sign.
fn guard_bits(rows: u64) -> i32 {
    65 - rows.saturating_sub(1).leading_zeros() as i32
}

impl Window {
    pub(super) fn is_narrow(&self) -> bool {
        matches!(self.cells, Cells::Narrow(_))
    }

    /// What all values so far lie in.
    pub(super) fn extent(&self) -> Option<Extent> {
        self.extent
    }

    /// Makes room for values within `extent`, `rows` with all before, in `groups` groups. False where that would take more
    /// than 256 bits; then nothing has changed.
    pub(super) fn cover(
        &mut self,
        extent: Extent,
        rows: u64,
        groups: usize,
        grant: &mut Grant,
    ) -> Result<bool> {
        let all = self.extent.map_or(extent, |seen| seen.with(extent));
        let narrow = matches!(self.cells, Cells::Narrow(_));
        let (width, guard) = if narrow && all.bits() + guard_bits(rows) <= NARROW_BITS {
            (NARROW_BITS, guard_bits(rows))
        } else {
            (WIDE_BITS, ROW_BITS + 1)
        };
        let slack = width - all.bits() - guard;
        if slack < 0 {
            return Ok(false);
        }
        match &mut self.cells {
            Cells::Narrow(cells) if width == NARROW_BITS => grant.resize(cells, groups + 1, 0)?,
            Cells::Narrow(cells) => {
                let mut wide = Vec::new();
                grant.resize(&mut wide, cells.len().max(groups + 1), i256::ZERO)?;
                wide.iter_mut().zip(&*cells).for_each(|(wide, &cell)| *wide = i256::from_i128(cell));
                grant.shrink((cells.capacity() * size_of::<i128>()) as u64);
                self.cells = Cells::Wide(wide);
            }
            Cells::Wide(cells) => grant.resize(cells, groups + 1, i256::ZERO)?,
        }
        if self.extent.is_none() {
            self.anchor = all.low - slack / 2;
        } else if all.low < self.anchor || all.top + guard > self.anchor + width {
            self.move_anchor(all.low - slack / 2);
        }
        self.extent = Some(all);
        Ok(true)
    }

    fn move_anchor(&mut self, anchor: i32) {
        let up = anchor - self.anchor;
        self.anchor = anchor;
        match &mut self.cells {
            Cells::Narrow(cells) => cells.iter_mut().for_each(|cell| *cell = shifted(*cell, up)),
            Cells::Wide(cells) => cells.iter_mut().for_each(|cell| *cell = shifted(*cell, up)),
        }
    }

    /// True where values within `extent` can be added one by one, without [`Window::cover`] being asked again. Only a wide
    /// window has such room.
    pub(super) fn holds(&self, extent: Extent) -> bool {
        matches!(self.cells, Cells::Wide(_))
            && self.extent.is_some()
            && extent.low >= self.anchor
            && extent.top + ROW_BITS < self.anchor + WIDE_BITS
    }

    /// Adds a covered or held value.
    pub(super) fn add_one(&mut self, group: usize, value: f64) {
        let anchor = i64::from(self.anchor) as u64;
        match &mut self.cells {
            Cells::Narrow(cells) => {
                cells[group] = cells[group].plus(Cell::from_words(cell::place(value, anchor)))
            }
            Cells::Wide(cells) => {
                cells[group] = cells[group].plus(Cell::from_words(cell::place(value, anchor)))
            }
        }
    }

    /// Adds a number that is a multiple of the lowest bit covered.
    pub(super) fn add_wide(&mut self, group: usize, number: i256) {
        match &mut self.cells {
            Cells::Narrow(cells) => cells[group] = cells[group].plus(i128::narrowed(number)),
            Cells::Wide(cells) => cells[group] = cells[group].plus(number),
        }
    }

    /// Adds a number of units of the anchor's position, by its magnitude.
    pub(super) fn add_magnitude(&mut self, group: usize, words: [u64; 4], negative: bool) {
        let number = <i256 as Cell<4>>::from_words(words);
        self.add_wide(group, if negative { number.wrapping_neg() } else { number });
    }

    /// Remembers values that [`Window::holds`] let in.
    pub(super) fn note(&mut self, extent: Extent) {
        self.extent = self.extent.map(|seen| seen.with(extent));
    }

    /// Adds rows whose values within `extent` are covered; those in the sink may be anything.
    pub(super) fn add(&mut self, values: &[f64], target: Target, extent: Extent) {
        let groups = match &self.cells {
            Cells::Narrow(cells) => cells.len() - 1,
            Cells::Wide(cells) => cells.len() - 1,
        };
        let one = matches!(target, Target::One);
        let few = |cuts: &Cuts| one || (groups <= split::MASKED_GROUPS && cuts.pay_by_group());
        if let Some(cuts) = Cuts::of(extent).filter(few) {
            return self.add_split(values, target, groups, cuts);
        }
        let anchor = i64::from(self.anchor) as u64;
        match (&mut self.cells, target) {
            (Cells::Narrow(cells), Target::One) => cell::add_all(values, anchor, &mut cells[1]),
            (Cells::Wide(cells), Target::One) => cell::add_all(values, anchor, &mut cells[1]),
            (Cells::Narrow(cells), Target::Each(numbers)) => cell::add_each(numbers, values, anchor, cells),
            (Cells::Wide(cells), Target::Each(numbers)) => cell::add_each(numbers, values, anchor, cells),
        }
    }

    /// Adds the products of rows, likewise covered.
    pub(super) fn add_products(&mut self, factors: (&[f64], &[f64]), numbers: Option<&[u32]>) {
        let anchor = i64::from(self.anchor) as u64;
        match &mut self.cells {
            Cells::Narrow(cells) => cell::add_products(numbers, factors, anchor, cells),
            Cells::Wide(cells) => cell::add_products(numbers, factors, anchor, cells),
        }
    }

    fn add_split(&mut self, values: &[f64], target: Target, groups: usize, cuts: Cuts) {
        match target {
            Target::One => {
                for values in values.chunks(split::BLOCK) {
                    cuts.sum(values).into_iter().for_each(|part| self.add_one(1, part));
                }
            }
            Target::Each(numbers) => {
                for (values, numbers) in values.chunks(split::BLOCK).zip(numbers.chunks(split::BLOCK)) {
                    let sums = cuts.sum_groups(values, numbers, groups);
                    for (group, parts) in (1..=groups).zip(sums) {
                        parts.into_iter().for_each(|part| self.add_one(group, part));
                    }
                }
            }
        }
    }

    /// A group's sum: a number of units of the anchor's position.
    pub(super) fn get(&self, group: usize) -> (i256, i32) {
        let cell = match &self.cells {
            Cells::Narrow(cells) => cells.get(group).map(|cell| cell.wide()),
            Cells::Wide(cells) => cells.get(group).copied(),
        };
        (cell.unwrap_or(i256::ZERO), self.anchor)
    }

    pub(super) fn anchor(&self) -> i32 {
        self.anchor
    }

    /// Where a window of an extent that does not fit should be: room on both sides of `position`.
    pub(super) fn around(position: i32) -> Extent {
        let room = (WIDE_BITS - ROW_BITS - 1 - SIGNIFICAND_BITS) / 2;
        Extent { low: position - room, top: position + SIGNIFICAND_BITS + room }
    }
}

/// `cell / 2^up`; the bits that fall off are zero, and those that are lost at the top only repeat the sign.
fn shifted<const WORDS: usize, C: Cell<WORDS>>(cell: C, up: i32) -> C {
    C::narrowed(rescaled(cell.wide(), up))
}

/// `number / 2^up`.
pub(super) fn rescaled(number: i256, up: i32) -> i256 {
    match up {
        -255..0 => number << up.unsigned_abs() as u8,
        0..=255 => number >> up as u8,
        _ => i256::ZERO,
    }
}
