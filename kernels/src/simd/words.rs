//! Bits of a bitmap, 64 at a time, from any bit to any bit.

use super::dispatched;

#[cfg(test)]
mod tests;

/// Bits `from..from + len` of `bytes`, as words; the last one is padded with zeros.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words<'a> {
    bytes: &'a [u8],
    /// Bit of the first byte that comes first: 0 to 7.
    shift: usize,
    len: usize,
}

impl<'a> Words<'a> {
    /// The bits must lie in `bytes`.
    pub(crate) fn new(bytes: &'a [u8], from: usize, len: usize) -> Self {
        assert!((from as u128 + len as u128).div_ceil(8) <= bytes.len() as u128);
        Words { bytes: &bytes[from / 8..], shift: from % 8, len }
    }

    /// How many bits.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Bits `64 * i..`, zeros past the last one.
    #[inline(always)]
    pub(crate) fn word(&self, i: usize) -> u64 {
        let rest = &self.bytes[8 * i..];
        let word = match rest.first_chunk::<9>() {
            Some(nine) => {
                let low = u64::from_le_bytes([
                    nine[0], nine[1], nine[2], nine[3], nine[4], nine[5], nine[6], nine[7],
                ]);
                // Two shifts: by 64 together where nothing is to come from the ninth byte.
                low >> self.shift | u64::from(nine[8]) << 1 << (63 - self.shift)
            }
            None => {
                let mut eight = [0; 8];
                eight[..rest.len()].copy_from_slice(rest);
                u64::from_le_bytes(eight) >> self.shift
            }
        };
        match self.len - 64 * i {
            left @ 0..64 => word & !(u64::MAX << left),
            _ => word,
        }
    }
}

dispatched! {
    /// Writes the bits to `to` from bit `at` on, where zeros are; gives how many are set.
    pub(crate) fn write(words: Words<'_>, to: &mut [u8], at: usize) -> usize {
        let (to, shift) = (&mut to[at / 8..(at + words.len).div_ceil(8)], at % 8);
        let (mut set, mut carry) = (0, 0);
        if shift > 0 {
            carry = u64::from(to.first().copied().unwrap_or(0));
        }
        let (whole, rest) = to.as_chunks_mut::<8>();
        for (i, eight) in whole.iter_mut().enumerate() {
            let word = words.word(i);
            set += word.count_ones() as usize;
            *eight = (carry | word << shift).to_le_bytes();
            carry = word >> 1 >> (63 - shift);
        }
        if !rest.is_empty() {
            // The last word's bits may all have been carried.
            let word = if whole.len() * 64 < words.len { words.word(whole.len()) } else { 0 };
            set += word.count_ones() as usize;
            rest.copy_from_slice(&(carry | word << shift).to_le_bytes()[..rest.len()]);
        }
        set
    }
}
