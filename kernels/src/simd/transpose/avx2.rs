//! Interleaving with AVX2: 32 values at a time.

use std::arch::x86_64::*;
use std::mem::MaybeUninit;

/// # Safety
/// 32 bytes of each stream from `at` on can be read.
#[target_feature(enable = "avx2")]
unsafe fn load<const N: usize>(streams: [&[u8]; N], at: usize) -> [__m256i; N] {
    // A loop: closures are not always inlined into functions of more instructions.
    let mut vectors = [_mm256_setzero_si256(); N];
    for (vector, stream) in vectors.iter_mut().zip(streams) {
        // SAFETY: as the caller says.
        *vector = unsafe { _mm256_loadu_si256(stream.as_ptr().add(at).cast()) };
    }
    vectors
}

/// How many values lie in whole vectors.
fn whole<const N: usize>(streams: [&[u8]; N], out: &[MaybeUninit<[u8; N]>]) -> usize {
    assert!(streams.iter().all(|stream| stream.len() == out.len()));
    out.len() / 32 * 32
}

#[target_feature(enable = "avx2")]
pub(super) fn interleave_2(streams: [&[u8]; 2], out: &mut [MaybeUninit<[u8; 2]>]) -> usize {
    let whole = whole(streams, out);
    for at in (0..whole).step_by(32) {
        // SAFETY: `at + 32 <= whole`, which the streams and `out` have.
        unsafe {
            let [a, b] = load(streams, at).map(|bytes| _mm256_permute4x64_epi64::<0b11_01_10_00>(bytes));
            let to: *mut __m256i = out.as_mut_ptr().add(at).cast();
            _mm256_storeu_si256(to, _mm256_unpacklo_epi8(a, b));
            _mm256_storeu_si256(to.add(1), _mm256_unpackhi_epi8(a, b));
        }
    }
    whole
}

#[target_feature(enable = "avx2")]
pub(super) fn interleave_4(streams: [&[u8]; 4], out: &mut [MaybeUninit<[u8; 4]>]) -> usize {
    let whole = whole(streams, out);
    // Result j, lane k holds values 8j + 4k..: unit 2j + k of 4 bytes goes to lane k, place j.
    let order = _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7);
    for at in (0..whole).step_by(32) {
        // SAFETY: `at + 32 <= whole`, which the streams and `out` have.
        unsafe {
            let [a, b, c, d] = load(streams, at).map(|bytes| _mm256_permutevar8x32_epi32(bytes, order));
            let (ab, cd) = (_mm256_unpacklo_epi8(a, b), _mm256_unpacklo_epi8(c, d));
            let to: *mut __m256i = out.as_mut_ptr().add(at).cast();
            _mm256_storeu_si256(to, _mm256_unpacklo_epi16(ab, cd));
            _mm256_storeu_si256(to.add(1), _mm256_unpackhi_epi16(ab, cd));
            let (ab, cd) = (_mm256_unpackhi_epi8(a, b), _mm256_unpackhi_epi8(c, d));
            _mm256_storeu_si256(to.add(2), _mm256_unpacklo_epi16(ab, cd));
            _mm256_storeu_si256(to.add(3), _mm256_unpackhi_epi16(ab, cd));
        }
    }
    whole
}

#[target_feature(enable = "avx2")]
pub(super) fn interleave_8(streams: [&[u8]; 8], out: &mut [MaybeUninit<[u8; 8]>]) -> usize {
    let whole = whole(streams, out);
    // Result j, lane k holds values 4j + 2k..: unit 2j + k of 2 bytes goes to lane k, place j. Even units first within a
    // lane, then the halves of the lanes change places.
    let even =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15));
    for at in (0..whole).step_by(32) {
        // SAFETY: `at + 32 <= whole`, which the streams and `out` have.
        unsafe {
            let [a, b, c, d, e, f, g, h] = load(streams, at)
                .map(|bytes| _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_shuffle_epi8(bytes, even)));
            let to: *mut __m256i = out.as_mut_ptr().add(at).cast();
            let half = |ab: __m256i, cd: __m256i, ef: __m256i, gh: __m256i, to: *mut __m256i| {
                let (abcd, efgh) = (_mm256_unpacklo_epi16(ab, cd), _mm256_unpacklo_epi16(ef, gh));
                _mm256_storeu_si256(to, _mm256_unpacklo_epi32(abcd, efgh));
                _mm256_storeu_si256(to.add(1), _mm256_unpackhi_epi32(abcd, efgh));
                let (abcd, efgh) = (_mm256_unpackhi_epi16(ab, cd), _mm256_unpackhi_epi16(ef, gh));
                _mm256_storeu_si256(to.add(2), _mm256_unpacklo_epi32(abcd, efgh));
                _mm256_storeu_si256(to.add(3), _mm256_unpackhi_epi32(abcd, efgh));
            };
            half(
                _mm256_unpacklo_epi8(a, b),
                _mm256_unpacklo_epi8(c, d),
                _mm256_unpacklo_epi8(e, f),
                _mm256_unpacklo_epi8(g, h),
                to,
            );
            half(
                _mm256_unpackhi_epi8(a, b),
                _mm256_unpackhi_epi8(c, d),
                _mm256_unpackhi_epi8(e, f),
                _mm256_unpackhi_epi8(g, h),
                to.add(4),
            );
        }
    }
    whole
}
