//! Bit-unpacking with AVX2: two windows of 16 bytes, a byte shuffle within each, a shift per lane.
//!
//! ```text
//! window k = 16 bytes from the byte on in which lane k * lanes / 2 begins
//! lane     = vpshufb(window, place of the lane's first byte) >> (bit of the first byte), masked
//! ```
//! 32 bits: where the bits of a lane can lie in five bytes, a second shuffle fetches the fifth. 16 bits have no variable
//! shift: a multiplication shifts left, then one shift for all comes back. Widths that do not fit these schemes (of 16 bits:
//! 11, 13, 14, 15; of 64 bits: 59, 61, 62, 63) are left to the caller.

use std::arch::x86_64::*;
use std::mem::MaybeUninit;

/// Bytes that may be read from the first byte of a group on: the widest group (64) and a window.
const REACH: usize = 80;

/// Whether [`unpack_u16`] does this width.
pub(super) fn has_u16(width: u32) -> bool {
    matches!(width, 1..=10 | 12 | 16)
}

/// Whether [`unpack_u64`] does this width.
pub(super) fn has_u64(width: u32) -> bool {
    matches!(width, 1..=58 | 60 | 64)
}

macro_rules! unpack {
    ($(#[$doc:meta])* $name:ident, $word:ty, $group:literal, $has:expr, $setup:ident, $step:ident, $reach:expr) => {
        $(#[$doc])*
        #[target_feature(enable = "avx2,bmi1,bmi2,popcnt,lzcnt")]
        pub(super) fn $name(packed: &[u8], width: u32, out: &mut [MaybeUninit<$word>]) {
            const GROUP: usize = $group;
            assert!($has(width));
            // A product that saturates is more than any slice's length.
 assert!(out.len().saturating_mul(width as usize).div_ceil(8) <= packed.len());
            let setup = $setup(width);
            let stride = GROUP * width as usize / 8;
            let reach = $reach(width as usize);
            let run = |packed: &[u8], out: &mut [MaybeUninit<$word>]| {
                let groups = match packed.len().checked_sub(reach) {
                    Some(spare) => (out.len() / GROUP).min(spare / stride + 1),
                    None => 0,
                };
                for i in 0..groups {
                    // SAFETY: `i * stride + reach <= packed.len()` and `(i + 1) * GROUP <= out.len()` by `groups`.
                    unsafe { $step(&setup, packed.as_ptr().add(i * stride), out.as_mut_ptr().add(i * GROUP).cast()) };
                }
                groups
            };
            let done = run(packed, out);
            let (packed, out) = (&packed[done * stride..], &mut out[done * GROUP..]);
            if out.is_empty() {
                return;
            }
            // Fewer than `stride + reach` bytes are needed: once more, with zeros after them.
            let mut padded = [0; 2 * REACH];
            let needed = (out.len() * width as usize).div_ceil(8);
            padded[..needed].copy_from_slice(&packed[..needed]);
            let done = run(&padded, out);
            let rest = &mut out[done * GROUP..];
            if !rest.is_empty() {
                let mut last = [MaybeUninit::new(0); GROUP];
                run(&padded[done * stride..], &mut last);
                rest.copy_from_slice(&last[..rest.len()]);
            }
        }
    };
}

unpack!(
    /// `out.len()` values of `width` bits from bit 0 of `packed` on.
    unpack_u16, u16, 16, has_u16, setup_16, step_16, |width| width + 16
);
unpack!(
    /// `out.len()` values of `width` bits, 1 to 32, from bit 0 of `packed` on.
    unpack_u32, u32, 8, (|width| (1..=32).contains(&width)), setup_32, step_32, |width| width / 2 + 16
);
unpack!(
    /// `out.len()` values of `width` bits from bit 0 of `packed` on.
    unpack_u64, u64, 8, has_u64, setup_64, step_64, |width| 3 * width / 4 + 16
);

struct Setup16 {
    place: __m256i,
    factor: __m256i,
    back: __m128i,
    second: usize,
}

#[target_feature(enable = "avx2")]
fn setup_16(width: u32) -> Setup16 {
    let (mut place, mut factor) = ([0u8; 16], [0u16; 8]);
    for lane in 0..8 {
        let bit = lane as u32 * width;
        place[2 * lane] = (bit / 8) as u8;
        place[2 * lane + 1] = (bit / 8) as u8 + 1;
        factor[lane] = 1 << (16 - width - bit % 8);
    }
    Setup16 {
        place: _mm256_broadcastsi128_si256(bytemuck::cast(place)),
        factor: _mm256_broadcastsi128_si256(bytemuck::cast(factor)),
        back: _mm_cvtsi32_si128(16 - width as i32),
        second: width as usize,
    }
}

/// # Safety
/// `second + 16` bytes can be read from `from` on, 16 words written from `to` on.
#[target_feature(enable = "avx2")]
unsafe fn step_16(setup: &Setup16, from: *const u8, to: *mut u16) {
    // SAFETY: as the caller says.
    let windows = unsafe { windows(from, 0, setup.second) };
    let lanes = _mm256_mullo_epi16(_mm256_shuffle_epi8(windows, setup.place), setup.factor);
    // SAFETY: as the caller says.
    unsafe { _mm256_storeu_si256(to.cast(), _mm256_srl_epi16(lanes, setup.back)) };
}

struct Setup32 {
    low: __m256i,
    high: __m256i,
    shift: __m256i,
    /// What is left of 32 bits after the shift.
    rest: __m256i,
    mask: __m256i,
    second: usize,
    straddles: bool,
}

#[target_feature(enable = "avx2")]
fn setup_32(width: u32) -> Setup32 {
    let bit = _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(width as i32));
    let start = (width / 2) as i32;
    let byte = _mm256_sub_epi32(
        _mm256_srli_epi32::<3>(bit),
        _mm256_setr_epi32(0, 0, 0, 0, start, start, start, start),
    );
    let first =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12));
    let low = _mm256_add_epi8(_mm256_shuffle_epi8(byte, first), _mm256_set1_epi32(0x0302_0100));
    let shift = _mm256_and_si256(bit, _mm256_set1_epi32(7));
    Setup32 {
        low,
        high: _mm256_add_epi8(low, _mm256_set1_epi8(4)),
        shift,
        rest: _mm256_sub_epi32(_mm256_set1_epi32(32), shift),
        mask: _mm256_set1_epi32((u32::MAX >> (32 - width)) as i32),
        second: start as usize,
        straddles: width + (8 - (1 << width.trailing_zeros().min(3))) > 32,
    }
}

/// # Safety
/// `second + 16` bytes can be read from `from` on, 8 words written from `to` on.
#[target_feature(enable = "avx2")]
unsafe fn step_32(setup: &Setup32, from: *const u8, to: *mut u32) {
    // SAFETY: as the caller says.
    let windows = unsafe { windows(from, 0, setup.second) };
    let mut lanes = _mm256_srlv_epi32(_mm256_shuffle_epi8(windows, setup.low), setup.shift);
    if setup.straddles {
        // A place past the window wraps around; its bits end up over the width.
        let high = _mm256_sllv_epi32(_mm256_shuffle_epi8(windows, setup.high), setup.rest);
        lanes = _mm256_or_si256(lanes, high);
    }
    // SAFETY: as the caller says.
    unsafe { _mm256_storeu_si256(to.cast(), _mm256_and_si256(lanes, setup.mask)) };
}

struct Setup64 {
    places: [__m256i; 2],
    shifts: [__m256i; 2],
    mask: __m256i,
    starts: [usize; 4],
}

#[target_feature(enable = "avx2")]
fn setup_64(width: u32) -> Setup64 {
    let wide = _mm256_set1_epi64x(i64::from(width));
    let first = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 8, 8, 8, 8, 8, 8, 8, 8));
    let half = |lanes: __m256i| {
        let bit = _mm256_mul_epu32(lanes, wide);
        let byte = _mm256_srli_epi64::<3>(bit);
        // Relative to the window, which begins where its even lane does.
        let byte = _mm256_sub_epi64(byte, _mm256_unpacklo_epi64(byte, byte));
        let place =
            _mm256_add_epi8(_mm256_shuffle_epi8(byte, first), _mm256_set1_epi64x(0x0706_0504_0302_0100));
        (place, _mm256_and_si256(bit, _mm256_set1_epi64x(7)))
    };
    let (low, high) = (half(_mm256_setr_epi64x(0, 1, 2, 3)), half(_mm256_setr_epi64x(4, 5, 6, 7)));
    let width = width as usize;
    Setup64 {
        places: [low.0, high.0],
        shifts: [low.1, high.1],
        mask: _mm256_set1_epi64x((u64::MAX >> (64 - width)) as i64),
        starts: [0, width / 4, width / 2, 3 * width / 4],
    }
}

/// # Safety
/// `starts[3] + 16` bytes can be read from `from` on, 8 words written from `to` on.
#[target_feature(enable = "avx2")]
unsafe fn step_64(setup: &Setup64, from: *const u8, to: *mut u64) {
    for half in 0..2 {
        // SAFETY: as the caller says.
        let windows = unsafe { windows(from, setup.starts[2 * half], setup.starts[2 * half + 1]) };
        let lanes = _mm256_srlv_epi64(_mm256_shuffle_epi8(windows, setup.places[half]), setup.shifts[half]);
        // SAFETY: as the caller says.
        unsafe { _mm256_storeu_si256(to.add(4 * half).cast(), _mm256_and_si256(lanes, setup.mask)) };
    }
}

/// # Safety
/// 16 bytes can be read from `from + first` and from `from + second` on.
#[target_feature(enable = "avx2")]
unsafe fn windows(from: *const u8, first: usize, second: usize) -> __m256i {
    // SAFETY: as the caller says.
    unsafe { _mm256_loadu2_m128i(from.add(second).cast(), from.add(first).cast()) }
}
