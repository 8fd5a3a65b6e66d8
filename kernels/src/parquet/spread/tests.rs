use super::*;
use crate::parquet::bits::tests::values as random;

fn check<T: ArrowNativeType>(value: fn(u64) -> T) {
    for len in [0, 1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 1023, 1025] {
        for density in 0..=16u64 {
            for offset in [0, 1, 7, 8, 63] {
                let bits: Vec<u64> = random(len + offset, 4);
                let validity =
                    BooleanBuffer::collect_bool(len + offset, |i| bits[i] < density).slice(offset, len);
                let dense: Vec<T> = (1..=validity.count_set_bits() as u64).map(&value).collect();
                let mut out = vec![value(99); len];
                assert_eq!(spread(&dense, &validity, &mut out), Ok(dense.len()));
                let mut next = dense.iter();
                for (i, slot) in out.iter().enumerate() {
                    let expected = if validity.value(i) { *next.next().unwrap() } else { T::default() };
                    assert_eq!(*slot, expected);
                }
                if !dense.is_empty() {
                    assert!(spread(&dense[1..], &validity, &mut out).is_err());
                }
            }
        }
    }
}

#[test]
fn all_types() {
    check(|i| i as u8);
    check(|i| i as u16);
    check(|i| i as u32);
    check(|i| i as f32);
    check(|i| i as i64);
    check(|i| i as f64);
    check(|i| i as u128);
}

#[test]
fn lengths_differ() {
    assert!(spread(&[1u32; 4], &BooleanBuffer::new_set(3), &mut [0; 4]).is_err());
}
