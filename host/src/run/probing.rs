//! The joins between a branch's source and its sink: rows pass the tables one after the other, in bounded chunks.
//!
//! ```text
//! source chunk -> step -> runtime filters of later joins -> probe -> step -> probe -> ... -> chunks for the sink
//!                           \-> resumed until it has no more rows for what it was fed
//! ```
//! A probe that finds many partners hands on as many chunks as that takes; the next one is fed before the first goes on,
//! so that no join, however its rows multiply, has more than a chunk in each stage.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pilaster_kernels::Result;
use pilaster_kernels::filter::Selection;
use pilaster_kernels::join::cpu::{JoinTable, Prober};

use super::chunk::Chunk;
use super::filter_project::FilterProject;
use super::pipeline::Branch;
use super::query::Query;
use super::reading::Filtered;
use super::runtime_filters::RuntimeFilters;

/// The joins of a branch, their tables finished.
#[derive(Debug, Default)]
pub(crate) struct Probing {
    stages: Vec<Stage>,
    /// What the tables say about rows of the source.
    filters: RuntimeFilters,
}

/// What is computed before a probe, and the probe.
#[derive(Debug)]
pub(crate) struct Stage {
    step: FilterProject,
    table: Arc<JoinTable>,
    /// Rows that came out of the join so far.
    rows: AtomicU64,
}

impl Probing {
    /// The joins of `branch` with their tables, in order.
    ///
    /// # Errors
    /// Where an expression nests too deep; [`pilaster_kernels::Error::OutOfMemory`].
    pub(crate) fn new(branch: &Branch, tables: Vec<Arc<JoinTable>>) -> Result<Self> {
        let filters = RuntimeFilters::new(branch, &tables)?;
        let steps = std::iter::once(&branch.step).chain(branch.probes.iter().map(|probe| &probe.step));
        let stage =
            |(table, step)| Ok(Stage { step: FilterProject::new(step)?, table, rows: AtomicU64::new(0) });
        Ok(Probing { stages: tables.into_iter().zip(steps).map(stage).collect::<Result<_>>()?, filters })
    }

    /// What the tables say about rows of the source.
    pub(crate) fn filters(&self) -> &RuntimeFilters {
        &self.filters
    }

    /// The tables, in order.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &Arc<JoinTable>> {
        self.stages.iter().map(|stage| &stage.table)
    }

    /// Rows that came out of join number `stage` so far.
    pub(crate) fn rows(&self, stage: usize) -> u64 {
        self.stages[stage].rows.load(Ordering::Relaxed)
    }

    /// Of at most `len` build rows from `start`, at least one, those that join number `stage` shows after all probes; and of how
    /// many that is: long rows come in smaller chunks.
    ///
    /// # Errors
    /// Those of [`JoinTable::remaining`].
    pub(crate) fn remaining(&self, stage: usize, start: usize, len: usize) -> (usize, Result<Chunk>) {
        let Stage { table, rows, .. } = &self.stages[stage];
        let len = table.remaining_rows(start, len).max(1);
        let chunk = table.remaining(start, len).map(|batch| {
            rows.fetch_add(batch.rows as u64, Ordering::Relaxed);
            Chunk::new(batch.columns, batch.rows)
        });
        (len, chunk)
    }

    /// True where no row of the source, nor one that an earlier join shows after all probes, makes a difference to what
    /// comes out.
    pub(crate) fn needs_no_rows(&self) -> bool {
        self.tables().any(|table| table.needs_no_probe())
    }

    /// A way for one task's rows, which enter before join number `enters`; past the last one they go straight to the sink.
    pub(crate) fn way(&self, enters: usize, query: &Query) -> Way<'_> {
        let stages = self.stages.get(enters..).unwrap_or_default();
        let probers = stages.iter().map(|stage| stage.table.prober()).collect();
        // What remains of an earlier join is no row of the source.
        let filters = (enters == 0).then_some(&self.filters);
        Way { stages, filters, probers, through: None, has_rows: false, rows: query.cpu_batch_rows() }
    }
}

/// One task's rows on their way through the joins: fed a chunk, it gives chunks until it has none left.
#[derive(Debug)]
pub(crate) struct Way<'a> {
    stages: &'a [Stage],
    filters: Option<&'a RuntimeFilters>,
    probers: Vec<Prober>,
    /// What was fed, where there is no join to pass.
    through: Option<(Chunk, Filtered)>,
    /// True until a way that was fed has given its last chunk.
    has_rows: bool,
    /// Rows of a chunk, at most.
    rows: usize,
}

impl Way<'_> {
    /// False where there is nothing to come until it is fed.
    pub(crate) fn has_rows(&self) -> bool {
        self.has_rows
    }

    /// Takes a chunk of the source. What is left of the one before is dropped.
    ///
    /// # Errors
    /// Those of the expressions, and [`Prober::begin`]'s.
    pub(crate) fn feed(&mut self, chunk: Chunk, filtered: Filtered) -> Result<()> {
        self.has_rows = true;
        if self.stages.is_empty() {
            self.through = Some((chunk, filtered));
            return Ok(());
        }
        let stage = &self.stages[0];
        let mut kept = stage.step.kept(&chunk, filtered)?;
        if let Some(filters) = self.filters.filter(|_| filtered == Filtered::No) {
            kept = filters.keep(&chunk.columns, kept)?;
        }
        self.begin(0, &chunk, kept)
    }

    /// The next chunk for the sink, of at least one row where there is a join; none until the way is fed again.
    ///
    /// # Errors
    /// Those of the expressions, and [`Prober::next`]'s; [`pilaster_kernels::Error::Cancelled`].
    pub(crate) fn next(&mut self, query: &Query) -> Result<Option<(Chunk, Filtered)>> {
        let Some(mut at) = self.stages.len().checked_sub(1) else {
            self.has_rows = false;
            return Ok(self.through.take());
        };
        loop {
            query.check()?;
            let Some(batch) = self.probers[at].next(self.rows)? else {
                match at.checked_sub(1) {
                    Some(before) => at = before,
                    None => {
                        self.has_rows = false;
                        return Ok(None);
                    }
                }
                continue;
            };
            self.stages[at].rows.fetch_add(batch.rows as u64, Ordering::Relaxed);
            let chunk = Chunk::new(batch.columns, batch.rows);
            at += 1;
            if at == self.stages.len() {
                return Ok(Some((chunk, Filtered::No)));
            }
            let kept = self.stages[at].step.kept(&chunk, Filtered::No)?;
            self.begin(at, &chunk, kept)?;
        }
    }

    fn begin(&mut self, at: usize, chunk: &Chunk, kept: Selection) -> Result<()> {
        let selected = self.stages[at].step.selected(chunk, kept)?;
        self.probers[at].begin(&selected.columns, selected.rows, Some(&selected.selection))
    }
}
