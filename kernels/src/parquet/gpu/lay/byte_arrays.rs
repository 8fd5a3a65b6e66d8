//! Byte arrays: where they lie.
//!
//! In plain pages and dictionaries each place follows from the one before, so that the host walks over the lengths and sends
//! where values begin: four bytes for each. Lengths that are deltas are scanned on the device. The host looks at all of them
//! once all the same: buffers are allocated before the submission, and no length is to point out of the page.

use arrow::buffer::Buffer;

use super::{Kind, Layer, MOST_BYTES, PADDING, PageError, Placed, Record};
use crate::error::{Backend, Error};
use crate::parquet::delta::Delta;
use crate::parquet::hybrid::{Hybrid, Run};
use crate::parquet::{DictionaryPage, Malformed, Physical, bits};

/// Lengths that are looked at together; a multiple of the 8 values that packed runs come in.
const BLOCK: usize = 1024;

/// What [`measure`] found.
#[derive(Debug, Default, PartialEq, Eq)]
struct Measured {
    /// Values, up to the first that contradicts the page.
    values: usize,
    /// Their bytes.
    bytes: u64,
}

impl Layer<'_> {
    /// A dictionary of byte arrays.
    pub(super) fn entries(&mut self, page: &DictionaryPage) -> Result<Placed, PageError> {
        let before = self.starts.len();
        let base = self.upload(&page.values)?;
        starts(&page.values, base, page.len, &mut self.starts);
        let found = self.starts.len() - before;
        if found < page.len {
            return Err(PageError::malformed("a dictionary is cut off"));
        }
        let length = |start: &u32| {
            let length = page.values.get(..(start - base) as usize).and_then(<[u8]>::last_chunk::<4>);
            length.map_or(0, |length| u32::from_le_bytes(*length))
        };
        self.entry_bytes = self.starts[before..].iter().map(length).collect();
        Ok(Placed { byte: before as u32, len: found as u32 })
    }

    /// Counts the bytes of the strings that a page's codes stand for.
    pub(super) fn count_entries(&mut self, indices: &Buffer, record: &Record) -> Result<(), PageError> {
        let length = |code: u32| self.entry_bytes.get(code as usize).map_or(0, |bytes| u64::from(*bytes));
        let mut string_bytes = 0;
        let mut codes = Hybrid::new(indices.clone(), record.width, record.available as usize)?;
        let mut left = record.available as usize;
        let mut block = [0; BLOCK];
        while left > 0 {
            let Some(run) = codes.next_run(left.min(BLOCK))? else { break };
            left -= run.len();
            string_bytes += match run {
                Run::Repeat { value, len } => length(value) * len as u64,
                Run::Packed { bytes, first, len } => {
                    let block = &mut block[..len];
                    bits::unpack_u32_from(bytes, first, record.width, block)?;
                    block.iter().map(|code| length(*code)).sum()
                }
            };
        }
        self.string_bytes += string_bytes;
        self.check_strings()
    }

    /// A plain page.
    pub(super) fn arrays(&mut self, bytes: &Buffer, levels: usize) -> Result<Record, PageError> {
        let byte = self.upload(bytes)?;
        let before = self.starts.len();
        self.string_bytes += starts(bytes, byte, levels, &mut self.starts);
        let found = self.starts.len() - before;
        self.check_strings()?;
        Ok(Record { width: before as u32, ..Record::new(Kind::Arrays, byte, found) })
    }

    /// A page of `DELTA_LENGTH_BYTE_ARRAY`.
    pub(super) fn lengths(&mut self, bytes: &Buffer, levels: usize) -> Result<Record, PageError> {
        let byte = self.upload(bytes)?;
        if bytes.is_empty() {
            return Ok(Record::new(Kind::Lengths, byte, 0));
        }
        let lengths = Delta::new(bytes.clone())?;
        let data = end(&lengths, levels)?;
        let measured = measure(None, lengths, bytes.len() - data, self.exact_bytes())?;
        let (first, values) = self.stream(bytes, byte, measured.values, 0)?;
        self.string_bytes += measured.bytes;
        self.check_strings()?;
        Ok(Record { width: first, ..Record::new(Kind::Lengths, byte + data as u32, values) })
    }

    /// A page of `DELTA_BYTE_ARRAY`.
    pub(super) fn prefixes(&mut self, bytes: &Buffer, levels: usize) -> Result<Record, PageError> {
        let byte = self.upload(bytes)?;
        if bytes.is_empty() {
            return Ok(Record::new(Kind::Unfolded, 0, 0));
        }
        let prefixes = Delta::new(bytes.clone())?;
        let suffixes_at = end(&prefixes, levels)?;
        let suffixes = bytes.slice(suffixes_at);
        let lengths = Delta::new(suffixes.clone())?;
        if lengths.len() != prefixes.len() {
            return Err(PageError::malformed("prefixes and suffixes differ in number"));
        }
        let data = end(&lengths, levels)?;
        let measured = measure(Some(prefixes), lengths, suffixes.len() - data, self.exact_bytes())?;
        // Streams of as many values take as many blocks.
        let apart = measured.values.next_multiple_of(super::DELTA_BLOCK) as u32;
        let (first, values) = self.stream(bytes, byte, measured.values, apart)?;
        self.stream(&suffixes, byte + suffixes_at as u32, measured.values, 0)?;
        let at = self.unfolded_bytes;
        self.unfolded_bytes += measured.bytes.next_multiple_of(4);
        self.string_bytes += measured.bytes;
        self.check_strings()?;
        if measured.bytes > 0 {
            let data = byte + (suffixes_at + data) as u32;
            self.unfolds.push([first, values as u32, apart, data, at as u32, measured.bytes as u32]);
        }
        Ok(Record { width: first, ..Record::new(Kind::Unfolded, at as u32, values) })
    }

    /// Bytes that each value must have.
    fn exact_bytes(&self) -> Option<u64> {
        match self.leaf.physical {
            Physical::FixedLenByteArray(bytes) => Some(bytes as u64),
            _ => None,
        }
    }

    /// Positions of strings and of unfolded bytes are 32-bit numbers.
    fn check_strings(&self) -> Result<(), PageError> {
        let (asked_bytes, limit_bytes) = (self.end + self.unfolded_bytes, MOST_BYTES - PADDING);
        if asked_bytes > limit_bytes {
            return Err(PageError::Other(Error::OutOfMemory {
                backend: Backend::Gpu,
                asked_bytes,
                limit_bytes,
            }));
        }
        if self.string_bytes > i32::MAX as u64 {
            return Err(PageError::Other(Error::unsupported("2^31 bytes of strings at once", Backend::Gpu)));
        }
        Ok(())
    }

    /// The tables of `parquet/unfold`, without the head; none where no page is unfolded.
    pub(super) fn unfold_pages(&mut self) -> Result<Vec<[u32; 6]>, Error> {
        let (asked_bytes, limit_bytes) = (self.end + self.unfolded_bytes, MOST_BYTES - PADDING);
        if asked_bytes > limit_bytes {
            return Err(Error::OutOfMemory { backend: Backend::Gpu, asked_bytes, limit_bytes });
        }
        let base = self.end as u32;
        let pages = self.unfolds.drain(..);
        Ok(pages
            .map(|[first, values, apart, data, at, bytes]| [first, values, apart, data, base + at, bytes])
            .collect())
    }
}

/// Appends the first bytes of plain byte arrays, `limit` at most, up to the first that is cut off; gives their lengths' sum.
fn starts(bytes: &[u8], base: u32, limit: usize, out: &mut Vec<u32>) -> u64 {
    let (mut rest, mut total) = (bytes, 0);
    for _ in 0..limit {
        let Some((length, after)) = rest.split_first_chunk::<4>() else { break };
        let length = u32::from_le_bytes(*length) as usize;
        let Some(after_value) = after.get(length..) else { break };
        out.push(base + (bytes.len() - after.len()) as u32);
        total += length as u64;
        rest = after_value;
    }
    total
}

/// Where a stream of `levels` lengths at most ends.
fn end(lengths: &Delta, levels: usize) -> Result<usize, Malformed> {
    if lengths.len() > levels {
        return Err(Malformed::new("more lengths than values"));
    }
    let mut all = lengths.clone();
    all.skip(lengths.len())?;
    Ok(all.end())
}

/// Values whose own bytes lie in `room` bytes and whose prefixes are no longer than the value before, of `exact` bytes where
/// all must have as many.
fn measure(
    mut prefixes: Option<Delta>,
    mut lengths: Delta,
    room: usize,
    exact: Option<u64>,
) -> Result<Measured, Malformed> {
    let mut measured = Measured::default();
    let (mut before, mut room) = (0, room as u64);
    let (mut shared, mut own) = ([0; BLOCK], [0; BLOCK]);
    while lengths.remaining() > 0 {
        let count = lengths.remaining().min(BLOCK);
        lengths.read_i32(&mut own[..count])?;
        if let Some(prefixes) = &mut prefixes {
            prefixes.read_i32(&mut shared[..count])?;
        }
        for (&shared, &own) in shared.iter().zip(&own).take(count) {
            let (Ok(shared), Ok(own)) = (u64::try_from(shared), u64::try_from(own)) else {
                return Ok(measured);
            };
            let length = shared + own;
            if shared > before || own > room || exact.is_some_and(|exact| exact != length) {
                return Ok(measured);
            }
            measured.values += 1;
            measured.bytes += length;
            room -= own;
            before = length;
        }
    }
    Ok(measured)
}
