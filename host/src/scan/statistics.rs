//! What a column chunk's statistics prove about its values.

use std::cmp::Ordering;

use arrow::datatypes::DataType;
use parquet::basic::{ColumnOrder, Type as PhysicalType};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;
use pilaster_kernels::expr::Value;

/// Facts about all values of a column in one row group. The default knows nothing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Facts {
    /// No value is smaller.
    pub(super) min: Option<Value>,
    /// No value is greater.
    pub(super) max: Option<Value>,
    /// A null may be there.
    pub(super) nulls: bool,
    /// A value that is not null may be there.
    pub(super) values: bool,
}

impl Default for Facts {
    fn default() -> Self {
        Self { min: None, max: None, nulls: true, values: true }
    }
}

impl Facts {
    /// Of a column that the file does not have.
    pub(super) fn all_null() -> Self {
        Self { values: false, ..Self::default() }
    }

    /// Of a column that has this value in every row.
    pub(super) fn constant(value: &Value) -> Self {
        match value {
            Value::Null => Self::all_null(),
            value => Self { min: Some(value.clone()), max: Some(value.clone()), nulls: false, values: true },
        }
    }

    /// Of a flat column chunk whose values are read as `data_type` without a cast.
    ///
    /// Not trusted: bounds in the deprecated fields unless the order is that of signed numbers; bounds of columns whose
    /// order the file leaves undefined; bounds of byte strings that are not flagged exact (some writers cut the maximum
    /// without rounding it up); bounds that contradict each other. NaN is our greatest float and no statistics count it, so
    /// floats have no maximum, and a NaN among the bounds discards both.
    pub(super) fn of(chunk: &ColumnChunkMetaData, data_type: &DataType, order: ColumnOrder) -> Self {
        let Some(statistics) = chunk.statistics() else { return Self::default() };
        let rows = chunk.num_values().unsigned_abs();
        let null_count = statistics.null_count_opt().filter(|&count| count <= rows);
        let nulls = chunk.column_descr().max_def_level() > 0 && null_count != Some(0);
        let values = null_count != Some(rows);
        let (min, max) = bounds(statistics, data_type, order);
        let contradict = matches!((&min, &max), (Some(min), Some(max)) if compare(min, max) != Some(Ordering::Less)
            && compare(min, max) != Some(Ordering::Equal));
        let (min, max) = if contradict { (None, None) } else { (min, max) };
        Self { min, max, nulls, values }
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

fn bounds(
    statistics: &Statistics,
    data_type: &DataType,
    order: ColumnOrder,
) -> (Option<Value>, Option<Value>) {
    let defined = matches!(order, ColumnOrder::TYPE_DEFINED_ORDER(_)) && !statistics.is_min_max_deprecated();
    let integer = |value: Option<i128>| value.map(Value::Integer);
    match data_type {
        DataType::Boolean => match statistics {
            Statistics::Boolean(s) => {
                (s.min_opt().map(|&min| Value::Boolean(min)), s.max_opt().map(|&max| Value::Boolean(max)))
            }
            _ => (None, None),
        },
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 if defined => {
            match statistics {
                Statistics::Int32(s) => {
                    let unsigned =
                        |value: Option<&i32>| integer(value.map(|&value| i128::from(value.cast_unsigned())));
                    (unsigned(s.min_opt()), unsigned(s.max_opt()))
                }
                Statistics::Int64(s) => {
                    let unsigned =
                        |value: Option<&i64>| integer(value.map(|&value| i128::from(value.cast_unsigned())));
                    (unsigned(s.min_opt()), unsigned(s.max_opt()))
                }
                _ => (None, None),
            }
        }
        signed if is_signed(signed) => match statistics {
            Statistics::Int32(s) => (
                integer(s.min_opt().map(|&value| value.into())),
                integer(s.max_opt().map(|&value| value.into())),
            ),
            Statistics::Int64(s) => (
                integer(s.min_opt().map(|&value| value.into())),
                integer(s.max_opt().map(|&value| value.into())),
            ),
            _ => (None, None),
        },
        DataType::Float32 | DataType::Float64 => (lower_float(statistics), None),
        text if is_bytes(text) && defined && statistics.physical_type() == PhysicalType::BYTE_ARRAY => {
            let min = statistics.min_bytes_opt().filter(|_| statistics.min_is_exact());
            let max = statistics.max_bytes_opt().filter(|_| statistics.max_is_exact());
            (min.map(|min| Value::Bytes(min.to_vec())), max.map(|max| Value::Bytes(max.to_vec())))
        }
        _ => (None, None),
    }
}

fn is_signed(data_type: &DataType) -> bool {
    // Date64 and Timestamp seconds may be stored scaled; their stored statistics are not in their own unit.
    data_type.is_signed_integer()
        || matches!(
            data_type,
            DataType::Date32
                | DataType::Time32(_)
                | DataType::Time64(_)
                | DataType::Timestamp(_, _)
                | DataType::Decimal32(_, _)
                | DataType::Decimal64(_, _)
                | DataType::Decimal128(_, _)
        )
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

/// A lower bound: NaN is never below it, so that values the statistics do not count cannot break it.
fn lower_float(statistics: &Statistics) -> Option<Value> {
    let (min, max) = match statistics {
        Statistics::Float(s) => (f64::from(*s.min_opt()?), s.max_opt().map(|&max| f64::from(max))),
        Statistics::Double(s) => (*s.min_opt()?, s.max_opt().copied()),
        _ => return None,
    };
    let polluted = min.is_nan() || max.is_some_and(f64::is_nan);
    (!polluted && !statistics.is_min_max_deprecated()).then_some(Value::Float(min))
}
