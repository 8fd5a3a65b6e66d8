//! Every function over the rows of one group, as a list.

use std::cmp::Ordering;

use pilaster_kernels::aggregate::{Aggregate, AggregateFunction as F, FloatSum, Regression};

use super::moments::moment;
use super::percentile::{approximate, continuous, discrete};
use super::sums::total;
use super::{Answer, Seen};
use crate::Datum;

/// A value, and how far a backend's answer may be off: none where it must be the same.
pub(super) type Answered = (Datum, Option<f64>);

/// The aggregate of a group's rows.
pub(super) fn fold(aggregate: &Aggregate, mode: FloatSum, rows: &[Seen]) -> Answer<Answered> {
    let rows = counted(aggregate, rows);
    let firsts = || rows.iter().filter_map(|row| row.operands.first().cloned()).collect::<Vec<Datum>>();
    let exactly = |value: Datum| Ok((value, None));
    match &aggregate.function {
        F::CountRows | F::Count | F::Regression(Regression::Count) => {
            return exactly(Datum::Int(rows.len() as i128));
        }
        F::ApproxDistinct => return Ok(estimate(&firsts())),
        _ if rows.is_empty() => return exactly(Datum::Null),
        _ => {}
    }
    let values = firsts();
    let least = || values.iter().min_by(|a, b| a.order(b)).expect("not empty").clone();
    let greatest = || values.iter().max_by(|a, b| a.order(b)).expect("not empty").clone();
    match &aggregate.function {
        F::Min => Ok((least(), Some(0.0))),
        F::Max => Ok((greatest(), Some(0.0))),
        F::Sum | F::Avg => total(aggregate, mode, &values),
        F::BoolAnd => exactly(Datum::Bool(values.iter().all(is_true))),
        F::BoolOr => exactly(Datum::Bool(values.iter().any(is_true))),
        F::BitAnd => exactly(bits(&values, |a, b| a & b)),
        F::BitOr => exactly(bits(&values, |a, b| a | b)),
        F::BitXor => exactly(bits(&values, |a, b| a ^ b)),
        F::First { .. } | F::AnyValue => exactly(values[0].clone()),
        F::Last { .. } => exactly(values[values.len() - 1].clone()),
        F::ArrayAgg { .. } => exactly(Datum::List(values)),
        F::StringAgg { separator } => exactly(join(&values, separator)),
        F::Mode => exactly(most_frequent(&values)),
        F::PercentileDisc(fraction) => exactly(discrete(&values, fraction.value()).canonical()),
        F::PercentileCont(fraction) => continuous(aggregate, values, fraction.value()),
        F::ApproxPercentile(fraction) => Ok(approximate(aggregate, &values, fraction.value())),
        F::Variance { .. } | F::Stddev { .. } | F::Covariance { .. } | F::Correlation | F::Regression(_) => {
            Ok(moment(aggregate, mode, &rows))
        }
        other => panic!("no reference for {other}"),
    }
}

/// The rows that count, in the order in which the function sees them.
fn counted(aggregate: &Aggregate, rows: &[Seen]) -> Vec<Seen> {
    let nulls_count = matches!(
        aggregate.function,
        F::First { ignore_nulls: false }
            | F::Last { ignore_nulls: false }
            | F::ArrayAgg { ignore_nulls: false }
    );
    let mut rows: Vec<Seen> =
        rows.iter().filter(|row| nulls_count || !row.operands.iter().any(Datum::is_null)).cloned().collect();
    // The standard library's stable sort, which no kernel uses.
    rows.sort_by(|a, b| compare(aggregate, a, b));
    if aggregate.distinct && has_distinct(&aggregate.function) { distinct(rows) } else { rows }
}

/// Functions that have another answer over distinct values.
fn has_distinct(function: &F) -> bool {
    !matches!(function, F::CountRows | F::First { .. } | F::Last { .. } | F::AnyValue)
}

fn compare(aggregate: &Aggregate, a: &Seen, b: &Seen) -> Ordering {
    for ((key, a), b) in aggregate.order_by.iter().zip(&a.keys).zip(&b.keys) {
        let order = match (a.is_null(), b.is_null()) {
            (false, false) if key.descending => b.order(a),
            (false, false) => a.order(b),
            // Whatever the direction.
            (true, false) if key.nulls_first => Ordering::Less,
            (false, true) if !key.nulls_first => Ordering::Less,
            (true, true) => Ordering::Equal,
            _ => Ordering::Greater,
        };
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

/// The first of equal rows, as keys show them.
fn distinct(rows: Vec<Seen>) -> Vec<Seen> {
    let same =
        |a: &Seen, b: &Seen| a.operands.iter().zip(&b.operands).all(|(a, b)| a.order_nulls_first(b).is_eq());
    let mut kept: Vec<Seen> = Vec::new();
    for row in rows {
        if !kept.iter().any(|known| same(known, &row)) {
            kept.push(Seen { operands: row.operands.iter().map(Datum::canonical).collect(), ..row });
        }
    }
    kept
}

fn is_true(value: &Datum) -> bool {
    matches!(value, Datum::Bool(true))
}

fn bits(values: &[Datum], fold: impl Fn(i128, i128) -> i128) -> Datum {
    let word = |value: &Datum| match value {
        Datum::Int(word) => *word,
        other => panic!("no bits of {other:?}"),
    };
    Datum::Int(values.iter().map(word).reduce(fold).expect("not empty"))
}

fn join(values: &[Datum], separator: &str) -> Datum {
    let bytes = |value: &Datum| match value {
        Datum::Bytes(bytes) => bytes.clone(),
        other => panic!("no string_agg of {other:?}"),
    };
    let texts: Vec<Vec<u8>> = values.iter().map(bytes).collect();
    Datum::Bytes(texts.join(separator.as_bytes()))
}

/// Each value is counted by looking at all.
fn most_frequent(values: &[Datum]) -> Datum {
    let count = |value: &Datum| values.iter().filter(|other| other.order(value).is_eq()).count();
    let most = values.iter().map(count).max().expect("not empty");
    let frequent = values.iter().filter(|value| count(value) == most);
    frequent.min_by(|a, b| a.order(b)).expect("not empty").canonical()
}

/// The exact number; few values are counted, many estimated within four standard errors.
fn estimate(values: &[Datum]) -> Answered {
    let mut sorted = values.to_vec();
    sorted.sort_by(Datum::order);
    sorted.dedup_by(|a, b| a.order(b).is_eq());
    let within = if sorted.len() <= 384 { 0.0 } else { sorted.len() as f64 * 4.0 * 1.04 / 64.0 };
    (Datum::Int(sorted.len() as i128), Some(within))
}
