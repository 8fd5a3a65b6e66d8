//! Byte streams to values: byte `k` of value `i` comes from stream `k`, place `i`.
//!
//! ```text
//! 4 streams of a vector each:  permute 4-byte (8-byte: 2-byte) units across lanes, so that the in-lane interleavings
//!                              that follow end up in order; interleave bytes, pairs, (quadruples)
//! ```
//! Bytes moved per value: its size read, its size written. Widths other than 2, 4 and 8 go through 8 streams at a time.

use std::mem::MaybeUninit;

use bytemuck::AnyBitPattern;

use super::level::Level;
use super::room;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(test)]
mod tests;

macro_rules! interleave {
    ($($name:ident, $append:ident: $width:literal),*) => {$(
        /// `out[i][k] = streams[k][i]`; the streams are as long as `out`.
        pub(crate) fn $name(level: Level, streams: [&[u8]; $width], out: &mut [[u8; $width]]) {
            let kernels = Kernels {
                #[cfg(target_arch = "x86_64")]
                avx512: avx512::$name,
                #[cfg(target_arch = "x86_64")]
                avx2: avx2::$name,
            };
            // SAFETY: only bytes are written.
            interleave(level, streams, unsafe { room::over(out) }, kernels);
        }

        /// Appends the values of streams of the same length.
        pub(crate) fn $append<T: AnyBitPattern>(level: Level, streams: [&[u8]; $width], out: &mut Vec<T>) {
            assert!(size_of::<T>() == $width);
            let kernels = Kernels {
                #[cfg(target_arch = "x86_64")]
                avx512: avx512::$name,
                #[cfg(target_arch = "x86_64")]
                avx2: avx2::$name,
            };
            let (before, len) = (out.len(), streams[0].len());
            let room = room::behind(out, len);
            // SAFETY: a `T` is as many bytes, which may be any, and bytes may lie anywhere.
            let bytes = unsafe { &mut *(std::ptr::from_mut(room) as *mut [MaybeUninit<[u8; $width]>]) };
            interleave(level, streams, bytes, kernels);
            // SAFETY: all of the room was written.
            unsafe { out.set_len(before + len) };
        }
    )*};
}
interleave!(
    interleave_2, append_2: 2,
    interleave_4, append_4: 4,
    interleave_8, append_8: 8
);

/// Does whole vectors and says how many values these were.
#[cfg(target_arch = "x86_64")]
type Kernel<const N: usize> = unsafe fn([&[u8]; N], &mut [MaybeUninit<[u8; N]>]) -> usize;

struct Kernels<const N: usize> {
    #[cfg(target_arch = "x86_64")]
    avx512: Kernel<N>,
    #[cfg(target_arch = "x86_64")]
    avx2: Kernel<N>,
}

/// Writes all of `out`.
#[inline(always)]
fn interleave<const N: usize>(
    level: Level,
    streams: [&[u8]; N],
    out: &mut [MaybeUninit<[u8; N]>],
    kernels: Kernels<N>,
) {
    assert!(streams.iter().all(|stream| stream.len() == out.len()));
    let done = vectors(level, streams, out, kernels);
    let out = &mut out[done..];
    let streams = streams.map(|stream| &stream[done..][..out.len()]);
    for (i, value) in out.iter_mut().enumerate() {
        value.write(streams.map(|stream| stream[i]));
    }
}

#[inline(always)]
fn vectors<const N: usize>(
    level: Level,
    streams: [&[u8]; N],
    out: &mut [MaybeUninit<[u8; N]>],
    kernels: Kernels<N>,
) -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        if level.avx512() {
            // SAFETY: the level is proof that the CPU has the features.
            return unsafe { (kernels.avx512)(streams, out) };
        }
        if level.avx2() {
            // SAFETY: the level is proof that the CPU has the features.
            return unsafe { (kernels.avx2)(streams, out) };
        }
    }
    let _ = (level, streams, out, kernels);
    0
}
