use super::*;
use crate::parquet::bits::packed_len;
use crate::parquet::bits::tests::{pack, thinned, values};

const LENGTHS: [usize; 16] = [0, 1, 7, 8, 9, 15, 16, 31, 32, 33, 63, 64, 65, 1023, 1024, 1025];

fn every_width<T: Word + PartialEq + std::fmt::Debug>(ones: T) {
    for level in Level::all() {
        for width in thinned(7, 0..=T::BITS) {
            let values = values(1025 + 9, width);
            let packed = pack(&values, width);
            for len in thinned(4, LENGTHS) {
                for first in thinned(4, 0..9) {
                    // Exactly the bytes that are needed, in an allocation of their own, and more of them.
                    let needed = packed_len(first + len, width).unwrap();
                    for packed in [&packed[..needed].to_vec(), &packed] {
                        let mut out = vec![ones; len + 1];
                        unpack(level, packed, first, width, &mut out[..len]);
                        let expected = values[first..first + len].iter().map(|&value| T::low(value));
                        assert!(
                            out[..len].iter().copied().eq(expected),
                            "{level:?}, width {width}, values {first}.. {len}"
                        );
                        assert_eq!(out[len], ones, "written past the end");
                        let mut appended = vec![ones; 2];
                        append(level, packed, first, width, len, &mut appended);
                        assert_eq!(appended[..2], [ones; 2]);
                        assert_eq!(appended[2..], out[..len]);
                    }
                }
            }
        }
    }
}

#[test]
fn words_of_16() {
    every_width(u16::MAX);
}

#[test]
fn words_of_32() {
    every_width(u32::MAX);
}

#[test]
fn words_of_64() {
    every_width(u64::MAX);
}

#[test]
fn levels_differ() {
    // Each level is one of its own: a test over all of them tests what it says.
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx2") && !cfg!(miri) {
        assert!(Level::all().len() > 1);
        assert!(!Level::SCALAR.avx2());
        let level = Level::SCALAR.force(Level::detected);
        assert_eq!(level, Level::SCALAR);
    }
    assert_eq!(Level::all().last(), Some(&Level::detected()));
}
