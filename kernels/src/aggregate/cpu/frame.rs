//! Rows of a batch, evaluated.

use arrow::array::ArrayRef;
use arrow::buffer::BooleanBuffer;

use crate::error::Result;
use crate::expr::cpu::{Evaluator, Vector};
use crate::filter::Selection;
use crate::keys::lanes::LaneColumn;

/// A batch that comes in.
#[derive(Clone, Copy)]
pub(super) struct Batch<'a> {
    pub(super) columns: &'a [ArrayRef],
    pub(super) rows: usize,
    pub(super) positions: Positions<'a>,
}

/// Where the rows of a batch stand in the whole input.
#[derive(Clone, Copy)]
pub(super) enum Positions<'a> {
    /// One after the other.
    From(u64),
    /// As listed.
    Each(&'a [u64]),
}

impl<'a> Positions<'a> {
    /// Those of rows `from` to `to`.
    pub(super) fn slice(self, from: usize, to: usize) -> Positions<'a> {
        match self {
            Positions::From(first) => Positions::From(first.saturating_add(from as u64)),
            Positions::Each(positions) => Positions::Each(&positions[from..to]),
        }
    }

    /// The positions of some of the rows.
    pub(super) fn of(self, selection: &Selection) -> Vec<u64> {
        match self {
            Positions::From(first) if selection.is_all() => {
                (0..selection.rows() as u64).map(|row| first.saturating_add(row)).collect()
            }
            Positions::From(first) => {
                selection.indices().iter().map(|&row| first.saturating_add(row.into())).collect()
            }
            Positions::Each(positions) if selection.is_all() => positions.to_vec(),
            Positions::Each(positions) => {
                selection.indices().iter().map(|&row| positions[row as usize]).collect()
            }
        }
    }
}

/// Rows of a batch under evaluation: those of `selection`, of which those of `active` count.
pub(super) struct Frame {
    pub(super) selection: Selection,
    pub(super) active: Option<BooleanBuffer>,
    pub(super) values: Values,
    /// How many of the lanes are keys.
    pub(super) keys: usize,
}

/// What a context's evaluator gave.
pub(super) struct Values {
    lanes: Vec<LaneColumn>,
    arguments: Vec<Vector>,
    pub(super) rows: usize,
}

/// Inputs as lanes and arguments as they are, all of `rows` rows.
#[derive(Clone, Copy)]
pub(super) struct Evaluated<'a> {
    pub(super) lanes: &'a [LaneColumn],
    pub(super) arguments: &'a [Vector],
    pub(super) rows: usize,
}

impl Frame {
    pub(super) fn keys(&self) -> &[LaneColumn] {
        &self.values.lanes[..self.keys]
    }

    /// Rows that count.
    pub(super) fn counted(&self) -> usize {
        self.active.as_ref().map_or(self.values.rows, BooleanBuffer::count_set_bits)
    }

    pub(super) fn inputs(&self) -> Evaluated<'_> {
        let all = self.values.all();
        Evaluated { lanes: &all.lanes[self.keys..], ..all }
    }
}

impl Values {
    pub(super) fn all(&self) -> Evaluated<'_> {
        Evaluated { lanes: &self.lanes, arguments: &self.arguments, rows: self.rows }
    }
}

/// Evaluates the rows of `selection`, or all; the first `lanes` results as lanes.
pub(super) fn evaluate(
    evaluator: &Evaluator,
    lanes: usize,
    columns: &[ArrayRef],
    rows: usize,
    selection: Option<&Selection>,
) -> Result<Values> {
    let mut vectors = evaluator.evaluate(columns, rows, selection)?;
    let arguments = vectors.split_off(lanes);
    let lanes = vectors.iter().map(LaneColumn::from_vector).collect::<Result<_>>()?;
    Ok(Values { lanes, arguments, rows: selection.map_or(rows, Selection::count) })
}

/// Where each row of `inner` lies among the rows of `outer`, which contains it.
pub(super) fn positions_within(inner: &Selection, outer: &Selection) -> impl Iterator<Item = usize> {
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
