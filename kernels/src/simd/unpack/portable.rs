//! Bit-unpacking without vectors of our own: one straight line of shifts for each width, which compilers vectorise as far as
//! the target's baseline goes.

/// 32 values of `width` bits, 0 to 32, from `bytes`: `4 * width` of them at least.
#[inline]
pub(super) fn group(width: u32, bytes: &[u8], out: &mut [u32; 32]) {
    macro_rules! widths {
        ($($width:literal)*) => {
            match width {
                $($width => group_of::<$width>(bytes, out),)*
                _ => unreachable!("a width over 32"),
            }
        };
    }
    widths!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32);
}

fn group_of<const WIDTH: usize>(bytes: &[u8], out: &mut [u32; 32]) {
    // One more than any width takes, so that the word after the last one can be named.
    let mut words = [0; 33];
    for (word, bytes) in words.iter_mut().zip(bytes[..4 * WIDTH].as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    let mask = ((1u64 << WIDTH) - 1) as u32;
    macro_rules! values {
        ($($i:literal)*) => {$(
            let (word, shift) = ($i * WIDTH / 32, $i * WIDTH % 32);
            let mut value = words[word] >> shift;
            if shift + WIDTH > 32 {
                value |= words[word + 1] << (32 - shift);
            }
            out[$i] = value & mask;
        )*};
    }
    values!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
}
