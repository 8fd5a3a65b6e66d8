//! What pruning spared.

use super::settings::PruneStep;

/// What pruning spared, in all and by step. A row group counts for the first step that excludes it, and a page that is
/// not read in a row group that is, for [`PruneStep::Pages`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PruneReport {
    /// Row groups of the scan.
    pub row_groups: usize,
    /// Rows of the scan.
    pub rows: u64,
    /// Encoded bytes of the projected columns, all row groups.
    pub bytes: u64,
    /// Row groups that no row can match in.
    pub row_groups_pruned: usize,
    /// Rows in the pruned row groups, and in the row ranges that are left out of others.
    pub rows_pruned: u64,
    /// Encoded bytes of the projected columns in the pruned row groups, and of pages in the others that hold no row
    /// that is left.
    pub bytes_pruned: u64,
    /// Row groups pruned by each conjunct (the first that excludes a row group counts), in order of the predicate; a
    /// conjunct is named by its columns. Conjuncts that pruned nothing are left out.
    pub pruned_by: Vec<(String, usize)>,
    /// By step, in order.
    pub steps: [StepReport; PruneStep::ALL.len()],
}

/// What one step spared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StepReport {
    /// Whole row groups.
    pub row_groups: usize,
    /// Pages of the projected columns in row groups that are read.
    pub pages: usize,
    /// Rows.
    pub rows: u64,
    /// Encoded bytes of the projected columns.
    pub bytes: u64,
}

impl PruneReport {
    /// What a step spared.
    #[must_use]
    pub fn step(&self, step: PruneStep) -> StepReport {
        self.steps[step as usize]
    }

    /// Counts what a step spared.
    pub(crate) fn add(&mut self, step: PruneStep, spared: StepReport) {
        let sum = &mut self.steps[step as usize];
        sum.row_groups += spared.row_groups;
        sum.pages += spared.pages;
        sum.rows += spared.rows;
        sum.bytes += spared.bytes;
        if step == PruneStep::Late {
            // Those rows are read, if only in the predicate's columns.
            return;
        }
        self.row_groups_pruned += spared.row_groups;
        self.rows_pruned += spared.rows;
        self.bytes_pruned += spared.bytes;
    }

    /// Counts what another part of the scan spared.
    pub(crate) fn merge(&mut self, other: &PruneReport) {
        self.row_groups += other.row_groups;
        self.rows += other.rows;
        self.bytes += other.bytes;
        for (step, spared) in PruneStep::ALL.into_iter().zip(other.steps) {
            self.add(step, spared);
        }
        for (name, count) in &other.pruned_by {
            self.count_conjunct(name, *count);
        }
    }

    fn count_conjunct(&mut self, name: &str, count: usize) {
        match self.pruned_by.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known += count,
            None => self.pruned_by.push((name.to_owned(), count)),
        }
    }

    pub(super) fn pruned_by(&mut self, name: &str) {
        self.count_conjunct(name, 1);
    }

    /// Names and figures for a report of operators: the sizes of the scan, then each step that spared anything.
    #[must_use]
    pub fn details(&self) -> Vec<(String, String)> {
        let mut details = vec![
            ("row_groups".into(), self.row_groups.to_string()),
            ("pruned".into(), self.row_groups_pruned.to_string()),
            ("rows".into(), self.rows.to_string()),
            ("rows_pruned".into(), self.rows_pruned.to_string()),
            ("bytes".into(), self.bytes.to_string()),
            ("bytes_pruned".into(), self.bytes_pruned.to_string()),
        ];
        for (step, spared) in PruneStep::ALL.into_iter().zip(self.steps) {
            if spared != StepReport::default() {
                let name = format!("pruned_by_{}", step.name());
                details.push((name, format!("({spared})")));
            }
        }
        details
    }
}

/// `2 row groups, 7 pages, 9000 rows, 81234 bytes`; what is 0 is left out.
impl std::fmt::Display for StepReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts = [
            (self.row_groups as u64, "row groups"),
            (self.pages as u64, "pages"),
            (self.rows, "rows"),
            (self.bytes, "bytes"),
        ];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        let text: Vec<String> = counts.map(|(count, what)| format!("{count} {what}")).collect();
        f.write_str(&text.join(", "))
    }
}
