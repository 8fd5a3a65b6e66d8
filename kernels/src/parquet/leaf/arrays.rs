//! Arrays from the parts that a column has built.
//!
//! This file holds `unsafe`: Arrow's safe constructors check each value again (UTF-8, offsets, keys), which the decoders
//! have done block by block.

use std::sync::Arc;

use arrow::array::{
    ArrayData, ArrayRef, DictionaryArray, GenericByteArray, GenericByteViewArray, Int32Array, make_array,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowNativeType, ByteArrayType, ByteViewType, DataType, Int32Type};

use crate::error::Error;

use super::column::Fault;

/// An array of fixed-width values.
pub(super) fn fixed(
    data_type: &DataType,
    slots: usize,
    values: Buffer,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, Fault> {
    let data = ArrayData::builder(data_type.clone()).len(slots).add_buffer(values).nulls(nulls);
    Ok(make_array(data.build().map_err(Error::from)?))
}

/// An array of views.
///
/// # Safety
/// Each view of more than 12 bytes lies within the buffer that it names and repeats its first four bytes; others are zero
/// padded; where the type is text, each value is UTF-8. Nulls are as long as the views.
pub(super) unsafe fn views<T: ByteViewType>(
    views: Vec<u128>,
    buffers: Vec<Buffer>,
    nulls: Option<NullBuffer>,
) -> ArrayRef {
    // SAFETY: the caller's.
    Arc::new(unsafe { GenericByteViewArray::<T>::new_unchecked(ScalarBuffer::from(views), buffers, nulls) })
}

/// An array of bytes behind offsets.
///
/// # Safety
/// Offsets begin at 0, do not fall, and end within `values`; there is one more than slots; where the type is text, each
/// value is UTF-8. Nulls are as long as the slots.
pub(super) unsafe fn offsets<T: ByteArrayType>(
    offsets: Vec<T::Offset>,
    values: Buffer,
    nulls: Option<NullBuffer>,
) -> ArrayRef
where
    T::Offset: ArrowNativeType,
{
    // SAFETY: the caller's.
    let offsets = unsafe { OffsetBuffer::new_unchecked(ScalarBuffer::from(offsets)) };
    // SAFETY: the caller's.
    Arc::new(unsafe { GenericByteArray::<T>::new_unchecked(offsets, values, nulls) })
}

/// A dictionary array.
///
/// # Safety
/// Each key that is not null is an index of `values`.
pub(super) unsafe fn dictionary(keys: Int32Array, values: ArrayRef) -> ArrayRef {
    // SAFETY: the caller's.
    Arc::new(unsafe { DictionaryArray::<Int32Type>::new_unchecked(keys, values) })
}
