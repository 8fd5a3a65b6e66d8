//! Values of any length, copied one behind another to the end of a vector.
//!
//! A value of 16 bytes at most is copied as 16, one of 64 at most as 64, wherever as many may be read: what is copied too
//! much is overwritten by the next value, and a call of `memcpy` per value is spared. The vector has room for it. Bytes moved
//! per value: its own twice, and up to 64 more within lines that are in the first-level cache.

#[cfg(test)]
mod tests;

/// Bytes of the shorter copies.
const NARROW: usize = 16;
/// Bytes of the longer ones, and the room behind all values.
pub(crate) const WIDE: usize = 64;

/// Appends `bytes[start..start + length]` for each place, `total` bytes at most.
///
/// False, with `data` as it was, where a place lies beyond `bytes` or there are more than `total` bytes.
///
/// # Panics
/// Where `data` has no room for `total + WIDE` bytes more.
pub(crate) fn append_values(
    data: &mut Vec<u8>,
    bytes: &[u8],
    places: impl Iterator<Item = (usize, usize)>,
    total: usize,
) -> bool {
    let begin = data.len();
    assert!(total.checked_add(WIDE).is_some_and(|room| room <= data.capacity() - begin));
    let mut done = 0;
    for (start, length) in places {
        if start.checked_add(length).is_none_or(|end| end > bytes.len()) || length > total - done {
            return false;
        }
        // SAFETY: `start` is within `bytes`, and `begin + done` within the capacity.
        let (from, to) = unsafe { (bytes.as_ptr().add(start), data.as_mut_ptr().add(begin + done)) };
        // SAFETY: `length` bytes lie in `bytes` from there on; `done + length` is `total` at most, behind which there is
        // room for `WIDE` bytes. `data` is borrowed mutably: it is not `bytes`.
        unsafe { copy(from, bytes.len() - start, to, length) };
        done += length;
    }
    // SAFETY: the capacity was checked, and `done` bytes from `begin` on were written.
    unsafe { data.set_len(begin + done) };
    true
}

/// Appends values that begin as the one before does: for each the number of bytes shared, which are copied from it, and of
/// bytes that are its own, the next ones of `suffixes`. The value before the first is the last `previous` bytes of `data`.
///
/// False, with `data` as it was, where more is shared than the value before has, `suffixes` end, or there are more than
/// `total` bytes.
///
/// # Panics
/// Where `data` has no room for `total + WIDE` bytes more, or fewer bytes than `previous`.
pub(crate) fn append_shared(
    data: &mut Vec<u8>,
    mut previous: usize,
    suffixes: &[u8],
    lengths: impl Iterator<Item = (usize, usize)>,
    total: usize,
) -> bool {
    let begin = data.len();
    assert!(total.checked_add(WIDE).is_some_and(|room| room <= data.capacity() - begin) && previous <= begin);
    let (mut at, mut used) = (begin, 0);
    for (shared, suffix) in lengths {
        let left = total - (at - begin);
        if shared > previous || suffix > suffixes.len() - used || shared > left || suffix > left - shared {
            return false;
        }
        // SAFETY: `at` is `begin + total` at most, behind which there is room for `WIDE` bytes; the value before begins
        // `previous` bytes before it and has `shared` of them.
        unsafe {
            let to = data.as_mut_ptr().add(at);
            let from = to.sub(previous).cast_const();
            // From the value before into what lies behind it: the two may overlap in what is copied too much, which may
            // also not be initialised yet, and is overwritten.
            if shared <= NARROW {
                std::ptr::copy(from, to, NARROW);
            } else if shared <= WIDE {
                std::ptr::copy(from, to, WIDE);
            } else {
                std::ptr::copy_nonoverlapping(from, to, shared);
            }
            let from = suffixes.as_ptr().add(used);
            copy(from, suffixes.len() - used, to.add(shared), suffix);
        }
        (at, used, previous) = (at + shared + suffix, used + suffix, shared + suffix);
    }
    // SAFETY: the capacity was checked, and all bytes up to `at` were written.
    unsafe { data.set_len(at) };
    true
}

/// Copies `length` bytes, or more.
///
/// # Safety
/// `available` bytes can be read at `from`, `length` of them at least; `length + WIDE` can be written at `to`, which do not
/// overlap with them.
#[inline(always)]
unsafe fn copy(from: *const u8, available: usize, to: *mut u8, length: usize) {
    // SAFETY: the caller's.
    unsafe {
        if length <= NARROW && available >= NARROW {
            std::ptr::copy_nonoverlapping(from, to, NARROW);
        } else if length <= WIDE && available >= WIDE {
            std::ptr::copy_nonoverlapping(from, to, WIDE);
        } else {
            std::ptr::copy_nonoverlapping(from, to, length);
        }
    }
}
