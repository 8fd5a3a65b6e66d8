//! Codes back to keys, in the declared type.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow::datatypes::*;
use arrow::error::ArrowError;

use super::equality::{CodeList, ColumnEncoder, FIRST_DIRECT};
use super::float;
use crate::error::{Error, Result};
use crate::expr::value_type;

/// One key per code; null for none.
pub(super) fn decode(column: &ColumnEncoder, codes: CodeList) -> Result<ArrayRef> {
    use DataType as D;
    let values: ArrayRef = match value_type(&column.data_type) {
        D::Float16 | D::Float32 | D::Float64 => {
            let values: Vec<f64> = codes.codes.iter().map(|&code| float::from_ordered(code)).collect();
            Arc::new(Float64Array::new(values.into(), codes.nulls))
        }
        D::Utf8
        | D::LargeUtf8
        | D::Utf8View
        | D::Binary
        | D::LargeBinary
        | D::BinaryView
        | D::FixedSizeBinary(_) => binary(column, codes)?,
        _ if column.unsigned || !column.interner.is_empty() => {
            let values: Vec<Option<i256>> =
                codes.iter().map(|code| code.map(|code| integer(column, code))).collect();
            return from_integers(&values, &column.data_type);
        }
        _ => return from_words(codes.codes, codes.nulls, &column.data_type),
    };
    to_declared(values, &column.data_type)
}

fn integer(column: &ColumnEncoder, code: i64) -> i256 {
    if column.unsigned {
        return i256::from_i128(i128::from((code ^ i64::MIN).cast_unsigned()));
    }
    if code < FIRST_DIRECT && !column.interner.is_empty() {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(column.interner.value(code.wrapping_sub(i64::MIN) as usize));
        return i256::from_le_bytes(bytes);
    }
    i256::from_i128(code.into())
}

/// Values of the interner, in the declared type where its offsets reach.
fn binary(column: &ColumnEncoder, codes: CodeList) -> Result<ArrayRef> {
    let interner = &column.interner;
    let value = |code: Option<i64>| code.map_or(&[][..], |code| interner.value(code as usize));
    let bytes: usize = codes.iter().map(|code| value(code).len()).sum();
    let mut values = Vec::with_capacity(bytes);
    let mut ends = Vec::with_capacity(codes.codes.len());
    for code in codes.iter() {
        values.extend_from_slice(value(code));
        ends.push(values.len());
    }
    let values = Buffer::from_vec(values);
    Ok(match value_type(&column.data_type) {
        DataType::Utf8 if i32::try_from(bytes).is_ok() => {
            Arc::new(StringArray::try_new(offsets(&ends), values, codes.nulls)?)
        }
        DataType::Binary if i32::try_from(bytes).is_ok() => {
            Arc::new(BinaryArray::try_new(offsets(&ends), values, codes.nulls)?)
        }
        DataType::LargeUtf8 => Arc::new(LargeStringArray::try_new(offsets(&ends), values, codes.nulls)?),
        _ => Arc::new(LargeBinaryArray::try_new(offsets(&ends), values, codes.nulls)?),
    })
}

/// Offsets that are known to fit.
fn offsets<O: OffsetSizeTrait>(ends: &[usize]) -> OffsetBuffer<O> {
    let offsets = std::iter::once(0).chain(ends.iter().copied()).map(O::usize_as);
    OffsetBuffer::new(offsets.collect())
}

/// `values` as an array of `to`: the one conversion back to declared types. Values stay plain where `to` is a dictionary
/// with too few keys for them: whoever needs the dictionary cuts the rows into several arrays.
pub(crate) fn to_declared(values: ArrayRef, to: &DataType) -> Result<ArrayRef> {
    if values.data_type() == to {
        return Ok(values);
    }
    let plain = arrow::compute::cast_with_options(
        values.as_ref(),
        value_type(to),
        &arrow::compute::CastOptions { safe: false, ..Default::default() },
    )?;
    if plain.data_type() == to {
        return Ok(plain);
    }
    match arrow::compute::cast(plain.as_ref(), to) {
        Err(ArrowError::DictionaryKeyOverflowError) => Ok(plain),
        converted => Ok(converted?),
    }
}

/// Integer-like values of 64 bits as an array of `to`; what lies under a null must fit too.
///
/// # Errors
/// [`Error::InvalidInput`] where a value does not fit the machine type of `to`.
pub(crate) fn from_words(values: Vec<i64>, nulls: Option<NullBuffer>, to: &DataType) -> Result<ArrayRef> {
    use DataType as D;
    let plain = value_type(to);
    let array: ArrayRef = match plain {
        D::Int64 => Arc::new(Int64Array::new(values.into(), nulls)),
        D::Date64 | D::Time64(_) | D::Timestamp(..) | D::Duration(_) | D::Decimal64(..) => {
            retyped(Arc::new(Int64Array::new(values.into(), nulls)), plain)?
        }
        D::Decimal128(..) => {
            let values: Vec<i128> = values.iter().map(|&value| value.into()).collect();
            Arc::new(Decimal128Array::new(values.into(), nulls).with_data_type(plain.clone()))
        }
        D::Int32 | D::Date32 | D::Time32(_) | D::Interval(IntervalUnit::YearMonth) | D::Decimal32(..) => {
            let narrow = |&value: &i64| {
                i32::try_from(value).map_err(|_| Error::invalid(format!("{value} as a {plain}")))
            };
            let values: Vec<i32> = values.iter().map(narrow).collect::<Result<_>>()?;
            retyped(Arc::new(Int32Array::new(values.into(), nulls)), plain)?
        }
        _ => {
            let valid = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            let of = |(row, &value): (usize, &i64)| valid(row).then(|| i256::from_i128(value.into()));
            return from_integers(&values.iter().enumerate().map(of).collect::<Vec<_>>(), to);
        }
    };
    to_declared(array, to)
}

/// Integer-like values (booleans, integers, unscaled decimals, times) as an array of `to`.
///
/// # Errors
/// [`Error::InvalidInput`] where a value does not fit the machine type of `to`.
pub(crate) fn from_integers(values: &[Option<i256>], to: &DataType) -> Result<ArrayRef> {
    use DataType as D;
    let plain = value_type(to);
    let misfit = |value: i256| Error::invalid(format!("{value} as a {plain}"));
    macro_rules! native {
        ($kind:ty) => {{
            let natives = values
                .iter()
                .map(|value| {
                    let native = |value: i256| {
                        let narrow = value.to_i128().and_then(|value| value.try_into().ok());
                        narrow.ok_or_else(|| misfit(value))
                    };
                    value.map(native).transpose()
                })
                .collect::<Result<Vec<Option<<$kind as ArrowPrimitiveType>::Native>>>>()?;
            let array: PrimitiveArray<$kind> = natives.into_iter().collect();
            Arc::new(array.with_data_type(plain.clone())) as ArrayRef
        }};
    }
    let array = match plain {
        D::Null => Arc::new(NullArray::new(values.len())) as ArrayRef,
        D::Boolean => Arc::new(
            values.iter().map(|value| value.map(|value| value != i256::ZERO)).collect::<BooleanArray>(),
        ),
        D::Int8 => native!(Int8Type),
        D::Int16 => native!(Int16Type),
        D::Int32 => native!(Int32Type),
        D::Int64 => native!(Int64Type),
        D::UInt8 => native!(UInt8Type),
        D::UInt16 => native!(UInt16Type),
        D::UInt32 => native!(UInt32Type),
        D::UInt64 => native!(UInt64Type),
        D::Date32 | D::Time32(_) | D::Interval(IntervalUnit::YearMonth) => i32_typed(values, plain, &misfit)?,
        D::Date64 | D::Time64(_) | D::Timestamp(..) | D::Duration(_) => i64_typed(values, plain, &misfit)?,
        D::Decimal32(..) => native!(Decimal32Type),
        D::Decimal64(..) => native!(Decimal64Type),
        D::Decimal128(..) => native!(Decimal128Type),
        D::Decimal256(..) => {
            let array: PrimitiveArray<Decimal256Type> = values.iter().copied().collect();
            Arc::new(array.with_data_type(plain.clone()))
        }
        other => return Err(Error::invalid(format!("integers as {other}"))),
    };
    to_declared(array, to)
}

fn i32_typed(values: &[Option<i256>], to: &DataType, misfit: &dyn Fn(i256) -> Error) -> Result<ArrayRef> {
    let natives = natives::<i32>(values, misfit)?;
    retyped(Arc::new(Int32Array::from(natives)), to)
}

fn i64_typed(values: &[Option<i256>], to: &DataType, misfit: &dyn Fn(i256) -> Error) -> Result<ArrayRef> {
    let natives = natives::<i64>(values, misfit)?;
    retyped(Arc::new(Int64Array::from(natives)), to)
}

fn natives<T: TryFrom<i128>>(
    values: &[Option<i256>],
    misfit: &dyn Fn(i256) -> Error,
) -> Result<Vec<Option<T>>> {
    let native =
        |value: i256| value.to_i128().and_then(|value| T::try_from(value).ok()).ok_or_else(|| misfit(value));
    values.iter().map(|value| value.map(native).transpose()).collect()
}

/// The same bits under another type of the same width.
fn retyped(array: ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let data = array.to_data();
    let nulls: Option<NullBuffer> = data.nulls().cloned();
    let data = arrow::array::ArrayData::builder(to.clone())
        .len(data.len())
        .nulls(nulls)
        .buffers(data.buffers().to_vec())
        .build()?;
    Ok(make_array(data))
}
