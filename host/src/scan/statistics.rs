//! What statistics prove about the values of a column: of a row group, of a page, of a partition folder.

use std::cmp::Ordering;

use arrow::datatypes::DataType;
use parquet::basic::{ColumnOrder, Type as PhysicalType};
use parquet::file::metadata::ColumnChunkMetaData;
use pilaster_kernels::expr::Value;

/// Facts about all values of a column in some rows. The default knows nothing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Facts {
    /// No value is smaller; NaN is above any.
    pub(super) min: Option<Value>,
    /// No value is greater, but for NaN.
    pub(super) max: Option<Value>,
    /// A null may be there.
    pub(super) nulls: bool,
    /// A value that is not null may be there.
    pub(super) values: bool,
    /// A NaN may be there: no statistics count them.
    pub(super) nan: bool,
}

impl Default for Facts {
    fn default() -> Self {
        Self { min: None, max: None, nulls: true, values: true, nan: true }
    }
}

/// Bounds as a file states them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stated<'a> {
    pub(super) min: Option<&'a [u8]>,
    pub(super) max: Option<&'a [u8]>,
    /// The maximum is a value of the column, and not a cut one.
    pub(super) exact_max: bool,
    /// They stand in the fields that were given up since their order is not defined.
    pub(super) deprecated: bool,
    pub(super) nulls: Option<u64>,
}

/// How a column's values are stored, and what they mean.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored<'a> {
    pub(super) physical: PhysicalType,
    /// Bytes of a value of fixed length.
    pub(super) length: i32,
    /// The type that the file's schema gives.
    pub(super) data_type: &'a DataType,
    /// The order of its statistics.
    pub(super) order: ColumnOrder,
    pub(super) nullable: bool,
}

impl<'a> Stored<'a> {
    pub(super) fn of(chunk: &ColumnChunkMetaData, data_type: &'a DataType, order: ColumnOrder) -> Self {
        let descriptor = chunk.column_descr();
        Self {
            physical: chunk.column_type(),
            length: descriptor.type_length(),
            data_type,
            order,
            nullable: descriptor.max_def_level() > 0,
        }
    }
}

impl Facts {
    /// Of a column that the file does not have.
    pub(super) fn all_null() -> Self {
        Self { values: false, nan: false, ..Self::default() }
    }

    /// Of a column that has this value in every row.
    pub(super) fn constant(value: &Value) -> Self {
        match value {
            Value::Null => Self::all_null(),
            Value::Float(float) if float.is_nan() => Self { nulls: false, ..Self::default() },
            value => Self {
                min: Some(value.clone()),
                max: Some(value.clone()),
                nulls: false,
                values: true,
                nan: false,
            },
        }
    }

    /// Of the values of a flat column chunk.
    pub(super) fn of(chunk: &ColumnChunkMetaData, data_type: &DataType, order: ColumnOrder) -> Self {
        let stored = Stored::of(chunk, data_type, order);
        let Some(statistics) = chunk.statistics() else {
            return Self::stated(stored, chunk.num_values().unsigned_abs(), Stated::default());
        };
        let stated = Stated {
            min: statistics.min_bytes_opt(),
            max: statistics.max_bytes_opt(),
            exact_max: statistics.max_is_exact(),
            deprecated: statistics.is_min_max_deprecated(),
            nulls: statistics.null_count_opt(),
        };
        Self::stated(stored, chunk.num_values().unsigned_abs(), stated)
    }

    /// Of `rows` values of a flat column, by what the file states of them.
    ///
    /// Not trusted: bounds in the deprecated fields unless the order is that of signed numbers; bounds of columns whose
    /// order the file leaves undefined; bounds that contradict each other, or that say a column of nulls has values;
    /// counts of nulls that pass the rows. A maximum of bytes that is not flagged exact counts together with everything
    /// that begins with it, since some writers cut it without rounding it up; a cut minimum stays below. A NaN
    /// among the bounds discards both; elsewhere a NaN may be there, uncounted.
    pub(super) fn stated(stored: Stored<'_>, rows: u64, stated: Stated<'_>) -> Self {
        let null_count = stated.nulls.filter(|&count| count <= rows);
        let bounded = stated.min.is_some() || stated.max.is_some();
        let nulls = stored.nullable && null_count != Some(0);
        // Bounds of no value contradict the count.
        let values = bounded || null_count != Some(rows) || !stored.nullable && rows > 0;
        let (min, max) = bounds(stored, stated);
        let contradict = min
            .as_ref()
            .zip(max.as_ref())
            .is_some_and(|(min, max)| !matches!(compare(min, max), Some(Ordering::Less | Ordering::Equal)));
        let (min, max) = if contradict { (None, None) } else { (min, max) };
        Self { min, max, nulls, values, nan: is_float(stored.data_type) }
    }
}

/// Order of two values of one type; `None` where they are not of one storage class. Floats by the semantics page: NaN
/// greatest, zeros equal.
pub(super) fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Boolean(left), Value::Boolean(right)) => Some(left.cmp(right)),
        (Value::Integer(left), Value::Integer(right)) => Some(left.cmp(right)),
        (Value::Bytes(left), Value::Bytes(right)) => Some(left.cmp(right)),
        (Value::Float(left), Value::Float(right)) => Some(match (left.is_nan(), right.is_nan()) {
            (false, false) if left < right => Ordering::Less,
            (false, false) if left > right => Ordering::Greater,
            (false, false) => Ordering::Equal,
            (left, right) => left.cmp(&right),
        }),
        _ => None,
    }
}

fn is_float(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Float16 | DataType::Float32 | DataType::Float64)
}

fn bounds(stored: Stored<'_>, stated: Stated<'_>) -> (Option<Value>, Option<Value>) {
    let defined = !stated.deprecated && matches!(stored.order, ColumnOrder::TYPE_DEFINED_ORDER(_));
    let trusted = defined || (stated.deprecated && is_signed(stored));
    if !trusted {
        return (None, None);
    }
    let min = stated.min.and_then(|bytes| decode(stored, bytes));
    let max = stated.max.and_then(|bytes| decode(stored, bytes));
    let nan = |value: &Option<Value>| matches!(value, Some(Value::Float(float)) if float.is_nan());
    if nan(&min) || nan(&max) {
        return (None, None);
    }
    let max = match max {
        Some(Value::Bytes(bytes)) if !stated.exact_max => after_all_with(bytes).map(Value::Bytes),
        max => max,
    };
    (min, max)
}

/// Numbers whose order was the same before orders were defined.
fn is_signed(stored: Stored<'_>) -> bool {
    let data_type = stored.data_type;
    let numbers = data_type.is_signed_integer()
        || matches!(
            data_type,
            DataType::Date32
                | DataType::Time32(_)
                | DataType::Time64(_)
                | DataType::Timestamp(_, _)
                | DataType::Decimal32(_, _)
                | DataType::Decimal64(_, _)
                | DataType::Decimal128(_, _)
        );
    numbers && matches!(stored.physical, PhysicalType::INT32 | PhysicalType::INT64)
}

/// The least string of bytes above all that begin with `prefix`; none where there is none.
pub(super) fn after_all_with(mut prefix: Vec<u8>) -> Option<Vec<u8>> {
    while let Some(last) = prefix.pop() {
        if last < u8::MAX {
            prefix.push(last + 1);
            return Some(prefix);
        }
    }
    None
}

/// One value as statistics write it: plain, without a length.
pub(super) fn decode(stored: Stored<'_>, bytes: &[u8]) -> Option<Value> {
    let i32 = || bytes.try_into().ok().map(i32::from_le_bytes);
    let i64 = || bytes.try_into().ok().map(i64::from_le_bytes);
    let integer = |value: i128| Some(Value::Integer(value));
    match (stored.data_type, stored.physical) {
        (DataType::Boolean, PhysicalType::BOOLEAN) => match bytes {
            [0] => Some(Value::Boolean(false)),
            [1] => Some(Value::Boolean(true)),
            _ => None,
        },
        (unsigned, PhysicalType::INT32) if unsigned.is_unsigned_integer() => {
            integer(i32()?.cast_unsigned().into())
        }
        (unsigned, PhysicalType::INT64) if unsigned.is_unsigned_integer() => {
            integer(i64()?.cast_unsigned().into())
        }
        (_, PhysicalType::INT32) if is_signed(stored) => integer(i32()?.into()),
        (_, PhysicalType::INT64) if is_signed(stored) => integer(i64()?.into()),
        (DataType::Decimal128(_, _), PhysicalType::FIXED_LEN_BYTE_ARRAY) => {
            let fits = usize::try_from(stored.length).is_ok_and(|length| length == bytes.len());
            integer(big_endian(bytes).filter(|_| fits)?)
        }
        (DataType::Float32, PhysicalType::FLOAT) => {
            Some(Value::Float(bytes.try_into().ok().map(f32::from_le_bytes)?.into()))
        }
        (DataType::Float64, PhysicalType::DOUBLE) => {
            Some(Value::Float(bytes.try_into().ok().map(f64::from_le_bytes)?))
        }
        (text, PhysicalType::BYTE_ARRAY) if is_bytes(text) => Some(Value::Bytes(bytes.to_vec())),
        (DataType::FixedSizeBinary(_), PhysicalType::FIXED_LEN_BYTE_ARRAY) => {
            Some(Value::Bytes(bytes.to_vec()))
        }
        _ => None,
    }
}

/// Two's complement, most significant byte first.
fn big_endian(bytes: &[u8]) -> Option<i128> {
    let first = *bytes.first()?;
    let sign = if first & 0x80 == 0 { 0 } else { -1 };
    (bytes.len() <= 16).then(|| bytes.iter().fold(sign, |value, &byte| value << 8 | i128::from(byte)))
}

fn is_bytes(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_bytes(values),
        other => matches!(
            other,
            DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Utf8View
                | DataType::Binary
                | DataType::LargeBinary
                | DataType::BinaryView
        ),
    }
}

#[cfg(test)]
mod tests;
