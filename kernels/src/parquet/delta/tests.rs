use super::*;
use crate::parquet::bits::tests::{pack, values};

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn put_zigzag(bytes: &mut Vec<u8>, value: i64) {
    put_varint(bytes, ((value << 1) ^ (value >> 63)) as u64);
}

/// Writes as the format says, in wrapping 64-bit arithmetic.
pub(crate) fn encode(values: &[i64], block: usize, miniblocks: usize) -> Vec<u8> {
    let mut bytes = vec![];
    put_varint(&mut bytes, block as u64);
    put_varint(&mut bytes, miniblocks as u64);
    put_varint(&mut bytes, values.len() as u64);
    put_zigzag(&mut bytes, values.first().copied().unwrap_or(0));
    let deltas: Vec<i64> = values.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    for chunk in deltas.chunks(block) {
        let min = chunk.iter().copied().min().unwrap();
        put_zigzag(&mut bytes, min);
        let above: Vec<u64> = chunk.iter().map(|&delta| delta.wrapping_sub(min) as u64).collect();
        let minis: Vec<&[u64]> = above.chunks(block / miniblocks).collect();
        let width = |mini: &[u64]| 64 - mini.iter().fold(0, |all, value| all | value).leading_zeros();
        bytes.extend((0..miniblocks).map(|i| minis.get(i).map_or(0xee, |mini| width(mini) as u8)));
        for mini in minis {
            let mut padded = mini.to_vec();
            padded.resize(block / miniblocks, 0);
            bytes.extend(pack(&padded, width(mini)));
        }
    }
    bytes
}

/// Values whose differences need about `width` bits.
fn walk(len: usize, width: u32) -> Vec<i64> {
    values(len, width)
        .iter()
        .scan(-5i64, |value, &delta| {
            *value = value.wrapping_add(delta as i64).wrapping_sub(3);
            Some(*value)
        })
        .collect()
}

#[test]
fn every_width_in_pieces() {
    for width in 0..=64 {
        for (len, block, miniblocks) in
            [(0, 128, 4), (1, 128, 4), (2, 128, 4), (129, 128, 4), (700, 256, 1), (700, 128, 16)]
        {
            let expected = walk(len, width);
            let mut bytes = encode(&expected, block, miniblocks);
            let end = bytes.len();
            bytes.extend([0xaa; 9]);
            let bytes = Buffer::from_vec(bytes);
            for piece in [1, 33, 700] {
                let mut delta = Delta::new(bytes.clone()).unwrap();
                assert_eq!(delta.len(), len);
                let mut out = vec![0; len];
                for out in out.chunks_mut(piece) {
                    delta.read_i64(out).unwrap();
                }
                assert_eq!(out, expected);
                assert_eq!((delta.end(), delta.remaining()), (end, 0));
                assert!(delta.read_i64(&mut [0]).is_err());
                appended_in_pieces(&bytes, piece, &expected);
            }
            let mut delta = Delta::new(bytes.clone()).unwrap();
            let mut out = vec![0; len];
            delta.read_i32(&mut out).unwrap();
            assert!(out.iter().copied().eq(expected.iter().map(|&value| value as i32)));
            let mut delta = Delta::new(bytes).unwrap();
            let at = len / 2;
            assert_eq!(delta.find_end().unwrap(), end);
            delta.skip(at).unwrap();
            assert_eq!(delta.find_end().unwrap(), end);
            let mut out = vec![0; len - at];
            delta.read_i64(&mut out).unwrap();
            assert_eq!(out, expected[at..]);
        }
    }
}

fn appended_in_pieces(bytes: &Buffer, piece: usize, expected: &[i64]) {
    let (mut narrow, mut wide) = (Delta::new(bytes.clone()).unwrap(), Delta::new(bytes.clone()).unwrap());
    let (mut out, mut wide_out) = (vec![7], vec![7]);
    for values in expected.chunks(piece) {
        narrow.append_u32(values.len(), &mut out).unwrap();
        wide.append_u64(values.len(), &mut wide_out).unwrap();
        assert_eq!(wide.find_end().unwrap(), bytes.len() - 9);
    }
    assert_eq!((out[0], wide_out[0]), (7, 7));
    assert!(out[1..].iter().copied().eq(expected.iter().map(|&value| value as u32)));
    assert!(wide_out[1..].iter().copied().eq(expected.iter().map(|&value| value as u64)));
    assert!(narrow.append_u32(1, &mut out).is_err() && wide.append_u64(1, &mut wide_out).is_err());
}

#[test]
fn truncation_is_malformed_or_right() {
    for width in [0, 1, 7, 33, 64] {
        let expected = walk(300, width);
        let bytes = Buffer::from_vec(encode(&expected, 128, 4));
        for len in 0..bytes.len() {
            let mut out = vec![0; 300];
            let read =
                Delta::new(bytes.slice_with_length(0, len)).and_then(|mut delta| delta.read_i64(&mut out));
            if read.is_ok() {
                assert_eq!(out, expected);
            }
            let end = Delta::new(bytes.slice_with_length(0, len)).and_then(|delta| delta.find_end());
            assert_eq!(end.is_ok(), read.is_ok());
        }
    }
}

#[test]
fn contradictions() {
    let header = |block, miniblocks, count| {
        let mut bytes = vec![];
        for value in [block, miniblocks, count, 0] {
            put_varint(&mut bytes, value);
        }
        Delta::new(Buffer::from_vec(bytes)).map(|mut delta| {
            assert!(delta.len() < 2 || delta.read_i64(&mut [0; 2]).is_err());
        })
    };
    assert!(header(128, 0, 1).is_err());
    assert!(header(0, 1, 1).is_err());
    assert!(header(128, 3, 1).is_err());
    assert!(header(128, 32, 1).is_err());
    assert!(header(u64::MAX, 1, 1).is_err());
    assert!(header(128, 1, 1 << 31).is_err());
    assert!(header(0x7fff_ff80, 1, (1 << 31) - 1).is_ok());
    assert!(Delta::new(Buffer::from(&[0xffu8; 30][..])).is_err());
}

#[test]
fn width_over_64() {
    let mut bytes = encode(&[0, 1, 3], 128, 1);
    let widths = bytes.len() - pack(&[0; 128], 1).len() - 1;
    assert_eq!(bytes[widths], 1);
    bytes[widths] = 65;
    bytes.resize(2000, 0);
    assert!(Delta::new(Buffer::from_vec(bytes)).unwrap().read_i64(&mut [0; 3]).is_err());
}
