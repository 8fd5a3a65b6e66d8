//! Words from the device back to Arrow arrays of the declared type.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, Float32Array, Float64Array, PrimitiveArray,
    UInt32Array,
};
use arrow::compute::{cast, sort_to_indices, take};
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, DurationMicrosecondType,
    DurationMillisecondType, DurationNanosecondType, DurationSecondType, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType,
    TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type, i256,
};

use crate::error::{Backend, Error, Result};
use crate::expr::wgsl::{Class, ValueInfo};
use crate::gpu::column::Dictionary;

/// The words of one value of `class`, low word first, as one integer: sign-extended; the bits of a float; a code.
pub(super) fn integer(class: Class, words: &[u32]) -> i128 {
    let bits = words.iter().rev().fold(0u128, |bits, &word| bits << 32 | u128::from(word));
    match class {
        Class::I32 => i128::from(bits as i32),
        Class::I64 => i128::from(bits as i64),
        Class::I128 | Class::Code | Class::Bool | Class::F32 | Class::F64 => bits as i128,
    }
}

/// A two's complement number of any length up to eight words, low word first.
pub(super) fn wide(words: &[u32]) -> i256 {
    let is_negative = words.last().is_some_and(|&word| word >> 31 == 1);
    let mut bytes = if is_negative { [0xff; 32] } else { [0; 32] };
    for (bytes, word) in bytes.chunks_exact_mut(4).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    i256::from_le_bytes(bytes)
}

/// An unsigned number of one or two words.
pub(super) fn count(words: &[u32]) -> u64 {
    words.iter().rev().fold(0, |count, &word| count << 32 | u64::from(word))
}

/// The words of a value of `class` from the words of its place in the order, highest first; the accumulate stage made
/// them. Codes stay ranks.
pub(super) fn from_order_words(class: Class, words: &[u32]) -> Vec<u32> {
    const SIGN: u32 = 1 << 31;
    let mut words: Vec<u32> = words.iter().rev().copied().collect();
    let Some(top) = words.last_mut() else { return words };
    match class {
        Class::Code | Class::Bool => {}
        Class::I32 | Class::I64 | Class::I128 => *top ^= SIGN,
        Class::F32 | Class::F64 if *top & SIGN != 0 => *top ^= SIGN,
        Class::F32 | Class::F64 => words.iter_mut().for_each(|word| *word = !*word),
    }
    words
}

/// Place of each value of a dictionary among its values, in the order of bytes.
pub(super) fn ranks(dictionary: &Dictionary) -> Result<Vec<u32>> {
    let order = sort_to_indices(&dictionary.values, None, None)?;
    let mut ranks = vec![0; order.len()];
    for (rank, &code) in order.values().iter().enumerate() {
        ranks[code as usize] = rank as u32;
    }
    Ok(ranks)
}

/// An array of the value's declared type from integers as [`integer`] reads them.
pub(super) fn array(info: &ValueInfo, values: &[Option<i128>]) -> Result<ArrayRef> {
    let array: ArrayRef = match info.class {
        Class::Bool => Arc::new(values.iter().map(|v| v.map(|v| v != 0)).collect::<BooleanArray>()),
        Class::F32 => {
            Arc::new(values.iter().map(|v| v.map(|v| f32::from_bits(v as u32))).collect::<Float32Array>())
        }
        Class::F64 => {
            Arc::new(values.iter().map(|v| v.map(|v| f64::from_bits(v as u64))).collect::<Float64Array>())
        }
        Class::Code => strings(info, values)?,
        Class::I32 | Class::I64 | Class::I128 => return integers(&info.data_type, values),
    };
    if array.data_type() == &info.data_type { Ok(array) } else { Ok(cast(&array, &info.data_type)?) }
}

fn strings(info: &ValueInfo, values: &[Option<i128>]) -> Result<ArrayRef> {
    let dictionary = info.dictionary.as_ref();
    let dictionary = dictionary.ok_or_else(|| Error::invalid("dictionary codes without a dictionary"))?;
    let distinct = dictionary.values.len();
    let code = |value: i128| match u32::try_from(value) {
        Ok(code) if (code as usize) < distinct => Ok(code),
        _ => Err(corrupt(format!("code {value} of a dictionary of {distinct}"))),
    };
    let codes = values.iter().map(|value| value.map(code).transpose()).collect::<Result<UInt32Array>>()?;
    Ok(take(&dictionary.values, &codes, None)?)
}

fn integers(data_type: &DataType, values: &[Option<i128>]) -> Result<ArrayRef> {
    match data_type {
        DataType::Int8 => primitive::<Int8Type>(data_type, values),
        DataType::Int16 => primitive::<Int16Type>(data_type, values),
        DataType::Int32 => primitive::<Int32Type>(data_type, values),
        DataType::Int64 => primitive::<Int64Type>(data_type, values),
        DataType::UInt8 => primitive::<UInt8Type>(data_type, values),
        DataType::UInt16 => primitive::<UInt16Type>(data_type, values),
        DataType::UInt32 => primitive::<UInt32Type>(data_type, values),
        DataType::UInt64 => primitive::<UInt64Type>(data_type, values),
        DataType::Decimal32(..) => primitive::<Decimal32Type>(data_type, values),
        DataType::Decimal64(..) => primitive::<Decimal64Type>(data_type, values),
        DataType::Decimal128(..) => primitive::<Decimal128Type>(data_type, values),
        DataType::Date32 => primitive::<Date32Type>(data_type, values),
        DataType::Date64 => primitive::<Date64Type>(data_type, values),
        DataType::Time32(TimeUnit::Second) => primitive::<Time32SecondType>(data_type, values),
        DataType::Time32(_) => primitive::<Time32MillisecondType>(data_type, values),
        DataType::Time64(TimeUnit::Microsecond) => primitive::<Time64MicrosecondType>(data_type, values),
        DataType::Time64(_) => primitive::<Time64NanosecondType>(data_type, values),
        DataType::Timestamp(unit, _) => match unit {
            TimeUnit::Second => primitive::<TimestampSecondType>(data_type, values),
            TimeUnit::Millisecond => primitive::<TimestampMillisecondType>(data_type, values),
            TimeUnit::Microsecond => primitive::<TimestampMicrosecondType>(data_type, values),
            TimeUnit::Nanosecond => primitive::<TimestampNanosecondType>(data_type, values),
        },
        DataType::Duration(unit) => match unit {
            TimeUnit::Second => primitive::<DurationSecondType>(data_type, values),
            TimeUnit::Millisecond => primitive::<DurationMillisecondType>(data_type, values),
            TimeUnit::Microsecond => primitive::<DurationMicrosecondType>(data_type, values),
            TimeUnit::Nanosecond => primitive::<DurationNanosecondType>(data_type, values),
        },
        DataType::Dictionary(_, of) => Ok(cast(&integers(of, values)?, data_type)?),
        other => Err(Error::unsupported(format!("{other} as a result of an aggregation"), Backend::Gpu)),
    }
}

fn primitive<T: ArrowPrimitiveType>(data_type: &DataType, values: &[Option<i128>]) -> Result<ArrayRef>
where
    T::Native: TryFrom<i128>,
{
    let native = |value: i128| {
        T::Native::try_from(value).map_err(|_| corrupt(format!("{value} as a value of {data_type}")))
    };
    let values = values.iter().map(|value| value.map(native).transpose());
    let array = values.collect::<Result<PrimitiveArray<T>>>()?;
    Ok(Arc::new(array.with_data_type(data_type.clone())))
}

/// What the device handed back cannot be: the CPU shall answer.
pub(super) fn corrupt(what: impl std::fmt::Display) -> Error {
    Error::Device { stage: "aggregate/decode".into(), reason: format!("read back {what}") }
}
