//! Functions with a state of their own: which accumulator an aggregate gets.
//!
//! | function | accumulator | what it keeps, for all groups together |
//! | --- | --- | --- |
//! | bool_and, bool_or, bit_* | [`bits`] | a word per group |
//! | count of several operands | [`counts`] | a count per group |
//! | first, last, any value | [`ends`] | a row per group, of [`chunks`] of rows |
//! | array_agg, string_agg | [`collect`] | all rows, appended; sorted once at the end |
//! | percentile_cont, percentile_disc | [`percentile`] | all values as integers, appended; selected from at the end |
//! | mode | [`mode`] | a count per distinct value ([`pairs`]) |
//! | var, stddev, covar, corr, regr_* | [`moments`] | sums per group |
//! | approx_distinct, approx_percentile | [`approx`] | a sketch per group, in shared lists |
//! | any of these, sum and avg, DISTINCT | [`distinct`] | the set of distinct values ([`pairs`]) in front of it |
//!
//! Nothing is allocated per group, and every state is a function of the rows alone: it does not show in which parts they
//! came or how these merged. Where the order of rows matters, their positions in the input travel with them.

use super::accumulator::Accumulator;
use crate::aggregate::{Aggregate, AggregateFunction, FloatSum};
use crate::error::{Backend, Error, Result};
use crate::expr::Expr;

mod approx;
mod bits;
mod chunks;
mod collect;
mod counts;
mod distinct;
mod ends;
mod lists;
mod mode;
mod moments;
mod operand;
mod pairs;
mod percentile;
mod shared;
mod sort_key;
#[cfg(test)]
mod tests;

use approx::{ApproxDistinct, ApproxPercentile};
use bits::{BitFold, Bits};
use collect::Collect;
use counts::Counts;
use distinct::{Distinct, Inner};
use ends::Ends;
use mode::Mode;
use moments::Moments;
use percentile::Percentile;
use shared::Shared;

/// The accumulator of `aggregate`.
///
/// # Errors
/// [`Error::Unsupported`] for operands of other types than the function takes.
pub(super) fn accumulator(aggregate: &Aggregate, float_sum: FloatSum) -> Result<Box<dyn Accumulator>> {
    use AggregateFunction as F;
    let wants_set = matches!(
        aggregate.function,
        F::Count
            | F::Sum
            | F::Avg
            | F::Variance { .. }
            | F::Stddev { .. }
            | F::Covariance { .. }
            | F::Correlation
            | F::Regression(_)
            | F::BitXor
            | F::PercentileCont(_)
            | F::PercentileDisc(_)
            | F::ApproxPercentile(_)
    );
    if !(aggregate.distinct && wants_set) {
        return plain(aggregate, float_sum);
    }
    let inner = match aggregate.function {
        F::Sum | F::Avg => Inner::Shared(Box::new(Shared::new(aggregate, float_sum)?)),
        _ => Inner::Own(plain(aggregate, float_sum)?),
    };
    let operands = aggregate.inputs.iter().map(Expr::data_type);
    Ok(Box::new(Distinct::new(operands, inner)?))
}

/// Over all rows; array_agg, string_agg and mode know themselves what is distinct.
fn plain(aggregate: &Aggregate, float_sum: FloatSum) -> Result<Box<dyn Accumulator>> {
    use AggregateFunction as F;
    match &aggregate.function {
        F::Count => Ok(Box::new(Counts::new(aggregate))),
        F::BoolAnd | F::BitAnd => Ok(Box::new(Bits::new(aggregate, BitFold::And)?)),
        F::BoolOr | F::BitOr => Ok(Box::new(Bits::new(aggregate, BitFold::Or)?)),
        F::BitXor => Ok(Box::new(Bits::new(aggregate, BitFold::Xor)?)),
        F::Variance { .. } | F::Stddev { .. } | F::Covariance { .. } | F::Correlation | F::Regression(_) => {
            Ok(Box::new(Moments::new(aggregate, float_sum)?))
        }
        F::First { .. } | F::Last { .. } | F::AnyValue => Ok(Box::new(Ends::new(aggregate)?)),
        F::PercentileCont(_) | F::PercentileDisc(_) => Ok(Box::new(Percentile::new(aggregate)?)),
        F::ApproxDistinct => Ok(Box::new(ApproxDistinct::new(aggregate)?)),
        F::ApproxPercentile(_) => Ok(Box::new(ApproxPercentile::new(aggregate)?)),
        F::Mode => Ok(Box::new(Mode::new(aggregate)?)),
        F::ArrayAgg { .. } | F::StringAgg { .. } => Ok(Box::new(Collect::new(aggregate)?)),
        function => Err(Error::unsupported(function, Backend::Cpu)),
    }
}
