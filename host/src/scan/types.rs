//! Physical types: as narrow as the file stores a column, and back to what the table says where that is another type.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::CastOptions;
use arrow::datatypes::{DataType, Field};
use parquet::basic::{Encoding, PageType, Type as PhysicalType};
use parquet::file::metadata::ColumnChunkMetaData;
use pilaster_kernels::{Error, Result};

/// True where a column of type `found` needs no cast to serve as `wanted`: physically different, logically the same.
pub(super) fn reads_as(found: &DataType, wanted: &DataType) -> bool {
    let text = |data_type: &DataType| {
        matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
            || matches!(data_type, DataType::Dictionary(key, values)
                if **key == DataType::Int32 && **values == DataType::Utf8)
    };
    let decimal = |data_type: &DataType| match data_type {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => Some((*precision, *scale)),
        _ => None,
    };
    match (decimal(found), decimal(wanted)) {
        (Some(found), Some(wanted)) => found.1 == wanted.1 && found.0 <= wanted.0,
        _ => found == wanted || (text(found) && text(wanted)),
    }
}

/// Leaves an array that is logically of the field's type as it is, casts any other.
pub(super) fn as_logical(array: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    if reads_as(array.data_type(), field.data_type()) {
        return Ok(Arc::clone(array));
    }
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let cast = arrow::compute::cast_with_options(array, field.data_type(), &strict);
    cast.map_err(|_| Error::CastFailed {
        value: "a value".into(),
        from: array.data_type().to_string(),
        to: format!("{} of column {}", field.data_type(), field.name()),
    })
}

/// The narrowest type in which the reader can produce a flat chunk of Arrow type `found`, where `wanted` is the table's.
pub(super) fn physical_type(
    chunk: &ColumnChunkMetaData,
    found: &DataType,
    wanted: &DataType,
) -> Option<DataType> {
    match (found, chunk.column_type()) {
        (DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View, PhysicalType::BYTE_ARRAY) => {
            if !matches!(wanted, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
                None
            } else if only_dictionary_pages(chunk) {
                Some(DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)))
            } else {
                Some(wanted.clone())
            }
        }
        (DataType::Decimal128(precision, scale), PhysicalType::INT32) if *precision <= 9 => {
            Some(DataType::Decimal32(*precision, *scale))
        }
        (DataType::Decimal128(precision, scale), PhysicalType::INT32 | PhysicalType::INT64)
            if *precision <= 18 =>
        {
            Some(DataType::Decimal64(*precision, *scale))
        }
        _ => None,
    }
}

/// True where the writer says that no data page of the chunk fell back from the dictionary: only then can codes be kept.
fn only_dictionary_pages(chunk: &ColumnChunkMetaData) -> bool {
    let dictionary =
        |encoding: Encoding| matches!(encoding, Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY);
    match (chunk.page_encoding_stats_mask(), chunk.page_encoding_stats()) {
        (Some(mask), _) => mask.encodings().all(dictionary),
        (None, Some(pages)) => {
            let mut data = pages
                .iter()
                .filter(|page| matches!(page.page_type, PageType::DATA_PAGE | PageType::DATA_PAGE_V2));
            data.all(|page| dictionary(page.encoding))
        }
        (None, None) => false,
    }
}
