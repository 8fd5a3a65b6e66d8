//! `BYTE_STREAM_SPLIT`: the first bytes of all values, then the second bytes, and so on.
//!
//! Byte `k` of value `i` of `n` lies at `k * n + i`.

use std::array::from_fn;

use super::Malformed;
use crate::simd::append::append_words;
use crate::simd::level::Level;
use crate::simd::transpose::{append_2, append_4, append_8, interleave_2, interleave_4, interleave_8};

#[cfg(test)]
mod tests;

/// Values of a width without vectors that are handled at a time.
const BLOCK: usize = 256;

/// Values of `width` bytes in `bytes`.
///
/// # Errors
/// [`Malformed`] where the bytes are no whole number of values.
pub fn values(bytes: &[u8], width: usize) -> Result<usize, Malformed> {
    if width == 0 || !bytes.len().is_multiple_of(width) {
        return Err(Malformed::new("byte streams of different lengths"));
    }
    Ok(bytes.len() / width)
}

/// Values `first..first + out.len()`, each of `N` bytes.
///
/// # Errors
/// [`Malformed`] where the bytes are no whole number of values or fewer are there.
pub fn byte_stream_split<const N: usize>(
    bytes: &[u8],
    first: usize,
    out: &mut [[u8; N]],
) -> Result<(), Malformed> {
    byte_stream_split_any(bytes, N, first, out.as_flattened_mut())
}

/// As [`byte_stream_split`], for any width: `out` holds a whole number of values.
///
/// # Errors
/// As for [`byte_stream_split`]; [`Malformed`] as well where `out` is no whole number of values.
pub fn byte_stream_split_any(
    bytes: &[u8],
    width: usize,
    first: usize,
    out: &mut [u8],
) -> Result<(), Malformed> {
    let values = values(bytes, width)?;
    let len = out.len() / width;
    if !out.len().is_multiple_of(width) || first.checked_add(len).is_none_or(|end| end > values) {
        return Err(Malformed::new("byte streams end early"));
    }
    let stream = |k: usize| &bytes[k * values + first..][..len];
    let level = Level::detected();
    match width {
        1 => out.copy_from_slice(stream(0)),
        2 => interleave_2(level, from_fn(stream), out.as_chunks_mut().0),
        4 => interleave_4(level, from_fn(stream), out.as_chunks_mut().0),
        8 => interleave_8(level, from_fn(stream), out.as_chunks_mut().0),
        16 => two_of_eight(level, stream, out.as_chunks_mut().0),
        _ => by_eight(level, stream, width, out),
    }
    Ok(())
}

/// As [`byte_stream_split`], appended: values `first..first + len`, as words of their width.
///
/// # Errors
/// As for [`byte_stream_split`].
pub fn append_words_of<T: bytemuck::Pod>(
    bytes: &[u8],
    first: usize,
    len: usize,
    out: &mut Vec<T>,
) -> Result<(), Malformed> {
    let values = values(bytes, size_of::<T>())?;
    if first.checked_add(len).is_none_or(|end| end > values) {
        return Err(Malformed::new("byte streams end early"));
    }
    let stream = |k: usize| &bytes[k * values + first..][..len];
    let level = Level::detected();
    match size_of::<T>() {
        1 => append_words(out, stream(0)),
        2 => append_2(level, from_fn(stream), out),
        4 => append_4(level, from_fn(stream), out),
        8 => append_8(level, from_fn(stream), out),
        width => {
            let before = out.len();
            out.resize(before + len, T::zeroed());
            byte_stream_split_any(bytes, width, first, bytemuck::cast_slice_mut(&mut out[before..]))?;
        }
    }
    Ok(())
}

/// Values of 16 bytes: decimals, mostly.
fn two_of_eight<'a>(level: Level, stream: impl Fn(usize) -> &'a [u8], out: &mut [[u8; 16]]) {
    let (mut low, mut high) = ([[0; 8]; BLOCK], [[0; 8]; BLOCK]);
    for (i, out) in out.chunks_mut(BLOCK).enumerate() {
        let stream = |k: usize| &stream(k)[i * BLOCK..][..out.len()];
        interleave_8(level, from_fn(stream), &mut low[..out.len()]);
        interleave_8(level, from_fn(|k| stream(8 + k)), &mut high[..out.len()]);
        for ((value, low), high) in out.iter_mut().zip(&low).zip(&high) {
            *value = bytemuck::cast([*low, *high]);
        }
    }
}

/// Values of any width: eight streams at a time to a block, whose values are then put beside the other streams'.
///
/// Eight bytes are written where fewer belong to the value as well: the others are the first ones of the next value, which
/// come later, as streams are taken from the last ones to the first.
fn by_eight<'a>(level: Level, stream: impl Fn(usize) -> &'a [u8], width: usize, out: &mut [u8]) {
    let mut block = [[0; 8]; BLOCK];
    for (i, out) in out.chunks_mut(BLOCK * width).enumerate() {
        let len = out.len() / width;
        let stream = |k: usize| &stream(k)[i * BLOCK..][..len];
        for k in (0..width).step_by(8).rev() {
            interleave_8(level, from_fn(|j| stream((k + j).min(width - 1))), &mut block[..len]);
            let whole = out.len().checked_sub(k + 8).map_or(0, |spare| (spare / width + 1).min(len));
            let mut places = (k..).step_by(width);
            for (eight, at) in block[..whole].iter().zip(&mut places) {
                out[at..at + 8].copy_from_slice(eight);
            }
            let there = (width - k).min(8);
            for (eight, at) in block[whole..len].iter().zip(places) {
                out[at..at + there].copy_from_slice(&eight[..there]);
            }
        }
    }
}
