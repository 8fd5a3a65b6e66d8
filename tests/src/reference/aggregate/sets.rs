//! Grouping sets: one aggregation for each, over the rows.

use arrow::datatypes::DataType;
use pilaster_kernels::aggregate::AggregateSpec;
use pilaster_kernels::expr::Expr;

use super::groups;
use crate::Datum;
use crate::reference::{Answer, Table, all};

/// Several ways of grouping by some keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grouping {
    /// All keys, all but the last, ..., none.
    Rollup,
    /// Every set of keys.
    Cube,
    /// Sets by the numbers of their keys.
    Sets(Vec<Vec<usize>>),
}

impl Grouping {
    /// The sets of `keys` keys.
    #[must_use]
    pub fn sets(&self, keys: usize) -> Vec<Vec<usize>> {
        match self {
            Grouping::Rollup => (0..=keys).map(|most| (0..most).collect()).collect(),
            Grouping::Cube => (0..keys).fold(vec![vec![]], |sets, key| {
                let with = sets.iter().map(|set| [set.as_slice(), &[key]].concat()).collect();
                [sets, with].concat()
            }),
            Grouping::Sets(sets) => sets.clone(),
        }
    }
}

/// Keys, the grouping id, then aggregates: the rows of each set, one set after the other.
///
/// # Errors
/// As of [`super::aggregate`], in any set.
pub fn aggregate_sets(spec: &AggregateSpec, grouping: &Grouping, input: &Table) -> Answer<Table> {
    let keys = spec.keys.len();
    let sets = grouping.sets(keys);
    let left_out: Vec<Vec<bool>> =
        sets.iter().map(|set| (0..keys).map(|key| !set.contains(&key)).collect()).collect();
    let repeats = |at: usize| left_out[..at].iter().filter(|other| **other == left_out[at]).count() as u64;
    // What GROUPING() of all keys gives, the last key's bit lowest; above it, how often the set came before.
    let id = |at: usize| left_out[at].iter().fold(repeats(at), |id, &missing| 2 * id + u64::from(missing));
    let most_repeats = (0..sets.len()).map(repeats).max().unwrap_or(0);
    let id_type = match keys + (0..).take_while(|&bits| most_repeats >> bits > 0).count() {
        0..=8 => DataType::UInt8,
        9..=16 => DataType::UInt16,
        17..=32 => DataType::UInt32,
        _ => DataType::UInt64,
    };
    let rows = all(sets.iter().enumerate().map(|(at, set)| {
        let mut rows = groups(spec, set, input)?;
        for row in &mut rows {
            row.values.insert(keys, Datum::Int(id(at).into()));
            row.within.insert(keys, None);
        }
        Ok(rows)
    }))?;
    let types = spec.keys.iter().map(Expr::data_type).chain([id_type]);
    let types = types.chain(spec.aggregates.iter().map(|a| a.data_type.clone())).collect();
    Ok(Table { types, rows: rows.concat() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sets_of_rollup_and_cube() {
        assert_eq!(Grouping::Rollup.sets(2), [vec![], vec![0], vec![0, 1]]);
        assert_eq!(Grouping::Cube.sets(2), [vec![], vec![0], vec![1], vec![0, 1]]);
        assert_eq!(Grouping::Cube.sets(0), [Vec::<usize>::new()]);
    }
}
