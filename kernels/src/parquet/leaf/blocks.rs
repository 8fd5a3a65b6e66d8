//! Stretches of slots, and how dense blocks of values get into them.

use arrow::buffer::BooleanBuffer;
use arrow::datatypes::ArrowNativeType;

use crate::memory::Grant;
use crate::parquet::spread::spread;

use super::column::Fault;

/// Values decoded at a time: a block of the widest ones and its indices stay in a first-level cache of 32 KiB.
pub(super) const BLOCK: usize = 1024;

/// Slots that a batch is reserved for ahead of its pages, at most: a bound on what a caller's or a header's large number
/// makes us reserve.
pub(super) const AHEAD: usize = 1 << 16;

/// Consecutive slots of a page.
#[derive(Debug)]
pub(super) struct Stretch {
    pub slots: usize,
    /// Slots that hold a value.
    pub values: usize,
    /// Which ones; none where all do.
    pub validity: Option<BooleanBuffer>,
    /// Slots that the batch may want from here on, these included.
    pub expected: usize,
}

impl Stretch {
    /// Slots that all hold a value.
    pub fn valid(slots: usize) -> Self {
        Stretch { slots, values: slots, validity: None, expected: slots }
    }

    /// Makes room in `out`, at `each` items per slot.
    pub fn reserve<T>(&self, out: &mut Vec<T>, each: usize, grant: &mut Grant) -> Result<(), Fault> {
        let needed = self.slots.saturating_mul(each);
        if out.capacity() - out.len() < needed {
            let ahead = self.expected.min(AHEAD).max(self.slots);
            grant.reserve(out, ahead.saturating_mul(each))?;
        }
        Ok(())
    }
}

/// Appends a stretch of slots to `out`, which has room. `dense` writes the next values; it is called with blocks in order.
///
/// Blocks without nulls are written in place; others go through `scratch`. Null slots get the default.
pub(super) fn fill<T: ArrowNativeType>(
    out: &mut Vec<T>,
    stretch: &Stretch,
    scratch: &mut Vec<T>,
    mut dense: impl FnMut(&mut [T]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut done = 0;
    while done < stretch.slots {
        let len = (stretch.slots - done).min(BLOCK);
        let at = out.len();
        out.resize(at + len, T::default());
        let block = &mut out[at..];
        match &stretch.validity {
            None => dense(block)?,
            Some(validity) => {
                let validity = validity.slice(done, len);
                let values = validity.count_set_bits();
                if values == len {
                    dense(block)?;
                } else if values > 0 {
                    scratch.resize(BLOCK, T::default());
                    dense(&mut scratch[..values])?;
                    spread(&scratch[..values], &validity, block)?;
                }
            }
        }
        done += len;
    }
    Ok(())
}
