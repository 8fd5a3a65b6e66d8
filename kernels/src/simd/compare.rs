//! Levels compared with a constant, and bits picked by other bits.
//!
//! Bytes moved per level: 2 read, one bit written; a picked bit: two bits read, one written.

use super::level::Level;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(test)]
mod tests;

/// Calls a kernel by level; `$scalar` where there is none.
macro_rules! by_level {
    ($level:expr, $kernel:ident($($arg:expr),*), $scalar:expr) => {{
        #[cfg(target_arch = "x86_64")]
        {
            if $level.avx512() {
                // SAFETY: the level is proof that the CPU has the features.
                return unsafe { avx512::$kernel($($arg),*) };
            }
            if $level.avx2() {
                // SAFETY: the level is proof that the CPU has the features.
                return unsafe { avx2::$kernel($($arg),*) };
            }
        }
        let _ = $level;
        $scalar
    }};
}

/// One bit for each value, whether it is `wanted`; zeros after the last. `out` has a word for every 64 values.
pub(crate) fn equal(level: Level, values: &[u16], wanted: u16, out: &mut [u64]) {
    assert_eq!(out.len(), values.len().div_ceil(64));
    by_level!(level, equal(values, wanted, out), scalar(values, out, |value| value == wanted))
}

/// As [`equal`], whether it is `least` or more.
pub(crate) fn at_least(level: Level, values: &[u16], least: u16, out: &mut [u64]) {
    assert_eq!(out.len(), values.len().div_ceil(64));
    by_level!(level, at_least(values, least, out), scalar(values, out, |value| value >= least))
}

/// The largest value; 0 of none.
pub(crate) fn largest(level: Level, values: &[u16]) -> u16 {
    by_level!(level, largest(values), values.iter().copied().fold(0, u16::max))
}

/// The bits whose place is set in `keep`, close together, zeros after the last; gives how many. The slices are equally
/// long.
pub(crate) fn pick(level: Level, bits: &[u64], keep: &[u64], out: &mut [u64]) -> usize {
    assert!(bits.len() == keep.len() && keep.len() == out.len());
    #[cfg(target_arch = "x86_64")]
    if level.avx2() {
        // SAFETY: the level is proof that the CPU has the features.
        return unsafe { avx2::pick(bits, keep, out) };
    }
    let _ = level;
    pick_words(bits, keep, out, |bits, mut keep| {
        let (mut picked, mut place) = (0, 0);
        while keep != 0 {
            picked |= (bits >> keep.trailing_zeros() & 1) << place;
            place += 1;
            keep &= keep - 1;
        }
        picked
    })
}

/// [`pick`], word by word.
#[inline(always)]
fn pick_words(bits: &[u64], keep: &[u64], out: &mut [u64], pick: impl Fn(u64, u64) -> u64) -> usize {
    let (mut word, mut filled, mut done) = (0u64, 0, 0);
    for (&bits, &keep) in bits.iter().zip(keep) {
        let picked = pick(bits, keep);
        word |= picked << filled;
        let count = keep.count_ones();
        if filled + count >= 64 {
            out[done] = word;
            done += 1;
            // Two shifts: nothing is left over where the word was empty before.
            word = picked >> 1 >> (63 - filled);
        }
        filled = (filled + count) % 64;
    }
    let picked = done * 64 + filled as usize;
    if let Some(rest) = out.get_mut(done..) {
        rest.fill(0);
        if let Some(last) = rest.first_mut() {
            *last = word;
        }
    }
    picked
}

#[inline(always)]
fn scalar(values: &[u16], out: &mut [u64], test: impl Fn(u16) -> bool) {
    for (word, values) in out.iter_mut().zip(values.chunks(64)) {
        *word = values.iter().rev().fold(0, |word, &value| word << 1 | u64::from(test(value)));
    }
}
