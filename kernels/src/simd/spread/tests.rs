use arrow::buffer::BooleanBuffer;

use super::*;
use crate::parquet::bits::tests::{thinned, values};

/// Bits in stretches: each of 16 neighbours is as dense as a number from 0 to 16 says.
fn bits(len: usize, density: impl Fn(usize) -> u64) -> BooleanBuffer {
    let random = values(len, 4);
    BooleanBuffer::collect_bool(len, |i| random[i] < density(i))
}

fn check<T: ArrowNativeType + std::fmt::Debug>(value: fn(u64) -> T) {
    for level in Level::all() {
        for len in thinned(4, [0, 1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 127, 128, 1023, 1024, 1025]) {
            for offset in thinned(3, [0, 1, 7, 8, 63]) {
                for density in thinned(6, (0..=16).chain([99])) {
                    let total = len + offset;
                    let valid = match density {
                        99 => bits(total, |i| (i / 64 % 17) as u64),
                        density => bits(total, |_| density),
                    };
                    let valid = valid.slice(offset, len);
                    let words = Words::new(valid.values(), valid.offset(), len);
                    let dense: Vec<T> = (1..=valid.count_set_bits() as u64).map(value).collect();
                    let mut out = vec![value(99); len + 1];
                    assert_eq!(spread(level, &dense, words, &mut out[..len]), Some(dense.len()));
                    let mut next = dense.iter();
                    for (i, slot) in out[..len].iter().enumerate() {
                        let expected = if valid.value(i) { *next.next().unwrap() } else { T::default() };
                        assert_eq!(*slot, expected, "{level:?}, slot {i} of {len}");
                    }
                    assert_eq!(out[len], value(99), "written past the end");
                    let mut appended = vec![value(99); 3];
                    let mut apart = vec![0xee; offset % 3];
                    apart.extend_from_slice(bytes(&dense));
                    assert_eq!(
                        append_bytes(level, &apart[offset % 3..], words, &mut appended),
                        Some(dense.len())
                    );
                    assert!(appended[3..] == out[..len] && appended[..3] == [value(99); 3]);
                    if !dense.is_empty() {
                        assert_eq!(spread(level, &dense[1..], words, &mut out[..len]), None);
                        assert_eq!(append(level, &dense[1..], words, &mut appended), None);
                        assert_eq!(appended.len(), len + 3);
                    }
                    let mut more = dense.clone();
                    more.resize(dense.len() + 100, value(99));
                    assert_eq!(spread(level, &more, words, &mut out[..len]), Some(dense.len()));
                    assert!(
                        out[..len].iter().zip(&valid).all(|(&slot, valid)| valid || slot == T::default())
                    );
                }
            }
        }
    }
}

#[test]
fn all_sizes() {
    check(|i| i as u8);
    check(|i| i as i16);
    check(|i| i as u32);
    check(|i| i as f64);
    check(|i| i128::from(i) << 64 | i128::from(!i));
    check(|i| arrow::datatypes::i256::from_parts(u128::from(i), i128::from(i)));
    check(|i| arrow::datatypes::IntervalDayTime::new(i as i32, !i as i32));
}
