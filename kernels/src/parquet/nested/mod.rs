//! Leaf batches of one root column as one array of lists, structs and maps.
//!
//! ```text
//! levels of a list column, maximum definition 3, repetition 1      offsets     validity
//!   definition  3 3 0 1 3 2                                        0 2 2 2 4   1 0 1 1
//!   repetition  0 1 0 0 0 1                                        [a b] null [] [c null]
//! ```
//! A node is built from the levels of any leaf below it: those of repetition up to the innermost repeated ancestor's, and of
//! its element's definition at least, are the node's slots. Where several leaves hang below a struct, their levels must tell
//! the same story about it and all above it, which is checked there: leaves are decoded apart, and a file can lie in one.
//! Bytes moved: two bytes per level and node, plus bitmaps and offsets.

mod lists;
mod shape;
mod shaped;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StructArray, new_null_array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;

use crate::error::Error;

use self::lists::{Leveled, List};
use self::shape::Context;
use super::{LeafBatch, LevelBatch};

pub use self::shaped::{Node, NodeShape, ShapedLeaf, assemble_shaped};

/// A column of a schema, with the levels that its validity and offsets are read from.
#[derive(Debug, Clone, PartialEq)]
pub enum Nested {
    /// The leaf batch of that index.
    Leaf(usize),
    /// A field that the file does not have: nulls of that type. It stands in a struct beside another child that is there.
    Missing(DataType),
    /// A struct.
    Struct {
        /// Its Arrow type: `Struct`, as many fields as `children`.
        data_type: DataType,
        /// Definition level from which on it is there (not null).
        definition: u16,
        /// Whether it can be null.
        nullable: bool,
        /// Its fields; at least one is not missing.
        children: Vec<Nested>,
    },
    /// A list, large list, fixed-size list or map: something repeated.
    List {
        /// Its Arrow type: `List`, `LargeList`, `FixedSizeList` or `Map`. A map's child is a struct of keys and values.
        data_type: DataType,
        /// Definition level from which on it has an element; one below it is there, but empty; two below (where
        /// nullable) it is null.
        definition: u16,
        /// Repetition level of its elements after the first.
        repetition: u16,
        /// Whether it can be null.
        nullable: bool,
        /// The element.
        child: Box<Nested>,
    },
}

/// One array from the leaf batches of a root column, which were read with the same calls. Batches of a tree that is more
/// than a leaf come with levels.
///
/// # Errors
/// [`Error::InvalidInput`] where the batches do not agree with one another or with the tree: as leaves of one file they
/// would, so that the file is corrupt. [`Error::Unsupported`] for more elements than a list's offsets can count.
pub fn assemble(tree: &Nested, leaves: &[LeafBatch]) -> Result<ArrayRef, Error> {
    let array = tree.build(Context::ROOT, leaves)?;
    match tree.first_leaf() {
        Some(leaf) if leaves.get(leaf).is_some_and(|leaf| leaf.rows == array.len()) => Ok(array),
        _ => Err(disagree("rows")),
    }
}

impl Nested {
    /// The first leaf below, from whose levels it is built.
    fn first_leaf(&self) -> Option<usize> {
        match self {
            Nested::Leaf(leaf) => Some(*leaf),
            Nested::Missing(_) => None,
            Nested::Struct { children, .. } => children.iter().find_map(Nested::first_leaf),
            Nested::List { child, .. } => child.first_leaf(),
        }
    }

    fn levels<'a>(&self, leaves: &'a [LeafBatch]) -> Result<&'a LevelBatch, Error> {
        let leaf = self.first_leaf().and_then(|leaf| leaves.get(leaf));
        let leaf = leaf.ok_or_else(|| Error::invalid("a nested column without a leaf"))?;
        let levels =
            leaf.levels.as_ref().ok_or_else(|| Error::invalid("a leaf of a nested column without levels"))?;
        if !levels.repetition.is_empty() && levels.repetition.len() != levels.definition.len() {
            return Err(disagree("numbers of levels"));
        }
        Ok(levels)
    }

    fn build(&self, context: Context, leaves: &[LeafBatch]) -> Result<ArrayRef, Error> {
        match self {
            Nested::Leaf(leaf) => {
                let leaf = leaves.get(*leaf).ok_or_else(|| Error::invalid("no such leaf"))?;
                Ok(Arc::clone(&leaf.array))
            }
            Nested::Missing(_) => Err(Error::invalid("a missing field beside no other")),
            Nested::Struct { data_type, definition, nullable, children } => {
                let array =
                    self.build_struct(data_type, *definition, *nullable, children, context, leaves)?;
                Ok(Arc::new(array))
            }
            Nested::List { data_type, definition, repetition, nullable, child } => {
                let levels = self.levels(leaves)?;
                let inner = Context { slot: *definition, repetition: *repetition };
                let list = List { data_type, nullable: *nullable };
                list.build(&Leveled { levels, context, inner }, child.build(inner, leaves)?)
            }
        }
    }

    fn build_struct(
        &self,
        data_type: &DataType,
        definition: u16,
        nullable: bool,
        children: &[Nested],
        context: Context,
        leaves: &[LeafBatch],
    ) -> Result<StructArray, Error> {
        let there: Vec<&Nested> = children.iter().filter(|child| child.first_leaf().is_some()).collect();
        let several = there.len() > 1;
        // One that cannot be null is missing below a null struct all the same: it says so itself, so that its fields'
        // nulls are covered.
        let covers = nullable || definition > context.slot;
        let levels = if several || covers { Some(self.levels(leaves)?) } else { None };
        if let Some(levels) = levels.filter(|_| several) {
            for child in &there[1..] {
                if !context.agree(definition, levels, child.levels(leaves)?) {
                    return Err(disagree("levels"));
                }
            }
        }
        let mut arrays: Vec<Option<ArrayRef>> = Vec::with_capacity(children.len());
        for child in children {
            arrays.push(child.first_leaf().map(|_| child.build(context, leaves)).transpose()?);
        }
        let len = arrays.iter().flatten().next().map_or(0, |array| array.len());
        let arrays = missing_fields(children, arrays, len)?;
        let nulls = levels.filter(|_| covers).and_then(|levels| context.validity(definition, levels));
        struct_of(data_type, arrays, nulls, len)
    }
}

/// A struct's fields, nulls for those that the file does not have.
fn missing_fields(
    children: &[Nested],
    arrays: Vec<Option<ArrayRef>>,
    len: usize,
) -> Result<Vec<ArrayRef>, Error> {
    let arrays = arrays.into_iter().zip(children).map(|(array, child)| match (array, child) {
        (Some(array), _) => Ok(array),
        (
            None,
            Nested::Missing(data_type) | Nested::Struct { data_type, .. } | Nested::List { data_type, .. },
        ) => Ok(new_null_array(data_type, len)),
        (None, Nested::Leaf(_)) => Err(Error::invalid("no such leaf")),
    });
    arrays.collect()
}

fn struct_of(
    data_type: &DataType,
    arrays: Vec<ArrayRef>,
    nulls: Option<NullBuffer>,
    len: usize,
) -> Result<StructArray, Error> {
    let DataType::Struct(fields) = data_type else {
        return Err(Error::invalid(format!("a struct of type {data_type}")));
    };
    StructArray::try_new_with_length(fields.clone(), arrays, nulls, len)
        .map_err(|error| Error::invalid(format!("leaves of a struct: {error}")))
}

fn disagree(what: &str) -> Error {
    Error::invalid(format!("leaves of a nested column disagree in their {what}"))
}
