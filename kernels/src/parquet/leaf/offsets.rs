//! Byte arrays behind offsets: the bytes are copied, the lengths of a batch gathered and summed up at its end.

use arrow::array::ArrayRef;
use arrow::buffer::{Buffer, NullBuffer};
use arrow::datatypes::{BinaryType, DataType, LargeBinaryType, LargeUtf8Type, Utf8Type};

use crate::error::{Backend, Error};
use crate::memory::Grant;
use crate::parquet::{DataPage, DictionaryPage, Malformed};
use crate::simd::append::{Entries, Place, WIDE, append_entries, append_values};

use super::arrays;
use super::blocks::{AHEAD, BLOCK, Stretch, fill, over_defaults};
use super::bytes::{Lengths, Plain, Values, early};
use super::column::{Column, Fault};
use super::source::{Source, check_size};
use super::utf8;
use super::views::check_plain;

/// Bytes that are reserved ahead of a batch, at most.
const AHEAD_BYTES: usize = 16 << 20;

/// A column of byte arrays.
pub(super) struct Offsets<O> {
    data_type: DataType,
    text: bool,
    values: Source,
    dictionary: Entries,
    /// Length of each slot.
    lengths: Vec<u32>,
    data: Vec<u8>,
    /// Bytes of a slot in the batch before, rounded up.
    usual: usize,
    scratch: Vec<u32>,
    _offset: std::marker::PhantomData<O>,
}

/// The offset types.
pub(super) trait Offset: Send + 'static {
    /// The largest offset.
    const MAX: usize;

    /// The array; offsets are the sums of `lengths`, all of which lie in `values`.
    fn array(text: bool, lengths: &[u32], values: Vec<u8>, nulls: Option<NullBuffer>) -> ArrayRef;
}

impl Offset for i32 {
    const MAX: usize = i32::MAX as usize;

    fn array(text: bool, lengths: &[u32], values: Vec<u8>, nulls: Option<NullBuffer>) -> ArrayRef {
        let offsets = sums(lengths, |sum| sum as i32);
        let values = Buffer::from_vec(values);
        // SAFETY: offsets are sums of lengths, whose total is the length of the values and fits (checked as these grew);
        // text was checked; nulls are made of the same stretches as the lengths.
        unsafe {
            match text {
                true => arrays::offsets::<Utf8Type>(offsets, values, nulls),
                false => arrays::offsets::<BinaryType>(offsets, values, nulls),
            }
        }
    }
}

impl Offset for i64 {
    const MAX: usize = i64::MAX as usize;

    fn array(text: bool, lengths: &[u32], values: Vec<u8>, nulls: Option<NullBuffer>) -> ArrayRef {
        let offsets = sums(lengths, |sum| sum as i64);
        let values = Buffer::from_vec(values);
        // SAFETY: as above.
        unsafe {
            match text {
                true => arrays::offsets::<LargeUtf8Type>(offsets, values, nulls),
                false => arrays::offsets::<LargeBinaryType>(offsets, values, nulls),
            }
        }
    }
}

fn sums<O>(lengths: &[u32], offset: impl Fn(usize) -> O) -> Vec<O> {
    let mut offsets = Vec::with_capacity(lengths.len() + 1);
    let mut sum = 0;
    offsets.push(offset(0));
    offsets.extend(lengths.iter().map(|&length| {
        sum += length as usize;
        offset(sum)
    }));
    offsets
}

impl<O: Offset> Offsets<O> {
    pub fn new(data_type: DataType) -> Self {
        Offsets {
            text: matches!(data_type, DataType::Utf8 | DataType::LargeUtf8),
            data_type,
            values: Source::none(),
            dictionary: Entries::default(),
            lengths: Vec::new(),
            data: Vec::new(),
            usual: 0,
            scratch: Vec::new(),
            _offset: std::marker::PhantomData,
        }
    }
}

impl<O: Offset> Column for Offsets<O> {
    fn dictionary(&mut self, page: &DictionaryPage) -> Result<(), Fault> {
        check_size(&page.values)?;
        if page.len > page.values.len() / 4 {
            return Err(early().into());
        }
        let mut places = vec![Place::default(); page.len];
        let mut plain = Plain { bytes: page.values.clone(), at: 0 };
        for block in places.chunks_mut(BLOCK) {
            plain_places(&mut plain, self.text, block)?;
        }
        self.dictionary = Entries::new(&page.values, places).ok_or_else(early)?;
        Ok(())
    }

    fn page(&mut self, page: &DataPage) -> Result<(), Fault> {
        self.values = Source::of(page)?;
        Ok(())
    }

    fn read(&mut self, stretch: &Stretch<'_>, grant: &mut Grant) -> Result<(), Fault> {
        let Offsets { text, values, dictionary, lengths, data, usual, scratch, .. } = self;
        let text = *text;
        stretch.reserve(lengths, 1, grant)?;
        if data.capacity() == 0 {
            // As the batch before was: instead of growing by doubling. A guess is no reason to fail.
            let ahead = stretch.expected.min(AHEAD).saturating_mul(*usual);
            let _ = grant.reserve(data, ahead.min(AHEAD_BYTES));
        }
        let (mut places, mut indices) = (Vec::new(), Vec::new());
        fill(lengths, stretch, scratch, |out, len| {
            match values {
                Source::Codes(codes) => {
                    indices.clear();
                    codes.append_indices(dictionary.len(), 0, len, &mut indices)?;
                    let bytes = dictionary.bound(len).filter(|&bytes| data.len() + bytes < O::MAX - WIDE);
                    let bytes = bytes.unwrap_or_else(|| dictionary.total(&indices));
                    grow::<O>(data, bytes.saturating_add(WIDE), grant)?;
                    append_entries(data, out, dictionary, &indices);
                }
                Source::Bytes(Values::Plain(plain)) => {
                    places.resize(len, Place::default());
                    plain_places(plain, text, &mut places)?;
                    append::<O>(&plain.bytes, &places, data, grant)?;
                    out.extend(places.iter().map(|place| place.length));
                }
                Source::Bytes(Values::Lengths(values)) => {
                    append_lengths::<O>(values, text, len, out, data, grant)?;
                }
                Source::Bytes(Values::Prefixes(values)) => {
                    return over_defaults(out, len, |block| {
                        let start = data.len();
                        values.append(block, data, |data, more| grow::<O>(data, more, grant))?;
                        let lengths = block.iter().map(|&length| length as usize);
                        if text { Ok(utf8::check_adjacent(&data[start..], lengths)?) } else { Ok(()) }
                    });
                }
            }
            Ok(())
        })
    }

    fn skip(&mut self, values: usize) -> Result<(), Fault> {
        self.values.skip(values)
    }

    fn finish(&mut self, _: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, Fault> {
        let lengths = std::mem::take(&mut self.lengths);
        self.usual = self.data.len().div_ceil(lengths.len().max(1));
        debug_assert!(matches!(
            self.data_type,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary
        ));
        Ok(O::array(self.text, &lengths, std::mem::take(&mut self.data), nulls))
    }
}

/// Where the next plain values lie.
fn plain_places(plain: &mut Plain, text: bool, out: &mut [Place]) -> Result<(), Malformed> {
    let bytes = plain.bytes.as_slice();
    let start = plain.at.min(bytes.len());
    let (mut at, mut lengths) = (start, 0);
    for place in out.iter_mut() {
        let rest = bytes.get(at..).unwrap_or_default();
        let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(early)?;
        let length = u32::from_le_bytes(*length);
        if length as usize > rest.len() {
            return Err(early());
        }
        *place = Place { start: at as u32 + 4, length };
        lengths |= length as usize;
        at += 4 + length as usize;
    }
    if text {
        check_plain(&bytes[start..at], lengths)?;
    }
    plain.at = at;
    Ok(())
}

/// Copies values to the end of `data`.
fn append<O: Offset>(
    bytes: &[u8],
    places: &[Place],
    data: &mut Vec<u8>,
    grant: &mut Grant,
) -> Result<(), Fault> {
    let total: usize = places.iter().map(|place| place.length as usize).sum();
    grow::<O>(data, total + WIDE, grant)?;
    let places = places.iter().map(|place| (place.start as usize, place.length as usize));
    if append_values(data, bytes, places, total) { Ok(()) } else { Err(early().into()) }
}

/// Copies the next `len` values to the end of `data`, and their lengths to that of `out`.
fn append_lengths<O: Offset>(
    values: &mut Lengths,
    text: bool,
    len: usize,
    out: &mut Vec<u32>,
    data: &mut Vec<u8>,
    grant: &mut Grant,
) -> Result<(), Fault> {
    let (lengths, start, bytes) = values.block(len)?;
    out.extend(lengths.iter().map(|&length| length as u32));
    let total: usize = lengths.iter().map(|&length| length as usize).sum();
    let bytes = &bytes[start..start + total];
    if text {
        utf8::check_adjacent(bytes, lengths.iter().map(|&length| length as usize))?;
    }
    grow::<O>(data, total, grant)?;
    data.extend_from_slice(bytes);
    Ok(())
}

/// Makes room for `more` bytes.
fn grow<O: Offset>(data: &mut Vec<u8>, more: usize, grant: &mut Grant) -> Result<(), Fault> {
    if data.len().saturating_add(more) > O::MAX {
        return Err(Error::unsupported(
            "a batch of byte arrays over 2^31 bytes behind 32-bit offsets",
            Backend::Cpu,
        )
        .into());
    }
    Ok(grant.reserve(data, more)?)
}
