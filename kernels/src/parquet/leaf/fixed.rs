//! Values of a fixed width: integers, floats, dates, times, decimals, short fixed-length bytes.
//!
//! The encodings give bytes of the physical width; a [`Conversion`] makes the Arrow type's words of them, block by block,
//! and is nothing at all where both agree. Words are appended: nothing is zeroed that is written anyway. There is one column per word, not per type.

use arrow::array::ArrayRef;
use arrow::buffer::{Buffer, NullBuffer};
use arrow::datatypes::{ArrowNativeType, DataType, i256};

use crate::memory::Grant;
use crate::parquet::delta::Delta;
use crate::parquet::{DataPage, DictionaryPage, Encoding, Malformed, Physical, split};
use crate::simd::append::append_words;
use crate::simd::level::Level;
use crate::simd::spread;

use super::arrays;
use super::blocks::{BLOCK, Stretch, few, fill};
use super::bytes;
use super::codes::Codes;
use super::column::{Column, Fault};

/// The words of an Arrow array. Those that physical values can be as they are have functions that append them; for the others
/// these give [`wrong_encoding`].
pub(super) trait Word: ArrowNativeType {
    /// The words that lie in `bytes`, where these are aligned for them.
    fn from_bytes(_bytes: &[u8]) -> Option<&[Self]> {
        None
    }

    /// Appends words that lie in `bytes`.
    fn append(_out: &mut Vec<Self>, _bytes: &[u8]) -> Result<(), Malformed> {
        Err(wrong_encoding())
    }

    /// Appends the next `len` values of a delta stream.
    fn append_delta(_out: &mut Vec<Self>, _delta: &mut Delta, _len: usize) -> Result<(), Malformed> {
        Err(wrong_encoding())
    }

    /// Appends values `first..first + len` of byte streams.
    fn append_split(
        _out: &mut Vec<Self>,
        _bytes: &[u8],
        _first: usize,
        _len: usize,
    ) -> Result<(), Malformed> {
        Err(wrong_encoding())
    }
}

macro_rules! words {
    ($($word:ty $(, $append_delta:ident)?;)*) => {$(
        impl Word for $word {
            fn from_bytes(bytes: &[u8]) -> Option<&[Self]> {
                bytemuck::try_cast_slice(bytes).ok()
            }

            fn append(out: &mut Vec<Self>, bytes: &[u8]) -> Result<(), Malformed> {
                append_words(out, bytes);
                Ok(())
            }

            $(fn append_delta(out: &mut Vec<Self>, delta: &mut Delta, len: usize) -> Result<(), Malformed> {
                delta.$append_delta(len, out)
            })?

            fn append_split(out: &mut Vec<Self>, bytes: &[u8], first: usize, len: usize) -> Result<(), Malformed> {
                split::append_words_of(bytes, first, len, out)
            }
        }
    )*};
}
words! {
    u8;
    u16;
    u32, append_u32;
    u64, append_u64;
    i128;
}

impl Word for i256 {}

/// Appends words made of as many physical values; these are of the given width each. No bytes of width 0 are one value.
pub(super) type Convert<T> = fn(&[u8], usize, &mut Vec<T>) -> Result<(), Malformed>;

/// How words are made of physical values.
pub(super) struct Conversion<T> {
    pub physical: Physical,
    /// None where they are the same bytes; only for words that have [`Word::append`].
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
    raw: Raw,
}

/// Physical values of a block that are converted next.
#[derive(Default)]
struct Raw {
    narrow: Vec<u32>,
    wide: Vec<u64>,
    bytes: Vec<u8>,
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
        let decoder = Decoder { conversion, width, dictionary: Vec::new(), values, raw: Raw::default() };
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
        let mut entries = Vec::with_capacity(page.len);
        self.decoder.append(page.len, &mut entries)?;
        self.decoder.dictionary = entries;
        Ok(())
    }

    fn page(&mut self, page: &DataPage) -> Result<(), Fault> {
        self.decoder.page(page)
    }

    fn read(&mut self, stretch: &Stretch<'_>, grant: &mut Grant) -> Result<(), Fault> {
        let Fixed { decoder, out, scratch, .. } = self;
        if decoder.conversion.convert.is_none()
            && let Values::Plain { bytes, at } = &mut decoder.values
        {
            return plain(bytes, at, stretch, out, grant);
        }
        let out = out.words(stretch, grant)?;
        stretch.reserve(out, 1, grant)?;
        match stretch.validity {
            None => decoder.append(stretch.slots, out),
            Some(_) => fill(out, stretch, scratch, |out, len| decoder.append(len, out)),
        }
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
    fn words(&mut self, stretch: &Stretch<'_>, grant: &mut Grant) -> Result<&mut Vec<T>, Fault> {
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

/// A stretch of plain values that are words already: the page's own buffer, a copy, or a spread straight from it. Behind levels
/// they lie at any place.
fn plain<T: Word>(
    bytes: &Buffer,
    at: &mut usize,
    stretch: &Stretch<'_>,
    out: &mut Out<T>,
    grant: &mut Grant,
) -> Result<(), Fault> {
    let len = stretch.values.checked_mul(size_of::<T>()).ok_or_else(early)?;
    let end = at.checked_add(len).filter(|&end| end <= bytes.len()).ok_or_else(early)?;
    let start = std::mem::replace(at, end);
    let page = &bytes[start..end];
    let first = matches!(out, Out::Words(words) if words.is_empty());
    if first && stretch.validity.is_none() && T::from_bytes(page).is_some() {
        *out = Out::Shared(bytes.slice_with_length(start, len));
        return Ok(());
    }
    let out = out.words(stretch, grant)?;
    stretch.reserve(out, 1, grant)?;
    match stretch.validity {
        None => T::append(out, page)?,
        Some(validity) => {
            spread::append_bytes(Level::detected(), page, validity, out).ok_or_else(few)?;
        }
    }
    Ok(())
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

    /// Appends the next `len` values.
    fn append(&mut self, len: usize, out: &mut Vec<T>) -> Result<(), Fault> {
        let Decoder { conversion, width, dictionary, values, raw } = self;
        let width = *width;
        let Some(convert) = conversion.convert else {
            return append_words_of(values, dictionary, width, len, out);
        };
        match values {
            Values::Codes(codes) => codes.append(dictionary, len, out)?,
            Values::Plain { bytes, at } => {
                convert(take(bytes, at, len.checked_mul(width).ok_or_else(early)?)?, width, out)?;
            }
            Values::Bytes(values) => {
                let exact = match conversion.physical {
                    Physical::FixedLenByteArray(width) => Some(width),
                    _ => None,
                };
                values.for_each(len, |value| {
                    if exact.is_some_and(|width| width != value.len()) {
                        return Err(wrong_length().into());
                    }
                    Ok(convert(value, value.len(), out)?)
                })?;
            }
            values => {
                for done in (0..len).step_by(BLOCK) {
                    convert(raw.block(values, width, (len - done).min(BLOCK))?, width, out)?;
                }
            }
        }
        Ok(())
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

impl Raw {
    /// The next `len` physical values of `width` bytes, of streams of deltas or bytes.
    fn block(&mut self, values: &mut Values, width: usize, len: usize) -> Result<&[u8], Malformed> {
        match values {
            Values::Delta(delta) if width == 4 => {
                self.narrow.clear();
                delta.append_u32(len, &mut self.narrow)?;
                Ok(bytemuck::cast_slice(&self.narrow))
            }
            Values::Delta(delta) => {
                self.wide.clear();
                delta.append_u64(len, &mut self.wide)?;
                Ok(bytemuck::cast_slice(&self.wide))
            }
            Values::Split { bytes, next } => {
                self.bytes.resize(len * width, 0);
                split_to(bytes, width, *next, &mut self.bytes)?;
                *next += len;
                Ok(&self.bytes)
            }
            Values::Plain { .. } | Values::Bytes(_) | Values::Codes(_) => Err(wrong_encoding()),
        }
    }
}

/// Appends the next `len` values, which are `width` bytes and the words themselves.
fn append_words_of<T: Word>(
    values: &mut Values,
    dictionary: &[T],
    width: usize,
    len: usize,
    out: &mut Vec<T>,
) -> Result<(), Fault> {
    match values {
        Values::Codes(codes) => codes.append(dictionary, len, out)?,
        Values::Plain { bytes, at } => {
            T::append(out, take(bytes, at, len.checked_mul(width).ok_or_else(early)?)?)?;
        }
        Values::Delta(delta) => T::append_delta(out, delta, len)?,
        Values::Split { bytes, next } => {
            T::append_split(out, bytes, *next, len)?;
            *next += len;
        }
        Values::Bytes(values) => values.for_each(len, |value| {
            if value.len() != width {
                return Err(wrong_length().into());
            }
            Ok(T::append(out, value)?)
        })?,
    }
    Ok(())
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

pub(super) fn early() -> Malformed {
    Malformed::new("values end early")
}

pub(super) fn wrong_encoding() -> Malformed {
    Malformed::new("encoding is not for the column's type")
}

pub(super) fn wrong_length() -> Malformed {
    Malformed::new("a value of fixed length has another one")
}
