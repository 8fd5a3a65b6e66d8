//! Which group a row belongs to.

use super::Spread;

/// The group of each row, from 0 on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers {
    spread: Spread,
    groups: u64,
    /// Bits of the permutation that rows are walked in.
    bits: u32,
    seed: u64,
}

impl Numbers {
    pub(super) fn new(spread: Spread, rows: u64, groups: u64, seed: u64) -> Self {
        Numbers { spread, groups, bits: rows.max(2).next_power_of_two().ilog2(), seed }
    }

    pub(super) fn of(&self, row: u64) -> u64 {
        let even = || permuted(row ^ (self.seed & ((1 << self.bits) - 1)), self.bits) % self.groups;
        match self.spread {
            Spread::Even => even(),
            Spread::Hot if mix(row ^ self.seed.rotate_left(17)) % 10 < 9 => 0,
            Spread::Hot => even(),
            // Equally many rows between 1 and 2, 2 and 4, 4 and 8, ...
            Spread::Zipf => {
                let unit = (mix(row ^ self.seed.rotate_left(29)) >> 11) as f64 / (1u64 << 53) as f64;
                ((unit * ((self.groups + 1) as f64).ln()).exp() as u64 - 1).min(self.groups - 1)
            }
        }
    }
}

/// A permutation of the numbers of so many bits.
fn permuted(number: u64, bits: u32) -> u64 {
    let mask = u64::MAX >> (64 - bits);
    let mut x = number & mask;
    for factor in [0x9e37_79b9_7f4a_7c15, 0xd6e8_feb8_6659_fd93, 0xbf58_476d_1ce4_e5b9_u64] {
        x = x.wrapping_mul(factor) & mask;
        x ^= x >> bits.div_ceil(2);
    }
    x
}

/// SplitMix64's output function: a permutation of all 64 bits.
pub(super) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
