//! One row group as batches: stretch by stretch, the predicate's columns first.
//!
//! ```text
//! rows:        [ stretch ][ stretch ][ stretch ] ...          batch_rows each, within the task's ranges
//! conjunct 1   decode its columns, test                       none left: the stretch is done
//! conjunct 2   decode what it reads besides, test those left  ...
//! join keys    likewise
//! the others   decode from the first survivor to the last, filter
//! ```
//! Readers skip what nobody asks of them: whole pages are not decompressed. Columns that only survivors need are not even
//! fetched before there is one.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, NullArray, RecordBatch};
use arrow::compute::{FilterBuilder, FilterPredicate};
use pilaster_kernels::expr::Expr;
use pilaster_kernels::expr::cpu::Predicate;
use pilaster_kernels::filter::Selection;
use pilaster_kernels::{Error, Result};

use super::group::{Readers, RowGroup};
use super::predicate::columns;
use super::{KeyFilter, ReadOptions, RowRanges, Scan, ScanTask};

pub(super) fn read(
    scan: &Scan,
    task: &ScanTask,
    options: &ReadOptions,
) -> Result<Box<dyn Iterator<Item = Result<RecordBatch>> + Send>> {
    let group = RowGroup::new(scan, task, options)?;
    let wanted = group.output(options)?;
    let mut tests = Vec::new();
    let mut tested = BTreeSet::new();
    if let Some(predicate) = &options.predicate {
        // Checked as a whole first: no column is read for a predicate that cannot be.
        columns(predicate, &scan.schema)?;
        tests = self::tests(predicate, scan, &group, &mut tested)?;
    }
    for filter in &options.key_filters {
        tests.push(key_test(filter, scan, &group, &mut tested)?);
    }
    let rest: BTreeSet<usize> = wanted.difference(&tested).copied().collect();
    let others = if tests.is_empty() { Others::Open(group.open(&rest)?) } else { Others::Wanted(rest) };
    let rows = task.ranges.as_deref().cloned().unwrap_or_else(|| RowRanges::all(task.rows));
    let stretches: Vec<_> = rows.stretches(options.batch_rows).collect();
    Ok(Box::new(Batches { group, wanted, tests, others, stretches: stretches.into_iter(), failed: false }))
}

/// A part of the predicate, or a test of a key, and readers of those of its columns that none before it reads.
struct Test {
    condition: Condition,
    readers: Readers,
}

enum Condition {
    Predicate(Predicate),
    Key(KeyFilter),
}

impl Condition {
    /// The rows of `passed`, all without it, that pass.
    fn select(&self, inputs: &[ArrayRef], rows: usize, passed: Option<&Selection>) -> Result<Selection> {
        match self {
            Condition::Predicate(predicate) => predicate.select(inputs, rows, passed),
            Condition::Key(filter) => {
                let kept = filter.test.keep(&inputs[filter.column])?;
                Ok(passed.map_or_else(|| kept.clone(), |passed| passed.and(&kept)))
            }
        }
    }
}

/// A test of a key, after all parts of the predicate.
fn key_test(filter: &KeyFilter, scan: &Scan, group: &RowGroup, tested: &mut BTreeSet<usize>) -> Result<Test> {
    let width = scan.schema.fields().len();
    if filter.column >= width {
        return Err(Error::invalid(format!("a filter of column {} of {width}", filter.column)));
    }
    let own = tested.insert(filter.column).then_some(filter.column).into_iter().collect();
    Ok(Test { condition: Condition::Key(filter.clone()), readers: group.open(&own)? })
}

/// The predicate's conjuncts in order; one that reads no column of its own joins the one before it.
fn tests(predicate: &Expr, scan: &Scan, group: &RowGroup, tested: &mut BTreeSet<usize>) -> Result<Vec<Test>> {
    let mut parts: Vec<(Expr, BTreeSet<usize>)> = Vec::new();
    for conjunct in predicate.conjuncts() {
        let mut own = columns(conjunct, &scan.schema)?;
        own.retain(|column| tested.insert(*column));
        match parts.last_mut() {
            Some((part, _)) if own.is_empty() => *part = Expr::and(part.clone(), conjunct.clone())?,
            _ => parts.push((conjunct.clone(), own)),
        }
    }
    // All in one go: their chunks may be neighbours.
    parts
        .into_iter()
        .map(|(part, own)| {
            Ok(Test { condition: Condition::Predicate(Predicate::new(&part)?), readers: group.open(&own)? })
        })
        .collect()
}

/// Columns that the predicate does not read.
enum Others {
    Wanted(BTreeSet<usize>),
    Open(Readers),
}

impl Others {
    fn read(&mut self, group: &RowGroup, rows: &Range<usize>) -> Result<Vec<(usize, ArrayRef)>> {
        if let Others::Wanted(columns) = self {
            *self = Others::Open(group.open(columns)?);
        }
        match self {
            Others::Open(readers) => readers.read(rows),
            Others::Wanted(_) => Ok(Vec::new()),
        }
    }
}

/// Iterator over the batches of one task.
struct Batches {
    group: RowGroup,
    wanted: BTreeSet<usize>,
    tests: Vec<Test>,
    others: Others,
    stretches: std::vec::IntoIter<Range<usize>>,
    failed: bool,
}

impl Batches {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        while let Some(stretch) = self.stretches.next() {
            if let Some(batch) = self.stretch(&stretch)? {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    /// The rows of a stretch that pass; `None` without any.
    fn stretch(&mut self, rows: &Range<usize>) -> Result<Option<RecordBatch>> {
        let mut tested = BTreeMap::new();
        let Some(passed) = self.test(rows, &mut tested)? else { return Ok(None) };
        let survivors = Survivors::new(&passed, rows);
        let mut arrays: BTreeMap<usize, ArrayRef> = BTreeMap::new();
        for (index, array) in tested {
            if self.wanted.contains(&index) {
                arrays.insert(
                    index,
                    survivors.of(&array.slice(survivors.within.start, survivors.within.len()))?,
                );
            }
        }
        for (index, array) in self.others.read(&self.group, &survivors.rows)? {
            arrays.insert(index, survivors.of(&array)?);
        }
        self.group.batch(arrays, survivors.count).map(Some)
    }

    /// The rows of a stretch that pass all tests, and what was decoded for them; `None` as soon as no row is left.
    fn test(
        &mut self,
        rows: &Range<usize>,
        decoded: &mut BTreeMap<usize, ArrayRef>,
    ) -> Result<Option<Selection>> {
        let mut passed = None;
        let nulls: ArrayRef = Arc::new(NullArray::new(rows.len()));
        let mut inputs = vec![nulls; self.group.width()];
        for test in &mut self.tests {
            for (index, array) in test.readers.read(rows)? {
                inputs[index] = Arc::clone(&array);
                decoded.insert(index, array);
            }
            let left = test.condition.select(&inputs, rows.len(), passed.as_ref())?;
            if left.count() == 0 {
                return Ok(None);
            }
            passed = Some(left);
        }
        Ok(Some(passed.unwrap_or_else(|| Selection::all(rows.len()))))
    }
}

/// Rows of a stretch that passed. Rows between the first and the last of them are decoded and then filtered: to skip row by
/// row inside a page costs a decoder more than it spares (TPC-H Q6, 2 rows of 100 survive: 164 ms against 84 ms with the
/// `parquet` crate's; `bench-data/records/epyc-2-cores/2026-11-21-scan.md`).
struct Survivors {
    /// From the first to the last, within the stretch and within the row group.
    within: Range<usize>,
    rows: Range<usize>,
    count: usize,
    /// Over the rows of `within`; absent where all of them passed.
    filter: Option<FilterPredicate>,
}

impl Survivors {
    fn new(passed: &Selection, stretch: &Range<usize>) -> Self {
        let count = passed.count();
        if passed.is_all() {
            return Self { within: 0..count, rows: stretch.clone(), count, filter: None };
        }
        let bits = passed.bitmap();
        let mut slices = bits.set_slices();
        let first = slices.next().unwrap_or_default();
        let end = slices.last().map_or(first.1, |last| last.1);
        let within = first.0..end;
        let rows = stretch.start + within.start..stretch.start + within.end;
        let filter = (count < within.len()).then(|| {
            let kept = BooleanArray::new(bits.slice(within.start, within.len()), None);
            FilterBuilder::new(&kept).optimize().build()
        });
        Self { within, rows, count, filter }
    }

    fn of(&self, array: &ArrayRef) -> Result<ArrayRef> {
        match &self.filter {
            Some(filter) => Ok(filter.filter(array)?),
            None => Ok(Arc::clone(array)),
        }
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.next_batch().transpose();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}
