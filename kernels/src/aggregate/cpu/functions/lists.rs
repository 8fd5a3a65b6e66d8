//! States that hold several values per group: one list per group, in columns that go element by element.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeListArray};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field};

use crate::error::{Error, Result};

/// The type of a list of `item`, as states have it.
pub(super) fn list_type(item: DataType) -> DataType {
    DataType::LargeList(Arc::new(Field::new_list_field(item, true)))
}

/// `values` cut into one list per group; `ends` says where the lists begin and, last, where the last one ends.
pub(super) fn lists(ends: &[usize], values: ArrayRef) -> Result<ArrayRef> {
    let offsets: Vec<i64> = ends.iter().map(|&end| end as i64).collect();
    let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    Ok(Arc::new(LargeListArray::try_new(field, offsets, values, None)?))
}

/// The elements of a state's lists, side by side.
#[derive(Debug)]
pub(super) struct Elements {
    /// The group that each element goes to.
    pub(super) numbers: Vec<u32>,
    /// One column per list column of the state.
    pub(super) columns: Vec<ArrayRef>,
}

/// Takes lists apart, of which list `i` belongs to group `numbers[i]`.
///
/// # Errors
/// [`Error::InvalidInput`] where the columns are no lists of `types`, or differ in their lengths.
pub(super) fn elements(states: &[ArrayRef], types: &[DataType], numbers: &[u32]) -> Result<Elements> {
    let mut lengths: Option<Vec<usize>> = None;
    let mut columns = Vec::with_capacity(types.len());
    for (at, item) in types.iter().enumerate() {
        let list = states.get(at).and_then(|state| state.as_list_opt::<i64>());
        let list = list.filter(|list| list.value_type() == *item && list.len() == numbers.len());
        let list = list.ok_or_else(|| Error::invalid(format!("a state that is no list of {item}")))?;
        if list.null_count() > 0 {
            return Err(Error::invalid("a state without a list"));
        }
        let own: Vec<usize> = list.offsets().lengths().collect();
        if lengths.as_ref().is_some_and(|lengths| *lengths != own) {
            return Err(Error::invalid("lists of a state differ in length"));
        }
        let (first, last) = (list.value_offsets()[0] as usize, list.value_offsets()[list.len()] as usize);
        columns.push(list.values().slice(first, last - first));
        lengths = Some(own);
    }
    let lengths = lengths.unwrap_or_default();
    let mut each = Vec::with_capacity(lengths.iter().sum());
    for (&number, &length) in numbers.iter().zip(&lengths) {
        each.extend(std::iter::repeat_n(number, length));
    }
    Ok(Elements { numbers: each, columns })
}

/// Items by group: where each group's items begin (and the last one's end), and the items group after group, those of
/// a group in the order in which they stand. Groups are numbered from 1.
pub(super) fn by_group(numbers: &[u32], groups: usize) -> (Vec<usize>, Vec<u32>) {
    let mut ends = vec![0; groups + 1];
    for &number in numbers {
        ends[number as usize] += 1;
    }
    let mut total = 0;
    for end in &mut ends {
        total += *end;
        *end = total;
    }
    // From behind, each group fills from its end down to its beginning.
    let mut next = ends.clone();
    let mut items = vec![0; numbers.len()];
    for (item, &number) in numbers.iter().enumerate().rev() {
        next[number as usize] -= 1;
        items[next[number as usize]] = item as u32;
    }
    (ends, items)
}
