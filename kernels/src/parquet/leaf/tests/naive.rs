//! The array that a column of physical values is, one value at a time.

use std::sync::Arc;

use arrow::array::*;
use arrow::compute::cast;
use arrow::datatypes::{DataType as A, IntervalDayTime, IntervalUnit, TimeUnit, i256};

use super::Value;
use crate::parquet::Physical;

type Half = <arrow::datatypes::Float16Type as arrow::datatypes::ArrowPrimitiveType>::Native;

fn int(value: &Value) -> i64 {
    match value.len() {
        4 => i64::from(i32::from_le_bytes(value[..].try_into().unwrap())),
        _ => i64::from_le_bytes(value[..8].try_into().unwrap()),
    }
}

/// Big-endian two's complement.
fn big(value: &Value) -> i256 {
    let fill = if value.first().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
    let mut wide = [fill; 32];
    wide[32 - value.len()..].copy_from_slice(value);
    i256::from_be_bytes(wide)
}

fn decimal(physical: Physical, value: &Value) -> i256 {
    match physical {
        Physical::Int32 | Physical::Int64 => i256::from_i128(i128::from(int(value))),
        _ => big(value),
    }
}

fn int96(value: &Value, per_second: i64) -> i64 {
    let nanoseconds = i64::from_le_bytes(value[..8].try_into().unwrap());
    let day = i64::from(i32::from_le_bytes(value[8..].try_into().unwrap()));
    (day - 2_440_588)
        .wrapping_mul(86_400 * per_second)
        .wrapping_add(nanoseconds / (1_000_000_000 / per_second))
}

pub fn array(physical: Physical, data_type: &A, values: &[Option<Value>]) -> ArrayRef {
    let integers = || values.iter().map(|value| value.as_ref().map(int));
    let decimals = || values.iter().map(|value| value.as_ref().map(|value| decimal(physical, value)));
    let texts = || values.iter().map(|value| value.as_ref().map(|value| std::str::from_utf8(value).unwrap()));
    let bytes = || values.iter().map(|value| value.as_deref());
    match data_type {
        A::Null => Arc::new(NullArray::new(values.len())),
        A::Boolean => {
            Arc::new(values.iter().map(|v| v.as_ref().map(|v| v[0] == 1)).collect::<BooleanArray>())
        }
        A::Int8 => Arc::new(integers().map(|v| v.map(|v| v as i8)).collect::<Int8Array>()),
        A::Int16 => Arc::new(integers().map(|v| v.map(|v| v as i16)).collect::<Int16Array>()),
        A::Int32 => Arc::new(integers().map(|v| v.map(|v| v as i32)).collect::<Int32Array>()),
        A::Int64 => Arc::new(integers().collect::<Int64Array>()),
        A::UInt8 => Arc::new(integers().map(|v| v.map(|v| v as u8)).collect::<UInt8Array>()),
        A::UInt16 => Arc::new(integers().map(|v| v.map(|v| v as u16)).collect::<UInt16Array>()),
        A::UInt32 => Arc::new(integers().map(|v| v.map(|v| v as u32)).collect::<UInt32Array>()),
        A::UInt64 if physical == Physical::Int32 => {
            Arc::new(integers().map(|v| v.map(|v| u64::from(v as u32))).collect::<UInt64Array>())
        }
        A::UInt64 => Arc::new(integers().map(|v| v.map(|v| v as u64)).collect::<UInt64Array>()),
        A::Date64 if physical == Physical::Int32 => {
            Arc::new(integers().map(|v| v.map(|v| v * 86_400_000)).collect::<Date64Array>())
        }
        A::Timestamp(unit, _) if physical == Physical::Int96 => {
            let per_second = match unit {
                TimeUnit::Second => 1,
                TimeUnit::Millisecond => 1_000,
                TimeUnit::Microsecond => 1_000_000,
                TimeUnit::Nanosecond => 1_000_000_000,
            };
            let values = values.iter().map(|v| v.as_ref().map(|v| int96(v, per_second)));
            cast(&values.collect::<Int64Array>(), data_type).unwrap()
        }
        A::Date32 | A::Time32(_) => {
            cast(&integers().map(|v| v.map(|v| v as i32)).collect::<Int32Array>(), data_type).unwrap()
        }
        A::Date64 | A::Time64(_) | A::Timestamp(..) | A::Duration(_) => {
            cast(&integers().collect::<Int64Array>(), data_type).unwrap()
        }
        A::Float16 => {
            let half = |v: &Value| Half::from_le_bytes([v[0], v[1]]);
            Arc::new(values.iter().map(|v| v.as_ref().map(half)).collect::<Float16Array>())
        }
        A::Float32 => {
            let float = |v: &Value| f32::from_le_bytes(v[..].try_into().unwrap());
            Arc::new(values.iter().map(|v| v.as_ref().map(float)).collect::<Float32Array>())
        }
        A::Float64 if physical == Physical::Float => {
            let float = |v: &Value| f64::from(f32::from_le_bytes(v[..].try_into().unwrap()));
            Arc::new(values.iter().map(|v| v.as_ref().map(float)).collect::<Float64Array>())
        }
        A::Float64 => {
            let float = |v: &Value| f64::from_le_bytes(v[..].try_into().unwrap());
            Arc::new(values.iter().map(|v| v.as_ref().map(float)).collect::<Float64Array>())
        }
        A::Interval(IntervalUnit::YearMonth) => {
            Arc::new(integers().map(|v| v.map(|v| v as i32)).collect::<IntervalYearMonthArray>())
        }
        A::Interval(_) => {
            let number = |v: &[u8]| i32::from_le_bytes(v.try_into().unwrap());
            let interval = |v: &Value| IntervalDayTime::new(number(&v[4..8]), number(&v[8..]));
            Arc::new(values.iter().map(|v| v.as_ref().map(interval)).collect::<IntervalDayTimeArray>())
        }
        A::Decimal32(p, s) => {
            let array =
                decimals().map(|v| v.map(|v| v.to_i128().unwrap() as i32)).collect::<Decimal32Array>();
            Arc::new(array.with_precision_and_scale(*p, *s).unwrap())
        }
        A::Decimal64(p, s) => {
            let array =
                decimals().map(|v| v.map(|v| v.to_i128().unwrap() as i64)).collect::<Decimal64Array>();
            Arc::new(array.with_precision_and_scale(*p, *s).unwrap())
        }
        A::Decimal128(p, s) => {
            let array = decimals().map(|v| v.map(|v| v.to_i128().unwrap())).collect::<Decimal128Array>();
            Arc::new(array.with_precision_and_scale(*p, *s).unwrap())
        }
        A::Decimal256(p, s) => {
            Arc::new(decimals().collect::<Decimal256Array>().with_precision_and_scale(*p, *s).unwrap())
        }
        A::FixedSizeBinary(size) => {
            Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(bytes(), *size).unwrap())
        }
        A::Binary => Arc::new(bytes().collect::<BinaryArray>()),
        A::LargeBinary => Arc::new(bytes().collect::<LargeBinaryArray>()),
        A::BinaryView => Arc::new(bytes().collect::<BinaryViewArray>()),
        A::Utf8 => Arc::new(texts().collect::<StringArray>()),
        A::LargeUtf8 => Arc::new(texts().collect::<LargeStringArray>()),
        A::Utf8View => Arc::new(texts().collect::<StringViewArray>()),
        other => panic!("no naive array of {other}"),
    }
}
