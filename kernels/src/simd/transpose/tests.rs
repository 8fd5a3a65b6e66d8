use super::*;
use crate::parquet::bits::tests::{thinned, values};

fn check<const N: usize>(
    interleave: impl Fn(Level, [&[u8]; N], &mut [[u8; N]]),
    append: impl Fn(Level, [&[u8]; N], &mut Vec<[u8; N]>),
) {
    for level in Level::all() {
        for len in thinned(33, (0..140).chain([1023, 1024, 1025])) {
            let streams: [Vec<u8>; N] = std::array::from_fn(|k| {
                values(len + k, 8)[k..].iter().map(|&byte| byte as u8 ^ (k as u8) << 5).collect()
            });
            let mut out = vec![[0xee; N]; len + 1];
            interleave(level, std::array::from_fn(|k| &streams[k][..]), &mut out[..len]);
            for (i, value) in out[..len].iter().enumerate() {
                for (k, &byte) in value.iter().enumerate() {
                    assert_eq!(byte, streams[k][i], "{level:?}, byte {k} of value {i} of {len}");
                }
            }
            assert_eq!(out[len], [0xee; N], "written past the end");
            let mut appended = vec![[0x11; N]; 3];
            append(level, std::array::from_fn(|k| &streams[k][..]), &mut appended);
            assert_eq!(appended[3..], out[..len]);
            assert_eq!(appended[..3], [[0x11; N]; 3]);
        }
    }
}

#[test]
fn two() {
    check(interleave_2, append_2);
}

#[test]
fn four() {
    check(interleave_4, append_4);
}

#[test]
fn eight() {
    check(interleave_8, append_8);
}
