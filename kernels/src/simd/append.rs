//! Values of any length, copied one behind another to the end of a vector.
//!
//! A value of 16 bytes at most is copied as 16, one of 64 at most as 64, wherever as many may be read: what is copied too
//! much is overwritten by the next value, and a call of `memcpy` per value is spared. The vector has room for it. Bytes moved
//! per value: its own twice, and up to 64 more within lines that are in the first-level cache.

use std::mem::MaybeUninit;

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

/// Values of any length that are appended by their number, again and again.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    /// With [`WIDE`] bytes behind the last value.
    bytes: Vec<u8>,
    /// All of them end within the bytes, less these.
    places: Vec<Place>,
    longest: usize,
}

/// Where a value lies.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Place {
    pub start: u32,
    pub length: u32,
}

impl Entries {
    /// The values at `places` of `bytes`; none where one is not within them.
    pub fn new(bytes: &[u8], places: Vec<Place>) -> Option<Self> {
        let ends = places.iter().map(|place| place.start as usize + place.length as usize);
        if ends.max().unwrap_or(0) > bytes.len() {
            return None;
        }
        let longest = places.iter().map(|place| place.length as usize).max().unwrap_or(0);
        let mut padded = Vec::with_capacity(bytes.len() + WIDE);
        padded.extend_from_slice(bytes);
        padded.resize(bytes.len() + WIDE, 0);
        Some(Entries { bytes: padded, places, longest })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Bytes that so many of them have at most; none where that is not to be reserved, since some of them are long.
    pub fn bound(&self, values: usize) -> Option<usize> {
        (self.longest <= WIDE).then_some(values * self.longest)
    }

    /// Bytes that these have together. All of them are below [`Entries::len`].
    pub fn total(&self, indices: &[u32]) -> usize {
        indices.iter().map(|&index| self.places[index as usize].length as usize).sum()
    }
}

/// Appends values to `data` and their lengths to `lengths`.
///
/// Where all entries are short, each is copied with as many bytes as the longest one needs, 16, 32 or 64: no branch on lengths.
///
/// # Panics
/// Where an index is not below [`Entries::len`], or `data` has no room for [`Entries::bound`] or [`Entries::total`] bytes, and
/// [`WIDE`] more.
pub(crate) fn append_entries(data: &mut Vec<u8>, lengths: &mut Vec<u32>, entries: &Entries, indices: &[u32]) {
    let fits = |bytes: usize| bytes.saturating_add(WIDE) <= data.capacity() - data.len();
    assert!(entries.bound(indices.len()).is_some_and(fits) || fits(entries.total(indices)));
    assert!(indices.iter().fold(0, |most, &index| most.max(index as usize + 1)) <= entries.len());
    let room = super::room::behind(lengths, indices.len());
    // SAFETY: indices are below the number of entries; the room of `data` was checked.
    let written = unsafe {
        let to = data.as_mut_ptr().add(data.len());
        match entries.longest {
            0..=16 => copy_entries::<16>(to, room, entries, indices),
            17..=32 => copy_entries::<32>(to, room, entries, indices),
            33..=WIDE => copy_entries::<WIDE>(to, room, entries, indices),
            _ => copy_entries::<0>(to, room, entries, indices),
        }
    };
    // SAFETY: so many bytes, and a length for each index, were written.
    unsafe {
        data.set_len(data.len() + written);
        lengths.set_len(lengths.len() + indices.len());
    }
}

/// Copies entries to `to`, `N` bytes of each or, where `N` is 0, exactly its own; gives how many bytes they have together.
///
/// # Safety
/// Indices are below the number of entries. Entries have `N` bytes at most, unless that is 0, and `N` is [`WIDE`] at most. All
/// bytes of the entries together, and [`WIDE`] more, can be written at `to`; `lengths` is as long as `indices`.
unsafe fn copy_entries<const N: usize>(
    to: *mut u8,
    lengths: &mut [MaybeUninit<u32>],
    entries: &Entries,
    indices: &[u32],
) -> usize {
    let mut done = 0;
    for (length, &index) in lengths.iter_mut().zip(indices) {
        // SAFETY: the caller's: the index; `done` and what is copied lie within the room, and behind each entry `WIDE` bytes
        // can be read.
        unsafe {
            let place = *entries.places.get_unchecked(index as usize);
            let from = entries.bytes.as_ptr().add(place.start as usize);
            let bytes = if N == 0 { place.length as usize } else { N };
            std::ptr::copy_nonoverlapping(from, to.add(done), bytes);
            length.write(place.length);
            done += place.length as usize;
        }
    }
    done
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

/// Appends the values that lie in `bytes` one after another, at any place and as this machine has them; bytes that are no whole
/// value are left out.
pub(crate) fn append_words<T: bytemuck::AnyBitPattern>(out: &mut Vec<T>, bytes: &[u8]) {
    const { assert!(size_of::<T>() > 0) };
    let (before, len) = (out.len(), bytes.len() / size_of::<T>());
    let room = super::room::behind(out, len);
    // SAFETY: the room is so many bytes long, which may be any; `out` is borrowed mutably: it is not `bytes`.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), room.as_mut_ptr().cast(), len * size_of::<T>()) };
    // SAFETY: all of the room was written.
    unsafe { out.set_len(before + len) };
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
