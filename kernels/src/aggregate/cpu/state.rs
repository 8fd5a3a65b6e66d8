//! What is kept of one distinct input: its count of values, its sum, its extremes.

use arrow::array::{Array, ArrayRef};

use super::extremes::Extremes;
use super::finish;
use super::floats::FloatSums;
use super::fold::{Target, count_groups};
use super::plan::{Input, SumKind};
use super::sums::{IntegerSums, Total};
use crate::aggregate::partial::StateColumn;
use crate::aggregate::{Aggregate, AggregateFunction, FloatSum};
use crate::error::{Error, Result};
use crate::keys::lanes::{LaneColumn, Lanes};
use crate::memory::Grant;

/// State of one input over all groups.
#[derive(Debug)]
pub(super) struct InputState {
    expr: crate::expr::Expr,
    float_sum: FloatSum,
    /// Values per group; item 0 is the sink. None while no row was null: then they are the context's rows.
    counts: Option<Vec<u64>>,
    integers: Option<IntegerSums>,
    floats: Option<FloatSums>,
    least: Option<Extremes>,
    greatest: Option<Extremes>,
}

impl InputState {
    pub(super) fn new(input: &Input, float_sum: FloatSum) -> Self {
        Self {
            expr: input.expr.clone(),
            float_sum,
            counts: None,
            integers: (input.sum == Some(SumKind::Integer)).then(IntegerSums::default),
            floats: (input.sum == Some(SumKind::Float)).then(|| FloatSums::new(float_sum)),
            least: input.least.then(|| Extremes::new(false)),
            greatest: input.greatest.then(|| Extremes::new(true)),
        }
    }

    pub(super) fn counts(&self) -> Option<&Vec<u64>> {
        self.counts.as_ref()
    }

    /// Adds a column. `rows` are the rows per group before it.
    pub(super) fn add(
        &mut self,
        column: &LaneColumn,
        target: Target,
        rows: &[u64],
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        let Some(nulls) = &column.nulls else {
            self.add_counts(target, column.rows, groups, grant)?;
            return self.add_values(column, target, groups, grant);
        };
        self.fork_counts(rows, grant)?;
        let valid = nulls.inner().iter();
        let numbers: Vec<u32> = match target {
            Target::One => valid.map(u32::from).collect(),
            Target::Each(numbers) => {
                numbers.iter().zip(valid).map(|(&n, valid)| if valid { n } else { 0 }).collect()
            }
        };
        self.add_counts(Target::Each(&numbers), column.rows, groups, grant)?;
        self.add_values(column, Target::Each(&numbers), groups, grant)
    }

    /// From here on, values are counted apart from rows.
    fn fork_counts(&mut self, rows: &[u64], grant: &mut Grant) -> Result<()> {
        if self.counts.is_none() {
            let mut counts = Vec::new();
            grant.resize(&mut counts, rows.len(), 0)?;
            counts.copy_from_slice(rows);
            self.counts = Some(counts);
        }
        Ok(())
    }

    fn add_counts(&mut self, target: Target, rows: usize, groups: usize, grant: &mut Grant) -> Result<()> {
        let Some(counts) = &mut self.counts else { return Ok(()) };
        grant.resize(counts, groups + 1, 0)?;
        match target {
            Target::One => counts[1] += rows as u64,
            Target::Each(numbers) => count_groups(numbers, counts),
        }
        Ok(())
    }

    fn add_values(
        &mut self,
        column: &LaneColumn,
        target: Target,
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        let all_null = column.nulls.as_ref().is_some_and(|nulls| nulls.null_count() == nulls.len());
        if all_null || column.rows == 0 {
            return Ok(());
        }
        let measured = self.integers.is_some() || self.least.is_some() || self.greatest.is_some();
        let range = if measured { column.range() } else { None };
        if let Some(sums) = &mut self.integers {
            sums.add(column, range, target, groups, grant)?;
        }
        if let (Some(sums), Lanes::F64(values)) = (&mut self.floats, &column.lanes) {
            sums.add(values, target, groups, grant)?;
        }
        for extremes in [&mut self.least, &mut self.greatest].into_iter().flatten() {
            extremes.add(column, range, target, groups, grant)?;
        }
        Ok(())
    }

    /// Joins the state of other groups: item `i + 1` goes to group `numbers[i]`. `rows` are the rows per group of both.
    pub(super) fn merge(
        &mut self,
        other: &Self,
        rows: &[u64],
        other_rows: &[u64],
        numbers: &[u32],
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        if self.counts.is_some() || other.counts.is_some() {
            self.fork_counts(rows, grant)?;
        }
        let theirs = other.counts.as_deref().unwrap_or(other_rows);
        if let Some(counts) = &mut self.counts {
            grant.resize(counts, groups + 1, 0)?;
            super::add_counts(counts, theirs.iter().skip(1), numbers);
        }
        if let (Some(mine), Some(theirs)) = (&mut self.integers, &other.integers) {
            mine.merge(theirs, numbers, groups, grant)?;
        }
        if let (Some(mine), Some(theirs)) = (&mut self.floats, &other.floats) {
            mine.merge(theirs, numbers, groups, grant)?;
        }
        let count = |group: usize| theirs.get(group).copied().unwrap_or(0);
        let data_type = self.expr.data_type();
        for (mine, theirs) in [(&mut self.least, &other.least), (&mut self.greatest, &other.greatest)] {
            if let (Some(mine), Some(theirs)) = (mine, theirs) {
                let values = theirs.values(numbers.len(), count, &data_type)?;
                add_extremes(mine, &values, numbers, groups, grant)?;
            }
        }
        Ok(())
    }

    /// Takes one aggregate's state of a partial into a state without rows.
    pub(super) fn load(
        &mut self,
        state: &StateColumn,
        function: &AggregateFunction,
        numbers: &[u32],
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        match (state, function) {
            (StateColumn::Count(counts), AggregateFunction::Count) => {
                self.load_counts(counts, numbers, groups)
            }
            (StateColumn::Integer { sums, counts }, AggregateFunction::Sum | AggregateFunction::Avg) => {
                self.load_counts(counts, numbers, groups);
                let mut loaded = IntegerSums::default();
                loaded.load(sums, numbers, groups, grant)?;
                self.integers = Some(loaded);
            }
            (state, AggregateFunction::Sum | AggregateFunction::Avg) => {
                let mut loaded = FloatSums::new(self.float_sum);
                let counts = loaded.load(state, numbers, groups, grant)?;
                self.load_counts(&counts, numbers, groups);
                self.floats = Some(loaded);
            }
            (StateColumn::Extreme(values), AggregateFunction::Min | AggregateFunction::Max) => {
                let seen: Vec<u64> = (0..values.len()).map(|row| values.is_valid(row).into()).collect();
                if self.counts.is_none() {
                    self.load_counts(&seen, numbers, groups);
                }
                let greatest = *function == AggregateFunction::Max;
                let mut loaded = Extremes::new(greatest);
                add_extremes(&mut loaded, values, numbers, groups, grant)?;
                *(if greatest { &mut self.greatest } else { &mut self.least }) = Some(loaded);
            }
            _ => return Err(Error::invalid(format!("a partial state that is none of {function:?}"))),
        }
        Ok(())
    }

    /// The greatest count that any aggregate over the input knows: an extreme knows only whether there was a value.
    fn load_counts(&mut self, counts: &[u64], numbers: &[u32], groups: usize) {
        let mut loaded = vec![0; groups + 1];
        super::add_counts(&mut loaded, counts.iter(), numbers);
        match &mut self.counts {
            Some(known) => {
                known.iter_mut().zip(loaded).for_each(|(known, loaded)| *known = loaded.max(*known))
            }
            None => self.counts = Some(loaded),
        }
    }

    /// Counts of its own, zero where nothing was loaded.
    pub(super) fn own_counts(&mut self, groups: usize) {
        self.counts.get_or_insert_default().resize(groups + 1, 0);
    }

    /// No counts of its own where they are the rows.
    pub(super) fn share_counts(&mut self, rows: &[u64]) {
        if self.counts.as_deref() == Some(rows) {
            self.counts = None;
        }
    }

    pub(super) fn partial(&self, aggregate: &Aggregate, counts: Vec<u64>) -> Result<StateColumn> {
        let groups = counts.len();
        let best = |extremes: &Option<Extremes>| {
            let extremes = extremes.as_ref().ok_or_else(|| Error::invalid("no extreme was kept"))?;
            let values = extremes.values(groups, |group| counts[group - 1], &self.expr.data_type())?;
            Ok(StateColumn::Extreme(values))
        };
        match (&aggregate.function, &self.integers, &self.floats) {
            (AggregateFunction::CountRows | AggregateFunction::Count, ..) => Ok(StateColumn::Count(counts)),
            (AggregateFunction::Min, ..) => best(&self.least),
            (AggregateFunction::Max, ..) => best(&self.greatest),
            (_, Some(sums), _) => {
                let sum = |group: usize| sums.total(group).value();
                let sums = (1..=groups)
                    .map(|group| sum(group).ok_or_else(|| finish::overflow("sum", Some(&self.expr))));
                Ok(StateColumn::Integer { sums: sums.collect::<Result<_>>()?, counts })
            }
            (_, None, Some(sums)) => Ok(sums.partial(counts)),
            (_, None, None) => Err(Error::invalid("no sum was kept")),
        }
    }

    pub(super) fn finish(&self, aggregate: &Aggregate, counts: &[u64]) -> Result<ArrayRef> {
        let totals = |sums: &IntegerSums| -> Vec<(Total, u64)> {
            counts.iter().enumerate().map(|(at, &count)| (sums.total(at + 1), count)).collect()
        };
        let best = |extremes: &Option<Extremes>| {
            let extremes = extremes.as_ref().ok_or_else(|| Error::invalid("no extreme was kept"))?;
            extremes.values(counts.len(), |group| counts[group - 1], &aggregate.data_type)
        };
        match (&aggregate.function, &self.integers) {
            (AggregateFunction::CountRows | AggregateFunction::Count, _) => finish::counts(counts, aggregate),
            (AggregateFunction::Min, _) => best(&self.least),
            (AggregateFunction::Max, _) => best(&self.greatest),
            (AggregateFunction::Sum, Some(sums)) => {
                let words = sums.narrow(counts.len());
                let summed = words.and_then(|words| finish::word_sums(words, counts, aggregate));
                summed.unwrap_or_else(|| finish::sums(totals(sums).into_iter(), aggregate))
            }
            (AggregateFunction::Avg, Some(sums)) => {
                let words = sums.narrow(counts.len());
                let averaged = words.and_then(|words| finish::word_averages(words, counts, aggregate));
                averaged.unwrap_or_else(|| finish::averages(totals(sums).into_iter(), aggregate))
            }
            (AggregateFunction::Sum, None) => finish::floats(self.floats.as_ref(), counts, false, aggregate),
            (AggregateFunction::Avg, None) => finish::floats(self.floats.as_ref(), counts, true, aggregate),
            (function, _) => Err(Error::invalid(format!("{function} of an input's state"))),
        }
    }
}

fn add_extremes(
    into: &mut Extremes,
    values: &ArrayRef,
    numbers: &[u32],
    groups: usize,
    grant: &mut Grant,
) -> Result<()> {
    let column = LaneColumn::from_array(values)?;
    let valid = |row: usize| column.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
    if !(0..column.rows).any(valid) {
        return Ok(());
    }
    let numbers: Vec<u32> =
        numbers.iter().enumerate().map(|(row, &n)| if valid(row) { n } else { 0 }).collect();
    into.add(&column, column.range(), Target::Each(&numbers), groups, grant)
}
