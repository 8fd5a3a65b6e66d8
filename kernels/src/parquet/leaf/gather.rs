//! Dictionary entries by index.
//!
//! This file holds `unsafe`: the indices of a block are compared with the dictionary's length once, by their maximum, and
//! the loop then reads without a check per value.

use crate::simd::dispatched;

dispatched! {
    /// Appends `entries[index]` for each index; false, with `out` unchanged, where an index is past the last entry.
    pub(super) fn gather[T: Copy](entries: &[T], indices: &[u32], out: &mut Vec<T>) -> bool {
        if indices.is_empty() {
            return true;
        }
        if greatest(indices) as usize >= entries.len() {
            return false;
        }
        // SAFETY: no index is larger than the largest one, which is less than `entries.len()`.
        out.extend(indices.iter().map(|&index| unsafe { *entries.get_unchecked(index as usize) }));
        true
    }
}

dispatched! {
    /// Adds `base` to indices below `len`; false, with nothing changed, where one is not.
    pub(super) fn move_by(indices: &mut [u32], len: usize, base: u32) -> bool {
        if !indices.is_empty() && greatest(indices) as usize >= len {
            return false;
        }
        if base > 0 {
            indices.iter_mut().for_each(|index| *index = index.wrapping_add(base));
        }
        true
    }
}

dispatched! {
    /// Appends a value several times.
    pub(super) fn repeat[T: Copy](value: T, len: usize, out: &mut Vec<T>) {
        out.extend(std::iter::repeat_n(value, len));
    }
}

/// The largest index; 0 of none. Inlined, so that it is of the instruction set of what calls it.
#[inline(always)]
fn greatest(indices: &[u32]) -> u32 {
    indices.iter().copied().fold(0, u32::max)
}
