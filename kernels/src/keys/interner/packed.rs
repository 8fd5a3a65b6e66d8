//! Byte strings as 16 bytes.

use crate::keys::hash::Hasher;

/// Length in the lowest 32 bits; then the value itself, or its first four bytes and its hash. Values of up to 12 bytes lie here
/// as they do in Arrow's views.
pub(super) type Packed = u128;

/// Bytes of the longest value that is whole.
const WHOLE: usize = 12;

/// The lowest so many bytes.
const BYTES: [u128; WHOLE + 1] = {
    let mut masks = [0; WHOLE + 1];
    let mut bytes = 1;
    while bytes <= WHOLE {
        masks[bytes] = u128::MAX >> (128 - 8 * bytes);
        bytes += 1;
    }
    masks
};

/// The 16 bytes of a view, where all of its value is in them.
#[inline(always)]
pub(super) fn whole_view(view: u128) -> Option<Packed> {
    // What follows a short value should be zero, which nobody checks.
    BYTES.get(view as u32 as usize).map(|mask| view & (mask << 32 | u128::from(u32::MAX)))
}

/// True where all of the value is here.
#[inline(always)]
pub(super) fn is_whole(packed: Packed) -> bool {
    packed as u32 as usize <= WHOLE
}

/// Packs a value.
#[inline]
pub(super) fn pack(value: &[u8], hasher: &Hasher) -> Packed {
    pack_within(value, 0, value.len(), hasher)
}

/// Packs `bytes[start..end]`. Where 16 bytes follow `start`, all of them are read at once, and those beyond the value dropped.
#[inline(always)]
pub(super) fn pack_within(bytes: &[u8], start: usize, end: usize, hasher: &Hasher) -> Packed {
    let length = end - start;
    let Some(mask) = BYTES.get(length) else { return pack_long(&bytes[start..end], hasher) };
    let low = match bytes[start..].first_chunk::<16>() {
        Some(chunk) => u128::from_le_bytes(*chunk),
        None => pack_end(&bytes[start..end]),
    };
    (low & mask) << 32 | length as u128
}

#[cold]
fn pack_end(value: &[u8]) -> u128 {
    let mut low = [0; 16];
    low[..value.len()].copy_from_slice(value);
    u128::from_le_bytes(low)
}

/// Packs a value of more than 12 bytes.
#[inline]
pub(super) fn pack_long(value: &[u8], hasher: &Hasher) -> Packed {
    // A length beyond 32 bits is told apart with the bytes.
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
    let first = value.first_chunk::<4>().map_or(0, |first| u32::from_le_bytes(*first));
    u128::from(hasher.bytes(value)) << 64 | u128::from(first) << 32 | u128::from(length)
}
