//! The lists and structs above a leaf, found on the device: offsets and validity instead of levels.
//!
//! ```text
//! expand: levels one by one         contexts: which levels are slots of the rows, of the first list's elements, ..
//! scan:   slots before each word    nodes:    validity and offsets, compacted
//! ```
//! Bytes moved for each level: 4 written once, and for each node 4 read, a quarter byte of bitmap and scan, 4 written where
//! it is a slot of a list. What comes back has room for as many slots as there are levels.

use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};

use super::stages::invocations;
use super::{Decode, DecodeError, Placed};
use crate::error::{Backend, Error, Result};
use crate::gpu::program::{BufferInit, Program, ProgramOutput};
use crate::parquet::{LeafBatch, Node, NodeShape, ShapedLeaf};

/// Words of a record, as `parquet/node` has them.
const CONTEXT_WORDS: usize = 2;
const NODE_WORDS: usize = 5;
const HEAD: usize = 4;
/// In place of a context of elements.
const STRUCT: u32 = u32::MAX;

/// Where the shapes of nodes lie in what comes back: words.
struct Layout {
    validity: Vec<u64>,
    offsets: Vec<Option<u64>>,
    words: u64,
}

impl Layout {
    fn new(nodes: &[Node], levels: usize) -> Self {
        let mut end = nodes.len() as u64;
        let mut take = |words: u64| {
            let at = end;
            end += words;
            at
        };
        let bitmap = levels.div_ceil(32) as u64;
        let validity = nodes.iter().map(|_| take(bitmap)).collect();
        let offsets = nodes.iter().map(|node| node.element.map(|_| take(levels as u64 + 1))).collect();
        Layout { validity, offsets, words: end }
    }
}

impl Decode {
    /// Finds the shapes of these nodes too, those above the leaf: [`Decode::finish_shaped`] gives them.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for nodes that cannot lie above each other and the leaf.
    pub fn with_nodes(mut self, nodes: &[Node]) -> Result<Self> {
        let lists = nodes.iter().filter(|node| node.element.is_some()).count();
        let mut context = (0, 0);
        for node in nodes {
            if (node.slot, node.repetition) != context {
                return Err(Error::invalid("nodes that do not lie above each other"));
            }
            if let Some(element) = node.element {
                context = (element, node.repetition.saturating_add(1));
            }
        }
        if lists != usize::from(self.leaf.max_repetition) || context.0 != self.leaf.slot_definition {
            return Err(Error::invalid("nodes of another leaf"));
        }
        self.nodes = nodes.to_vec();
        Ok(self)
    }

    /// Appends what finds the shapes, from the levels one by one.
    pub(super) fn find_nodes(&self, program: &mut Program, placed: &mut Placed) -> Result<()> {
        let Some(definition) = placed.definition else { return Ok(()) };
        let layout = Layout::new(&self.nodes, self.levels);
        let contexts = 1 + self.nodes.iter().filter(|node| node.element.is_some()).count() as u64;
        let words = (self.levels as u64).div_ceil(32);
        let limit_bytes = self.shaders.tier.binding_bytes;
        // Positions in it are 32-bit numbers, as are those of invocations.
        let asked_bytes = layout.words.max(contexts * (words + 1)).max(self.nodes.len() as u64 * words) * 4;
        if asked_bytes > limit_bytes || asked_bytes / 4 > u64::from(u32::MAX) {
            return Err(Error::OutOfMemory { backend: Backend::Gpu, asked_bytes, limit_bytes });
        }
        let tables = program.upload_words("parquet/node tables", &self.node_tables(&layout));
        let none = program.buffer("parquet/no levels", 4, BufferInit::Zero);
        let repetition = placed.repetition.unwrap_or(none);
        let mut bitmaps = |label: &str| program.buffer(label, contexts * (words + 1) * 4, BufferInit::Zero);
        let slots = bitmaps("parquet/context slots");
        let counts = bitmaps("parquet/context counts");
        let [of_contexts, of_nodes] = &self.shaders.nodes;
        let bindings = vec![tables, definition, repetition, slots, counts, placed.status];
        program.stage("parquet/contexts", of_contexts.clone(), bindings, invocations(contexts * words));
        let before = self.scan(program, counts, contexts * (words + 1));
        let output = program.buffer("parquet/nodes", layout.words * 4, BufferInit::Zero);
        let bindings = vec![tables, definition, repetition, slots, before, output];
        let count = self.nodes.len() as u64 * words;
        program.stage("parquet/nodes", of_nodes.clone(), bindings, invocations(count));
        placed.nodes = Some((output, layout.words * 4));
        Ok(())
    }

    fn node_tables(&self, layout: &Layout) -> Vec<u32> {
        let mut contexts = vec![[0, 0]];
        let mut nodes = Vec::new();
        for (at, node) in self.nodes.iter().enumerate() {
            let context = contexts.len() as u32 - 1;
            let elements = node.element.map_or(STRUCT, |_| context + 1);
            if let Some(element) = node.element {
                contexts.push([element.into(), context + 1]);
            }
            let offsets = layout.offsets[at].unwrap_or(0) as u32;
            nodes.push([context, node.there.into(), elements, layout.validity[at] as u32, offsets]);
        }
        let repeated = u32::from(self.leaf.max_repetition > 0);
        let head: [u32; HEAD] = [self.levels as u32, contexts.len() as u32, nodes.len() as u32, repeated];
        let mut tables = head.to_vec();
        tables.extend(contexts.into_iter().flat_map(|words: [u32; CONTEXT_WORDS]| words));
        tables.extend(nodes.into_iter().flat_map(|words: [u32; NODE_WORDS]| words));
        tables
    }

    /// The column and the shapes of what is above it, from what [`Decode::program`] read back.
    ///
    /// # Errors
    /// As for [`Decode::finish`].
    pub fn finish_shaped(&self, output: &ProgramOutput) -> std::result::Result<ShapedLeaf, DecodeError> {
        let LeafBatch { rows, array, .. } = self.finish(output)?;
        let nodes = if self.nodes.is_empty() || self.levels == 0 || self.leaf.max_definition == 0 {
            self.nodes.iter().map(|node| self.whole(node)).collect()
        } else {
            let words = output.words.last().ok_or_else(|| Error::invalid("too few ranges read back"))?;
            self.shapes(words)?
        };
        let rows = nodes.first().map_or(rows, |node: &NodeShape| node.slots);
        Ok(ShapedLeaf { rows, array, nodes })
    }

    /// Of a node where no level is there, or all are of structs that cannot be null.
    fn whole(&self, node: &Node) -> NodeShape {
        NodeShape { slots: self.levels, nulls: None, offsets: node.element.map(|_| vec![0]) }
    }

    fn shapes(&self, words: &[u32]) -> Result<Vec<NodeShape>> {
        let layout = Layout::new(&self.nodes, self.levels);
        if words.len() as u64 != layout.words {
            return Err(Error::invalid("shapes of other nodes"));
        }
        let shape = |node: usize| {
            let slots = words[node] as usize;
            let range = |first: u64, len: usize| {
                let first = first as usize;
                let range = words.get(first..first.saturating_add(len));
                range.ok_or_else(|| Error::invalid("more slots than levels"))
            };
            let bits = range(layout.validity[node], slots.div_ceil(32))?;
            let nulls = NullBuffer::new(BooleanBuffer::new(Buffer::from_slice_ref(bits), 0, slots));
            let offsets = layout.offsets[node].map(|first| range(first, slots + 1)).transpose()?;
            let nulls = Some(nulls).filter(|nulls| nulls.null_count() > 0);
            Ok(NodeShape { slots, nulls, offsets: offsets.map(<[u32]>::to_vec) })
        };
        (0..self.nodes.len()).map(shape).collect()
    }
}
