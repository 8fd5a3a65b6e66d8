//! Aggregation on the GPU: predicate, keys and operands evaluated and accumulated in one fused stage per pass, all batches
//! in one submission.
//!
//! ```text
//! ungrouped, direct array                        hash table, per batch
//!
//! row -> evaluate -> group = digits of the keys  row -> evaluate -> key words            (keys)
//!                      |                         key words -> slot, by compare-and-swap  (insert)
//!                      v                         claimed slot -> group, its key          (settle)
//!            state of the workgroup              row -> slot -> group -> evaluate        (accumulate)
//!                      | once per workgroup                           |
//!                      v                                              v
//!            state in device memory              first groups: workgroup memory; others: device memory
//! ```
//! ```text
//! accumulate, per thread:
//!   for row in grid stride:
//!     evaluate(row)                                     predicate, keys, operands
//!     for slot: if operand is valid: add | max | or     32-bit atomics with carries, in the copy of this lane
//!   barrier; for (group, slot) of the workgroup: add up the copies, add to device memory
//! ```
//! - Sums of integers and decimals are numbers of as many words as range times rows needs, one included; the carry of a
//!   word is told by what `atomicAdd` returned, so it is exact in any order. Measured ranges make most of them 2 words.
//! - Sums of floats and of their squares are fixed-point numbers over the exponents that the data has (`float.rs`): exact,
//!   in integer atomics.
//! - Extremes are order-preserving words, one pass per word (`state.rs`); strings compare by rank in their dictionary.
//! - Which mode runs is decided in `mode.rs`. The table needs no forward progress: a thread never waits for another, since
//!   slots hold row numbers and keys were written by an earlier dispatch.
//!
//! Bytes per row: the packed columns once per pass, plus, with a table, `4 * (key words * 2 + 5)` for keys and slots, the
//! probe, the key of the group, and the touched states. Registers and workgroup memory absorb the states of few groups.
//!
//! - Hot groups: every workgroup keeps the states of the groups that it meets first in its own memory (`site_hybrid`), so a
//!   group of many rows reaches device memory once per workgroup, whatever the others are.
//! - A table larger than the caches: rows are brought into the order of their slots first, if a sample on the device says so
//!   (`table.rs`). A table over the budget: several programs, each for the groups of one part of the hashes.
//! - Functions over distinct values: a second table, of pairs (`distinct.rs`).
//!
//! Departures from the model (libcudf's `groupby/hash`, which takes row-index slots in a shared and a global hash set and
//! decides between them on the host): groups are numbered before accumulation, so that the table in workgroup memory holds
//! numbers, and a group that finds no place there goes on in device memory at once, without a list of rows for a second pass.
//! Nothing is decided on the host; capacity is checked once, after the read-back
//! ([`Outcome::Retry`]).

use std::collections::HashMap;

use arrow::datatypes::DataType;
use pilaster_shaders::Tier;

use crate::aggregate::partial::Partial;
use crate::aggregate::{Aggregate, AggregateFunction, AggregateSpec};
use crate::error::{Backend, Error, Result};
use crate::expr::Expr;
use crate::expr::wgsl::{self, ExprRequest, ValueInfo, ValueRequest};
use crate::gpu::column::{DeviceBatch, DeviceColumns};

mod decode;
mod distinct;
mod float;
mod mode;
mod moments;
mod program;
mod stage;
mod state;
mod table;
#[cfg(test)]
mod tests;
mod values;

use distinct::{FIRST_PAIRS, Set, SetStages, takes_set};
use mode::Mode;
use program::WORKGROUP;
use stage::{Pass, PassRequest};
use state::{Operands, StateLayout};
use table::{HashStages, KEYS_STAGE_WORDS};

/// Groups that a hash table has room for at first, where the caller expects nothing else.
pub const FIRST_GROUPS: u64 = 1 << 14;

/// Groups that a part has room for beyond its share: parts of few groups differ most.
const PART_SLACK: u64 = 64;

/// Room of the hash table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Groups.
    pub groups: u64,
    /// Slots: a power of two, at least twice the groups.
    pub slots: u64,
    /// Programs that share the groups, each with room for `groups`: what exceeds the device budget is done in parts.
    pub parts: u32,
    /// Pairs of a group and a value that the table of a function over distinct values has room for.
    pub pairs: u64,
}

impl Capacity {
    /// Room for `groups` groups, half the slots empty.
    #[must_use]
    pub fn of_groups(groups: u64) -> Self {
        let groups = groups.clamp(1, 1 << 31);
        Capacity { groups, slots: (groups * 2).next_power_of_two(), parts: 1, pairs: 0 }
    }

    /// The same groups in `parts` parts (a power of two), and a quarter more: parts are not of one size.
    fn in_parts(self, parts: u32) -> Self {
        if parts == 1 {
            return self;
        }
        let share = |number: u64| number.div_ceil(u64::from(parts));
        let room = |number: u64| share(number.saturating_add(number / 4)) + PART_SLACK;
        let part = Capacity::of_groups(room(self.groups));
        Capacity { slots: part.slots.max(share(self.slots)), parts, pairs: room(self.pairs), ..part }
    }
}

/// Which mode an aggregation may take. Tests force the general one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Grouping {
    /// The rule of the module.
    #[default]
    Auto,
    /// A hash table wherever there are keys.
    HashTable,
}

/// Whether rows are brought into the order of their slots before they enter the hash table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Partitioning {
    /// The device decides, from a sample of the rows.
    #[default]
    Auto,
    /// Never.
    Never,
    /// Always, by a digit of so many bits (at most 8). For tests.
    Digits(u32),
}

/// What an aggregation may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GpuAggregateSettings {
    /// Bytes of all buffers together.
    pub device_bytes: u64,
    /// Groups expected, from statistics.
    pub expected_groups: Option<u64>,
    /// Mode.
    pub grouping: Grouping,
    /// Partition of a hash table's rows.
    pub partitioning: Partitioning,
    /// Bits of the hash in use. Tests leave few of them, so that keys collide.
    pub hash_bits: u32,
}

impl Default for GpuAggregateSettings {
    fn default() -> Self {
        GpuAggregateSettings {
            device_bytes: u64::MAX,
            expected_groups: None,
            grouping: Grouping::Auto,
            partitioning: Partitioning::Auto,
            hash_bits: 32,
        }
    }
}

/// What a run gave.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The groups.
    Partial(Partial),
    /// The table was too small; run again with [`GpuAggregate::resize`]d to this. Nothing else is to be taken from the run.
    Retry(Capacity),
}

/// An aggregation over packed batches, ready to be written as a [`crate::gpu::Program`] and read back.
#[derive(Debug, Clone)]
pub struct GpuAggregate {
    spec: AggregateSpec,
    batches: Vec<DeviceBatch>,
    settings: GpuAggregateSettings,
    binding_bytes: u64,
    operands: Operands,
    key_infos: Vec<ValueInfo>,
    operand_infos: Vec<ValueInfo>,
    layout: StateLayout,
    mode: Mode,
    passes: Vec<Pass>,
    hash: Option<HashStages>,
    /// Distinct values that functions are computed from.
    sets: Vec<SetStages>,
    /// Per aggregate, its set.
    set_of: Vec<Option<usize>>,
    capacity: Capacity,
    rows: u64,
}

impl GpuAggregate {
    /// Whether `spec` can run on the GPU, as far as that is decidable before the data is seen.
    ///
    /// # Errors
    /// [`Error::Unsupported`] naming what cannot.
    pub fn supports(spec: &AggregateSpec, tier: &Tier) -> Result<()> {
        spec.aggregates.iter().try_for_each(supports_function)?;
        let operands = spec.aggregates.iter().flat_map(Aggregate::exprs);
        for expr in spec.predicate.iter().chain(&spec.keys).chain(operands) {
            wgsl::supports(expr, tier)?;
        }
        Ok(())
    }

    /// Chooses a mode for `spec` over `columns` and composes its stages.
    ///
    /// # Errors
    /// [`Error::Unsupported`] naming what cannot run; [`Error::InvalidInput`] where the spec names columns that are not
    /// there; [`Error::Device`] where a stage does not compose.
    pub fn new(
        spec: &AggregateSpec,
        columns: &DeviceColumns,
        tier: &Tier,
        settings: GpuAggregateSettings,
    ) -> Result<Self> {
        let rows: u64 = columns.batches.iter().map(|batch| u64::from(batch.rows)).sum();
        let operands = Operands::of(spec);
        let writer = Writer { spec, columns, tier, operands: &operands };
        let all: Vec<usize> = (0..operands.distinct.len()).collect();
        let first = writer.generate(spec.predicate.as_ref(), &spec.keys, &all, 0)?;
        let (key_infos, operand_infos) = first.values.split_at(spec.keys.len());
        let layout = |mode: &Mode| {
            let occupied = matches!(mode, Mode::Direct { .. }) || spec.aggregates.iter().any(takes_set);
            StateLayout::new(spec, &operands, operand_infos, rows, occupied)
        };
        let mut mode = Mode::choose(key_infos, layout(&Mode::Hash)?.stride + 1, rows, settings.device_bytes);
        if settings.grouping == Grouping::HashTable && !spec.keys.is_empty() {
            mode = Mode::Hash;
        }
        let layout = layout(&mode)?;
        let hash = match mode {
            Mode::Hash => {
                let exprs = writer.generate(spec.predicate.as_ref(), &spec.keys, &[], KEYS_STAGE_WORDS)?;
                Some(HashStages::new(exprs, tier)?)
            }
            _ => None,
        };
        let passes = (0..layout.passes()).map(|pass| writer.pass(&mode, &layout, operand_infos, pass));
        let passes = passes.collect::<Result<Vec<_>>>()?;
        let (key_infos, operand_infos) = (key_infos.to_vec(), operand_infos.to_vec());
        let expected = settings.expected_groups.unwrap_or(FIRST_GROUPS).min(rows);
        let (sets, set_of) = Set::all(spec);
        let keys: &[Expr] = if let Mode::Direct { .. } = mode { &spec.keys } else { &[] };
        let sets = sets.iter().map(|set| {
            let exprs = writer.set(set, keys, &mode)?;
            SetStages::new(exprs, keys.len(), &mode, tier)
        });
        let sets = sets.collect::<Result<Vec<_>>>()?;
        let mut aggregate = GpuAggregate {
            spec: spec.clone(),
            sets,
            set_of,
            batches: columns.batches.clone(),
            settings,
            binding_bytes: tier.binding_bytes,
            operands,
            key_infos,
            operand_infos,
            layout,
            mode,
            passes,
            hash,
            capacity: Capacity::of_groups(expected),
            rows,
        };
        aggregate.capacity = aggregate.fitted(expected, 0, FIRST_PAIRS.max(expected).min(rows));
        Ok(aggregate)
    }

    /// The way it runs, for EXPLAIN: `ungrouped`, `direct array` or `hash table`.
    #[must_use]
    pub fn mode_name(&self) -> &'static str {
        self.mode.name()
    }

    /// Gives the hash table another size, after [`Outcome::Retry`]; all parts are to be run again.
    pub fn resize(&mut self, capacity: Capacity) {
        self.capacity = capacity;
        if let Some(hash) = &mut self.hash {
            hash.reseed();
        }
        self.sets.iter_mut().for_each(SetStages::reseed);
    }

    /// Programs that make up the aggregation. Their partial states have no group in common.
    #[must_use]
    pub fn parts(&self) -> u32 {
        if self.hash.is_some() { self.capacity.parts } else { 1 }
    }

    /// Rows of all batches.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Groups that the state has room for.
    fn groups_limit(&self) -> u64 {
        match &self.mode {
            Mode::Ungrouped => 1,
            Mode::Direct { groups, .. } => *groups,
            Mode::Hash => self.capacity.groups,
        }
    }
}

/// Writes the generated stages of a spec.
struct Writer<'a> {
    spec: &'a AggregateSpec,
    columns: &'a DeviceColumns,
    tier: &'a Tier,
    operands: &'a Operands,
}

impl Writer<'_> {
    /// `evaluate` for keys, then operands by index.
    fn generate(
        &self,
        predicate: Option<&Expr>,
        keys: &[Expr],
        operands: &[usize],
        stage_words: usize,
    ) -> Result<wgsl::GeneratedExprs> {
        let keys = keys.iter().map(|key| ValueRequest { expr: Some(key), filter: None });
        let operands = operands.iter().map(|&operand| self.operands.distinct[operand].request());
        let values: Vec<ValueRequest<'_>> = keys.chain(operands).collect();
        let (columns, tier) = (self.columns, self.tier);
        wgsl::generate(&ExprRequest { predicate, values: &values, columns, tier, stage_words })
    }

    /// `evaluate` for keys, then the operands of a set. Behind a table, rows are known to be kept.
    fn set(&self, set: &Set, keys: &[Expr], mode: &Mode) -> Result<wgsl::GeneratedExprs> {
        let keys = keys.iter().map(|key| ValueRequest { expr: Some(key), filter: None });
        let values: Vec<ValueRequest<'_>> = keys.chain(set.requests()).collect();
        let predicate = self.spec.predicate.as_ref().filter(|_| *mode != Mode::Hash);
        let (columns, tier) = (self.columns, self.tier);
        wgsl::generate(&ExprRequest { predicate, values: &values, columns, tier, stage_words: 0 })
    }

    /// The accumulate stage of a pass, with the operands that it reads. Behind a table, rows are known to be kept and
    /// their groups known: neither predicate nor keys are evaluated again. The layout was made from `infos`.
    fn pass(&self, mode: &Mode, layout: &StateLayout, infos: &[ValueInfo], index: usize) -> Result<Pass> {
        let (parts, _) = layout.parts(index);
        let mut used: Vec<usize> = parts.iter().filter_map(|part| part.slot.operand).collect();
        used.sort_unstable();
        used.dedup();
        let keys: &[Expr] = if let Mode::Direct { .. } = mode { &self.spec.keys } else { &[] };
        let predicate = self.spec.predicate.as_ref().filter(|_| *mode != Mode::Hash);
        let exprs = self.generate(predicate, keys, &used, 0)?;
        let value_of: HashMap<usize, usize> =
            used.iter().enumerate().map(|(at, &operand)| (operand, keys.len() + at)).collect();
        for (&operand, &value) in &value_of {
            let (expected, info) = (&infos[operand], &exprs.values[value]);
            if expected.class != info.class || expected.nullable != info.nullable {
                return Err(Error::invalid(format!("operand {operand} changes its form between stages")));
            }
        }
        let request =
            PassRequest { mode, layout, index, tier: self.tier, keys: keys.len(), value_of: &value_of };
        stage::accumulate(&request, exprs)
    }
}

/// Numbers whose squares are summed exactly.
fn has_squares(data_type: &DataType) -> bool {
    match data_type {
        DataType::Float32 | DataType::Float64 => true,
        DataType::Decimal256(..) => false,
        other => other.is_integer() || other.is_decimal(),
    }
}

/// Refuses functions without states on the device.
fn supports_function(aggregate: &Aggregate) -> Result<()> {
    use AggregateFunction as F;
    let function = &aggregate.function;
    let refused = |what: String| Err(Error::unsupported(what, Backend::Gpu));
    let repeats_matter = !matches!(function, F::Min | F::Max | F::BoolAnd | F::BoolOr | F::BitAnd | F::BitOr);
    if takes_set(aggregate) && !matches!(function, F::Sum | F::Avg | F::BitXor) {
        return Ok(());
    }
    if aggregate.distinct && repeats_matter && !takes_set(aggregate) {
        return refused(format!("{function} of distinct values"));
    }
    match (function, aggregate.inputs.as_slice()) {
        (F::CountRows, []) | (F::Count | F::Min | F::Max, [_]) => Ok(()),
        (F::Sum | F::Avg, [operand]) if operand.data_type().is_numeric() => Ok(()),
        (F::Variance { .. } | F::Stddev { .. }, [operand]) if has_squares(&operand.data_type()) => Ok(()),
        (F::Variance { .. } | F::Stddev { .. }, [operand]) => {
            refused(format!("{function} of {}", operand.data_type()))
        }
        (F::BoolAnd | F::BoolOr, [operand]) if operand.data_type() == DataType::Boolean => Ok(()),
        (F::BitAnd | F::BitOr | F::BitXor, [operand]) if operand.data_type().is_integer() => Ok(()),
        (F::BoolAnd | F::BoolOr | F::BitAnd | F::BitOr | F::BitXor | F::Sum | F::Avg, [operand]) => {
            refused(format!("{function} of {}", operand.data_type()))
        }
        (function, operands) => refused(format!("{function} of {} operands", operands.len())),
    }
}
