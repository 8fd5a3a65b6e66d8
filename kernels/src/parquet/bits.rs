//! Bit-packed values to words.
//!
//! Value `i` of width `w` lies at bit `i * w`, least significant bit first: bit `b` is bit `b % 8` of byte `b / 8`. Only the
//! deprecated `BIT_PACKED` levels ([`unpack_u16_msb`]) run the other way.
//!
//! All of these take untrusted bytes: too few of them, or a width that the words cannot hold, is [`Malformed`]; nothing past
//! `packed` is read.

use super::Malformed;
use crate::simd::bitmap::{Bitmap, count};
use crate::simd::level::Level;
use crate::simd::unpack::{self as simd, Word};
use crate::simd::words::Words;

#[cfg(test)]
pub(crate) mod tests;

/// Bytes that `values` values of `width` bits take; none where that number does not fit.
#[must_use]
pub fn packed_len(values: usize, width: u32) -> Option<usize> {
    Some(values.checked_mul(width as usize)?.div_ceil(8))
}

/// `out.len()` values of `width` bits from bit 0 on.
///
/// # Errors
/// [`Malformed`] where `width` is over 32 or `packed` too short.
pub fn unpack_u32(packed: &[u8], width: u32, out: &mut [u32]) -> Result<(), Malformed> {
    unpack_u32_from(packed, 0, width, out)
}

/// As [`unpack_u32`], values `first..first + out.len()`.
///
/// # Errors
/// As for [`unpack_u32`].
pub fn unpack_u32_from(packed: &[u8], first: usize, width: u32, out: &mut [u32]) -> Result<(), Malformed> {
    unpack(packed, first, width, out)
}

/// As [`unpack_u32`], into 64 bits.
///
/// # Errors
/// [`Malformed`] where `width` is over 64 or `packed` too short.
pub fn unpack_u64(packed: &[u8], width: u32, out: &mut [u64]) -> Result<(), Malformed> {
    unpack(packed, 0, width, out)
}

/// As [`unpack_u64`], values `first..first + out.len()`.
///
/// # Errors
/// As for [`unpack_u64`].
pub fn unpack_u64_from(packed: &[u8], first: usize, width: u32, out: &mut [u64]) -> Result<(), Malformed> {
    unpack(packed, first, width, out)
}

/// As [`unpack_u32`], into 16 bits: levels.
///
/// # Errors
/// [`Malformed`] where `width` is over 16 or `packed` too short.
pub fn unpack_u16(packed: &[u8], width: u32, out: &mut [u16]) -> Result<(), Malformed> {
    unpack(packed, 0, width, out)
}

/// As [`unpack_u16`], values `first..first + out.len()`.
///
/// # Errors
/// As for [`unpack_u16`].
pub fn unpack_u16_from(packed: &[u8], first: usize, width: u32, out: &mut [u16]) -> Result<(), Malformed> {
    unpack(packed, first, width, out)
}

/// Appends bits `first..first + len`, values of width 1, to a bitmap; gives how many of them are set.
///
/// # Errors
/// [`Malformed`] where `packed` is too short.
pub fn unpack_bits(packed: &[u8], first: usize, len: usize, out: &mut Bitmap) -> Result<usize, Malformed> {
    check(packed, first, 1, len)?;
    let bits = Words::new(packed, first, len);
    out.append(bits);
    Ok(count(bits))
}

/// As [`unpack_u32_from`], appended: `len` values from value `first` on.
///
/// # Errors
/// As for [`unpack_u32`].
pub fn append_u32(
    packed: &[u8],
    first: usize,
    width: u32,
    len: usize,
    out: &mut Vec<u32>,
) -> Result<(), Malformed> {
    if width > u32::BITS {
        return Err(too_wide());
    }
    check(packed, first, width, len)?;
    simd::append(Level::detected(), packed, first, width, len, out);
    Ok(())
}

/// `out.len()` values from value `first` on of the deprecated `BIT_PACKED` encoding: the most significant bit of a value
/// comes first, in the most significant bit of a byte.
///
/// # Errors
/// [`Malformed`] where `width` is over 16 or `packed` too short.
pub fn unpack_u16_msb(packed: &[u8], first: usize, width: u32, out: &mut [u16]) -> Result<(), Malformed> {
    if width > u16::BITS {
        return Err(too_wide());
    }
    check(packed, first, width, out.len())?;
    let width = width as usize;
    for (i, value) in out.iter_mut().enumerate() {
        let start = (first + i) * width;
        *value = (start..start + width)
            .fold(0, |value, bit| (value << 1) | u16::from(packed[bit / 8] >> (7 - bit % 8) & 1));
    }
    Ok(())
}

/// That `packed` holds `first + len` values.
fn check(packed: &[u8], first: usize, width: u32, len: usize) -> Result<(), Malformed> {
    match first.checked_add(len).and_then(|end| packed_len(end, width)) {
        Some(needed) if needed <= packed.len() => Ok(()),
        _ => Err(Malformed::new("bit-packed values end early")),
    }
}

fn too_wide() -> Malformed {
    Malformed::new("bit width is larger than the type's")
}

fn unpack<T: Word>(packed: &[u8], first: usize, width: u32, out: &mut [T]) -> Result<(), Malformed> {
    if width > T::BITS {
        return Err(too_wide());
    }
    check(packed, first, width, out.len())?;
    simd::unpack(Level::detected(), packed, first, width, out);
    Ok(())
}
