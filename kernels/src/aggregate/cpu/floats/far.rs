//! What no window can hold: a number over the whole range of floats, or of products of two, for each group that needs one.

use crate::aggregate::exact::Exact;
use crate::error::Result;
use crate::memory::Grant;

/// What is summed, and so which bits there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Domain {
    /// Floats: bits from `2^-1074`.
    Values,
    /// Products of two floats: bits from `2^-2148`.
    Products,
}

impl Domain {
    /// Exponent of position 0.
    pub(super) fn base(self) -> i32 {
        match self {
            Self::Values => -1074,
            Self::Products => -2148,
        }
    }

    /// Words of a number: all positions that a value has, 78 bits or more for rows, the sign.
    fn words(self) -> usize {
        match self {
            Self::Values => 34,
            Self::Products => 67,
        }
    }

    /// Exponents of the lowest and the highest bit of any sum.
    pub(super) fn bits(self) -> (i32, i32) {
        (self.base(), self.base() + 64 * self.words() as i32 - 2)
    }
}

/// Two's complement numbers of groups.
#[derive(Debug, Default)]
pub(super) struct Far {
    /// Per group, one more than the index of its number; 0 for none.
    slots: Vec<u32>,
    words: Vec<u64>,
}

impl Far {
    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    fn number(
        &mut self,
        domain: Domain,
        group: usize,
        groups: usize,
        grant: &mut Grant,
    ) -> Result<&mut [u64]> {
        let len = domain.words();
        grant.resize(&mut self.slots, groups + 1, 0)?;
        let slot = &mut self.slots[group];
        if *slot == 0 {
            let words = self.words.len() + len;
            grant.resize(&mut self.words, words, 0)?;
            *slot = (words / len) as u32;
        }
        let first = (*slot as usize - 1) * len;
        Ok(&mut self.words[first..first + len])
    }

    /// Adds `+-significand * 2^position`.
    pub(super) fn add(
        &mut self,
        domain: Domain,
        (group, groups): (usize, usize),
        (negative, significand, position): (bool, u128, usize),
        grant: &mut Grant,
    ) -> Result<()> {
        let shift = position % 64;
        let (low, high) = (significand as u64, (significand >> 64) as u64);
        let above = |word: u64| if shift == 0 { 0 } else { word >> (64 - shift) };
        let placed = [low << shift, high << shift | above(low), above(high)];
        let words = self.number(domain, group, groups, grant)?;
        deposit(&mut words[position / 64..], &placed, negative);
        Ok(())
    }

    /// Adds a number whose bits lie in the domain.
    pub(super) fn add_exact(
        &mut self,
        domain: Domain,
        (group, groups): (usize, usize),
        number: &Exact,
        grant: &mut Grant,
    ) -> Result<()> {
        let words = self.number(domain, group, groups, grant)?;
        let mut placed = [0; 67];
        number.magnitude_at(domain.base(), &mut placed);
        deposit(words, &placed[..words.len()], number.is_negative());
        Ok(())
    }

    /// The number of a group; none where it has none.
    pub(super) fn get(&self, domain: Domain, group: usize) -> Option<Exact> {
        let slot = *self.slots.get(group)? as usize;
        let words = self.words.chunks_exact(domain.words()).nth(slot.checked_sub(1)?)?;
        Some(Exact::from_signed(words, domain.base()))
    }
}

/// Adds or subtracts `placed` at the start of `words`, and goes on as far as it carries.
fn deposit(words: &mut [u64], placed: &[u64], negative: bool) {
    let mut carry = 0;
    for (at, word) in words.iter_mut().enumerate() {
        let Some(&addend) = placed.get(at) else {
            if carry == 0 {
                return;
            }
            let (sum, over) =
                if negative { word.overflowing_sub(carry) } else { word.overflowing_add(carry) };
            (*word, carry) = (sum, over.into());
            continue;
        };
        let step =
            |word: u64, by: u64| if negative { word.overflowing_sub(by) } else { word.overflowing_add(by) };
        let (sum, first) = step(*word, addend);
        let (sum, second) = step(sum, carry);
        (*word, carry) = (sum, u64::from(first | second));
    }
}
