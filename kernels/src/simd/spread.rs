//! Dense values to the marked slots, zeros to the others.
//!
//! ```text
//! AVX-512:  out = vpexpand(mask of the slots, next dense values)      a vector of slots at a time
//! AVX2:     out = vpermd(next dense values, table[mask of 8 slots])   8 slots of 4 bytes or 4 of 8 bytes
//! ```
//! 64 slots that all hold a value are copied, 64 empty ones filled. Bytes moved per slot: its size written, its size times
//! the share of valid slots and one bit read.

use arrow::datatypes::ArrowNativeType;

use super::level::Level;
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
        used += spread_word(&dense[used..], valid.word(i), slots)?;
    }
    Some(used)
}

/// [`spread`] over at most 64 slots, one value at a time.
#[inline(always)]
fn spread_word<T: ArrowNativeType>(dense: &[T], word: u64, slots: &mut [T]) -> Option<usize> {
    let count = word.count_ones() as usize;
    let values = dense.get(..count)?;
    if count == slots.len() {
        slots.copy_from_slice(values);
        return Some(count);
    }
    slots.fill(T::default());
    let mut left = word;
    for &value in values {
        slots[left.trailing_zeros() as usize] = value;
        left &= left - 1;
    }
    Some(count)
}
