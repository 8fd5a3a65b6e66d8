//! A plain string or binary as a sequence of words, seven bytes each.
//!
//! ```text
//! word:  [flag: only in the first word, only where there are nulls][7 bytes, zero padded][code: 4 bits]
//! code:  number of bytes, or 8 where more follow        descending: bytes and code complemented
//! ```
//! Words compare as the strings do: the code orders `"a"` before `"a\0"`, and whoever has more bytes comes later. Rows
//! that agree in a word either ended in it or all go on.

use arrow::array::{Array, ArrayRef};
use arrow::buffer::NullBuffer;

use super::super::lanes::with_bytes;
use super::field::Rows;

/// Bytes in a word.
const CHUNK: usize = 7;
const CODE_BITS: u32 = 4;
/// The code of a string that goes on.
const MORE: u64 = 8;
/// Bytes and code.
const WORD_BITS: u32 = CHUNK as u32 * 8 + CODE_BITS;

/// A key of strings or binaries.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) array: ArrayRef,
    pub(super) nulls: Option<NullBuffer>,
    pub(super) descending: bool,
    /// The flag of a valid row.
    pub(super) valid_flag: bool,
}

impl Text {
    /// Words of the bytes from `skip` on, which all rows have or have ended before.
    pub(super) fn words(&self, skip: usize, rows: &Rows<'_>, out: &mut [u64]) {
        let flip = if self.descending { (1 << WORD_BITS) - 1 } else { 0 };
        with_bytes!(&self.array, |get| match &self.nulls {
            None => {
                for (at, out) in out.iter_mut().enumerate() {
                    *out = chunk(get(rows.get(at)), skip) ^ flip;
                }
            }
            Some(nulls) => {
                let flag = |valid: bool| u64::from(skip == 0 && valid == self.valid_flag) << WORD_BITS;
                for (at, out) in out.iter_mut().enumerate() {
                    let row = rows.get(at);
                    let valid = nulls.is_valid(row);
                    *out = flag(valid) | if valid { chunk(get(row), skip) ^ flip } else { 0 };
                }
            }
        });
    }

    /// Where the string of `row` goes on behind the word at `skip`; none where it ends in it.
    pub(super) fn next(&self, skip: usize, row: usize) -> Option<usize> {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return None;
        }
        let length = with_bytes!(&self.array, |get| get(row).len());
        (length > skip.saturating_add(CHUNK)).then(|| skip + CHUNK)
    }

    /// The number of bytes, at least `skip`, that all rows have in common; they are valid and agree before `skip`.
    pub(super) fn common(&self, skip: usize, rows: &Rows<'_>) -> usize {
        with_bytes!(&self.array, |get| {
            let first = get(rows.get(0));
            let mut common = first.len();
            for at in 1..rows.len() {
                let bytes = get(rows.get(at));
                common = skip + agreeing(&first[skip..common], bytes.get(skip..).unwrap_or_default());
                if common == skip {
                    break;
                }
            }
            common
        })
    }
}

/// Length of the longest common prefix.
fn agreeing(a: &[u8], b: &[u8]) -> usize {
    const STEP: usize = 16;
    let steps = a.chunks_exact(STEP).zip(b.chunks_exact(STEP)).take_while(|(a, b)| a == b).count();
    let from = steps * STEP;
    from + a[from..].iter().zip(&b[from..]).take_while(|(a, b)| a == b).count()
}

#[inline]
fn chunk(bytes: &[u8], skip: usize) -> u64 {
    let rest = bytes.get(skip..).unwrap_or_default();
    let mut eight = [0; 8];
    let code = match rest.first_chunk() {
        Some(&all) => {
            eight = all;
            MORE
        }
        None => {
            eight[..rest.len()].copy_from_slice(rest);
            rest.len() as u64
        }
    };
    u64::from_be_bytes(eight) >> 8 << CODE_BITS | code
}
