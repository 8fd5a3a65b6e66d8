//! Values of any length, one after another.
//!
//! ```text
//! PLAIN                     (length: u32, bytes)*
//! DELTA_LENGTH_BYTE_ARRAY   lengths: delta stream; then all bytes
//! DELTA_BYTE_ARRAY          lengths of the prefix shared with the value before: delta stream; suffixes: as DELTA_LENGTH_BYTE_ARRAY
//! ```
//! Lengths are decoded block by block; where they end is found by the widths of their stream, so that nothing is allocated by
//! what its header says and nothing is decoded twice.

use arrow::buffer::Buffer;

use crate::parquet::delta::Delta;
use crate::parquet::{Encoding, Malformed};
use crate::simd::append::{WIDE, append_shared};

use super::blocks::BLOCK;
use super::column::Fault;

/// The values of a page, from the next one on.
pub(super) enum Values {
    /// Length and bytes in turn.
    Plain(Plain),
    /// Lengths, then bytes.
    Lengths(Box<Lengths>),
    /// Lengths of shared prefixes, then suffixes.
    Prefixes(Box<Prefixes>),
}

/// Length and bytes in turn.
pub(super) struct Plain {
    pub bytes: Buffer,
    pub at: usize,
}

/// Lengths, then bytes.
pub(super) struct Lengths {
    pub bytes: Buffer,
    pub at: usize,
    lengths: Delta,
    block: Vec<i32>,
}

/// Lengths of shared prefixes, then suffixes.
pub(super) struct Prefixes {
    prefixes: Delta,
    block: Vec<i32>,
    suffixes: Lengths,
    last: Vec<u8>,
}

impl Values {
    /// None for encodings that are not for byte arrays; `values` is how many there are at most.
    pub fn new(encoding: Encoding, bytes: &Buffer, values: usize) -> Result<Option<Self>, Malformed> {
        Ok(Some(match encoding {
            Encoding::Plain => Values::Plain(Plain { bytes: bytes.clone(), at: 0 }),
            _ if bytes.is_empty() => Values::Plain(Plain { bytes: bytes.clone(), at: 0 }),
            Encoding::DeltaLengthByteArray => Values::Lengths(Box::new(Lengths::new(bytes.clone(), values)?)),
            Encoding::DeltaByteArray => Values::Prefixes(Box::new(Prefixes::new(bytes, values)?)),
            _ => return Ok(None),
        }))
    }

    /// Calls `each` with the next values in order.
    pub fn for_each(
        &mut self,
        values: usize,
        mut each: impl FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        match self {
            Values::Plain(plain) => (0..values).try_for_each(|_| each(plain.next()?)),
            Values::Lengths(lengths) => lengths.for_each(values, each),
            Values::Prefixes(prefixes) => prefixes.for_each(values, |value, _| each(value)),
        }
    }

    /// Passes over the next values.
    pub fn skip(&mut self, values: usize) -> Result<(), Fault> {
        match self {
            Values::Plain(plain) => (0..values).try_for_each(|_| Ok(plain.next().map(|_| ())?)),
            Values::Lengths(lengths) => Ok(lengths.skip(values)?),
            Values::Prefixes(prefixes) => prefixes.for_each(values, |_, _| Ok(())),
        }
    }
}

/// Calls `each` with the values of a page, `most` of them at most, up to the first that is not whole: pages with nulls have
/// fewer values than levels.
pub(in crate::parquet) fn each_of_page(
    encoding: Encoding,
    bytes: &Buffer,
    most: usize,
    mut each: impl FnMut(&[u8]),
) -> Result<(), Malformed> {
    let Some(mut values) = Values::new(encoding, bytes, most)? else { return Ok(()) };
    let mut next = || {
        let one = values.for_each(1, |value| {
            each(value);
            Ok(())
        });
        one.is_ok()
    };
    (0..most).all(|_| next());
    Ok(())
}

impl Plain {
    /// The next value.
    pub fn next(&mut self) -> Result<&[u8], Malformed> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(early)?;
        let length = u32::from_le_bytes(*length) as usize;
        self.at += 4 + length;
        rest.get(..length).ok_or_else(early)
    }
}

impl Lengths {
    fn new(bytes: Buffer, values: usize) -> Result<Self, Malformed> {
        let lengths = Delta::new(bytes.clone())?;
        let at = end(&lengths, values)?;
        Ok(Lengths { bytes, at, lengths, block: Vec::new() })
    }

    /// The next lengths and their bytes, `values` of a block at most; the bytes lie at the returned place of `bytes`.
    pub fn block(&mut self, values: usize) -> Result<(&[i32], usize, &Buffer), Malformed> {
        let lengths = read(&mut self.lengths, &mut self.block, values)?;
        let total: usize = lengths.iter().map(|&length| length as usize).sum();
        let start = self.at;
        self.at = start.checked_add(total).filter(|&end| end <= self.bytes.len()).ok_or_else(early)?;
        Ok((lengths, start, &self.bytes))
    }

    fn for_each(
        &mut self,
        values: usize,
        mut each: impl FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut left = values;
        while left > 0 {
            let len = left.min(BLOCK);
            let (lengths, mut at, bytes) = self.block(len)?;
            for &length in lengths {
                each(&bytes[at..at + length as usize])?;
                at += length as usize;
            }
            left -= len;
        }
        Ok(())
    }

    fn skip(&mut self, values: usize) -> Result<(), Malformed> {
        let mut left = values;
        while left > 0 {
            let len = left.min(BLOCK);
            self.block(len)?;
            left -= len;
        }
        Ok(())
    }
}

impl Prefixes {
    fn new(bytes: &Buffer, values: usize) -> Result<Self, Malformed> {
        let prefixes = Delta::new(bytes.clone())?;
        let suffixes = bytes.slice(end(&prefixes, values)?);
        let suffixes = Lengths::new(suffixes, values)?;
        if prefixes.len() != suffixes.lengths.len() {
            return Err(Malformed::new("prefixes and suffixes differ in number"));
        }
        Ok(Prefixes { prefixes, block: Vec::new(), suffixes, last: Vec::new() })
    }

    /// Calls `each` with the next values in order, and with how many of their first bytes the value before had as well.
    pub fn for_each(
        &mut self,
        values: usize,
        mut each: impl FnMut(&[u8], usize) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let Prefixes { prefixes, block, suffixes, last } = self;
        let mut left = values;
        while left > 0 {
            let len = left.min(BLOCK);
            let mut shared = read(prefixes, block, len)?.iter();
            suffixes.for_each(len, |suffix| {
                let shared = shared.next().map_or(0, |&shared| shared as usize);
                if shared > last.len() {
                    return Err(Malformed::new("a prefix is longer than the value before").into());
                }
                last.truncate(shared);
                last.extend_from_slice(suffix);
                each(last, shared)
            })?;
            left -= len;
        }
        Ok(())
    }
}

impl Prefixes {
    /// Appends the next values to `data`, one behind another, and writes their lengths: a block of them at most. `grow` makes
    /// room for so many bytes.
    pub fn append(
        &mut self,
        out: &mut [u32],
        data: &mut Vec<u8>,
        grow: impl FnOnce(&mut Vec<u8>, usize) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let Prefixes { prefixes, block, suffixes, last } = self;
        let shared = read(prefixes, block, out.len())?;
        let (lengths, start, bytes) = suffixes.block(out.len())?;
        let (mut length, mut total) = (last.len(), 0usize);
        for ((out, &shared), &suffix) in out.iter_mut().zip(shared).zip(lengths) {
            if shared as usize > length {
                return Err(Malformed::new("a prefix is longer than the value before").into());
            }
            length = shared as usize + suffix as usize;
            // No more than the page has bytes.
            *out = length as u32;
            total = total.saturating_add(length);
        }
        let (Some((&first, shared)), Some((&own, lengths))) = (shared.split_first(), lengths.split_first())
        else {
            return Ok(());
        };
        grow(data, total.saturating_add(WIDE))?;
        let (own, suffixes) = bytes[start..].split_at(own as usize);
        data.extend_from_slice(&last[..first as usize]);
        data.extend_from_slice(own);
        let first = first as usize + own.len();
        let rest = shared.iter().zip(lengths).map(|(&shared, &suffix)| (shared as usize, suffix as usize));
        if !append_shared(data, first, suffixes, rest, total - first) {
            return Err(early().into());
        }
        last.clear();
        last.extend_from_slice(&data[data.len() - length..]);
        Ok(())
    }
}

/// The next lengths, none negative.
fn read<'a>(lengths: &mut Delta, block: &'a mut Vec<i32>, values: usize) -> Result<&'a [i32], Malformed> {
    block.resize(BLOCK, 0);
    let block = &mut block[..values];
    lengths.read_i32(block)?;
    if block.iter().fold(0, |signs, &length| signs | length) < 0 {
        return Err(Malformed::new("negative length"));
    }
    Ok(block)
}

/// Where a stream of `values` lengths at most ends.
fn end(lengths: &Delta, values: usize) -> Result<usize, Malformed> {
    if lengths.len() > values {
        return Err(Malformed::new("more lengths than values"));
    }
    lengths.find_end()
}

pub(super) fn early() -> Malformed {
    Malformed::new("byte arrays end early")
}
