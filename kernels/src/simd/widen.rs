//! Integers of 64 bits to 128.
//!
//! ```text
//! AVX-512:  8 values -> their signs (vpsraq) -> low and sign in turn (two vpermt2q) -> two stores of 64 bytes
//! ```
//! Bytes moved per value: 8 read, 16 written. Compilers store an `i128` in two halves, one after another.

use std::mem::MaybeUninit;

use super::level::Level;
use super::room;

/// Appends little-endian integers, one after another in `bytes`; bytes that are no whole one are left out.
pub(crate) fn append_i128(level: Level, bytes: &[u8], out: &mut Vec<i128>) {
    let values = bytes.as_chunks::<8>().0;
    let before = out.len();
    let mut room = room::behind(out, values.len());
    let mut rest = values;
    #[cfg(target_arch = "x86_64")]
    if level.avx512() {
        // SAFETY: the level is proof that the CPU has the features.
        let done = unsafe { avx512(values, room) };
        (rest, room) = (&values[done..], &mut room[done..]);
    }
    let _ = level;
    for (place, value) in room.iter_mut().zip(rest) {
        place.write(i128::from(i64::from_le_bytes(*value)));
    }
    // SAFETY: all of the room was written.
    unsafe { out.set_len(before + values.len()) };
}

/// Does whole vectors and says how many values these were.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn avx512(values: &[[u8; 8]], out: &mut [MaybeUninit<i128>]) -> usize {
    use std::arch::x86_64::*;
    assert!(values.len() <= out.len());
    let whole = values.len() / 8 * 8;
    // 8.. are places of the second operand.
    let (low, high) =
        (_mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11), _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15));
    for at in (0..whole).step_by(8) {
        // SAFETY: `at + 8 <= whole`, which both slices have; an `i128` is its low and its high half here.
        unsafe {
            let values = _mm512_loadu_si512(values.as_ptr().add(at).cast());
            let signs = _mm512_srai_epi64::<63>(values);
            let to: *mut __m512i = out.as_mut_ptr().add(at).cast();
            _mm512_storeu_si512(to, _mm512_permutex2var_epi64(values, low, signs));
            _mm512_storeu_si512(to.add(1), _mm512_permutex2var_epi64(values, high, signs));
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parquet::bits::tests::{thinned, values};

    #[test]
    fn signs_are_kept_at_every_length() {
        for level in Level::all() {
            for len in thinned(7, (0..40).chain([1023, 1025])) {
                let mut numbers: Vec<i64> = values(len, 64).iter().map(|&value| value as i64).collect();
                numbers
                    .iter_mut()
                    .step_by(5)
                    .zip([0, -1, i64::MIN, i64::MAX])
                    .for_each(|(to, from)| *to = from);
                let mut bytes = vec![0xee; len % 3];
                bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
                bytes.extend(vec![0xee; len % 8]);
                let mut out = vec![-7];
                append_i128(level, &bytes[len % 3..], &mut out);
                let expected = [-7].into_iter().chain(numbers.iter().map(|&number| i128::from(number)));
                assert!(out.iter().copied().eq(expected), "{level:?}, {len} values");
            }
        }
    }
}
