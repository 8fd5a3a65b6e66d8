use super::*;
use crate::parquet::bits::tests::{thinned, values};

/// Runs and packed bits of any length behind any number of bits, in tails of one or several pieces.
#[test]
fn pieces_of_any_length() {
    const LENGTHS: [usize; 16] = [0, 1, 7, 8, 9, 55, 63, 64, 65, 120, 127, 128, 129, 200, 640, 3];
    let bytes: Vec<u8> = values(100, 8).iter().map(|&byte| byte as u8).collect();
    let bit = |i: usize| bytes[i / 8] >> (i % 8) & 1 == 1;
    for seed in thinned(29, 0..300usize) {
        let (mut bitmap, mut expected) = (Bitmap::default(), Vec::new());
        bitmap.append_n(seed % 130, seed % 2 == 0);
        expected.extend(vec![seed % 2 == 0; seed % 130]);
        for step in 0..6 {
            let lengths: Vec<usize> =
                (0..=step % 4).map(|i| LENGTHS[(seed * 7 + step * 5 + i * 3) % LENGTHS.len()]).collect();
            let before = bitmap.len();
            let mut tail = bitmap.tail(lengths.iter().sum());
            for (i, &len) in lengths.iter().enumerate() {
                match (seed + step + i) % 3 {
                    0 => {
                        tail.repeat(true, len);
                        expected.extend(vec![true; len]);
                    }
                    1 => {
                        tail.repeat(false, len);
                        expected.extend(vec![false; len]);
                    }
                    _ => {
                        let from = (seed * 3 + i) % 70;
                        tail.packed(Words::new(&bytes, from, len));
                        expected.extend((from..from + len).map(bit));
                    }
                }
            }
            drop(tail);
            let since = bitmap.since(before);
            assert_eq!(count(since), expected[before..].iter().filter(|&&bit| bit).count());
            for (i, &bit) in expected[before..].iter().enumerate() {
                assert_eq!(
                    since.word(i / 64) >> (i % 64) & 1 == 1,
                    bit,
                    "seed {seed}, bit {i} after {before}"
                );
            }
        }
        assert_eq!(bitmap.len(), expected.len());
        assert!(bitmap.finish().iter().eq(expected));
        assert!(bitmap.is_empty());
    }
}

#[test]
fn what_is_too_much_is_lost() {
    let mut bitmap = Bitmap::default();
    bitmap.append_n(3, true);
    let mut tail = bitmap.tail(61);
    tail.repeat(false, 61);
    tail.repeat(true, 1000);
    drop(tail);
    assert_eq!(bitmap.len(), 64);
    bitmap.append_n(1, true);
    assert!(bitmap.finish().iter().eq((0..65).map(|i| i < 3 || i == 64)));
}
