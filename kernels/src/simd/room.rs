//! Places that are written to and not read: the spare capacity behind a vector's values, which is not zeroed before, or
//! values that are overwritten.

use std::mem::MaybeUninit;

/// The next `len` places behind the values of `out`, which grows where it has no room for them.
pub(super) fn behind<T>(out: &mut Vec<T>, len: usize) -> &mut [MaybeUninit<T>] {
    out.reserve(len);
    &mut out.spare_capacity_mut()[..len]
}

/// Values as places to be overwritten.
///
/// # Safety
/// Nothing that is not a value is written to them.
pub(super) unsafe fn over<T: Copy>(values: &mut [T]) -> &mut [MaybeUninit<T>] {
    // SAFETY: the layouts are the same, and the caller leaves values behind.
    unsafe { &mut *(std::ptr::from_mut(values) as *mut [MaybeUninit<T>]) }
}

/// Places that were written to as values.
///
/// # Safety
/// All of them were.
pub(super) unsafe fn written<T: Copy>(places: &mut [MaybeUninit<T>]) -> &mut [T] {
    // SAFETY: the layouts are the same, and the caller wrote values.
    unsafe { &mut *(std::ptr::from_mut(places) as *mut [T]) }
}
