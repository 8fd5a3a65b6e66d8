//! Operands as Arrow arrays that outlive their batch.

use arrow::array::{Array, ArrayRef};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::DataType;

use crate::error::Result;
use crate::expr::cpu::{Values, Vector};
use crate::expr::value_type;
use crate::keys::float;

/// The type that values of `data_type` are kept in: dictionaries are decoded, strings and binaries have 64-bit offsets,
/// which no number of rows exceeds.
pub(super) fn kept_type(data_type: &DataType) -> DataType {
    use DataType as D;
    match value_type(data_type) {
        D::Utf8 | D::LargeUtf8 | D::Utf8View => D::LargeUtf8,
        D::Binary | D::LargeBinary | D::BinaryView => D::LargeBinary,
        other => other.clone(),
    }
}

/// Rows `rows` of an operand, copied, in its [`kept_type`].
pub(super) fn kept_rows(operand: &Vector, kept: &DataType, rows: &[u32]) -> Result<ArrayRef> {
    operand.take(&ScalarBuffer::from(rows.to_vec()))?.into_array(kept)
}

/// Validity of an operand; none where no row is null.
pub(super) fn nulls_of(operand: &Vector) -> Option<NullBuffer> {
    match operand.values() {
        Values::Other(array) => array.logical_nulls().filter(|nulls| nulls.null_count() > 0),
        _ => operand.nulls().cloned(),
    }
}

/// An operand as the keys of groups show it: one NaN, one zero.
pub(super) fn canonical(operand: &Vector) -> Vector {
    let nulls = || operand.nulls().cloned();
    match operand.values() {
        Values::F64(values) => {
            Vector::new(Values::F64(values.iter().map(|&value| float::canonical(value)).collect()), nulls())
        }
        Values::F32(values) => {
            let canonical = |&value: &f32| if value.is_nan() { f32::NAN } else { value + 0.0 };
            Vector::new(Values::F32(values.iter().map(canonical).collect()), nulls())
        }
        _ => operand.clone(),
    }
}
