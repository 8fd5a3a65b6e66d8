use super::*;
use crate::parquet::bits::tests::{pack, thinned, values};

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

#[test]
fn unpacked_and_summed() {
    for level in Level::all() {
        for width in thinned(9, 0..=64u32) {
            let deltas = values(200, width);
            let packed = pack(&deltas, width);
            for (first, len) in [(0, 0), (0, 1), (3, 7), (8, 32), (1, 64), (7, 65), (64, 100), (9, 191)] {
                let step = -(len as i64) - 5;
                let mut expected = i64::MAX - 3;
                let sums: Vec<i64> = deltas[first..first + len]
                    .iter()
                    .map(|&delta| {
                        expected = expected.wrapping_add(step).wrapping_add(delta as i64);
                        expected
                    })
                    .collect();
                let bytes = &packed[..((first + len) * width as usize).div_ceil(8)].to_vec();
                let packed = Packed { bytes, first, width, len };
                let (mut out, mut value) = (vec![5], i64::MAX - 3);
                append_sums_i64(level, &mut value, step, packed, &mut out);
                assert!(
                    out[1..].iter().map(|&sum| sum as i64).eq(sums.iter().copied()),
                    "{level:?}, {width}"
                );
                assert_eq!((out[0], value), (5, expected));
                if width <= 32 {
                    let (mut out, mut value) = (vec![5], (i64::MAX - 3) as i32);
                    append_sums_i32(level, &mut value, step as i32, packed, &mut out);
                    assert!(out[1..].iter().map(|&sum| sum as i32).eq(sums.iter().map(|&sum| sum as i32)));
                    assert_eq!((out[0], value), (5, expected as i32), "{level:?}, {width}");
                }
            }
        }
    }
}
