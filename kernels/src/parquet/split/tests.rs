use super::*;
use crate::parquet::bits::tests::values as random;

fn bytes(len: usize) -> Vec<u8> {
    random(len, 8).iter().map(|&byte| byte as u8).collect()
}

fn check<const N: usize>() {
    for len in [0, 1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 1025] {
        let streams = bytes(len * N);
        for first in [0, 1, len / 2, len] {
            let first = first.min(len);
            let mut out = vec![[0; N]; len - first];
            byte_stream_split(&streams, first, &mut out).unwrap();
            for (i, value) in out.iter().enumerate() {
                for (k, &byte) in value.iter().enumerate() {
                    assert_eq!(byte, streams[k * len + first + i]);
                }
            }
            assert!(byte_stream_split(&streams, first + 1, &mut out).is_err() || out.is_empty());
        }
    }
}

#[test]
fn all_widths() {
    check::<1>();
    check::<2>();
    check::<3>();
    check::<4>();
    check::<8>();
    check::<12>();
    check::<16>();
    check::<37>();
}

#[test]
fn contradictions() {
    assert!(byte_stream_split(&[0; 9], 0, &mut [[0; 4]; 2]).is_err());
    assert!(byte_stream_split(&[0; 8], 0, &mut [[0; 4]; 3]).is_err());
    assert!(byte_stream_split(&[0; 8], usize::MAX, &mut [[0; 4]; 2]).is_err());
    assert!(byte_stream_split_any(&[0; 8], 4, 0, &mut [0; 7]).is_err());
    assert!(byte_stream_split_any(&[0; 8], 0, 0, &mut []).is_err());
    assert_eq!(values(&[0; 8], 4), Ok(2));
}
