//! Which pairs of physical and Arrow types have a device form.

use arrow::datatypes::DataType;

use crate::error::{Backend, Error, Result};
use crate::gpu::column::Storage;
use crate::parquet::{Leaf, Physical};

/// How stored values become values of the arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    /// Width of the Arrow type.
    pub storage: Storage,
    /// Bytes of a stored value; of a code where values are strings.
    pub stored_bytes: u32,
    /// Stored values have their highest byte first.
    pub big_endian: bool,
    /// Values are strings, decoded to codes.
    pub codes: bool,
}

pub(super) fn form(leaf: &Leaf) -> Result<Form> {
    use DataType as T;
    let data_type = &leaf.data_type;
    let plain = |storage, stored_bytes| Form { storage, stored_bytes, big_endian: false, codes: false };
    let form = match (leaf.physical, data_type) {
        (Physical::Boolean, T::Boolean) => Some(plain(Storage::Bit, 1)),
        (Physical::Int32, _) => integer(data_type, 4).map(|storage| plain(storage, 4)),
        (Physical::Int64, _) => integer(data_type, 8).map(|storage| plain(storage, 8)),
        (Physical::Float, T::Float32) => Some(plain(Storage::Word, 4)),
        (Physical::Double, T::Float64) => Some(plain(Storage::Double, 8)),
        (Physical::FixedLenByteArray(bytes), _) => fixed(data_type, bytes),
        (Physical::ByteArray, _) if crate::gpu::column::is_text(data_type).is_some() => {
            Some(Form { codes: true, ..plain(Storage::Word, 4) })
        }
        _ => None,
    };
    form.ok_or_else(|| {
        let what = format!("decoding {:?} pages to {data_type}", leaf.physical);
        Error::unsupported(what, Backend::Gpu)
    })
}

/// Integers of `stored` bytes: narrowed to types that promise to be narrower, widened to decimals.
fn integer(data_type: &DataType, stored: u32) -> Option<Storage> {
    use DataType as T;
    match (data_type, stored) {
        (T::Int8 | T::UInt8, 4) => Some(Storage::Byte),
        (T::Int16 | T::UInt16, 4) => Some(Storage::Half),
        (T::Int32 | T::UInt32 | T::Date32 | T::Time32(_) | T::Decimal32(_, _), 4) => Some(Storage::Word),
        (T::Int64 | T::UInt64 | T::Time64(_) | T::Timestamp(_, _) | T::Duration(_), 8) => {
            Some(Storage::Double)
        }
        (T::Decimal64(_, _), _) => Some(Storage::Double),
        (T::Decimal128(_, _), _) => Some(Storage::Quad),
        _ => None,
    }
}

fn fixed(data_type: &DataType, bytes: usize) -> Option<Form> {
    use DataType as T;
    let stored_bytes = u32::try_from(bytes).ok().filter(|bytes| (1..=16).contains(bytes))?;
    let (storage, big_endian) = match (data_type, bytes) {
        (T::Decimal32(_, _), 1..=4) => (Storage::Word, true),
        (T::Decimal64(_, _), 1..=8) => (Storage::Double, true),
        (T::Decimal128(_, _), _) => (Storage::Quad, true),
        (T::Float16, 2) => (Storage::Half, false),
        (T::FixedSizeBinary(size), 1 | 2 | 4 | 8 | 16) if *size == bytes as i32 => {
            let storage = match bytes {
                1 => Storage::Byte,
                2 => Storage::Half,
                4 => Storage::Word,
                8 => Storage::Double,
                _ => Storage::Quad,
            };
            (storage, false)
        }
        _ => return None,
    };
    Some(Form { storage, stored_bytes, big_endian, codes: false })
}
