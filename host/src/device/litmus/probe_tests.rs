//! The tests of the tests: what a right and a wrong adapter answer, computed the plain way.

use super::*;

/// The loops as the shader has them, in a driver that ends all loops after `cap` iterations.
fn loops_capped_at(cap: u32) -> Vec<u32> {
    let step = |x: u32| x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    let lane = |lane: u32| {
        let mut left = cap;
        let mut run = |x: &mut u32, count: u32| {
            let count = count.min(left);
            left -= count;
            (0..count).for_each(|_| *x = step(*x));
        };
        let mut x = lane;
        run(&mut x, ITERATIONS[0] + lane);
        let long = x;
        run(&mut x, ITERATIONS[1] * ITERATIONS[2]);
        [long, x]
    };
    (0..LANES).flat_map(lane).collect()
}

#[test]
fn loops_that_end_early_are_found() {
    assert_eq!(expect_loops(&[loops_capped_at(u32::MAX)]), Ok(()));
    let found = expect_loops(&[loops_capped_at(65_535)]).expect_err("the first loop ends early");
    assert!(found.contains("65,535 iterations"), "{found}");
    // Each loop is short enough, but not both together.
    assert!(expect_loops(&[loops_capped_at(140_000)]).is_err());
}

#[test]
fn each_wrong_word_is_found() {
    let answers = [loops_answer(), atomics_answer(), scan_answer(), int64_answer(), float64_answer()];
    let mut probes = all(&Tier { int64: true, float64: true, ..Tier::BASELINE }, [4, 128]);
    probes.retain(|probe| !probe.always_checked);
    assert_eq!(probes.len(), answers.len());
    for (probe, answer) in probes.iter().zip(answers) {
        assert_eq!((probe.expect)(std::slice::from_ref(&answer)), Ok(()));
        let last = answer.len() - 1;
        for position in [0, last / 2, last] {
            let mut wrong = answer.clone();
            wrong[position] ^= 1 << 31;
            assert!((probe.expect)(&[wrong]).is_err(), "{}: word {position}", probe.name);
        }
        assert!((probe.expect)(&[answer[1..].to_vec()]).is_err(), "{}: too short", probe.name);
    }
}

#[test]
fn bounds_allow_zero_and_clamping_and_nothing_else() {
    let results = |reads: [u32; 4]| [reads.to_vec(), vec![DIVIDEND, 0, 1 << 31, 0]].concat();
    let answer = |written: [u32; 8], reads| vec![VALUES.to_vec(), written.to_vec(), results(reads)];
    let mut clamped = VALUES;
    clamped[7] = MARK;
    assert_eq!(expect_bounds(&answer(VALUES, [0; 4])), Ok(()));
    assert_eq!(expect_bounds(&answer(clamped, [108, 101, 208, 304])), Ok(()));
    assert!(expect_bounds(&answer(VALUES, [0, 0, 101, 0])).is_err());
    assert!(expect_bounds(&answer(VALUES, [77, 0, 0, 0])).is_err());
    let mut stray = VALUES;
    stray[3] = 0;
    assert!(expect_bounds(&answer(stray, [0; 4])).is_err());
    let mut divided = answer(VALUES, [0; 4]);
    divided[2][4] = u32::MAX;
    assert!(expect_bounds(&divided).is_err());
}

#[test]
fn subgroups_are_of_a_claimed_size_full_and_consecutive() {
    for size in [4, 8, 16, 32, 64, 128] {
        let answer: Vec<u32> = (0..SUBGROUP_LANES).flat_map(|lane| subgroup_lane(lane, size)).collect();
        assert_eq!(expect_subgroups(&answer, [4, 128]), Ok(()));
        assert!(expect_subgroups(&answer, [size * 2, size * 4]).is_err());
        // Lanes dealt out to subgroups in turn.
        let mut dealt = answer.clone();
        dealt.rotate_left(SUBGROUP_WORDS);
        assert!(expect_subgroups(&dealt, [4, 128]).is_err());
    }
    assert!(expect_subgroups(&[0; 1536], [4, 128]).is_err());
}

#[test]
fn the_float_pairs_tell_fused_from_unfused() {
    let fused =
        float64_pairs().iter().filter(|[a, b]| a.mul_add(*b, *a).to_bits() != (a * b + a).to_bits()).count();
    assert!(fused >= 4, "{fused}");
    let results = float64_pairs().into_iter().flat_map(|[a, b]| [a + b, a - b, a * b, a * b + a]);
    let results: Vec<f64> = results.collect();
    assert!(results.iter().all(|value| !value.is_nan()));
    assert!(results.iter().any(|value| value.is_subnormal()));
}
