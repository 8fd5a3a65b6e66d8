//! Functions over the distinct values of each group: count(distinct), sum(distinct), approx_distinct and their kin.
//!
//! ```text
//! row -> group (table, digits) -> pair of group and value words     (pairs)
//! pair -> slot of a second table, by compare-and-swap               (insert, settle: those of the keys)
//! read back: the pairs -> the CPU's accumulator of the function, which sees every value once
//! ```
//! What comes back is each value of each group, once, because that is what merges with other programs' values, with the
//! CPU's and with spilled ones; a bare count would not. So the state is the CPU's own, bit for bit, sketches included.
//!
//! Bytes per row with v words of value: `4 * (3v + 5)` and a probe, as for keys of v + 1 words; down come the pairs alone.
//! approx_distinct has no registers on the device: they would take 4096 words for each group, and could not say which values
//! a group of few has, of which the CPU's sketch is a list up to 384; so this way were needed beside them.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::buffer::Buffer;
use pilaster_shaders::{Shader, Tier};

use super::mode::{Digit, Mode};
use super::program::{Batch, MOST_PLAIN_WORKGROUPS, grid};
use super::stage::{self, KeyLayout};
use super::table::{TABLE_HEAD, Table, draw_seed};
use super::{Capacity, GpuAggregate, values};
use crate::aggregate::partial::StateColumn;
use crate::aggregate::{Aggregate, AggregateFunction, AggregateSpec};
use crate::error::Result;
use crate::expr::Expr;
use crate::expr::wgsl::{GeneratedExprs, STATUS_WORDS, ValueInfo, ValueRequest};
use crate::gpu::column::DeviceBatch;
use crate::gpu::program::{BufferId, BufferInit, Program, ProgramOutput};
use crate::memory::Unlimited;

/// Pairs that a table has room for at first.
pub(super) const FIRST_PAIRS: u64 = 1 << 16;

/// Whether the function is computed from the set of its operands' values.
pub(super) fn takes_set(aggregate: &Aggregate) -> bool {
    use AggregateFunction as F;
    match aggregate.function {
        F::ApproxDistinct => true,
        F::Count | F::Sum | F::Avg | F::BitXor => aggregate.distinct,
        _ => false,
    }
}

/// Operands whose distinct values are wanted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Set {
    inputs: Vec<Expr>,
    filter: Option<Expr>,
}

impl Set {
    /// The sets of a spec, and which one each aggregate reads.
    pub fn all(spec: &AggregateSpec) -> (Vec<Set>, Vec<Option<usize>>) {
        let mut sets: Vec<Set> = vec![];
        let mut of = |aggregate: &Aggregate| {
            let set = Set { inputs: aggregate.inputs.clone(), filter: aggregate.filter.clone() };
            sets.iter().position(|known| *known == set).unwrap_or_else(|| {
                sets.push(set);
                sets.len() - 1
            })
        };
        let by_aggregate =
            spec.aggregates.iter().map(|aggregate| takes_set(aggregate).then(|| of(aggregate))).collect();
        (sets, by_aggregate)
    }

    /// The operands, each under the filter.
    pub fn requests(&self) -> impl Iterator<Item = ValueRequest<'_>> {
        let filter = self.filter.as_ref();
        self.inputs.iter().map(move |input| ValueRequest { expr: Some(input), filter })
    }
}

/// Stages of a set, composed.
#[derive(Debug, Clone)]
pub(super) struct SetStages {
    exprs: GeneratedExprs,
    /// The operands.
    infos: Vec<ValueInfo>,
    /// Words of a pair: the group, then the values.
    layout: KeyLayout,
    digits: Vec<u32>,
    pairs: Arc<Shader>,
    insert: Arc<Shader>,
    settle: Arc<Shader>,
    seed: u32,
}

impl SetStages {
    /// `exprs` are the keys of a direct array, then the operands.
    pub fn new(exprs: GeneratedExprs, keys: usize, mode: &Mode, tier: &Tier) -> Result<Self> {
        let infos = exprs.values[keys..].to_vec();
        let mut layout = KeyLayout { fields: vec![], width: 1 };
        for info in &infos {
            layout.fields.push((None, layout.width));
            layout.width += info.class.words();
        }
        let digits: &[Digit] = if let Mode::Direct { digits, .. } = mode { digits } else { &[] };
        let text = pairs_text(&exprs, keys, &infos, &layout, mode);
        let digits = digits.iter().flat_map(|digit| [digit.least as u32, digit.size as u32]).collect();
        Ok(SetStages {
            pairs: stage::compose("aggregate/pairs", &text, &[], &[], tier)?,
            insert: stage::library("aggregate/insert", tier)?,
            settle: stage::library("aggregate/settle", tier)?,
            exprs,
            infos,
            layout,
            digits,
            seed: draw_seed(),
        })
    }

    /// Another seed, so that pairs that collided do not do so again.
    pub fn reseed(&mut self) {
        self.seed = draw_seed();
    }
}

/// True where no operand is null.
fn condition(infos: &[ValueInfo]) -> String {
    let valid: Vec<String> =
        infos.iter().filter(|info| info.nullable).map(|info| format!("valid_{}", info.index)).collect();
    if valid.is_empty() { "true".into() } else { valid.join(" && ") }
}

const PAIRS_BINDINGS: &str = "
//!use shared/float_order
//!use aggregate/table
@group(0) @binding(3) var<storage, read_write> pair_keys: array<u32>;
@group(0) @binding(4) var<storage, read_write> pair_slots: array<u32>;
";

const HASH_BINDINGS: &str = "
@group(0) @binding(5) var<storage, read> row_slots: array<u32>;
@group(0) @binding(6) var<storage, read> table: array<u32>;
@group(0) @binding(7) var<storage, read> order: array<u32>;

";

const DIGIT_BINDINGS: &str = "
@group(0) @binding(5) var<storage, read> plan: array<u32>;

";

const PAIRS_MAIN: &str = "
@compute @workgroup_size(256)
fn main(
    @builtin(global_invocation_id) invocation: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    for (var row = invocation.x; row < parameters[0]; row += workgroups.x * 256u) {
        pair_slots[row] = ROW_SKIPPED;
        evaluate(row);
        if keep && pair_is_valid() {
            write_pair(row, group_of_row());
        }
    }
}
";

const HASH_MAIN: &str = "
@compute @workgroup_size(256)
fn main(
    @builtin(global_invocation_id) invocation: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    // A table that has overflowed holds unsettled slots: the run is void, and its pairs may be anything.
    let rows = select(0u, parameters[0], table[TABLE_OVERFLOW] == 0u);
    let sorted = table[TABLE_DIGITS] != 0u;
    for (var at = invocation.x; at < rows; at += workgroups.x * 256u) {
        pair_slots[at] = ROW_SKIPPED;
        let slot = row_slots[at];
        if slot != ROW_SKIPPED {
            var row = at;
            if sorted {
                row = order[at];
            }
            evaluate(row);
            if pair_is_valid() {
                write_pair(at, table[TABLE_HEAD + (slot & ~ROW_CLAIMS)] & ~SLOT_GROUP);
            }
        }
    }
}
";

fn pairs_text(
    exprs: &GeneratedExprs,
    keys: usize,
    infos: &[ValueInfo],
    layout: &KeyLayout,
    mode: &Mode,
) -> String {
    let mut text = exprs.wgsl.clone();
    text.push_str(PAIRS_BINDINGS);
    text.push_str(if *mode == Mode::Hash { HASH_BINDINGS } else { DIGIT_BINDINGS });
    let _ = writeln!(text, "fn pair_is_valid() -> bool {{\n    return {};\n}}\n", condition(infos));
    let _ = writeln!(text, "fn write_pair(at: u32, group: u32) {{\n    let first = at * {}u;", layout.width);
    text.push_str("    pair_slots[at] = 0u;\n    pair_keys[first] = group;\n");
    for (info, &(_, first)) in infos.iter().zip(&layout.fields) {
        for (word, value) in stage::canonical_words(info).into_iter().enumerate() {
            let _ = writeln!(text, "    pair_keys[first + {}u] = {value};", first + word);
        }
    }
    text.push_str("}\n\n");
    if *mode != Mode::Hash {
        let digits: &[Digit] = if let Mode::Direct { digits, .. } = mode { digits } else { &[] };
        text.push_str(&stage::group_of(&exprs.values[..keys], digits, 0));
    }
    text.push_str(if *mode == Mode::Hash { HASH_MAIN } else { PAIRS_MAIN });
    text
}

/// Buffers of all sets.
pub(super) struct SetBuffers {
    /// Words and slots of the pairs of one batch and set at a time.
    pair_keys: BufferId,
    pair_slots: BufferId,
    /// Bound where a table of keys has the order of its rows.
    nothing: BufferId,
    sets: Vec<SetBuffer>,
}

#[derive(Clone, Copy)]
struct SetBuffer {
    table: BufferId,
    pairs: BufferId,
    status: BufferId,
    plan: BufferId,
}

impl GpuAggregate {
    pub(super) fn set_buffers(&self, program: &mut Program, batches: &[&DeviceBatch]) -> Result<SetBuffers> {
        let most_rows = batches.iter().map(|batch| u64::from(batch.rows)).max().unwrap_or(0);
        let width = self.sets.iter().map(|set| set.layout.width as u64).max().unwrap_or(0);
        let rows = if self.sets.is_empty() { 0 } else { most_rows };
        let Capacity { groups, slots, .. } = Capacity::of_groups(self.capacity.pairs);
        if slots > 1 << 30 {
            return Err(self.out_of_memory(slots.saturating_mul(4)));
        }
        let mut head = [0; TABLE_HEAD];
        (head[2], head[3]) = (groups as u32, (slots - 1) as u32);
        let zeroed = |program: &mut Program, label: &str, words: u64| {
            program.buffer(label, words.max(1) * 4, BufferInit::Zero)
        };
        let sets = self.sets.iter().map(|set| {
            let head = BufferInit::Upload(vec![(0, Buffer::from_slice_ref(head))]);
            SetBuffer {
                table: program.buffer("aggregate/pair_table", (slots + TABLE_HEAD as u64) * 4, head),
                pairs: zeroed(program, "aggregate/pairs", groups * set.layout.width as u64),
                status: zeroed(program, "aggregate/status", STATUS_WORDS as u64),
                plan: program
                    .upload_words("aggregate/plan", if set.digits.is_empty() { &[0] } else { &set.digits }),
            }
        });
        let sets = sets.collect();
        Ok(SetBuffers {
            pair_keys: zeroed(program, "aggregate/pair_keys", rows * width),
            pair_slots: zeroed(program, "aggregate/pair_slots", rows),
            nothing: zeroed(program, "aggregate/nothing", 1),
            sets,
        })
    }

    /// The pairs of a batch whose rows have found their groups.
    pub(super) fn insert_pairs(
        &self,
        program: &mut Program,
        buffers: &SetBuffers,
        table: Option<&Table>,
        batch: &Batch,
        (index, rows_of, first_row): (usize, &DeviceBatch, u64),
    ) -> Result<()> {
        for (set, own) in self.sets.iter().zip(&buffers.sets) {
            let parameters = set.exprs.parameters(rows_of, first_row, &[])?;
            let parameters = program.upload_words("aggregate/parameters", &parameters);
            let shape = [batch.rows, set.layout.width as u32, set.seed, self.hash_mask(), 0, 0];
            let shape = program.upload_words("aggregate/shape", &shape);
            let (keys, slots, nothing) = (buffers.pair_keys, buffers.pair_slots, buffers.nothing);
            let mut bindings = vec![parameters, batch.columns, own.status, keys, slots];
            match table {
                Some(table) => bindings.extend(table.row_bindings(index)),
                None => bindings.push(own.plan),
            }
            let plain = grid(batch.rows, 1, MOST_PLAIN_WORKGROUPS);
            program.stage("aggregate/pairs", set.pairs.clone(), bindings, plain);
            let bindings = vec![shape, keys, own.pairs, own.table, slots, nothing, nothing];
            program.stage("aggregate/insert", set.insert.clone(), bindings, plain);
            let bindings = vec![shape, keys, slots, own.table, own.pairs, nothing];
            let sparse = grid(batch.rows, 4, MOST_PLAIN_WORKGROUPS);
            program.stage("aggregate/settle", set.settle.clone(), bindings, sparse);
        }
        Ok(())
    }

    /// Heads, pairs and errors, set by set.
    pub(super) fn read_pairs(&self, program: &mut Program, buffers: &SetBuffers) {
        for own in &buffers.sets {
            let bytes = program.buffers[own.pairs.0 as usize].bytes;
            program.read_back(own.table, 0, TABLE_HEAD as u64 * 4);
            program.read_back(own.pairs, 0, bytes);
            program.read_back(own.status, 0, STATUS_WORDS as u64 * 4);
        }
    }

    /// The most pairs that a set had no room for; none where all had.
    pub(super) fn missing_pairs(&self, output: &ProgramOutput) -> Result<Option<u64>> {
        let mut missing = None;
        for (at, set) in self.sets.iter().enumerate() {
            let first = self.first_pair_words() + 3 * at;
            set.exprs.check_status(super::decode::words(output, first + 2, STATUS_WORDS)?)?;
            let head = super::decode::words(output, first, TABLE_HEAD)?;
            if head[1] != 0 {
                missing = missing.max(Some(u64::from(head[0])));
            }
        }
        Ok(missing)
    }

    fn first_pair_words(&self) -> usize {
        if self.hash.is_some() { 5 } else { 2 }
    }

    /// The state of an aggregate over the set `set`; `present` are the device's numbers of the groups.
    pub(super) fn set_state(
        &self,
        output: &ProgramOutput,
        aggregate: usize,
        set: usize,
        present: &[usize],
    ) -> Result<StateColumn> {
        let first = self.first_pair_words() + 3 * set;
        let stages = &self.sets[set];
        let width = stages.layout.width;
        let head = super::decode::words(output, first, TABLE_HEAD)?;
        let words = super::decode::words(output, first + 1, head[0] as usize * width)?;
        let pairs = &words[..head[0] as usize * width];
        let mut number_of = vec![0u32; self.groups_limit() as usize];
        present.iter().enumerate().for_each(|(at, &group)| number_of[group] = at as u32 + 1);
        let number = |pair: &[u32]| match number_of.get(pair[0] as usize) {
            Some(&number @ 1..) => Ok(number),
            _ => Err(values::corrupt(format!("a value of group {}", pair[0]))),
        };
        let numbers = pairs.chunks_exact(width).map(number).collect::<Result<Vec<u32>>>()?;
        let column = |at: usize| {
            let (info, first) = (&stages.infos[at], stages.layout.fields[at].1);
            let value =
                |pair: &[u32]| Some(values::integer(info.class, &pair[first..][..info.class.words()]));
            values::array(info, &pairs.chunks_exact(width).map(value).collect::<Vec<_>>())
        };
        let operands = (0..stages.infos.len()).map(column).collect::<Result<Vec<ArrayRef>>>()?;
        let (aggregate, float_sum) = (&self.spec.aggregates[aggregate], self.spec.float_sum);
        let memory = Arc::new(Unlimited);
        let groups = present.len();
        let states =
            crate::aggregate::cpu::states_of(aggregate, float_sum, &operands, &numbers, groups, memory)?;
        Ok(StateColumn::Arrays(states))
    }
}
