//! Rows that no match can be among, left out before they are read.
//!
//! ```text
//! tasks    the footer alone:   partition folders -> row-group statistics          row groups
//! refine   small reads:        Bloom filters -> dictionaries -> page index        row groups, ranges of rows
//! read     the chunks:         late materialisation                               windows of rows
//! ```
//! Each step sees what the ones before it have left. Steps only leave out what cannot match: with all of them switched off
//! ([`Pruning`]) a query answers the same.

use pilaster_kernels::Result;
use pilaster_kernels::expr::Expr;

use super::matching::Origin;
use super::predicate::columns;
use super::statistics::Facts;
use super::types::reads_as;
use super::{RowRanges, Scan, ScanTask, ScanTasks, SlicedFile};

mod bloom;
mod cast;
mod dictionary;
pub(super) mod index;
mod pages;
mod refine;
mod report;
mod settings;
mod truth;

pub use self::refine::Refinement;
pub use self::report::{PruneReport, StepReport};
pub use self::settings::{PruneStep, Pruning};

use self::truth::truth;

/// Row groups that partition folders and statistics leave.
pub(super) fn tasks(scan: &Scan, predicate: Option<&Expr>) -> Result<ScanTasks> {
    let conjuncts = predicate.map(Expr::conjuncts).unwrap_or_default();
    for conjunct in &conjuncts {
        columns(conjunct, &scan.schema)?;
    }
    let mut found = ScanTasks::default();
    for (index, sliced) in scan.files.iter().enumerate() {
        let by_folder = scan.pruning.has(PruneStep::Partitions) && !sliced.row_groups.is_empty();
        let outside = conjuncts
            .iter()
            .filter(|_| by_folder)
            .find(|conjunct| !truth(conjunct, &|column| partition_facts(scan, sliced, column)).can_true);
        for &row_group in &sliced.row_groups {
            let (compressed_bytes, _) = scan.sizes(sliced, row_group);
            let rows = sliced.file.rows(row_group);
            found.report.row_groups += 1;
            found.report.rows += rows as u64;
            found.report.bytes += compressed_bytes;
            let task = ScanTask { file: index, row_group, rows, compressed_bytes, ranges: None };
            let known = |column: usize| facts(scan, sliced, row_group, column);
            let by_statistics = || {
                let on = scan.pruning.has(PruneStep::Statistics);
                conjuncts.iter().filter(|_| on).find(|conjunct| !truth(conjunct, &known).can_true)
            };
            match outside.map(|conjunct| (PruneStep::Partitions, conjunct)) {
                Some((step, conjunct)) => exclude(scan, &task, step, conjunct, &mut found.report)?,
                None => match by_statistics() {
                    Some(conjunct) => {
                        exclude(scan, &task, PruneStep::Statistics, conjunct, &mut found.report)?;
                    }
                    None => found.tasks.push(task),
                },
            }
        }
    }
    Ok(found)
}

/// What Bloom filters, dictionaries and the page index leave of a task; none where no row can match.
pub(super) fn refine(
    scan: &Scan,
    task: &ScanTask,
    predicate: &Expr,
    report: &mut PruneReport,
) -> Result<Option<ScanTask>> {
    let sliced = scan.file_of(task)?;
    let conjuncts = predicate.conjuncts();
    for conjunct in &conjuncts {
        columns(conjunct, &scan.schema)?;
    }
    if scan.pruning.has(PruneStep::Bloom) {
        let filters = bloom::Filters::new(scan, sliced, task.row_group);
        let miss = conjuncts.iter().find(|conjunct| !truth(conjunct, &filters).can_true);
        filters.finish()?;
        if let Some(conjunct) = miss {
            exclude(scan, task, PruneStep::Bloom, conjunct, report)?;
            return Ok(None);
        }
    }
    if scan.pruning.has(PruneStep::Dictionary) {
        let bytes = task.compressed_bytes;
        if let Some(conjunct) = dictionary::excluded(scan, sliced, task.row_group, bytes, &conjuncts)? {
            exclude(scan, task, PruneStep::Dictionary, conjunct, report)?;
            return Ok(None);
        }
    }
    if !scan.pruning.has(PruneStep::Pages) {
        return Ok(Some(task.clone()));
    }
    let Some(ranges) = pages::ranges(scan, sliced, task.row_group, &conjuncts)? else {
        return Ok(Some(task.clone()));
    };
    narrow(scan, sliced, task, &ranges, report)
}

/// The task with those of its rows that are in `ranges`.
fn narrow(
    scan: &Scan,
    sliced: &SlicedFile,
    task: &ScanTask,
    ranges: &RowRanges,
    report: &mut PruneReport,
) -> Result<Option<ScanTask>> {
    let ranges = task.ranges.as_ref().map_or_else(|| ranges.clone(), |known| known.intersect(ranges));
    let rows = ranges.rows();
    if rows == task.rows {
        return Ok(Some(task.clone()));
    }
    let (pages, bytes) = match ranges.is_empty() {
        true => (0, task.compressed_bytes),
        false => pages::spared(scan, sliced, task.row_group, &ranges)?,
    };
    let bytes = bytes.min(task.compressed_bytes);
    let row_groups = usize::from(ranges.is_empty());
    report.add(PruneStep::Pages, StepReport { row_groups, pages, rows: (task.rows - rows) as u64, bytes });
    Ok((!ranges.is_empty()).then(|| ScanTask {
        rows,
        compressed_bytes: task.compressed_bytes - bytes,
        ranges: Some(ranges.into()),
        ..task.clone()
    }))
}

/// Counts a row group that `conjunct` excludes.
fn exclude(
    scan: &Scan,
    task: &ScanTask,
    step: PruneStep,
    conjunct: &Expr,
    report: &mut PruneReport,
) -> Result<()> {
    let (rows, bytes) = (task.rows as u64, task.compressed_bytes);
    report.add(step, StepReport { row_groups: 1, pages: 0, rows, bytes });
    let names = columns(conjunct, &scan.schema)?.into_iter();
    let names: Vec<&str> = names.map(|index| scan.schema.field(index).name().as_str()).collect();
    report.pruned_by(&names.join(", "));
    Ok(())
}

/// What the folder of a file says of projected column `column`.
fn partition_facts(scan: &Scan, sliced: &SlicedFile, column: usize) -> Facts {
    match &sliced.origins[scan.projection[column]] {
        Origin::Constant(constant) => Facts::constant(&constant.value),
        _ => Facts::default(),
    }
}

/// What folders and footers say of projected column `column` in a row group, by the steps that are on.
fn facts(scan: &Scan, sliced: &SlicedFile, row_group: usize, column: usize) -> Facts {
    let root = match &sliced.origins[scan.projection[column]] {
        Origin::Constant(_) if scan.pruning.has(PruneStep::Partitions) => {
            return partition_facts(scan, sliced, column);
        }
        _ if !scan.pruning.has(PruneStep::Statistics) => return Facts::default(),
        Origin::Constant(constant) => return Facts::constant(&constant.value),
        Origin::Absent => return Facts::all_null(),
        Origin::Root(root) => *root,
    };
    let file = &sliced.file;
    let Some(chunk) = file.flat_chunk(row_group, root) else { return Facts::default() };
    let order = file.metadata.file_metadata().column_order(file.leaves(root).start);
    let data_type = file.schema.field(root).data_type();
    as_table(scan, sliced, column, root, Facts::of(chunk, data_type, order))
}

/// Facts of a file's column as facts of the table's, which may be of a wider type.
fn as_table(scan: &Scan, sliced: &SlicedFile, column: usize, root: usize, facts: Facts) -> Facts {
    let (found, wanted) = (sliced.file.schema.field(root).data_type(), scan.schema.field(column).data_type());
    if reads_as(found, wanted) {
        return facts;
    }
    let (nulls, values) = (facts.nulls, facts.values);
    let strict = pilaster_kernels::expr::CastMode::Strict;
    cast::facts(&facts, found, wanted, strict).unwrap_or(Facts { nulls, values, ..Facts::default() })
}

#[cfg(test)]
mod tests;
