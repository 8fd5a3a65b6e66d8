//! CPU path: keys normalised to bits, the row index packed in, sorted by value and never through an index.
//!
//! ```text
//! key bits + index bits <= 64:  sort u64 = key << index_bits | row           (rows unpack from the low bits)
//! key bits <= 64:               sort (u64 key, u32 row)
//! wider:                        sort (u64 prefix, u32 row), ties by the remaining words of the two rows
//! ```
//! The row is the last component of every comparison, so an unstable sort gives the stable order. A small `fetch`
//! selects before it sorts.

use arrow::array::ArrayRef;
use rayon::slice::ParallelSliceMut;

use super::SortKey;
use crate::error::{Error, Result};
use crate::keys::order::{KeyWords, order_words};

/// Rows from which a sort is spread over the pool: below, a split costs more than it saves.
const PARALLEL_ROWS: usize = 1 << 16;

/// Row indices of `columns` in the order of `keys`, the first `fetch` of them where given. Rows with equal keys keep
/// their order. Floats sort in the total order (NaN greatest, -0.0 = 0.0), strings and binaries by bytes.
///
/// # Errors
/// [`Error::InvalidInput`] where a key names a column that is not there, columns differ in length, or rows exceed
/// `u32`; [`Error::Unsupported`] for nested key types.
pub fn sort_to_indices(columns: &[ArrayRef], keys: &[SortKey], fetch: Option<usize>) -> Result<Vec<u32>> {
    let rows = columns.first().map_or(0, |column| column.len());
    if u32::try_from(rows).is_err() {
        return Err(Error::invalid(format!("{rows} rows in one batch")));
    }
    let keep = fetch.map_or(rows, |fetch| fetch.min(rows));
    let words = order_words(columns, keys)?;
    if keep == 0 {
        return Ok(Vec::new());
    }
    let index_bits = usize::BITS - (rows - 1).leading_zeros();
    if words.bits == 0 {
        return Ok((0..keep as u32).collect());
    }
    if words.bits + index_bits <= u64::BITS {
        return Ok(sort_packed(&words, index_bits, keep));
    }
    Ok(sort_prefixed(&words, keep))
}

fn sort_packed(words: &KeyWords, index_bits: u32, keep: usize) -> Vec<u32> {
    let shift = u64::BITS - words.bits;
    let mut packed: Vec<u64> =
        (0..words.rows).map(|row| (words.prefix(row) >> shift) << index_bits | row as u64).collect();
    order_first(&mut packed, keep, |a, b| a.cmp(b));
    let mask = (1u64 << index_bits) - 1;
    packed.iter().map(|&packed| (packed & mask) as u32).collect()
}

fn sort_prefixed(words: &KeyWords, keep: usize) -> Vec<u32> {
    let mut pairs: Vec<(u64, u32)> = (0..words.rows).map(|row| (words.prefix(row), row as u32)).collect();
    if words.width <= 2 {
        order_first(&mut pairs, keep, |a, b| a.cmp(b));
    } else {
        order_first(&mut pairs, keep, |a, b| {
            let tail = || words.tail(a.1 as usize).cmp(words.tail(b.1 as usize));
            a.0.cmp(&b.0).then_with(tail).then_with(|| a.1.cmp(&b.1))
        });
    }
    pairs.iter().map(|pair| pair.1).collect()
}

/// Leaves the `keep` first items in order. `compare` is total, with no two items equal.
fn order_first<T: Send>(
    items: &mut Vec<T>,
    keep: usize,
    compare: impl Fn(&T, &T) -> std::cmp::Ordering + Sync + Copy,
) {
    if keep < items.len() {
        items.select_nth_unstable_by(keep, compare);
        items.truncate(keep);
    }
    if items.len() >= PARALLEL_ROWS {
        items.par_sort_unstable_by(compare);
    } else {
        items.sort_unstable_by(compare);
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
