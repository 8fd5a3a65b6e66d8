//! CASE.
//!
//! Each row belongs to the first branch whose condition is true. Conditions after the first are evaluated on the rows
//! still open, results on their branch's rows; where a condition or a result cannot fail and most rows want it, it is evaluated
//! on all rows instead and blended, which costs no gather.

use arrow::array::{Array, ArrayRef};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::interleave;

use crate::error::{Error, Result};
use crate::expr::types::value_type;
use crate::simd::lanes;

use super::frame::Frame;
use super::graph::NodeId;
use super::logic::{Truth, scatter_bits, valid};
use super::vector::{Values, Vector};

/// A result and the rows that it is for.
struct Piece {
    rows: BooleanBuffer,
    vector: Vector,
    /// One value per row of `rows`, instead of one per row of the frame.
    compact: bool,
}

/// Below one row in four, gathering a branch's rows is cheaper than evaluating all.
const DENSE_SHARE: usize = 4;

pub(crate) fn case(frame: &Frame, node: NodeId) -> Result<Vector> {
    let children = frame.children(node);
    let rows = frame.rows();
    let mut open = BooleanBuffer::new_set(rows);
    let mut pieces = Vec::new();
    for pair in children.chunks(2) {
        let (condition, result) = match *pair {
            [when, then] => (Some(when), then),
            [otherwise] => (None, otherwise),
            _ => break,
        };
        let taken = match condition {
            Some(when) => &open & &condition_rows(frame, when, &open)?,
            None => open.clone(),
        };
        open = &open & &!&taken;
        if let Some(piece) = piece(frame, result, taken)? {
            pieces.push(piece);
        }
    }
    merge(pieces, frame.data_type(node), rows)
}

/// Rows where the condition is true; those that are not open may be anything.
fn condition_rows(frame: &Frame, when: NodeId, open: &BooleanBuffer) -> Result<BooleanBuffer> {
    let count = open.count_set_bits();
    if count == 0 {
        return Ok(BooleanBuffer::new_unset(frame.rows()));
    }
    if count == frame.rows() || (count * DENSE_SHARE >= frame.rows() && !frame.can_fail(when)) {
        return Ok(Truth::of(&frame.value(when)?)?.is_true);
    }
    let inner = frame.inner(open);
    let truth = Truth::of(&inner.value(when)?)?;
    Ok(scatter_bits(&truth.is_true, inner.outer_rows(), frame.rows()))
}

fn piece(frame: &Frame, result: NodeId, rows: BooleanBuffer) -> Result<Option<Piece>> {
    let count = rows.count_set_bits();
    if count == 0 {
        return Ok(None);
    }
    if count == frame.rows() || (count * DENSE_SHARE >= frame.rows() && !frame.can_fail(result)) {
        return Ok(Some(Piece { vector: frame.value(result)?, rows, compact: false }));
    }
    let vector = frame.inner(&rows).value(result)?;
    Ok(Some(Piece { vector, rows, compact: true }))
}

/// One column of all pieces; rows of no piece are null.
fn merge(mut pieces: Vec<Piece>, data_type: &arrow::datatypes::DataType, rows: usize) -> Result<Vector> {
    if let [piece] = pieces.as_slice()
        && piece.rows.count_set_bits() == rows
    {
        return Ok(pieces.remove(0).vector);
    }
    if pieces.is_empty() {
        return Vector::load(&arrow::array::new_null_array(value_type(data_type), rows), None);
    }
    let nulls = merge_bits(&pieces, rows, |vector| Ok(valid(vector)))?;
    let nulls = Some(NullBuffer::new(nulls));
    let any = |wanted: fn(&Values) -> bool| pieces.iter().any(|piece| wanted(piece.vector.values()));
    let integer = |values: &Values| matches!(values, Values::I32(_) | Values::I64(_) | Values::I128(_));
    if pieces.iter().all(|piece| integer(piece.vector.values())) {
        let values = if any(|values| matches!(values, Values::I128(_))) {
            Values::I128(merge_lanes(&pieces, rows, |vector| vector.lanes_i128().map(|v| v.to_vec()))?.into())
        } else if any(|values| matches!(values, Values::I64(_))) {
            Values::I64(merge_lanes(&pieces, rows, lanes_i64)?.into())
        } else {
            Values::I32(
                merge_lanes(&pieces, rows, |vector| match vector.values() {
                    Values::I32(values) => Some(values.to_vec()),
                    _ => None,
                })?
                .into(),
            )
        };
        let range = pieces.iter().filter_map(|piece| piece.vector.range()).reduce(|a, b| a.union(&b));
        return Ok(match range {
            Some(range) => Vector::with_range(values, nulls, range),
            None => Vector::new(values, nulls),
        });
    }
    if any(|values| matches!(values, Values::Boolean(_))) {
        let bits = merge_bits(&pieces, rows, |vector| Ok(Truth::of(vector)?.is_true))?;
        return Ok(Vector::boolean(bits, nulls));
    }
    if pieces.iter().all(|piece| matches!(piece.vector.values(), Values::F64(_))) {
        let values = merge_lanes(&pieces, rows, |vector| match vector.values() {
            Values::F64(values) => Some(values.to_vec()),
            _ => None,
        })?;
        return Ok(Vector::new(Values::F64(values.into()), nulls));
    }
    if pieces.iter().all(|piece| matches!(piece.vector.values(), Values::F32(_))) {
        let values = merge_lanes(&pieces, rows, |vector| match vector.values() {
            Values::F32(values) => Some(values.to_vec()),
            _ => None,
        })?;
        return Ok(Vector::new(Values::F32(values.into()), nulls));
    }
    merge_arrays(&pieces, value_type(data_type), rows)
}

fn lanes_i64(vector: &Vector) -> Option<Vec<i64>> {
    match vector.values() {
        Values::I32(values) => Some(lanes::map(values, |v: i32| i64::from(v))),
        Values::I64(values) => Some(values.to_vec()),
        _ => None,
    }
}

fn merge_lanes<T: Copy + Default>(
    pieces: &[Piece],
    rows: usize,
    lanes: impl Fn(&Vector) -> Option<Vec<T>>,
) -> Result<Vec<T>> {
    let mut merged = vec![T::default(); rows];
    for piece in pieces {
        let values =
            lanes(&piece.vector).ok_or_else(|| Error::invalid("results of CASE differ in storage"))?;
        for (i, row) in piece.rows.set_indices().enumerate() {
            merged[row] = values[if piece.compact { i } else { row }];
        }
    }
    Ok(merged)
}

fn merge_bits(
    pieces: &[Piece],
    rows: usize,
    bits: impl Fn(&Vector) -> Result<BooleanBuffer>,
) -> Result<BooleanBuffer> {
    let mut merged = BooleanBuffer::new_unset(rows);
    for piece in pieces {
        let bits = bits(&piece.vector)?;
        let placed = if piece.compact {
            let numbers: Vec<u32> = piece.rows.set_indices_u32().collect();
            scatter_bits(&bits, &numbers, rows)
        } else {
            &bits & &piece.rows
        };
        merged = &merged | &placed;
    }
    Ok(merged)
}

/// Strings and types that expressions only pass on: gathered by Arrow from the pieces and one null.
fn merge_arrays(pieces: &[Piece], data_type: &arrow::datatypes::DataType, rows: usize) -> Result<Vector> {
    let mut arrays: Vec<ArrayRef> = vec![arrow::array::new_null_array(data_type, 1)];
    let mut places = vec![(0, 0); rows];
    for piece in pieces {
        let array = piece.vector.decoded()?.into_array(data_type)?;
        for (i, row) in piece.rows.set_indices().enumerate() {
            places[row] = (arrays.len(), if piece.compact { i } else { row });
        }
        arrays.push(array);
    }
    let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
    Vector::load(&interleave(&arrays, &places)?, None)
}
