//! CPU path: group numbers first, then one loop per distinct input.
//!
//! ```text
//! batch -> predicate -> keys -> group numbers (1, 2, ...; 0 = row does not count)      keys::groups
//!                    -> inputs -> sums, counts, extremes, column by column             fold
//! ```
//! [`CpuAggregate::mode_name`] tells how groups are found: `ungrouped` without keys, else the mode of
//! [`GroupIndex`], which states its rule. Equal operands share their evaluation, sum and count. Counting is shared
//! further: an input without nulls so far has as many values as its group has rows. A function that is none of count,
//! sum, avg, min and max has an accumulator of its own.
//!
//! Bytes per row: the lanes of keys and inputs once, and 4 for the group number per input. Ideas: DuckDB's perfect hash
//! aggregation and clustered aggregates, Velox's value ids, DataFusion's split of group values and accumulators.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};

use super::AggregateSpec;
use super::partial::{Partial, StateColumn};
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::expr::cpu::{Evaluator, Predicate, Vector};
use crate::filter::Selection;
use crate::keys::GroupIndex;
use crate::keys::lanes::LaneColumn;
use crate::memory::{Grant, Reserve};

mod accumulator;
mod extremes;
mod finish;
mod floats;
mod fold;
mod frame;
mod functions;
mod partition;
mod plan;
mod state;
mod states_of;
mod sums;
#[cfg(test)]
mod tests;

use accumulator::{Accumulator, Rows};
use fold::{Target, count_groups};
use frame::{Batch, Evaluated, Frame, Positions, evaluate, positions_within};
pub use partition::{PartitionReport, PartitionSettings, PartitionedAggregate, Parts, Worker};
use plan::{Plan, Source};
pub(crate) use plan::{StateKind, state_kinds};
use state::InputState;
pub(super) use states_of::states_of;

/// Bytes of scratch per row of a batch: a normalised key and two group numbers.
const SCRATCH_BYTES: u64 = 16;

/// Bytes that a new group takes, at most, but for values of variable length: two slots of a table and the key; sums and
/// extremes of an input in two tiers; a state of an accumulator.
const KEY_BYTES: usize = 72;
const INPUT_BYTES: usize = 64;
const CALL_BYTES: usize = 96;

/// One thread's aggregation: takes batches, merges with others, gives keys and aggregates.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray};
/// use arrow::datatypes::{DataType, Int64Type};
/// use pilaster_kernels::aggregate::cpu::CpuAggregate;
/// use pilaster_kernels::aggregate::{Aggregate, AggregateFunction, AggregateSpec, FloatSum};
/// use pilaster_kernels::expr::Expr;
/// use pilaster_kernels::memory::Unlimited;
///
/// let operand = Expr::column(1, DataType::Int64);
/// let sum = Aggregate::new(AggregateFunction::Sum, vec![operand], DataType::Int64);
/// let keys = vec![Expr::column(0, DataType::Utf8)];
/// let spec = AggregateSpec { predicate: None, keys, aggregates: vec![sum], float_sum: FloatSum::Fast };
/// let mut aggregate = CpuAggregate::new(Arc::new(spec), Arc::new(Unlimited))?;
/// let words: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "a"]));
/// let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
/// aggregate.consume(&[words, numbers], 3)?;
/// let columns = aggregate.finish()?;
/// assert_eq!(columns[1].as_primitive::<Int64Type>().values(), &[4, 2]);
/// # Ok::<(), pilaster_kernels::Error>(())
/// ```
#[derive(Debug)]
pub struct CpuAggregate {
    spec: Arc<AggregateSpec>,
    plan: Plan,
    predicate: Option<Predicate>,
    /// None without keys.
    index: Option<GroupIndex>,
    contexts: Vec<ContextState>,
    inputs: Vec<InputState>,
    calls: Vec<Box<dyn Accumulator>>,
    numbers: Vec<u32>,
    /// Rows that came in so far.
    rows_seen: u64,
    /// True where a function depends on the order of rows.
    ordered: bool,
    scratch_rows: usize,
    grant: Grant,
}

/// Whether new groups are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Growth {
    Open,
    Frozen,
}

/// State of the rows under one filter.
#[derive(Debug)]
struct ContextState {
    filter: Option<Predicate>,
    /// Its inputs and arguments; before them, in the first context, the keys.
    evaluator: Evaluator,
    /// How many of these become lanes: the keys and inputs.
    lanes: usize,
    /// An engine's own function may have effects: it sees active rows only.
    external: bool,
    /// Rows per group; item 0 is the sink.
    rows: Vec<u64>,
}

impl CpuAggregate {
    /// An aggregation without rows.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a type that cannot be an input; [`Error::InvalidInput`] for a missing operand.
    pub fn new(spec: Arc<AggregateSpec>, memory: Arc<dyn Reserve>) -> Result<Self> {
        let index = GroupIndex::new(spec.keys.iter().map(Expr::data_type));
        Self::with_index(spec, index, memory)
    }

    /// An aggregation of one partition by hash, with about `groups` groups.
    fn of_partition(spec: Arc<AggregateSpec>, groups: usize, memory: Arc<dyn Reserve>) -> Result<Self> {
        let index = GroupIndex::of_partition(spec.keys.iter().map(Expr::data_type), groups);
        Self::with_index(spec, index, memory)
    }

    fn with_index(spec: Arc<AggregateSpec>, index: GroupIndex, memory: Arc<dyn Reserve>) -> Result<Self> {
        let plan = Plan::new(&spec)?;
        let index = (!spec.keys.is_empty()).then_some(index);
        let mut contexts: Vec<ContextState> = Vec::new();
        for context in &plan.contexts {
            let keys = if contexts.is_empty() { spec.keys.as_slice() } else { &[] };
            let inputs = context.inputs.iter().map(|&input| &plan.inputs[input].expr);
            let exprs: Vec<&Expr> = keys.iter().chain(inputs).chain(&context.arguments).collect();
            contexts.push(ContextState {
                lanes: keys.len() + context.inputs.len(),
                filter: context.filter.as_ref().map(Predicate::new).transpose()?,
                evaluator: Evaluator::new(exprs.iter().copied())?,
                external: exprs.into_iter().any(has_external),
                rows: Vec::new(),
            });
        }
        let predicate = spec.predicate.as_ref().map(Predicate::new).transpose()?;
        let inputs = plan.inputs.iter().map(|input| InputState::new(input, spec.float_sum)).collect();
        let called = plan.calls.iter().map(|call| &spec.aggregates[call.aggregate]);
        let calls = called.map(|aggregate| functions::accumulator(aggregate, spec.float_sum));
        let calls = calls.collect::<Result<_>>()?;
        let ordered = spec.aggregates.iter().any(|aggregate| aggregate.function.ordered());
        let grant = Grant::new(memory);
        Ok(Self {
            spec,
            plan,
            predicate,
            index,
            contexts,
            inputs,
            calls,
            numbers: Vec::new(),
            rows_seen: 0,
            ordered,
            scratch_rows: 0,
            grant,
        })
    }

    /// Adds the rows of a batch, which follow those that came before: the columns that the spec's expressions read, each
    /// of `rows` rows.
    ///
    /// # Errors
    /// Those of the expressions; [`Error::InvalidInput`] for columns of other lengths; [`Error::OutOfMemory`] where a
    /// reservation is refused. The aggregation is of no further use then.
    pub fn consume(&mut self, columns: &[ArrayRef], rows: usize) -> Result<()> {
        let first = self.rows_seen;
        self.consume_at(first, columns, rows)
    }

    /// [`CpuAggregate::consume`] for rows that stand at `first` in the whole input, for functions that depend on the
    /// order of rows. Positions of several aggregations that will merge must differ.
    ///
    /// # Errors
    /// As of [`CpuAggregate::consume`].
    pub fn consume_at(&mut self, first: u64, columns: &[ArrayRef], rows: usize) -> Result<()> {
        self.consume_batch(Batch { columns, rows, positions: Positions::From(first) }, Growth::Open)
            .map(|_| ())
    }

    /// Adds the rows of a batch; where the table is frozen, those of known groups, and gives the numbers of the others.
    fn consume_batch(&mut self, batch: Batch, growth: Growth) -> Result<Vec<u32>> {
        let Batch { columns, rows, positions } = batch;
        if let Positions::From(first) = positions {
            self.rows_seen = first.saturating_add(rows as u64);
        }
        if let Some(column) = columns.iter().find(|column| column.len() != rows) {
            return Err(Error::invalid(format!("a column of {} rows in a batch of {rows}", column.len())));
        }
        let selection = self.select(columns, rows)?;
        if selection.count() == 0 {
            return Ok(Vec::new());
        }
        self.reserve_scratch(rows)?;
        let frame = self.frame(columns, selection)?;
        let missed = match growth {
            Growth::Open => {
                self.number_rows(&frame)?;
                Vec::new()
            }
            Growth::Frozen => self.find_rows(&frame)?,
        };
        if !missed.is_empty() && missed.len() == frame.counted() {
            return Ok(missed);
        }
        let numbers = std::mem::take(&mut self.numbers);
        let target =
            if frame.active.is_none() && self.index.is_none() { Target::One } else { Target::Each(&numbers) };
        self.add(0, frame.inputs(), target, &self.positions(positions, &frame.selection))?;
        for context in 1..self.contexts.len() {
            self.add_filtered(context, columns, &frame, target, positions)?;
        }
        self.numbers = numbers;
        Ok(missed)
    }

    /// The rows where the predicate is true.
    fn select(&self, columns: &[ArrayRef], rows: usize) -> Result<Selection> {
        match &self.predicate {
            Some(predicate) => predicate.select(columns, rows, None),
            None => Ok(Selection::all(rows)),
        }
    }

    /// Where rows stand in the whole input; nothing where no function asks.
    fn positions(&self, positions: Positions, selection: &Selection) -> Vec<u64> {
        if self.ordered { positions.of(selection) } else { Vec::new() }
    }

    /// Group numbers of the frame's rows whose key is known; the others go to the sink and are given, by their number in
    /// the batch.
    fn find_rows(&mut self, frame: &Frame) -> Result<Vec<u32>> {
        let Some(index) = &mut self.index else { return Err(Error::invalid("a frozen table without keys")) };
        index.find(frame.keys().to_vec(), frame.values.rows, &mut self.numbers)?;
        if let Some(active) = &frame.active {
            let mut missed = Vec::new();
            for (row, number) in self.numbers.iter_mut().enumerate() {
                match active.value(row) {
                    false => *number = 0,
                    true if *number == 0 => missed.push(row as u32),
                    true => {}
                }
            }
            return Ok(missed);
        }
        let missed = self.numbers.iter().enumerate().filter(|(_, number)| **number == 0);
        Ok(match frame.selection.is_all() {
            true => missed.map(|(row, _)| row as u32).collect(),
            false => {
                let rows = frame.selection.indices();
                missed.map(|(at, _)| rows[at]).collect()
            }
        })
    }

    /// Evaluates keys and inputs. Where most rows are active, all are evaluated and the others sent to the sink, which
    /// saves gathering every column; an error may then come from a row that does not count, so errors are believed only
    /// from the active rows alone.
    fn frame(&self, columns: &[ArrayRef], selection: Selection) -> Result<Frame> {
        let context = &self.contexts[0];
        let rows = selection.rows();
        let mostly = selection.count() < rows && selection.count() * 2 > rows;
        let keys = self.spec.keys.len();
        if mostly
            && !context.external
            && let Ok(values) = evaluate(&context.evaluator, context.lanes, columns, rows, None)
        {
            return Ok(Frame {
                active: Some(selection.bitmap()),
                selection: Selection::all(rows),
                values,
                keys,
            });
        }
        let values = evaluate(&context.evaluator, context.lanes, columns, rows, Some(&selection))?;
        Ok(Frame { selection, active: None, values, keys })
    }

    /// Group numbers of the frame's rows, where there is more than one place for a row to go.
    fn number_rows(&mut self, frame: &Frame) -> Result<()> {
        match &mut self.index {
            Some(index) => {
                let keys = frame.keys().to_vec();
                let rows = frame.values.rows;
                index.assign(keys, rows, frame.active.as_ref(), &mut self.numbers, &mut self.grant)
            }
            None => {
                self.numbers.clear();
                if let Some(active) = &frame.active {
                    self.numbers.extend(active.iter().map(u32::from));
                }
                Ok(())
            }
        }
    }

    /// The rows of the frame where the context's filter is true.
    fn add_filtered(
        &mut self,
        context: usize,
        columns: &[ArrayRef],
        frame: &Frame,
        target: Target,
        positions: Positions,
    ) -> Result<()> {
        let state = &self.contexts[context];
        let Some(filter) = &state.filter else {
            return Err(Error::invalid("a second context without a filter"));
        };
        let counted = match &frame.active {
            Some(active) => Selection::from_bitmap(active.clone()),
            None => frame.selection.clone(),
        };
        let selection = filter.select(columns, counted.rows(), Some(&counted))?;
        let values = evaluate(&state.evaluator, state.lanes, columns, selection.rows(), Some(&selection))?;
        let positions = self.positions(positions, &selection);
        match target {
            Target::One => self.add(context, values.all(), Target::One, &positions),
            Target::Each(numbers) => {
                let numbers: Vec<u32> =
                    positions_within(&selection, &frame.selection).map(|row| numbers[row]).collect();
                self.add(context, values.all(), Target::Each(&numbers), &positions)
            }
        }
    }

    /// Adds evaluated inputs and arguments of a context.
    fn add(&mut self, context: usize, values: Evaluated, target: Target, positions: &[u64]) -> Result<()> {
        let groups = self.groups();
        let state = &mut self.contexts[context];
        let shape = &self.plan.contexts[context];
        self.grant.resize(&mut state.rows, groups + 1, 0)?;
        for (&input, column) in shape.inputs.iter().zip(values.lanes) {
            self.inputs[input].add(column, target, &state.rows, groups, &mut self.grant)?;
        }
        match target {
            Target::One => state.rows[1] += values.rows as u64,
            Target::Each(numbers) => count_groups(numbers, &mut state.rows),
        }
        for &call in &shape.calls {
            let arguments = &self.plan.calls[call].arguments;
            let arguments: Vec<&Vector> = arguments.iter().map(|&at| &values.arguments[at]).collect();
            let rows = Rows { arguments: &arguments, target, groups, positions };
            self.calls[call].update(&rows, &mut self.grant)?;
        }
        Ok(())
    }

    /// Groups so far; one without keys.
    fn groups(&self) -> usize {
        self.index.as_ref().map_or(1, GroupIndex::len)
    }

    fn reserve_scratch(&mut self, rows: usize) -> Result<()> {
        if rows > self.scratch_rows {
            self.grant.grow((rows - self.scratch_rows) as u64 * SCRATCH_BYTES)?;
            self.scratch_rows = rows;
        }
        Ok(())
    }

    /// Joins the groups of `other`, which has the same spec.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the specs differ in shape; [`Error::OutOfMemory`] where a reservation is refused.
    pub fn merge(&mut self, other: Self) -> Result<()> {
        if other.inputs.len() != self.inputs.len() || other.contexts.len() != self.contexts.len() {
            return Err(Error::invalid("aggregations of two specs cannot be merged"));
        }
        let numbers = self.numbers_of(&other.key_arrays()?, other.groups())?;
        let groups = self.groups();
        for (context, theirs) in other.contexts.iter().enumerate() {
            let rows = &mut self.contexts[context].rows;
            self.grant.resize(rows, groups + 1, 0)?;
            for &input in &self.plan.contexts[context].inputs {
                let mine = &mut self.inputs[input];
                mine.merge(&other.inputs[input], rows, &theirs.rows, &numbers, groups, &mut self.grant)?;
            }
            add_counts(rows, theirs.rows.iter().skip(1), &numbers);
        }
        for (mine, theirs) in self.calls.iter_mut().zip(other.calls) {
            mine.merge(&theirs.states(numbers.len())?, &numbers, groups, &mut self.grant)?;
        }
        Ok(())
    }

    /// Joins groups that another backend aggregated.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the partial does not match the spec; [`Error::OutOfMemory`].
    pub fn merge_partial(&mut self, partial: &Partial) -> Result<()> {
        let mut other = Self::new(Arc::clone(&self.spec), Arc::new(crate::memory::Unlimited))?;
        other.load(partial)?;
        self.merge(other)
    }

    /// [`CpuAggregate::merge_partial`], without a detour where there are no groups yet.
    fn merge_own(&mut self, partial: &Partial) -> Result<()> {
        if self.index.as_ref().is_some_and(GroupIndex::is_empty) {
            return self.load(partial);
        }
        self.merge_partial(partial)
    }

    /// Takes the groups of a partial, which must match the spec, into an aggregation without rows.
    fn load(&mut self, partial: &Partial) -> Result<()> {
        partial.check(&self.spec)?;
        let numbers = self.numbers_of(&partial.keys, partial.groups)?;
        let groups = self.groups();
        for (at, (state, aggregate)) in partial.states.iter().zip(&self.spec.aggregates).enumerate() {
            match (self.plan.sources[at], state) {
                (Source::Input { input, .. }, state) => {
                    let input = &mut self.inputs[input];
                    input.load(state, &aggregate.function, &numbers, groups, &mut self.grant)?;
                }
                (Source::Rows { context }, StateColumn::Count(counts)) => {
                    let rows = &mut self.contexts[context].rows;
                    rows.clear();
                    rows.resize(groups + 1, 0);
                    add_counts(rows, counts.iter(), &numbers);
                }
                (Source::Call(call), StateColumn::Arrays(states)) => {
                    self.calls[call].merge(states, &numbers, groups, &mut self.grant)?;
                }
                _ => return Err(Error::invalid(format!("a state that is none of {}", aggregate.function))),
            }
        }
        for (context, state) in self.plan.contexts.iter().zip(&mut self.contexts) {
            state.rows.resize(groups + 1, 0);
            for &input in &context.inputs {
                self.inputs[input].own_counts(groups);
                // Rows are known by count(*) alone; without one, as many as there are values are as good as any number.
                let counts = self.inputs[input].counts().into_iter().flatten();
                state.rows.iter_mut().zip(counts).for_each(|(rows, &count)| *rows = count.max(*rows));
            }
            for &input in &context.inputs {
                self.inputs[input].share_counts(&state.rows);
            }
        }
        Ok(())
    }

    /// Our group numbers of other groups' keys; new ones where they are new.
    fn numbers_of(&mut self, keys: &[ArrayRef], groups: usize) -> Result<Vec<u32>> {
        let Some(index) = &mut self.index else { return Ok(vec![1; groups]) };
        let columns = keys.iter().map(LaneColumn::from_array).collect::<Result<Vec<_>>>()?;
        let mut numbers = Vec::new();
        index.assign(columns, groups, None, &mut numbers, &mut self.grant)?;
        Ok(numbers)
    }

    fn key_arrays(&self) -> Result<Vec<ArrayRef>> {
        self.index
            .as_ref()
            .map_or(Ok(Vec::new()), |index| (0..self.spec.keys.len()).map(|key| index.keys(key)).collect())
    }

    /// The groups and states so far.
    ///
    /// # Errors
    /// [`Error::ArithmeticOverflow`] where an exact sum exceeds 256 bits.
    pub fn into_partial(mut self) -> Result<Partial> {
        let groups = self.groups();
        let keys = self.key_arrays()?;
        let mut calls = std::mem::take(&mut self.calls).into_iter();
        let states = self.plan.sources.iter().zip(&self.spec.aggregates).map(|(&source, aggregate)| {
            match source {
                Source::Rows { context } => Ok(StateColumn::Count(self.counts(context, None))),
                Source::Input { context, input } => {
                    self.inputs[input].partial(aggregate, self.counts(context, Some(input)))
                }
                // Calls stand in the order of their aggregates.
                Source::Call(_) => calls.next().map_or_else(
                    || Err(missing_call()),
                    |call| Ok(StateColumn::Arrays(call.states(groups)?)),
                ),
            }
        });
        Ok(Partial { groups, keys, states: states.collect::<Result<_>>()? })
    }

    /// Rows per group under a context, or values of one of its inputs.
    fn counts(&self, context: usize, input: Option<usize>) -> Vec<u64> {
        let own = input.and_then(|input| self.inputs[input].counts());
        let counts = own.unwrap_or(&self.contexts[context].rows);
        (1..=self.groups()).map(|group| counts.get(group).copied().unwrap_or(0)).collect()
    }

    /// Keys, then aggregates, in their declared types (plain, where a dictionary has too few keys), one row per group in
    /// order of first appearance. Without keys
    /// there is one row, even over no rows.
    ///
    /// # Errors
    /// [`Error::ArithmeticOverflow`] where a sum or decimal average does not fit its type.
    pub fn finish(mut self) -> Result<Vec<ArrayRef>> {
        let groups = self.groups();
        let mut columns = self.key_arrays()?;
        let mut calls = std::mem::take(&mut self.calls).into_iter();
        for (&source, aggregate) in self.plan.sources.iter().zip(&self.spec.aggregates) {
            columns.push(match source {
                Source::Rows { context } => finish::counts(&self.counts(context, None), aggregate)?,
                Source::Input { context, input } => {
                    self.inputs[input].finish(aggregate, &self.counts(context, Some(input)))?
                }
                Source::Call(_) => calls.next().ok_or_else(missing_call)?.finish(groups)?,
            });
        }
        Ok(columns)
    }

    /// Holds what a batch may take, so that adding it cannot be refused half-way: each row may be a group, and each table
    /// and list may double. Values that accumulators keep are guessed by the bytes of the batch.
    fn reserve_ahead(&mut self, rows: usize, batch_bytes: u64) -> Result<()> {
        let bytes = self.ahead_for(rows, batch_bytes);
        self.grant.ahead(bytes)
    }

    /// True where values of variable length, or lists of values, are kept.
    fn keeps_values(&self) -> bool {
        let plain = |expr: &Expr| expr.data_type().is_primitive();
        let mut kept = self.spec.keys.iter().chain(self.plan.inputs.iter().map(|input| &input.expr));
        !self.calls.is_empty() || !kept.all(plain)
    }

    fn ahead_for(&self, rows: usize, batch_bytes: u64) -> u64 {
        let kept = self.inputs.len() * INPUT_BYTES + self.calls.len() * CALL_BYTES + self.contexts.len() * 8;
        let row = SCRATCH_BYTES + (self.spec.keys.len() * KEY_BYTES + kept) as u64;
        let values = if self.keeps_values() { 2 * batch_bytes } else { 0 };
        // A table that doubles is there twice for a while.
        self.grant.bytes() / 2 * 3 + rows as u64 * row + values
    }

    /// Bytes reserved.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        usize::try_from(self.grant.bytes()).unwrap_or(usize::MAX)
    }

    /// How groups are found at the moment, for EXPLAIN.
    #[must_use]
    pub fn mode_name(&self) -> &'static str {
        self.index.as_ref().map_or("ungrouped", GroupIndex::mode_name)
    }
}

/// Adds `counts` of other groups: item `i` to group `numbers[i]`.
fn add_counts<'a>(into: &mut [u64], counts: impl Iterator<Item = &'a u64>, numbers: &[u32]) {
    for (count, &group) in counts.zip(numbers) {
        into[group as usize] += count;
    }
}

fn missing_call() -> Error {
    Error::invalid("an aggregate lost its accumulator")
}

fn has_external(expr: &Expr) -> bool {
    matches!(expr, Expr::External { .. }) || expr.children().any(has_external)
}
