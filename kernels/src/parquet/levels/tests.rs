use super::*;
use crate::parquet::bits::tests::{pack, values};
use crate::parquet::hybrid::tests::Writer;

/// Levels 0 to `max`, as runs of both kinds.
fn sample(max: u16) -> (Buffer, Vec<u16>) {
    let mut writer = Writer::new(level_width(max));
    let mut expected = vec![];
    for (i, len) in [8usize, 1, 640, 500, 64, 3000, 1024, 9].into_iter().enumerate() {
        if i % 2 == 0 {
            let levels: Vec<u64> = values(len, 16).iter().map(|level| level % (u64::from(max) + 1)).collect();
            writer.packed(&levels);
            expected.extend(levels.iter().map(|&level| level as u16));
        } else {
            writer.repeat(u32::from(max), len);
            expected.extend(std::iter::repeat_n(max, len));
        }
    }
    (Buffer::from_vec(writer.bytes), expected)
}

#[test]
fn hybrid_levels() {
    for max in [0, 1, 2, 3, 4, 7, 255, 256, u16::MAX] {
        let (bytes, expected) = sample(max);
        let reader = || LevelReader::new(&Levels::Hybrid(bytes.clone()), max, expected.len()).unwrap();
        for piece in [1, 100, 5000] {
            let (mut levels, mut bits) = (vec![0; expected.len()], Bitmap::default());
            let (mut read, mut tested) = (reader(), reader());
            let mut valid = 0;
            for levels in levels.chunks_mut(piece) {
                read.read(levels).unwrap();
                valid += tested.read_validity(levels.len(), &mut bits).unwrap();
            }
            assert_eq!(levels, expected);
            assert!(bits.finish().iter().eq(expected.iter().map(|&level| level == max)));
            assert_eq!(valid, expected.iter().filter(|&&level| level == max).count());
        }
        let mut reader = reader();
        let skipped = reader.skip(777).unwrap();
        assert_eq!(skipped, expected[..777].iter().filter(|&&level| level == max).count());
        let mut rest = vec![0; expected.len() - 777];
        reader.read(&mut rest).unwrap();
        assert_eq!(rest, expected[777..]);
        assert!(reader.read(&mut [0]).is_err());
        assert!(reader.skip(1).is_err());
    }
}

#[test]
fn level_over_the_maximum() {
    let mut writer = Writer::new(2);
    writer.packed(&[0, 1, 2, 3, 2, 1, 0, 0]);
    let levels = Levels::Hybrid(Buffer::from_vec(writer.bytes));
    assert!(LevelReader::new(&levels, 2, 8).unwrap().read(&mut [0; 8]).is_err());
    assert!(LevelReader::new(&levels, 2, 8).unwrap().skip(8).is_err());
    assert!(LevelReader::new(&levels, 2, 8).unwrap().read(&mut [0; 3]).is_ok());
    let bits = &mut Bitmap::default();
    assert!(LevelReader::new(&levels, 2, 8).unwrap().read_validity(8, bits).is_err());
}

#[test]
fn deprecated_bit_packed() {
    let expected: Vec<u16> = values(100, 2).iter().map(|&level| level as u16).collect();
    let reversed: Vec<u64> = expected.iter().map(|&level| u64::from(level >> 1 | (level & 1) << 1)).collect();
    let bytes: Vec<u8> = pack(&reversed, 2).iter().map(|byte| byte.reverse_bits()).collect();
    let levels = Levels::BitPacked(Buffer::from_vec(bytes));
    let mut reader = LevelReader::new(&levels, 3, 100).unwrap();
    let mut out = [0; 100];
    reader.read(&mut out[..33]).unwrap();
    reader.read(&mut out[33..]).unwrap();
    assert_eq!(out[..], expected[..]);
    assert!(LevelReader::new(&levels, 3, 101).is_err());
}

#[test]
fn no_levels() {
    let mut reader = LevelReader::new(&Levels::None, 0, 10).unwrap();
    let mut bits = Bitmap::default();
    assert_eq!(reader.read_validity(7, &mut bits), Ok(7));
    assert_eq!(reader.skip(3), Ok(3));
    assert!(reader.read(&mut [0]).is_err());
}

#[test]
fn slots_leave_out_empty_lists() {
    let levels: Vec<u16> = values(1025, 2).iter().map(|&level| level as u16).collect();
    for slot_definition in 0..=4 {
        let mut bits = Bitmap::default();
        let count = slots(&levels, 3, slot_definition, &mut bits);
        let expected: Vec<bool> =
            levels.iter().filter(|&&level| level >= slot_definition).map(|&level| level == 3).collect();
        assert!(bits.finish().iter().eq(expected.iter().copied()));
        assert_eq!(count.slots, expected.len());
        assert_eq!(count.valid, expected.iter().filter(|&&valid| valid).count());
    }
    assert_eq!(largest(&levels), 3);
    assert_eq!(largest(&[]), 0);
}
