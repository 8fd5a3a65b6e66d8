//! Bit-packed values to words, by the best instructions of this CPU.
//!
//! Bytes moved per value: `width / 8` read, `size_of::<Word>()` written. The floor of a block in the first-level cache is the
//! store of a vector: one cycle per 64 bytes with AVX-512, one per 32 with AVX2.
//!
//! The idea of shuffling bytes to lanes and shifting each lane by its own count is Willhalm et al., SIMD-Scan (VLDB 2009).

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;
mod portable;
#[cfg(test)]
mod tests;

use std::mem::MaybeUninit;

use super::level::Level;
use super::room;

/// What values are unpacked to.
pub(crate) trait Word: Copy + Default {
    /// Bits of a word.
    const BITS: u32;

    /// The low bits.
    fn low(word: u64) -> Self;

    /// Writes all of `out`: values `first..` (0 to 7) of `width` bits (1 to [`Word::BITS`]) from bit 0 of `packed` on, which
    /// holds them, by vectors; false, with nothing written, where `level` has none for this width and place.
    fn vectors(level: Level, packed: &[u8], first: usize, width: u32, out: &mut [MaybeUninit<Self>]) -> bool;
}

macro_rules! words {
    ($($word:ty, $unpack:ident, $has_avx2:expr;)*) => {$(
        impl Word for $word {
            const BITS: u32 = <$word>::BITS;

            #[inline(always)]
            fn low(word: u64) -> Self {
                word as $word
            }

            #[inline]
            fn vectors(
                level: Level,
                packed: &[u8],
                first: usize,
                width: u32,
                out: &mut [MaybeUninit<Self>],
            ) -> bool {
                #[cfg(target_arch = "x86_64")]
                {
                    if level.avx512() {
                        // SAFETY: the level is proof that the CPU has the features.
                        unsafe { avx512::$unpack(packed, first, width, out) };
                        return true;
                    }
                    if level.avx2() && first == 0 && $has_avx2(width) {
                        // SAFETY: the level is proof that the CPU has the features.
                        unsafe { avx2::$unpack(packed, width, out) };
                        return true;
                    }
                }
                let _ = (level, packed, first, width, out);
                false
            }
        }
    )*};
}
words! {
    u16, unpack_u16, avx2::has_u16;
    u32, unpack_u32, (|_| true);
    u64, unpack_u64, avx2::has_u64;
}

/// Values `first..first + out.len()`, each of `width` bits, 0 to [`Word::BITS`]; `packed` holds them.
pub(crate) fn unpack<T: Word>(level: Level, packed: &[u8], first: usize, width: u32, out: &mut [T]) {
    // SAFETY: only values are written.
    unpack_to(level, packed, first, width, unsafe { room::over(out) });
}

/// Appends values `first..first + len`.
pub(crate) fn append<T: Word>(
    level: Level,
    packed: &[u8],
    first: usize,
    width: u32,
    len: usize,
    out: &mut Vec<T>,
) {
    let before = out.len();
    unpack_to(level, packed, first, width, room::behind(out, len));
    // SAFETY: all of the room was written.
    unsafe { out.set_len(before + len) };
}

/// Writes all of `out`.
pub(super) fn unpack_to<T: Word>(
    level: Level,
    packed: &[u8],
    first: usize,
    width: u32,
    out: &mut [MaybeUninit<T>],
) {
    assert!(width <= T::BITS);
    if width == 0 {
        out.fill(MaybeUninit::new(T::default()));
        return;
    }
    // Every eighth value begins at a byte.
    let (packed, first) = (&packed[first / 8 * width as usize..], first % 8);
    if T::vectors(level, packed, first, width, out) {
        return;
    }
    let head = (first.wrapping_neg() % 8).min(out.len());
    let (head, rest) = out.split_at_mut(head);
    one_by_one(packed, first, width, head);
    if rest.is_empty() {
        return;
    }
    let packed = &packed[(first + head.len()) / 8 * width as usize..];
    if !T::vectors(level, packed, 0, width, rest) {
        scalar(packed, width, rest);
    }
}

/// 32 values at a time by a loop of their width, what is left over one by one.
fn scalar<T: Word>(packed: &[u8], width: u32, out: &mut [MaybeUninit<T>]) {
    let mut done = 0;
    if width <= 32 {
        let groups = out.as_chunks_mut::<32>().0;
        let bytes = packed.chunks_exact(4 * width as usize);
        let mut wide = [0; 32];
        for (out, bytes) in groups.iter_mut().zip(bytes) {
            portable::group(width, bytes, &mut wide);
            for (out, &wide) in out.iter_mut().zip(&wide) {
                out.write(T::low(wide.into()));
            }
            done += 32;
        }
    }
    one_by_one(packed, done, width, &mut out[done..]);
}

fn one_by_one<T: Word>(packed: &[u8], first: usize, width: u32, out: &mut [MaybeUninit<T>]) {
    let mask = u64::MAX >> (64 - width);
    for (i, value) in out.iter_mut().enumerate() {
        let bit = (first + i) * width as usize;
        value.write(T::low((window(packed, bit / 8) >> (bit % 8)) as u64 & mask));
    }
}

/// The 16 bytes at `byte`, zeros past the end.
#[inline(always)]
fn window(packed: &[u8], byte: usize) -> u128 {
    let rest = &packed[byte..];
    if let Some(window) = rest.first_chunk::<16>() {
        return u128::from_le_bytes(*window);
    }
    let mut window = [0; 16];
    window[..rest.len()].copy_from_slice(rest);
    u128::from_le_bytes(window)
}
