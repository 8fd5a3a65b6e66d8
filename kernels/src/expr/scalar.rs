//! Constants.

use arrow::datatypes::DataType;

/// A constant's value by storage class; its logical type is in [`Scalar`].
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Null.
    Null,
    /// Booleans.
    Boolean(bool),
    /// Integers, decimals (unscaled), dates, times, timestamps, durations.
    Integer(i128),
    /// Float32 (widened exactly) and Float64.
    Float(f64),
    /// Strings and binaries.
    Bytes(Vec<u8>),
}

/// A typed constant.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalar {
    /// Its logical type.
    pub data_type: DataType,
    /// Its value.
    pub value: Value,
}
