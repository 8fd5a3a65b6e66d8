//! Comparisons with AVX-512: straight to masks.

use std::arch::x86_64::*;

macro_rules! compare {
    ($name:ident, $compare:ident) => {
        #[target_feature(enable = "avx512f,avx512bw,bmi2")]
        pub(super) fn $name(values: &[u16], with: u16, out: &mut [u64]) {
            assert_eq!(out.len(), values.len().div_ceil(64));
            let with = _mm512_set1_epi16(with as i16);
            let (chunks, rest) = values.as_chunks::<64>();
            for (word, chunk) in out.iter_mut().zip(chunks) {
                // SAFETY: the chunk is two vectors long.
                let (low, high) = unsafe {
                    (
                        _mm512_loadu_epi16(chunk.as_ptr().cast()),
                        _mm512_loadu_epi16(chunk.as_ptr().add(32).cast()),
                    )
                };
                *word = u64::from($compare(low, with)) | u64::from($compare(high, with)) << 32;
            }
            if let Some(word) = out.get_mut(chunks.len()) {
                let there = _bzhi_u64(u64::MAX, rest.len() as u32);
                // SAFETY: the masks leave only what is in `rest`; where the second one leaves nothing, nothing is read.
                let (low, high) = unsafe {
                    (
                        _mm512_maskz_loadu_epi16(there as u32, rest.as_ptr().cast()),
                        _mm512_maskz_loadu_epi16((there >> 32) as u32, rest.as_ptr().wrapping_add(32).cast()),
                    )
                };
                *word = (u64::from($compare(low, with)) | u64::from($compare(high, with)) << 32) & there;
            }
        }
    };
}

compare!(equal, _mm512_cmpeq_epu16_mask);
compare!(at_least, _mm512_cmpge_epu16_mask);

#[target_feature(enable = "avx512f,avx512bw,bmi2")]
pub(super) fn largest(values: &[u16]) -> u16 {
    let (mut low, mut high) = (_mm512_setzero_si512(), _mm512_setzero_si512());
    let (chunks, rest) = values.as_chunks::<64>();
    for chunk in chunks {
        // SAFETY: the chunk is two vectors long.
        unsafe {
            low = _mm512_max_epu16(low, _mm512_loadu_epi16(chunk.as_ptr().cast()));
            high = _mm512_max_epu16(high, _mm512_loadu_epi16(chunk.as_ptr().add(32).cast()));
        }
    }
    let largest = _mm512_max_epu16(low, high);
    let half = _mm256_max_epu16(_mm512_castsi512_si256(largest), _mm512_extracti64x4_epi64::<1>(largest));
    let lanes: [u16; 16] = bytemuck::cast(half);
    lanes.iter().chain(rest).copied().fold(0, u16::max)
}
