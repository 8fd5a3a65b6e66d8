//! Readings: how a branch's tasks become chunks, and what was read and pruned on the way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arrow::datatypes::SchemaRef;
use pilaster_kernels::Result;
use pilaster_kernels::expr::Expr;
use pilaster_kernels::memory::Reserve;

use super::chunk::Chunk;
use super::pipeline::Branch;
use super::probing::Probing;
use super::store::ReadBack;
use super::task::{Task, Work};
use crate::plan::same_columns;
use crate::scan::{PruneReport, PruneStep, ReadOptions, Refinement, Scan, ScanTask, StepReport};

/// Chunks of one task, in order.
pub(crate) type Chunks = Box<dyn Iterator<Item = Result<Chunk>> + Send>;

/// Share of kept rows below which a scan is asked to filter exactly (columns that the predicate does not read are then
/// decoded for kept rows only). Above it, decoding everything and filtering by selection is cheaper.
const PUSH_DOWN_SELECTIVITY: f64 = 0.25;

/// How a branch is read: which columns, and whether the scan filters.
#[derive(Debug)]
pub(crate) struct Reading {
    schema: SchemaRef,
    predicate: Option<Arc<Expr>>,
    /// What statistics are asked: the predicate, and what the branch's joins need of their keys.
    prunes: Option<Arc<Expr>>,
    /// Columns read where the scan does not filter: the sink's and the predicate's.
    all_columns: Vec<usize>,
    /// Columns read where the scan filters: the sink's.
    sink_columns: Vec<usize>,
    rows_read: AtomicU64,
    /// Of row groups that the scan filtered.
    filtered_read: AtomicU64,
    filtered_kept: AtomicU64,
    pruned: Pruned,
    probing: Probing,
}

/// What was pruned: by folders and footers when tasks were made, and since.
#[derive(Debug, Default)]
struct Pruned {
    planned: OnceLock<PruneReport>,
    refined: Refinement,
}

/// Whether the scan has applied the branch's predicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filtered {
    Yes,
    No,
}

impl Reading {
    /// A reading of `branch` for a sink, or a first join, that evaluates `exprs` over its source.
    ///
    /// # Errors
    /// None for a plan that was checked.
    pub(crate) fn new(branch: &Branch, exprs: &[&Expr], probing: Probing) -> Result<Self> {
        let predicate = &branch.step.predicate;
        let prunes = match (predicate, probing.filters().predicate(branch)?) {
            (Some(predicate), Some(filters)) => Some(Expr::and(predicate.clone(), filters)?),
            (predicate, filters) => filters.or_else(|| predicate.clone()),
        };
        let with_predicate: Vec<&Expr> = exprs.iter().copied().chain(predicate).collect();
        Ok(Reading {
            schema: Arc::clone(&branch.schema),
            predicate: predicate.clone().map(Arc::new),
            prunes: prunes.map(Arc::new),
            all_columns: branch.columns_read(&with_predicate),
            sink_columns: branch.columns_read(exprs),
            rows_read: AtomicU64::new(0),
            filtered_read: AtomicU64::new(0),
            filtered_kept: AtomicU64::new(0),
            pruned: Pruned::default(),
            probing,
        })
    }

    /// What statistics are asked.
    pub(crate) fn prunes(&self) -> Option<&Expr> {
        self.prunes.as_deref()
    }

    /// The joins that the rows pass before the sink.
    pub(crate) fn probing(&self) -> &Probing {
        &self.probing
    }

    /// Columns that the sink and the predicate read.
    pub(crate) fn columns(&self) -> &[usize] {
        &self.all_columns
    }

    /// Rows that the source gave so far, before any filter.
    pub(crate) fn rows_read(&self) -> u64 {
        self.rows_read.load(Ordering::Relaxed)
    }

    /// What pruned row groups when tasks were made. Set once: a reading is of one pipeline, whose tasks are made once.
    pub(crate) fn plan(&self, report: PruneReport) {
        self.pruned.planned.get_or_init(|| report);
    }

    /// What was pruned so far; none where the source is no scan.
    pub(crate) fn pruned(&self) -> Option<PruneReport> {
        let mut report = self.pruned.planned.get()?.clone();
        report.merge(&self.pruned.refined.report());
        let read = self.filtered_read.load(Ordering::Relaxed);
        let rows = read.saturating_sub(self.filtered_kept.load(Ordering::Relaxed));
        report.add(PruneStep::Late, StepReport { rows, ..StepReport::default() });
        Some(report)
    }

    /// What filters and indexes in the file leave of a task.
    fn refine(&self, scan: &Scan, task: &ScanTask) -> Result<Option<ScanTask>> {
        match &self.prunes {
            Some(prunes) => self.pruned.refined.task(scan, task, prunes),
            None => Ok(Some(task.clone())),
        }
    }

    /// A filter in the scan pays where it keeps few rows and spares columns; until that is measured, it is tried. Once
    /// it did not pay, it is not tried again.
    fn pushes_down(&self) -> bool {
        let tests = self.predicate.is_some() || self.probing.filters().pay();
        let spares = tests && !self.sink_columns.is_empty();
        let read = self.filtered_read.load(Ordering::Relaxed);
        let kept = self.filtered_kept.load(Ordering::Relaxed);
        spares && (read == 0 || (kept as f64) < PUSH_DOWN_SELECTIVITY * read as f64)
    }

    /// Opens a task as chunks of at most `rows` rows. `may_filter` lets the scan apply the predicate.
    pub(crate) fn open(
        self: &Arc<Self>,
        task: &Task,
        rows: usize,
        may_filter: bool,
        reserve: Arc<dyn Reserve>,
    ) -> Result<(Chunks, Filtered)> {
        match &task.work {
            Work::RowGroup { scan, task, columns_in_parallel } => {
                let Some(task) = self.refine(scan, task)? else {
                    return Ok((Box::new(std::iter::empty()), Filtered::No));
                };
                let late = scan.pruning().has(PruneStep::Late);
                let filter = may_filter && late && self.pushes_down();
                let output = if filter { &self.sink_columns } else { &self.all_columns };
                let options = ReadOptions {
                    batch_rows: rows,
                    predicate: self.predicate.clone().filter(|_| filter),
                    key_filters: if filter { self.probing.filters().on_columns() } else { Vec::new() },
                    output: Some(output.clone()),
                    columns_in_parallel: *columns_in_parallel,
                    reserve,
                    ..ReadOptions::default()
                };
                let batches = scan.read(&task, &options)?;
                let chunks = batches.map(|batch| batch.as_ref().map(Chunk::from).map_err(Clone::clone));
                let counted = Counted {
                    chunks: Box::new(chunks),
                    reading: Arc::clone(self),
                    filters: filter.then_some(task.rows() as u64),
                    kept: 0,
                };
                Ok((Box::new(counted), if filter { Filtered::Yes } else { Filtered::No }))
            }
            Work::Partition { source, partition } => {
                let schema = Arc::clone(&self.schema);
                let batches = source.open(*partition)?;
                let checked = batches.map(move |batch| {
                    let batch = batch?;
                    same_columns(&schema, batch.schema_ref(), "a source's schema and its batch")?;
                    Ok(Chunk::from(&batch))
                });
                let sized = Resized::new(Box::new(checked), rows, Arc::clone(&self.schema));
                Ok((self.counted(Box::new(sized)), Filtered::No))
            }
            Work::Chunks(chunks) => {
                let chunks = chunks.clone().into_iter().flat_map(move |chunk| chunk.slices(rows));
                Ok((self.counted(Box::new(chunks.map(Ok))), Filtered::No))
            }
            // No piece has more rows than a batch.
            Work::Pieces(pieces) => {
                let chunks = ReadBack::new(pieces.clone(), reserve);
                Ok((self.counted(Box::new(chunks)), Filtered::No))
            }
            Work::Joined { join, partition } => Ok((Box::new(join.chunks(*partition)), Filtered::No)),
            Work::Remaining { stage, start, len } => {
                let (reading, stage, mut next, end) = (Arc::clone(self), *stage, *start, start + len);
                let chunks = std::iter::from_fn(move || {
                    let left = rows.max(1).min(end - next);
                    let (len, chunk) = (left > 0).then(|| reading.probing.remaining(stage, next, left))?;
                    next += len;
                    Some(chunk)
                });
                Ok((Box::new(chunks), Filtered::No))
            }
        }
    }

    /// Opens a row group as one chunk whose columns are still encoded where a device decodes them; none for other tasks.
    pub(crate) fn open_encoded(self: &Arc<Self>, task: &Task, reserve: &Arc<dyn Reserve>) -> Option<Chunks> {
        let Work::RowGroup { scan, task, .. } = &task.work else { return None };
        // Pages are not cut, and a row group without some of them would be decoded by the host.
        let scan = scan.with_pruning(scan.pruning().with(PruneStep::Pages, false));
        let (task, reading, reserve) = (task.clone(), Arc::clone(self), Arc::clone(reserve));
        let read = move || match reading.refine(&scan, &task)? {
            Some(task) => {
                scan.read_encoded(&task, &reading.all_columns, &reserve).map(|read| Some(read.into()))
            }
            None => Ok(None),
        };
        let chunks = std::iter::once_with(read).filter_map(Result::transpose);
        Some(self.counted(Box::new(chunks.filter(|chunk| !matches!(chunk, Ok(Chunk { rows: 0, .. }))))))
    }

    fn counted(self: &Arc<Self>, chunks: Chunks) -> Chunks {
        Box::new(Counted { chunks, reading: Arc::clone(self), filters: None, kept: 0 })
    }
}

/// Counts rows as they come; those of a filtered row group at its end, where both numbers are known.
struct Counted {
    chunks: Chunks,
    reading: Arc<Reading>,
    /// Rows of the row group, where the scan filters it.
    filters: Option<u64>,
    kept: u64,
}

impl Iterator for Counted {
    type Item = Result<Chunk>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.chunks.next();
        match (&next, self.filters) {
            (Some(Ok(chunk)), Some(_)) => self.kept += chunk.rows as u64,
            (Some(Ok(chunk)), None) => {
                self.reading.rows_read.fetch_add(chunk.rows as u64, Ordering::Relaxed);
            }
            (None, Some(rows)) => {
                self.reading.rows_read.fetch_add(rows, Ordering::Relaxed);
                self.reading.filtered_read.fetch_add(rows, Ordering::Relaxed);
                self.reading.filtered_kept.fetch_add(self.kept, Ordering::Relaxed);
                self.filters = None;
            }
            _ => {}
        }
        next
    }
}

/// Brings an engine's batches to our size: large ones are sliced, runs of small ones joined.
struct Resized {
    chunks: Chunks,
    schema: SchemaRef,
    rows: usize,
    small: Vec<Chunk>,
    /// Slices of the last large chunk, last first.
    ready: Vec<Chunk>,
}

impl Resized {
    /// Chunks below this share of the wanted size are joined: the copy costs less than the calls that it spares.
    const SMALL: usize = 8;

    fn new(chunks: Chunks, rows: usize, schema: SchemaRef) -> Self {
        Resized { chunks, schema, rows, small: Vec::new(), ready: Vec::new() }
    }

    fn joined(&mut self) -> Option<Result<Chunk>> {
        let small = std::mem::take(&mut self.small);
        (!small.is_empty()).then(|| Chunk::concat(&small, &self.schema))
    }
}

impl Iterator for Resized {
    type Item = Result<Chunk>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(ready) = self.ready.pop() {
                return Some(Ok(ready));
            }
            match self.chunks.next() {
                Some(Ok(chunk)) if chunk.rows == 0 => {}
                Some(Ok(chunk)) if chunk.rows < self.rows / Resized::SMALL => {
                    self.small.push(chunk);
                    if self.small.iter().map(|chunk| chunk.rows).sum::<usize>() >= self.rows / 2 {
                        return self.joined();
                    }
                }
                Some(Ok(chunk)) => {
                    self.ready = chunk.slices(self.rows).collect();
                    self.ready.reverse();
                    // Rows keep their order: what was held back comes first.
                    if let Some(joined) = self.joined() {
                        return Some(joined);
                    }
                }
                Some(Err(error)) => return Some(Err(error)),
                None => return self.joined(),
            }
        }
    }
}
