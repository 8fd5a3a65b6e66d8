//! A plain string or binary as a sequence of words.
//!
//! ```text
//! chunk:  [7 bytes, zero padded][code: 4 bits]       code: number of bytes, or 8 where more follow
//! word:   one chunk                                  descending: complemented
//! head:   the first word: [flag, where there are nulls][chunk][chunk]..., behind the prefix that all rows share,
//!         less the bits of each byte above the highest that differs between rows, as many chunks as then fit
//! ```
//! Chunks compare as the strings do: the code orders `"a"` before `"a\0"`, and whoever has more bytes comes later. Rows
//! that agree in a word either ended in it or all go on. Digits take four bits each, so that the head of most identifiers
//! is all of them.

use std::ops::Range;

use arrow::array::{Array, ArrayRef};
use arrow::buffer::NullBuffer;
use rayon::prelude::*;

use super::super::lanes::with_bytes;
use super::field::Rows;
use crate::sort::SortKey;

/// Bytes in a chunk.
const CHUNK: usize = 7;
const CODE_BITS: u32 = 4;
/// The code of a string that goes on.
const MORE: u64 = 8;
/// Bytes and code.
const CHUNK_BITS: u32 = CHUNK as u32 * 8 + CODE_BITS;
/// Rows whose chunks are packed at a time, in the first-level cache.
const PACKED_ROWS: usize = 512;

/// Chunks that are measured in one pass over the rows.
const CHUNKS_AT_ONCE: usize = 2;

/// Rows that a thread looks at in one go.
const BLOCK_ROWS: usize = 1 << 16;

/// A key of strings or binaries.
#[derive(Debug)]
pub(super) struct Text {
    array: ArrayRef,
    nulls: Option<NullBuffer>,
    descending: bool,
    /// The flag of a valid row; that of a null row is the other.
    valid_flag: bool,
    head: Head,
    /// Bytes of the longest.
    longest: usize,
}

/// What the first word holds.
#[derive(Debug, Default)]
struct Head {
    /// Bytes that all valid rows share.
    start: usize,
    /// What is kept of each chunk.
    chunks: Vec<Vec<Segment>>,
    /// Of all chunks.
    bits: u32,
}

/// Neighbouring bits of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    /// The lowest, in the chunk.
    from: u32,
    mask: u64,
    /// The lowest, in the word.
    to: u32,
}

impl Text {
    /// Looks at all rows once, and once more for each two chunks of the head, on the current rayon pool.
    pub(super) fn new(array: &ArrayRef, nulls: Option<&NullBuffer>, key: SortKey) -> Self {
        let mut text = Text {
            array: ArrayRef::clone(array),
            nulls: nulls.cloned(),
            descending: key.descending,
            valid_flag: key.nulls_first,
            head: Head::default(),
            longest: 0,
        };
        let (longest, shared) = text.lengths();
        text.longest = longest;
        text.head = text.measure_head(shared);
        text
    }

    /// What `look` finds in each block of rows, on all threads.
    fn blocks<T: Send>(
        &self,
        look: impl Fn(Range<usize>) -> T + Sync + Send,
    ) -> impl IndexedParallelIterator<Item = T> {
        let rows = self.array.len();
        (0..rows.div_ceil(BLOCK_ROWS))
            .into_par_iter()
            .map(move |block| look(block * BLOCK_ROWS..rows.min((block + 1) * BLOCK_ROWS)))
    }

    fn valid(&self, rows: Range<usize>) -> impl Iterator<Item = usize> + '_ {
        let nulls = self.nulls.as_ref();
        rows.filter(move |&row| nulls.is_none_or(|nulls| nulls.is_valid(row)))
    }

    /// The length of the longest, and the number of bytes that all valid rows share.
    fn lengths(&self) -> (usize, usize) {
        let Some(first) = self.valid(0..self.array.len()).next() else { return (0, 0) };
        let of_block = |rows| {
            with_bytes!(&self.array, |get| {
                let first = get(first);
                self.valid(rows).map(get).fold((0, first.len()), |(longest, shared), bytes| {
                    let shared = if shared > 0 { agreeing(&first[..shared], bytes) } else { 0 };
                    (longest.max(bytes.len()), shared)
                })
            })
        };
        self.blocks(of_block).reduce(|| (0, usize::MAX), |a, b| (a.0.max(b.0), a.1.min(b.1)))
    }

    fn measure_head(&self, shared: usize) -> Head {
        let mut head = Head { start: shared, ..Head::default() };
        let mut free = u64::BITS - u32::from(self.nulls.is_some());
        let mut skip = head.start;
        let mut ahead = [0; CHUNKS_AT_ONCE];
        while head.chunks.is_empty() || skip < self.longest {
            let at = head.chunks.len() % CHUNKS_AT_ONCE;
            if at == 0 {
                ahead = self.varying(skip, head.start);
            }
            let segments = segments(ahead[at]);
            let bits: u32 = segments.iter().map(|segment| segment.mask.count_ones()).sum();
            if bits > free {
                break;
            }
            free -= bits;
            head.bits += bits;
            head.chunks.push(segments);
            skip += CHUNK;
        }
        head.place();
        head
    }

    /// Bits of each chunk from `skip` on that differ between the rows that have not ended before it.
    fn varying(&self, skip: usize, start: usize) -> [u64; CHUNKS_AT_ONCE] {
        const NONE: [(u64, u64); CHUNKS_AT_ONCE] = [(0, u64::MAX); CHUNKS_AT_ONCE];
        let of_block = |rows| {
            with_bytes!(&self.array, |get| {
                self.valid(rows).map(get).fold(NONE, |mut seen, bytes| {
                    for (at, (any, all)) in seen.iter_mut().enumerate() {
                        let skip = skip + at * CHUNK;
                        if skip == start || bytes.len() > skip {
                            let chunk = chunk(bytes, skip);
                            *any |= chunk;
                            *all &= chunk;
                        }
                    }
                    seen
                })
            })
        };
        let joined = |a: [(u64, u64); CHUNKS_AT_ONCE], b: [(u64, u64); CHUNKS_AT_ONCE]| {
            std::array::from_fn(|at| (a[at].0 | b[at].0, a[at].1 & b[at].1))
        };
        self.blocks(of_block).reduce(|| NONE, joined).map(|(any, all)| any & !all)
    }

    /// True where rows that agree in their first word are equal.
    pub(super) fn fits_head(&self) -> bool {
        self.longest <= self.head.end()
    }

    /// Words of `rows`: the head where `skip` is zero, else the chunk at `skip`, before which all rows agree.
    pub(super) fn words(&self, skip: usize, rows: &Rows<'_>, out: &mut [u64]) {
        if skip == 0 {
            return self.heads(rows, out);
        }
        let flip = if self.descending { (1 << CHUNK_BITS) - 1 } else { 0 };
        with_bytes!(&self.array, |get| {
            for (at, out) in out.iter_mut().enumerate() {
                *out = chunk(get(rows.get(at)), skip) ^ flip;
            }
        });
    }

    fn heads(&self, rows: &Rows<'_>, out: &mut [u64]) {
        out.fill(0);
        let mut raw = [0; PACKED_ROWS];
        for (block, out) in out.chunks_mut(PACKED_ROWS).enumerate() {
            for (number, segments) in self.head.chunks.iter().enumerate() {
                let skip = self.head.start + number * CHUNK;
                let raw = &mut raw[..out.len()];
                with_bytes!(&self.array, |get| {
                    for (at, raw) in raw.iter_mut().enumerate() {
                        *raw = chunk(get(rows.get(block * PACKED_ROWS + at)), skip);
                    }
                });
                segments.iter().for_each(|segment| segment.add(raw, out));
            }
        }
        if self.descending {
            let flip = u64::MAX.checked_shr(u64::BITS - self.head.bits).unwrap_or(0);
            out.iter_mut().for_each(|out| *out ^= flip);
        }
        if let Some(nulls) = &self.nulls {
            for (at, out) in out.iter_mut().enumerate() {
                let valid = nulls.is_valid(rows.get(at));
                *out = u64::from(valid == self.valid_flag) << self.head.bits | if valid { *out } else { 0 };
            }
        }
    }

    /// Where the string of `row` goes on behind the word at `skip`; none where it ends in it.
    pub(super) fn next(&self, skip: usize, row: usize) -> Option<usize> {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return None;
        }
        let end = if skip == 0 { self.head.end() } else { skip.saturating_add(CHUNK) };
        let length = with_bytes!(&self.array, |get| get(row).len());
        (length > end).then_some(end)
    }

    /// The number of bytes, at least `skip`, that `rows` have in common; they are valid and agree before `skip`.
    pub(super) fn common(&self, skip: usize, mut rows: impl Iterator<Item = usize>) -> usize {
        with_bytes!(&self.array, |get| {
            let Some(first) = rows.next().map(&get) else { return skip };
            let mut common = first.len();
            while common > skip
                && let Some(row) = rows.next()
            {
                common = skip + agreeing(&first[skip..common], get(row).get(skip..).unwrap_or_default());
            }
            common
        })
    }
}

impl Head {
    /// Bytes before the second word.
    fn end(&self) -> usize {
        self.start + self.chunks.len() * CHUNK
    }

    /// Gives each segment its place, the first chunk's first byte on top.
    fn place(&mut self) {
        let mut free = self.bits;
        for segment in self.chunks.iter_mut().flatten() {
            free -= segment.mask.count_ones();
            segment.to = free;
        }
    }
}

/// Of each byte, and of the code, the bits up to the highest of `varying`; from the top.
fn segments(varying: u64) -> Vec<Segment> {
    let bytes = (0..CHUNK as u32).rev().map(|byte| (CODE_BITS + byte * 8, 8));
    let fields = bytes.chain([(0, CODE_BITS)]);
    let segments = fields.filter_map(|(from, width)| {
        let varying = varying >> from & ((1 << width) - 1);
        (varying != 0).then(|| Segment { from, mask: u64::MAX >> varying.leading_zeros(), to: 0 })
    });
    segments.collect()
}

impl Segment {
    fn add(self, chunks: &[u64], out: &mut [u64]) {
        let Segment { from, mask, to } = self;
        out.iter_mut().zip(chunks).for_each(|(out, chunk)| *out |= (chunk >> from & mask) << to);
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
