//! Stretches of slots, and how dense blocks of values get into them.

use arrow::datatypes::ArrowNativeType;

use crate::memory::Grant;
use crate::parquet::Malformed;
use crate::simd::bitmap::count;
use crate::simd::level::Level;
use crate::simd::spread;
use crate::simd::words::Words;

use super::column::Fault;

/// Values decoded at a time: a block of the widest ones and its indices stay in a first-level cache of 32 KiB.
pub(super) const BLOCK: usize = 1024;

/// Slots that a batch is reserved for ahead of its pages, at most: a bound on what a caller's or a header's large number
/// makes us reserve.
pub(super) const AHEAD: usize = 1 << 16;

/// Consecutive slots of a page.
#[derive(Debug)]
pub(super) struct Stretch<'a> {
    pub slots: usize,
    /// Slots that hold a value.
    pub values: usize,
    /// Which ones; none where all do.
    pub validity: Option<Words<'a>>,
    /// Slots that the batch may want from here on, these included.
    pub expected: usize,
}

impl Stretch<'_> {
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

/// Appends a stretch of slots to `out`, which has room. `dense` appends as many of the next values as it is told, a block of
/// them at most.
///
/// Blocks without nulls are appended where they belong; others go through `scratch`. Null slots get the default.
pub(super) fn fill<T: ArrowNativeType>(
    out: &mut Vec<T>,
    stretch: &Stretch<'_>,
    scratch: &mut Vec<T>,
    mut dense: impl FnMut(&mut Vec<T>, usize) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let level = Level::detected();
    for done in (0..stretch.slots).step_by(BLOCK) {
        let len = (stretch.slots - done).min(BLOCK);
        let Some(validity) = stretch.validity.map(|validity| validity.part(done, len)) else {
            dense(out, len)?;
            continue;
        };
        match count(validity) {
            0 => out.resize(out.len() + len, T::default()),
            values if values == len => dense(out, len)?,
            values => {
                scratch.clear();
                scratch.reserve(BLOCK);
                dense(scratch, values)?;
                spread::append(level, scratch, validity, out).ok_or_else(few)?;
            }
        }
    }
    Ok(())
}

/// Appends `len` values that `write` writes over defaults.
pub(super) fn over_defaults<T: ArrowNativeType, R>(
    out: &mut Vec<T>,
    len: usize,
    write: impl FnOnce(&mut [T]) -> R,
) -> R {
    let before = out.len();
    out.resize(before + len, T::default());
    write(&mut out[before..])
}

/// Fewer values than slots that hold one.
pub(super) fn few() -> Malformed {
    Malformed::new("fewer values than valid slots")
}
