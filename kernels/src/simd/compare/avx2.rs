//! Comparisons with AVX2: 32 values to bytes, then their signs.

use std::arch::x86_64::*;

use super::pick_words;

macro_rules! compare {
    ($name:ident, |$value:ident, $with:ident| $compare:expr) => {
        #[target_feature(enable = "avx2,bmi1,bmi2")]
        pub(super) fn $name(values: &[u16], with: u16, out: &mut [u64]) {
            assert_eq!(out.len(), values.len().div_ceil(64));
            let $with = _mm256_set1_epi16(with as i16);
            let half = |values: &[u16; 32]| {
                // SAFETY: the array is two vectors long.
                let (low, high) = unsafe {
                    (
                        _mm256_loadu_si256(values.as_ptr().cast()),
                        _mm256_loadu_si256(values.as_ptr().add(16).cast()),
                    )
                };
                let test = |$value: __m256i| $compare;
                let bytes = _mm256_packs_epi16(test(low), test(high));
                u64::from(_mm256_movemask_epi8(_mm256_permute4x64_epi64::<0b11_01_10_00>(bytes)) as u32)
            };
            for (word, chunk) in out.iter_mut().zip(values.chunks(64)) {
                let mut padded = [0; 64];
                let halves = match <&[u16; 64]>::try_from(chunk) {
                    Ok(whole) => whole,
                    Err(_) => {
                        padded[..chunk.len()].copy_from_slice(chunk);
                        &padded
                    }
                };
                let (halves, _) = halves.as_chunks::<32>();
                *word = _bzhi_u64(half(&halves[0]) | half(&halves[1]) << 32, chunk.len() as u32);
            }
        }
    };
}

compare!(equal, |value, with| _mm256_cmpeq_epi16(value, with));
compare!(at_least, |value, with| _mm256_cmpeq_epi16(_mm256_max_epu16(value, with), value));

#[target_feature(enable = "avx2")]
pub(super) fn largest(values: &[u16]) -> u16 {
    let mut largest = _mm256_setzero_si256();
    let (chunks, rest) = values.as_chunks::<16>();
    for chunk in chunks {
        // SAFETY: the chunk is a vector long.
        largest = _mm256_max_epu16(largest, unsafe { _mm256_loadu_si256(chunk.as_ptr().cast()) });
    }
    let lanes: [u16; 16] = bytemuck::cast(largest);
    lanes.iter().chain(rest).copied().fold(0, u16::max)
}

#[target_feature(enable = "bmi2,popcnt")]
pub(super) fn pick(bits: &[u64], keep: &[u64], out: &mut [u64]) -> usize {
    pick_words(bits, keep, out, |bits, keep| _pext_u64(bits, keep))
}
