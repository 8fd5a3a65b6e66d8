//! Aggregation of any number of groups, by any number of workers, within a budget.
//!
//! ```text
//! worker:   rows -> table (grows)                      a key is new and the table large: the table freezes
//!           rows -> frozen table: known keys           hits: hot keys stay where they are, in cache
//!                -> pending: the others                misses, or all rows where nearly every one is a group of its own
//! pending   -> run: rows in order of partition         256 partitions by the top bits of the row's hash; a run is written
//!                                                      once, sequentially, into buffers of its final size
//! finish:   frozen tables -> runs of states
//!           partition p of all runs -> one table       each small enough for the cache, in parallel, each a result chunk
//! ```
//! What is staged are the columns that keys and aggregates read, so that operands are evaluated once, where the row is
//! added, and every function works unchanged. A partition that is too large for one table is worked on like the whole
//! input, by the next bits of the hash: a hot key hits its frozen table there, so that no input recurses for ever.
//!
//! Over budget, runs go to disk, largest first, a batch for each partition; then tables, as partial states. What a table
//! may take is held before a batch is added ([`Grant::ahead`]), so that a refusal never finds it half changed, and there
//! is room to write its states.
//!
//! Bytes per staged row of `w` bytes: `w` read, `w` written, `8` for hash and place, then `w` read again and a table that is
//! in cache. Ideas: ClickHouse's adaptive aggregator (freeze and
//! bucket the misses), Polars' hot groups, DuckDB's external aggregation (partitions to disk, radix bits on demand).

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::AggregateSpec;
use crate::error::Result;
use crate::keys::RowHasher;
use crate::memory::{Grant, Reserve, Spill};

mod arrange;
mod distinct;
mod form;
mod parts;
mod run;
#[cfg(test)]
mod tests;
mod worker;

use distinct::Distinct;
use form::Form;
pub use parts::Parts;
use run::Run;
pub use worker::Worker;

/// Bits of the hash that choose a partition.
const PARTITION_BITS: u32 = 8;

/// Partitions of a level: as many write streams as the first cache level has lines for.
const PARTITIONS: usize = 1 << PARTITION_BITS;

/// A row's hash has bits for so many levels. Beyond, a table grows as it must.
const MAX_DEPTH: u32 = 6;

/// When to freeze, and how much to stage at a time. The defaults follow from sizes: 2^16 groups are 2 MiB of slots or 4, what a core
/// has of the third cache level; a part with its states stays within 1 or 2 MiB of the second. An array of dense keys pays further:
/// to 2^18 groups a row that misses the cache in it costs a third to a half of one that is staged, from 2^19 on twice as much.
#[derive(Debug, Clone)]
pub struct PartitionSettings {
    /// Groups at which a table found by hashing freezes.
    pub hash_groups: usize,
    /// Slots up to which an array that dense keys index grows as it must; of more slots, it freezes as a hash table does.
    pub direct_slots: usize,
    /// Rows of a run.
    pub run_rows: usize,
    /// Bytes of a run.
    pub run_bytes: u64,
    /// Groups of the table of one part of the result: neighbouring partitions are joined up to it.
    pub part_groups: usize,
}

impl Default for PartitionSettings {
    fn default() -> Self {
        Self {
            hash_groups: 1 << 16,
            direct_slots: 1 << 19,
            run_rows: 1 << 19,
            run_bytes: 16 << 20,
            part_groups: 1 << 15,
        }
    }
}

/// What a partitioned aggregation did, for EXPLAIN ANALYZE.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionReport {
    /// How the first table to be asked found its groups.
    pub mode: &'static str,
    /// Tables that froze.
    pub frozen_tables: usize,
    /// Rows that were staged.
    pub staged_rows: u64,
    /// Batches that were staged without a look at the table, since nearly every row was a group of its own.
    pub blind_batches: u64,
    /// Tables that were written to disk to make room.
    pub evicted_tables: usize,
    /// Bytes written to disk.
    pub spilled_bytes: u64,
    /// Parts of the result.
    pub parts: usize,
    /// Deepest level of partitions within partitions.
    pub depth: usize,
}

impl PartitionReport {
    /// Names and values, without what did not happen.
    #[must_use]
    pub fn details(&self) -> Vec<(String, String)> {
        let counts = [
            ("frozen tables", self.frozen_tables as u64),
            ("staged rows", self.staged_rows),
            ("blind batches", self.blind_batches),
            ("evicted tables", self.evicted_tables as u64),
            ("spilled bytes", self.spilled_bytes),
            ("parts", if self.parts > 1 { self.parts as u64 } else { 0 }),
            ("partition levels", self.depth as u64),
        ];
        let mode = (!self.mode.is_empty()).then(|| ("mode".to_owned(), self.mode.to_owned()));
        let counts = counts.into_iter().filter(|(_, count)| *count > 0);
        mode.into_iter().chain(counts.map(|(name, count)| (name.to_owned(), count.to_string()))).collect()
    }
}

/// An aggregation that several workers share: each has a [`Worker`], and all of them end in [`Parts`].
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, AsArray, Int64Array};
/// use arrow::datatypes::{DataType, Int64Type};
/// use pilaster_kernels::aggregate::cpu::{PartitionSettings, PartitionedAggregate};
/// use pilaster_kernels::aggregate::{Aggregate, AggregateFunction, AggregateSpec, FloatSum};
/// use pilaster_kernels::expr::Expr;
/// use pilaster_kernels::memory::Unlimited;
///
/// let count = Aggregate::new(AggregateFunction::CountRows, vec![], DataType::Int64);
/// let keys = vec![Expr::column(0, DataType::Int64)];
/// let spec = Arc::new(AggregateSpec { predicate: None, keys, aggregates: vec![count], float_sum: FloatSum::Fast });
/// let settings = PartitionSettings { hash_groups: 2, direct_slots: 2, ..PartitionSettings::default() };
/// let whole = PartitionedAggregate::new(Arc::new(Unlimited), None, settings);
/// let mut worker = whole.worker(&spec)?;
/// let keys: ArrayRef = Arc::new(Int64Array::from(vec![5, 6, 7, 8, 5]));
/// worker.consume_at(0, &[keys], 5)?;
/// let parts = whole.finish(vec![worker])?;
/// let mut rows = 0;
/// for part in 0..parts.len() {
///     rows += parts.compute(part)?.iter().map(|chunk| chunk[0].len()).sum::<usize>();
/// }
/// assert_eq!(rows, 4);
/// # Ok::<(), pilaster_kernels::Error>(())
/// ```
#[derive(Debug)]
pub struct PartitionedAggregate {
    level: Arc<Level>,
}

impl PartitionedAggregate {
    /// An aggregation without rows. Without a `spill`, what does not fit `memory` is an error.
    #[must_use]
    pub fn new(memory: Arc<dyn Reserve>, spill: Option<Arc<dyn Spill>>, settings: PartitionSettings) -> Self {
        let hasher = RowHasher::default();
        let (counters, forms) = Default::default();
        let shared = Shared { memory, spill, settings, hasher, counters, forms };
        Self { level: Arc::new(Level::new(Arc::new(shared), 0)) }
    }

    /// A worker for rows of `spec`. Workers of one aggregation may differ in predicate and columns, not in states.
    ///
    /// # Errors
    /// As of [`super::CpuAggregate::new`].
    pub fn worker(&self, spec: &Arc<AggregateSpec>) -> Result<Worker> {
        Worker::new(Arc::clone(&self.level), Arc::clone(spec), 0)
    }

    /// All rows are in: what is left to do, in parts.
    ///
    /// # Errors
    /// Those of the expressions; [`crate::Error::OutOfMemory`]; [`crate::Error::Io`].
    pub fn finish(&self, workers: Vec<Worker>) -> Result<Parts> {
        Parts::new(&self.level, workers, 0)
    }

    /// What happened so far.
    #[must_use]
    pub fn report(&self) -> PartitionReport {
        self.level.shared.counters.report()
    }
}

/// What all levels share.
#[derive(Debug)]
struct Shared {
    memory: Arc<dyn Reserve>,
    spill: Option<Arc<dyn Spill>>,
    settings: PartitionSettings,
    hasher: RowHasher,
    counters: Counters,
    /// One form per spec, so that workers' rows of one spec go to one table.
    forms: Mutex<Vec<(Arc<AggregateSpec>, Arc<Form>)>>,
}

impl Shared {
    fn form(&self, spec: &Arc<AggregateSpec>) -> Result<Arc<Form>> {
        let mut forms = locked(&self.forms);
        if let Some((_, form)) = forms.iter().find(|(known, _)| Arc::ptr_eq(known, spec)) {
            return Ok(Arc::clone(form));
        }
        let form = Arc::new(Form::new(spec)?);
        forms.push((Arc::clone(spec), Arc::clone(&form)));
        Ok(form)
    }
}

#[derive(Debug, Default)]
struct Counters {
    mode: Mutex<&'static str>,
    frozen_tables: AtomicUsize,
    staged_rows: AtomicU64,
    blind_batches: AtomicU64,
    evicted_tables: AtomicUsize,
    spilled_bytes: AtomicU64,
    parts: AtomicUsize,
    depth: AtomicUsize,
}

impl Counters {
    fn report(&self) -> PartitionReport {
        PartitionReport {
            mode: *locked(&self.mode),
            frozen_tables: self.frozen_tables.load(Ordering::Relaxed),
            staged_rows: self.staged_rows.load(Ordering::Relaxed),
            blind_batches: self.blind_batches.load(Ordering::Relaxed),
            evicted_tables: self.evicted_tables.load(Ordering::Relaxed),
            spilled_bytes: self.spilled_bytes.load(Ordering::Relaxed),
            parts: self.parts.load(Ordering::Relaxed),
            depth: self.depth.load(Ordering::Relaxed),
        }
    }
}

/// The input, or one part of it: runs of rows and states, by eight bits of the hash.
#[derive(Debug)]
struct Level {
    shared: Arc<Shared>,
    depth: u32,
    runs: Mutex<Vec<Run>>,
    distinct: Mutex<Distinct>,
}

impl Level {
    fn new(shared: Arc<Shared>, depth: u32) -> Self {
        shared.counters.depth.fetch_max(depth as usize, Ordering::Relaxed);
        Self { shared, depth, runs: Mutex::default(), distinct: Mutex::default() }
    }

    /// True where rows can still be told apart by bits of their hash.
    fn divides(&self) -> bool {
        self.depth < MAX_DEPTH
    }

    /// The partition of a hash.
    #[inline]
    fn partition(&self, hash: u64) -> u8 {
        (hash >> (64 - PARTITION_BITS * (self.depth + 1))) as u8
    }

    fn grant(&self) -> Grant {
        Grant::new(Arc::clone(&self.shared.memory))
    }

    fn add_run(&self, run: Run) {
        locked(&self.runs).push(run);
    }

    /// Writes runs to disk, largest first, until half of the bytes in memory are freed; false where there is nothing to
    /// free.
    fn relieve(&self) -> Result<bool> {
        self.spill_runs(|held| held.div_ceil(2))
    }

    /// Writes all runs to disk.
    fn spill_all(&self) -> Result<bool> {
        self.spill_runs(|held| held)
    }

    fn spill_runs(&self, wanted: impl Fn(u64) -> u64) -> Result<bool> {
        let Some(spill) = &self.shared.spill else { return Ok(false) };
        let chosen = {
            let mut runs = locked(&self.runs);
            let wanted = wanted(runs.iter().map(Run::memory_bytes).sum());
            runs.sort_by_key(Run::memory_bytes);
            let mut chosen = Vec::new();
            let mut freed = 0;
            while freed < wanted
                && let Some(run) = runs.pop()
            {
                freed += run.memory_bytes();
                chosen.push(run);
            }
            chosen
        };
        if chosen.is_empty() {
            return Ok(false);
        }
        for written in run::spilled(chosen, spill)? {
            self.count_spilled(&written);
            self.add_run(written);
        }
        Ok(true)
    }

    fn count_spilled(&self, run: &Run) {
        self.shared.counters.spilled_bytes.fetch_add(run.disk_bytes(), Ordering::Relaxed);
    }
}

/// A lock; what a panicking thread left is as good as any, since the query fails anyway.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
