use super::*;
use crate::parquet::bits::tests::{pack, values};

/// Writes runs as the format says.
pub(crate) struct Writer {
    pub(crate) bytes: Vec<u8>,
    width: u32,
}

impl Writer {
    pub(crate) fn new(width: u32) -> Self {
        Writer { bytes: vec![], width }
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    pub(crate) fn repeat(&mut self, value: u32, len: usize) {
        self.varint((len as u64) << 1);
        self.bytes.extend_from_slice(&value.to_le_bytes()[..self.width.div_ceil(8) as usize]);
    }

    /// Pads with zeros to whole groups.
    pub(crate) fn packed(&mut self, values: &[u64]) {
        let groups = values.len().div_ceil(8);
        self.varint((groups as u64) << 1 | 1);
        let mut padded = values.to_vec();
        padded.resize(groups * 8, 0);
        self.bytes.extend(pack(&padded, self.width));
    }
}

/// Runs of both kinds and their values.
pub(crate) fn sample(width: u32) -> (Buffer, Vec<u32>) {
    let random = values(1200, width);
    let mut writer = Writer::new(width);
    let mut expected: Vec<u32> = vec![];
    let top = if width == 0 { 0 } else { u32::MAX >> (32 - width) };
    for (len, packed) in [
        (8, true),
        (0, false),
        (3, false),
        (504, true),
        (200, false),
        (0, true),
        (64, true),
        (1, false),
        (13, true),
    ] {
        if packed {
            writer.packed(&random[..len]);
            expected.extend(random[..len].iter().map(|&value| value as u32));
        } else {
            writer.repeat(top, len);
            expected.extend(std::iter::repeat_n(top, len));
        }
    }
    (Buffer::from_vec(writer.bytes), expected)
}

#[test]
fn every_width_in_pieces() {
    for width in 0..=32 {
        let (bytes, expected) = sample(width);
        for piece in [1, 5, 8, 64, 793] {
            let mut hybrid = Hybrid::new(bytes.clone(), width, expected.len()).unwrap();
            let mut out = vec![7; expected.len()];
            for out in out.chunks_mut(piece) {
                hybrid.read_u32(out).unwrap();
            }
            assert_eq!(out, expected, "width {width} in pieces of {piece}");
            assert_eq!(hybrid.next_run(1), Ok(None));
            assert!(hybrid.read_u32(&mut [0]).is_err());
        }
        let mut hybrid = Hybrid::new(bytes, width, expected.len()).unwrap();
        hybrid.skip(100).unwrap();
        let mut out = [0; 50];
        hybrid.read_u32(&mut out).unwrap();
        assert_eq!(out[..], expected[100..150]);
        assert!(hybrid.skip(expected.len()).is_err());
    }
}

#[test]
fn truncation_is_malformed_or_right() {
    for width in [0, 1, 3, 9, 17, 32] {
        let (bytes, expected) = sample(width);
        for len in 0..bytes.len() {
            let mut hybrid = Hybrid::new(bytes.slice_with_length(0, len), width, expected.len()).unwrap();
            let mut out = vec![0; expected.len()];
            if hybrid.read_u32(&mut out).is_ok() {
                assert_eq!(out, expected);
            }
        }
    }
}

#[test]
fn contradictions() {
    assert!(Hybrid::new(Buffer::default(), 33, 1).is_err());
    let read = |bytes: &[u8], width| {
        let mut out = [0; 8];
        Hybrid::new(Buffer::from(bytes), width, 8).and_then(|mut hybrid| hybrid.read_u32(&mut out)).is_err()
    };
    assert!(read(&[], 1));
    assert!(read(&[0; 100], 1));
    assert!(read(&[16, 2], 1), "value over the width");
    assert!(read(&[0xff; 20], 1), "endless header");
    assert!(read(&[0xff, 0xff, 0xff, 0xff, 0x1f, 1], 1), "header over 32 bits");
    assert!(!read(&[0xff, 0xff, 0xff, 0xff, 0x0f, 1], 1), "longest header");
}

#[test]
fn bitmap() {
    let (bytes, expected) = sample(1);
    let mut hybrid = Hybrid::new(bytes, 1, expected.len()).unwrap();
    let mut out = Bitmap::default();
    let mut set = 0;
    for len in [0, 1, 9, 300, expected.len() - 310] {
        set += hybrid.read_bitmap(len, &mut out).unwrap();
    }
    assert!(out.finish().iter().eq(expected.iter().map(|&bit| bit == 1)));
    assert_eq!(set, expected.iter().sum::<u32>() as usize);
    assert!(hybrid.read_bitmap(1, &mut out).is_err());
}
