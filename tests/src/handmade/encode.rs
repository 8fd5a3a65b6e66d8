//! Every encoding, one value after another.

use super::thrift::{varint, zigzag};
use crate::strategies::Random;

/// Bits that a level or index up to `max` needs.
#[must_use]
pub fn width(max: u32) -> u32 {
    32 - max.leading_zeros()
}

fn bits(values: impl Iterator<Item = u64>, width: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut at = 0usize;
    for value in values {
        for bit in 0..width {
            if at.is_multiple_of(8) {
                bytes.push(0);
            }
            if value >> bit & 1 == 1 {
                *bytes.last_mut().expect("just pushed") |= 1 << (at % 8);
            }
            at += 1;
        }
    }
    bytes
}

/// The hybrid of runs and bit-packed groups. Where equal values follow each other, `random` decides what they become; runs
/// may also be cut, and follow on one another.
#[must_use]
pub fn hybrid(values: &[u32], width: u32, random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < values.len() {
        let run = values[at..].iter().take_while(|&&value| value == values[at]).count();
        if run >= 8 && random.percent(80) || random.percent(10) {
            let run = if random.percent(20) { 1 + random.below(run as u64) as usize } else { run };
            out.extend(varint((run as u64) << 1));
            out.extend(&values[at].to_le_bytes()[..width.div_ceil(8) as usize]);
            at += run;
        } else {
            let groups = (1 + random.below(9) as usize).min((values.len() - at).div_ceil(8));
            let end = values.len().min(at + groups * 8);
            out.extend(varint((groups as u64) << 1 | 1));
            let padding = (end - at..groups * 8).map(|_| random.bits() & ((1 << width) - 1));
            let packed = values[at..end].iter().map(|&value| u64::from(value));
            out.extend(bits(packed.chain(padding), width));
            at = end;
        }
    }
    out
}

/// The deprecated levels: most significant bit first.
#[must_use]
pub fn bit_packed(values: &[u32], width: u32) -> Vec<u8> {
    let reversed = values.iter().map(|value| u64::from(value.reverse_bits() >> (32 - width.max(1))));
    // Each byte is filled from its top.
    bits(reversed, width).into_iter().map(u8::reverse_bits).collect()
}

/// Byte arrays with a length before each.
#[must_use]
pub fn plain_byte_arrays(values: &[&[u8]]) -> Vec<u8> {
    values.iter().flat_map(|value| [&(value.len() as u32).to_le_bytes()[..], value].concat()).collect()
}

/// Booleans.
#[must_use]
pub fn plain_booleans(values: &[&[u8]]) -> Vec<u8> {
    bits(values.iter().map(|value| value[0].into()), 1)
}

/// Index pages: the width, then a hybrid. A width may be larger than the indices need.
#[must_use]
pub fn indices(values: &[u32], distinct: usize, random: &mut Random) -> Vec<u8> {
    let least = width((distinct as u32).saturating_sub(1));
    let width = if random.percent(20) { (least + random.below(9) as u32).min(32) } else { least };
    let mut out = vec![width as u8];
    out.extend(hybrid(values, width, random));
    out
}

/// `DELTA_BINARY_PACKED` of numbers of 32 or 64 bits.
#[must_use]
pub fn delta(values: &[i64], narrow: bool, random: &mut Random) -> Vec<u8> {
    let (block, miniblocks) = [(128, 4), (128, 1), (256, 8), (512, 4)][random.below(4) as usize];
    let per_miniblock = block / miniblocks;
    let mut out = varint(block as u64);
    out.extend(varint(miniblocks as u64));
    out.extend(varint(values.len() as u64));
    out.extend(zigzag(values.first().copied().unwrap_or(0)));
    let wrap = |value: i64| if narrow { i64::from(value as i32) } else { value };
    let deltas: Vec<i64> = values.windows(2).map(|pair| wrap(pair[1].wrapping_sub(pair[0]))).collect();
    for block in deltas.chunks(block) {
        let least = block.iter().copied().min().expect("no empty chunk");
        out.extend(zigzag(least));
        let above = |delta: &i64| {
            let above = delta.wrapping_sub(least).cast_unsigned();
            if narrow { above & u64::from(u32::MAX) } else { above }
        };
        let parts: Vec<Vec<u64>> =
            block.chunks(per_miniblock).map(|part| part.iter().map(above).collect()).collect();
        let widths: Vec<u32> =
            parts.iter().map(|part| part.iter().map(|v| 64 - v.leading_zeros()).max().unwrap_or(0)).collect();
        // Widths of miniblocks without values may be anything.
        out.extend((0..miniblocks).map(|at| widths.get(at).map_or(random.below(33) as u8, |&w| w as u8)));
        for (part, &width) in parts.iter().zip(&widths) {
            let zeros = std::iter::repeat_n(0, per_miniblock - part.len());
            out.extend(bits(part.iter().copied().chain(zeros), width));
        }
    }
    out
}

/// `DELTA_LENGTH_BYTE_ARRAY`.
#[must_use]
pub fn delta_lengths(values: &[&[u8]], random: &mut Random) -> Vec<u8> {
    let lengths: Vec<i64> = values.iter().map(|value| value.len() as i64).collect();
    let mut out = delta(&lengths, true, random);
    out.extend(values.concat());
    out
}

/// `DELTA_BYTE_ARRAY`; shared prefixes need not be as long as they could be.
#[must_use]
pub fn delta_byte_arrays(values: &[&[u8]], random: &mut Random) -> Vec<u8> {
    let mut last: &[u8] = &[];
    let (mut prefixes, mut suffixes) = (Vec::new(), Vec::new());
    for value in values {
        let shared = last.iter().zip(*value).take_while(|(a, b)| a == b).count();
        let shared = if random.percent(20) { random.below(shared as u64 + 1) as usize } else { shared };
        prefixes.push(shared as i64);
        suffixes.push(&value[shared..]);
        last = value;
    }
    let mut out = delta(&prefixes, true, random);
    out.extend(delta_lengths(&suffixes, random));
    out
}

/// `BYTE_STREAM_SPLIT` of values of one width.
#[must_use]
pub fn byte_stream_split(values: &[&[u8]]) -> Vec<u8> {
    let width = values.first().map_or(0, |value| value.len());
    (0..width).flat_map(|byte| values.iter().map(move |value| value[byte])).collect()
}
