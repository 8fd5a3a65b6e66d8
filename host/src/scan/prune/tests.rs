//! Interval tests: over small domains, against every set of values that obeys the facts.

use arrow::datatypes::DataType;
use pilaster_kernels::expr::{CompareOp, Expr, Scalar, Value};

use super::truth::{Truth, truth};
use crate::scan::statistics::Facts;

const OPS: [CompareOp; 8] = [
    CompareOp::Eq,
    CompareOp::NotEq,
    CompareOp::Lt,
    CompareOp::LtEq,
    CompareOp::Gt,
    CompareOp::GtEq,
    CompareOp::IsDistinctFrom,
    CompareOp::IsNotDistinctFrom,
];

fn column() -> Expr {
    Expr::column(0, DataType::Int64)
}

/// SQL's comparison of one value.
fn compared(op: CompareOp, left: Option<i64>, right: Option<i64>) -> Option<bool> {
    match op {
        CompareOp::IsDistinctFrom => return Some(left != right),
        CompareOp::IsNotDistinctFrom => return Some(left == right),
        _ => {}
    }
    let (left, right) = (left?, right?);
    Some(match op {
        CompareOp::Eq => left == right,
        CompareOp::NotEq => left != right,
        CompareOp::Lt => left < right,
        CompareOp::LtEq => left <= right,
        CompareOp::Gt => left > right,
        _ => left >= right,
    })
}

fn covers(found: Truth, value: Option<bool>) -> bool {
    match value {
        Some(true) => found.can_true,
        Some(false) => found.can_false,
        None => found.can_null,
    }
}

/// All facts with bounds in 0..=3, absent ones included, and the values that obey each.
fn worlds() -> Vec<(Facts, Vec<Option<i64>>)> {
    let mut worlds = Vec::new();
    for min in [None, Some(0), Some(1), Some(2)] {
        for max in [None, Some(1), Some(2), Some(3)] {
            if min > max && max.is_some() {
                continue;
            }
            for (nulls, values) in [(false, true), (true, true), (true, false)] {
                let bound = |value: Option<i64>| value.map(|value| Value::Integer(value.into()));
                let facts = Facts { min: bound(min), max: bound(max), nulls, values, nan: false };
                let inside = (min.unwrap_or(-2)..=max.unwrap_or(5)).map(Some).filter(|_| values);
                worlds.push((facts, inside.chain(nulls.then_some(None)).collect()));
            }
        }
    }
    worlds
}

#[test]
fn comparisons_cover_every_value_and_are_tight() {
    for (facts, values) in worlds() {
        for op in OPS {
            for constant in [None, Some(-1), Some(0), Some(1), Some(2), Some(3), Some(4)] {
                let literal = constant.map_or_else(|| Scalar::null(DataType::Int64), Scalar::from);
                let predicate = Expr::compare(op, column(), Expr::literal(literal)).unwrap();
                let found = truth(&predicate, &|_| facts.clone());
                let outcomes: Vec<Option<bool>> =
                    values.iter().map(|&value| compared(op, value, constant)).collect();
                for &outcome in &outcomes {
                    assert!(covers(found, outcome), "{predicate} over {facts:?} can be {outcome:?}");
                }
                // Tight: whatever is said to be possible happens for some value within the bounds.
                assert_eq!(found.can_true, outcomes.contains(&Some(true)), "{predicate} over {facts:?}");
                assert_eq!(found.can_null, outcomes.contains(&None), "{predicate} over {facts:?}");
            }
        }
    }
}

#[test]
fn a_constant_on_the_left_is_mirrored() {
    let facts = Facts {
        min: Some(Value::Integer(5)),
        max: Some(Value::Integer(9)),
        nulls: false,
        values: true,
        nan: false,
    };
    for (op, constant, can_true) in [
        (CompareOp::Lt, 9, false),
        (CompareOp::Lt, 8, true),
        (CompareOp::GtEq, 4, false),
        (CompareOp::GtEq, 5, true),
    ] {
        let predicate = Expr::compare(op, Expr::literal(i64::from(constant)), column()).unwrap();
        assert_eq!(truth(&predicate, &|_| facts.clone()).can_true, can_true, "{predicate}");
    }
}

#[test]
fn connectives_cover_every_pair_of_truth_values() {
    let all = [Some(true), Some(false), None];
    let sets: Vec<Vec<Option<bool>>> = (1u8..8)
        .map(|bits| (0..3).filter(|bit| bits >> bit & 1 == 1).map(|bit| all[bit]).collect())
        .collect();
    let truth_of = |set: &[Option<bool>]| Truth {
        can_true: set.contains(&Some(true)),
        can_false: set.contains(&Some(false)),
        can_null: set.contains(&None),
    };
    let and = |left: Option<bool>, right: Option<bool>| match (left, right) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    };
    for left in &sets {
        for right in &sets {
            let pairs = left.iter().flat_map(|&l| right.iter().map(move |&r| (l, r)));
            let conjunction: Vec<_> = pairs.clone().map(|(l, r)| and(l, r)).collect();
            assert_eq!(truth_of(left).and(truth_of(right)), truth_of(&conjunction));
            let not = |value: Option<bool>| value.map(|value| !value);
            let disjunction: Vec<_> = pairs.map(|(l, r)| not(and(not(l), not(r)))).collect();
            assert_eq!(truth_of(left).or(truth_of(right)), truth_of(&disjunction));
        }
    }
}

#[test]
fn what_is_not_understood_may_be_anything() {
    let facts = Facts {
        min: Some(Value::Integer(5)),
        max: Some(Value::Integer(5)),
        nulls: false,
        values: true,
        nan: false,
    };
    let both = Expr::compare(CompareOp::Lt, column(), column()).unwrap();
    assert_eq!(truth(&both, &|_| facts.clone()), Truth::ANY);
    // A constant of another storage class excludes nothing.
    let other = Facts { min: Some(Value::Float(9.0)), max: Some(Value::Float(9.0)), ..facts };
    let less = Expr::compare(CompareOp::Lt, column(), Expr::literal(3i64)).unwrap();
    assert!(truth(&less, &|_| other.clone()).can_true);
}
