//! Bits of a bitmap, 64 at a time, from any bit to any bit.

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

    /// `len` of them, from bit `from` on.
    pub(crate) fn part(&self, from: usize, len: usize) -> Words<'a> {
        assert!(from <= self.len && len <= self.len - from);
        Words::new(self.bytes, self.shift + from, len)
    }

    /// The places of those that are set, in order.
    pub(crate) fn places(self) -> impl Iterator<Item = usize> {
        (0..self.len.div_ceil(64)).flat_map(move |i| {
            let mut left = self.word(i);
            std::iter::from_fn(move || {
                let place = (left != 0).then(|| 64 * i + left.trailing_zeros() as usize);
                left &= left.wrapping_sub(1);
                place
            })
        })
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
