//! Every row of the left with every row of the right.

use std::cmp::Ordering;

use pilaster_kernels::expr::Expr;
use pilaster_kernels::join::{JoinSpec, JoinType, OutputColumn};

use super::relation::keeps;
use super::{Answer, Row, Table, all, evaluate};
use crate::Datum;

/// The join, as the table of join types says. The order of rows is of no meaning.
///
/// # Errors
/// The kinds of all errors.
pub fn join(left: &Table, right: &Table, spec: &JoinSpec) -> Answer<Table> {
    let keys = |table: &Table, key: fn(&pilaster_kernels::join::JoinKey) -> &Expr| {
        all(table.rows.iter().map(|row| all(spec.keys.iter().map(|k| evaluate(key(k), &row.values)))))
    };
    let (left_keys, right_keys) = super::both(keys(left, |key| &key.left), keys(right, |key| &key.right))?;
    let mut pairs = Vec::new();
    for (l, left_row) in left.rows.iter().enumerate() {
        for (r, right_row) in right.rows.iter().enumerate() {
            let both: Vec<Datum> = left_row.values.iter().chain(&right_row.values).cloned().collect();
            let candidate = equal(&left_keys[l], &right_keys[r], spec);
            pairs.push(match (candidate, &spec.residual) {
                (true, Some(residual)) => keeps(residual, &both).map(|keeps| keeps.then_some((l, r))),
                _ => Ok(candidate.then_some((l, r))),
            });
        }
    }
    let pairs: Vec<(usize, usize)> = all(pairs)?.into_iter().flatten().collect();
    let has_left = |row: usize| pairs.iter().any(|(l, _)| *l == row);
    let has_right = |row: usize| pairs.iter().any(|(_, r)| *r == row);
    let lefts = || (0..left.rows.len()).map(|row| (Some(row), None));
    let rights = || (0..right.rows.len()).map(|row| (None, Some(row)));
    let matched = pairs.iter().map(|&(l, r)| (Some(l), Some(r)));
    let lone_lefts = || lefts().filter(|(row, _)| row.is_some_and(|row| !has_left(row)));
    let lone_rights = || rights().filter(|(_, row)| row.is_some_and(|row| !has_right(row)));
    let out: Vec<(Option<usize>, Option<usize>)> = match spec.join_type {
        JoinType::Inner => matched.collect(),
        JoinType::Left => matched.chain(lone_lefts()).collect(),
        JoinType::Right => matched.chain(lone_rights()).collect(),
        JoinType::Full => matched.chain(lone_lefts()).chain(lone_rights()).collect(),
        JoinType::LeftSemi => lefts().filter(|(row, _)| row.is_some_and(&has_left)).collect(),
        JoinType::RightSemi => rights().filter(|(_, row)| row.is_some_and(&has_right)).collect(),
        JoinType::LeftAnti => lone_lefts().collect(),
        JoinType::RightAnti => lone_rights().collect(),
        // x <> a AND x <> b AND ...: true where each is.
        JoinType::LeftAntiNullAware => lefts()
            .filter(|(row, _)| {
                row.is_some_and(|row| right_keys.iter().all(|key| differ(&left_keys[row][0], &key[0])))
            })
            .collect(),
        JoinType::LeftMark => lefts().collect(),
        JoinType::RightMark => rights().collect(),
    };
    let value = |table: &Table, row: Option<usize>, column: usize| {
        row.map_or(Datum::Null, |row| table.rows[row].values[column].clone())
    };
    let row = |(l, r): (Option<usize>, Option<usize>)| {
        let column = |column: &OutputColumn| match *column {
            OutputColumn::Left(column) => value(left, l, column),
            OutputColumn::Right(column) => value(right, r, column),
            OutputColumn::Mark => Datum::Bool(l.is_some_and(has_left) || r.is_some_and(has_right)),
        };
        Row::exact(spec.output.iter().map(column).collect())
    };
    let types =
        spec.output.iter().map(|&column| spec.output_type(column).expect("a column").clone()).collect();
    Ok(Table { types, rows: out.into_iter().map(row).collect() })
}

fn equal(left: &[Datum], right: &[Datum], spec: &JoinSpec) -> bool {
    spec.keys.iter().zip(left.iter().zip(right)).all(|(key, (l, r))| match (l.is_null(), r.is_null()) {
        (true, true) => key.nulls_equal,
        (false, false) => l.order(r) == Ordering::Equal,
        _ => false,
    })
}

fn differ(left: &Datum, right: &Datum) -> bool {
    !left.is_null() && !right.is_null() && left.order(right).is_ne()
}
