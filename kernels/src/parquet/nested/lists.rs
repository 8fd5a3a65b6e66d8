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

use super::shape::Context;
use super::{NodeShape, disagree};

/// A list to be built.
pub(super) struct List<'a> {
    pub data_type: &'a DataType,
    pub nullable: bool,
}

/// Where the elements of the lists begin, one more than lists; which lists are there, where not all are.
pub(super) struct Shape<O> {
    pub offsets: Vec<O>,
    pub nulls: Option<NullBuffer>,
}

/// What says where lists begin and end.
pub(super) trait Lists {
    fn shape<O: OffsetSizeTrait>(&self) -> Result<Shape<O>, Error>;
}

/// Levels, where the lists' slots lie among them, and where their elements' do.
pub(super) struct Leveled<'a> {
    pub levels: &'a LevelBatch,
    pub context: Context,
    pub inner: Context,
}

impl Lists for Leveled<'_> {
    fn shape<O: OffsetSizeTrait>(&self) -> Result<Shape<O>, Error> {
        shape(self.levels, self.context, self.inner)
    }
}

impl Lists for NodeShape {
    fn shape<O: OffsetSizeTrait>(&self) -> Result<Shape<O>, Error> {
        let offsets = self.offsets.as_ref().filter(|offsets| offsets.len() == self.slots + 1);
        let offsets = offsets.ok_or_else(|| Error::invalid("a list without offsets"))?;
        if offsets.last().is_some_and(|last| O::from_usize(*last as usize).is_none()) {
            return Err(too_many());
        }
        let offsets = offsets.iter().map(|offset| O::usize_as(*offset as usize)).collect();
        Ok(Shape { offsets, nulls: self.nulls.clone() })
    }
}

impl List<'_> {
    pub fn build(&self, lists: &impl Lists, child: ArrayRef) -> Result<ArrayRef, Error> {
        let refused = |error| Error::invalid(format!("lists of a nested column: {error}"));
        // One that cannot be null is missing below a null struct only, which says so itself; but the elements of one of
        // fixed size, which are then null, have to be covered.
        let own = |nulls: Option<NullBuffer>| nulls.filter(|_| self.nullable);
        Ok(match self.data_type {
            DataType::List(field) => {
                let Shape { offsets, nulls } = shape_over::<i32>(lists, child.len())?;
                Arc::new(
                    ListArray::try_new(field.clone(), buffer(offsets), child, own(nulls)).map_err(refused)?,
                )
            }
            DataType::LargeList(field) => {
                let Shape { offsets, nulls } = shape_over::<i64>(lists, child.len())?;
                Arc::new(
                    LargeListArray::try_new(field.clone(), buffer(offsets), child, own(nulls))
                        .map_err(refused)?,
                )
            }
            DataType::Map(field, sorted) => {
                let Shape { offsets, nulls } = shape_over::<i32>(lists, child.len())?;
                let entries =
                    child.as_struct_opt().ok_or_else(|| Error::invalid("entries of a map are no structs"))?;
                let map =
                    MapArray::try_new(field.clone(), buffer(offsets), entries.clone(), own(nulls), *sorted);
                Arc::new(map.map_err(refused)?)
            }
            DataType::FixedSizeList(field, size) => {
                let Shape { offsets, nulls } = shape_over::<i64>(lists, child.len())?;
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
}

/// Offsets and validity of lists whose elements are `elements` in number.
fn shape_over<O: OffsetSizeTrait>(lists: &impl Lists, elements: usize) -> Result<Shape<O>, Error> {
    let shape = lists.shape::<O>()?;
    match shape.offsets.last() {
        Some(last) if last.as_usize() == elements => Ok(shape),
        _ => Err(disagree("numbers of elements")),
    }
}

/// Offsets and validity from levels.
pub(super) fn shape<O: OffsetSizeTrait>(
    levels: &LevelBatch,
    context: Context,
    inner: Context,
) -> Result<Shape<O>, Error> {
    // No more elements than levels.
    if O::from_usize(levels.definition.len()).is_none() {
        return Err(too_many());
    }
    if !levels.definition.is_empty() && levels.repetition.first() != Some(&0) {
        return Err(disagree("repetition levels"));
    }
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
    if wrong {
        return Err(disagree("numbers of elements"));
    }
    offsets.push(O::usize_as(count));
    let nulls = NullBuffer::new(valid.build());
    Ok(Shape { offsets, nulls: Some(nulls).filter(|nulls| nulls.null_count() > 0) })
}

fn too_many() -> Error {
    Error::unsupported("a batch of over 2^31 list elements behind 32-bit offsets", Backend::Cpu)
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
