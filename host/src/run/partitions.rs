//! Rows of one side of a join by partition, kept until their partition's turn comes.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parking_lot::Mutex;
use pilaster_kernels::Result;
use pilaster_kernels::join::cpu::JoinPartitioner;
use pilaster_kernels::join::{JoinSpec, Side};
use pilaster_kernels::memory::{Grant, Reserve};

use super::chunk::Chunk;
use super::store::{Piece, Store};

/// Of a worker's share of the budget: rows that are gathered before they are cut.
const UNCUT_SHARE: u64 = 8;

/// Who keeps the rows of a side. Without a partitioner all of them are one partition.
pub(crate) struct PartitionStore {
    store: Store,
    partitioner: Option<Arc<JoinPartitioner>>,
    side: Side,
    schema: SchemaRef,
    memory: Arc<dyn Reserve>,
    /// Bytes that a writer gathers before it cuts them.
    full_bytes: u64,
    partitions: Vec<Mutex<Vec<Piece>>>,
}

/// One thread's rows that are not cut yet.
pub(crate) struct Uncut {
    chunks: Vec<Chunk>,
    bytes: u64,
    held: Grant,
}

impl PartitionStore {
    /// A store of rows of `side` in `store`; what writers gather is taken from `memory`, of which each may have `worker_bytes`.
    pub(crate) fn new(
        store: Store,
        partitioner: Option<Arc<JoinPartitioner>>,
        spec: &JoinSpec,
        side: Side,
        memory: Arc<dyn Reserve>,
        worker_bytes: u64,
    ) -> Self {
        let types = match side {
            Side::Left => &spec.left,
            Side::Right => &spec.right,
        };
        let count = partitioner.as_ref().map_or(1, |partitioner| partitioner.partitions());
        PartitionStore {
            store,
            partitioner,
            side,
            schema: schema_of(types),
            memory,
            full_bytes: (worker_bytes / UNCUT_SHARE).max(1),
            partitions: (0..count).map(|_| Mutex::default()).collect(),
        }
    }

    /// A writer's state.
    pub(crate) fn uncut(&self) -> Uncut {
        Uncut { chunks: Vec::new(), bytes: 0, held: Grant::new(Arc::clone(&self.memory)) }
    }

    /// Adds the rows of a chunk.
    ///
    /// # Errors
    /// Those of the keys' expressions; [`pilaster_kernels::Error::Io`], [`pilaster_kernels::Error::OutOfMemory`].
    pub(crate) fn add(&self, uncut: &mut Uncut, chunk: Chunk) -> Result<()> {
        if chunk.rows == 0 {
            return Ok(());
        }
        let bytes = chunk.bytes();
        // Once more where they are joined, and once where they are cut. What finds no room is cut at once.
        let held = uncut.held.grow(3 * bytes);
        uncut.bytes += bytes;
        uncut.chunks.push(chunk);
        if held.is_err() || uncut.bytes >= self.full_bytes { self.cut(uncut) } else { Ok(()) }
    }

    /// Keeps what a writer has gathered.
    ///
    /// # Errors
    /// As of [`PartitionStore::add`].
    pub(crate) fn cut(&self, uncut: &mut Uncut) -> Result<()> {
        let chunks = std::mem::take(&mut uncut.chunks);
        uncut.bytes = 0;
        if !chunks.is_empty() {
            let rows = Chunk::concat(&chunks, &self.schema)?;
            drop(chunks);
            match &self.partitioner {
                None => self.keep(0, rows)?,
                Some(partitioner) => {
                    let cut = partitioner.partition(self.side, &rows.columns, rows.rows, None)?;
                    for batch in cut.gather(&rows.columns)? {
                        self.keep(batch.partition, Chunk::new(batch.columns, batch.rows))?;
                    }
                }
            }
        }
        uncut.held.shrink(uncut.held.bytes());
        Ok(())
    }

    fn keep(&self, partition: usize, rows: Chunk) -> Result<()> {
        let pieces = self.store.keep(rows)?;
        self.partitions[partition].lock().extend(pieces);
        Ok(())
    }

    /// The partitions, once all writers have cut their rows; and the bytes that went to disk.
    ///
    /// # Errors
    /// [`pilaster_kernels::Error::Io`].
    pub(crate) fn finish(self) -> Result<(Vec<Vec<Piece>>, u64)> {
        self.store.seal()?;
        let spilled = self.store.spilled_bytes();
        Ok((self.partitions.into_iter().map(Mutex::into_inner).collect(), spilled))
    }
}

/// Columns of these types, whatever their names.
fn schema_of(types: &[DataType]) -> SchemaRef {
    let field = |(at, data_type): (usize, &DataType)| Field::new(format!("c{at}"), data_type.clone(), true);
    Arc::new(Schema::new(types.iter().enumerate().map(field).collect::<Vec<_>>()))
}
