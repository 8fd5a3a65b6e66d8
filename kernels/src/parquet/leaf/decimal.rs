//! Decimals: little-endian integers, or big-endian two's complement bytes of any length.
//!
//! A value that does not fit the words asked for is an error: the column's precision says that it would.

use arrow::datatypes::{DataType, i256};

use crate::parquet::{Malformed, Physical};
use crate::simd::dispatched;
use crate::simd::level::Level;
use crate::simd::widen::append_i128;

use super::column::Column;
use super::convert::{each, fixed};
use super::fixed::Convert;

/// The column of words for a decimal type; none where there is no conversion.
pub(super) fn column(physical: Physical, to: &DataType) -> Option<Box<dyn Column>> {
    use DataType as A;
    use Physical as P;
    let bytes = matches!(physical, P::FixedLenByteArray(1..=32) | P::ByteArray);
    match (physical, to) {
        (P::Int32, A::Decimal32(..)) => fixed::<u32>(physical, to, None),
        (P::Int32, A::Decimal64(..)) => fixed::<u64>(physical, to, Some(widen_64)),
        (P::Int32, A::Decimal128(..)) => fixed::<i128>(physical, to, Some(widen_32_to_128)),
        (P::Int32, A::Decimal256(..)) => fixed::<i256>(physical, to, Some(widen_32_to_256)),
        (P::Int64, A::Decimal32(..)) => fixed::<u32>(physical, to, Some(narrow_32)),
        (P::Int64, A::Decimal64(..)) => fixed::<u64>(physical, to, None),
        (P::Int64, A::Decimal128(..)) => fixed::<i128>(physical, to, Some(widen_64_to_128)),
        (P::Int64, A::Decimal256(..)) => fixed::<i256>(physical, to, Some(widen_64_to_256)),
        (_, A::Decimal32(..)) if bytes => fixed(physical, to, Some(big_endian_32 as Convert<u32>)),
        (_, A::Decimal64(..)) if bytes => fixed(physical, to, Some(big_endian_64 as Convert<u64>)),
        (_, A::Decimal128(..)) if bytes => fixed(physical, to, Some(big_endian_128 as Convert<i128>)),
        (_, A::Decimal256(..)) if bytes => fixed(physical, to, Some(big_endian_256 as Convert<i256>)),
        _ => None,
    }
}

dispatched! {
    fn widen_64(bytes: &[u8], _width: usize, out: &mut Vec<u64>) -> Result<(), Malformed> {
        each(bytes, out, |value| i64::from(i32::from_le_bytes(value)) as u64);
        Ok(())
    }

    fn widen_32_to_128(bytes: &[u8], _width: usize, out: &mut Vec<i128>) -> Result<(), Malformed> {
        each(bytes, out, |value| i128::from(i32::from_le_bytes(value)));
        Ok(())
    }

    fn widen_32_to_256(bytes: &[u8], _width: usize, out: &mut Vec<i256>) -> Result<(), Malformed> {
        each(bytes, out, |value| i256::from_i128(i128::from(i32::from_le_bytes(value))));
        Ok(())
    }

    fn narrow_32(bytes: &[u8], _width: usize, out: &mut Vec<u32>) -> Result<(), Malformed> {
        let mut lost = 0;
        each(bytes, out, |value| {
            let value = i64::from_le_bytes(value);
            lost |= value ^ i64::from(value as i32);
            value as u32
        });
        if lost == 0 { Ok(()) } else { Err(too_wide()) }
    }

    fn widen_64_to_256(bytes: &[u8], _width: usize, out: &mut Vec<i256>) -> Result<(), Malformed> {
        each(bytes, out, |value| i256::from_i128(i128::from(i64::from_le_bytes(value))));
        Ok(())
    }

    fn big_endian_32(bytes: &[u8], width: usize, out: &mut Vec<u32>) -> Result<(), Malformed> {
        match width {
            1 => each(bytes, out, |value| small::<1>(value) as u32),
            2 => each(bytes, out, |value| small::<2>(value) as u32),
            3 => each(bytes, out, |value| small::<3>(value) as u32),
            4 => each(bytes, out, |value| small::<4>(value) as u32),
            _ => return any(bytes, width, out, |high, low| (high == 0 && low == i128::from(low as i32)).then_some(low as u32)),
        }
        Ok(())
    }

    fn big_endian_64(bytes: &[u8], width: usize, out: &mut Vec<u64>) -> Result<(), Malformed> {
        match width {
            1 => each(bytes, out, |value| small::<1>(value) as u64),
            2 => each(bytes, out, |value| small::<2>(value) as u64),
            3 => each(bytes, out, |value| small::<3>(value) as u64),
            4 => each(bytes, out, |value| small::<4>(value) as u64),
            5 => each(bytes, out, |value| small::<5>(value) as u64),
            6 => each(bytes, out, |value| small::<6>(value) as u64),
            7 => each(bytes, out, |value| small::<7>(value) as u64),
            8 => each(bytes, out, |value| small::<8>(value) as u64),
            _ => return any(bytes, width, out, |high, low| (high == 0 && low == i128::from(low as i64)).then_some(low as u64)),
        }
        Ok(())
    }

    fn big_endian_128(bytes: &[u8], width: usize, out: &mut Vec<i128>) -> Result<(), Malformed> {
        match width {
            1 => each(bytes, out, |value| i128::from(small::<1>(value))),
            2 => each(bytes, out, |value| i128::from(small::<2>(value))),
            3 => each(bytes, out, |value| i128::from(small::<3>(value))),
            4 => each(bytes, out, |value| i128::from(small::<4>(value))),
            5 => each(bytes, out, |value| i128::from(small::<5>(value))),
            6 => each(bytes, out, |value| i128::from(small::<6>(value))),
            7 => each(bytes, out, |value| i128::from(small::<7>(value))),
            8 => each(bytes, out, |value| i128::from(small::<8>(value))),
            9 => each(bytes, out, large::<9>),
            10 => each(bytes, out, large::<10>),
            11 => each(bytes, out, large::<11>),
            12 => each(bytes, out, large::<12>),
            13 => each(bytes, out, large::<13>),
            14 => each(bytes, out, large::<14>),
            15 => each(bytes, out, large::<15>),
            16 => each(bytes, out, large::<16>),
            _ => return any(bytes, width, out, |high, low| (high == 0).then_some(low)),
        }
        Ok(())
    }
}

fn widen_64_to_128(bytes: &[u8], _width: usize, out: &mut Vec<i128>) -> Result<(), Malformed> {
    append_i128(Level::detected(), bytes, out);
    Ok(())
}

fn big_endian_256(bytes: &[u8], width: usize, out: &mut Vec<i256>) -> Result<(), Malformed> {
    if width == 0 {
        out.push(i256::default());
        return Ok(());
    }
    for value in bytes.chunks_exact(width) {
        let fill = sign(value);
        let (extra, value) = value.split_at(width.saturating_sub(32));
        if extra.iter().any(|&byte| byte != fill) || (!extra.is_empty() && sign(value) != fill) {
            return Err(too_wide());
        }
        let mut wide = [fill; 32];
        wide[32 - value.len()..].copy_from_slice(value);
        out.push(i256::from_be_bytes(wide));
    }
    Ok(())
}

/// A value of 8 bytes at most.
#[inline(always)]
fn small<const N: usize>(value: [u8; N]) -> i64 {
    let mut wide = [0; 8];
    wide[..N].copy_from_slice(&value);
    i64::from_be_bytes(wide) >> (64 - 8 * N)
}

/// A value of 16 bytes at most.
#[inline(always)]
fn large<const N: usize>(value: [u8; N]) -> i128 {
    let mut wide = [0; 16];
    wide[..N].copy_from_slice(&value);
    i128::from_be_bytes(wide) >> (128 - 8 * N)
}

/// Values of any width: `fit` gets the low 128 bits, and 0 where these are the whole value. No bytes are one value, 0.
#[inline(always)]
fn any<T: Copy + Default>(
    bytes: &[u8],
    width: usize,
    out: &mut Vec<T>,
    fit: impl Fn(u8, i128) -> Option<T>,
) -> Result<(), Malformed> {
    if width == 0 {
        out.push(T::default());
        return Ok(());
    }
    for value in bytes.chunks_exact(width) {
        let fill = sign(value);
        let (extra, value) = value.split_at(width.saturating_sub(16));
        let mut high = extra.iter().fold(0, |high, &byte| high | byte ^ fill);
        if !extra.is_empty() {
            high |= sign(value) ^ fill;
        }
        let mut wide = [fill; 16];
        wide[16 - value.len()..].copy_from_slice(value);
        out.push(fit(high, i128::from_be_bytes(wide)).ok_or_else(too_wide)?);
    }
    Ok(())
}

/// The byte that a big-endian value is extended with.
#[inline(always)]
fn sign(value: &[u8]) -> u8 {
    match value.first() {
        Some(first) if first & 0x80 != 0 => 0xff,
        _ => 0,
    }
}

fn too_wide() -> Malformed {
    Malformed::new("a decimal does not fit its precision")
}
