//! Running sums in wrapping arithmetic: delta-encoded values back to values.
//!
//! ```text
//! within a vector:  v += v shifted up by 1, 2, 4, ... lanes
//! between vectors:  out = carry + v;  carry += last lane of v        (one addition on the way from vector to vector)
//! ```
//! Bytes moved per value: its size, read and written, in place in the first-level cache.

use super::level::Level;

#[cfg(test)]
mod tests;

/// `deltas[i]` becomes `value` plus the first `i + 1` deltas plus `i + 1` times `step`; `value` becomes the last of them.
pub(crate) fn sum_i64(level: Level, value: &mut i64, step: i64, deltas: &mut [i64]) {
    #[cfg(target_arch = "x86_64")]
    {
        if level.avx512() {
            // SAFETY: the level is proof that the CPU has the features.
            return unsafe { avx512::sum_i64(value, step, deltas) };
        }
        if level.avx2() {
            // SAFETY: the level is proof that the CPU has the features.
            return unsafe { avx2::sum_i64(value, step, deltas) };
        }
    }
    let _ = level;
    for delta in deltas {
        *value = value.wrapping_add(step).wrapping_add(*delta);
        *delta = *value;
    }
}

/// As [`sum_i64`].
pub(crate) fn sum_i32(level: Level, value: &mut i32, step: i32, deltas: &mut [i32]) {
    #[cfg(target_arch = "x86_64")]
    {
        if level.avx512() {
            // SAFETY: the level is proof that the CPU has the features.
            return unsafe { avx512::sum_i32(value, step, deltas) };
        }
        if level.avx2() {
            // SAFETY: the level is proof that the CPU has the features.
            return unsafe { avx2::sum_i32(value, step, deltas) };
        }
    }
    let _ = level;
    for delta in deltas {
        *value = value.wrapping_add(step).wrapping_add(*delta);
        *delta = *value;
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi2")]
    pub(super) fn sum_i64(value: &mut i64, step: i64, deltas: &mut [i64]) {
        let (zero, steps, last) = (_mm512_setzero_si512(), _mm512_set1_epi64(step), _mm512_set1_epi64(7));
        let mut carry = _mm512_set1_epi64(*value);
        let mut sum = |deltas: __m512i| {
            let v = _mm512_add_epi64(deltas, steps);
            let v = _mm512_add_epi64(v, _mm512_alignr_epi64::<7>(v, zero));
            let v = _mm512_add_epi64(v, _mm512_alignr_epi64::<6>(v, zero));
            let v = _mm512_add_epi64(v, _mm512_alignr_epi64::<4>(v, zero));
            let out = _mm512_add_epi64(carry, v);
            carry = _mm512_add_epi64(carry, _mm512_permutexvar_epi64(last, v));
            out
        };
        let (vectors, rest) = deltas.as_chunks_mut::<8>();
        for vector in vectors {
            let vector = vector.as_mut_ptr();
            // SAFETY: the chunk is a vector long.
            unsafe { _mm512_storeu_epi64(vector, sum(_mm512_loadu_epi64(vector))) };
        }
        if !rest.is_empty() {
            let (mask, rest) = (_bzhi_u32(0xff, rest.len() as u32) as __mmask8, rest.as_mut_ptr());
            // SAFETY: the mask leaves only what is in `rest`.
            unsafe { _mm512_mask_storeu_epi64(rest, mask, sum(_mm512_maskz_loadu_epi64(mask, rest))) };
        }
        *value = deltas.last().copied().unwrap_or(*value);
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi2")]
    pub(super) fn sum_i32(value: &mut i32, step: i32, deltas: &mut [i32]) {
        let (zero, steps, last) = (_mm512_setzero_si512(), _mm512_set1_epi32(step), _mm512_set1_epi32(15));
        let mut carry = _mm512_set1_epi32(*value);
        let mut sum = |deltas: __m512i| {
            let v = _mm512_add_epi32(deltas, steps);
            let v = _mm512_add_epi32(v, _mm512_alignr_epi32::<15>(v, zero));
            let v = _mm512_add_epi32(v, _mm512_alignr_epi32::<14>(v, zero));
            let v = _mm512_add_epi32(v, _mm512_alignr_epi32::<12>(v, zero));
            let v = _mm512_add_epi32(v, _mm512_alignr_epi32::<8>(v, zero));
            let out = _mm512_add_epi32(carry, v);
            carry = _mm512_add_epi32(carry, _mm512_permutexvar_epi32(last, v));
            out
        };
        let (vectors, rest) = deltas.as_chunks_mut::<16>();
        for vector in vectors {
            let vector = vector.as_mut_ptr();
            // SAFETY: the chunk is a vector long.
            unsafe { _mm512_storeu_epi32(vector, sum(_mm512_loadu_epi32(vector))) };
        }
        if !rest.is_empty() {
            let (mask, rest) = (_bzhi_u32(0xffff, rest.len() as u32) as __mmask16, rest.as_mut_ptr());
            // SAFETY: the mask leaves only what is in `rest`.
            unsafe { _mm512_mask_storeu_epi32(rest, mask, sum(_mm512_maskz_loadu_epi32(mask, rest))) };
        }
        *value = deltas.last().copied().unwrap_or(*value);
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx2")]
    pub(super) fn sum_i64(value: &mut i64, step: i64, deltas: &mut [i64]) {
        let (zero, steps) = (_mm256_setzero_si256(), _mm256_set1_epi64x(step));
        let mut carry = _mm256_set1_epi64x(*value);
        let (vectors, rest) = deltas.as_chunks_mut::<4>();
        for vector in vectors {
            let vector: *mut __m256i = vector.as_mut_ptr().cast();
            // SAFETY: the chunk is a vector long.
            let v = _mm256_add_epi64(unsafe { _mm256_loadu_si256(vector) }, steps);
            let v = _mm256_add_epi64(v, _mm256_slli_si256::<8>(v));
            let low = _mm256_permute4x64_epi64::<0b01_01_01_01>(v);
            let v = _mm256_add_epi64(v, _mm256_blend_epi32::<0xf0>(zero, low));
            // SAFETY: as above.
            unsafe { _mm256_storeu_si256(vector, _mm256_add_epi64(carry, v)) };
            carry = _mm256_add_epi64(carry, _mm256_permute4x64_epi64::<0b11_11_11_11>(v));
        }
        *value = _mm256_extract_epi64::<0>(carry);
        for delta in rest {
            *value = value.wrapping_add(step).wrapping_add(*delta);
            *delta = *value;
        }
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn sum_i32(value: &mut i32, step: i32, deltas: &mut [i32]) {
        let (zero, steps) = (_mm256_setzero_si256(), _mm256_set1_epi32(step));
        let (third, last) = (_mm256_set1_epi32(3), _mm256_set1_epi32(7));
        let mut carry = _mm256_set1_epi32(*value);
        let (vectors, rest) = deltas.as_chunks_mut::<8>();
        for vector in vectors {
            let vector: *mut __m256i = vector.as_mut_ptr().cast();
            // SAFETY: the chunk is a vector long.
            let v = _mm256_add_epi32(unsafe { _mm256_loadu_si256(vector) }, steps);
            let v = _mm256_add_epi32(v, _mm256_slli_si256::<4>(v));
            let v = _mm256_add_epi32(v, _mm256_slli_si256::<8>(v));
            let low = _mm256_permutevar8x32_epi32(v, third);
            let v = _mm256_add_epi32(v, _mm256_blend_epi32::<0xf0>(zero, low));
            // SAFETY: as above.
            unsafe { _mm256_storeu_si256(vector, _mm256_add_epi32(carry, v)) };
            carry = _mm256_add_epi32(carry, _mm256_permutevar8x32_epi32(v, last));
        }
        *value = _mm256_extract_epi32::<0>(carry);
        for delta in rest {
            *value = value.wrapping_add(step).wrapping_add(*delta);
            *delta = *value;
        }
    }
}
