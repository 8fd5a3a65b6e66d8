//! Rows of a batch, evaluated.

use arrow::array::ArrayRef;
use arrow::buffer::BooleanBuffer;

use crate::error::Result;
use crate::expr::cpu::{Evaluator, Vector};
use crate::filter::Selection;
use crate::keys::lanes::LaneColumn;

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
