//! Cutting the levels off a data page.

use std::ops::Range;

use arrow::buffer::Buffer;
use pilaster_kernels::parquet::{Levels, Malformed};

use super::chunk::{Content, Layout, Page};

/// Bits of a level of that maximum.
fn width(max: u16) -> usize {
    (u16::BITS - max.leading_zeros()) as usize
}

/// The levels at the start of a page of version 1, and where they end.
///
/// # Errors
/// [`Malformed`] where they pass its end.
pub(super) fn cut(
    page: &Buffer,
    at: usize,
    max: u16,
    packed: bool,
    count: usize,
) -> Result<(Levels, usize), Malformed> {
    if max == 0 {
        return Ok((Levels::None, at));
    }
    let past_the_end = || Malformed::new("levels that pass the end of their page");
    let within = |start: usize, length: usize| -> Option<Range<usize>> {
        let end = start.checked_add(length)?;
        (end <= page.len()).then_some(start..end)
    };
    let (range, packed) = if packed {
        let bytes = count.checked_mul(width(max)).map(|bits| bits.div_ceil(8));
        (bytes.and_then(|bytes| within(at, bytes)), true)
    } else {
        let length = page.get(at..).and_then(|rest| rest.first_chunk::<4>());
        let length = usize::try_from(u32::from_le_bytes(*length.ok_or_else(past_the_end)?));
        (length.ok().and_then(|length| within(at + 4, length)), false)
    };
    let range = range.ok_or_else(past_the_end)?;
    let bytes = page.slice_with_length(range.start, range.len());
    Ok((if packed { Levels::BitPacked(bytes) } else { Levels::Hybrid(bytes) }, range.end))
}

/// The levels of a page of version 2, which are `range` of it.
pub(super) fn separate(page: &Buffer, range: Range<usize>, max: u16) -> Levels {
    if max == 0 {
        return Levels::None;
    }
    Levels::Hybrid(page.slice_with_length(range.start, range.len()))
}

/// Whether the first repetition level of a page of version 2 of the chunk `bytes` is 0; false where that is not to be
/// seen without decompressing.
pub(super) fn begins_a_row(page: &Page, bytes: &[u8], max: u16) -> bool {
    let Content::Data { layout: Layout::V2 { repetition, .. }, .. } = page.content else { return false };
    let levels = bytes.get(page.body.start..page.body.start + repetition).unwrap_or_default();
    // The header of the first run, a varint; what follows starts with its first value, lowest bits first.
    let Some(header) = levels.iter().position(|byte| byte & 0x80 == 0) else { return false };
    let mask = u16::MAX >> (u16::BITS as usize - width(max).max(1));
    let value = match (levels.get(header + 1), levels.get(header + 2)) {
        (Some(&low), high) => u16::from_le_bytes([low, high.copied().unwrap_or(0)]),
        (None, _) => return false,
    };
    value & mask == 0
}
