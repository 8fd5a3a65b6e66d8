//! MurmurHash3, the 128-bit variant for 64-bit machines, with the seed of Apache DataSketches: sketches made here and
//! there over the same values agree.

const SEED: u64 = 9001;
const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;

/// Both halves of the hash.
pub(super) fn hash(bytes: &[u8]) -> (u64, u64) {
    let (mut h1, mut h2) = (SEED, SEED);
    let (blocks, tail) = bytes.as_chunks::<16>();
    for block in blocks {
        let (k1, k2) = halves(block);
        h1 ^= mix_low(k1);
        h1 = h1.rotate_left(27).wrapping_add(h2).wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 ^= mix_high(k2);
        h2 = h2.rotate_left(31).wrapping_add(h1).wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let tail = tail_word(bytes, tail.len());
    let (k1, k2) = (tail as u64, (tail >> 64) as u64);
    h2 ^= mix_high(k2);
    h1 ^= mix_low(k1);
    h1 ^= bytes.len() as u64;
    h2 ^= bytes.len() as u64;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    h1 = finalise(h1);
    h2 = finalise(h2);
    h1 = h1.wrapping_add(h2);
    (h1, h2.wrapping_add(h1))
}

/// [`hash`] of the eight bytes of a word, without a branch: loops over it become vector instructions.
#[inline(always)]
pub(super) fn hash_word(word: u64) -> (u64, u64) {
    let h1 = (SEED ^ mix_low(word) ^ 8).wrapping_add(SEED ^ 8);
    let h2 = h1.wrapping_add(SEED ^ 8);
    let (h1, h2) = (finalise(h1), finalise(h2));
    let h1 = h1.wrapping_add(h2);
    (h1, h2.wrapping_add(h1))
}

/// The last `len` of `bytes`, fewer than 16, padded with zeros. Read in one or two loads: a copy of any length is a call.
#[inline]
fn tail_word(bytes: &[u8], len: usize) -> u128 {
    if let Some(last) = bytes.last_chunk::<16>() {
        // Two shifts, as there may be none of the 16 left.
        return u128::from_le_bytes(*last) >> (8 * (15 - len)) >> 8;
    }
    let joined =
        |low: u64, high: u64, width: usize| u128::from(low) | u128::from(high) << (8 * (len - width));
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        return joined(u64::from_le_bytes(*first), u64::from_le_bytes(*last), 8);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return joined(u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into(), 4);
    }
    bytes.iter().rev().fold(0, |word, &byte| word << 8 | u128::from(byte))
}

fn halves(block: &[u8; 16]) -> (u64, u64) {
    let word = u128::from_le_bytes(*block);
    (word as u64, (word >> 64) as u64)
}

fn mix_low(word: u64) -> u64 {
    word.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2)
}

fn mix_high(word: u64) -> u64 {
    word.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1)
}

fn finalise(mut word: u64) -> u64 {
    word = (word ^ word >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    word = (word ^ word >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    word ^ word >> 33
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_of_every_length_are_the_last_bytes() {
        let bytes: Vec<u8> = (1..80).collect();
        for length in 0..bytes.len() {
            let bytes = &bytes[..length];
            let tail = bytes.as_chunks::<16>().1;
            let mut block = [0; 16];
            block[..tail.len()].copy_from_slice(tail);
            assert_eq!(tail_word(bytes, tail.len()), u128::from_le_bytes(block), "{length}");
        }
    }

    #[test]
    fn words_hash_as_their_bytes() {
        for word in [0, 1, u64::MAX, 0x9E37_79B9_7F4A_7C15] {
            assert_eq!(hash_word(word), hash(&word.to_le_bytes()));
        }
    }
}
