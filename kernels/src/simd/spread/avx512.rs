//! Spreading with AVX-512: `vpexpand` takes a mask of slots and the dense values.

use std::arch::x86_64::*;
use std::mem::MaybeUninit;

use arrow::datatypes::ArrowNativeType;

use super::{Words, spread_word};

macro_rules! spread {
    ($name:ident, $size:literal, $expand:expr) => {
        /// As [`super::spread_to`], for types of that many bytes.
        #[target_feature(
            enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,popcnt,bmi1,bmi2,lzcnt"
        )]
        pub(super) fn $name<T: ArrowNativeType>(
            dense: &[u8],
            valid: Words<'_>,
            out: &mut [MaybeUninit<T>],
        ) -> Option<usize> {
            const LANES: usize = 64 / $size;
            assert!(size_of::<T>() == $size);
            assert_eq!(valid.len(), out.len());
            let mut used = 0;
            let (chunks, rest) = out.as_chunks_mut::<64>();
            for (i, slots) in chunks.iter_mut().enumerate() {
                let word = valid.word(i);
                if word == u64::MAX || dense.len() - used * $size < 64 * $size {
                    used += spread_word(&dense[used * $size..], word, slots)?;
                    continue;
                }
                let (from, to) = (dense[used * $size..].as_ptr(), slots.as_mut_ptr());
                let mut before = 0;
                for part in 0..64 / LANES {
                    let mask = word >> (part * LANES) & u64::MAX >> (64 - LANES);
                    // SAFETY: at least 64 values follow `from`, and at most `part * LANES` of them are `before`, so that a
                    // vector of them can be read. The 64 slots are so many vectors. Zeros are a value of a native type.
                    unsafe {
                        let values = _mm512_loadu_si512(from.add(before * $size).cast());
                        let spread: __m512i = $expand(mask, values);
                        _mm512_storeu_si512(to.add(part * LANES).cast(), spread);
                    }
                    before += mask.count_ones() as usize;
                }
                used += before;
            }
            if !rest.is_empty() {
                used += spread_word(&dense[used * $size..], valid.word(chunks.len()), rest)?;
            }
            Some(used)
        }
    };
}

spread!(spread_1, 1, |mask: u64, values| _mm512_maskz_expand_epi8(mask, values));
spread!(spread_2, 2, |mask: u64, values| _mm512_maskz_expand_epi16(mask as __mmask32, values));
spread!(spread_4, 4, |mask: u64, values| _mm512_maskz_expand_epi32(mask as __mmask16, values));
spread!(spread_8, 8, |mask: u64, values| _mm512_maskz_expand_epi64(mask as __mmask8, values));
spread!(spread_16, 16, |mask: u64, values| {
    // Both halves of a slot.
    let halves = _pdep_u64(mask, 0x55) * 3;
    _mm512_maskz_expand_epi64(halves as __mmask8, values)
});
