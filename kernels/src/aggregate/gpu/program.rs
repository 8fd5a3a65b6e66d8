//! The dispatches of an aggregation, as data.
//!
//! ```text
//! for each batch:                      decodes of columns that came encoded
//! for each batch, hash table only:     keys -> ... -> settle                  (table.rs)
//! for each batch, then each pass:      accumulate
//! for each batch and set of values:    pairs -> insert -> settle             (distinct.rs)
//! read back: status of every generated stage, state; with a table: its head, the keys of the groups; pairs
//! ```
//! Batches of a table must be settled in order, and their rows find their groups in the same `row_slots`; so pass 0 follows
//! each batch at once and `row_slots` is reused, unless later passes need every batch's.
//!
//! An aggregation whose table exceeds the budget is several programs: each takes the rows of one *part*, by a hash of their
//! keys, so that no group is in two parts. Every part sends the input up again: the price is input bytes times parts.

use super::Capacity;
use super::GpuAggregate;
use super::distinct::SetBuffers;
use super::table::{TABLE_HEAD, Table};
use crate::error::{Backend, Error, Result};
use crate::expr::wgsl::STATUS_WORDS;
use crate::gpu::column::{DeviceBatch, read_decodes};
use crate::gpu::program::{BufferId, BufferInit, Program, Workgroups};

/// Invocations of a workgroup in all stages of this folder.
pub(super) const WORKGROUP: u32 = 256;

/// Rows that a thread should see before its workgroup flushes: a flush costs about as much as some dozen rows.
const ROWS_PER_THREAD: u32 = 16;

/// Enough workgroups of 256 to fill the largest current devices (an H200 holds 132 x 8); more would only flush more.
const MOST_WORKGROUPS: u32 = 1056;

/// Stages without a flush take more, for balance.
pub(super) const MOST_PLAIN_WORKGROUPS: u32 = 8192;

/// Most parts: each costs the whole input. Beyond, the input is cut instead, by who holds it.
const MOST_PARTS: u32 = 64;

/// Index of each read-back in [`crate::gpu::ProgramOutput`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReadBack;

impl ReadBack {
    pub const STATE: usize = 0;
    pub const PASS_STATUS: usize = 1;
    pub const TABLE: usize = 2;
    pub const GROUP_KEYS: usize = 3;
    pub const KEY_STATUS: usize = 4;
}

/// Buffers that all batches share.
struct Shared {
    state: BufferId,
    plans: Vec<BufferId>,
    statuses: Vec<BufferId>,
    table: Option<Table>,
    sets: SetBuffers,
}

/// Buffers of a batch.
pub(super) struct Batch {
    pub rows: u32,
    pub columns: BufferId,
    /// Parameters of each pass.
    parameters: Vec<BufferId>,
}

impl GpuAggregate {
    /// One part of the aggregation, of [`GpuAggregate::parts`]: uploads, dispatches, one read-back.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] where a buffer exceeds what the adapter binds, or all together the settings' device budget.
    pub fn program(&self, part: u32) -> Result<Program> {
        let mut program = Program::new(format!("aggregate ({})", self.mode_name()));
        let batches = self.batches.iter().filter(|batch| batch.rows > 0).collect::<Vec<_>>();
        let shared = self.shared_buffers(&mut program, &batches)?;
        let mut first_row = 0;
        let mut resident = vec![];
        let mut decodes = vec![];
        for (index, batch) in batches.into_iter().enumerate() {
            let buffers = self.batch_buffers(&mut program, index, batch, first_row, &mut decodes)?;
            if let Some(table) = &shared.table {
                self.find_groups(&mut program, table, &buffers, (index, batch, first_row), part)?;
            }
            self.accumulate(&mut program, &shared, &buffers, index, 0);
            let (table, sets) = (shared.table.as_ref(), &shared.sets);
            self.insert_pairs(&mut program, sets, table, &buffers, (index, batch, first_row))?;
            first_row += u64::from(batch.rows);
            resident.push(buffers);
        }
        for pass in 1..self.passes.len() {
            for (index, buffers) in resident.iter().enumerate() {
                self.accumulate(&mut program, &shared, buffers, index, pass);
            }
        }
        self.read_backs(&mut program, &shared);
        read_decodes(&mut program, &decodes);
        self.check_size(&program)?;
        Ok(program)
    }

    fn shared_buffers(&self, program: &mut Program, batches: &[&DeviceBatch]) -> Result<Shared> {
        let state = program.buffer("aggregate/state", self.state_bytes()?, BufferInit::Zero);
        let plans =
            self.passes.iter().map(|pass| program.upload_words("aggregate/plan", &pass.plan)).collect();
        let status = |program: &mut Program| {
            program.buffer("aggregate/status", STATUS_WORDS as u64 * 4, BufferInit::Zero)
        };
        let statuses = self.passes.iter().map(|_| status(program)).collect();
        let table = match &self.hash {
            Some(hash) => Some(self.table_buffers(program, hash, batches)?),
            None => None,
        };
        let sets = self.set_buffers(program, batches)?;
        Ok(Shared { state, plans, statuses, table, sets })
    }

    fn batch_buffers(
        &self,
        program: &mut Program,
        index: usize,
        batch: &DeviceBatch,
        first_row: u64,
        decodes: &mut Vec<BufferId>,
    ) -> Result<Batch> {
        let columns = batch.add_to(program, format!("batch {index}"), decodes)?;
        let parameters = self.passes.iter().map(|pass| {
            let words = pass.exprs.parameters(batch, first_row, &[])?;
            Ok(program.upload_words("aggregate/parameters", &words))
        });
        Ok(Batch { rows: batch.rows, columns, parameters: parameters.collect::<Result<_>>()? })
    }

    fn accumulate(&self, program: &mut Program, shared: &Shared, batch: &Batch, index: usize, pass: usize) {
        let stage = &self.passes[pass];
        let mut bindings = vec![
            batch.parameters[pass],
            batch.columns,
            shared.statuses[pass],
            shared.plans[pass],
            shared.state,
        ];
        if let Some(table) = &shared.table {
            bindings.extend(table.row_bindings(index));
        }
        let grid = match stage.site {
            super::mode::Site::Global => grid(batch.rows, 1, MOST_PLAIN_WORKGROUPS),
            _ => grid(batch.rows, ROWS_PER_THREAD, MOST_WORKGROUPS),
        };
        program.stage("aggregate/accumulate", stage.shader.clone(), bindings, grid);
    }

    fn read_backs(&self, program: &mut Program, shared: &Shared) {
        let status_bytes = STATUS_WORDS as u64 * 4;
        let whole = |program: &mut Program, buffer: BufferId| {
            let bytes = program.buffers[buffer.0 as usize].bytes;
            program.read_back(buffer, 0, bytes);
        };
        whole(program, shared.state);
        // Later passes evaluate what pass 0 has evaluated: its errors are all errors.
        program.read_back(shared.statuses[0], 0, status_bytes);
        if let Some(table) = &shared.table {
            program.read_back(table.table, 0, TABLE_HEAD as u64 * 4);
            whole(program, table.group_keys);
            program.read_back(table.status, 0, status_bytes);
        }
        self.read_pairs(program, &shared.sets);
    }

    fn state_bytes(&self) -> Result<u64> {
        let words = self.groups_limit().checked_mul(self.layout.stride as u64);
        words.and_then(|words| words.checked_mul(4)).ok_or_else(|| self.out_of_memory(u64::MAX))
    }

    /// The capacity for `groups` groups that keeps the budget: in one part, or in as many as it takes. Where no number of
    /// parts up to [`MOST_PARTS`] does, in one part, which [`GpuAggregate::program`] then refuses.
    pub(super) fn fitted(&self, groups: u64, slots: u64, pairs: u64) -> Capacity {
        let whole = Capacity::of_groups(groups);
        let whole = Capacity { slots: whole.slots.max(slots), pairs, ..whole };
        if self.hash.is_none() {
            return whole;
        }
        let mut trial = self.clone();
        for parts in (0..=MOST_PARTS.ilog2()).map(|bits| 1u32 << bits) {
            trial.capacity = whole.in_parts(parts);
            if trial.program(0).is_ok() {
                return trial.capacity;
            }
        }
        whole
    }

    fn check_size(&self, program: &Program) -> Result<()> {
        let largest = program.buffers.iter().map(|buffer| buffer.bytes).max().unwrap_or(0);
        if largest > self.binding_bytes {
            let limit_bytes = self.binding_bytes;
            return Err(Error::OutOfMemory { backend: Backend::Gpu, asked_bytes: largest, limit_bytes });
        }
        let asked = program.device_bytes();
        if asked > self.settings.device_bytes { Err(self.out_of_memory(asked)) } else { Ok(()) }
    }

    pub(super) fn out_of_memory(&self, asked_bytes: u64) -> Error {
        Error::OutOfMemory { backend: Backend::Gpu, asked_bytes, limit_bytes: self.settings.device_bytes }
    }
}

/// Workgroups for `rows` rows, at least `per_thread` to a thread where there are as many, at most `most` workgroups.
pub(super) fn grid(rows: u32, per_thread: u32, most: u32) -> Workgroups {
    Workgroups::Direct([rows.div_ceil(WORKGROUP * per_thread).clamp(1, most), 1, 1])
}
