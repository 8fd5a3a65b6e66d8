//! The few rows that can be among the first, in one pass over the first word of their first key.
//!
//! ```text
//! bound = largest word that can still count, of all threads              at first: any
//! rows with word <= bound are kept; when a thread has enough of them, it drops all but the smallest and lowers the bound
//! ```
//! Rows that agree in the word and have more of a key are all kept, and the keys of what is kept are sorted as any. Which
//! rows are kept depends on timing; the first of them do not. Bytes per row: those of its first key, once. (Idea:
//! quick-select buffers with a shared bound, as in ClickHouse's and Polars' top-k.)

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use arrow::array::ArrayRef;
use rayon::prelude::*;

use super::SortKey;
use super::lead::Lead;
use crate::error::{Error, Result};
use crate::filter::Selection;

/// More than this share of the rows wanted: the sort itself is as fast.
const MOST_SHARE: usize = 8;
/// Rows of a task.
const BLOCK_ROWS: usize = 1 << 16;
/// Rows that are compared with one bound.
const STEP_ROWS: usize = 1 << 12;
/// A thread keeps this many times the rows wanted, at least [`LEAST_KEPT`], before it drops some.
const KEPT_FACTOR: usize = 4;
const LEAST_KEPT: usize = 1 << 10;
/// Where more than this share of the rows is kept, since they agree in the word, the sort itself is better.
const LEAST_DROPPED_SHARE: usize = 2;

/// The rows, ascending, that hold the first `keep` of all `rows` by these keys, of which there is one at least; none where
/// this leaves too many to be worth it.
pub(super) fn candidates(column: &ArrayRef, keys: &[SortKey], keep: usize) -> Result<Option<Vec<u32>>> {
    let rows = column.len();
    let Some(&key) = keys.first() else { return Ok(None) };
    if keep == rows || keep > rows / MOST_SHARE {
        return Ok(None);
    }
    if keep == 0 {
        return Ok(Some(Vec::new()));
    }
    let lead = Lead::new(column, key)?;
    let whole = keys.len() == 1 && lead.is_exact();
    let bound = AtomicU64::new(u64::MAX);
    let new = || Kept { rows: Vec::new(), keep, whole, own: None, limit: limit(keep) };
    let (held, given_up) = (AtomicUsize::new(0), AtomicBool::new(false));
    let too_many = || held.load(Ordering::Relaxed) > rows / LEAST_DROPPED_SHARE;
    let of_blocks = (0..rows.div_ceil(BLOCK_ROWS)).into_par_iter().fold(new, |mut kept, block| {
        // What is held may become less again; a block that was left out stays so.
        if given_up.load(Ordering::Relaxed) || too_many() {
            given_up.store(true, Ordering::Relaxed);
            return kept;
        }
        let before = kept.rows.len();
        kept.scan(&lead, &bound, block * BLOCK_ROWS..rows.min((block + 1) * BLOCK_ROWS));
        held.fetch_add(kept.rows.len(), Ordering::Relaxed);
        held.fetch_sub(before, Ordering::Relaxed);
        kept
    });
    let of_blocks: Vec<Kept> = of_blocks.collect();
    if given_up.load(Ordering::Relaxed) || too_many() {
        return Ok(None);
    }
    let mut all = new();
    all.rows.extend(of_blocks.into_iter().flat_map(|kept| kept.rows));
    all.shrink(&bound);
    let mut rows: Vec<u32> = all.rows.into_iter().map(|(_, row)| row).collect();
    rows.sort_unstable();
    Ok(Some(rows))
}

fn limit(keep: usize) -> usize {
    keep.saturating_mul(KEPT_FACTOR).max(LEAST_KEPT)
}

/// Rows that a thread keeps, with their words.
struct Kept {
    rows: Vec<(u64, u32)>,
    keep: usize,
    /// Rows that agree in their word are equal, so that the earlier one comes first.
    whole: bool,
    /// The greatest word when it last dropped some, where it has all the rows wanted.
    own: Option<u64>,
    /// Rows from which some are dropped.
    limit: usize,
}

impl Kept {
    /// Looks at `rows`, which come after those that it has seen.
    fn scan(&mut self, lead: &Lead, bound: &AtomicU64, rows: Range<usize>) {
        for start in rows.clone().step_by(STEP_ROWS) {
            let end = rows.end.min(start + STEP_ROWS);
            let mut most = bound.load(Ordering::Relaxed);
            if let Some(own) = self.own.filter(|_| self.whole) {
                // Later rows of the same word do not count.
                let Some(below) = own.checked_sub(1) else { return };
                most = most.min(below);
            }
            let kept = &mut self.rows;
            lead.at_most(most, start, end - start, |row| kept.push((lead.word(row), row as u32)));
            if self.rows.len() >= self.limit {
                self.shrink(bound);
                self.limit = self.limit.max(self.rows.len() * 2);
            }
        }
    }

    /// Drops rows that cannot be among the first `keep`, and lowers the bound.
    fn shrink(&mut self, bound: &AtomicU64) {
        if self.rows.len() <= self.keep {
            return;
        }
        let (_, &mut (word, _), _) = self.rows.select_nth_unstable(self.keep - 1);
        bound.fetch_min(word, Ordering::Relaxed);
        self.own = Some(word);
        if self.whole {
            self.rows.truncate(self.keep);
        } else {
            self.rows.retain(|kept| kept.0 <= word);
        }
    }
}

/// What is known of the first rows of a stream, by all that look for them: a row beyond it does not count.
#[derive(Debug)]
pub struct TopBound {
    word: AtomicU64,
    key: SortKey,
}

impl TopBound {
    /// Nothing is known yet. Rows are in the order of `keys`, of which the first is looked at.
    #[must_use]
    pub fn new(keys: &[SortKey]) -> Option<Self> {
        keys.first().map(|&key| TopBound { word: AtomicU64::new(u64::MAX), key })
    }

    /// The rows of a batch that may count.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the key names a column that is not there; [`Error::Unsupported`] for nested key types.
    pub fn select(&self, columns: &[ArrayRef]) -> Result<Selection> {
        let column = self.column(columns)?;
        let most = self.word.load(Ordering::Relaxed);
        if most == u64::MAX {
            return Ok(Selection::all(column.len()));
        }
        let mut rows = Vec::new();
        Lead::new(column, self.key)?.at_most(most, 0, column.len(), |row| rows.push(row as u32));
        Ok(Selection::from_indices(column.len(), rows))
    }

    /// As many rows as are wanted come no later than `row`.
    ///
    /// # Errors
    /// As of [`TopBound::select`].
    pub fn lower(&self, columns: &[ArrayRef], row: usize) -> Result<()> {
        let column = self.column(columns)?.slice(row, 1);
        self.word.fetch_min(Lead::new(&column, self.key)?.word(0), Ordering::Relaxed);
        Ok(())
    }

    fn column<'a>(&self, columns: &'a [ArrayRef]) -> Result<&'a ArrayRef> {
        let column = columns.get(self.key.column);
        column.ok_or_else(|| Error::invalid(format!("sort key on column {}", self.key.column)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::*;
    use arrow::datatypes::DataType;

    use super::super::sort_to_indices;
    use super::*;
    use crate::filter::compact_columns;
    use crate::gather;

    fn noise(rows: usize) -> impl Iterator<Item = u64> {
        (1..=rows as u64).map(|at| at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20)
    }

    /// Two keys: the first of few values or many, and the row's number.
    fn inputs(rows: usize) -> Vec<Vec<ArrayRef>> {
        let number: ArrayRef = Arc::new(UInt32Array::from_iter_values(0..rows as u32));
        let some = |n: u64| (!n.is_multiple_of(5)).then_some(n as i64 % 900 - 400);
        let firsts: Vec<ArrayRef> = vec![
            Arc::new(noise(rows).map(some).collect::<Int64Array>()),
            Arc::new(noise(rows).map(|n| some(n).map(|n| n as f64 / 7.0)).collect::<Float64Array>()),
            Arc::new(
                noise(rows)
                    .map(|n| some(n % 4).map(|n| format!("a common beginning {n}")))
                    .collect::<StringViewArray>(),
            ),
            Arc::new(Int32Array::from(vec![7; rows])),
        ];
        firsts.into_iter().map(|first| vec![first, Arc::clone(&number)]).collect()
    }

    /// Batch by batch, keeping what the bound lets through: the first rows of the whole, and fewer looked at.
    #[test]
    fn a_bound_drops_no_row_that_counts() {
        let (rows, wanted) = (3000, 12);
        for columns in inputs(rows) {
            for (descending, nulls_first) in [(false, false), (false, true), (true, false), (true, true)] {
                let keys = [SortKey { column: 0, descending, nulls_first }];
                let bound = TopBound::new(&keys).unwrap();
                let mut kept: Vec<ArrayRef> = columns.iter().map(|column| column.slice(0, 0)).collect();
                let mut passed = 0;
                for start in (0..rows).step_by(100) {
                    let batch: Vec<ArrayRef> =
                        columns.iter().map(|column| column.slice(start, 100)).collect();
                    let selection = bound.select(&batch).unwrap();
                    passed += selection.count();
                    let batch = compact_columns(&batch, &selection).unwrap();
                    let joined: Vec<ArrayRef> = kept
                        .iter()
                        .zip(&batch)
                        .map(|(kept, new)| arrow::compute::concat(&[kept.as_ref(), new.as_ref()]).unwrap())
                        .collect();
                    let order = sort_to_indices(&joined, &keys, Some(wanted)).unwrap();
                    kept = gather::take_columns(&joined, &order).unwrap();
                    if kept[0].len() == wanted {
                        bound.lower(&kept, wanted - 1).unwrap();
                    }
                }
                let whole = sort_to_indices(&columns, &keys, None).unwrap();
                let first = gather::take_columns(&columns, &whole[..wanted]).unwrap();
                assert_eq!(kept[1].as_ref(), first[1].as_ref(), "{keys:?} of {}", columns[0].data_type());
                let spread = matches!(columns[0].data_type(), DataType::Int64 | DataType::Float64);
                assert!(!spread || nulls_first || passed < rows / 2, "{passed} rows passed");
            }
        }
    }

    /// Ties of the first word: few are all kept, many are left to the sort.
    #[test]
    fn candidates_hold_the_first_rows() {
        let rows = 3 * BLOCK_ROWS;
        for columns in inputs(rows) {
            for count in [1, 2] {
                let key = |column| SortKey { column, descending: column == 0, nulls_first: false };
                let keys: Vec<SortKey> = (0..count).map(key).collect();
                let whole = sort_to_indices(&columns, &keys, None).unwrap();
                for keep in [1, 100, 3000] {
                    let top = sort_to_indices(&columns, &keys, Some(keep)).unwrap();
                    assert_eq!(top, whole[..keep], "{keep} of {}", columns[0].data_type());
                    if let Some(held) = candidates(&columns[0], &keys, keep).unwrap() {
                        assert!(held.is_sorted() && held.len() < rows);
                        assert!(whole[..keep].iter().all(|row| held.binary_search(row).is_ok()));
                    }
                }
            }
        }
        let same: ArrayRef = Arc::new(Int32Array::from(vec![7; rows]));
        let keys = [0, 1].map(|column| SortKey { column, descending: false, nulls_first: false });
        assert_eq!(candidates(&same, &keys, 10).unwrap(), None, "all rows agree");
        assert_eq!(candidates(&same, &keys[..1], 3).unwrap(), Some(vec![0, 1, 2]));
    }
}
