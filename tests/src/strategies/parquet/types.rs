//! Schemas.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, IntervalUnit, TimeUnit};

use crate::strategies::Choices;

/// Lists, structs and maps above each other, at most.
const DEPTH: usize = 4;

/// Every type of a leaf that the `parquet` crate writes. Small indices are the simplest.
#[must_use]
pub fn leaf_types() -> Vec<DataType> {
    use DataType as T;
    let dictionary = |key, value| T::Dictionary(Box::new(key), Box::new(value));
    let mut types = vec![
        T::Int32,
        T::Int64,
        T::Utf8,
        T::Boolean,
        T::Float64,
        T::Decimal128(15, 2),
        T::Date32,
        T::Int8,
        T::Int16,
        T::UInt8,
        T::UInt16,
        T::UInt32,
        T::UInt64,
        T::Float16,
        T::Float32,
        T::Date64,
        T::Time32(TimeUnit::Second),
        T::Time32(TimeUnit::Millisecond),
        T::Time64(TimeUnit::Microsecond),
        T::Time64(TimeUnit::Nanosecond),
        T::Timestamp(TimeUnit::Second, None),
        T::Timestamp(TimeUnit::Millisecond, None),
        T::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        T::Timestamp(TimeUnit::Nanosecond, Some("+02:00".into())),
        T::Duration(TimeUnit::Millisecond),
        T::Interval(IntervalUnit::YearMonth),
        T::Interval(IntervalUnit::DayTime),
        T::LargeUtf8,
        T::Utf8View,
        T::Binary,
        T::LargeBinary,
        T::BinaryView,
        T::FixedSizeBinary(16),
        T::FixedSizeBinary(1),
        T::FixedSizeBinary(5),
        T::Decimal32(9, 2),
        T::Decimal32(4, 1),
        T::Decimal64(18, 4),
        T::Decimal64(9, 9),
        T::Decimal128(1, 0),
        T::Decimal128(38, 6),
        T::Decimal256(9, 1),
        T::Decimal256(18, 0),
        T::Decimal256(76, 10),
        T::Null,
        dictionary(T::Int32, T::Utf8),
        dictionary(T::UInt8, T::LargeUtf8),
        dictionary(T::Int16, T::Binary),
        dictionary(T::Int32, T::Int64),
        dictionary(T::Int64, T::Utf8),
    ];
    // One of each number of bytes that a fixed-length decimal takes.
    types.extend((19..=38).step_by(3).map(|precision| T::Decimal128(precision, 2)));
    types.extend((39..=76).step_by(5).map(|precision| T::Decimal256(precision, 3)));
    types
}

/// Column number `at`, of any type.
pub fn field(at: usize, choices: &mut Choices) -> Field {
    let depth = if choices.pick(2) == 0 { 0 } else { choices.pick(DEPTH + 1) };
    let name = match choices.pick(12) {
        10 => format!("with.a.dot{at}"),
        11 => format!("\u{f6} {at}"),
        _ => format!("c{at}"),
    };
    let data_type = data_type(depth, choices);
    of(name, data_type, choices)
}

/// Mostly nullable; what is always null is always nullable.
fn of(name: impl Into<String>, data_type: DataType, choices: &mut Choices) -> Field {
    let nullable = choices.pick(4) != 3 || data_type == DataType::Null;
    Field::new(name, data_type, nullable)
}

fn data_type(depth: usize, choices: &mut Choices) -> DataType {
    if depth == 0 {
        return choices.one_of(&leaf_types()).clone();
    }
    let child = |choices: &mut Choices| {
        let data_type = data_type(depth - 1, choices);
        Arc::new(of("item", data_type, choices))
    };
    match choices.pick(6) {
        0 | 1 => DataType::List(child(choices)),
        2 => DataType::Struct(children(depth, choices)),
        3 => DataType::LargeList(child(choices)),
        4 => DataType::FixedSizeList(child(choices), 1 + choices.pick(3) as i32),
        _ => map(depth, choices),
    }
}

/// The first goes to the full depth, the others nowhere.
fn children(depth: usize, choices: &mut Choices) -> Fields {
    let count = 1 + choices.pick(3);
    let child = |at: usize| {
        let data_type = data_type(if at == 0 { depth - 1 } else { 0 }, choices);
        of(format!("f{at}"), data_type, choices)
    };
    (0..count).map(child).collect()
}

fn map(depth: usize, choices: &mut Choices) -> DataType {
    let keys = [DataType::Utf8, DataType::Int32, DataType::FixedSizeBinary(5), DataType::Utf8View];
    let key = Field::new("keys", choices.one_of(&keys).clone(), false);
    let data_type = data_type(depth - 1, choices);
    let value = of("values", data_type, choices);
    let entries = DataType::Struct(Fields::from(vec![key, value]));
    DataType::Map(Arc::new(Field::new("entries", entries, false)), false)
}
