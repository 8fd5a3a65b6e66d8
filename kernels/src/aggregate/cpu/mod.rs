//! CPU path: group numbers first, then one loop per distinct input.
//!
//! ```text
//! batch -> predicate -> keys -> group numbers (1, 2, ...; 0 = row does not count)      keys::groups
//!                    -> inputs -> sums, counts, extremes, column by column             fold
//! ```
//! [`CpuAggregate::mode_name`] tells how groups are found: `ungrouped` without keys, else the mode of
//! [`GroupIndex`], which states its rule. Equal operands share their evaluation, sum and count. Counting is shared
//! further: an input without nulls so far has as many values as its group has rows.
//!
//! Bytes per row: the lanes of keys and inputs once, and 4 for the group number per input. Ideas: DuckDB's perfect hash
//! aggregation and clustered aggregates, Velox's value ids, DataFusion's split of group values and accumulators.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::buffer::BooleanBuffer;

use super::partial::{Partial, StateColumn};
use super::{AggregateFunction, AggregateSpec};
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::expr::cpu::{Evaluator, Predicate};
use crate::filter::Selection;
use crate::keys::GroupIndex;
use crate::keys::lanes::LaneColumn;
use crate::memory::{Grant, Reserve};

mod extremes;
mod finish;
mod floats;
mod fold;
mod plan;
mod state;
mod sums;
#[cfg(test)]
mod tests;

use fold::{Target, count_groups};
use plan::Plan;
use state::InputState;

/// Bytes of scratch per row of a batch: a normalised key and two group numbers.
const SCRATCH_BYTES: u64 = 16;

/// One thread's aggregation: takes batches, merges with others, gives keys and aggregates.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray};
/// use arrow::datatypes::{DataType, Int64Type};
/// use pilaster_kernels::aggregate::cpu::CpuAggregate;
/// use pilaster_kernels::aggregate::{Aggregate, AggregateFunction, AggregateSpec};
/// use pilaster_kernels::expr::{Expr, OverflowMode, Rounding};
/// use pilaster_kernels::memory::Unlimited;
///
/// let sum = Aggregate {
///     function: AggregateFunction::Sum,
///     input: Some(Expr::column(1, DataType::Int64)),
///     filter: None,
///     data_type: DataType::Int64,
///     overflow: OverflowMode::Checked,
///     rounding: Rounding::HalfAwayFromZero,
/// };
/// let keys = vec![Expr::column(0, DataType::Utf8)];
/// let spec = AggregateSpec { predicate: None, keys, aggregates: vec![sum] };
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
    numbers: Vec<u32>,
    scratch_rows: usize,
    grant: Grant,
}

/// State of the rows under one filter.
#[derive(Debug)]
struct ContextState {
    filter: Option<Predicate>,
    /// Its inputs; before them, in the first context, the keys.
    evaluator: Evaluator,
    /// An engine's own function may have effects: it sees active rows only.
    external: bool,
    /// Rows per group; item 0 is the sink.
    rows: Vec<u64>,
}

/// Rows of a batch under evaluation: those of `selection`, of which those of `active` count.
struct Frame {
    selection: Selection,
    active: Option<BooleanBuffer>,
    columns: Vec<LaneColumn>,
    rows: usize,
}

impl CpuAggregate {
    /// An aggregation without rows.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a type that cannot be an input; [`Error::InvalidInput`] for a missing operand.
    pub fn new(spec: Arc<AggregateSpec>, memory: Arc<dyn Reserve>) -> Result<Self> {
        let plan = Plan::new(&spec)?;
        let index = (!spec.keys.is_empty()).then(|| GroupIndex::new(spec.keys.iter().map(Expr::data_type)));
        let mut contexts: Vec<ContextState> = Vec::new();
        for context in &plan.contexts {
            let keys = if contexts.is_empty() { spec.keys.as_slice() } else { &[] };
            let inputs = context.inputs.iter().map(|&input| &plan.inputs[input].expr);
            let exprs: Vec<&Expr> = keys.iter().chain(inputs).collect();
            contexts.push(ContextState {
                filter: context.filter.as_ref().map(Predicate::new).transpose()?,
                evaluator: Evaluator::new(exprs.iter().copied())?,
                external: exprs.into_iter().any(has_external),
                rows: Vec::new(),
            });
        }
        let predicate = spec.predicate.as_ref().map(Predicate::new).transpose()?;
        let inputs = plan.inputs.iter().map(InputState::new).collect();
        let grant = Grant::new(memory);
        Ok(Self {
            spec,
            plan,
            predicate,
            index,
            contexts,
            inputs,
            numbers: Vec::new(),
            scratch_rows: 0,
            grant,
        })
    }

    /// Adds the rows of a batch: the columns that the spec's expressions read, each of `rows` rows.
    ///
    /// # Errors
    /// Those of the expressions; [`Error::InvalidInput`] for columns of other lengths; [`Error::OutOfMemory`] where a
    /// reservation is refused. The aggregation is of no further use then.
    pub fn consume(&mut self, columns: &[ArrayRef], rows: usize) -> Result<()> {
        if let Some(column) = columns.iter().find(|column| column.len() != rows) {
            return Err(Error::invalid(format!("a column of {} rows in a batch of {rows}", column.len())));
        }
        let mut selection = Selection::all(rows);
        if let Some(predicate) = &self.predicate {
            selection = predicate.select(columns, rows, None)?;
        }
        if selection.count() == 0 {
            return Ok(());
        }
        self.reserve_scratch(rows)?;
        let frame = self.frame(columns, selection)?;
        self.number_rows(&frame)?;
        let numbers = std::mem::take(&mut self.numbers);
        let target =
            if frame.active.is_none() && self.index.is_none() { Target::One } else { Target::Each(&numbers) };
        let keys = self.spec.keys.len();
        self.add(0, &frame.columns[keys..], frame.rows, target)?;
        for context in 1..self.contexts.len() {
            self.add_filtered(context, columns, &frame, target)?;
        }
        self.numbers = numbers;
        Ok(())
    }

    /// Evaluates keys and inputs. Where most rows are active, all are evaluated and the others sent to the sink, which
    /// saves gathering every column; an error may then come from a row that does not count, so errors are believed only
    /// from the active rows alone.
    fn frame(&self, columns: &[ArrayRef], selection: Selection) -> Result<Frame> {
        let context = &self.contexts[0];
        let rows = selection.rows();
        let mostly = selection.count() < rows && selection.count() * 2 > rows;
        if mostly
            && !context.external
            && let Ok(columns) = evaluate(&context.evaluator, columns, rows, None)
        {
            return Ok(Frame {
                active: Some(selection.bitmap()),
                selection: Selection::all(rows),
                columns,
                rows,
            });
        }
        let columns = evaluate(&context.evaluator, columns, rows, Some(&selection))?;
        let rows = selection.count();
        Ok(Frame { selection, active: None, columns, rows })
    }

    /// Group numbers of the frame's rows, where there is more than one place for a row to go.
    fn number_rows(&mut self, frame: &Frame) -> Result<()> {
        match &mut self.index {
            Some(index) => {
                let keys = frame.columns[..self.spec.keys.len()].to_vec();
                index.assign(keys, frame.rows, frame.active.as_ref(), &mut self.numbers, &mut self.grant)
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
        let rows = selection.count();
        let inputs = evaluate(&state.evaluator, columns, selection.rows(), Some(&selection))?;
        match target {
            Target::One => self.add(context, &inputs, rows, Target::One),
            Target::Each(numbers) => {
                let numbers: Vec<u32> =
                    positions(&selection, &frame.selection).map(|row| numbers[row]).collect();
                self.add(context, &inputs, rows, Target::Each(&numbers))
            }
        }
    }

    /// Adds evaluated inputs of a context.
    fn add(&mut self, context: usize, columns: &[LaneColumn], rows: usize, target: Target) -> Result<()> {
        let groups = self.groups();
        let state = &mut self.contexts[context];
        self.grant.resize(&mut state.rows, groups + 1, 0)?;
        for (&input, column) in self.plan.contexts[context].inputs.iter().zip(columns) {
            self.inputs[input].add(column, target, &state.rows, groups, &mut self.grant)?;
        }
        match target {
            Target::One => state.rows[1] += rows as u64,
            Target::Each(numbers) => count_groups(numbers, &mut state.rows),
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

    /// Takes the groups of a partial, which must match the spec, into an aggregation without rows.
    fn load(&mut self, partial: &Partial) -> Result<()> {
        partial.check(&self.spec)?;
        let numbers = self.numbers_of(&partial.keys, partial.groups)?;
        let groups = self.groups();
        for (at, (state, aggregate)) in partial.states.iter().zip(&self.spec.aggregates).enumerate() {
            let source = self.plan.sources[at];
            match source.input {
                Some(input) => {
                    self.inputs[input].load(state, aggregate.function, &numbers, groups, &mut self.grant)?;
                }
                None => {
                    let StateColumn::Count(counts) = state else {
                        return Err(Error::invalid("a count was due"));
                    };
                    let rows = &mut self.contexts[source.context].rows;
                    rows.clear();
                    rows.resize(groups + 1, 0);
                    add_counts(rows, counts.iter(), &numbers);
                }
            }
        }
        for (context, state) in self.plan.contexts.iter().zip(&mut self.contexts) {
            state.rows.resize(groups + 1, 0);
            for &input in &context.inputs {
                self.inputs[input].own_counts(groups);
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
    pub fn into_partial(self) -> Result<Partial> {
        let groups = self.groups();
        let states =
            (0..self.spec.aggregates.len()).map(|at| self.partial_state(at)).collect::<Result<Vec<_>>>()?;
        Ok(Partial { groups, keys: self.key_arrays()?, states })
    }

    fn partial_state(&self, at: usize) -> Result<StateColumn> {
        let aggregate = &self.spec.aggregates[at];
        let counts = self.counts(at);
        let Some(input) = self.plan.sources[at].input.map(|input| &self.inputs[input]) else {
            return Ok(StateColumn::Count(counts));
        };
        input.partial(aggregate, counts)
    }

    /// Values per group that aggregate number `at` has seen.
    fn counts(&self, at: usize) -> Vec<u64> {
        let source = self.plan.sources[at];
        let rows = &self.contexts[source.context].rows;
        let own = source.input.and_then(|input| self.inputs[input].counts());
        let counts = own.unwrap_or(rows);
        (1..=self.groups()).map(|group| counts.get(group).copied().unwrap_or(0)).collect()
    }

    /// Keys, then aggregates, in their declared types (plain, where a dictionary has too few keys), one row per group in
    /// order of first appearance. Without keys
    /// there is one row, even over no rows.
    ///
    /// # Errors
    /// [`Error::ArithmeticOverflow`] where a sum or decimal average does not fit its type.
    pub fn finish(self) -> Result<Vec<ArrayRef>> {
        let mut columns = self.key_arrays()?;
        for (at, aggregate) in self.spec.aggregates.iter().enumerate() {
            let counts = self.counts(at);
            let input =
                self.plan.sources[at].input.filter(|_| aggregate.function != AggregateFunction::Count);
            columns.push(match input {
                Some(input) => self.inputs[input].finish(aggregate, &counts)?,
                None => finish::counts(&counts, aggregate)?,
            });
        }
        Ok(columns)
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

/// Where each row of `inner` lies among the rows of `outer`, which contains it.
fn positions(inner: &Selection, outer: &Selection) -> impl Iterator<Item = usize> {
    let outer: Vec<u32> = if outer.is_all() { Vec::new() } else { outer.indices().to_vec() };
    let mut at = 0;
    inner.indices().to_vec().into_iter().map(move |row| {
        if outer.is_empty() {
            return row as usize;
        }
        while outer.get(at).is_some_and(|&found| found < row) {
            at += 1;
        }
        at
    })
}

fn evaluate(
    evaluator: &Evaluator,
    columns: &[ArrayRef],
    rows: usize,
    selection: Option<&Selection>,
) -> Result<Vec<LaneColumn>> {
    evaluator.evaluate(columns, rows, selection)?.iter().map(LaneColumn::from_vector).collect()
}

fn has_external(expr: &Expr) -> bool {
    matches!(expr, Expr::External { .. }) || expr.children().any(has_external)
}
