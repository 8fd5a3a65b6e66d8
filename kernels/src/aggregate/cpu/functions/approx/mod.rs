//! Estimates in bounded memory, the same whatever the order of rows and merges.

mod distinct;
mod histogram;
mod hyperloglog;
mod murmur;

pub(super) use distinct::ApproxDistinct;
pub(super) use histogram::ApproxPercentile;

use crate::aggregate::cpu::accumulator::Rows;
use crate::keys::lanes::LaneColumn;

/// Rows that are not null in `column` and belong to a group, with its number.
fn counted<'a>(rows: &'a Rows, column: &'a LaneColumn) -> impl Iterator<Item = (usize, u32)> + 'a {
    let valid = |row: &usize| column.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(*row));
    let numbered = (0..column.rows).filter(valid).map(|row| (row, rows.group(row) as u32));
    numbered.filter(|&(_, group)| group > 0)
}
