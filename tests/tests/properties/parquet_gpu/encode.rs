//! An encoder of pages, by the format's text and nothing else: what the decoders are judged by.

use pilaster_tests::strategies::Random;

/// Bits, lowest first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn push(&mut self, value: u64, width: u32) {
        for bit in 0..width {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= ((value >> bit & 1) as u8) << (self.used % 8);
            self.used += 1;
        }
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn zigzag(out: &mut Vec<u8>, value: i64) {
    varint(out, (value << 1 ^ value >> 63) as u64);
}

/// Bits that values up to `most` take.
pub fn width_of(most: u64) -> u32 {
    u64::BITS - most.leading_zeros()
}

/// A hybrid: runs where values repeat, of any length that suits, packed groups elsewhere.
pub fn hybrid(values: &[u32], width: u32, random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < values.len() {
        let same = values[at..].iter().take_while(|value| **value == values[at]).count();
        if same >= 8 || random.percent(10) {
            let len = if random.percent(20) { 1 + random.below(same as u64) as usize } else { same };
            varint(&mut out, (len as u64) << 1);
            out.extend(&values[at].to_le_bytes()[..width.div_ceil(8) as usize]);
            at += len;
            continue;
        }
        let groups = 1 + random.below(40) as usize;
        let taken = (groups * 8).min(values.len() - at);
        let groups = taken.div_ceil(8);
        varint(&mut out, (groups as u64) << 1 | 1);
        let mut bits = Bits::default();
        for value in 0..groups * 8 {
            // Padding is whatever the writer had there.
            let value = if value < taken { values[at + value].into() } else { random.bits() };
            bits.push(value, width);
        }
        out.extend(bits.bytes);
        at += taken;
    }
    out
}

/// The deprecated levels, highest bit first.
pub fn bit_packed(values: &[u32], width: u32) -> Vec<u8> {
    let mut bits = Bits::default();
    for value in values {
        for bit in (0..width).rev() {
            bits.push((value >> bit & 1).into(), 1);
        }
    }
    bits.bytes.into_iter().map(u8::reverse_bits).collect()
}

/// `DELTA_BINARY_PACKED`, differences of `bits` bits, which wrap.
pub fn deltas(values: &[i64], bits: u32, random: &mut Random) -> Vec<u8> {
    let miniblocks = [1, 2, 4][random.below(3) as usize];
    let per_miniblock = 32 * (1 + random.below(3) as usize);
    let wrapped = |value: i64| value << (64 - bits) >> (64 - bits);
    let mut out = Vec::new();
    varint(&mut out, (miniblocks * per_miniblock) as u64);
    varint(&mut out, miniblocks as u64);
    varint(&mut out, values.len() as u64);
    zigzag(&mut out, values.first().copied().unwrap_or(0));
    let steps: Vec<i64> = values.windows(2).map(|pair| wrapped(pair[1].wrapping_sub(pair[0]))).collect();
    for block in steps.chunks(miniblocks * per_miniblock) {
        let least = *block.iter().min().unwrap();
        zigzag(&mut out, least);
        let mask = u64::MAX >> (64 - bits);
        let above: Vec<u64> = block.iter().map(|step| step.wrapping_sub(least) as u64 & mask).collect();
        let widths: Vec<u32> =
            above.chunks(per_miniblock).map(|mini| width_of(*mini.iter().max().unwrap())).collect();
        out.extend((0..miniblocks).map(|mini| widths.get(mini).copied().unwrap_or(0) as u8));
        for (mini, width) in above.chunks(per_miniblock).zip(widths) {
            let mut packed = Bits::default();
            for value in 0..per_miniblock {
                packed.push(mini.get(value).copied().unwrap_or(0), width);
            }
            out.extend(packed.bytes);
        }
    }
    out
}

/// `BYTE_STREAM_SPLIT` of values of equal length.
pub fn streams(values: &[Vec<u8>], bytes: usize) -> Vec<u8> {
    (0..bytes).flat_map(|byte| values.iter().map(move |value| value[byte])).collect()
}

/// Booleans, a bit each.
pub fn booleans(values: impl Iterator<Item = bool>) -> Vec<u8> {
    let mut bits = Bits::default();
    values.for_each(|value| bits.push(value.into(), 1));
    bits.bytes
}

/// Strings, each behind its length.
pub fn plain_strings(values: &[Vec<u8>]) -> Vec<u8> {
    values.iter().flat_map(|value| [&(value.len() as u32).to_le_bytes()[..], value].concat()).collect()
}
