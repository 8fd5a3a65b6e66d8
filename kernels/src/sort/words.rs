//! Words of a run in order, in cache.
//!
//! ```text
//! packed = word << place bits | place         where that is too wide, without the word's lowest bits
//! few     -> comparisons of packed words
//! many    -> LSD radix by the top bits of the range, as many as tell most rows apart; what still agrees is compared
//! ```
//! Radix passes keep the order of what agrees, so that places are never sorted by. Bytes per row: 8 in and 8 out for each
//! of the two or three passes, all in the second cache level for a run of some thousand rows.

/// Rows from which passes over digits are cheaper than comparisons.
const RADIX_ROWS: usize = 256;
/// Bits of a digit: its counters stay in the first cache level, beside as many lines that are written to.
const DIGIT_BITS: u32 = 8;
const DIGITS: usize = 1 << DIGIT_BITS;
/// Bits beyond those of the number of rows that are sorted by: few rows agree in so many, whatever hash or float they come from.
const SPARE_BITS: u32 = 4;

/// Sorts runs one after the other, in memory that it keeps.
#[derive(Debug, Default)]
pub(super) struct WordSorter {
    packed: Vec<u64>,
    /// The other side of a pass.
    other: Vec<u64>,
    /// Words and rows as they came.
    words: Vec<u64>,
    rows: Vec<u32>,
}

/// How a word and its place share 64 bits.
#[derive(Debug, Clone, Copy)]
struct Packing {
    min: u64,
    /// Bits of the word's range that are kept.
    bits: u32,
    /// Lowest bits of the word that are not.
    dropped: u32,
    place_bits: u32,
}

impl Packing {
    fn new(min: u64, max: u64, rows: usize) -> Self {
        let bits = u64::BITS - (max - min).leading_zeros();
        let place_bits = u64::BITS - (rows.saturating_sub(1) as u64).leading_zeros();
        let dropped = (bits + place_bits).saturating_sub(u64::BITS);
        Packing { min, bits: bits - dropped, dropped, place_bits }
    }

    #[inline]
    fn pack(self, word: u64, place: u64) -> u64 {
        ((word - self.min) >> self.dropped) << self.place_bits | place
    }

    #[inline]
    fn place(self, packed: u64) -> usize {
        (packed & ((1 << self.place_bits) - 1)) as usize
    }
}

impl WordSorter {
    /// Orders `words`, which lie between `min` and `max`, stably, and `rows` with them.
    pub(super) fn sort(&mut self, (min, max): (u64, u64), words: &mut [u64], rows: &mut [u32]) {
        if min == max || words.len() < 2 {
            return;
        }
        let packing = Packing::new(min, max, words.len());
        self.packed.clear();
        self.packed.extend(words.iter().zip(0..).map(|(&word, place)| packing.pack(word, place)));
        let agreed = if words.len() < RADIX_ROWS { 0 } else { self.sort_top(packing) };
        self.settle(packing, agreed, words);
        self.words.clear();
        self.words.extend_from_slice(words);
        self.rows.clear();
        self.rows.extend_from_slice(rows);
        for ((&packed, word), row) in self.packed.iter().zip(words).zip(rows) {
            let place = packing.place(packed);
            *word = self.words[place];
            *row = self.rows[place];
        }
    }

    /// Orders by the top bits of the words, and returns how many these are.
    fn sort_top(&mut self, packing: Packing) -> u32 {
        let wanted = (packing.place_bits + SPARE_BITS).min(packing.bits);
        let digits = wanted.div_ceil(DIGIT_BITS);
        let width = wanted.div_ceil(digits);
        let top = packing.place_bits + packing.bits;
        let mut from = top - wanted;
        self.other.clear();
        self.other.resize(self.packed.len(), 0);
        while from < top {
            let width = width.min(top - from);
            pass(&self.packed, &mut self.other, from, width);
            std::mem::swap(&mut self.packed, &mut self.other);
            from += width;
        }
        wanted
    }

    /// Orders what agrees in the top `agreed` bits of the words, by which everything is in order.
    fn settle(&mut self, packing: Packing, agreed: u32, words: &[u64]) {
        if agreed == packing.bits && packing.dropped == 0 {
            return;
        }
        let from = packing.place_bits + packing.bits - agreed;
        let top = |packed: u64| packed.checked_shr(from).unwrap_or(0);
        for run in self.packed.chunk_by_mut(|&a, &b| top(a) == top(b)) {
            match run {
                [_] => {}
                _ if packing.dropped == 0 => run.sort_unstable(),
                _ => run.sort_unstable_by_key(|&packed| (words[packing.place(packed)], packed)),
            }
        }
    }
}

/// One stable pass by the `width` bits at `from`.
fn pass(source: &[u64], target: &mut [u64], from: u32, width: u32) {
    let mask = (1 << width) - 1;
    let digit = |packed: u64| (packed >> from) as usize & mask;
    let mut next = [0u32; DIGITS];
    source.iter().for_each(|&packed| next[digit(packed)] += 1);
    let mut start = 0;
    for count in &mut next {
        start += std::mem::replace(count, start);
    }
    for &packed in source {
        let next = &mut next[digit(packed)];
        target[*next as usize] = packed;
        *next += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &[u64]) {
        let mut rows: Vec<u32> = (0..words.len() as u32).map(|row| row * 3).collect();
        let mut sorted = words.to_vec();
        let min = words.iter().copied().min().unwrap_or(0);
        let max = words.iter().copied().max().unwrap_or(0);
        WordSorter::default().sort((min, max), &mut sorted, &mut rows);
        let mut expected: Vec<(u64, u32)> = words.iter().copied().zip((0..).map(|row| row * 3)).collect();
        expected.sort();
        assert_eq!(sorted.into_iter().zip(rows).collect::<Vec<_>>(), expected);
    }

    /// Every width around the limits of packing, and clusters that radix passes cannot tell apart.
    #[test]
    fn order_is_that_of_a_stable_comparison() {
        let noise = |at: u64| (at + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (at << 7);
        for rows in [0, 1, 2, 3, 100, 255, 256, 257, 4096, 5000] {
            for bits in [0, 1, 2, 8, 9, 16, 17, 40, 51, 52, 53, 54, 60, 63, 64] {
                let narrow = |at| if bits == 0 { 5 } else { noise(at) >> (64 - bits) };
                check(&(0..rows).map(narrow).collect::<Vec<_>>());
            }
            check(&(0..rows).map(|at| if at == 7 { u64::MAX } else { noise(at) % 5 }).collect::<Vec<_>>());
            check(&(0..rows).map(|at| ((noise(at) % 3) << 62) | (at % 2)).collect::<Vec<_>>());
            check(&(0..rows).rev().collect::<Vec<_>>());
        }
    }
}
