//! Dense values to the marked slots, zeros to the others.
//!
//! ```text
//! AVX-512:  out = vpexpand(mask of the slots, next dense values)      a vector of slots at a time
//! AVX2:     out = vpermd(next dense values, table[mask of 8 slots])   8 slots of 4 bytes or 4 of 8 bytes
//! ```
//! 64 slots that all hold a value are copied, 64 empty ones filled. Bytes moved per slot: its size written, its size times
//! the share of valid slots and one bit read.

use std::mem::MaybeUninit;

use arrow::datatypes::ArrowNativeType;

use super::level::Level;
use super::room;
use super::words::Words;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(test)]
mod tests;

/// Writes `dense` to the slots of `out` that `valid` marks, zeros to the others; gives how many values were used. None
/// where `dense` has fewer than are marked; `out` is then unspecified. `valid` and `out` are equally long.
///
/// Native types only: plain words without padding, whose default is all zeros.
pub(crate) fn spread<T: ArrowNativeType>(
    level: Level,
    dense: &[T],
    valid: Words<'_>,
    out: &mut [T],
) -> Option<usize> {
    // SAFETY: only values are written.
    spread_to(level, bytes(dense), valid, unsafe { room::over(out) })
}

/// Appends a slot for each of the bits of `valid`: those that are marked hold the values of `dense` in order, the others zero;
/// gives how many values were used. None, with `out` as it was, where `dense` has fewer than are marked.
pub(crate) fn append<T: ArrowNativeType>(
    level: Level,
    dense: &[T],
    valid: Words<'_>,
    out: &mut Vec<T>,
) -> Option<usize> {
    append_bytes(level, bytes(dense), valid, out)
}

/// As [`append`], of values that lie in `dense` at any place, as this machine has them.
pub(crate) fn append_bytes<T: ArrowNativeType>(
    level: Level,
    dense: &[u8],
    valid: Words<'_>,
    out: &mut Vec<T>,
) -> Option<usize> {
    let (before, len) = (out.len(), valid.len());
    let used = spread_to(level, dense, valid, room::behind(out, len))?;
    // SAFETY: all of the room was written.
    unsafe { out.set_len(before + len) };
    Some(used)
}

/// The bytes of native values: these have no padding.
fn bytes<T: ArrowNativeType>(values: &[T]) -> &[u8] {
    // SAFETY: as many bytes are there, all of them initialised.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

/// Writes all of `out`, unless `dense` ends early.
fn spread_to<T: ArrowNativeType>(
    level: Level,
    dense: &[u8],
    valid: Words<'_>,
    out: &mut [MaybeUninit<T>],
) -> Option<usize> {
    assert_eq!(valid.len(), out.len());
    #[cfg(target_arch = "x86_64")]
    {
        if level.avx512() {
            // SAFETY: the level is proof that the CPU has the features.
            match size_of::<T>() {
                1 => return unsafe { avx512::spread_1(dense, valid, out) },
                2 => return unsafe { avx512::spread_2(dense, valid, out) },
                4 => return unsafe { avx512::spread_4(dense, valid, out) },
                8 => return unsafe { avx512::spread_8(dense, valid, out) },
                16 => return unsafe { avx512::spread_16(dense, valid, out) },
                _ => {}
            }
        }
        if level.avx2() {
            // SAFETY: the level is proof that the CPU has the features.
            match size_of::<T>() {
                4 => return unsafe { avx2::spread_4(dense, valid, out) },
                8 => return unsafe { avx2::spread_8(dense, valid, out) },
                _ => {}
            }
        }
    }
    let _ = level;
    let mut used = 0;
    for (i, slots) in out.chunks_mut(64).enumerate() {
        used += spread_word(&dense[used * size_of::<T>()..], valid.word(i), slots)?;
    }
    Some(used)
}

/// [`spread_to`] of at most 64 slots, one value at a time.
#[inline(always)]
fn spread_word<T: ArrowNativeType>(dense: &[u8], word: u64, slots: &mut [MaybeUninit<T>]) -> Option<usize> {
    let count = word.count_ones() as usize;
    let values = dense.get(..count * size_of::<T>())?;
    if count == slots.len() {
        // SAFETY: both are as many bytes, which may be any in native types; `slots` is borrowed mutably.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), slots.as_mut_ptr().cast(), values.len()) };
        return Some(count);
    }
    slots.fill(MaybeUninit::new(T::default()));
    let mut left = word;
    for value in values.chunks_exact(size_of::<T>()) {
        // SAFETY: a value's bytes, which may be any in native types and lie anywhere.
        slots[left.trailing_zeros() as usize].write(unsafe { value.as_ptr().cast::<T>().read_unaligned() });
        left &= left - 1;
    }
    Some(count)
}
