//! Byte arrays without a place of their own: lengths that are deltas, prefixes that are shared.
//!
//! ```text
//! deltas -> sizes: lengths of values, zero in the gaps between streams -> scan: bytes before each value
//!        -> lows:  lengths of prefixes -> pyramid of smallest ones, 32 to 1
//! unfold: byte of a value -> its owner, by the pyramid -> byte of the owner's suffix        one invocation per word
//! ```
//! A prefix is a chain of values. Following it byte by byte would take as many steps as values share the byte, and going from
//! value to value as the host does takes one after the other; the pyramid takes some dozens at most, whatever the file says.
//! It answers the all-nearest-smaller-values question (Berkman, Schieber and Vishkin, 1993) for one byte at a time.

use super::Decode;
use super::lay::DELTA_BLOCK;
use super::stages::{Uploaded, invocations};
use crate::gpu::program::{BufferId, BufferInit, Program};

/// Numbers that one of the next level stands for, as `parquet/lows` has it.
const FAN: u64 = 32;
/// Levels of a pyramid over 2^32 numbers, and words before the pages: `UNFOLD_MOST_LEVELS` and `UNFOLD_HEAD`.
pub(super) const MOST_LEVELS: usize = 8;
pub(super) const HEAD: usize = 3 + MOST_LEVELS;

impl Decode {
    /// Bytes before each value of the delta streams, and the values that share prefixes behind the uploaded bytes.
    pub(super) fn scan_sizes(
        &self,
        program: &mut Program,
        uploaded: &Uploaded,
        deltas: BufferId,
    ) -> BufferId {
        let values = u64::from(self.delta_blocks) * DELTA_BLOCK as u64;
        // The last value's length is told by what is behind it.
        let sizes = program.buffer("parquet/sizes", (values + 1) * 4, BufferInit::Zero);
        let levels = levels(values);
        let numbers = levels.iter().map(|(_, count)| count).sum::<u64>();
        let lows = program.buffer("parquet/lows", numbers * 4, BufferInit::Zero);
        let bindings = vec![uploaded.tables, uploaded.bytes, deltas, sizes, lows];
        program.stage("parquet/sizes", self.shaders.sizes.clone(), bindings, invocations(values));
        let scanned = self.scan(program, sizes, values + 1);
        if self.unfolds.is_empty() {
            return scanned;
        }
        for pair in levels.windows(2) {
            let [(below, count), (first, above)] = [pair[0], pair[1]];
            let level =
                program.upload_words("parquet/lows level", &[below as u32, count as u32, first as u32]);
            program.stage("parquet/lows", self.shaders.lows.clone(), vec![level, lows], invocations(above));
        }
        let tables = program.upload_words("parquet/unfold tables", &self.unfold_tables(&levels));
        let bindings = vec![tables, uploaded.bytes, scanned, lows];
        let words = self.unfolded_bytes / 4;
        program.stage("parquet/unfold", self.shaders.unfold.clone(), bindings, invocations(words));
        scanned
    }

    fn unfold_tables(&self, levels: &[(u64, u64)]) -> Vec<u32> {
        let first = self.unfolds.first().map_or(0, |[.., at, _]| at / 4);
        let mut tables = vec![self.unfolds.len() as u32, (self.unfolded_bytes / 4) as u32, first];
        tables.extend(levels.iter().map(|(first, _)| *first as u32));
        tables.resize(HEAD, 0);
        tables.extend(self.unfolds.iter().flatten());
        tables
    }
}

/// First number and count of each level of a pyramid over so many numbers, up to the level of one.
fn levels(numbers: u64) -> Vec<(u64, u64)> {
    let mut levels = vec![(0, numbers)];
    while let Some(&(first, count)) = levels.last().filter(|(_, count)| *count > 1) {
        levels.push((first + count, count.div_ceil(FAN)));
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::{MOST_LEVELS, levels};

    #[test]
    fn a_pyramid_ends_at_one() {
        assert_eq!(levels(1024), [(0, 1024), (1024, 32), (1056, 1)]);
        assert_eq!(levels(1025).last(), Some(&(1025 + 33 + 2, 1)));
        assert!(levels(1 << 32).len() <= MOST_LEVELS);
    }
}
