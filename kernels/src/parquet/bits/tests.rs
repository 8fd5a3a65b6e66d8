use super::*;

/// Packs values bit by bit.
pub(crate) fn pack(values: &[u64], width: u32) -> Vec<u8> {
    let mut packed = vec![0; packed_len(values.len(), width).unwrap()];
    for (i, value) in values.iter().enumerate() {
        for b in 0..width as usize {
            let bit = i * width as usize + b;
            packed[bit / 8] |= ((value >> b & 1) as u8) << (bit % 8);
        }
    }
    packed
}

/// All of these; under Miri, which takes a thousand times as long, each `step`-th.
pub(crate) fn thinned<T>(step: usize, all: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
    all.into_iter().step_by(if cfg!(miri) { step } else { 1 })
}

/// Values from a simple generator, cut to `width` bits.
pub(crate) fn values(len: usize, width: u32) -> Vec<u64> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let value = state ^ state >> 29;
            if width == 0 { 0 } else { value >> (64 - width) }
        })
        .collect()
}

const LENGTHS: [usize; 14] = [0, 1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 1023, 1024, 1025];

#[test]
fn every_width_and_length() {
    for width in 0..=64 {
        for len in LENGTHS {
            let values = values(len, width);
            let packed = pack(&values, width);
            let mut wide = vec![u64::MAX; len];
            unpack_u64(&packed, width, &mut wide).unwrap();
            assert_eq!(wide, values, "width {width}, {len} values");
            let mut words = vec![u32::MAX; len];
            let unpacked = unpack_u32(&packed, width, &mut words);
            assert_eq!(unpacked.is_ok(), width <= 32);
            if width <= 32 {
                assert!(words.iter().map(|&word| u64::from(word)).eq(values.iter().copied()));
            }
            let mut levels = vec![u16::MAX; len];
            let unpacked = unpack_u16(&packed, width, &mut levels);
            assert_eq!(unpacked.is_ok(), width <= 16);
            if width <= 16 {
                assert!(levels.iter().map(|&level| u64::from(level)).eq(values.iter().copied()));
            }
        }
    }
}

#[test]
fn one_byte_short_is_malformed() {
    for width in 1..=64 {
        for len in LENGTHS.into_iter().filter(|&len| len > 0) {
            let packed = pack(&values(len, width), width);
            let short = &packed[..packed.len() - 1];
            assert!(unpack_u64(short, width, &mut vec![0; len]).is_err());
            assert!(unpack_u64_from(&packed, 9, width, &mut vec![0; len]).is_err());
            if width <= 32 {
                assert!(unpack_u32(short, width, &mut vec![0; len]).is_err());
            }
        }
    }
    assert!(unpack_u64_from(&[], usize::MAX, 64, &mut [0]).is_err());
}

#[test]
fn msb_first() {
    // The format's own example: 0 to 7 with 3 bits.
    let packed = [0b0000_0101, 0b0011_1001, 0b0111_0111];
    let mut out = [0; 8];
    unpack_u16_msb(&packed, 0, 3, &mut out).unwrap();
    assert_eq!(out, [0, 1, 2, 3, 4, 5, 6, 7]);
    unpack_u16_msb(&packed, 5, 3, &mut out[..3]).unwrap();
    assert_eq!(out[..3], [5, 6, 7]);
    assert!(unpack_u16_msb(&packed, 1, 3, &mut out).is_err());
}

#[test]
fn bits_to_a_bitmap() {
    let bits = values(1025, 1);
    let packed = pack(&bits, 1);
    for first in [0, 1, 7, 8, 63, 64, 1000] {
        let mut out = Bitmap::default();
        out.append_n(3, true);
        let set = unpack_bits(&packed, first, 1025 - first, &mut out).unwrap();
        let out = out.finish();
        assert_eq!(set, bits[first..].iter().sum::<u64>() as usize);
        assert!(out.iter().skip(3).eq(bits[first..].iter().map(|&bit| bit == 1)));
    }
    assert!(unpack_bits(&packed, 0, 1033, &mut Bitmap::default()).is_err());
}
