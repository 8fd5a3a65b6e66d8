//! Exact sums against integers of any size, in every path: blocks, cells, numbers over the whole range, merges, states.

use std::sync::Arc;

use num_bigint::BigInt;
use proptest::prelude::*;

use super::ExactSums;
use crate::aggregate::cpu::fold::Target;
use crate::aggregate::exact::Exact;
use crate::memory::{Grant, Unlimited};

fn grant() -> Grant {
    Grant::new(Arc::new(Unlimited))
}

/// The exact sum of finite values, rounded by another way than the code's: as an integer times `2^-1074`.
fn expected(values: impl Iterator<Item = f64>) -> f64 {
    let mut sum = BigInt::from(0);
    let (mut nan, mut up, mut down) = (false, false, false);
    for value in values {
        if !value.is_finite() {
            nan |= value.is_nan();
            up |= value == f64::INFINITY;
            down |= value == f64::NEG_INFINITY;
            continue;
        }
        let bits = value.to_bits();
        let biased = bits >> 52 & 0x7ff;
        let significand = bits & ((1 << 52) - 1) | u64::from(biased != 0) << 52;
        let term = BigInt::from(significand) << (biased.max(1) - 1) as usize;
        if value.is_sign_negative() { sum -= term } else { sum += term }
    }
    match (nan || (up && down), up, down) {
        (true, ..) => f64::NAN,
        (_, true, _) => f64::INFINITY,
        (.., true) => f64::NEG_INFINITY,
        _ => Exact::<40>::from_words(
            sum.sign() == num_bigint::Sign::Minus,
            &sum.magnitude().to_u64_digits(),
            -1074,
        )
        .to_f64(),
    }
}

/// Sums of groups `1..=groups` over blocks of rows.
fn sums(blocks: &[(&[f64], &[u32])], groups: usize) -> ExactSums {
    let (mut sums, mut grant) = (ExactSums::new(), grant());
    for (values, numbers) in blocks {
        sums.add(values, Target::Each(numbers), groups, &mut grant).unwrap();
    }
    sums
}

fn check(sums: &ExactSums, values: &[f64], numbers: &[u32], groups: usize, what: &str) {
    for group in 1..=groups {
        let of = values.iter().zip(numbers).filter(|(_, number)| **number as usize == group);
        let expected = expected(of.map(|(value, _)| *value));
        assert_eq!(sums.total(group, 1).to_bits(), expected.to_bits(), "{what}: group {group} of {groups}");
    }
}

fn float(kind: u8, noise: u64) -> f64 {
    let unit = f64::from_bits(noise >> 12 | 1023 << 52);
    let sign = if noise & 1 == 1 { -1.0 } else { 1.0 };
    let scaled = |by: u64, middle: i32| unit * sign * 2f64.powi(((noise >> 1) % by) as i32 + middle);
    match kind {
        0 => sign * (noise >> 40) as f64,
        1 => scaled(20, 0),
        2 => scaled(60, -30),
        3 => scaled(200, -100),
        4 => scaled(2000, -1000),
        5 => sign * f64::from_bits(noise % (1 << 54)),
        6 => sign * f64::MAX,
        7 => [0.0, -0.0, f64::MIN_POSITIVE, 5e-324, f64::MAX, -f64::MAX, 1.0, -1.0][(noise % 8) as usize],
        _ => [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.5][(noise % 4) as usize],
    }
}

/// Values of one kind with some of another in between.
fn values() -> impl Strategy<Value = Vec<f64>> {
    let one = (0u8..8, prop_oneof![6 => Just(255u8), 1 => 0u8..9], any::<u64>());
    one.prop_flat_map(|(kind, other, seed)| {
        let row = (any::<u64>(), 0u8..40);
        proptest::collection::vec(row, 0..600).prop_map(move |rows| {
            rows.into_iter()
                .map(|(noise, at)| float(if at == 0 && other < 9 { other } else { kind }, noise ^ seed))
                .collect()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Any number of groups, any order, any cut into blocks, any tree of merges, by way of states or not.
    #[test]
    fn sums_are_exact(
        values in values(),
        groups in prop_oneof![1usize..6, Just(40), Just(63), Just(64), Just(100)],
        seed in any::<u64>(),
    ) {
        let numbers: Vec<u32> =
            (0..values.len() as u64).map(|row| (row.wrapping_mul(seed | 1) >> 7) as u32 % (groups as u32 + 1)).collect();
        let all = sums(&[(&values, &numbers)], groups);
        check(&all, &values, &numbers, groups, "at once");
        let cut = values.len() * (seed % 5) as usize / 5;
        let (v, n) = ((&values[..cut], &values[cut..]), (&numbers[..cut], &numbers[cut..]));
        check(&sums(&[(v.1, n.1), (v.0, n.0)], groups), &values, &numbers, groups, "cut and turned");

        let own: Vec<u32> = (1..=groups as u32).collect();
        let (mut first, mut grant) = (sums(&[(v.0, n.0)], groups), grant());
        let second = sums(&[(v.1, n.1)], groups);
        let mut third = ExactSums::new();
        third.merge_states(&second.states(groups), &own, groups, &mut grant).unwrap();
        check(&third, v.1, n.1, groups, "by way of states");
        third.merge_states(&first.states(groups), &own, groups, &mut grant).unwrap();
        first.merge(&second, &own, groups, &mut grant).unwrap();
        check(&first, &values, &numbers, groups, "merged");
        check(&third, &values, &numbers, groups, "merged states");
        assert_eq!(&first.states(groups), &all.states(groups), "one form");
    }

    #[test]
    fn one_group_is_exact(values in values(), again in 1usize..12) {
        let (mut sums, mut grant) = (ExactSums::new(), grant());
        let repeated: Vec<f64> = (0..again).flat_map(|_| values.clone()).collect();
        sums.add(&repeated, Target::One, 1, &mut grant).unwrap();
        assert_eq!(sums.total(1, 1).to_bits(), expected(repeated.into_iter()).to_bits());
    }
}

#[test]
fn a_window_that_moves_and_widens_loses_nothing() {
    // Ever wider, in both directions, block by block, for many groups and few.
    for groups in [1usize, 3, 200] {
        let numbers: Vec<u32> = (0..1000).map(|row| 1 + row % groups as u32).collect();
        let mut blocks = Vec::new();
        for step in 0..40 {
            let exponent = step * 27 * if step % 2 == 0 { 1 } else { -1 };
            let near = (0..1000).map(|row| (f64::from(row) - 499.3) * 2f64.powi(exponent.clamp(-1020, 1000)));
            blocks.push(near.collect::<Vec<f64>>());
            let pairs: Vec<(&[f64], &[u32])> =
                blocks.iter().map(|block| (&block[..], &numbers[..])).collect();
            let all: Vec<f64> = blocks.concat();
            let repeated: Vec<u32> = blocks.iter().flat_map(|_| numbers.clone()).collect();
            check(&sums(&pairs, groups), &all, &repeated, groups.min(5), &format!("step {step}"));
        }
    }
}

#[test]
fn overflow_on_the_way_does_not_show() {
    for groups in [1usize, 70] {
        let values = [f64::MAX, f64::MAX, 1.0, -f64::MAX, -f64::MAX, 5e-324];
        let numbers = [1u32; 6];
        check(&sums(&[(&values, &numbers)], groups), &values, &numbers, groups, "overflow");
    }
    let sums = sums(&[(&[f64::MAX, f64::MAX], &[1, 1])], 1);
    assert_eq!((sums.total(1, 1), sums.total(1, 2)), (f64::INFINITY, f64::MAX));
}

#[test]
fn blocks_at_the_edge_of_their_bound_are_exact() {
    // Sums of parts that just fit: a whole block of the greatest value of the extent, and one that needs its lowest bit.
    for span in [30, 32, 33, 34, 75, 76, 77, 118, 119, 120, 160, 162] {
        for rows in [1023usize, 1024, 1025, 4096] {
            let great = 2f64.powi(span) * (2.0 - f64::EPSILON);
            let mut values = vec![great; rows];
            values[rows / 2] = -(2.0 - f64::EPSILON);
            values[rows - 1] = 1.0 + f64::EPSILON;
            let (mut sums, mut grant) = (ExactSums::new(), grant());
            sums.add(&values, Target::One, 1, &mut grant).unwrap();
            let one = sums.total(1, 1);
            assert_eq!(one.to_bits(), expected(values.iter().copied()).to_bits(), "span {span}, {rows} rows");
            sums.add(&vec![-great; rows - 2], Target::One, 1, &mut grant).unwrap();
            assert_eq!(sums.total(1, 1), 1.0 + f64::EPSILON - (2.0 - f64::EPSILON), "cancelled");
        }
    }
}

#[test]
fn states_from_outside_are_checked() {
    use arrow::array::{ArrayRef, Int64Array, LargeBinaryArray};
    let mut sums = ExactSums::new();
    let mut grant = grant();
    let bad: [ArrayRef; 4] = [
        Arc::new(Int64Array::from(vec![1])),
        Arc::new(LargeBinaryArray::from_opt_vec(vec![None])),
        Arc::new(LargeBinaryArray::from_vec(vec![b"123456789"])),
        Arc::new(LargeBinaryArray::from_vec(vec![b"\x08\0\0\0\0\0"])),
    ];
    for state in bad {
        assert!(sums.merge_states(&state, &[1], 1, &mut grant).is_err(), "{state:?}");
    }
    let zero: ArrayRef = Arc::new(LargeBinaryArray::from_vec(vec![b"\0\0\0\0\0\0"]));
    assert!(sums.merge_states(&zero, &[1, 1], 1, &mut grant).is_err(), "another number of rows");
    sums.merge_states(&zero, &[1], 1, &mut grant).unwrap();
    assert_eq!(sums.total(1, 1).to_bits(), 0);
}
