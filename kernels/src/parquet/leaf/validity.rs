//! The validity bitmap of a batch: levels of all its stretches are decoded to its end.

use arrow::buffer::NullBuffer;

use crate::simd::bitmap::Bitmap;
use crate::simd::words::Words;

/// A bit for each slot of a column that can have nulls; none for one that cannot.
#[derive(Debug, Default)]
pub(super) struct Validity {
    bits: Bitmap,
    valid: usize,
}

impl Validity {
    /// Makes room for that many slots.
    pub fn reserve(&mut self, slots: usize) {
        self.bits.reserve(slots);
    }

    /// Lets `read` append bits, of which it gives how many are set, and what else; gives these bits where one of them is 0.
    pub fn append<R, E>(
        &mut self,
        read: impl FnOnce(&mut Bitmap) -> Result<(usize, R), E>,
    ) -> Result<(R, usize, Option<Words<'_>>), E> {
        let before = self.bits.len();
        let (valid, other) = read(&mut self.bits)?;
        self.valid += valid;
        let bits = self.bits.since(before);
        Ok((other, valid, Some(bits).filter(|bits| valid < bits.len())))
    }

    /// The nulls, where there are any.
    pub fn finish(&mut self) -> Option<NullBuffer> {
        let valid = std::mem::take(&mut self.valid);
        if valid == self.bits.len() {
            self.bits.clear();
            return None;
        }
        Some(NullBuffer::new(self.bits.finish()))
    }
}
