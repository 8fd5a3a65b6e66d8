//! Dictionary entries by index.
//!
//! This file holds `unsafe`: the indices of a block are compared with the dictionary's length once, by their maximum, and
//! the loop then reads without a check per value.

use crate::simd::dispatched;

dispatched! {
    /// Writes `entries[index]` for each index; false, with `out` unchanged, where an index is past the last entry. The
    /// slices are equally long.
    pub(super) fn gather[T: Copy](entries: &[T], indices: &[u32], out: &mut [T]) -> bool {
        if indices.is_empty() {
            return true;
        }
        if largest(indices) as usize >= entries.len() {
            return false;
        }
        for (out, &index) in out.iter_mut().zip(indices) {
            // SAFETY: no index is larger than the largest one, which is less than `entries.len()`.
            *out = unsafe { *entries.get_unchecked(index as usize) };
        }
        true
    }
}

dispatched! {
    /// Appends `entries[index]` for each index; false, with `out` unchanged, where an index is past the last entry.
    pub(super) fn gather_to[T: Copy](entries: &[T], indices: &[u32], out: &mut Vec<T>) -> bool {
        if indices.is_empty() {
            return true;
        }
        if largest(indices) as usize >= entries.len() {
            return false;
        }
        // SAFETY: no index is larger than the largest one, which is less than `entries.len()`.
        out.extend(indices.iter().map(|&index| unsafe { *entries.get_unchecked(index as usize) }));
        true
    }
}

/// The largest index; 0 of none.
#[inline(always)]
pub(super) fn largest(indices: &[u32]) -> u32 {
    indices.iter().copied().fold(0, u32::max)
}
