//! Interleaving with AVX-512: 64 values at a time.

use std::arch::x86_64::*;
use std::mem::MaybeUninit;

/// # Safety
/// 64 bytes of each stream from `at` on can be read.
#[target_feature(enable = "avx512f")]
unsafe fn load<const N: usize>(streams: [&[u8]; N], at: usize) -> [__m512i; N] {
    // A loop: closures are not always inlined into functions of more instructions.
    let mut vectors = [_mm512_setzero_si512(); N];
    for (vector, stream) in vectors.iter_mut().zip(streams) {
        // SAFETY: as the caller says.
        *vector = unsafe { _mm512_loadu_si512(stream.as_ptr().add(at).cast()) };
    }
    vectors
}

/// How many values lie in whole vectors.
fn whole<const N: usize>(streams: [&[u8]; N], out: &[MaybeUninit<[u8; N]>]) -> usize {
    assert!(streams.iter().all(|stream| stream.len() == out.len()));
    out.len() / 64 * 64
}

#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn interleave_2(streams: [&[u8]; 2], out: &mut [MaybeUninit<[u8; 2]>]) -> usize {
    let whole = whole(streams, out);
    // Interleaving works on lanes of 16 bytes: unit 2j + k of 8 bytes goes to lane k of result j.
    let order = _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7);
    for at in (0..whole).step_by(64) {
        // SAFETY: `at + 64 <= whole`, which the streams and `out` have.
        unsafe {
            let [a, b] = load(streams, at).map(|bytes| _mm512_permutexvar_epi64(order, bytes));
            let to: *mut __m512i = out.as_mut_ptr().add(at).cast();
            _mm512_storeu_si512(to, _mm512_unpacklo_epi8(a, b));
            _mm512_storeu_si512(to.add(1), _mm512_unpackhi_epi8(a, b));
        }
    }
    whole
}

#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn interleave_4(streams: [&[u8]; 4], out: &mut [MaybeUninit<[u8; 4]>]) -> usize {
    let whole = whole(streams, out);
    // Result j, lane k holds values 16j + 4k..: unit 4j + k of 4 bytes goes to lane k, place j.
    let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    for at in (0..whole).step_by(64) {
        // SAFETY: `at + 64 <= whole`, which the streams and `out` have.
        unsafe {
            let [a, b, c, d] = load(streams, at).map(|bytes| _mm512_permutexvar_epi32(order, bytes));
            let (ab, cd) = (_mm512_unpacklo_epi8(a, b), _mm512_unpacklo_epi8(c, d));
            let to: *mut __m512i = out.as_mut_ptr().add(at).cast();
            _mm512_storeu_si512(to, _mm512_unpacklo_epi16(ab, cd));
            _mm512_storeu_si512(to.add(1), _mm512_unpackhi_epi16(ab, cd));
            let (ab, cd) = (_mm512_unpackhi_epi8(a, b), _mm512_unpackhi_epi8(c, d));
            _mm512_storeu_si512(to.add(2), _mm512_unpacklo_epi16(ab, cd));
            _mm512_storeu_si512(to.add(3), _mm512_unpackhi_epi16(ab, cd));
        }
    }
    whole
}

#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn interleave_8(streams: [&[u8]; 8], out: &mut [MaybeUninit<[u8; 8]>]) -> usize {
    const ORDER: [u16; 32] = {
        // Result j, lane k holds values 8j + 2k..: unit 4j + k of 2 bytes goes to lane k, place j.
        let mut order = [0; 32];
        let mut i = 0;
        while i < 32 {
            order[i] = (i % 8 * 4 + i / 8) as u16;
            i += 1;
        }
        order
    };
    let whole = whole(streams, out);
    // SAFETY: the array is a vector long.
    let order = unsafe { _mm512_loadu_si512(ORDER.as_ptr().cast()) };
    for at in (0..whole).step_by(64) {
        // SAFETY: `at + 64 <= whole`, which the streams and `out` have.
        unsafe {
            let [a, b, c, d, e, f, g, h] =
                load(streams, at).map(|bytes| _mm512_permutexvar_epi16(order, bytes));
            let to: *mut __m512i = out.as_mut_ptr().add(at).cast();
            let quarter = |ab: __m512i, cd: __m512i, ef: __m512i, gh: __m512i, to: *mut __m512i| {
                let (abcd, efgh) = (_mm512_unpacklo_epi16(ab, cd), _mm512_unpacklo_epi16(ef, gh));
                _mm512_storeu_si512(to, _mm512_unpacklo_epi32(abcd, efgh));
                _mm512_storeu_si512(to.add(1), _mm512_unpackhi_epi32(abcd, efgh));
                let (abcd, efgh) = (_mm512_unpackhi_epi16(ab, cd), _mm512_unpackhi_epi16(ef, gh));
                _mm512_storeu_si512(to.add(2), _mm512_unpacklo_epi32(abcd, efgh));
                _mm512_storeu_si512(to.add(3), _mm512_unpackhi_epi32(abcd, efgh));
            };
            quarter(
                _mm512_unpacklo_epi8(a, b),
                _mm512_unpacklo_epi8(c, d),
                _mm512_unpacklo_epi8(e, f),
                _mm512_unpacklo_epi8(g, h),
                to,
            );
            quarter(
                _mm512_unpackhi_epi8(a, b),
                _mm512_unpackhi_epi8(c, d),
                _mm512_unpackhi_epi8(e, f),
                _mm512_unpackhi_epi8(g, h),
                to.add(4),
            );
        }
    }
    whole
}
