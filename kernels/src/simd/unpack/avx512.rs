//! Bit-unpacking with AVX-512 VBMI: 64 bytes of lanes at a time, whatever the width.
//!
//! ```text
//! bytes   = the 64 / size lanes * width bits that a vector needs, and what follows     (masked at the end of the input)
//! low     = vpermb(bytes, place of each lane's first byte)                             (any byte to any lane)
//! lane    = low >> (bit of the first byte), masked                                     (vpsrlv)
//! ```
//! Where the bits of a lane can lie in one byte more than the lane has, a second `vpermb` fetches the bytes after and
//! `vpshrdv` shifts the pair. Places and shifts are computed from the width once per call: no tables to load.

use std::arch::x86_64::*;
use std::mem::MaybeUninit;

macro_rules! unpack {
    ($(#[$doc:meta])* $name:ident, $mapped:ident, $word:ty, $setup:ident, $srlv:ident, $shrdv:ident, $set1:ident, $store:ident, $mask_store:ident) => {
        $(#[$doc])*
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,bmi2")]
        pub(super) fn $name(packed: &[u8], first: usize, width: u32, out: &mut [MaybeUninit<$word>]) {
            $mapped(packed, first, width, out, |lanes| lanes);
        }

        /// The same, also of no bits, each vector of them mapped before it is stored, in order; the last vector may have lanes
        /// too many.
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,bmi2")]
        #[inline]
        pub(in crate::simd) fn $mapped(
            packed: &[u8],
            first: usize,
            width: u32,
            out: &mut [MaybeUninit<$word>],
            mut map: impl FnMut(__m512i) -> __m512i,
        ) {
            const SIZE: usize = size_of::<$word>();
            const LANES: usize = 64 / SIZE;
            assert!(width <= <$word>::BITS && first < 8);
            // Vectors are whole bytes, so that all of them begin at the same bit of a byte.
            let bit = first * width as usize;
            let (packed, bit) = (&packed[bit / 8..], (bit % 8) as u32);
            // A product that saturates is more than any slice's length.
            let bits = out.len().saturating_mul(width as usize).saturating_add(bit as usize);
            assert!(bits.div_ceil(8) <= packed.len());
            let (low, shift) = $setup(width, bit);
            let high = _mm512_add_epi8(low, _mm512_set1_epi8(SIZE as i8));
            let mask = $set1(<$word>::MAX.unbounded_shr(<$word>::BITS - width) as _);
            let stride = LANES * width as usize / 8;
            // Shifts are at most 7, and even (a multiple of 4, 8) where the width is and the first bit is a byte's.
            let most = if bit == 0 { 8 - (1 << width.trailing_zeros().min(3)) } else { 7 };
            let straddles = width + most > <$word>::BITS;
            let mut lanes = |bytes: __m512i| {
                let first = _mm512_permutexvar_epi8(low, bytes);
                let value = match straddles {
                    false => $srlv(first, shift),
                    true => $shrdv(first, _mm512_permutexvar_epi8(high, bytes), shift),
                };
                map(_mm512_and_si512(value, mask))
            };
            let whole = out.len() / LANES;
            // Mostly all of them, which is found without a division.
            let whole = match packed.len().checked_sub(64) {
                Some(spare) if whole.saturating_sub(1) * stride <= spare => whole,
                Some(spare) => spare / stride + 1,
                None => 0,
            };
            let (from, to) = (packed.as_ptr(), out.as_mut_ptr());
            for i in 0..whole {
                // SAFETY: `i * stride + 64 <= packed.len()` and `(i + 1) * LANES <= out.len()` by `whole`.
                unsafe { $store(to.add(i * LANES).cast(), lanes(_mm512_loadu_si512(from.add(i * stride).cast()))) };
            }
            let (mut at, mut done) = (whole * stride, whole * LANES);
            while done < out.len() {
                let there = _bzhi_u64(u64::MAX, (packed.len() - at).min(64) as u32);
                let wanted = _bzhi_u64(u64::MAX, (out.len() - done).min(LANES) as u32);
                // SAFETY: the masks leave only bytes of `packed` and words of `out`; `at <= packed.len()` since the values
                // before take `at` bytes.
                unsafe {
                    let bytes = _mm512_maskz_loadu_epi8(there, from.add(at).cast());
                    $mask_store(to.add(done).cast(), wanted as _, lanes(bytes));
                }
                at += stride;
                done += LANES;
            }
        }
    };
}

unpack!(
    /// Writes all of `out`: values `first..` (0 to 7) of `width` bits, 1 to 16, from bit 0 of `packed` on.
    unpack_u16, mapped_u16, u16, setup_16, _mm512_srlv_epi16, _mm512_shrdv_epi16, _mm512_set1_epi16, _mm512_storeu_epi16,
    _mm512_mask_storeu_epi16
);
unpack!(
    /// Writes all of `out`: values `first..` (0 to 7) of `width` bits, 1 to 32, from bit 0 of `packed` on.
    unpack_u32, mapped_u32, u32, setup_32, _mm512_srlv_epi32, _mm512_shrdv_epi32, _mm512_set1_epi32, _mm512_storeu_epi32,
    _mm512_mask_storeu_epi32
);
unpack!(
    /// Writes all of `out`: values `first..` (0 to 7) of `width` bits, 1 to 64, from bit 0 of `packed` on.
    unpack_u64, mapped_u64, u64, setup_64, _mm512_srlv_epi64, _mm512_shrdv_epi64, _mm512_set1_epi64, _mm512_storeu_epi64,
    _mm512_mask_storeu_epi64
);

/// Places of the bytes of each lane, and its shift, where the first lane begins at `bit`.
#[target_feature(enable = "avx512f,avx512bw")]
fn setup_16(width: u32, bit: u32) -> (__m512i, __m512i) {
    const LANE: [u16; 32] = lanes();
    const BYTE: [u8; 64] = bytes(2);
    let bit = _mm512_add_epi16(
        _mm512_mullo_epi16(vector(&LANE), _mm512_set1_epi16(width as i16)),
        _mm512_set1_epi16(bit as i16),
    );
    let byte = _mm512_srli_epi16::<3>(bit);
    let byte = _mm512_or_si512(byte, _mm512_slli_epi16::<8>(byte));
    (_mm512_add_epi8(byte, vector(&BYTE)), _mm512_and_si512(bit, _mm512_set1_epi16(7)))
}

#[target_feature(enable = "avx512f,avx512bw")]
fn setup_32(width: u32, bit: u32) -> (__m512i, __m512i) {
    const LANE: [u32; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    const BYTE: [u8; 64] = bytes(4);
    const SPREAD: [u8; 64] = first_byte(4);
    let bit = _mm512_add_epi32(
        _mm512_mullo_epi32(vector(&LANE), _mm512_set1_epi32(width as i32)),
        _mm512_set1_epi32(bit as i32),
    );
    let byte = _mm512_shuffle_epi8(_mm512_srli_epi32::<3>(bit), vector(&SPREAD));
    (_mm512_add_epi8(byte, vector(&BYTE)), _mm512_and_si512(bit, _mm512_set1_epi32(7)))
}

#[target_feature(enable = "avx512f,avx512bw")]
fn setup_64(width: u32, bit: u32) -> (__m512i, __m512i) {
    const LANE: [u64; 8] = [0, 1, 2, 3, 4, 5, 6, 7];
    const BYTE: [u8; 64] = bytes(8);
    const SPREAD: [u8; 64] = first_byte(8);
    let bit = _mm512_add_epi64(
        _mm512_mul_epu32(vector(&LANE), _mm512_set1_epi64(i64::from(width))),
        _mm512_set1_epi64(i64::from(bit)),
    );
    let byte = _mm512_shuffle_epi8(_mm512_srli_epi64::<3>(bit), vector(&SPREAD));
    (_mm512_add_epi8(byte, vector(&BYTE)), _mm512_and_si512(bit, _mm512_set1_epi64(7)))
}

/// The number of each lane.
const fn lanes() -> [u16; 32] {
    let mut lanes = [0; 32];
    let mut i = 0;
    while i < 32 {
        lanes[i] = i as u16;
        i += 1;
    }
    lanes
}

/// The number of each byte within its lane of `size` bytes.
const fn bytes(size: usize) -> [u8; 64] {
    let mut bytes = [0; 64];
    let mut i = 0;
    while i < 64 {
        bytes[i] = (i % size) as u8;
        i += 1;
    }
    bytes
}

/// For each byte, the first byte of its lane of `size` bytes, within 16.
const fn first_byte(size: usize) -> [u8; 64] {
    let mut bytes = [0; 64];
    let mut i = 0;
    while i < 64 {
        bytes[i] = (i % 16 / size * size) as u8;
        i += 1;
    }
    bytes
}

#[target_feature(enable = "avx512f")]
fn vector<T: bytemuck::NoUninit, const N: usize>(lanes: &[T; N]) -> __m512i {
    const { assert!(size_of::<[T; N]>() == 64) };
    // SAFETY: 64 initialised bytes are read.
    unsafe { _mm512_loadu_si512(lanes.as_ptr().cast()) }
}
