//! Where a long run is cut into partitions that hold about the same number of rows.
//!
//! ```text
//! sample -> its range in 2048 cells of the same width       many words in a cell: cut further, into 2^k of the same width
//!                                                           few: one partition with its neighbours
//! word   -> cell by its top bits -> partition by the next k one look into a table that stays in the first cache level
//! ```
//! Floats have their exponents on top, of which few occur, and numbers of a kind lie close together: without the second step
//! a handful of cells have all the rows. Words outside of the sample's range go to the first partition or the last.

/// Rows that a partition should have: their packed words, twice, and rows stay in the second cache level.
const PARTITION_ROWS: usize = 1 << 13;
/// Partitions that are aimed at, at most: more write streams at once outgrow the caches' lines and the pages at hand.
const MOST_PARTITIONS: usize = 1 << 12;
const CELL_BITS: u32 = 11;
/// Words of a sample, at most.
const SAMPLE_ROWS: usize = 1 << 13;

/// Where a sample of `rows` rows is taken, ascending: one of each stretch, at no even distance, which may be a period of theirs.
pub(super) fn sampled(rows: usize) -> impl Iterator<Item = usize> {
    let stretch = rows.div_ceil(SAMPLE_ROWS).max(1);
    (0..rows).step_by(stretch).enumerate().map(move |(number, start)| {
        let noise = (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        (start + noise as usize % stretch).min(rows - 1)
    })
}

/// A cut of words, monotone: greater words are in no lower partition.
#[derive(Debug)]
pub(super) struct Split {
    least: u64,
    greatest: u64,
    /// Bits of an offset within its cell.
    cell_bits: u32,
    cells: Vec<Cell>,
    partitions: usize,
}

/// A cell's first partition, and the bits of an offset in the cell that do not choose a further one.
#[derive(Debug, Clone, Copy)]
struct Cell {
    first: u32,
    drop: u32,
}

impl Split {
    /// A cut for `rows` words, of which `sample` are some. It has two partitions at least that are not empty, unless all words
    /// of the sample are equal.
    pub(super) fn new(sample: &[u64], rows: usize) -> Self {
        let least = sample.iter().copied().min().unwrap_or(0);
        let greatest = sample.iter().copied().max().unwrap_or(0);
        let bits = u64::BITS - (greatest - least).leading_zeros();
        let cell_bits = bits.saturating_sub(CELL_BITS);
        let mut counts = vec![0; ((greatest - least) >> cell_bits) as usize + 1];
        sample.iter().for_each(|word| counts[((word - least) >> cell_bits) as usize] += 1);
        let wanted = PARTITION_ROWS.max(rows / MOST_PARTITIONS);
        let expected = counts.iter().map(|count| count * rows / sample.len().max(1));
        let (cells, partitions) = cells(expected, cell_bits, wanted);
        Split { least, greatest, cell_bits, cells, partitions }
    }

    pub(super) fn partitions(&self) -> usize {
        self.partitions
    }

    /// The partition of a word.
    #[inline(always)]
    pub(super) fn of(&self, word: u64) -> usize {
        let offset = word.clamp(self.least, self.greatest) - self.least;
        let Cell { first, drop } = self.cells[(offset >> self.cell_bits) as usize];
        let within = offset & ((1 << self.cell_bits) - 1);
        first as usize + (within >> drop) as usize
    }
}

/// Cells by the rows that each is expected to have, and the number of partitions.
fn cells(expected: impl Iterator<Item = usize>, cell_bits: u32, wanted: usize) -> (Vec<Cell>, usize) {
    let mut cells = Vec::new();
    let mut next = 0;
    // Rows of the partition before `next`, where cells share it.
    let mut shared = None;
    for rows in expected {
        if rows < wanted {
            shared = match shared {
                Some(held) if held + rows <= wanted => Some(held + rows),
                _ => {
                    next += 1;
                    Some(rows)
                }
            };
            cells.push(Cell { first: next - 1, drop: cell_bits });
        } else {
            let further = (rows / wanted).next_power_of_two().ilog2().min(cell_bits);
            cells.push(Cell { first: next, drop: cell_bits - further });
            next += 1 << further;
            shared = None;
        }
    }
    (cells, next as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(rows: u64) -> impl Iterator<Item = u64> {
        (1..=rows).map(|at| at.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    #[test]
    fn cuts_are_monotone_and_balanced() {
        let rows: u64 = 1 << 20;
        let floats = |word: u64| (1023 - word.trailing_ones() as u64) << 52 | word >> 12;
        let shapes: [&dyn Fn(u64) -> u64; 4] =
            [&|word| word, &|word| word >> 44, &floats, &|word| word | 1 << 63];
        for shape in shapes {
            let mut words: Vec<u64> = noise(rows).map(shape).collect();
            let sample: Vec<u64> = sampled(words.len()).map(|row| words[row]).collect();
            let split = Split::new(&sample, words.len());
            words.extend([0, u64::MAX]);
            words.sort_unstable();
            let mut counts = vec![0; split.partitions()];
            words.iter().for_each(|&word| counts[split.of(word)] += 1);
            assert!(words.is_sorted_by_key(|&word| split.of(word)));
            assert!(*counts.iter().max().unwrap() < 4 * PARTITION_ROWS, "{counts:?}");
        }
    }

    #[test]
    fn words_that_differ_are_told_apart() {
        for (low, high) in [(0, 1), (0, u64::MAX), (7, 9), (1 << 40, (1 << 40) + 1)] {
            let split = Split::new(&[low, high], 1 << 20);
            assert!(split.of(low) < split.of(high));
            assert!(split.of(high) < split.partitions());
        }
        let split = Split::new(&[5, 5], 1 << 20);
        assert_eq!((split.of(0), split.of(5), split.of(9)), (0, 0, 0));
    }
}
