//! Which pairs of physical and Arrow types have a device form.

use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};

use crate::error::{Backend, Error, Result};
use crate::gpu::column::{Storage, is_text};
use crate::parquet::{Leaf, Physical};

/// What values become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// Values of this width.
    Values(Storage),
    /// Values of that many bytes, one behind the other.
    Wide(u32),
    /// Codes for strings.
    Codes,
    /// Strings: offsets and bytes.
    Strings,
}

/// How stored values are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// Lowest byte first, filled up with their sign.
    Signed,
    /// Lowest byte first, filled up with zeros.
    Unsigned,
    /// Highest byte first, filled up with their sign.
    BigEndian,
    /// From the byte of that number on.
    From(u32),
    /// `INT96`, to a timestamp of so many parts of a second.
    Int96(u32),
}

/// How stored values become values of the arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    pub output: Output,
    /// Bytes of a stored value; of a code where values are strings. Byte arrays have lengths of their own.
    pub stored_bytes: u32,
    pub reading: Reading,
}

impl Form {
    /// Width of a value in the arena, of the words that say where a string lies.
    pub fn storage(self) -> Option<Storage> {
        match self.output {
            Output::Values(storage) => Some(storage),
            Output::Codes => Some(Storage::Word),
            Output::Wide(_) | Output::Strings => None,
        }
    }
}

/// Bytes of a stored value, where all have as many.
pub(super) fn stored_bytes(physical: Physical) -> Option<usize> {
    match physical {
        Physical::Boolean => Some(1),
        Physical::Int32 | Physical::Float => Some(4),
        Physical::Int64 | Physical::Double => Some(8),
        Physical::Int96 => Some(12),
        Physical::ByteArray => None,
        Physical::FixedLenByteArray(bytes) => Some(bytes),
    }
}

/// The form of a column; of strings the one for codes.
pub(super) fn form(leaf: &Leaf) -> Result<Form> {
    use DataType as T;
    use Output::{Codes, Values};
    let data_type = &leaf.data_type;
    let found = match (leaf.physical, data_type) {
        (Physical::Boolean, T::Boolean) => Some((Values(Storage::Bit), Reading::Signed)),
        (Physical::Int32, _) => integer(data_type, 4),
        (Physical::Int64, _) => integer(data_type, 8),
        (Physical::Int96, T::Timestamp(unit, _)) => {
            Some((Values(Storage::Double), Reading::Int96(per_second(*unit))))
        }
        (Physical::Float, T::Float32) => Some((Values(Storage::Word), Reading::Signed)),
        (Physical::Double, T::Float64) => Some((Values(Storage::Double), Reading::Signed)),
        (Physical::FixedLenByteArray(1..=32) | Physical::ByteArray, _) if decimal(data_type).is_some() => {
            decimal(data_type).map(|output| (output, Reading::BigEndian))
        }
        (Physical::FixedLenByteArray(bytes), _) => fixed(data_type, bytes),
        (Physical::ByteArray, _) if is_text(data_type).is_some() => Some((Codes, Reading::Signed)),
        _ => None,
    };
    let stored = match leaf.physical {
        Physical::ByteArray => Some(4),
        physical => stored_bytes(physical).and_then(|bytes| u32::try_from(bytes).ok()),
    };
    let form = found.zip(stored.filter(|bytes| *bytes > 0));
    form.map(|((output, reading), stored_bytes)| Form { output, stored_bytes, reading }).ok_or_else(|| {
        let what = format!("decoding {:?} pages to {data_type}", leaf.physical);
        Error::unsupported(what, Backend::Gpu)
    })
}

/// Whether the fused shaders read what the column decodes to: numbers as they are stored, and codes.
pub(super) fn fuses(leaf: &Leaf) -> bool {
    let numbers = leaf.physical != Physical::ByteArray && leaf.physical != Physical::Int96;
    form(leaf).is_ok_and(|form| match form.output {
        Output::Values(_) => numbers && !matches!(form.reading, Reading::From(_)),
        Output::Codes => true,
        Output::Wide(_) | Output::Strings => false,
    })
}

fn per_second(unit: TimeUnit) -> u32 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

fn decimal(data_type: &DataType) -> Option<Output> {
    match data_type {
        DataType::Decimal32(..) => Some(Output::Values(Storage::Word)),
        DataType::Decimal64(..) => Some(Output::Values(Storage::Double)),
        DataType::Decimal128(..) => Some(Output::Values(Storage::Quad)),
        DataType::Decimal256(..) => Some(Output::Wide(32)),
        _ => None,
    }
}

/// Integers of `stored` bytes: narrowed to types that promise to be narrower, widened to wider ones and to decimals.
fn integer(data_type: &DataType, stored: u32) -> Option<(Output, Reading)> {
    use DataType as T;
    let storage = match (data_type, stored) {
        (T::Int8 | T::UInt8, 4) => Storage::Byte,
        (T::Int16 | T::UInt16, 4) => Storage::Half,
        (T::Int32 | T::UInt32 | T::Date32 | T::Time32(_), 4) => Storage::Word,
        (T::Int64 | T::UInt64 | T::Timestamp(_, _), _) => Storage::Double,
        (T::Time64(_) | T::Date64 | T::Duration(_), 8) => Storage::Double,
        _ => return decimal(data_type).map(|output| (output, Reading::Signed)),
    };
    let reading = if *data_type == T::UInt64 { Reading::Unsigned } else { Reading::Signed };
    Some((Output::Values(storage), reading))
}

fn fixed(data_type: &DataType, bytes: usize) -> Option<(Output, Reading)> {
    use DataType as T;
    let output = match (data_type, bytes) {
        (T::Float16, 2) => Output::Values(Storage::Half),
        // The months, which come first; days and milliseconds after them.
        (T::Interval(IntervalUnit::YearMonth), 12) => Output::Values(Storage::Word),
        (T::Interval(IntervalUnit::DayTime), 12) => {
            return Some((Output::Values(Storage::Double), Reading::From(4)));
        }
        (T::FixedSizeBinary(size), _) if i32::try_from(bytes) == Ok(*size) => match bytes {
            1 => Output::Values(Storage::Byte),
            2 => Output::Values(Storage::Half),
            4 => Output::Values(Storage::Word),
            8 => Output::Values(Storage::Double),
            16 => Output::Values(Storage::Quad),
            _ => Output::Wide(u32::try_from(bytes).ok()?),
        },
        _ => return None,
    };
    Some((output, Reading::Signed))
}
