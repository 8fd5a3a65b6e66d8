//! Functions with a state of their own: which accumulator an aggregate gets.

use super::accumulator::Accumulator;
use crate::aggregate::{Aggregate, AggregateFunction, FloatSum};
use crate::error::{Backend, Error, Result};

mod bits;
mod moments;

use bits::{BitFold, Bits};
use moments::Moments;

/// The accumulator of `aggregate`.
///
/// # Errors
/// [`Error::Unsupported`] for operands of other types than the function takes.
pub(super) fn accumulator(aggregate: &Aggregate, float_sum: FloatSum) -> Result<Box<dyn Accumulator>> {
    use AggregateFunction as F;
    match &aggregate.function {
        F::BoolAnd | F::BitAnd => Ok(Box::new(Bits::new(aggregate, BitFold::And)?)),
        F::BoolOr | F::BitOr => Ok(Box::new(Bits::new(aggregate, BitFold::Or)?)),
        F::BitXor if !aggregate.distinct => Ok(Box::new(Bits::new(aggregate, BitFold::Xor)?)),
        F::Variance { .. } | F::Stddev { .. } | F::Covariance { .. } | F::Correlation | F::Regression(_)
            if !aggregate.distinct =>
        {
            Ok(Box::new(Moments::new(aggregate, float_sum)?))
        }
        function => Err(Error::unsupported(function, Backend::Cpu)),
    }
}
