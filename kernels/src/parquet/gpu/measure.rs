//! What a column's values range over, and what it takes to send it: known before anything is decoded.

use arrow::datatypes::DataType;

use super::form::form;
use super::{DecodeError, Segment};
use crate::error::Error;
use crate::parquet::delta::Delta;
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
    let form = form(leaf)?;
    let integers = !matches!(leaf.data_type, DataType::Boolean | DataType::Float32 | DataType::Float64);
    if form.codes || !integers {
        return Ok(None);
    }
    let stored = Stored { physical: leaf.physical, unsigned: unsigned(&leaf.data_type) };
    let mut found = None;
    for (segment, of) in segments.iter().enumerate() {
        let at = |place| move |malformed| DecodeError::Malformed { segment, place, malformed };
        if let Some(dictionary) = &of.dictionary {
            found = hull(found, stored.plain(&dictionary.values));
        }
        for page in of.pages.iter().filter(|page| page.levels > 0) {
            let range = match page.encoding {
                Encoding::Dictionary => None,
                Encoding::Plain => stored.plain(&page.values),
                Encoding::DeltaBinaryPacked => stored.deltas(page).map_err(at(page.offset))?,
                Encoding::ByteStreamSplit => stored.streams(&page.values),
                other => {
                    let what = format!("decoding {other:?} pages of {:?}", leaf.physical);
                    return Err(Error::unsupported(what, crate::Backend::Gpu).into());
                }
            };
            found = hull(found, range);
        }
    }
    Ok(found)
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

/// How integers are stored.
#[derive(Debug, Clone, Copy)]
struct Stored {
    physical: Physical,
    unsigned: bool,
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
    fn plain(self, bytes: &[u8]) -> Option<(i128, i128)> {
        match (self.physical, self.unsigned) {
            (Physical::Int32, false) => extremes(bytes.as_chunks().0.iter().copied().map(i32::from_le_bytes)),
            (Physical::Int32, true) => extremes(bytes.as_chunks().0.iter().copied().map(u32::from_le_bytes)),
            (Physical::Int64, false) => extremes(bytes.as_chunks().0.iter().copied().map(i64::from_le_bytes)),
            (Physical::Int64, true) => extremes(bytes.as_chunks().0.iter().copied().map(u64::from_le_bytes)),
            (Physical::FixedLenByteArray(width), _) if (1..=16).contains(&width) => {
                extremes(bytes.chunks_exact(width).map(big_endian))
            }
            _ => None,
        }
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

    fn streams(self, bytes: &[u8]) -> Option<(i128, i128)> {
        let width = match self.physical {
            Physical::Int32 => 4,
            Physical::Int64 => 8,
            Physical::FixedLenByteArray(width) if (1..=16).contains(&width) => width,
            _ => return None,
        };
        let count = bytes.len() / width;
        let mut value = [0; 16];
        let ranges = (0..count).map(|at| {
            for (byte, slot) in value.iter_mut().take(width).enumerate() {
                *slot = bytes[byte * count + at];
            }
            self.plain(&value[..width])
        });
        ranges.fold(None, hull)
    }
}

fn big_endian(bytes: &[u8]) -> i128 {
    let sign = bytes.first().map_or(0, |byte| i128::from(*byte as i8 >> 7));
    bytes.iter().fold(sign, |value, byte| value << 8 | i128::from(*byte))
}
