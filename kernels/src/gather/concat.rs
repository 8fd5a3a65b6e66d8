//! Columns of one logical type and several physical ones, joined end to end.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, DictionaryArray, PrimitiveArray, downcast_dictionary_array,
    downcast_primitive, new_empty_array,
};
use arrow::datatypes::{ArrowDictionaryKeyType, DataType};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::expr::value_type;

/// Rows from which they are copied on all threads, and those that a thread copies in one go.
const PARALLEL_ROWS: usize = 1 << 18;
const COPIED_ROWS: usize = 1 << 16;

/// Joins `parts` end to end. All are of the logical type `data_type`, but may differ in how they are stored: strings
/// plain or as dictionaries, decimals of one scale in any width. The result has the parts' common physical type, the
/// widest decimal among them, and `data_type` where they have nothing in common; over no parts, it is empty.
///
/// # Errors
/// [`Error::InvalidInput`] where a part is not of the logical type.
pub fn concat(parts: &[ArrayRef], data_type: &DataType) -> Result<ArrayRef> {
    if parts.is_empty() {
        return Ok(new_empty_array(data_type));
    }
    if let [only] = parts {
        return Ok(Arc::clone(only));
    }
    let target = common_type(parts.iter().map(|part| part.data_type()), data_type)?;
    let aligned = parts.iter().map(|part| align(part, &target)).collect::<Result<Vec<_>>>()?;
    if let Some(joined) = join_on_pool(&aligned, &target) {
        return Ok(joined);
    }
    // Keys of a dictionary may run out when many are joined: then the values travel plain.
    if !keys_may_suffice(&aligned) {
        return plain(parts, &target);
    }
    let aligned: Vec<&dyn Array> = aligned.iter().map(AsRef::as_ref).collect();
    match arrow::compute::concat(&aligned) {
        Ok(joined) => Ok(joined),
        Err(_) if matches!(target, DataType::Dictionary(..)) => plain(parts, &target),
        Err(error) => Err(error.into()),
    }
}

/// Many numbers without nulls, copied on all threads of the current rayon pool: fresh memory is most of the cost, and is
/// cleared by whoever touches it first.
fn join_on_pool(parts: &[ArrayRef], target: &DataType) -> Option<ArrayRef> {
    let rows: usize = parts.iter().map(|part| part.len()).sum();
    let plain = parts.iter().all(|part| part.null_count() == 0);
    if rows < PARALLEL_ROWS || !plain {
        return None;
    }
    macro_rules! joined {
        ($kind:ty) => {
            Some(join_values::<$kind>(parts, rows, target))
        };
    }
    downcast_primitive! {
        target => (joined),
        _ => None
    }
}

fn join_values<T: ArrowPrimitiveType>(parts: &[ArrayRef], rows: usize, target: &DataType) -> ArrayRef {
    let mut values = vec![T::default_value(); rows];
    let mut copies = Vec::new();
    let mut rest = values.as_mut_slice();
    for part in parts {
        let source = part.as_primitive::<T>().values().as_ref();
        let (own, after) = std::mem::take(&mut rest).split_at_mut(source.len());
        copies.extend(own.chunks_mut(COPIED_ROWS).zip(source.chunks(COPIED_ROWS)));
        rest = after;
    }
    copies.into_par_iter().for_each(|(own, source)| own.copy_from_slice(source));
    Arc::new(PrimitiveArray::<T>::new(values.into(), None).with_data_type(target.clone()))
}

/// Dictionaries joined as their values.
fn plain(parts: &[ArrayRef], target: &DataType) -> Result<ArrayRef> {
    let plain = value_type(target).clone();
    let parts = parts.iter().map(|part| align(part, &plain)).collect::<Result<Vec<_>>>()?;
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    Ok(arrow::compute::concat(&parts)?)
}

/// False where dictionaries have more values than keys can tell, and arrow would not merge those that are equal but panic:
/// it merges plain strings, binaries and numbers, and neither views nor anything else.
fn keys_may_suffice(parts: &[ArrayRef]) -> bool {
    let merges = |value: &DataType| {
        use DataType::{Binary, LargeBinary, LargeUtf8, Utf8};
        value.is_primitive() || matches!(value, Utf8 | LargeUtf8 | Binary | LargeBinary)
    };
    match parts.first().map(|part| part.data_type()) {
        Some(DataType::Dictionary(_, value)) if !merges(value) => keys_suffice(parts),
        _ => true,
    }
}

/// True where keys can tell the values of all dictionaries side by side; always for other arrays, and where all share one.
pub(crate) fn keys_suffice(parts: &[ArrayRef]) -> bool {
    let values: usize = parts.iter().map(dictionary_values).sum();
    let dictionary = |part: &ArrayRef| part.as_any_dictionary_opt().map(|part| Arc::clone(part.values()));
    let first = parts.first().and_then(dictionary);
    let shared = |part: &ArrayRef| match (&first, dictionary(part)) {
        (Some(first), Some(own)) => Arc::ptr_eq(first, &own),
        _ => true,
    };
    if parts.iter().all(shared) {
        return true;
    }
    match parts.first().map(|part| part.data_type()) {
        Some(DataType::Dictionary(key, _)) => match **key {
            DataType::Int8 => i8::try_from(values).is_ok(),
            DataType::UInt8 => u8::try_from(values).is_ok(),
            DataType::Int16 => i16::try_from(values).is_ok(),
            DataType::UInt16 => u16::try_from(values).is_ok(),
            _ => i32::try_from(values).is_ok(),
        },
        _ => true,
    }
}

fn dictionary_values(part: &ArrayRef) -> usize {
    let array = part.as_ref();
    downcast_dictionary_array!(array => array.values().len(), _ => 0)
}

/// The physical type that parts of these types are joined in, columns of the logical type `logical`; over no parts, that.
///
/// # Errors
/// [`Error::InvalidInput`] where a part is not of the logical type.
pub fn common_type<'a>(
    parts: impl IntoIterator<Item = &'a DataType>,
    logical: &DataType,
) -> Result<DataType> {
    let mut parts = parts.into_iter();
    let first = parts.next().unwrap_or(logical).clone();
    parts.try_fold(first, |target, part| common(&target, part, logical))
}

/// Physical type that holds both `a` and `b`, columns of the logical type `logical`.
fn common(a: &DataType, b: &DataType, logical: &DataType) -> Result<DataType> {
    if a == b {
        return Ok(a.clone());
    }
    let (a, b) = (value_type(a), value_type(b));
    if is_decimal(a) && is_decimal(b) {
        let (a_rank, b_rank) = (decimal_rank(a), decimal_rank(b));
        if a_rank.1 != b_rank.1 {
            return Err(Error::invalid(format!("columns of {a} and {b} have no common scale")));
        }
        return Ok(if a_rank >= b_rank { a.clone() } else { b.clone() });
    }
    if is_text(a) && is_text(b) || is_binary(a) && is_binary(b) {
        return Ok(value_type(logical).clone());
    }
    if a == b {
        return Ok(a.clone());
    }
    Err(Error::invalid(format!("columns of {a} and {b} cannot be joined")))
}

/// `part` in the physical type `target`, a [`common_type`] of it.
///
/// # Errors
/// [`Error::InvalidInput`] where it has no form of that type.
pub fn align(part: &ArrayRef, target: &DataType) -> Result<ArrayRef> {
    if part.data_type() == target {
        return Ok(without_stray_keys(part));
    }
    Ok(arrow::compute::cast(part.as_ref(), target)?)
}

/// A dictionary whose keys under nulls are zero. Whatever lies there may be out of bounds, and arrow adds to it where it
/// joins dictionaries: that sum may overflow.
fn without_stray_keys(part: &ArrayRef) -> ArrayRef {
    fn zeroed<K: ArrowDictionaryKeyType>(dictionary: &DictionaryArray<K>) -> ArrayRef {
        let keys = dictionary.keys().iter().collect();
        Arc::new(DictionaryArray::<K>::new(keys, Arc::clone(dictionary.values())))
    }
    if part.null_count() == 0 {
        return Arc::clone(part);
    }
    let array = part.as_ref();
    downcast_dictionary_array!(array => zeroed(array), _ => Arc::clone(part))
}

fn is_decimal(data_type: &DataType) -> bool {
    decimal_rank(data_type).0 > 0
}

/// Width in bytes (0 where not a decimal), scale, precision.
fn decimal_rank(data_type: &DataType) -> (u8, i8, u8) {
    match data_type {
        DataType::Decimal32(precision, scale) => (4, *scale, *precision),
        DataType::Decimal64(precision, scale) => (8, *scale, *precision),
        DataType::Decimal128(precision, scale) => (16, *scale, *precision),
        DataType::Decimal256(precision, scale) => (32, *scale, *precision),
        _ => (0, 0, 0),
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn is_binary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}
