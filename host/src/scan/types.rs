//! Physical types: as narrow as the file stores a column, and back to what the table says where that is another type.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::CastOptions;
use arrow::datatypes::{DataType, Field};
use pilaster_kernels::parquet::Physical;
use pilaster_kernels::{Error, Result};

/// True where a column of type `found` needs no cast to serve as `wanted`: physically different, logically the same.
pub(super) fn reads_as(found: &DataType, wanted: &DataType) -> bool {
    match (decimal(found), decimal(wanted)) {
        (Some(found), Some(wanted)) => found.1 == wanted.1 && found.0 <= wanted.0,
        _ => found == wanted || (is_text(found) && is_text(wanted)),
    }
}

fn is_text(data_type: &DataType) -> bool {
    is_plain_text(data_type)
        || matches!(data_type, DataType::Dictionary(key, values)
            if **key == DataType::Int32 && **values == DataType::Utf8)
}

fn is_plain_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn decimal(data_type: &DataType) -> Option<(u8, i8)> {
    match data_type {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => Some((*precision, *scale)),
        _ => None,
    }
}

/// Leaves an array that is logically of the field's type as it is, casts any other.
pub(super) fn as_logical(array: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    if reads_as(array.data_type(), field.data_type()) {
        return Ok(Arc::clone(array));
    }
    cast(array, field)
}

fn cast(array: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let cast = arrow::compute::cast_with_options(array, field.data_type(), &strict);
    cast.map_err(|_| Error::CastFailed {
        value: "a value".into(),
        from: array.data_type().to_string(),
        to: format!("{} of column {}", field.data_type(), field.name()),
    })
}

/// Casts an array that is not of the field's type, if only physically.
pub(super) fn as_declared(array: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    match array.data_type() == field.data_type() {
        true => Ok(Arc::clone(array)),
        false => cast(array, field),
    }
}

/// What a column that is not nested is decoded to where the table's type itself is wanted; as [`decoded_flat`] otherwise.
pub(super) fn declared_flat(
    physical: Physical,
    found: &DataType,
    wanted: &DataType,
    codes: bool,
) -> DataType {
    let text = is_text(found) && is_text(wanted);
    match wanted {
        wanted if text && is_plain_text(wanted) => wanted.clone(),
        wanted if decimal(wanted).is_some() && reads_as(found, wanted) => wanted.clone(),
        wanted => decoded_flat(physical, found, wanted, codes),
    }
}

/// What a column that is not nested is decoded to: `found` is what Arrow calls it in the file, `wanted` the table's type,
/// and `codes` says that every page of the chunk holds codes into one dictionary.
pub(super) fn decoded_flat(physical: Physical, found: &DataType, wanted: &DataType, codes: bool) -> DataType {
    match (physical, found) {
        (Physical::ByteArray, found) if is_text(found) && is_text(wanted) => {
            if codes {
                DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
            } else if is_plain_text(wanted) {
                wanted.clone()
            } else {
                DataType::Utf8
            }
        }
        (_, DataType::Decimal128(precision @ 0..=18, scale)) => match physical {
            Physical::Int32 | Physical::FixedLenByteArray(_) | Physical::ByteArray if *precision <= 9 => {
                DataType::Decimal32(*precision, *scale)
            }
            _ => DataType::Decimal64(*precision, *scale),
        },
        // Widened while it is decoded instead of by a cast.
        (Physical::Int32, DataType::Int8 | DataType::Int16 | DataType::Int32)
        | (Physical::Float, DataType::Float32)
            if widens(found, wanted) =>
        {
            wanted.clone()
        }
        (_, found) => super::columns::decoded(found),
    }
}

fn widens(found: &DataType, wanted: &DataType) -> bool {
    match wanted {
        DataType::Int16 => *found == DataType::Int8,
        DataType::Int32 => matches!(found, DataType::Int8 | DataType::Int16),
        DataType::Int64 => found.is_signed_integer(),
        DataType::Float64 => *found == DataType::Float32,
        _ => false,
    }
}
