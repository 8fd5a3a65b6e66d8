//! Row groups decoded on a device, whatever is less to send: every leaf that has a device form, nested ones too.
//!
//! ```text
//! chunk -> pages, decompressed here -> kernels::parquet::gpu::Decode -> one submission for each leaf
//!       -> values, offsets and validity of the lists and structs above them -> arrays
//! ```
//! Pipelines do not come by here: they leave to the device what pays (`encoded`), and read it where it is decoded. This is
//! for those who want arrays, and for holding the device's decoders to the same answers as the host's.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use pilaster_kernels::memory::{Grant, Reserve};
use pilaster_kernels::parquet::gpu::{Decode, DecodeError};
use pilaster_kernels::parquet::{Leaf, Node, ShapedLeaf, assemble_shaped};
use pilaster_kernels::{Error, Result, gather};

use super::encoded::{Pages, pages_for_device};
use super::group::RowGroup;
use super::stored::{RootColumn, StoredLeaf};
use super::types::as_logical;
use super::{ReadOptions, Scan, ScanTask};
use crate::device::Device;
use crate::run::Cancellation;

/// What [`Scan::read_on`] gives.
#[derive(Debug, Clone)]
pub struct DeviceRead {
    /// All rows of the task.
    pub batch: RecordBatch,
    /// Leaf columns of the file that were read, in order.
    pub leaves: Vec<LeafSide>,
}

/// Where a leaf column was decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafSide {
    /// Its path in the file's schema.
    pub path: String,
    /// Why the host decoded it; none where the device did.
    pub on_host: Option<String>,
}

impl Scan {
    /// Reads all rows of a task, decoding on `device` every leaf column that has a device form; the host decodes the
    /// others and says why. Values, nulls and lists are those of [`Scan::read`]; physical types may differ from its.
    ///
    /// # Errors
    /// As for [`Scan::read`] and [`Device::run`].
    pub fn read_on(
        &self,
        device: &Device,
        task: &ScanTask,
        reserve: &Arc<dyn Reserve>,
        cancel: &Cancellation,
    ) -> Result<DeviceRead> {
        let options = ReadOptions { reserve: Arc::clone(reserve), ..ReadOptions::default() };
        // Of a whole row group: what a device decodes is not cut.
        let mut group = RowGroup::new(self, &self.row_group_of(task)?, &options)?;
        let reading = Reading { device, cancel, reserve };
        let mut arrays = BTreeMap::new();
        let mut leaves = Vec::new();
        for index in 0..group.width() {
            let rows = group.rows();
            let array = match group.root_column(index)? {
                Some(column) => reading.column(&column, rows, &mut leaves)?,
                None => group.made(index, rows)?,
            };
            arrays.insert(index, self.cut(task, index, array)?);
        }
        Ok(DeviceRead { batch: group.batch(arrays, task.rows)?, leaves })
    }

    /// The rows of a column that the task asks for.
    fn cut(&self, task: &ScanTask, index: usize, array: ArrayRef) -> Result<ArrayRef> {
        let Some(ranges) = &task.ranges else { return Ok(array) };
        let parts: Vec<ArrayRef> =
            ranges.ranges().iter().map(|rows| array.slice(rows.start, rows.len())).collect();
        gather::concat(&parts, self.schema.field(index).data_type())
    }
}

struct Reading<'a> {
    device: &'a Device,
    cancel: &'a Cancellation,
    reserve: &'a Arc<dyn Reserve>,
}

impl Reading<'_> {
    fn column(&self, column: &RootColumn, rows: usize, sides: &mut Vec<LeafSide>) -> Result<ArrayRef> {
        let mut leaves = Vec::with_capacity(column.leaves.len());
        for (at, leaf) in column.leaves.iter().enumerate() {
            let nodes = column.tree.nodes(at).unwrap_or_default();
            let (shaped, on_host) = self.leaf(leaf, &nodes, rows)?;
            if shaped.rows != rows {
                let reason = format!("it ends after {} of its rows", shaped.rows);
                return Err(leaf.chunk.corrupt(leaf.chunk.start(), reason));
            }
            sides.push(LeafSide { path: leaf.path.clone(), on_host });
            leaves.push(shaped);
        }
        let array = assemble_shaped(&column.tree, &leaves).map_err(|error| column.disagreeing(error))?;
        as_logical(&array, &column.field)
    }

    /// A leaf with the lists and structs above it, and why the host decoded it where it did.
    fn leaf(&self, leaf: &StoredLeaf, nodes: &[Node], rows: usize) -> Result<(ShapedLeaf, Option<String>)> {
        let reason = match pages_for_device(leaf)? {
            Pages::Host(reason) => reason,
            Pages::Device { segments, .. } => {
                // Shapes come instead of levels.
                let own = Leaf { with_levels: false, ..leaf.leaf.clone() };
                match Decode::new(&own, &segments, self.device.tier()) {
                    Ok(decode) => return Ok((self.run(leaf, &decode.with_nodes(nodes)?)?, None)),
                    Err(DecodeError::Other(Error::Unsupported { what, .. })) => what,
                    Err(error) => return Err(leaf.refused(error)),
                }
            }
        };
        let batch = leaf.reader()?.read(rows)?;
        let shaped = match nodes {
            [] => ShapedLeaf { rows: batch.rows, array: batch.array, nodes: Vec::new() },
            nodes => ShapedLeaf::new(nodes, &batch).map_err(|error| match error {
                Error::InvalidInput(reason) => leaf.chunk.corrupt(leaf.chunk.start(), reason),
                other => other,
            })?,
        };
        Ok((shaped, Some(reason)))
    }

    fn run(&self, leaf: &StoredLeaf, decode: &Decode) -> Result<ShapedLeaf> {
        let program = decode.program()?;
        // What comes back, and the arrays made of it.
        let mut grant = Grant::new(Arc::clone(self.reserve));
        grant.grow(program.read_back_bytes().saturating_mul(2))?;
        let run = self.device.run(&program, self.cancel)?;
        let mut shaped = decode.finish_shaped(&run.output).map_err(|error| leaf.refused(error))?;
        if shaped.array.data_type() != &leaf.leaf.data_type {
            // Strings come as codes.
            shaped.array = arrow::compute::cast(&shaped.array, &leaf.leaf.data_type)?;
        }
        Ok(shaped)
    }
}
