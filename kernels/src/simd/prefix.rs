//! Running sums in wrapping arithmetic: delta-encoded values back to values.
//!
//! ```text
//! within a vector:  v += v shifted up by 1, 2, 4, ... lanes
//! between vectors:  out = carry + v;  carry += last lane of v        (one addition on the way from vector to vector)
//! ```
//! Bytes moved per value: its size, read and written, in place in the first-level cache; where differences are unpacked in the
//! same loop, only written.

use std::mem::MaybeUninit;

use super::level::Level;
use super::room;
use super::unpack::unpack_to;

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

/// Unpacks and sums in one loop: `out[i]` becomes `value` plus the first `i + 1` of the differences, packed in 0 to 64 bits, plus
/// `i + 1` times `step`; `value` becomes the last of them.
///
/// # Panics
/// Where `out` is not as long as there are differences.
#[inline]
pub(crate) fn sums_i64(level: Level, value: &mut i64, step: i64, packed: Packed<'_>, out: &mut [i64]) {
    // SAFETY: only values are written.
    write_sums_i64(level, value, step, packed, unsafe { room::over(bytemuck::cast_slice_mut(out)) });
}

/// As [`sums_i64`], differences of 0 to 32 bits.
#[inline]
pub(crate) fn sums_i32(level: Level, value: &mut i32, step: i32, packed: Packed<'_>, out: &mut [i32]) {
    // SAFETY: only values are written.
    write_sums_i32(level, value, step, packed, unsafe { room::over(bytemuck::cast_slice_mut(out)) });
}

/// As [`sums_i64`], at the end of `out`.
#[inline]
pub(crate) fn append_sums_i64(
    level: Level,
    value: &mut i64,
    step: i64,
    packed: Packed<'_>,
    out: &mut Vec<u64>,
) {
    let (before, len) = (out.len(), packed.len);
    write_sums_i64(level, value, step, packed, room::behind(out, len));
    // SAFETY: all of the room was written.
    unsafe { out.set_len(before + len) };
}

/// As [`sums_i32`], at the end of `out`.
#[inline]
pub(crate) fn append_sums_i32(
    level: Level,
    value: &mut i32,
    step: i32,
    packed: Packed<'_>,
    out: &mut Vec<u32>,
) {
    let (before, len) = (out.len(), packed.len);
    write_sums_i32(level, value, step, packed, room::behind(out, len));
    // SAFETY: all of the room was written.
    unsafe { out.set_len(before + len) };
}

macro_rules! write_sums {
    ($name:ident, $value:ty, $word:ty, $sum:ident) => {
        /// Writes all of `out`.
        #[inline]
        fn $name(
            level: Level,
            value: &mut $value,
            step: $value,
            packed: Packed<'_>,
            out: &mut [MaybeUninit<$word>],
        ) {
            assert_eq!(out.len(), packed.len);
            #[cfg(target_arch = "x86_64")]
            if level.avx512() {
                // SAFETY: the level is proof that the CPU has the features.
                *value = unsafe { avx512::$name(*value, step, packed, out) };
                return;
            }
            let Packed { bytes, first, width, .. } = packed;
            unpack_to(level, bytes, first, width, out);
            // SAFETY: all of `out` was written.
            $sum(level, value, step, bytemuck::cast_slice_mut(unsafe { room::written(out) }));
        }
    };
}
write_sums!(write_sums_i64, i64, u64, sum_i64);
write_sums!(write_sums_i32, i32, u32, sum_i32);

/// Bit-packed numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packed<'a> {
    /// They lie here, from number 0 on.
    pub bytes: &'a [u8],
    /// The first of those that are meant.
    pub first: usize,
    /// Bits of each.
    pub width: u32,
    /// How many.
    pub len: usize,
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::*;
    use std::mem::MaybeUninit;

    use super::Packed;
    use crate::simd::unpack::avx512::{mapped_u32, mapped_u64};

    macro_rules! write_sums {
        ($name:ident, $value:ty, $word:ty, $mapped:ident, $set1:ident, $add:ident, $within:ident, $lane:ident, $low:ident) => {
            /// The last value; it goes by registers, since a load from behind a vector's store waits for it.
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,bmi2")]
            pub(super) fn $name(
                value: $value,
                step: $value,
                packed: Packed<'_>,
                out: &mut [MaybeUninit<$word>],
            ) -> $value {
                const LAST: $value = (64 / size_of::<$word>() - 1) as $value;
                let Packed { bytes, first, width, len } = packed;
                let (steps, mut carry) = ($set1(step), $set1(value));
                let mut sums = carry;
                $mapped(&bytes[first / 8 * width as usize..], first % 8, width, out, |deltas| {
                    let v = $within($add(deltas, steps));
                    sums = $add(carry, v);
                    carry = $add(carry, $lane($set1(LAST), v));
                    sums
                });
                // The last vector may have lanes too many; the index is taken modulo the lanes.
                let last = $lane($set1(len.wrapping_sub(1) as $value), sums);
                $low(_mm512_castsi512_si128(last))
            }
        };
    }
    write_sums!(
        write_sums_i64,
        i64,
        u64,
        mapped_u64,
        _mm512_set1_epi64,
        _mm512_add_epi64,
        within_64,
        _mm512_permutexvar_epi64,
        _mm_cvtsi128_si64
    );
    write_sums!(
        write_sums_i32,
        i32,
        u32,
        mapped_u32,
        _mm512_set1_epi32,
        _mm512_add_epi32,
        within_32,
        _mm512_permutexvar_epi32,
        _mm_cvtsi128_si32
    );

    /// Each lane plus those before it.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn within_64(v: __m512i) -> __m512i {
        let zero = _mm512_setzero_si512();
        let v = _mm512_add_epi64(v, _mm512_alignr_epi64::<7>(v, zero));
        let v = _mm512_add_epi64(v, _mm512_alignr_epi64::<6>(v, zero));
        _mm512_add_epi64(v, _mm512_alignr_epi64::<4>(v, zero))
    }

    /// Each lane plus those before it.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn within_32(v: __m512i) -> __m512i {
        let zero = _mm512_setzero_si512();
        let v = _mm512_add_epi32(v, _mm512_alignr_epi32::<15>(v, zero));
        let v = _mm512_add_epi32(v, _mm512_alignr_epi32::<14>(v, zero));
        let v = _mm512_add_epi32(v, _mm512_alignr_epi32::<12>(v, zero));
        _mm512_add_epi32(v, _mm512_alignr_epi32::<8>(v, zero))
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi2")]
    pub(super) fn sum_i64(value: &mut i64, step: i64, deltas: &mut [i64]) {
        let (steps, last) = (_mm512_set1_epi64(step), _mm512_set1_epi64(7));
        let mut carry = _mm512_set1_epi64(*value);
        let mut sum = |deltas: __m512i| {
            let v = within_64(_mm512_add_epi64(deltas, steps));
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
        let (steps, last) = (_mm512_set1_epi32(step), _mm512_set1_epi32(15));
        let mut carry = _mm512_set1_epi32(*value);
        let mut sum = |deltas: __m512i| {
            let v = within_32(_mm512_add_epi32(deltas, steps));
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
