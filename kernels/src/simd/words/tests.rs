use super::*;
use crate::parquet::bits::tests::{thinned, values};

#[test]
fn any_bit_to_any_bit() {
    let bytes: Vec<u8> = values(200, 8).iter().map(|&byte| byte as u8).collect();
    let bit = |bytes: &[u8], i: usize| bytes[i / 8] >> (i % 8) & 1 == 1;
    for from in thinned(5, 0..17usize) {
        for len in thinned(37, (0..150).chain([1023, 1024, 1025])) {
            // No byte more than the bits need.
            let needed = &bytes[..(from + len).div_ceil(8)].to_vec();
            let words = Words::new(needed, from, len);
            for i in 0..len.div_ceil(64) * 64 {
                let expected = i < len && bit(&bytes, from + i);
                assert_eq!(words.word(i / 64) >> (i % 64) & 1 == 1, expected, "bit {i} of {len} from {from}");
            }
            for at in [0, 1, 5, 7, 8, 9, 64] {
                let mut to = vec![0; (at + len).div_ceil(8) + 1];
                (0..at).filter(|i| i % 3 == 0).for_each(|i| to[i / 8] |= 1 << (i % 8));
                let set = write(words, &mut to, at);
                assert_eq!(set, (from..from + len).filter(|&i| bit(&bytes, i)).count());
                for i in 0..to.len() * 8 {
                    let expected = match i.checked_sub(at) {
                        None => i % 3 == 0,
                        Some(i) => i < len && bit(&bytes, from + i),
                    };
                    assert_eq!(bit(&to, i), expected, "bit {i}: {len} bits from {from} to {at}");
                }
            }
        }
    }
}
