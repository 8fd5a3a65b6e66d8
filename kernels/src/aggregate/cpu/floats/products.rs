//! Exact sums of products of two floats: 106 bits each, from `2^-2148` on.
//!
//! As sums of values, but without cuts: the cells are 256 bits wide from the first row. Rows where a factor is infinite or
//! NaN are left out; the sums of the factors have flags for them.

use super::ExactSums;
use super::exact::{BLOCK, position_of};
use super::extent::{Extent, SIGNIFICAND_BITS, Scan, scan, take_apart};
use super::far::Domain;
use crate::aggregate::cpu::fold::Target;
use crate::error::Result;
use crate::memory::Grant;

impl ExactSums {
    /// Sums of products.
    pub(in crate::aggregate::cpu) fn of_products() -> Self {
        Self::of(Domain::Products)
    }

    /// Adds the product of both factors of each row.
    pub(in crate::aggregate::cpu) fn add_products(
        &mut self,
        (x, y): (&[f64], &[f64]),
        target: Target,
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        let numbers = match target {
            Target::One => None,
            Target::Each(numbers) => Some(numbers),
        };
        for (block, (x, y)) in x.chunks(BLOCK).zip(y.chunks(BLOCK)).enumerate() {
            let numbers = numbers.map(|numbers| &numbers[block * BLOCK..][..x.len()]);
            self.add_block_of_products((x, y), numbers, groups, grant)?;
        }
        Ok(())
    }

    fn add_block_of_products(
        &mut self,
        (x, y): (&[f64], &[f64]),
        numbers: Option<&[u32]>,
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        self.count_rows(x.len() as u64)?;
        let covered = match (scan(x, numbers), scan(y, numbers)) {
            (Scan::Zeros, Scan::Zeros | Scan::Finite(_)) | (Scan::Finite(_), Scan::Zeros) => return Ok(()),
            (Scan::Finite(x), Scan::Finite(y)) => {
                let extent = Extent { low: x.low + y.low, top: x.top + y.top };
                self.window.cover(extent, self.rows, groups, grant)?
            }
            _ => false,
        };
        if covered {
            self.window.add_products((x, y), numbers);
            return Ok(());
        }
        let group = |row: usize| numbers.map_or(1, |numbers| numbers[row] as usize);
        let counts = |row: &usize| {
            let (x, y) = (x[*row], y[*row]);
            group(*row) > 0 && x.is_finite() && y.is_finite() && x != 0.0 && y != 0.0
        };
        let rows = || (0..x.len()).filter(counts);
        let position = |row: usize| position_of(x[row]) + position_of(y[row]);
        self.settle_window(rows().map(position), groups, grant)?;
        for row in rows() {
            let low = position(row);
            let extent = Extent { low, top: low + 2 * SIGNIFICAND_BITS };
            if self.window.holds(extent) {
                self.window.add_products((&x[row..=row], &y[row..=row]), Some(&[group(row) as u32]));
                self.window.note(extent);
                continue;
            }
            let (a, b) = (take_apart(x[row].to_bits()).0, take_apart(y[row].to_bits()).0);
            let negative = x[row].is_sign_negative() != y[row].is_sign_negative();
            let product = (negative, u128::from(a) * u128::from(b), low as usize);
            self.far.add(self.domain, (group(row), groups), product, grant)?;
        }
        Ok(())
    }
}
