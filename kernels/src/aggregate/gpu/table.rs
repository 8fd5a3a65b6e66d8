//! The hash table's buffers and dispatches.
//!
//! ```text
//! for each batch:  keys -> [first batch: sample] -> choose -> count -> scan -> scatter -> insert -> settle
//!                          |                                  \_________ partition _________/
//!                          +- only where there are SAMPLED_ROWS   sizes on the device; none of it where the table is small
//! ```
//! Bytes per row with k key words and a table that a cache holds: keys 4k + 4, insert 4k + 8 and a probe, settle 4. Beyond
//! the cache each of the probe, the group's key, the slot's group and the states costs a transfer of 32 to 64 bytes
//! whatever is used of it: some 250 bytes for a sum and a count. The partition adds 12k + 20 bytes in streams (36 for one
//! 64-bit key), after which those four are in the cache again, and no atomic leaves it.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use arrow::buffer::Buffer;
use pilaster_shaders::{Shader, Tier};

use super::program::{Batch, MOST_PLAIN_WORKGROUPS, WORKGROUP, grid};
use super::stage::{KeyLayout, library};
use super::{Capacity, GpuAggregate, Partitioning};
use crate::error::Result;
use crate::expr::wgsl::{GeneratedExprs, STATUS_WORDS};
use crate::gpu::column::DeviceBatch;
use crate::gpu::program::{BufferId, BufferInit, Program, Workgroups};

/// Words of the table before its slots: `TABLE_HEAD` of `aggregate/table.wgsl`.
pub(super) const TABLE_HEAD: usize = 8;

/// Stage words of the keys stage: part, parts, seed.
pub(super) const KEYS_STAGE_WORDS: usize = 3;

/// Aggregations of fewer rows take their table as it comes: a sample would cost more than it could save.
const SAMPLED_ROWS: u64 = 1 << 18;

/// Rows of a sample. Two of them have the same key 128 times among 16M groups, 2048 times among 1M: enough to tell these
/// apart.
const SAMPLE: u32 = 1 << 16;

/// Rows that a workgroup partitions: `WG * PARTITION_ITEMS` of `aggregate/partition.wgsl`. A digit of 256 gets 16 rows of
/// them on average, two or more whole cache lines of keys.
pub(super) const TILE: u32 = 4096;

/// Most digits, as in `aggregate/partition.wgsl`: their counts are one word for each invocation.
pub(super) const MOST_DIGITS: u32 = 256;

/// Counts that one workgroup of the scan takes: `scan_block()` of `scan/block`.
const SCAN_BLOCK: u32 = 1024;

/// A table with its states is not partitioned below this: last-level caches of current GPUs have 4 to 50 MiB.
const UNPARTITIONED_KIB: u32 = 8 << 10;

/// What a partition should have: it, its neighbour and the streams in flight stay in the smallest of those caches.
const PARTITION_KIB: u32 = 1 << 10;

/// `CHOOSE` of `aggregate/choose.wgsl`.
pub(super) const CHOOSE: u32 = u32::MAX;

/// Byte offsets of the workgroup counts in `sizes`, see `aggregate/choose.wgsl`.
pub(super) const SIZES_TILES: u64 = 4;
pub(super) const SIZES_BLOCKS: u64 = 16;
pub(super) const SIZES_SPINE: u64 = 28;
const SIZES_WORDS: u64 = 10;

/// Stages of the hash table, composed.
#[derive(Debug, Clone)]
pub(super) struct HashStages {
    pub exprs: GeneratedExprs,
    pub layout: KeyLayout,
    keys: Arc<Shader>,
    sample: Arc<Shader>,
    choose: Arc<Shader>,
    count: Arc<Shader>,
    scan: [Arc<Shader>; 3],
    scatter: Arc<Shader>,
    insert: Arc<Shader>,
    settle: Arc<Shader>,
    /// Drawn for each table, so that no input can be prepared to collide.
    seed: u32,
}

impl HashStages {
    pub fn new(exprs: GeneratedExprs, tier: &Tier) -> Result<Self> {
        let layout = KeyLayout::new(&exprs.values);
        let keys = super::stage::keys(&exprs, &layout, tier)?;
        let stage = |path| library(path, tier);
        Ok(HashStages {
            exprs,
            layout,
            keys,
            sample: stage("aggregate/sample")?,
            choose: stage("aggregate/choose")?,
            count: stage("aggregate/partition_count")?,
            scan: [stage("scan/reduce")?, stage("scan/spine")?, stage("scan/apply")?],
            scatter: stage("aggregate/partition_scatter")?,
            insert: stage("aggregate/insert")?,
            settle: stage("aggregate/settle")?,
            seed: draw_seed(),
        })
    }

    /// Another seed, so that keys that collided do not do so again.
    pub fn reseed(&mut self) {
        self.seed = draw_seed();
    }
}

pub(super) fn draw_seed() -> u32 {
    RandomState::new().hash_one(0) as u32
}

/// Buffers of the hash table.
pub(super) struct Table {
    pub table: BufferId,
    pub status: BufferId,
    pub group_keys: BufferId,
    row_keys: BufferId,
    sample: Option<BufferId>,
    partition: Partition,
    /// One for each batch, or one for all.
    rows: Vec<RowBuffers>,
}

/// What is remembered of each row of a batch until the last pass.
#[derive(Clone, Copy)]
struct RowBuffers {
    slots: BufferId,
    order: BufferId,
}

/// Buffers of the partition; the smallest that can be bound where there is none.
struct Partition {
    sizes: BufferId,
    sorted_keys: BufferId,
    counts: BufferId,
    places: BufferId,
    block_sums: BufferId,
}

impl Table {
    /// Slots of a batch's rows, and the order they were taken in.
    pub fn row_bindings(&self, batch: usize) -> [BufferId; 3] {
        let rows = self.rows(batch);
        [rows.slots, self.table, rows.order]
    }

    fn rows(&self, batch: usize) -> RowBuffers {
        self.rows[batch.min(self.rows.len() - 1)]
    }
}

impl GpuAggregate {
    /// Whether rows are sampled before they enter the table.
    fn samples(&self) -> bool {
        self.rows >= SAMPLED_ROWS || self.settings.partitioning != Partitioning::Auto
    }

    /// Whether the table may become so large that rows are partitioned.
    fn may_partition(&self) -> bool {
        match self.settings.partitioning {
            Partitioning::Never => false,
            Partitioning::Digits(_) => true,
            Partitioning::Auto => {
                let kib = self.capacity.groups.saturating_mul(self.group_bytes()) >> 10;
                self.samples() && kib > u64::from(UNPARTITIONED_KIB)
            }
        }
    }

    /// Bits of the hash in use.
    pub(super) fn hash_mask(&self) -> u32 {
        u32::MAX.checked_shr(32 - self.settings.hash_bits.min(32)).unwrap_or(0)
    }

    /// Bytes that a group takes on the device: states, key, and its slots.
    fn group_bytes(&self) -> u64 {
        let width = self.hash.as_ref().map_or(0, |hash| hash.layout.width);
        let slots = self.capacity.slots.div_ceil(self.capacity.groups.max(1)).min(4);
        (self.layout.stride as u64 + width as u64 + slots) * 4
    }

    pub(super) fn table_buffers(
        &self,
        program: &mut Program,
        hash: &HashStages,
        batches: &[&DeviceBatch],
    ) -> Result<Table> {
        let most_rows = batches.iter().map(|batch| batch.rows).max().unwrap_or(0);
        let width = hash.layout.width as u64;
        let Capacity { groups, slots, .. } = self.capacity;
        let fit =
            |number: u64| u32::try_from(number).map_err(|_| self.out_of_memory(number.saturating_mul(4)));
        let mut head = [0; TABLE_HEAD];
        (head[2], head[3]) = (fit(groups)?, fit(slots - 1)?);
        // Two bits of a word of `row_slots` are marks.
        if slots > 1 << 30 {
            return Err(self.out_of_memory(slots.saturating_mul(4)));
        }
        let head = BufferInit::Upload(vec![(0, Buffer::from_slice_ref(head))]);
        let table = program.buffer("aggregate/table", (slots + TABLE_HEAD as u64) * 4, head);
        let mut words = |label: &str, words: u64| program.buffer(label, words.max(1) * 4, BufferInit::Zero);
        let status = words("aggregate/status", STATUS_WORDS as u64);
        let row_keys = words("aggregate/row_keys", u64::from(most_rows) * width);
        let group_keys = words("aggregate/group_keys", groups * width);
        let sample = self.samples().then(|| words("aggregate/sample", u64::from(SAMPLE) * 2));
        let sorted = if self.may_partition() { u64::from(most_rows) } else { 0 };
        let counts = sorted.div_ceil(u64::from(TILE)) * u64::from(MOST_DIGITS);
        let partition = Partition {
            sizes: words("aggregate/sizes", SIZES_WORDS),
            sorted_keys: words("aggregate/sorted_keys", sorted * width),
            counts: words("aggregate/counts", counts),
            places: words("aggregate/places", counts),
            block_sums: words("aggregate/block_sums", counts.div_ceil(u64::from(SCAN_BLOCK)) + 1),
        };
        let mut row_buffers = |rows: u32| RowBuffers {
            slots: words("aggregate/row_slots", u64::from(rows)),
            order: words("aggregate/order", if sorted > 0 { u64::from(rows) } else { 0 }),
        };
        let rows = match self.passes.len() {
            0 | 1 => vec![row_buffers(most_rows)],
            _ => batches.iter().map(|batch| row_buffers(batch.rows)).collect(),
        };
        Ok(Table { table, status, group_keys, row_keys, sample, partition, rows })
    }

    /// From the rows of a batch to the slots of their groups.
    pub(super) fn find_groups(
        &self,
        program: &mut Program,
        table: &Table,
        buffers: &Batch,
        (index, batch, first_row): (usize, &DeviceBatch, u64),
        part: u32,
    ) -> Result<()> {
        let Some(hash) = &self.hash else { return Ok(()) };
        let stage_words = [part, self.capacity.parts, !hash.seed];
        let parameters = hash.exprs.parameters(batch, first_row, &stage_words)?;
        let parameters = program.upload_words("aggregate/parameters", &parameters);
        let (rows, tiles) = (buffers.rows, buffers.rows.div_ceil(TILE));
        let shape = [rows, hash.layout.width as u32, hash.seed, self.hash_mask(), rows.min(SAMPLE), tiles];
        let shape = program.upload_words("aggregate/shape", &shape);
        let plain = grid(rows, 1, MOST_PLAIN_WORKGROUPS);
        let RowBuffers { slots, order } = table.rows(index);
        let Partition { sorted_keys, .. } = table.partition;
        let bindings = vec![parameters, buffers.columns, table.status, table.row_keys, slots];
        program.stage("aggregate/keys", hash.keys.clone(), bindings, plain);
        if let Some(sample) = table.sample.filter(|_| index == 0) {
            let bindings = vec![shape, table.row_keys, slots, sample, table.table];
            let workgroups = grid(rows.min(SAMPLE), 1, SAMPLE / WORKGROUP);
            program.stage("aggregate/sample", hash.sample.clone(), bindings, workgroups);
        }
        if table.sample.is_some() {
            self.partition(program, hash, table, (shape, slots, order), (rows, tiles));
        }
        let bindings = vec![shape, table.row_keys, table.group_keys, table.table, slots, order, sorted_keys];
        program.stage("aggregate/insert", hash.insert.clone(), bindings, plain);
        let bindings = vec![shape, table.row_keys, slots, table.table, table.group_keys, sorted_keys];
        program.stage(
            "aggregate/settle",
            hash.settle.clone(),
            bindings,
            grid(rows, 4, MOST_PLAIN_WORKGROUPS),
        );
        Ok(())
    }

    /// Rows into the order of their digits, as far as the device chooses so.
    fn partition(
        &self,
        program: &mut Program,
        hash: &HashStages,
        table: &Table,
        (shape, slots, order): (BufferId, BufferId, BufferId),
        (rows, tiles): (u32, u32),
    ) {
        let forced = match self.settings.partitioning {
            Partitioning::Digits(bits) => bits.min(MOST_DIGITS.ilog2()),
            _ if self.may_partition() => CHOOSE,
            _ => 0,
        };
        let all_rows = u32::try_from(self.rows).unwrap_or(u32::MAX);
        let group_bytes = u32::try_from(self.group_bytes()).unwrap_or(u32::MAX);
        let choice =
            [rows, tiles, forced, all_rows, UNPARTITIONED_KIB, PARTITION_KIB, group_bytes, SCAN_BLOCK];
        let choice = program.upload_words("aggregate/choice", &choice);
        let Partition { sizes, sorted_keys, counts, places, block_sums } = table.partition;
        let bindings = vec![choice, table.table, sizes];
        program.stage("aggregate/choose", hash.choose.clone(), bindings, Workgroups::Direct([1, 1, 1]));
        if !self.may_partition() {
            return;
        }
        let of_tiles = Workgroups::Indirect(sizes, SIZES_TILES);
        let of_blocks = Workgroups::Indirect(sizes, SIZES_BLOCKS);
        let [reduce, spine, apply] = &hash.scan;
        let mut stage = |label: &str, shader: &Arc<Shader>, bindings: Vec<BufferId>, workgroups| {
            program.stage(label, Arc::clone(shader), bindings, workgroups);
        };
        let from = [shape, table.row_keys, slots, table.table];
        stage("aggregate/count", &hash.count, [&from[..], &[counts]].concat(), of_tiles);
        stage("aggregate/scan reduce", reduce, vec![sizes, counts, block_sums], of_blocks);
        let bindings = vec![sizes, block_sums];
        stage("aggregate/scan spine", spine, bindings, Workgroups::Indirect(sizes, SIZES_SPINE));
        stage("aggregate/scan apply", apply, vec![sizes, counts, block_sums, places], of_blocks);
        let bindings = [&from[..], &[places, order, sorted_keys]].concat();
        stage("aggregate/scatter", &hash.scatter, bindings, of_tiles);
    }
}
