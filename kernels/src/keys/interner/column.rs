//! Columns of byte strings, in every layout.

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeBinaryArray, GenericByteArray, GenericByteViewArray, OffsetSizeTrait,
};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{ByteArrayType, ByteViewType, DataType};

use super::packed::{Packed, pack, pack_long, pack_within, whole_view};
use super::{Interner, Unseen};
use crate::error::Result;
use crate::keys::hash::Hasher;

/// A column of byte strings.
pub(super) trait ByteColumn {
    /// The value of a row that is not null.
    fn value(&self, row: usize) -> &[u8];

    /// The same, packed.
    #[inline(always)]
    fn packed(&self, row: usize, hasher: &Hasher) -> Packed {
        pack(self.value(row), hasher)
    }
}

impl Interner {
    /// The codes of an array of strings or binaries, as [`Interner::code_or`] gives them; 0 under a null.
    ///
    /// # Errors
    /// As of [`Interner::code`].
    pub(in crate::keys) fn array_codes(
        &mut self,
        array: &ArrayRef,
        nulls: Option<&NullBuffer>,
        unseen: &mut Unseen,
    ) -> Result<ScalarBuffer<i32>> {
        use DataType as D;
        match array.data_type() {
            D::Utf8 => {
                self.column_codes(&Offsets::from(array.as_string::<i32>()), array.len(), nulls, unseen)
            }
            D::LargeUtf8 => {
                self.column_codes(&Offsets::from(array.as_string::<i64>()), array.len(), nulls, unseen)
            }
            D::Binary => {
                self.column_codes(&Offsets::from(array.as_binary::<i32>()), array.len(), nulls, unseen)
            }
            D::LargeBinary => {
                self.column_codes(&Offsets::from(array.as_binary::<i64>()), array.len(), nulls, unseen)
            }
            D::Utf8View => self.column_codes(array.as_string_view(), array.len(), nulls, unseen),
            D::BinaryView => self.column_codes(array.as_binary_view(), array.len(), nulls, unseen),
            _ => self.column_codes(array.as_fixed_size_binary(), array.len(), nulls, unseen),
        }
    }

    fn column_codes(
        &mut self,
        column: &impl ByteColumn,
        rows: usize,
        nulls: Option<&NullBuffer>,
        unseen: &mut Unseen,
    ) -> Result<ScalarBuffer<i32>> {
        let mut codes = vec![0; rows];
        match nulls {
            None => self.codes(column, 0..rows, &mut codes, unseen)?,
            Some(nulls) => self.codes(column, nulls.valid_indices(), &mut codes, unseen)?,
        }
        Ok(codes.into())
    }
}

/// Strings or binaries behind offsets.
struct Offsets<'a, O> {
    offsets: &'a [O],
    bytes: &'a [u8],
}

impl<'a, T: ByteArrayType> From<&'a GenericByteArray<T>> for Offsets<'a, T::Offset> {
    fn from(array: &'a GenericByteArray<T>) -> Self {
        Self { offsets: array.value_offsets(), bytes: array.value_data() }
    }
}

impl<O: OffsetSizeTrait> ByteColumn for Offsets<'_, O> {
    #[inline(always)]
    fn value(&self, row: usize) -> &[u8] {
        &self.bytes[self.offsets[row].as_usize()..self.offsets[row + 1].as_usize()]
    }

    #[inline(always)]
    fn packed(&self, row: usize, hasher: &Hasher) -> Packed {
        pack_within(self.bytes, self.offsets[row].as_usize(), self.offsets[row + 1].as_usize(), hasher)
    }
}

impl<T: ByteViewType> ByteColumn for GenericByteViewArray<T> {
    #[inline(always)]
    fn value(&self, row: usize) -> &[u8] {
        GenericByteViewArray::value(self, row).as_ref()
    }

    #[inline(always)]
    fn packed(&self, row: usize, hasher: &Hasher) -> Packed {
        whole_view(self.views()[row]).unwrap_or_else(|| pack_long(ByteColumn::value(self, row), hasher))
    }
}

impl ByteColumn for FixedSizeBinaryArray {
    #[inline(always)]
    fn value(&self, row: usize) -> &[u8] {
        FixedSizeBinaryArray::value(self, row)
    }
}
