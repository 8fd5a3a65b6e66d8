//! Row groups cut into tasks, where there are more threads than row groups.

use std::ops::Range;
use std::sync::Arc;

use super::{RowRanges, ScanTask, ScanTasks};

/// A task has no fewer rows than this: its dictionaries are decoded for it, and up to two pages of each column are shared
/// with its neighbours and decompressed by both.
const MIN_ROWS: usize = 64 << 10;

impl ScanTasks {
    /// Cuts tasks into ranges of rows until there are about `wanted` of similar length; they stay in order. Tasks of the
    /// same row group share what they read of the file while they run at the same time.
    #[must_use]
    pub fn split(self, wanted: usize) -> Self {
        let rows: usize = self.tasks.iter().map(ScanTask::rows).sum();
        let target = rows.div_ceil(wanted.max(1)).max(MIN_ROWS);
        let tasks = self.tasks.iter().flat_map(|task| pieces(task, target)).collect();
        Self { tasks, ..self }
    }
}

/// `task` in pieces of about `target` rows.
fn pieces(task: &ScanTask, target: usize) -> Vec<ScanTask> {
    // Rounded: a row group that is a little longer than the others is no reason to cut it.
    let count = ((task.rows + target / 2) / target).min(task.rows / MIN_ROWS);
    if count < 2 {
        return vec![task.clone()];
    }
    let all = task.ranges.as_deref().cloned().unwrap_or_else(|| RowRanges::all(task.rows));
    let bound = |piece: usize| piece * task.rows / count;
    let piece = |piece: usize| {
        let rows = bound(piece)..bound(piece + 1);
        // In u128: no product of two 64-bit numbers overflows.
        let bytes = u128::from(task.compressed_bytes) * rows.len() as u128 / task.rows as u128;
        ScanTask {
            rows: rows.len(),
            compressed_bytes: bytes as u64,
            ranges: Some(Arc::new(nth(&all, &rows))),
            ..task.clone()
        }
    };
    (0..count).map(piece).collect()
}

/// The rows of `ranges` that are number `wanted` among them.
fn nth(ranges: &RowRanges, wanted: &Range<usize>) -> RowRanges {
    let mut passed = 0;
    let part = |range: &Range<usize>| {
        let before = passed;
        passed += range.len();
        let start = wanted.start.clamp(before, passed) - before;
        let end = wanted.end.clamp(before, passed) - before;
        range.start + start..range.start + end
    };
    ranges.ranges().iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(rows: usize, ranges: Option<RowRanges>) -> ScanTask {
        ScanTask { file: 0, row_group: 3, rows, compressed_bytes: 1000, ranges: ranges.map(Arc::new) }
    }

    fn split(tasks: Vec<ScanTask>, wanted: usize) -> Vec<ScanTask> {
        ScanTasks { tasks, ..ScanTasks::default() }.split(wanted).tasks
    }

    #[test]
    fn pieces_hold_the_rows_once_and_in_order() {
        let ranges: RowRanges = [5..MIN_ROWS, MIN_ROWS + 10..9 * MIN_ROWS, 10 * MIN_ROWS..10 * MIN_ROWS + 3]
            .into_iter()
            .collect();
        for (rows, ranges) in [(9 * MIN_ROWS + 7, None), (ranges.rows(), Some(ranges))] {
            let whole = task(rows, ranges.clone());
            let pieces = split(vec![whole.clone()], 4);
            assert_eq!(pieces.len(), 4);
            assert!(pieces.iter().all(|piece| piece.rows() >= MIN_ROWS && piece.row_group == 3));
            assert!(
                pieces.iter().all(|piece| piece.ranges().is_some_and(|ranges| ranges.rows() == piece.rows()))
            );
            assert!(
                pieces.windows(2).all(
                    |pair| pair[0].ranges().unwrap().end() <= pair[1].ranges().unwrap().ranges()[0].start
                )
            );
            let all: RowRanges =
                pieces.iter().flat_map(|piece| piece.ranges().unwrap().ranges().to_vec()).collect();
            assert_eq!(all, ranges.unwrap_or_else(|| RowRanges::all(rows)));
            assert!(pieces.iter().map(ScanTask::compressed_bytes).sum::<u64>() <= whole.compressed_bytes());
        }
    }

    #[test]
    fn small_and_sufficient_tasks_stay_whole() {
        for (tasks, wanted) in [
            (vec![task(MIN_ROWS * 2 - 1, None)], 16),
            (vec![task(MIN_ROWS * 9, None); 4], 4),
            (vec![task(0, None)], 8),
        ] {
            assert_eq!(split(tasks.clone(), wanted), tasks);
        }
        assert_eq!(split(Vec::new(), 0), []);
    }
}
