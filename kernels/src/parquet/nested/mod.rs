//! Leaf batches of one root column as one array of lists, structs and maps.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use crate::error::{Backend, Error};

use super::LeafBatch;

/// A column of a schema, with the levels that its validity and offsets are read from.
#[derive(Debug, Clone, PartialEq)]
pub enum Nested {
    /// The leaf batch of that index.
    Leaf(usize),
    /// A field that the file does not have: nulls of that type. A struct or list above it needs another child that is
    /// there.
    Missing(DataType),
    /// A struct.
    Struct {
        /// Its Arrow type: `Struct`, as many fields as `children`.
        data_type: DataType,
        /// Definition level from which on it is there (not null).
        definition: u16,
        /// Whether it can be null.
        nullable: bool,
        /// Its fields; at least one.
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
/// [`Error::InvalidInput`] where the batches do not agree with one another or with the tree.
pub fn assemble(tree: &Nested, leaves: &[LeafBatch]) -> Result<ArrayRef, Error> {
    let _ = (tree, leaves);
    Err(Error::unsupported("assembly", Backend::Cpu))
}
