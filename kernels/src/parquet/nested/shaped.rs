//! Lists and structs by their shapes instead of by levels: what a device makes of levels, and what can be made of them here.
//!
//! ```text
//! list<struct<a, b>>:   nodes above a: [list, struct]    a shape each: slots, validity, offsets of lists
//! ```
//! Leaves below a struct tell the same of it and of all above it where their shapes down to it are equal: definition levels
//! cut at the node and repetition levels up to its own follow from them, and they from these.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::buffer::NullBuffer;

use super::lists::{List, Shape, shape};
use super::shape::Context;
use super::{Nested, disagree, missing_fields, struct_of};
use crate::error::{Backend, Error};
use crate::parquet::LeafBatch;

/// A list or struct above a leaf, by the levels that show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// Its slots: levels whose definition is this at least ..
    pub slot: u16,
    /// .. and whose repetition is this at most. Both are 0 where no list is above it: a slot is a row.
    pub repetition: u16,
    /// Definition level from which on it is there.
    pub there: u16,
    /// Definition level from which on a list has an element; none for a struct.
    pub element: Option<u16>,
}

/// What levels say of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeShape {
    /// How many there are, null ones included.
    pub slots: usize,
    /// Which are there; none where all are.
    pub nulls: Option<NullBuffer>,
    /// Where the elements of each list begin, one more than slots; none for a struct.
    pub offsets: Option<Vec<u32>>,
}

/// A leaf batch with the shapes of the nodes above it, outermost first.
#[derive(Debug, Clone)]
pub struct ShapedLeaf {
    /// Rows in it.
    pub rows: usize,
    /// One element for each slot.
    pub array: ArrayRef,
    /// As [`Nested::nodes`] lists them.
    pub nodes: Vec<NodeShape>,
}

impl Nested {
    /// The lists and structs above a leaf, outermost first; none where it is not in the tree.
    #[must_use]
    pub fn nodes(&self, leaf: usize) -> Option<Vec<Node>> {
        let mut nodes = Vec::new();
        self.find(leaf, Context::ROOT, &mut nodes).then_some(nodes)
    }

    fn find(&self, leaf: usize, context: Context, nodes: &mut Vec<Node>) -> bool {
        let Context { slot, repetition } = context;
        let found = match self {
            Nested::Leaf(at) => return *at == leaf,
            Nested::Missing(_) => return false,
            Nested::Struct { definition, children, .. } => {
                nodes.push(Node { slot, repetition, there: *definition, element: None });
                children.iter().any(|child| child.find(leaf, context, nodes))
            }
            Nested::List { definition, repetition: own, child, .. } => {
                let (there, element) = (definition.saturating_sub(1), Some(*definition));
                nodes.push(Node { slot, repetition, there, element });
                child.find(leaf, Context { slot: *definition, repetition: *own }, nodes)
            }
        };
        if !found {
            nodes.pop();
        }
        found
    }
}

impl ShapedLeaf {
    /// A leaf batch with levels, by its nodes.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where there are no levels or they contradict themselves.
    pub fn new(nodes: &[Node], batch: &LeafBatch) -> Result<Self, Error> {
        let levels = batch.levels.as_ref();
        let levels = levels.ok_or_else(|| Error::invalid("a leaf of a nested column without levels"))?;
        if !levels.repetition.is_empty() && levels.repetition.len() != levels.definition.len() {
            return Err(disagree("numbers of levels"));
        }
        let of = |node: &Node| {
            let context = Context { slot: node.slot, repetition: node.repetition };
            let Some(element) = node.element else {
                let nulls = context.validity(node.there, levels);
                let is_slot = |(definition, repetition): &(u16, u16)| {
                    *definition >= context.slot && *repetition <= context.repetition
                };
                let slots = Context::pairs(levels).filter(is_slot).count();
                return Ok(NodeShape { slots, nulls, offsets: None });
            };
            let inner = Context { slot: element, repetition: node.repetition + 1 };
            let Shape { offsets, nulls } = shape::<i64>(levels, context, inner)?;
            let slots = offsets.len() - 1;
            let offsets: Result<Vec<u32>, _> = offsets.into_iter().map(u32::try_from).collect();
            let offsets = offsets
                .map_err(|_| Error::unsupported("a batch of over 2^32 list elements", Backend::Cpu))?;
            Ok(NodeShape { slots, nulls, offsets: Some(offsets) })
        };
        let nodes = nodes.iter().map(of).collect::<Result<_, Error>>()?;
        Ok(ShapedLeaf { rows: batch.rows, array: Arc::clone(&batch.array), nodes })
    }
}

/// One array from the leaves of a root column, as [`super::assemble`] makes it of their levels.
///
/// # Errors
/// [`Error::InvalidInput`] where the leaves do not agree with one another or with the tree; [`Error::Unsupported`] for more
/// elements than a list's offsets can count.
pub fn assemble_shaped(tree: &Nested, leaves: &[ShapedLeaf]) -> Result<ArrayRef, Error> {
    let array = build(tree, 0, leaves)?;
    match tree.first_leaf() {
        Some(leaf) if leaves.get(leaf).is_some_and(|leaf| leaf.rows == array.len()) => Ok(array),
        _ => Err(disagree("rows")),
    }
}

/// The shapes of the first leaf below a node, down to it.
fn shapes<'a>(node: &Nested, depth: usize, leaves: &'a [ShapedLeaf]) -> Result<&'a [NodeShape], Error> {
    let leaf = node.first_leaf().and_then(|leaf| leaves.get(leaf));
    let shapes = leaf.and_then(|leaf| leaf.nodes.get(..=depth));
    shapes.ok_or_else(|| Error::invalid("a leaf without the shapes above it"))
}

fn build(node: &Nested, depth: usize, leaves: &[ShapedLeaf]) -> Result<ArrayRef, Error> {
    match node {
        Nested::Leaf(leaf) => {
            let leaf = leaves.get(*leaf).ok_or_else(|| Error::invalid("no such leaf"))?;
            Ok(Arc::clone(&leaf.array))
        }
        Nested::Missing(_) => Err(Error::invalid("a missing field beside no other")),
        Nested::Struct { data_type, children, .. } => {
            let own = shapes(node, depth, leaves)?;
            let there = || children.iter().filter(|child| child.first_leaf().is_some());
            for child in there() {
                if shapes(child, depth, leaves)? != own {
                    return Err(disagree("levels"));
                }
            }
            let of = |child: &Nested| child.first_leaf().map(|_| build(child, depth + 1, leaves)).transpose();
            let arrays = children.iter().map(of).collect::<Result<Vec<_>, Error>>()?;
            let len = own[depth].slots;
            let arrays = missing_fields(children, arrays, len)?;
            Ok(Arc::new(struct_of(data_type, arrays, own[depth].nulls.clone(), len)?))
        }
        Nested::List { data_type, nullable, child, .. } => {
            let own = shapes(node, depth, leaves)?;
            let list = List { data_type, nullable: *nullable };
            list.build(&own[depth], build(child, depth + 1, leaves)?)
        }
    }
}
