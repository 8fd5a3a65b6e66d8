//! A key column's place in the normalised key.

/// Codes `base ..= base + 2^bits - 2`, and null, which is 0.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Field {
    pub(super) base: i64,
    pub(super) bits: u32,
}

impl Field {
    pub(super) fn covers(&self, range: Option<(i64, i64)>) -> bool {
        range.is_none_or(|(low, high)| self.holds(low) && self.holds(high))
    }

    /// True where a code has a place in the field.
    #[inline]
    pub(super) fn holds(&self, code: i64) -> bool {
        match self.bits {
            0 => false,
            65.. => true,
            bits => code >= self.base && code.abs_diff(self.base) < u64::MAX >> (64 - bits),
        }
    }

    /// The narrowest field for `range`, or this one widened by at least a bit, the new room where it was missed.
    pub(super) fn widened(&self, range: Option<(i64, i64)>) -> Self {
        let Some((low, high)) = range else { return *self };
        if self.covers(range) {
            return *self;
        }
        if self.bits == 0 {
            return Self { base: low, bits: field_bits(low, high) };
        }
        let top = i128::from(self.base) + (1i128 << self.bits) - 2;
        let top = top.min(i128::from(i64::MAX)).max(i128::from(high)) as i64;
        let bottom = self.base.min(low);
        let bits = (field_bits(bottom, top) + 1).min(65);
        let room = (1i128 << bits) - 2 - (i128::from(top) - i128::from(bottom));
        let base = if low < self.base { i128::from(bottom) - room } else { i128::from(bottom) };
        Self { base: base.max(i128::from(i64::MIN)) as i64, bits }
    }

    /// The code of a field that is not null.
    #[inline(always)]
    pub(super) fn code(&self, field: u64) -> i64 {
        self.base.wrapping_add(field.wrapping_sub(1) as i64)
    }
}

/// Bits for every offset of the range and a null.
fn field_bits(low: i64, high: i64) -> u32 {
    let largest = u128::from(high.abs_diff(low)) + 1;
    u128::BITS - largest.leading_zeros()
}
