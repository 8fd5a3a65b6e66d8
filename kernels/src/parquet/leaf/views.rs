//! Byte arrays as views: 16 bytes per value, pointing into the page that they came in.
//!
//! ```text
//! view of 12 bytes at most:   length: u32, bytes, zeros
//! longer:                     length: u32, first four bytes, buffer: u32, offset: u32
//! ```
//! A plain page holds the length and then the bytes, which is what a short view looks like: it is one load of 16 bytes and
//! a mask. Values of `DELTA_BYTE_ARRAY` lie nowhere as a whole and are put together in a buffer of the batch's own.

use arrow::array::ArrayRef;
use arrow::buffer::{Buffer, NullBuffer};
use arrow::datatypes::{BinaryViewType, DataType, StringViewType};

use crate::memory::Grant;
use crate::parquet::{DataPage, DictionaryPage, Malformed};

use super::arrays;
use super::blocks::{BLOCK, Stretch, fill, over_defaults};
use super::bytes::{Lengths, Plain, Prefixes, Values, early};
use super::column::{Column, Fault};
use super::source::{Source, check_size};
use super::utf8;

/// Bytes that a view holds itself.
const INLINE: usize = 12;

/// Bytes after which the batch's own buffer is closed and the next one begun: offsets are 32 bits wide.
const OWN_LIMIT: usize = 1 << 30;

/// A column of views.
pub(super) struct Views {
    data_type: DataType,
    text: bool,
    values: Source,
    dictionary: Option<Entries>,
    buffers: Buffers,
    out: Vec<u128>,
    scratch: Vec<u128>,
}

/// A dictionary's views.
struct Entries {
    views: Vec<u128>,
    bytes: Buffer,
    /// The buffer that its long views name, and whether the batch has it there.
    index: u32,
    in_batch: bool,
    long: bool,
}

/// The buffers of the batch at hand.
#[derive(Default)]
struct Buffers {
    list: Vec<Buffer>,
    /// The page's index, once a view points into it.
    page: Option<u32>,
    /// The own buffer's index, once there is one; its place in the list is empty until it is closed.
    own: Option<u32>,
    own_bytes: Vec<u8>,
}

impl Views {
    pub fn new(data_type: DataType) -> Self {
        Views {
            text: data_type == DataType::Utf8View,
            data_type,
            values: Source::none(),
            dictionary: None,
            buffers: Buffers::default(),
            out: Vec::new(),
            scratch: Vec::new(),
        }
    }
}

impl Column for Views {
    fn dictionary(&mut self, page: &DictionaryPage) -> Result<(), Fault> {
        check_size(&page.values)?;
        if page.len > page.values.len() / 4 {
            return Err(early().into());
        }
        let mut views = vec![0; page.len];
        let mut plain = Plain { bytes: page.values.clone(), at: 0 };
        let mut long = false;
        for block in views.chunks_mut(BLOCK) {
            long |= plain_block(&mut plain, 0, self.text, block)?;
        }
        self.dictionary =
            Some(Entries { views, bytes: page.values.clone(), index: 0, in_batch: false, long });
        Ok(())
    }

    fn page(&mut self, page: &DataPage) -> Result<(), Fault> {
        self.buffers.page = None;
        self.values = Source::of(page)?;
        Ok(())
    }

    fn read(&mut self, stretch: &Stretch<'_>, grant: &mut Grant) -> Result<(), Fault> {
        let Views { text, values, dictionary, buffers, out, scratch, .. } = self;
        let text = *text;
        stretch.reserve(out, 1, grant)?;
        match values {
            Source::Codes(codes) => {
                let entries = dictionary.as_mut().map(|entries| entries.in_batch(buffers));
                let entries = entries.unwrap_or_default();
                if stretch.validity.is_none() {
                    return Ok(codes.append(entries, stretch.slots, out)?);
                }
                fill(out, stretch, scratch, |out, len| Ok(codes.append(entries, len, out)?))
            }
            Source::Bytes(Values::Plain(plain)) => fill(out, stretch, scratch, |out, len| {
                let index = buffers.page.unwrap_or(buffers.list.len() as u32);
                if over_defaults(out, len, |block| plain_block(plain, index, text, block))? {
                    buffers.add_page(&plain.bytes);
                }
                Ok(())
            }),
            Source::Bytes(Values::Lengths(lengths)) => fill(out, stretch, scratch, |out, len| {
                let index = buffers.page.unwrap_or(buffers.list.len() as u32);
                if over_defaults(out, len, |block| lengths_block(lengths, index, text, block))? {
                    buffers.add_page(&lengths.bytes);
                }
                Ok(())
            }),
            Source::Bytes(Values::Prefixes(prefixes)) => fill(out, stretch, scratch, |out, len| {
                over_defaults(out, len, |block| prefixes_block(prefixes, buffers, text, grant, block))
            }),
        }
    }

    fn skip(&mut self, values: usize) -> Result<(), Fault> {
        self.values.skip(values)
    }

    fn finish(&mut self, _: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, Fault> {
        let views = std::mem::take(&mut self.out);
        let buffers = self.buffers.finish();
        if let Some(entries) = &mut self.dictionary {
            entries.in_batch = false;
        }
        // SAFETY: views are made by `view` from bytes of the buffer that they name (each buffer's index is its place in
        // the list, and a dictionary's views are renumbered when its place changes) or are 0, the empty value; all bytes
        // were checked where they are text; nulls are made of the same stretches as the views.
        Ok(match self.data_type {
            DataType::Utf8View => unsafe { arrays::views::<StringViewType>(views, buffers, nulls) },
            _ => unsafe { arrays::views::<BinaryViewType>(views, buffers, nulls) },
        })
    }
}

impl Entries {
    /// The views, naming the dictionary's buffer in the batch at hand, which gets it where it is missing.
    fn in_batch(&mut self, buffers: &mut Buffers) -> &[u128] {
        if self.long && !self.in_batch {
            let index = buffers.list.len() as u32;
            buffers.list.push(self.bytes.clone());
            if index != self.index {
                renumber(&mut self.views, index);
                self.index = index;
            }
            self.in_batch = true;
        }
        &self.views
    }
}

impl Buffers {
    fn add_page(&mut self, bytes: &Buffer) {
        if self.page.is_none() {
            self.page = Some(self.list.len() as u32);
            self.list.push(bytes.clone());
        }
    }

    /// Puts a value into the own buffer; gives its view.
    fn own(&mut self, value: &[u8], grant: &mut Grant) -> Result<u128, Fault> {
        if self.own_bytes.len() + value.len() > OWN_LIMIT {
            self.close_own();
        }
        let index = *self.own.get_or_insert_with(|| {
            self.list.push(Buffer::default());
            (self.list.len() - 1) as u32
        });
        let offset = self.own_bytes.len();
        grant.reserve(&mut self.own_bytes, value.len())?;
        self.own_bytes.extend_from_slice(value);
        Ok(long_view(value.len(), prefix(value), index, offset))
    }

    fn close_own(&mut self) {
        if let Some(index) = self.own.take()
            && let Some(place) = self.list.get_mut(index as usize)
        {
            *place = Buffer::from_vec(std::mem::take(&mut self.own_bytes));
        }
    }

    fn finish(&mut self) -> Vec<Buffer> {
        self.close_own();
        self.page = None;
        std::mem::take(&mut self.list)
    }
}

/// Views of the next plain values, long ones into buffer `index`; says whether there is a long one.
fn plain_block(plain: &mut Plain, index: u32, text: bool, out: &mut [u128]) -> Result<bool, Malformed> {
    let bytes = plain.bytes.as_slice();
    let start = plain.at.min(bytes.len());
    let (mut at, mut lengths) = (start, 0);
    for view in out.iter_mut() {
        let rest = bytes.get(at..).unwrap_or_default();
        let window = match rest.first_chunk::<16>() {
            Some(window) => u128::from_le_bytes(*window),
            None if rest.len() >= 4 => padded(rest),
            None => return Err(early()),
        };
        let length = window as u32 as usize;
        if length > rest.len() - 4 {
            return Err(early());
        }
        lengths |= length;
        *view = match length {
            0..=INLINE => window & MASKS[length],
            _ => u128::from(window as u64) | place(index, at + 4),
        };
        at += 4 + length;
    }
    if text {
        check_plain(&bytes[start..at], lengths)?;
    }
    plain.at = at;
    Ok(lengths > INLINE && out.iter().any(|&view| view as u32 as usize > INLINE))
}

/// Checks the text of plain values; `lengths` is the bits of all lengths.
///
/// Lengths below 128 are ASCII themselves and may be checked with the text around them, which is then one string: a
/// character cut by a border would be followed or led by a length's byte.
pub(super) fn check_plain(bytes: &[u8], lengths: usize) -> Result<(), Malformed> {
    if lengths < 128 {
        return utf8::check(bytes);
    }
    let mut plain = bytes;
    while let Some((length, rest)) = plain.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        let (value, rest) = rest.split_at_checked(length).ok_or_else(early)?;
        utf8::check(value)?;
        plain = rest;
    }
    Ok(())
}

/// As [`plain_block`], for lengths and bytes apart.
fn lengths_block(values: &mut Lengths, index: u32, text: bool, out: &mut [u128]) -> Result<bool, Malformed> {
    let (lengths, start, bytes) = values.block(out.len())?;
    let (mut at, mut long) = (start, false);
    for (view, &length) in out.iter_mut().zip(lengths) {
        let length = length as usize;
        let rest = &bytes[at..];
        let window = match rest.first_chunk::<16>() {
            Some(window) => u128::from_le_bytes(*window),
            None => padded(rest),
        };
        long |= length > INLINE;
        *view = match length {
            0..=INLINE => (window << 32 | length as u128) & MASKS[length],
            _ => long_view(length, window as u32, index, at),
        };
        at += length;
    }
    if text {
        utf8::check_adjacent(&bytes[start..at], lengths.iter().map(|&length| length as usize))?;
    }
    Ok(long)
}

fn prefixes_block(
    values: &mut Prefixes,
    buffers: &mut Buffers,
    text: bool,
    grant: &mut Grant,
    out: &mut [u128],
) -> Result<(), Fault> {
    let mut out = out.iter_mut();
    values.for_each(out.len(), |value, _| {
        if text {
            utf8::check(value)?;
        }
        if let Some(view) = out.next() {
            *view = match value.len() {
                0..=INLINE => padded(value) << 32 | value.len() as u128,
                _ => buffers.own(value, grant)?,
            };
        }
        Ok(())
    })
}

/// What of 16 bytes, the length first, belongs to a value of that length.
const MASKS: [u128; INLINE + 1] = {
    let mut masks = [0; INLINE + 1];
    let mut length = 0;
    while length <= INLINE {
        masks[length] = u128::MAX >> (8 * (INLINE - length));
        length += 1;
    }
    masks
};

fn place(index: u32, offset: usize) -> u128 {
    u128::from(index) << 64 | (offset as u128) << 96
}

fn long_view(length: usize, prefix: u32, index: u32, offset: usize) -> u128 {
    length as u128 | u128::from(prefix) << 32 | place(index, offset)
}

fn prefix(value: &[u8]) -> u32 {
    value.first_chunk().map_or(0, |prefix| u32::from_le_bytes(*prefix))
}

/// The first 16 bytes, zeros past the end.
fn padded(bytes: &[u8]) -> u128 {
    let mut window = [0; 16];
    let len = bytes.len().min(16);
    window[..len].copy_from_slice(&bytes[..len]);
    u128::from_le_bytes(window)
}

fn renumber(views: &mut [u128], index: u32) {
    const INDEX: u128 = 0xffff_ffff << 64;
    for view in views {
        if *view as u32 as usize > INLINE {
            *view = *view & !INDEX | u128::from(index) << 64;
        }
    }
}
