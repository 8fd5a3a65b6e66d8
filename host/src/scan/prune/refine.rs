//! Row groups as filters and indexes in the file leave them, found once for all tasks of a row group.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use pilaster_kernels::Result;
use pilaster_kernels::expr::Expr;

use super::report::PruneReport;
use crate::scan::{RowRanges, Scan, ScanTask};

/// What is left of a row group: all of it, some rows, or nothing.
#[derive(Debug, Clone)]
enum Left {
    All,
    Rows(Arc<RowRanges>),
    Nothing,
}

/// What is left of a row group, once somebody has looked.
type Found = Arc<OnceLock<Result<Left>>>;

/// The tasks of one query over a scan, narrowed as they are taken. A row group that was cut into several tasks, or that is
/// read a second time, is looked at once and counts once.
#[derive(Debug, Default)]
pub struct Refinement {
    /// By file and row group.
    groups: Mutex<HashMap<(usize, usize), Found>>,
    report: Mutex<PruneReport>,
}

impl Refinement {
    /// The part of `task` that may match `predicate`, which is the same for all tasks; none where no row can. It may
    /// read Bloom filters, dictionaries and page indexes, or wait for another thread that does.
    ///
    /// # Errors
    /// [`pilaster_kernels::Error::InvalidInput`] for a task of another scan or a predicate over other columns,
    /// [`pilaster_kernels::Error::Io`].
    pub fn task(&self, scan: &Scan, task: &ScanTask, predicate: &Expr) -> Result<Option<ScanTask>> {
        let key = (task.file, task.row_group);
        let group = Arc::clone(self.groups.lock().entry(key).or_default());
        let left = group.get_or_init(|| {
            let mut report = PruneReport::default();
            let whole = scan.row_group_of(task)?;
            let refined = super::refine(scan, &whole, predicate, &mut report)?;
            self.report.lock().merge(&report);
            Ok(match refined.map(|refined| refined.ranges) {
                None => Left::Nothing,
                Some(None) => Left::All,
                Some(Some(ranges)) => Left::Rows(ranges),
            })
        });
        Ok(match left.clone()? {
            Left::Nothing => None,
            Left::All => Some(task.clone()),
            Left::Rows(ranges) => task.within(&ranges),
        })
    }

    /// What was pruned so far.
    #[must_use]
    pub fn report(&self) -> PruneReport {
        self.report.lock().clone()
    }
}

impl ScanTask {
    /// Those of its rows that are in `ranges`; none without any.
    fn within(&self, ranges: &RowRanges) -> Option<ScanTask> {
        let ranges = self.ranges.as_ref().map_or_else(|| ranges.clone(), |known| known.intersect(ranges));
        let rows = ranges.rows();
        // In u128: no product of two 64-bit numbers overflows.
        let bytes = u128::from(self.compressed_bytes) * rows as u128 / self.rows.max(1) as u128;
        (rows > 0).then(|| ScanTask {
            rows,
            compressed_bytes: bytes as u64,
            ranges: Some(ranges.into()),
            ..self.clone()
        })
    }
}
