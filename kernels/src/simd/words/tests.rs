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
            let places: Vec<usize> = (0..len).filter(|i| bit(&bytes, from + i)).collect();
            assert!(words.places().eq(places));
            for (part, few) in [(0, len), (len / 3, len / 2), (len, 0)] {
                let words = words.part(part, few);
                for i in 0..few.div_ceil(64) * 64 {
                    let expected = i < few && bit(&bytes, from + part + i);
                    assert_eq!(
                        words.word(i / 64) >> (i % 64) & 1 == 1,
                        expected,
                        "bit {i} of {few} of {len}"
                    );
                }
            }
        }
    }
}
