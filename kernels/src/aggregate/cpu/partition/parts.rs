//! What is left to do once all rows are in: parts of the result, in any order, on any thread.

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use arrow::array::ArrayRef;
use rayon::prelude::*;

use super::run::{Kind, Run};
use super::worker::Worker;
use super::{Level, PARTITIONS, locked};
use crate::aggregate::cpu::CpuAggregate;
use crate::aggregate::partial::Partial;
use crate::error::{Error, Result};

/// Groups that are merged into the first table one after the other; beyond, tables are merged by partition, which moves each
/// group about three times as often, but on all threads.
const MERGED_GROUPS: usize = 1 << 18;

/// Bytes of a table of a part, for each group, and of everything else about it.
const GROUP_BYTES: u64 = 192;
const PART_BYTES: u64 = 1 << 20;

/// The parts of the result of a [`super::PartitionedAggregate`]. Each group is in one part.
#[derive(Debug)]
pub struct Parts {
    level: Arc<Level>,
    work: Work,
}

#[derive(Debug)]
enum Work {
    /// One table has everything.
    Table(Box<Mutex<Option<CpuAggregate>>>),
    Partitions {
        runs: Vec<Run>,
        ranges: Vec<Range<usize>>,
        /// Groups to be expected in each range.
        expected: usize,
    },
}

impl Parts {
    pub(super) fn new(level: &Arc<Level>, mut workers: Vec<Worker>, depth: usize) -> Result<Self> {
        let groups: Vec<usize> = workers.iter().map(|worker| worker.table.groups()).collect();
        let merged = groups.iter().sum::<usize>() - groups.iter().max().copied().unwrap_or(0);
        let keyed = workers.iter().all(|worker| worker.table.index.is_some());
        let few = merged <= MERGED_GROUPS || !keyed;
        if few && workers.iter().all(Worker::is_unstaged) && locked(&level.runs).is_empty() {
            let mut tables = Vec::with_capacity(workers.len());
            for worker in workers {
                worker.note_mode();
                tables.push(worker.table);
            }
            return Self::merged(level, tables, depth);
        }
        if depth == 0 {
            workers.par_iter_mut().try_for_each(|worker| worker.close(true))?;
        } else {
            workers.iter_mut().try_for_each(|worker| worker.close(true))?;
        }
        drop(workers);
        Self::partitions(level, depth)
    }

    fn merged(level: &Arc<Level>, tables: Vec<CpuAggregate>, depth: usize) -> Result<Self> {
        let mut tables = tables.into_iter();
        let mut first = tables.next().ok_or_else(|| Error::invalid("an aggregation without workers"))?;
        first.grant.ahead_at_most(0);
        tables.try_for_each(|table| first.merge(table))?;
        if depth == 0 {
            level.shared.counters.parts.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Self { level: Arc::clone(level), work: Work::Table(Box::new(Mutex::new(Some(first)))) })
    }

    fn partitions(level: &Arc<Level>, depth: usize) -> Result<Self> {
        let shared = &level.shared;
        let groups = locked(&level.distinct).estimate();
        let joined = (shared.settings.part_groups * PARTITIONS / groups.max(1)).max(1);
        let threads = if depth == 0 { rayon::current_num_threads() } else { 1 };
        let most = (PARTITIONS / (threads * 4)).max(1);
        let mut joined = joined.min(most).min(PARTITIONS);
        let expected = |joined: usize| (groups * joined).div_ceil(PARTITIONS);
        let fits = |joined: usize| {
            let need = threads as u64 * (expected(joined) as u64 * GROUP_BYTES + PART_BYTES);
            shared.memory.try_grow(need).map(|()| shared.memory.shrink(need)).is_ok()
        };
        // Rows in memory make way where tables would not have the room; then parts are made smaller, since one that does
        // not fit is written to disk again.
        if !fits(joined) {
            level.spill_all()?;
            while joined > 1 && !fits(joined) {
                joined /= 2;
            }
        }
        let expected = expected(joined);
        let runs = std::mem::take(&mut *locked(&level.runs));
        let starts = (0..PARTITIONS).step_by(joined);
        let ranges: Vec<Range<usize>> = starts.map(|start| start..(start + joined).min(PARTITIONS)).collect();
        if depth == 0 {
            shared.counters.parts.fetch_add(ranges.len(), Ordering::Relaxed);
        }
        Ok(Self { level: Arc::clone(level), work: Work::Partitions { runs, ranges, expected } })
    }

    /// Number of parts.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.work {
            Work::Table(_) => 1,
            Work::Partitions { ranges, .. } => ranges.len(),
        }
    }

    /// True for no parts at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Part number `part`, in chunks: keys, then aggregates, one row per group, as [`CpuAggregate::finish`] has them. A
    /// part can be asked for once.
    ///
    /// # Errors
    /// Those of the expressions and of results that do not fit their types; [`Error::OutOfMemory`]; [`Error::Io`].
    pub fn compute(&self, part: usize) -> Result<Vec<Vec<ArrayRef>>> {
        self.tables(part, &CpuAggregate::finish)
    }

    /// As [`Parts::compute`], in states.
    ///
    /// # Errors
    /// Those of [`Parts::compute`].
    pub fn compute_partials(&self, part: usize) -> Result<Vec<Partial>> {
        self.tables(part, &CpuAggregate::into_partial)
    }

    fn tables<T>(&self, part: usize, finish: &dyn Fn(CpuAggregate) -> Result<T>) -> Result<Vec<T>> {
        match &self.work {
            Work::Table(table) => {
                let table = locked(table).take();
                let table = table.ok_or_else(|| Error::invalid("a part that was computed before"))?;
                Ok(vec![finish(table)?])
            }
            Work::Partitions { runs, ranges, expected } => {
                let range = ranges.get(part).cloned().ok_or_else(|| Error::invalid("no such part"))?;
                self.partition(runs, range, *expected, finish)
            }
        }
    }

    /// Aggregates neighbouring partitions like an input of their own.
    fn partition<T>(
        &self,
        runs: &[Run],
        range: Range<usize>,
        expected: usize,
        finish: &dyn Fn(CpuAggregate) -> Result<T>,
    ) -> Result<Vec<T>> {
        let depth = self.level.depth + 1;
        let level = Arc::new(Level::new(Arc::clone(&self.level.shared), depth));
        let mut workers: Vec<Worker> = Vec::new();
        let states_first = |run: &&Run| matches!(run.kind, Kind::Rows(_));
        let (rows, states): (Vec<&Run>, Vec<&Run>) = runs.iter().partition(states_first);
        for run in states.into_iter().chain(rows) {
            let batches = run.batches(range.clone());
            for batch in batches {
                let (columns, rows) = batch?;
                let at = workers.iter().position(|worker| worker.takes(&run.kind));
                let worker = match at {
                    Some(at) => &mut workers[at],
                    None => {
                        let spec = match &run.kind {
                            Kind::Rows(form) => &form.spec,
                            Kind::States(spec) => spec,
                        };
                        workers.push(Worker::new(Arc::clone(&level), Arc::clone(spec), expected)?);
                        let last = workers.len() - 1;
                        &mut workers[last]
                    }
                };
                match &run.kind {
                    Kind::Rows(form) => worker.consume_staged(form, &columns, rows)?,
                    Kind::States(spec) => worker.consume_states(spec, columns, rows)?,
                }
            }
        }
        if workers.is_empty() {
            return Ok(Vec::new());
        }
        let parts = Parts::new(&level, workers, depth as usize)?;
        let mut chunks = Vec::new();
        for part in 0..parts.len() {
            chunks.extend(parts.tables(part, finish)?);
        }
        Ok(chunks)
    }
}
