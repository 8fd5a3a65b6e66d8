//! The dispatches of an aggregation, as data.
//!
//! ```text
//! for each batch:                      decodes of columns that came encoded
//! for each batch, hash table only:     keys -> insert -> settle
//! for each batch, then each pass:      accumulate
//! read back: status of every generated stage, state, and with a table: its head, the keys of the groups
//! ```
//! Batches of a table must be settled in order, and their rows find their groups in the same `row_slots`; so pass 0 follows
//! each batch at once and `row_slots` is reused, unless later passes need every batch's.

use std::sync::Arc;

use arrow::buffer::Buffer;
use pilaster_shaders::{Shader, Tier};

use super::GpuAggregate;
use super::stage::{KeyLayout, library};
use crate::error::{Backend, Error, Result};
use crate::expr::wgsl::{GeneratedExprs, STATUS_WORDS};
use crate::gpu::column::{DeviceBatch, read_decodes};
use crate::gpu::program::{BufferId, BufferInit, Program, Workgroups};

/// Invocations of a workgroup in all stages of this folder.
pub(super) const WORKGROUP: u32 = 256;

/// Rows that a thread should see before its workgroup flushes: a flush costs about as much as some dozen rows.
const ROWS_PER_THREAD: u32 = 16;

/// Enough workgroups of 256 to fill the largest current devices (an H200 holds 132 x 8); more would only flush more.
const MOST_WORKGROUPS: u32 = 1056;

/// Stages without a flush take more, for balance.
const MOST_PLAIN_WORKGROUPS: u32 = 8192;

/// Words of the table before its slots: `TABLE_HEAD` of `aggregate/table.wgsl`.
pub(super) const TABLE_HEAD: usize = 4;

/// Stages of the hash table, composed.
#[derive(Debug, Clone)]
pub(super) struct HashStages {
    pub exprs: GeneratedExprs,
    pub layout: KeyLayout,
    keys: Arc<Shader>,
    insert: Arc<Shader>,
    settle: Arc<Shader>,
}

impl HashStages {
    pub fn new(exprs: GeneratedExprs, tier: &Tier) -> Result<Self> {
        let layout = KeyLayout::new(&exprs.values);
        let keys = super::stage::keys(&exprs, &layout, tier)?;
        let (insert, settle) = (library("aggregate/insert", tier)?, library("aggregate/settle", tier)?);
        Ok(HashStages { exprs, layout, keys, insert, settle })
    }
}

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
}

/// Buffers of the hash table.
struct Table {
    table: BufferId,
    status: BufferId,
    row_keys: BufferId,
    group_keys: BufferId,
    /// One for each batch, or one for all.
    row_slots: Vec<BufferId>,
}

/// Buffers of a batch.
struct Batch {
    rows: u32,
    columns: BufferId,
    /// Parameters of each pass.
    parameters: Vec<BufferId>,
}

impl GpuAggregate {
    /// The whole aggregation: uploads, dispatches, one read-back.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] where a buffer exceeds what the adapter binds, or all together the settings' device budget.
    pub fn program(&self) -> Result<Program> {
        let mut program = Program::new(format!("aggregate ({})", self.mode_name()));
        let batches = self.batches.iter().filter(|batch| batch.rows > 0).collect::<Vec<_>>();
        let shared = self.shared_buffers(&mut program, &batches)?;
        let mut first_row = 0;
        let mut resident = vec![];
        let mut decodes = vec![];
        for (index, batch) in batches.into_iter().enumerate() {
            let buffers = self.batch_buffers(&mut program, index, batch, first_row, &mut decodes)?;
            self.find_groups(&mut program, &shared, &buffers, index, batch, first_row)?;
            self.accumulate(&mut program, &shared, &buffers, index, 0);
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
        Ok(Shared { state, plans, statuses, table })
    }

    fn table_buffers(
        &self,
        program: &mut Program,
        hash: &HashStages,
        batches: &[&DeviceBatch],
    ) -> Result<Table> {
        let most_rows = batches.iter().map(|batch| u64::from(batch.rows)).max().unwrap_or(0);
        let key_bytes = hash.layout.width as u64 * 4;
        let (groups, slots) = (self.capacity.groups, self.capacity.slots);
        let fit =
            |number: u64| u32::try_from(number).map_err(|_| self.out_of_memory(number.saturating_mul(4)));
        let head = [0, 0, fit(groups)?, fit(slots - 1)?];
        let bytes =
            |count: u64, each: u64| count.checked_mul(each).ok_or_else(|| self.out_of_memory(u64::MAX));
        let table_bytes = bytes(slots + TABLE_HEAD as u64, 4)?;
        let head = BufferInit::Upload(vec![(0, Buffer::from_slice_ref(head))]);
        let table = program.buffer("aggregate/table", table_bytes, head);
        let status = program.buffer("aggregate/status", STATUS_WORDS as u64 * 4, BufferInit::Zero);
        let row_keys = program.buffer("aggregate/row_keys", bytes(most_rows, key_bytes)?, BufferInit::Zero);
        let group_keys = program.buffer("aggregate/group_keys", bytes(groups, key_bytes)?, BufferInit::Zero);
        let mut slots_of = |rows: u64| program.buffer("aggregate/row_slots", rows * 4, BufferInit::Zero);
        let row_slots = if self.passes.len() > 1 {
            batches.iter().map(|batch| slots_of(u64::from(batch.rows))).collect()
        } else {
            vec![slots_of(most_rows)]
        };
        Ok(Table { table, status, row_keys, group_keys, row_slots })
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

    /// keys -> insert -> settle.
    fn find_groups(
        &self,
        program: &mut Program,
        shared: &Shared,
        buffers: &Batch,
        index: usize,
        batch: &DeviceBatch,
        first_row: u64,
    ) -> Result<()> {
        let (Some(hash), Some(table)) = (&self.hash, &shared.table) else { return Ok(()) };
        let parameters =
            program.upload_words("aggregate/parameters", &hash.exprs.parameters(batch, first_row, &[])?);
        let shape = program.upload_words("aggregate/shape", &[buffers.rows, hash.layout.width as u32]);
        let row_slots = table.row_slots(index);
        let grid = grid(buffers.rows, 1, MOST_PLAIN_WORKGROUPS);
        let bindings = vec![parameters, buffers.columns, table.status, table.row_keys, row_slots];
        program.stage("aggregate/keys", hash.keys.clone(), bindings, grid);
        let bindings = vec![shape, table.row_keys, table.group_keys, table.table, row_slots];
        program.stage("aggregate/insert", hash.insert.clone(), bindings, grid);
        let bindings = vec![shape, table.row_keys, row_slots, table.table, table.group_keys];
        program.stage("aggregate/settle", hash.settle.clone(), bindings, grid);
        Ok(())
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
            bindings.extend([table.row_slots(index), table.table]);
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
    }

    fn state_bytes(&self) -> Result<u64> {
        let words = self.groups_limit().checked_mul(self.layout.stride as u64);
        words.and_then(|words| words.checked_mul(4)).ok_or_else(|| self.out_of_memory(u64::MAX))
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

    fn out_of_memory(&self, asked_bytes: u64) -> Error {
        Error::OutOfMemory { backend: Backend::Gpu, asked_bytes, limit_bytes: self.settings.device_bytes }
    }
}

impl Table {
    fn row_slots(&self, batch: usize) -> BufferId {
        self.row_slots[batch.min(self.row_slots.len() - 1)]
    }
}

/// Workgroups for `rows` rows, at least `per_thread` to a thread where there are as many, at most `most` workgroups.
fn grid(rows: u32, per_thread: u32, most: u32) -> Workgroups {
    Workgroups::Direct([rows.div_ceil(WORKGROUP * per_thread).clamp(1, most), 1, 1])
}
