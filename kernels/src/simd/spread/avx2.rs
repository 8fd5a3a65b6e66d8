//! Spreading with AVX2: a table gives, for a mask of lanes, which dense value each lane takes.

use std::arch::x86_64::*;
use std::mem::MaybeUninit;

use arrow::datatypes::ArrowNativeType;

use super::{Words, spread_word};

/// For each mask of 8 lanes: a byte per lane, how many marked lanes are before it.
static RANKS_4: [[u8; 8]; 256] = {
    let mut table = [[0; 8]; 256];
    let mut mask = 0;
    while mask < 256 {
        let (mut lane, mut rank) = (0, 0);
        while lane < 8 {
            table[mask][lane] = rank;
            rank += (mask >> lane & 1) as u8;
            lane += 1;
        }
        mask += 1;
    }
    table
};

/// For each mask of 4 lanes of 8 bytes: the places of both halves of each lane's value.
static RANKS_8: [[u8; 8]; 16] = {
    let mut table = [[0; 8]; 16];
    let mut mask = 0;
    while mask < 16 {
        let mut lane = 0;
        while lane < 4 {
            let rank = RANKS_4[mask][lane];
            table[mask][2 * lane] = 2 * rank;
            table[mask][2 * lane + 1] = 2 * rank + 1;
            lane += 1;
        }
        mask += 1;
    }
    table
};

macro_rules! spread {
    ($name:ident, $size:literal, $ranks:ident, $bits:expr) => {
        /// As [`super::spread_to`], for types of that many bytes.
        #[target_feature(enable = "avx2,popcnt,bmi1,bmi2,lzcnt")]
        pub(super) fn $name<T: ArrowNativeType>(
            dense: &[u8],
            valid: Words<'_>,
            out: &mut [MaybeUninit<T>],
        ) -> Option<usize> {
            const LANES: usize = 32 / $size;
            assert!(size_of::<T>() == $size);
            assert_eq!(valid.len(), out.len());
            let bits = $bits;
            let mut used = 0;
            let (chunks, rest) = out.as_chunks_mut::<64>();
            for (i, slots) in chunks.iter_mut().enumerate() {
                let word = valid.word(i);
                if word == u64::MAX || word == 0 || dense.len() - used * $size < 64 * $size {
                    used += spread_word(&dense[used * $size..], word, slots)?;
                    continue;
                }
                let (from, to) = (dense[used * $size..].as_ptr(), slots.as_mut_ptr());
                let (mut left, mut before) = (word, 0);
                for part in 0..64 / LANES {
                    let mask = left as usize % (1 << LANES);
                    left >>= LANES;
                    let marked = _mm256_set1_epi32(mask as i32);
                    let marked = _mm256_cmpeq_epi32(_mm256_and_si256(marked, bits), bits);
                    // SAFETY: at least 64 values follow `from`, and at most `part * LANES` of them are `before`, so that a
                    // vector of them can be read. The 64 slots are so many vectors. Zeros are a value of a native type.
                    unsafe {
                        let ranks = _mm256_cvtepu8_epi32(_mm_loadl_epi64($ranks[mask].as_ptr().cast()));
                        let values = _mm256_loadu_si256(from.add(before * $size).cast());
                        let spread = _mm256_permutevar8x32_epi32(values, ranks);
                        _mm256_storeu_si256(to.add(part * LANES).cast(), _mm256_and_si256(spread, marked));
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

spread!(spread_4, 4, RANKS_4, _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128));
spread!(spread_8, 8, RANKS_8, _mm256_setr_epi32(1, 1, 2, 2, 4, 4, 8, 8));
