//! One worker: a table while it is small, then a frozen table and staged rows.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::ArrayRef;

use super::form::Form;
use super::run::{Kind, Loose};
use super::{Level, locked};
use crate::aggregate::AggregateSpec;
use crate::aggregate::cpu::frame::{Batch, Positions};
use crate::aggregate::cpu::{CpuAggregate, Growth};
use crate::aggregate::partial::Partial;
use crate::error::{Error, Result};
use crate::filter::Selection;
use crate::keys::GroupIndex;
use crate::memory::Grant;

/// Below this share of hits, looking rows up costs more than staging them saves. Measured on two cores of an EPYC (i64 keys, a sum
/// and a count): 17 ns for a row that is staged without a look until it is in its table, 9 for one that is found, about
/// 60 for one that is looked up in vain and staged then.
const LEAST_HITS: f64 = 0.8;

/// Batches in a row with few hits after which rows are staged without a look.
const PATIENCE: usize = 4;

/// Blind batches between two that are looked up, to see whether the input has changed.
const BLIND_BATCHES: usize = 32;

/// One thread's share of a [`super::PartitionedAggregate`].
#[derive(Debug)]
pub struct Worker {
    pub(super) level: Arc<Level>,
    /// Groups to be expected, in a partition; 0 elsewhere.
    expected: usize,
    pub(super) table: CpuAggregate,
    form: Arc<Form>,
    phase: Phase,
    pending: Loose,
    pending_grant: Grant,
}

/// A batch of so few rows is staged where there is no room for it in an empty table.
const LEAST_ROWS: usize = 32;

/// States that go to the table, or to a run, as one: a table is only so much larger than what it should freeze at.
const STATES_AT_ONCE: usize = 1 << 14;

/// Whether a batch can go to the table.
enum Room {
    /// What it may take is held.
    Held,
    /// A smaller batch might.
    Smaller,
    /// Not even an empty table can have so much.
    None,
}

/// What happens to rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// All of them go to the table.
    Growing,
    /// Those of known groups go to the table; so many batches had few of them.
    Frozen { poor: usize },
    /// None goes to the table, for so many batches more.
    Blind { left: usize },
}

impl Worker {
    pub(super) fn new(level: Arc<Level>, spec: Arc<AggregateSpec>, expected: usize) -> Result<Self> {
        let table = table(&level, &spec, expected)?;
        let form = level.shared.form(&table.spec)?;
        let pending = Loose::new(Kind::Rows(Arc::clone(&form)));
        let pending_grant = level.grant();
        Ok(Self { level, expected, table, form, phase: Phase::Growing, pending, pending_grant })
    }

    /// Adds the rows of a batch, which stand at `first` in the whole input; see [`CpuAggregate::consume_at`].
    ///
    /// # Errors
    /// Those of the expressions; [`Error::InvalidInput`] for columns of other lengths; [`Error::OutOfMemory`] where a
    /// reservation is refused and nothing can be spilled; [`Error::Io`]. The worker is of no further use then.
    pub fn consume_at(&mut self, first: u64, columns: &[ArrayRef], rows: usize) -> Result<()> {
        self.consume(Batch { columns, rows, positions: Positions::From(first) })
    }

    /// True where what a run holds can be added: states always, rows of the worker's own columns.
    pub(super) fn takes(&self, kind: &Kind) -> bool {
        match kind {
            Kind::Rows(form) => Arc::ptr_eq(&form.spec, &self.table.spec),
            Kind::States(_) => true,
        }
    }

    /// Adds staged columns, of the form that `form` tells.
    pub(super) fn consume_staged(&mut self, form: &Form, columns: &[ArrayRef], rows: usize) -> Result<()> {
        self.consume(form.batch(columns, rows)?)
    }

    fn consume(&mut self, batch: Batch) -> Result<()> {
        if let Some(column) = batch.columns.iter().find(|column| column.len() != batch.rows) {
            let (length, rows) = (column.len(), batch.rows);
            return Err(Error::invalid(format!("a column of {length} rows in a batch of {rows}")));
        }
        if self.table.index.is_none() || !self.level.divides() {
            return self.table.consume_batch(batch, Growth::Open).map(|_| ());
        }
        match self.phase {
            Phase::Blind { left } if left > 0 => {
                self.phase = Phase::Blind { left: left - 1 };
                self.level.shared.counters.blind_batches.fetch_add(1, Ordering::Relaxed);
                let selection = self.form.select(&batch)?;
                return self.stage(&batch, &selection);
            }
            Phase::Growing | Phase::Frozen { .. } | Phase::Blind { .. } => {}
        }
        match self.make_room(&batch)? {
            Room::Held => {}
            Room::Smaller => return self.consume_halves(&batch),
            Room::None => {
                let selection = self.form.select(&batch)?;
                return self.stage(&batch, &selection);
            }
        }
        match self.phase {
            Phase::Growing => self.grow(batch),
            Phase::Frozen { .. } | Phase::Blind { .. } => self.look_up(batch),
        }
    }

    fn consume_halves(&mut self, batch: &Batch) -> Result<()> {
        let half = batch.rows / 2;
        for (from, to) in [(0, half), (half, batch.rows)] {
            let columns: Vec<ArrayRef> =
                batch.columns.iter().map(|column| column.slice(from, to - from)).collect();
            let positions = batch.positions.slice(from, to);
            self.consume(Batch { columns: &columns, rows: to - from, positions })?;
        }
        Ok(())
    }

    fn grow(&mut self, batch: Batch) -> Result<()> {
        let before = self.table.groups();
        self.table.consume_batch(batch, Growth::Open)?;
        let groups = self.table.groups();
        let settings = &self.level.shared.settings;
        // An array that can hold all keys is worth its misses of the cache.
        let is_dense = |index: &GroupIndex| index.is_dense_within(settings.direct_slots);
        if !self.table.index.as_ref().is_some_and(is_dense)
            && groups >= settings.hash_groups.max(self.expected * 2)
        {
            let new = (groups - before) as f64 / batch.rows.max(1) as f64;
            let poor = if new > 1.0 - LEAST_HITS { PATIENCE } else { 0 };
            self.freeze(poor);
        }
        Ok(())
    }

    fn freeze(&mut self, poor: usize) {
        self.level.shared.counters.frozen_tables.fetch_add(1, Ordering::Relaxed);
        self.phase =
            if poor >= PATIENCE { Phase::Blind { left: BLIND_BATCHES } } else { Phase::Frozen { poor } };
    }

    fn look_up(&mut self, batch: Batch) -> Result<()> {
        let missed = self.table.consume_batch(batch, Growth::Frozen)?;
        let hits = 1.0 - missed.len() as f64 / batch.rows.max(1) as f64;
        self.phase = match self.phase {
            _ if hits >= LEAST_HITS => Phase::Frozen { poor: 0 },
            Phase::Frozen { poor } if poor + 1 < PATIENCE => Phase::Frozen { poor: poor + 1 },
            _ => Phase::Blind { left: BLIND_BATCHES },
        };
        if missed.is_empty() {
            return Ok(());
        }
        let all = missed.len() == batch.rows;
        let selection =
            if all { Selection::all(batch.rows) } else { Selection::from_indices(batch.rows, missed) };
        self.stage(&batch, &selection)
    }

    /// Holds what the table may take for a batch. Where that is refused, runs go to disk, then the table, as states.
    fn make_room(&mut self, batch: &Batch) -> Result<Room> {
        let bytes = if self.table.keeps_values() { self.pending.bytes_of(batch.columns) } else { 0 };
        let Err(refused) = self.table.reserve_ahead(batch.rows, bytes) else { return Ok(Room::Held) };
        if self.level.shared.spill.is_none() {
            // A batch rarely takes the most that it may.
            self.table.grant.ahead_at_most(0);
            return Ok(Room::Held);
        }
        spillable(refused)?;
        while self.level.relieve()? {
            if self.table.reserve_ahead(batch.rows, bytes).is_ok() {
                return Ok(Room::Held);
            }
        }
        self.flush_to_disk()?;
        if self.table.reserve_ahead(batch.rows, bytes).is_ok() {
            return Ok(Room::Held);
        }
        let divisible = batch.rows > LEAST_ROWS;
        if divisible && self.table.ahead_for(batch.rows, bytes) > 2 * self.table.grant.bytes() {
            return Ok(Room::Smaller);
        }
        self.evict()?;
        Ok(match self.table.reserve_ahead(batch.rows, bytes) {
            Ok(()) => Room::Held,
            Err(_) if divisible => Room::Smaller,
            Err(_) => Room::None,
        })
    }

    /// Stages rows of a batch.
    fn stage(&mut self, batch: &Batch, selection: &Selection) -> Result<()> {
        if selection.count() == 0 {
            return Ok(());
        }
        let columns = self.form.stage(batch, selection)?;
        self.level.shared.counters.staged_rows.fetch_add(selection.count() as u64, Ordering::Relaxed);
        self.add_pending(columns, selection.count())
    }

    fn add_pending(&mut self, columns: Vec<ArrayRef>, rows: usize) -> Result<()> {
        if !self.pending.accepts(&columns) {
            self.flush()?;
        }
        let bytes = self.pending.bytes_of(&columns);
        let mut held = self.pending_grant.grow(bytes);
        while held.is_err() && self.level.relieve()? {
            held = self.pending_grant.grow(bytes);
        }
        if held.is_err() && self.level.shared.spill.is_some() {
            self.flush_to_disk()?;
            held = self.pending_grant.grow(bytes);
        }
        self.pending.push(columns, rows);
        if let Err(refused) = held {
            // Nothing of ours is left in memory but the table: the batch goes to disk as it is.
            spillable(refused)?;
            return self.flush_to_disk();
        }
        let settings = &self.level.shared.settings;
        if self.pending.rows >= settings.run_rows || self.pending_grant.bytes() >= settings.run_bytes {
            self.flush()?;
        }
        Ok(())
    }

    /// Makes a run of what is pending.
    pub(super) fn flush(&mut self) -> Result<()> {
        if self.pending.rows == 0 {
            return Ok(());
        }
        let mut grant = self.level.grant();
        let bytes = self.pending_grant.bytes() + self.pending.rows as u64 * 5;
        let mut held = grant.grow(bytes);
        while held.is_err() && self.level.relieve()? {
            held = grant.grow(bytes);
        }
        match held {
            Ok(()) => {
                let mut run = self.pending.arranged(&self.level, grant)?;
                // Hashes and places were scratch.
                run.give_back(self.pending.rows as u64 * 5);
                self.level.add_run(run);
                self.clear_pending();
                Ok(())
            }
            Err(refused) => {
                if self.level.shared.spill.is_none() {
                    return Err(refused);
                }
                self.flush_to_disk()
            }
        }
    }

    /// Writes what is pending to disk, without asking for memory.
    fn flush_to_disk(&mut self) -> Result<()> {
        let Some(spill) = &self.level.shared.spill else {
            return Err(Error::invalid("nowhere to spill to"));
        };
        if self.pending.rows > 0 {
            let run = self.pending.written(&self.level, spill)?;
            self.level.count_spilled(&run);
            self.level.add_run(run);
            self.clear_pending();
        }
        Ok(())
    }

    fn clear_pending(&mut self) {
        self.pending = Loose::new(self.pending.kind.clone());
        let held = self.pending_grant.bytes();
        self.pending_grant.shrink(held);
    }

    /// Writes the table to disk as states, and starts with an empty one.
    fn evict(&mut self) -> Result<()> {
        let Some(spill) = self.level.shared.spill.clone() else {
            return Err(Error::invalid("nowhere to spill to"));
        };
        if self.table.groups() > 0 {
            let states = self.states()?;
            let run = states.written(&self.level, &spill)?;
            self.level.count_spilled(&run);
            self.level.shared.counters.evicted_tables.fetch_add(1, Ordering::Relaxed);
            self.level.add_run(run);
        }
        self.phase = Phase::Growing;
        Ok(())
    }

    /// The table's groups and states, which it loses.
    fn states(&mut self) -> Result<Loose> {
        self.note_mode();
        let spec = Arc::clone(&self.form.spec);
        let empty = table(&self.level, &self.table.spec, self.expected)?;
        let full = std::mem::replace(&mut self.table, empty);
        let batch = full.into_partial()?.into_batch(&spec)?;
        let mut states = Loose::new(Kind::States(spec));
        states.push(batch.columns().to_vec(), batch.num_rows());
        Ok(states)
    }

    /// Adds the groups and states of a partial, wherever these were computed. What there is no room for goes to disk.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a partial of another aggregation; else as of [`Worker::consume_at`].
    pub fn consume_partial(&mut self, partial: Partial) -> Result<()> {
        if self.table.index.is_none() {
            return self.table.merge_partial(&partial);
        }
        let spec = Arc::clone(&self.table.spec);
        let batch = partial.into_batch(&spec)?;
        for from in (0..batch.num_rows()).step_by(STATES_AT_ONCE) {
            let states = batch.slice(from, STATES_AT_ONCE.min(batch.num_rows() - from));
            self.consume_states(&spec, states.columns().to_vec(), states.num_rows())?;
        }
        Ok(())
    }

    /// Adds groups and states that a run holds.
    pub(super) fn consume_states(
        &mut self,
        spec: &Arc<AggregateSpec>,
        columns: Vec<ArrayRef>,
        rows: usize,
    ) -> Result<()> {
        let bytes: u64 = self.pending.bytes_of(&columns);
        let divides = self.level.divides();
        let most = self.level.shared.settings.hash_groups.max(self.expected * 2);
        if !divides || self.table.groups() < most && self.has_room_for_states(rows, bytes)? {
            let schema = Partial::schema(spec)?;
            let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
            let batch = arrow::array::RecordBatch::try_new_with_options(schema, columns, &options)?;
            return self.table.merge_own(&Partial::from_batch(&batch, spec)?);
        }
        let mut states = Loose::new(Kind::States(Arc::clone(spec)));
        states.push(columns, rows);
        self.add_states(&states, bytes)
    }

    fn has_room_for_states(&mut self, rows: usize, bytes: u64) -> Result<bool> {
        let Err(refused) = self.table.reserve_ahead(rows, bytes) else { return Ok(true) };
        if self.level.shared.spill.is_none() {
            self.table.grant.ahead_at_most(0);
            return Ok(true);
        }
        spillable(refused)?;
        while self.level.relieve()? {
            if self.table.reserve_ahead(rows, bytes).is_ok() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Makes a run of states, in memory where there is room.
    fn add_states(&self, states: &Loose, bytes: u64) -> Result<()> {
        let mut grant = self.level.grant();
        let run = match (grant.grow(bytes), &self.level.shared.spill) {
            (Ok(()), _) => states.arranged(&self.level, grant)?,
            (Err(_), Some(spill)) => {
                let run = states.written(&self.level, spill)?;
                self.level.count_spilled(&run);
                run
            }
            (Err(refused), None) => return Err(refused),
        };
        self.level.add_run(run);
        Ok(())
    }

    /// All rows are in: what is pending, and the table where `table` says so, become runs.
    pub(super) fn close(&mut self, table: bool) -> Result<()> {
        self.flush()?;
        if table && self.table.groups() > 0 {
            let states = self.states()?;
            let bytes = states.batches.iter().map(|columns| self.pending.bytes_of(columns)).sum();
            self.add_states(&states, bytes)?;
        }
        Ok(())
    }

    /// True where every row is in the table.
    pub(super) fn is_unstaged(&self) -> bool {
        self.pending.rows == 0
    }

    pub(super) fn note_mode(&self) {
        let mut mode = locked(&self.level.shared.counters.mode);
        if mode.is_empty() && (self.table.index.is_none() || self.table.groups() > 0) {
            *mode = self.table.mode_name();
        }
    }

    /// How groups are found at the moment, for EXPLAIN.
    #[must_use]
    pub fn mode_name(&self) -> &'static str {
        self.table.mode_name()
    }
}

fn table(level: &Level, spec: &Arc<AggregateSpec>, expected: usize) -> Result<CpuAggregate> {
    let memory = Arc::clone(&level.shared.memory);
    if level.depth == 0 {
        CpuAggregate::new(Arc::clone(spec), memory)
    } else {
        CpuAggregate::of_partition(Arc::clone(spec), expected, memory)
    }
}

/// Only a refusal of host memory is answered by spilling.
fn spillable(error: Error) -> Result<()> {
    match error {
        Error::OutOfMemory { .. } => Ok(()),
        other => Err(other),
    }
}
