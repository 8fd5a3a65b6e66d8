//! Aggregation by collecting each group's values in a list.

use pilaster_kernels::aggregate::{Aggregate, AggregateSpec};
use pilaster_kernels::expr::Expr;

use super::relation::{Row, Table, keeps};
use super::{Answer, Kinds, all, both, evaluate};
use crate::Datum;

mod functions;
mod moments;
mod percentile;
mod sets;
mod sums;

use functions::{Answered, fold};
pub use sets::{Grouping, aggregate_sets};

/// Keys, then aggregates, one row per group in order of first appearance; one row where there are no keys.
///
/// # Errors
/// The kinds of all errors on active rows; overflow of a final value.
pub fn aggregate(spec: &AggregateSpec, input: &Table) -> Answer<Table> {
    let all_keys: Vec<usize> = (0..spec.keys.len()).collect();
    let rows = groups(spec, &all_keys, input)?;
    let keys = spec.keys.iter().map(Expr::data_type);
    Ok(Table { types: keys.chain(spec.aggregates.iter().map(|a| a.data_type.clone())).collect(), rows })
}

/// The rows of the groups by the keys of `set`, which are numbers of keys; the other keys are null.
fn groups(spec: &AggregateSpec, set: &[usize], input: &Table) -> Answer<Vec<Row>> {
    let mut kinds = Kinds::new();
    let mut groups: Vec<Group> = Vec::new();
    if set.is_empty() {
        groups.push(Group::new(vec![Datum::Null; spec.keys.len()], spec));
    }
    for row in &input.rows {
        if let Err(more) = add_row(spec, set, &row.values, &mut groups) {
            kinds.extend(more);
        }
    }
    match all(groups.iter().map(|group| group.finish(spec))) {
        Ok(rows) if kinds.is_empty() => Ok(rows),
        // With rows in error no total is known: an overflow of one may come first or not.
        Ok(_) => Err(kinds),
        Err(more) => {
            kinds.extend(more);
            Err(kinds)
        }
    }
}

struct Group {
    key: Vec<Datum>,
    /// Per aggregate, the rows that pass its filter, in the order of the input.
    rows: Vec<Vec<Seen>>,
}

/// A row as an aggregate sees it.
#[derive(Debug, Clone)]
struct Seen {
    operands: Vec<Datum>,
    /// What rows are ordered by.
    keys: Vec<Datum>,
}

fn add_row(spec: &AggregateSpec, set: &[usize], row: &[Datum], groups: &mut Vec<Group>) -> Answer<()> {
    if let Some(predicate) = &spec.predicate
        && !keeps(predicate, row)?
    {
        return Ok(());
    }
    let key = all(spec.keys.iter().map(|key| Ok(evaluate(key, row)?.canonical())));
    let inputs = all(spec.aggregates.iter().map(|aggregate| seen(aggregate, row)));
    let (mut key, inputs) = both(key, inputs)?;
    (0..key.len()).filter(|at| !set.contains(at)).for_each(|at| key[at] = Datum::Null);
    let same = |group: &&mut Group| group.key.iter().zip(&key).all(|(a, b)| a.order_nulls_first(b).is_eq());
    let found = groups.iter_mut().find(same);
    let group = match found {
        Some(group) => group,
        None => {
            groups.push(Group::new(key, spec));
            groups.last_mut().expect("just pushed")
        }
    };
    for (rows, input) in group.rows.iter_mut().zip(inputs) {
        rows.extend(input);
    }
    Ok(())
}

/// The row, where it passes the filter.
fn seen(aggregate: &Aggregate, row: &[Datum]) -> Answer<Option<Seen>> {
    if let Some(filter) = &aggregate.filter
        && !keeps(filter, row)?
    {
        return Ok(None);
    }
    let operands = all(aggregate.inputs.iter().map(|input| evaluate(input, row)));
    let keys = all(aggregate.order_by.iter().map(|key| evaluate(&key.expr, row)));
    let (operands, keys) = both(operands, keys)?;
    Ok(Some(Seen { operands, keys }))
}

impl Group {
    fn new(key: Vec<Datum>, spec: &AggregateSpec) -> Self {
        Group { key, rows: vec![Vec::new(); spec.aggregates.len()] }
    }

    fn finish(&self, spec: &AggregateSpec) -> Answer<Row> {
        let mut row = Row::exact(self.key.clone());
        let answers: Vec<Answer<Answered>> = spec
            .aggregates
            .iter()
            .zip(&self.rows)
            .map(|(aggregate, rows)| fold(aggregate, spec.float_sum, rows))
            .collect();
        for (value, within) in all(answers)? {
            row.values.push(value);
            row.within.push(within);
        }
        Ok(row)
    }
}
