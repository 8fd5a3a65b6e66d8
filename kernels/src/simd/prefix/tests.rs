use super::*;
use crate::parquet::bits::tests::{thinned, values};

#[test]
fn every_length() {
    for level in Level::all() {
        for len in thinned(17, (0..70).chain([1023, 1024, 1025])) {
            for (start, step) in [(0, 0), (-7, 3), (i64::MAX, i64::MIN), (i64::MIN + 5, -1)] {
                let random = values(len, 64);
                let deltas: Vec<i64> = random.iter().map(|&delta| delta as i64).collect();
                let (mut sums, mut value) = (deltas.clone(), start);
                sum_i64(level, &mut value, step, &mut sums);
                let mut expected = start;
                for (sum, &delta) in sums.iter().zip(&deltas) {
                    expected = expected.wrapping_add(step).wrapping_add(delta);
                    assert_eq!(*sum, expected, "{level:?}, {len} values");
                }
                assert_eq!(value, expected);

                let deltas: Vec<i32> = random.iter().map(|&delta| delta as i32).collect();
                let (mut sums, mut value) = (deltas.clone(), start as i32);
                sum_i32(level, &mut value, step as i32, &mut sums);
                let mut expected = start as i32;
                for (sum, &delta) in sums.iter().zip(&deltas) {
                    expected = expected.wrapping_add(step as i32).wrapping_add(delta);
                    assert_eq!(*sum, expected, "{level:?}, {len} values");
                }
                assert_eq!(value, expected);
            }
        }
    }
}
