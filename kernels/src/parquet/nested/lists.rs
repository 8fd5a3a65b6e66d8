//! Offsets and validity of lists, and their arrays.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanBufferBuilder, FixedSizeListArray, LargeListArray, ListArray, MapArray,
    OffsetSizeTrait, UInt32Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::take;
use arrow::datatypes::DataType;

use crate::error::{Backend, Error};
use crate::parquet::LevelBatch;

use super::disagree;
use super::shape::Context;

/// A list to be built.
pub(super) struct List<'a> {
    pub data_type: &'a DataType,
    pub nullable: bool,
    /// Where its slots lie.
    pub context: Context,
    /// Where its elements' slots lie.
    pub inner: Context,
}

/// Where the elements of the lists begin, one more than lists; which lists are there, where not all are.
struct Shape<O> {
    offsets: Vec<O>,
    nulls: Option<NullBuffer>,
}

impl List<'_> {
    pub fn build(&self, levels: &LevelBatch, child: ArrayRef) -> Result<ArrayRef, Error> {
        let refused = |error| Error::invalid(format!("lists of a nested column: {error}"));
        // One that cannot be null is missing below a null struct only, which says so itself; but the elements of one of
        // fixed size, which are then null, have to be covered.
        let own = |nulls: Option<NullBuffer>| nulls.filter(|_| self.nullable);
        Ok(match self.data_type {
            DataType::List(field) => {
                let Shape { offsets, nulls } = self.shape::<i32>(levels, child.len())?;
                Arc::new(
                    ListArray::try_new(field.clone(), buffer(offsets), child, own(nulls)).map_err(refused)?,
                )
            }
            DataType::LargeList(field) => {
                let Shape { offsets, nulls } = self.shape::<i64>(levels, child.len())?;
                Arc::new(
                    LargeListArray::try_new(field.clone(), buffer(offsets), child, own(nulls))
                        .map_err(refused)?,
                )
            }
            DataType::Map(field, sorted) => {
                let Shape { offsets, nulls } = self.shape::<i32>(levels, child.len())?;
                let entries =
                    child.as_struct_opt().ok_or_else(|| Error::invalid("entries of a map are no structs"))?;
                let map =
                    MapArray::try_new(field.clone(), buffer(offsets), entries.clone(), own(nulls), *sorted);
                Arc::new(map.map_err(refused)?)
            }
            DataType::FixedSizeList(field, size) => {
                let Shape { offsets, nulls } = self.shape::<i64>(levels, child.len())?;
                let child = fixed_size(&offsets, nulls.as_ref(), *size, child)?;
                let list = FixedSizeListArray::try_new_with_length(
                    field.clone(),
                    *size,
                    child,
                    nulls,
                    offsets.len() - 1,
                );
                Arc::new(list.map_err(refused)?)
            }
            other => return Err(Error::invalid(format!("a list of type {other}"))),
        })
    }

    /// Offsets and validity from levels whose elements are `elements` in number.
    fn shape<O: OffsetSizeTrait>(&self, levels: &LevelBatch, elements: usize) -> Result<Shape<O>, Error> {
        if O::from_usize(elements).is_none() {
            return Err(Error::unsupported(
                "a batch of over 2^31 list elements behind 32-bit offsets",
                Backend::Cpu,
            ));
        }
        if !levels.definition.is_empty() && levels.repetition.first() != Some(&0) {
            return Err(disagree("repetition levels"));
        }
        let (inner, context) = (self.inner, self.context);
        let mut offsets: Vec<O> = Vec::new();
        let mut valid = BooleanBufferBuilder::new(0);
        // Elements so far; whether the list at hand has one; whether an element follows where there is none before.
        let (mut count, mut open, mut wrong) = (0, false, false);
        for (definition, repetition) in Context::pairs(levels) {
            if definition < context.slot {
                continue;
            }
            let element = definition >= inner.slot;
            if repetition < inner.repetition {
                offsets.push(O::usize_as(count));
                valid.append(definition.saturating_add(1) >= inner.slot);
                open = element;
            } else {
                wrong |= !(open & element);
            }
            count += usize::from(element && repetition <= inner.repetition);
        }
        if wrong || count != elements {
            return Err(disagree("numbers of elements"));
        }
        offsets.push(O::usize_as(count));
        let nulls = NullBuffer::new(valid.build());
        Ok(Shape { offsets, nulls: Some(nulls).filter(|nulls| nulls.null_count() > 0) })
    }
}

fn buffer<O: OffsetSizeTrait>(offsets: Vec<O>) -> OffsetBuffer<O> {
    OffsetBuffer::new(ScalarBuffer::from(offsets))
}

/// The elements of fixed-size lists: those that are there, and as many nulls in each null list.
fn fixed_size(
    offsets: &[i64],
    nulls: Option<&NullBuffer>,
    size: i32,
    child: ArrayRef,
) -> Result<ArrayRef, Error> {
    let lens = offsets.windows(2).map(|ends| ends[1] - ends[0]);
    let is_null = |list| nulls.is_some_and(|nulls| nulls.is_null(list));
    if lens.enumerate().any(|(list, len)| len != if is_null(list) { 0 } else { i64::from(size) }) {
        return Err(disagree("sizes of fixed-size lists"));
    }
    if nulls.is_none() {
        return Ok(child);
    }
    if u32::try_from(child.len()).is_err() {
        return Err(Error::unsupported("a batch of over 2^32 list elements", Backend::Cpu));
    }
    let elements = offsets.windows(2).enumerate().flat_map(|(list, ends)| {
        let start = (!is_null(list)).then_some(ends[0]);
        (0..i64::from(size)).map(move |element| start.map(|start| (start + element) as u32))
    });
    Ok(take(&child, &elements.collect::<UInt32Array>(), None)?)
}
