//! `BYTE_STREAM_SPLIT`: the first bytes of all values, then the second bytes, and so on.
//!
//! Byte `k` of value `i` of `n` lies at `k * n + i`.

use super::Malformed;

#[cfg(test)]
mod tests;

/// Values of `width` bytes in `bytes`.
///
/// # Errors
/// [`Malformed`] where the bytes are no whole number of values.
pub fn values(bytes: &[u8], width: usize) -> Result<usize, Malformed> {
    if width == 0 || !bytes.len().is_multiple_of(width) {
        return Err(Malformed::new("byte streams of different lengths"));
    }
    Ok(bytes.len() / width)
}

/// Values `first..first + out.len()`, each of `N` bytes.
///
/// # Errors
/// [`Malformed`] where the bytes are no whole number of values or fewer are there.
pub fn byte_stream_split<const N: usize>(
    bytes: &[u8],
    first: usize,
    out: &mut [[u8; N]],
) -> Result<(), Malformed> {
    byte_stream_split_any(bytes, N, first, out.as_flattened_mut())
}

/// As [`byte_stream_split`], for any width: `out` holds a whole number of values.
///
/// # Errors
/// As for [`byte_stream_split`]; [`Malformed`] as well where `out` is no whole number of values.
pub fn byte_stream_split_any(
    bytes: &[u8],
    width: usize,
    first: usize,
    out: &mut [u8],
) -> Result<(), Malformed> {
    let values = values(bytes, width)?;
    let len = out.len() / width;
    if !out.len().is_multiple_of(width) || first.checked_add(len).is_none_or(|end| end > values) {
        return Err(Malformed::new("byte streams end early"));
    }
    if len == 0 {
        return Ok(());
    }
    for (k, stream) in bytes.chunks_exact(values).enumerate() {
        for (value, &byte) in out[k..].iter_mut().step_by(width).zip(&stream[first..first + len]) {
            *value = byte;
        }
    }
    Ok(())
}
