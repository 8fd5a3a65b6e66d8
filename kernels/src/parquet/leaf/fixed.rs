//! Values of a fixed width: integers, floats, dates, times, decimals, short fixed-length bytes.
//!
//! The encodings give bytes of the physical width; a [`Conversion`] makes the Arrow type's words of them, block by block,
//! and is nothing at all where both agree. There is one column per word, not per type.

use arrow::array::ArrayRef;
use arrow::buffer::{Buffer, NullBuffer};
use arrow::datatypes::{ArrowNativeType, DataType, i256};

use crate::memory::Grant;
use crate::parquet::delta::Delta;
use crate::parquet::spread::spread;
use crate::parquet::{DataPage, DictionaryPage, Encoding, Malformed, Physical, split};

use super::arrays;
use super::blocks::{BLOCK, Stretch, fill};
use super::bytes;
use super::codes::Codes;
use super::column::{Column, Fault};

/// The words of an Arrow array.
pub(super) trait Word: ArrowNativeType {
    /// Their bytes, for words that may be written to as such.
    fn bytes_mut(words: &mut [Self]) -> Option<&mut [u8]>;

    /// The words that lie in `bytes`, where these are aligned for them.
    fn from_bytes(bytes: &[u8]) -> Option<&[Self]>;
}

macro_rules! words {
    ($($word:ty),*) => {$(
        impl Word for $word {
            fn bytes_mut(words: &mut [Self]) -> Option<&mut [u8]> {
                Some(bytemuck::cast_slice_mut(words))
            }

            fn from_bytes(bytes: &[u8]) -> Option<&[Self]> {
                bytemuck::try_cast_slice(bytes).ok()
            }
        }
    )*};
}
words!(u8, u16, u32, u64, i128);

impl Word for i256 {
    fn bytes_mut(_: &mut [Self]) -> Option<&mut [u8]> {
        None
    }

    fn from_bytes(_: &[u8]) -> Option<&[Self]> {
        None
    }
}

/// Makes words of as many physical values; these are of the given width each.
pub(super) type Convert<T> = fn(&[u8], usize, &mut [T]) -> Result<(), Malformed>;

/// How words are made of physical values.
pub(super) struct Conversion<T> {
    pub physical: Physical,
    /// None where they are the same bytes; only for words that have [`Word::bytes_mut`].
    pub convert: Option<Convert<T>>,
}

/// A column of words.
pub(super) struct Fixed<T> {
    data_type: DataType,
    decoder: Decoder<T>,
    out: Out<T>,
    scratch: Vec<T>,
}

/// The array at hand.
enum Out<T> {
    Words(Vec<T>),
    /// The words of a page, as they lie there.
    Shared(Buffer),
}

struct Decoder<T> {
    conversion: Conversion<T>,
    width: usize,
    dictionary: Vec<T>,
    values: Values,
    /// Physical values of a block, in words so that they are aligned.
    raw: Vec<u64>,
}

enum Values {
    Plain { bytes: Buffer, at: usize },
    Delta(Delta),
    Split { bytes: Buffer, next: usize },
    Bytes(bytes::Values),
    Codes(Codes),
}

impl<T: Word> Fixed<T> {
    pub fn new(conversion: Conversion<T>, data_type: DataType) -> Self {
        let width = match conversion.physical {
            Physical::Boolean | Physical::ByteArray => 0,
            Physical::Int32 | Physical::Float => 4,
            Physical::Int64 | Physical::Double => 8,
            Physical::Int96 => 12,
            Physical::FixedLenByteArray(width) => width,
        };
        let values = Values::Plain { bytes: Buffer::default(), at: 0 };
        let decoder = Decoder { conversion, width, dictionary: Vec::new(), values, raw: Vec::new() };
        Fixed { data_type, decoder, out: Out::Words(Vec::new()), scratch: Vec::new() }
    }
}

impl<T: Word> Column for Fixed<T> {
    fn dictionary(&mut self, page: &DictionaryPage) -> Result<(), Fault> {
        self.decoder.set_plain(&page.values, page.len)?;
        // What a value takes at least, whatever the header says; of byte arrays that is the length.
        let least = match self.decoder.conversion.physical {
            Physical::ByteArray => 4,
            _ => self.decoder.width.max(1),
        };
        if page.len.checked_mul(least).is_none_or(|least| least > page.values.len()) {
            return Err(Malformed::new("dictionary ends early").into());
        }
        let mut entries = vec![T::default(); page.len];
        for block in entries.chunks_mut(BLOCK) {
            self.decoder.dense(block)?;
        }
        self.decoder.dictionary = entries;
        Ok(())
    }

    fn page(&mut self, page: &DataPage) -> Result<(), Fault> {
        self.decoder.page(page)
    }

    fn read(&mut self, stretch: &Stretch, grant: &mut Grant) -> Result<(), Fault> {
        let Fixed { decoder, out, scratch, .. } = self;
        if decoder.conversion.convert.is_none()
            && let Values::Plain { bytes, at } = &mut decoder.values
        {
            return plain(bytes, at, stretch, out, scratch, grant);
        }
        let out = out.words(stretch, grant)?;
        stretch.reserve(out, 1, grant)?;
        if let (None, Values::Codes(codes)) = (&stretch.validity, &mut decoder.values) {
            return Ok(codes.append(&decoder.dictionary, stretch.slots, out)?);
        }
        fill(out, stretch, scratch, |block| decoder.dense(block))
    }

    fn skip(&mut self, values: usize) -> Result<(), Fault> {
        self.decoder.skip(values)
    }

    fn finish(&mut self, slots: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, Fault> {
        let values = match std::mem::replace(&mut self.out, Out::Words(Vec::new())) {
            Out::Words(words) => Buffer::from_vec(words),
            Out::Shared(bytes) => bytes,
        };
        arrays::fixed(&self.data_type, slots, values, nulls)
    }
}

impl<T: Word> Out<T> {
    /// The words to append to: a copy where they were shared.
    fn words(&mut self, stretch: &Stretch, grant: &mut Grant) -> Result<&mut Vec<T>, Fault> {
        if let Out::Shared(bytes) = self {
            let shared = std::mem::take(bytes);
            let shared = T::from_bytes(&shared).unwrap_or_default();
            let mut words = Vec::new();
            let ahead = Stretch {
                expected: stretch.expected.saturating_add(shared.len()),
                ..Stretch::valid(shared.len())
            };
            ahead.reserve(&mut words, 1, grant)?;
            words.extend_from_slice(shared);
            *self = Out::Words(words);
        }
        match self {
            Out::Words(words) => Ok(words),
            Out::Shared(_) => Err(Malformed::new("shared words").into()),
        }
    }
}

/// A stretch of plain values that are words already: the page's own buffer, a copy, or a spread straight from it.
fn plain<T: Word>(
    bytes: &Buffer,
    at: &mut usize,
    stretch: &Stretch,
    out: &mut Out<T>,
    scratch: &mut Vec<T>,
    grant: &mut Grant,
) -> Result<(), Fault> {
    let width = size_of::<T>();
    let len = stretch.values.checked_mul(width).ok_or_else(early)?;
    let end = at.checked_add(len).filter(|&end| end <= bytes.len()).ok_or_else(early)?;
    let page = &bytes[*at..end];
    let aligned = T::from_bytes(page);
    if stretch.validity.is_none() && aligned.is_some() && matches!(out, Out::Words(words) if words.is_empty())
    {
        *out = Out::Shared(bytes.slice_with_length(*at, len));
        *at = end;
        return Ok(());
    }
    *at = end;
    let out = out.words(stretch, grant)?;
    stretch.reserve(out, 1, grant)?;
    match (aligned, &stretch.validity) {
        (Some(words), None) => {
            out.extend_from_slice(words);
            Ok(())
        }
        (Some(mut words), Some(validity)) => {
            // Block by block: the zeros that a block begins with do not leave the first-level cache before its values come.
            for done in (0..stretch.slots).step_by(BLOCK) {
                let (start, len) = (out.len(), (stretch.slots - done).min(BLOCK));
                out.resize(start + len, T::default());
                let used = spread(words, &validity.slice(done, len), &mut out[start..])?;
                words = &words[used..];
            }
            Ok(())
        }
        (None, _) => {
            let mut rest = page;
            fill(out, stretch, scratch, |block| {
                let (head, tail) = rest.split_at_checked(size_of_val(block)).ok_or_else(early)?;
                rest = tail;
                copy(head, block);
                Ok(())
            })
        }
    }
}

impl<T: Word> Decoder<T> {
    fn page(&mut self, page: &DataPage) -> Result<(), Fault> {
        use Encoding as E;
        use Physical as P;
        let (bytes, physical) = (&page.values, self.conversion.physical);
        self.values = match (page.encoding, physical) {
            (E::Plain, _) => return Ok(self.set_plain(bytes, page.levels)?),
            (E::Dictionary, _) => Values::Codes(Codes::new(bytes, page.levels)?),
            _ if bytes.is_empty() => return Ok(self.set_plain(bytes, page.levels)?),
            (E::DeltaBinaryPacked, P::Int32 | P::Int64) => Values::Delta(Delta::new(bytes.clone())?),
            (E::ByteStreamSplit, P::Int32 | P::Int64 | P::Float | P::Double | P::FixedLenByteArray(_)) => {
                split::values(bytes, self.width)?;
                Values::Split { bytes: bytes.clone(), next: 0 }
            }
            (E::DeltaByteArray, P::FixedLenByteArray(_))
            | (E::DeltaByteArray | E::DeltaLengthByteArray, P::ByteArray) => Values::Bytes(
                bytes::Values::new(page.encoding, bytes, page.levels)?.ok_or_else(wrong_encoding)?,
            ),
            _ => return Err(wrong_encoding().into()),
        };
        Ok(())
    }

    fn set_plain(&mut self, bytes: &Buffer, values: usize) -> Result<(), Malformed> {
        self.values = match self.conversion.physical {
            Physical::ByteArray => {
                Values::Bytes(bytes::Values::new(Encoding::Plain, bytes, values)?.ok_or_else(wrong_encoding)?)
            }
            _ => Values::Plain { bytes: bytes.clone(), at: 0 },
        };
        Ok(())
    }

    /// Writes the next values, a block of them at most.
    fn dense(&mut self, out: &mut [T]) -> Result<(), Fault> {
        let Decoder { conversion, width, dictionary, values, raw } = self;
        let (width, len) = (*width, out.len());
        if let (None, Some(bytes)) = (conversion.convert, T::bytes_mut(out)) {
            return match values {
                Values::Codes(codes) => Ok(codes.gather(dictionary, out)?),
                values => values.copy_to(width, len, bytes),
            };
        }
        let convert = conversion.convert.ok_or_else(wrong_encoding)?;
        match values {
            Values::Codes(codes) => Ok(codes.gather(dictionary, out)?),
            Values::Plain { bytes, at } => Ok(convert(take(bytes, at, len * width)?, width, out)?),
            Values::Bytes(values) => {
                let exact = match conversion.physical {
                    Physical::FixedLenByteArray(width) => Some(width),
                    _ => None,
                };
                let mut out = out.chunks_mut(1);
                values.for_each(len, |value| {
                    if exact.is_some_and(|width| width != value.len()) {
                        return Err(wrong_length().into());
                    }
                    Ok(convert(value, value.len(), out.next().unwrap_or_default())?)
                })
            }
            values => {
                raw.resize((len * width).div_ceil(8), 0);
                let raw = &mut bytemuck::cast_slice_mut::<u64, u8>(raw)[..len * width];
                values.copy_to(width, len, raw)?;
                Ok(convert(raw, width, out)?)
            }
        }
    }

    fn skip(&mut self, values: usize) -> Result<(), Fault> {
        let bytes = values.checked_mul(self.width);
        match &mut self.values {
            Values::Plain { bytes: page, at } => {
                let end = bytes.and_then(|bytes| at.checked_add(bytes)).filter(|&end| end <= page.len());
                *at = end.ok_or_else(early)?;
                Ok(())
            }
            Values::Delta(delta) => Ok(delta.skip(values)?),
            Values::Split { next, .. } => {
                *next = next.checked_add(values).ok_or_else(early)?;
                Ok(())
            }
            Values::Bytes(source) => source.skip(values),
            Values::Codes(codes) => Ok(codes.skip(values)?),
        }
    }
}

impl Values {
    /// Writes the next `len` physical values of `width` bytes; not for indices.
    fn copy_to(&mut self, width: usize, len: usize, out: &mut [u8]) -> Result<(), Fault> {
        match self {
            Values::Plain { bytes, at } => out.copy_from_slice(take(bytes, at, len * width)?),
            Values::Delta(delta) if width == 4 => {
                delta.read_i32(bytemuck::try_cast_slice_mut(out).map_err(|_| wrong_encoding())?)?;
            }
            Values::Delta(delta) => {
                delta.read_i64(bytemuck::try_cast_slice_mut(out).map_err(|_| wrong_encoding())?)?;
            }
            Values::Split { bytes, next } => {
                split_to(bytes, width, *next, out)?;
                *next += len;
            }
            Values::Bytes(values) => {
                let mut out = out.chunks_exact_mut(width.max(1));
                values.for_each(len, |value| {
                    if value.len() != width {
                        return Err(wrong_length().into());
                    }
                    out.next().unwrap_or_default().copy_from_slice(value);
                    Ok(())
                })?;
            }
            Values::Codes(_) => return Err(wrong_encoding().into()),
        }
        Ok(())
    }
}

/// Byte streams to values, by the loops for the usual widths.
pub(super) fn split_to(bytes: &[u8], width: usize, first: usize, out: &mut [u8]) -> Result<(), Malformed> {
    match width {
        2 => split::byte_stream_split::<2>(bytes, first, out.as_chunks_mut().0),
        4 => split::byte_stream_split::<4>(bytes, first, out.as_chunks_mut().0),
        8 => split::byte_stream_split::<8>(bytes, first, out.as_chunks_mut().0),
        16 => split::byte_stream_split::<16>(bytes, first, out.as_chunks_mut().0),
        _ => split::byte_stream_split_any(bytes, width, first, out),
    }
}

/// The next `len` bytes.
pub(super) fn take<'a>(bytes: &'a Buffer, at: &mut usize, len: usize) -> Result<&'a [u8], Malformed> {
    let rest = bytes.get(*at..).unwrap_or_default();
    let taken = rest.get(..len).ok_or_else(early)?;
    *at += len;
    Ok(taken)
}

fn copy<T: Word>(bytes: &[u8], words: &mut [T]) {
    if let Some(out) = T::bytes_mut(words) {
        out.copy_from_slice(bytes);
    }
}

pub(super) fn early() -> Malformed {
    Malformed::new("values end early")
}

pub(super) fn wrong_encoding() -> Malformed {
    Malformed::new("encoding is not for the column's type")
}

pub(super) fn wrong_length() -> Malformed {
    Malformed::new("a value of fixed length has another one")
}
