//! CPU path: a table over the build side's keys as machine words, probed batch by batch.
//!
//! ```text
//! build:  batch -> keys -> lanes, extents                                            worker
//!         all   -> words (layout) -> staged by region (stage) -> regions filled (fill); columns joined (payload)
//! probe:  batch -> keys -> words -> values found -> candidates (row, build row), a block at a time
//!               -> equal? (wide keys) -> residual? -> marks, output (probe)          columns gathered last
//! end:    build rows by mark                                                          (remaining)
//! ```
//! [`JoinTable::mode_name`] tells how rows are found:
//!
//! | mode | when | per probe row |
//! | --- | --- | --- |
//! | direct | the keys' domain is at most [`DIRECT_SHARE`] times the build rows, or 2^[`DIRECT_BITS`] | 4 bytes at random |
//! | narrow | the keys of a row take 64 bits | 16 bytes at random |
//! | wide | 128 bits | 32 bytes at random |
//! | hashed | more | 16 bytes at random, and both keys' bytes |
//!
//! Floor of a probe: the key lanes once (8 bytes), a cache line at random, 4 bytes for the value and 8 for a pair. Where most
//! probe rows have no partner, and slots exceed the second cache level, 1 byte at random instead (`table`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{ArrayRef, BooleanArray, new_null_array};
use arrow::buffer::BooleanBuffer;

use super::{JoinSpec, RowTest};
use crate::error::{Error, Result};
use crate::keys::RowHasher;
use crate::memory::{Grant, Reserve};

mod bound;
mod build;
mod candidates;
mod fill;
mod input;
mod layout;
mod marks;
mod partition;
mod payload;
mod plan;
mod probe;
mod rows;
mod runtime_filter;
mod stage;
mod table;
#[cfg(test)]
mod tests;
mod worker;

pub use build::JoinBuild;
use layout::Layout;
use marks::Marks;
pub use partition::{JoinPartitioner, MAX_PARTITION_BITS, PartitionBatch, PartitionedRows};
use payload::{BuildRows, PayloadColumn};
use plan::{Plan, Source};
pub use probe::Prober;
use rows::KeyRows;
pub use runtime_filter::RuntimeFilter;
use table::Table;
pub use worker::BuildWorker;

/// Build rows, at most: a value of the table has a bit for lists, and these take half as much again.
pub const MAX_BUILD_ROWS: usize = 1 << 30;

/// A domain of this many bits is indexed directly whatever the number of rows: the array stays in the second cache level.
pub const DIRECT_BITS: u32 = 18;

/// Beyond, a domain of this many times the build rows is: 4 bytes for each value of it are what slots would take.
pub const DIRECT_SHARE: usize = 8;

/// Slots of 16 bytes that the second cache level does not hold, and their tags of 1 byte do.
pub const TAGGED_SLOTS: usize = 1 << 17;

/// Bytes of an output batch: far more than a batch of rows as they usually are, far fewer than offsets of 32 bits count.
pub const OUTPUT_BYTES: u64 = 1 << 28;

/// What tests change. The defaults are for use.
#[derive(Debug, Clone)]
pub struct JoinSettings {
    /// Bits of the hash in use. Fewer make keys collide.
    pub hash_bits: u32,
    /// Whether dense keys index an array.
    pub direct: bool,
    /// Bits of the number of slots of a region: those of one partition of the build, 256 KiB of them.
    pub region_bits: u32,
    /// Slots from which a table has tags.
    pub tagged_slots: usize,
    /// Bytes of an output batch, about, where it has more than one row.
    pub output_bytes: u64,
}

impl Default for JoinSettings {
    fn default() -> Self {
        Self {
            hash_bits: u64::BITS,
            direct: true,
            region_bits: 14,
            tagged_slots: TAGGED_SLOTS,
            output_bytes: OUTPUT_BYTES,
        }
    }
}

/// Columns of the output.
#[derive(Debug, Clone)]
pub struct JoinBatch {
    /// One per [`JoinSpec::output`].
    pub columns: Vec<ArrayRef>,
    /// Rows: with no columns, there is nothing else to tell.
    pub rows: usize,
}

/// How keys become words.
#[derive(Debug)]
enum Keys {
    /// The word is the key.
    Exact(Layout),
    /// The word is a hash, `mask`ed; equal words are compared by `rows`.
    Hashed { hasher: RowHasher, mask: u64, rows: KeyRows },
}

/// The build side of a join, finished. Shared by all threads that probe it.
#[derive(Debug)]
pub struct JoinTable {
    plan: Plan,
    rows: usize,
    keys: Keys,
    table: Table,
    lists: Vec<u32>,
    /// True where every key has one row.
    unique: bool,
    payload: Vec<PayloadColumn>,
    /// Bytes of an output batch, at most, where it has more than one row.
    output_bytes: u64,
    marks: Option<Marks>,
    /// True where a build row has a null key.
    null_keys: bool,
    /// Null-aware anti joins of the build side: whether there was a probe row, and one with a null key.
    probed: AtomicBool,
    probed_null: AtomicBool,
    memory: Arc<dyn Reserve>,
    _grants: Vec<Grant>,
}

impl JoinTable {
    /// What is joined.
    #[must_use]
    pub fn spec(&self) -> &Arc<JoinSpec> {
        &self.plan.spec
    }

    /// Rows of the build side, with null keys or not.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// True where no key occurs in two build rows.
    #[must_use]
    pub fn is_unique(&self) -> bool {
        self.unique
    }

    /// `direct`, `narrow`, `wide` or `hashed`: see the module.
    #[must_use]
    pub fn mode_name(&self) -> &'static str {
        match (&self.keys, &self.table) {
            (Keys::Hashed { .. }, _) => "hashed",
            (_, Table::Direct(_)) => "direct",
            (_, Table::Narrow(_)) => "narrow",
            (_, Table::Wide(_)) => "wide",
        }
    }

    /// True where the probe side need not be read: nothing would come out of it, nor be marked by it.
    #[must_use]
    pub fn needs_no_probe(&self) -> bool {
        use plan::ProbeOutput as O;
        match self.plan.while_probing {
            O::Pairs { keeps_probe } => self.rows == 0 && !keeps_probe,
            O::Rows(RowTest::Matched) => self.rows == 0,
            O::Rows(RowTest::UnmatchedNullAware) => self.null_keys,
            O::Rows(_) => false,
            O::Nothing => self.rows == 0,
        }
    }

    /// True where [`JoinTable::remaining`] may have rows.
    #[must_use]
    pub fn has_remaining(&self) -> bool {
        self.plan.at_the_end.is_some() && self.rows > 0
    }

    /// One thread's state for probing.
    #[must_use]
    pub fn prober(self: &Arc<Self>) -> Prober {
        Prober::new(Arc::clone(self), Grant::new(Arc::clone(&self.memory)))
    }

    /// Of build rows `start..start + len`, those that the join type shows after all probes: those without partner of an
    /// outer or anti join, those with one of a semi join, all with their mark. None for other types, and past the last
    /// build row. Ranges that cover all build rows give each row once; they are tasks for any threads.
    ///
    /// To be called when all probers are done.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where a result cannot be made as an array.
    pub fn remaining(&self, start: usize, len: usize) -> Result<JoinBatch> {
        let start = start.min(self.rows);
        let len = len.min(self.rows - start);
        let matched = |at: usize| self.marks.as_ref().is_some_and(|marks| marks.get(start + at));
        let keep: Box<dyn Fn(usize) -> bool> = match self.plan.at_the_end {
            None => Box::new(|_| false),
            Some(RowTest::Matched) => Box::new(matched),
            Some(RowTest::Unmatched) => Box::new(|at| !matched(at)),
            Some(RowTest::Marked) => Box::new(|_| true),
            Some(RowTest::UnmatchedNullAware) if !self.probed.load(Ordering::Relaxed) => Box::new(|_| true),
            Some(RowTest::UnmatchedNullAware) if self.probed_null.load(Ordering::Relaxed) => {
                Box::new(|_| false)
            }
            // Rows with null keys were marked when the table was made.
            Some(RowTest::UnmatchedNullAware) => Box::new(|at| !matched(at)),
        };
        let kept: Vec<u32> = (0..len).filter(|&at| keep(at)).map(|at| (start + at) as u32).collect();
        let mark = BooleanBuffer::collect_bool(kept.len(), |at| matched(kept[at] as usize - start));
        let (rows, whole) = (kept.len(), kept.len() == len);
        let indices = BuildRows::new(kept);
        let column = |source: &Source| match *source {
            Source::Build(held) if whole => self.payload[held].slice(start, len),
            Source::Build(held) => self.payload[held].gather(&indices),
            Source::Probe(column) => Ok(new_null_array(&self.plan.probe_types()[column], rows)),
            Source::Mark => Ok(Arc::new(BooleanArray::new(mark.clone(), None)) as ArrayRef),
        };
        let columns = self.plan.output.iter().map(column).collect::<Result<_>>()?;
        Ok(JoinBatch { columns, rows })
    }

    /// How many rows from `start`, at least one and at most `len`, [`JoinTable::remaining`] makes a batch of bounded bytes of: for
    /// callers whose rows may be so long that a number of them is no bound.
    #[must_use]
    pub fn remaining_rows(&self, start: usize, len: usize) -> usize {
        let len = len.min(self.rows.saturating_sub(start));
        let held = |source: &Source| match source {
            Source::Build(held) => Some(&self.payload[*held]),
            _ => None,
        };
        let columns: Vec<&PayloadColumn> = self.plan.output.iter().filter_map(held).collect();
        let longest: u64 = columns.iter().map(|column| column.longest()).sum();
        if longest.saturating_mul(len as u64) <= self.output_bytes {
            return len.max(1);
        }
        let mut left = self.output_bytes;
        let fits = |row: &usize| {
            let bytes: u64 = columns.iter().map(|column| column.bytes(*row as u32)).sum();
            let fits = bytes <= left;
            left = left.saturating_sub(bytes);
            fits
        };
        (start..start + len).take_while(fits).count().max(1)
    }

    /// The rows of a list.
    #[inline]
    fn list(&self, value: u32) -> &[u32] {
        let start = (value & !table::LIST) as usize;
        &self.lists[start + 1..start + 1 + self.lists[start] as usize]
    }
}

fn check_columns(columns: &[ArrayRef], width: usize, rows: usize) -> Result<()> {
    if columns.len() != width {
        return Err(Error::invalid(format!("{} columns of a side of {width}", columns.len())));
    }
    match columns.iter().find(|column| column.len() != rows) {
        Some(column) => {
            Err(Error::invalid(format!("a column of {} rows in a batch of {rows}", column.len())))
        }
        None => Ok(()),
    }
}
