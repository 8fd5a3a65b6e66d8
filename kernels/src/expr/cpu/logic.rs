//! Three-valued logic on bitmaps.
//!
//! A Boolean column is two bitmaps, *true* and *false*; a row in neither is null:
//!
//! ```text
//! AND:  true = a.true & b.true    false = a.false | b.false
//! OR:   true = a.true | b.true    false = a.false & b.false
//! ```

use arrow::array::Array;
use arrow::buffer::{BooleanBuffer, NullBuffer};

use crate::error::{Error, Result};

use super::frame::Frame;
use super::graph::NodeId;
use super::vector::{Values, Vector};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connective {
    And,
    Or,
}

/// Rows that are true, and rows that are false.
#[derive(Debug, Clone)]
pub(crate) struct Truth {
    pub(crate) is_true: BooleanBuffer,
    pub(crate) is_false: BooleanBuffer,
}

impl Truth {
    pub(crate) fn of(vector: &Vector) -> Result<Self> {
        let bits = match vector.values() {
            Values::Boolean(bits) => bits.clone(),
            // The untyped null.
            Values::Other(array) if array.data_type().is_null() => {
                let none = BooleanBuffer::new_unset(vector.len());
                return Ok(Self { is_true: none.clone(), is_false: none });
            }
            _ => return Err(Error::invalid("a Boolean was expected")),
        };
        Ok(match vector.nulls() {
            None => Self { is_false: !&bits, is_true: bits },
            Some(nulls) => {
                let valid = nulls.inner();
                Self { is_true: &bits & valid, is_false: &!&bits & valid }
            }
        })
    }

    fn into_vector(self) -> Vector {
        let valid = &self.is_true | &self.is_false;
        Vector::boolean(self.is_true, Some(NullBuffer::new(valid)))
    }
}

/// `left AND right` or `left OR right`: where `right` can fail, it is evaluated only on the rows that `left` leaves open.
pub(crate) fn connect(frame: &Frame, left: NodeId, right: NodeId, connective: Connective) -> Result<Vector> {
    let value = frame.value(left)?;
    let a = Truth::of(&value)?;
    let decided = if connective == Connective::And { &a.is_false } else { &a.is_true };
    let open = frame.rows() - decided.count_set_bits();
    if open == 0 {
        return Ok(a.into_vector());
    }
    let b = if open < frame.rows() && (open * 8 < frame.rows() || frame.can_fail(right)) {
        let inner = frame.inner(&!decided);
        let value = inner.value(right)?;
        scatter(&Truth::of(&value)?, inner.outer_rows(), frame.rows())
    } else {
        let other = frame.value(right)?;
        if let (Values::Boolean(x), Values::Boolean(y), None, None) =
            (value.values(), other.values(), value.nulls(), other.nulls())
        {
            return Ok(Vector::boolean(if connective == Connective::And { x & y } else { x | y }, None));
        }
        Truth::of(&other)?
    };
    let combined = match connective {
        Connective::And => Truth { is_true: &a.is_true & &b.is_true, is_false: &a.is_false | &b.is_false },
        Connective::Or => Truth { is_true: &a.is_true | &b.is_true, is_false: &a.is_false & &b.is_false },
    };
    Ok(combined.into_vector())
}

fn scatter(truth: &Truth, rows: &[u32], len: usize) -> Truth {
    Truth {
        is_true: scatter_bits(&truth.is_true, rows, len),
        is_false: scatter_bits(&truth.is_false, rows, len),
    }
}

/// A bitmap of `len` bits whose bit `rows[i]` is bit `i` of `bits`.
pub(crate) fn scatter_bits(bits: &BooleanBuffer, rows: &[u32], len: usize) -> BooleanBuffer {
    let mut words = vec![0u64; len.div_ceil(64)];
    for i in bits.set_indices() {
        let row = rows[i] as usize;
        words[row / 64] |= 1 << (row % 64);
    }
    crate::simd::lanes::bitmap(words, len)
}

pub(crate) fn not(input: &Vector) -> Result<Vector> {
    match input.values() {
        Values::Boolean(bits) => Ok(Vector::boolean(!bits, input.nulls().cloned())),
        _ => Ok(Truth::of(input)?.into_vector()),
    }
}

pub(crate) fn is_null(input: &Vector) -> Vector {
    Vector::boolean(!&valid(input), None)
}

pub(crate) fn is_not_null(input: &Vector) -> Vector {
    Vector::boolean(valid(input), None)
}

/// One bit per row, set where it is not null.
pub(crate) fn valid(input: &Vector) -> BooleanBuffer {
    match (input.nulls(), input.values()) {
        (Some(nulls), _) => nulls.inner().clone(),
        (None, Values::Other(array)) if array.data_type().is_null() => BooleanBuffer::new_unset(array.len()),
        _ => BooleanBuffer::new_set(input.len()),
    }
}
