use super::*;
use crate::parquet::bits::tests::{thinned, values};

#[test]
fn every_length() {
    let random: Vec<u16> = values(1100, 16)
        .iter()
        .map(|&value| if value % 3 == 0 { value as u16 } else { value as u16 % 4 })
        .collect();
    for level in Level::all() {
        for len in thinned(29, (0..200).chain([1023, 1024, 1025])) {
            let values = &random[3..3 + len];
            for with in [0, 1, 3, 0x7fff, 0x8000, random[100], u16::MAX] {
                let mut out = vec![u64::MAX; len.div_ceil(64)];
                let check = |out: &[u64], test: &dyn Fn(u16) -> bool| {
                    for i in 0..out.len() * 64 {
                        let expected = values.get(i).is_some_and(|&value| test(value));
                        assert_eq!(
                            out[i / 64] >> (i % 64) & 1 == 1,
                            expected,
                            "{level:?}, value {i} of {len}"
                        );
                    }
                };
                equal(level, values, with, &mut out);
                check(&out, &|value| value == with);
                at_least(level, values, with, &mut out);
                check(&out, &|value| value >= with);
            }
            assert_eq!(largest(level, values), values.iter().copied().max().unwrap_or(0));
        }
        for place in thinned(9, 0..100) {
            let mut values = [7; 100];
            values[place] = 0x8001;
            assert_eq!(largest(level, &values), 0x8001);
        }
    }
}

#[test]
fn picked_bits() {
    let bits = values(33, 64);
    for level in Level::all() {
        for density in thinned(4, 0..=8) {
            // Words all kept, none kept and in between.
            let keep: Vec<u64> = values(33 * 64, 3)
                .chunks(64)
                .enumerate()
                .map(|(i, random)| match i % 7 {
                    5 => u64::MAX,
                    6 => 0,
                    _ => random.iter().fold(0, |word, &r| word << 1 | u64::from(r < density)),
                })
                .collect();
            for len in thinned(11, 0..=33) {
                let mut out = vec![u64::MAX; len];
                let picked = pick(level, &bits[..len], &keep[..len], &mut out);
                let expected: Vec<u64> = (0..len * 64)
                    .filter(|i| keep[i / 64] >> (i % 64) & 1 == 1)
                    .map(|i| bits[i / 64] >> (i % 64) & 1)
                    .collect();
                assert_eq!(picked, expected.len());
                for i in 0..len * 64 {
                    let expected = expected.get(i).copied().unwrap_or(0);
                    assert_eq!(out[i / 64] >> (i % 64) & 1, expected, "{level:?}, bit {i} of {len} words");
                }
            }
        }
    }
}
