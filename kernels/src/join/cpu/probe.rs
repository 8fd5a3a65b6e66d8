//! Probing: a batch's keys are looked up at once, its output is handed on in bounded batches.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::buffer::{BooleanBuffer, ScalarBuffer};

use super::bound::{RowBytes, fitting};
use super::candidates::{Cursor, Empty, Pairs, walk, walk_unique};
use super::payload::{BuildRows, NO_ROW, PayloadColumn, ProbeRows};
use super::plan::{ProbeOutput, Source};
use super::rows::{KeyRows, hashed_words};
use super::table::{Table, find_direct};
use super::{JoinBatch, JoinTable, Keys, check_columns};
use crate::error::Result;
use crate::filter::Selection;
use crate::join::RowTest;
use crate::keys::lanes::LaneColumn;
use crate::memory::Grant;

/// Candidates that are looked at together where no output is due.
const BLOCK: usize = 1 << 14;

/// One thread's probing of a [`JoinTable`]: [`Prober::begin`] a batch, then [`Prober::next`] until there is no more of it.
#[derive(Debug)]
pub struct Prober {
    table: Arc<JoinTable>,
    grant: Grant,
    batch: Option<Batch>,
    found: Vec<u32>,
    pending: Vec<u32>,
    /// True where most rows of the batch before had no candidate.
    misses: bool,
    pairs: Pairs,
    /// Keys of the batch, where words are hashes.
    key_rows: KeyRows,
    /// Probe rows that have a partner, where rows come out by that.
    matched: Vec<bool>,
}

/// Appends candidates: values found, where to go on, how many, where to, rows that have a partner.
type Walk<'a> = dyn Fn(&[u32], &mut Cursor, usize, &mut Pairs, &[bool]) + 'a;

/// What is being probed.
#[derive(Debug)]
struct Batch {
    columns: Vec<ArrayRef>,
    /// Number of each active row, where not all are active.
    active: Option<ScalarBuffer<u32>>,
    rows: usize,
    cursor: Cursor,
    /// Of columns that are gathered by pair, once pairs may repeat rows.
    row_bytes: Option<Vec<RowBytes>>,
    /// Row before which all is handed on, and whether the one at it has a partner already.
    shown: usize,
    partnered: bool,
    /// True where `matched` is final.
    settled: bool,
}

impl Prober {
    pub(super) fn new(table: Arc<JoinTable>, grant: Grant) -> Self {
        Self {
            table,
            grant,
            batch: None,
            found: Vec::new(),
            pending: Vec::new(),
            misses: false,
            pairs: Pairs::default(),
            key_rows: KeyRows::default(),
            matched: Vec::new(),
        }
    }

    /// Looks up the keys of a batch of the probe side, or of its rows of `selection`. What is left of the batch before is
    /// dropped.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]; what the keys' evaluation gives rise to; [`crate::Error::InvalidInput`] where columns are
    /// not those of the side.
    pub fn begin(&mut self, columns: &[ArrayRef], rows: usize, selection: Option<&Selection>) -> Result<()> {
        let table = Arc::clone(&self.table);
        self.batch = None;
        check_columns(columns, table.plan.probe_types().len(), rows)?;
        let selection = selection.filter(|selection| !selection.is_all());
        let keys = table.plan.probe_keys.evaluate(columns, rows, selection)?;
        let keys = keys.iter().map(LaneColumn::from_vector).collect::<Result<Vec<_>>>()?;
        let rows = selection.map_or(rows, Selection::count);
        self.look_up(&table, &keys, rows)?;
        self.note_nulls(&table, &keys, rows);
        self.batch = Some(Batch {
            columns: columns.to_vec(),
            active: selection.map(Selection::indices),
            rows,
            cursor: Cursor::default(),
            row_bytes: None,
            shown: 0,
            partnered: false,
            settled: false,
        });
        Ok(())
    }

    /// The next rows of the output, at most `limit` (at least one), and not none of them; `None` where the batch is done.
    /// Where rows are long there are fewer: pairs of about [`super::JoinSettings::output_bytes`].
    ///
    /// # Errors
    /// What the residual's evaluation gives rise to; [`crate::Error::InvalidInput`] where a result cannot be made as an array.
    pub fn next(&mut self, limit: usize) -> Result<Option<JoinBatch>> {
        let Some(mut batch) = self.batch.take() else { return Ok(None) };
        let table = Arc::clone(&self.table);
        let limit = limit.max(1);
        let out = match table.plan.while_probing {
            ProbeOutput::Pairs { keeps_probe } => self.next_pairs(&table, &mut batch, limit, keeps_probe)?,
            ProbeOutput::Rows(test) => self.next_rows(&table, &mut batch, limit, test)?,
            ProbeOutput::Nothing => {
                self.settle(&table, &mut batch)?;
                None
            }
        };
        if out.is_some() {
            self.batch = Some(batch);
        }
        Ok(out)
    }

    /// Values of all rows, 0 for those without candidate.
    fn look_up(&mut self, table: &JoinTable, keys: &[LaneColumn], rows: usize) -> Result<()> {
        self.found.clear();
        self.grant.resize(&mut self.found, rows, 0)?;
        if self.pending.len() < rows {
            self.grant.resize(&mut self.pending, rows, 0)?;
        }
        let by_tag = self.misses;
        let live = match (&table.keys, &table.table) {
            (Keys::Hashed { hasher, mask, .. }, Table::Narrow(slots)) => {
                let (words, live) = hashed_words(hasher, *mask, &table.plan.spec, keys, rows)?;
                slots.find(&words, &mut self.found, &mut self.pending, by_tag);
                self.key_rows.clear();
                self.key_rows.append(keys, rows, &mut self.grant)?;
                live
            }
            (Keys::Exact(layout), Table::Direct(values)) => {
                let (words, live) = layout.words(keys, rows)?;
                find_direct(values, &words, &mut self.found);
                live
            }
            (Keys::Exact(layout), Table::Narrow(slots)) => {
                let (words, live) = layout.words(keys, rows)?;
                slots.find(&words, &mut self.found, &mut self.pending, by_tag);
                live
            }
            (Keys::Exact(layout), Table::Wide(slots)) => {
                let (words, live) = layout.words(keys, rows)?;
                slots.find(&words, &mut self.found, &mut self.pending, by_tag);
                live
            }
            (Keys::Hashed { .. }, _) => return Err(crate::Error::invalid("a table of hashes is narrow")),
        };
        if let Some(live) = live {
            for (row, found) in self.found.iter_mut().enumerate() {
                *found = if live.value(row) { *found } else { 0 };
            }
        }
        self.misses = 2 * self.found.iter().filter(|&&value| value != 0).count() < rows;
        Ok(())
    }

    /// `NOT IN`: a null key is in nothing that has rows.
    fn note_nulls(&mut self, table: &JoinTable, keys: &[LaneColumn], rows: usize) {
        let nulls = keys.iter().find_map(|key| key.nulls.as_ref()).filter(|nulls| nulls.null_count() > 0);
        if table.plan.at_the_end == Some(RowTest::UnmatchedNullAware) && rows > 0 {
            table.probed.store(true, Ordering::Relaxed);
            if nulls.is_some() {
                table.probed_null.store(true, Ordering::Relaxed);
            }
        }
        if !matches!(table.plan.while_probing, ProbeOutput::Rows(_)) {
            return;
        }
        self.matched.clear();
        self.matched.resize(rows, false);
        if table.plan.while_probing == ProbeOutput::Rows(RowTest::UnmatchedNullAware) && table.rows > 0 {
            for (row, matched) in self.matched.iter_mut().enumerate() {
                *matched = table.null_keys || nulls.is_some_and(|nulls| nulls.is_null(row));
            }
        }
    }

    /// True where candidates are partners.
    fn candidates_match(table: &JoinTable) -> bool {
        table.plan.residual.is_none() && matches!(table.keys, Keys::Exact(_))
    }

    /// Of the candidates in `pairs`, those that are partners; they are marked.
    fn filter(&mut self, table: &JoinTable, batch: &Batch) -> Result<()> {
        if let Keys::Hashed { rows, .. } = &table.keys {
            let pairs = &mut self.pairs;
            let (probe, build) = (pairs.probe.clone(), pairs.build.clone());
            let equal = |at: usize| {
                build[at] == NO_ROW || self.key_rows.key(probe[at] as usize) == rows.key(build[at] as usize)
            };
            pairs.retain(equal);
        }
        if let Some((predicate, sources)) = &table.plan.residual
            && self.pairs.len() > 0
        {
            let columns = self.columns(table, batch, sources, None)?;
            let kept = predicate.select(&columns, self.pairs.len(), None)?;
            if !kept.is_all() {
                let kept = kept.bitmap();
                self.pairs.retain(|at| kept.value(at));
            }
        }
        if let Some(marks) = &table.marks {
            self.pairs.build.iter().filter(|&&row| row != NO_ROW).for_each(|&row| marks.set(row as usize));
        }
        Ok(())
    }

    /// Columns over `pairs`.
    fn columns(
        &self,
        table: &JoinTable,
        batch: &Batch,
        sources: &[Source],
        mark: Option<BooleanBuffer>,
    ) -> Result<Vec<ArrayRef>> {
        let reads = |probe: bool| {
            sources.iter().any(|source| match source {
                Source::Build(_) => !probe,
                Source::Probe(_) => probe,
                Source::Mark => false,
            })
        };
        let build = reads(false).then(|| BuildRows::new(self.pairs.build.clone()));
        let probe = reads(true).then(|| match &batch.active {
            None => ProbeRows::new(self.pairs.probe.clone(), self.pairs.distinct),
            Some(active) => {
                let rows = self.pairs.probe.iter().map(|&row| active[row as usize]).collect();
                ProbeRows::new(rows, self.pairs.distinct)
            }
        });
        let column = |source: &Source| match (*source, &build, &probe) {
            (Source::Build(held), Some(rows), _) => table.payload[held].gather(rows),
            (Source::Probe(column), _, Some(rows)) => rows.gather(&batch.columns[column]),
            _ => {
                let mark = mark.clone().unwrap_or_else(|| BooleanBuffer::new_unset(self.pairs.len()));
                Ok(Arc::new(BooleanArray::new(mark, None)) as ArrayRef)
            }
        };
        sources.iter().map(column).collect()
    }

    /// The next candidates into `pairs`, at most `limit`, and fewer where they make too many bytes.
    fn walk_bounded(&mut self, table: &JoinTable, batch: &mut Batch, limit: usize, walk: &Walk) {
        let before = batch.cursor;
        self.pairs.clear();
        walk(&self.found, &mut batch.cursor, limit, &mut self.pairs, &self.matched);
        let sources = || table.plan.gathered();
        let build: Vec<&PayloadColumn> = sources()
            .filter_map(|source| match source {
                Source::Build(held) => Some(&table.payload[*held]),
                _ => None,
            })
            .collect();
        if !self.pairs.distinct && batch.row_bytes.is_none() {
            let probe = sources().filter_map(|source| match source {
                Source::Probe(column) => Some(RowBytes::of(&batch.columns[*column])),
                _ => None,
            });
            batch.row_bytes = Some(probe.collect());
        }
        let probe = batch.row_bytes.as_deref().unwrap_or_default();
        if let Some(fit) = fitting(table.output_bytes, &self.pairs, &build, probe, batch.active.as_deref()) {
            self.pairs.clear();
            batch.cursor = before;
            walk(&self.found, &mut batch.cursor, fit, &mut self.pairs, &self.matched);
        }
    }

    fn next_pairs(
        &mut self,
        table: &JoinTable,
        batch: &mut Batch,
        limit: usize,
        keeps_probe: bool,
    ) -> Result<Option<JoinBatch>> {
        let plain = Self::candidates_match(table);
        while batch.shown < batch.rows || batch.cursor.row < batch.rows {
            let unique = table.unique && (plain || !keeps_probe);
            let empty = match (keeps_probe, plain) {
                (false, _) => Empty::Skipped,
                (true, true) => Empty::Shown,
                (true, false) => Empty::Counted,
            };
            self.walk_bounded(table, batch, limit, &|found, cursor, limit, pairs, _| match unique {
                true => walk_unique(found, cursor, limit, keeps_probe, pairs),
                false => walk(table, found, cursor, limit, empty, |_| false, pairs),
            });
            if !plain || table.marks.is_some() {
                self.filter(table, batch)?;
            }
            if keeps_probe && !plain {
                self.add_unmatched(batch);
            } else {
                batch.shown = batch.cursor.row;
            }
            let rows = self.pairs.len();
            if rows > 0 {
                let columns = self.columns(table, batch, &table.plan.output, None)?;
                return Ok(Some(JoinBatch { columns, rows }));
            }
        }
        Ok(None)
    }

    /// Puts the probe rows whose candidates are all done, and of which none was a partner, where they belong.
    fn add_unmatched(&mut self, batch: &mut Batch) {
        let partners = std::mem::take(&mut self.pairs);
        let mut all = Pairs { distinct: partners.distinct, ..Pairs::default() };
        let mut next = 0;
        let mut take = |row: usize, all: &mut Pairs| {
            let first = next;
            while next < partners.len() && partners.probe[next] as usize == row {
                all.push(row as u32, partners.build[next]);
                next += 1;
            }
            next > first
        };
        for row in batch.shown..batch.cursor.row {
            let found = take(row, &mut all) || batch.partnered && row == batch.shown;
            if !found {
                all.push(row as u32, NO_ROW);
            }
        }
        let before = batch.partnered && batch.shown == batch.cursor.row;
        batch.partnered = take(batch.cursor.row, &mut all) || before;
        batch.shown = batch.cursor.row;
        self.pairs = all;
    }

    /// Looks at all candidates: `matched` is final then, and all partners are marked.
    fn settle(&mut self, table: &JoinTable, batch: &mut Batch) -> Result<()> {
        if batch.settled {
            return Ok(());
        }
        batch.settled = true;
        let rows = !self.matched.is_empty();
        if Self::candidates_match(table) {
            for (matched, &found) in self.matched.iter_mut().zip(&self.found) {
                *matched |= found != 0;
            }
            if let Some(marks) = &table.marks {
                self.mark_found(table, marks);
            }
            return Ok(());
        }
        while batch.cursor.row < batch.rows {
            self.walk_bounded(table, batch, BLOCK, &|found, cursor, limit, pairs, matched| {
                let done = |row: usize| rows && matched[row];
                walk(table, found, cursor, limit, Empty::Skipped, done, pairs);
            });
            self.filter(table, batch)?;
            if rows {
                self.pairs.probe.iter().for_each(|&row| self.matched[row as usize] = true);
            }
        }
        Ok(())
    }

    /// Marks all rows of the keys found. The first row of a list is marked last: once it is, so are the others.
    fn mark_found(&self, table: &JoinTable, marks: &super::Marks) {
        for &value in self.found.iter().filter(|&&value| value != 0) {
            if value & super::table::LIST == 0 {
                marks.set(value as usize - 1);
            } else {
                let list = table.list(value);
                if !marks.get(list[0] as usize) {
                    list.iter().rev().for_each(|&row| marks.set(row as usize));
                }
            }
        }
    }

    fn next_rows(
        &mut self,
        table: &JoinTable,
        batch: &mut Batch,
        limit: usize,
        test: RowTest,
    ) -> Result<Option<JoinBatch>> {
        self.settle(table, batch)?;
        self.pairs.clear();
        let wanted = |matched: bool| match test {
            RowTest::Matched => matched,
            RowTest::Unmatched | RowTest::UnmatchedNullAware => !matched,
            RowTest::Marked => true,
        };
        let probe = &mut self.pairs.probe;
        while batch.shown < batch.rows && probe.len() < limit {
            // The row is written either way and counts where it is wanted: nothing is guessed.
            let end = batch.rows.min(batch.shown + (limit - probe.len()));
            let start = probe.len();
            probe.resize(start + end - batch.shown, 0);
            let mut at = start;
            for row in batch.shown..end {
                probe[at] = row as u32;
                at += usize::from(wanted(self.matched[row]));
            }
            probe.truncate(at);
            batch.shown = end;
        }
        let rows = probe.len();
        if rows == 0 {
            return Ok(None);
        }
        let mark = (test == RowTest::Marked)
            .then(|| BooleanBuffer::collect_bool(rows, |at| self.matched[self.pairs.probe[at] as usize]));
        let columns = self.columns(table, batch, &table.plan.output, mark)?;
        Ok(Some(JoinBatch { columns, rows }))
    }
}
