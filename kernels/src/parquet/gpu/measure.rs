//! What a column's values range over, and what it takes to send it: known before anything is decoded.

use arrow::buffer::Buffer;
use arrow::datatypes::DataType;

use super::form::form;
use super::{DecodeError, Segment};
use crate::error::{Backend, Error};
use crate::parquet::delta::Delta;
use crate::parquet::leaf::bytes::each_of_page;
use crate::parquet::{DataPage, Encoding, Leaf, Levels, Malformed, Physical};

/// Values measured together.
const BLOCK: usize = 1024;

/// Smallest and largest of the values of a column of integers or decimals, and of those that dictionaries hold beside
/// them; none for other columns and where there are no values. Deltas are summed up for it: their headers bound a value
/// too loosely.
///
/// # Errors
/// [`DecodeError::Malformed`] for pages that contradict themselves, [`Error::Unsupported`] for columns and pages that
/// have no device form.
pub fn range(leaf: &Leaf, segments: &[Segment]) -> Result<Option<(i128, i128)>, DecodeError> {
    form(leaf)?;
    if !measured(leaf) {
        return Ok(None);
    }
    let stored = Stored {
        physical: leaf.physical,
        unsigned: unsigned(&leaf.data_type),
        most_bytes: if matches!(leaf.data_type, DataType::Decimal256(..)) { 32 } else { 16 },
    };
    let mut found = None;
    for (segment, of) in segments.iter().enumerate() {
        let at = |place| {
            move |error| match error {
                Unmeasured::Malformed(malformed) => DecodeError::Malformed { segment, place, malformed },
                Unmeasured::Other(error) => DecodeError::Other(error),
            }
        };
        if let Some(dictionary) = &of.dictionary {
            let values = stored.plain(&dictionary.values, dictionary.len);
            found = hull(found, values.map_err(at(dictionary.offset))?);
        }
        for page in of.pages.iter().filter(|page| page.levels > 0) {
            found = hull(found, stored.page(page).map_err(at(page.offset))?);
        }
    }
    Ok(found)
}

/// Whether values are integers or decimals, also those too wide for a range: no value is to be wider than the type.
fn measured(leaf: &Leaf) -> bool {
    use DataType as T;
    match &leaf.data_type {
        T::Decimal32(..) | T::Decimal64(..) | T::Decimal128(..) => true,
        T::Decimal256(..) => leaf.physical == Physical::ByteArray,
        T::Date32 | T::Date64 | T::Time32(_) | T::Time64(_) | T::Timestamp(..) | T::Duration(_) => {
            leaf.physical != Physical::Int96
        }
        other => other.is_integer(),
    }
}

/// Bytes that are sent for a column, tables apart.
#[must_use]
pub fn encoded_bytes(leaf: &Leaf, segments: &[Segment]) -> u64 {
    let levels = |levels: &Levels| match levels {
        Levels::None => 0,
        Levels::Hybrid(bytes) | Levels::BitPacked(bytes) => bytes.len() as u64,
    };
    let page =
        |page: &DataPage| levels(&page.definition) + levels(&page.repetition) + page.values.len() as u64;
    let of = |segment: &Segment| {
        let dictionary = segment.dictionary.as_ref().map_or(0, |page| match leaf.physical {
            Physical::ByteArray => page.len as u64 * 4,
            _ => page.values.len() as u64,
        });
        dictionary + segment.pages.iter().map(page).sum::<u64>()
    };
    segments.iter().map(of).sum()
}

fn unsigned(data_type: &DataType) -> bool {
    matches!(data_type, DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64)
}

fn hull(left: Option<(i128, i128)>, right: Option<(i128, i128)>) -> Option<(i128, i128)> {
    match (left, right) {
        (Some((low, high)), Some((other_low, other_high))) => {
            Some((low.min(other_low), high.max(other_high)))
        }
        (left, right) => left.or(right),
    }
}

/// Why a page is not measured.
enum Unmeasured {
    Malformed(Malformed),
    Other(Error),
}

impl From<Malformed> for Unmeasured {
    fn from(malformed: Malformed) -> Self {
        Unmeasured::Malformed(malformed)
    }
}

fn unsupported(what: impl std::fmt::Display) -> Unmeasured {
    Unmeasured::Other(Error::unsupported(what, Backend::Gpu))
}

/// Smallest and largest.
type Range = Option<(i128, i128)>;

/// How integers are stored.
#[derive(Debug, Clone, Copy)]
struct Stored {
    physical: Physical,
    unsigned: bool,
    /// Of a byte array; beyond 16 bytes it is not measured otherwise.
    most_bytes: usize,
}

/// Extremes of values that convert to 128 bits.
fn extremes<T: Copy + Ord + Into<i128>>(values: impl Iterator<Item = T>) -> Option<(i128, i128)> {
    let both = values.fold(None, |found: Option<(T, T)>, value| match found {
        Some((low, high)) => Some((low.min(value), high.max(value))),
        None => Some((value, value)),
    });
    both.map(|(low, high)| (low.into(), high.into()))
}

impl Stored {
    fn page(self, page: &DataPage) -> Result<Range, Unmeasured> {
        match (page.encoding, self.physical) {
            (Encoding::Dictionary, _) => Ok(None),
            // A page of nulls alone.
            _ if page.values.is_empty() => Ok(None),
            (Encoding::Plain, _) => self.plain(&page.values, page.levels),
            (Encoding::DeltaBinaryPacked, Physical::Int32 | Physical::Int64) => Ok(self.deltas(page)?),
            (Encoding::ByteStreamSplit, _) => self.streams(&page.values),
            (Encoding::DeltaLengthByteArray | Encoding::DeltaByteArray, physical)
                if !matches!(physical, Physical::Int32 | Physical::Int64) =>
            {
                self.byte_arrays(page.encoding, &page.values, page.levels)
            }
            (other, physical) => Err(unsupported(format!("decoding {other:?} pages of {physical:?}"))),
        }
    }

    /// Plain values, `most` of them at most.
    fn plain(self, bytes: &Buffer, most: usize) -> Result<Range, Unmeasured> {
        let values = bytes.as_slice();
        Ok(match (self.physical, self.unsigned) {
            (Physical::Int32, false) => {
                extremes(values.as_chunks().0.iter().copied().map(i32::from_le_bytes))
            }
            (Physical::Int32, true) => extremes(values.as_chunks().0.iter().copied().map(u32::from_le_bytes)),
            (Physical::Int64, false) => {
                extremes(values.as_chunks().0.iter().copied().map(i64::from_le_bytes))
            }
            (Physical::Int64, true) => extremes(values.as_chunks().0.iter().copied().map(u64::from_le_bytes)),
            (Physical::FixedLenByteArray(width), _) if width > 0 => {
                return values
                    .chunks_exact(width)
                    .try_fold(None, |found, value| Ok(hull(found, self.decimal(value)?)));
            }
            (Physical::ByteArray, _) => return self.byte_arrays(Encoding::Plain, bytes, most),
            _ => None,
        })
    }

    /// Decimals as byte arrays of their own lengths.
    fn byte_arrays(self, encoding: Encoding, bytes: &Buffer, most: usize) -> Result<Range, Unmeasured> {
        let mut found = Ok(None);
        each_of_page(encoding, bytes, most, |value| {
            let range = std::mem::replace(&mut found, Ok(None));
            found = range.and_then(|range| Ok(hull(range, self.decimal(value)?)));
        })?;
        found
    }

    /// A big-endian number; no bytes are zero.
    fn decimal(self, bytes: &[u8]) -> Result<Range, Unmeasured> {
        if self.most_bytes > 16 {
            return if bytes.len() > self.most_bytes { Err(too_wide()) } else { Ok(None) };
        }
        let sign = bytes.first().map_or(0, |byte| (*byte as i8 >> 7) as u8);
        let (extra, value) = bytes.split_at(bytes.len().saturating_sub(16));
        let carried = value.first().is_none_or(|byte| (*byte as i8 >> 7) as u8 == sign);
        if extra.iter().any(|byte| *byte != sign) || !carried {
            return Err(too_wide());
        }
        let sign = i128::from(sign as i8);
        let value = value.iter().fold(sign, |value, byte| value << 8 | i128::from(*byte));
        Ok(Some((value, value)))
    }

    fn deltas(self, page: &DataPage) -> Result<Option<(i128, i128)>, Malformed> {
        let mut deltas = Delta::new(page.values.clone())?;
        let mut left = deltas.len().min(page.levels);
        let mut found = None;
        while left > 0 {
            let count = left.min(BLOCK);
            let range = match self.physical {
                Physical::Int32 => {
                    let mut block = [0; BLOCK];
                    deltas.read_i32(&mut block[..count])?;
                    match self.unsigned {
                        true => extremes(block[..count].iter().map(|value| *value as u32)),
                        false => extremes(block[..count].iter().copied()),
                    }
                }
                _ => {
                    let mut block = [0; BLOCK];
                    deltas.read_i64(&mut block[..count])?;
                    match self.unsigned {
                        true => extremes(block[..count].iter().map(|value| *value as u64)),
                        false => extremes(block[..count].iter().copied()),
                    }
                }
            };
            found = hull(found, range);
            left -= count;
        }
        Ok(found)
    }

    fn streams(self, bytes: &[u8]) -> Result<Range, Unmeasured> {
        let width = match self.physical {
            Physical::Int32 => 4,
            Physical::Int64 => 8,
            Physical::FixedLenByteArray(width @ 1..=32) => width,
            _ => return Ok(None),
        };
        let count = bytes.len() / width;
        let mut value = [0; 32];
        let mut found = None;
        for at in 0..count {
            for (byte, slot) in value.iter_mut().take(width).enumerate() {
                *slot = bytes[byte * count + at];
            }
            found = hull(found, self.one(&value[..width])?);
        }
        Ok(found)
    }

    /// One plain value of fixed width.
    fn one(self, value: &[u8]) -> Result<Range, Unmeasured> {
        let number = match (self.physical, self.unsigned, value) {
            (Physical::Int32, false, &[a, b, c, d]) => i32::from_le_bytes([a, b, c, d]).into(),
            (Physical::Int32, true, &[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]).into(),
            (Physical::Int64, false, &[a, b, c, d, e, f, g, h]) => {
                i64::from_le_bytes([a, b, c, d, e, f, g, h]).into()
            }
            (Physical::Int64, true, &[a, b, c, d, e, f, g, h]) => {
                u64::from_le_bytes([a, b, c, d, e, f, g, h]).into()
            }
            _ => return self.decimal(value),
        };
        Ok(Some((number, number)))
    }
}

fn too_wide() -> Unmeasured {
    unsupported("decoding decimals wider than their type")
}
