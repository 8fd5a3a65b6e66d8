//! Byte streams to values: byte `k` of value `i` comes from stream `k`, place `i`.
//!
//! ```text
//! 4 streams of a vector each:  permute 4-byte (8-byte: 2-byte) units across lanes, so that the in-lane interleavings
//!                              that follow end up in order; interleave bytes, pairs, (quadruples)
//! ```
//! Bytes moved per value: its size read, its size written. Widths other than 2, 4 and 8 go through 8 streams at a time.

use super::level::Level;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(test)]
mod tests;

macro_rules! interleave {
    ($($name:ident: $width:literal),*) => {$(
        /// `out[i][k] = streams[k][i]`; the streams are as long as `out`.
        pub(crate) fn $name(level: Level, streams: [&[u8]; $width], out: &mut [[u8; $width]]) {
            let kernels = Kernels {
                #[cfg(target_arch = "x86_64")]
                avx512: avx512::$name,
                #[cfg(target_arch = "x86_64")]
                avx2: avx2::$name,
            };
            let done = vectors(level, streams, out, kernels);
            rest(streams, done, out);
        }
    )*};
}
interleave!(interleave_2: 2, interleave_4: 4, interleave_8: 8);

/// Does whole vectors and says how many values these were.
#[cfg(target_arch = "x86_64")]
type Kernel<const N: usize> = unsafe fn([&[u8]; N], &mut [[u8; N]]) -> usize;

struct Kernels<const N: usize> {
    #[cfg(target_arch = "x86_64")]
    avx512: Kernel<N>,
    #[cfg(target_arch = "x86_64")]
    avx2: Kernel<N>,
}

#[inline(always)]
fn vectors<const N: usize>(
    level: Level,
    streams: [&[u8]; N],
    out: &mut [[u8; N]],
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

fn rest<const N: usize>(streams: [&[u8]; N], done: usize, out: &mut [[u8; N]]) {
    let out = &mut out[done..];
    let streams = streams.map(|stream| &stream[done..][..out.len()]);
    for (i, value) in out.iter_mut().enumerate() {
        *value = streams.map(|stream| stream[i]);
    }
}
