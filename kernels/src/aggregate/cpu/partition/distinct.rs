//! How many distinct hashes there are, by a sample of the hashes themselves: those that end in so many zero bits. Where the
//! sample is full, one more bit is asked for (Wegman's adaptive sampling, as Flajolet describes it, 1990). The error is
//! about 1.2 / sqrt([`SAMPLE`]), 2 in 100.

use std::collections::HashSet;

const SAMPLE: usize = 4096;

/// A sample of hashes.
#[derive(Debug, Default)]
pub(super) struct Distinct {
    zero_bits: u32,
    sample: HashSet<u64>,
}

impl Distinct {
    pub(super) fn add(&mut self, hashes: &[u64]) {
        let mut mask = self.mask();
        for &hash in hashes {
            if hash & mask == 0 && self.sample.insert(hash) && self.sample.len() > SAMPLE {
                self.zero_bits += 1;
                mask = self.mask();
                self.sample.retain(|hash| hash & mask == 0);
            }
        }
    }

    pub(super) fn estimate(&self) -> usize {
        self.sample.len().saturating_mul(1 << self.zero_bits)
    }

    fn mask(&self) -> u64 {
        (1u64 << self.zero_bits) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_within_a_tenth() {
        for groups in [1u64, 100, 4096, 100_000, 1_000_000] {
            let mut distinct = Distinct::default();
            let mixed = |value: u64| {
                let value = (value ^ value >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                (value ^ value >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ value >> 32
            };
            for _ in 0..2 {
                let hashes: Vec<u64> = (1..=groups).map(mixed).collect();
                distinct.add(&hashes);
            }
            let found = distinct.estimate() as f64 / groups as f64;
            assert!((0.9..1.1).contains(&found), "{groups}: {found}");
        }
    }
}
