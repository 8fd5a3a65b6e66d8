//! What finished tables say about a branch's source: rows that they drop need not be read, or not reach the first join.
//!
//! ```text
//! key of a join -> back through steps and earlier joins -> column of the source
//!   its range or list of values -> pruning of row groups, dictionaries, pages      (as a predicate)
//!   its test of single rows     -> the scan, which decodes other columns for survivors only
//!                               -> before the first probe, where a later join asks for it
//! ```
//! A row may be dropped early where its only effect is an output that the join drops: no join before it keeps a record of
//! its partners, and nothing that is computed on the way can raise an error.

use std::sync::Arc;

use arrow::array::ArrayRef;
use pilaster_kernels::Result;
use pilaster_kernels::expr::Expr;
use pilaster_kernels::filter::Selection;
use pilaster_kernels::join::cpu::{JoinTable, RuntimeFilter};
use pilaster_kernels::join::{OutputColumn, Side};

use super::pipeline::{Branch, Probe, Source, Step};
use crate::scan::KeyFilter;

/// A filter is made where the source has at least this many times the rows of the table.
const WORTH: u64 = 2;

/// Beyond so many rows of the table a filter is not made for a source of unknown size.
const BLIND_ROWS: u64 = 1 << 20;

/// The tests of one branch's source.
#[derive(Debug, Default)]
pub(crate) struct RuntimeFilters {
    filters: Vec<OnColumn>,
}

/// A test of a column of the source.
#[derive(Debug)]
struct OnColumn {
    column: usize,
    /// The join that it comes from.
    stage: usize,
    /// Its keys are of one type, so that their values are literals for the column.
    same_type: bool,
    test: Arc<RuntimeFilter>,
}

impl RuntimeFilters {
    /// The filters that `tables` have for the source of `branch`.
    ///
    /// # Errors
    /// [`pilaster_kernels::Error::OutOfMemory`].
    pub(crate) fn new(branch: &Branch, tables: &[Arc<JoinTable>]) -> Result<Self> {
        let mut filters = Vec::new();
        for (stage, table) in tables.iter().enumerate() {
            // Before the first join a test of single rows spares nothing, unless a scan makes use of it.
            let serves = stage > 0 || matches!(branch.source, Source::Scan(_));
            if !serves
                || !table.may_drop_probe_rows()
                || !pays(branch, table)
                || !passes(branch, tables, stage)
            {
                continue;
            }
            for (number, key) in branch.probes[stage].spec.keys.iter().enumerate() {
                let Some(column) = source_column(branch, stage, number) else { continue };
                let same_type = key.left.data_type() == key.right.data_type();
                let filter = table.runtime_filter(number)?.map(Arc::new);
                filters.extend(filter.map(|test| OnColumn { column, stage, same_type, test }));
            }
        }
        Ok(RuntimeFilters { filters })
    }

    /// Tests for the scan, each of a column of the source.
    pub(crate) fn on_columns(&self) -> Vec<KeyFilter> {
        let worthy = self.filters.iter().filter(|filter| filter.test.pays());
        worthy.map(|filter| KeyFilter { column: filter.column, test: Arc::clone(&filter.test) }).collect()
    }

    /// True while some test drops enough rows to be worth it.
    pub(crate) fn pay(&self) -> bool {
        self.filters.iter().any(|filter| filter.test.pays())
    }

    /// What they ask of the source's columns, as far as statistics can answer.
    ///
    /// # Errors
    /// None for a plan that was checked.
    pub(crate) fn predicate(&self, branch: &Branch) -> Result<Option<Expr>> {
        let mut all: Option<Expr> = None;
        for filter in self.filters.iter().filter(|filter| filter.same_type) {
            let column = Expr::column(filter.column, branch.schema.field(filter.column).data_type().clone());
            if let Some(one) = filter.test.predicate(&column)? {
                all = Some(match all {
                    Some(before) => Expr::and(before, one)?,
                    None => one,
                });
            }
        }
        Ok(all)
    }

    /// The rows of `selection`, over columns of the source, that later joins than the first do not drop.
    ///
    /// # Errors
    /// Those of [`RuntimeFilter::keep`].
    pub(crate) fn keep(&self, columns: &[ArrayRef], selection: Selection) -> Result<Selection> {
        let mut kept = selection;
        for filter in self.filters.iter().filter(|filter| filter.stage > 0 && filter.test.pays()) {
            if let Some(column) = columns.get(filter.column) {
                kept = kept.and(&filter.test.keep(column)?);
            }
        }
        Ok(kept)
    }

    /// What they did, for the report of join number `stage`.
    pub(crate) fn details(&self, stage: usize) -> Option<String> {
        let shown = self.filters.iter().filter(|filter| filter.stage == stage).map(|filter| {
            let (tested, kept) = filter.test.counts();
            format!("{} kept {kept} of {tested}", filter.test.kind())
        });
        let shown: Vec<String> = shown.collect();
        (!shown.is_empty()).then(|| shown.join(", "))
    }
}

/// True where the source is large beside the table.
fn pays(branch: &Branch, table: &JoinTable) -> bool {
    let rows = match &branch.source {
        Source::Scan(scan) => Some(scan.rows()),
        Source::Input(source) => source.rows(),
        Source::Pipeline(_) => None,
    };
    let table = table.rows() as u64;
    rows.map_or(table <= BLIND_ROWS, |rows| rows / WORTH >= table)
}

/// True where a row that join number `stage` drops leaves no trace before it.
fn passes(branch: &Branch, tables: &[Arc<JoinTable>], stage: usize) -> bool {
    let quiet = |step: &Step| step.exprs().all(Expr::cannot_fail);
    let joins = branch.probes[..stage].iter().zip(tables);
    quiet(&branch.step)
        && joins.into_iter().all(|(probe, table)| {
            let residual = probe.spec.residual.as_ref();
            !table.has_remaining() && quiet(&probe.step) && residual.is_none_or(Expr::cannot_fail)
        })
}

/// The column of the source that is key `key` of join number `stage`, where it is one and nothing else.
fn source_column(branch: &Branch, stage: usize, key: usize) -> Option<usize> {
    let Probe { spec, side, .. } = &branch.probes[stage];
    let mut column = plain(match side.other() {
        Side::Left => &spec.keys[key].left,
        Side::Right => &spec.keys[key].right,
    })?;
    for before in branch.probes[..stage].iter().rev() {
        let output = plain(&before.step.columns[column])?;
        column = match (before.spec.output[output], before.side) {
            (OutputColumn::Left(at), Side::Right) | (OutputColumn::Right(at), Side::Left) => at,
            _ => return None,
        };
    }
    plain(&branch.step.columns[column])
}

fn plain(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Column { index, .. } => Some(*index),
        _ => None,
    }
}
