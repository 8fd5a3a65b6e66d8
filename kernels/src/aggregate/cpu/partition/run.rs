//! Runs: rows, or groups with their states, in order of partition, in memory or on disk.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::interleave;
use arrow::datatypes::DataType;

use super::arrange::{Places, column_bytes};
use super::form::Form;
use super::{Level, PARTITIONS};
use crate::aggregate::AggregateSpec;
use crate::error::Result;
use crate::expr::value_type;
use crate::keys::lanes::LaneColumn;
use crate::memory::{Grant, Spill, SpillFile, Spilled};

/// What the columns of a run are.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// Staged rows.
    Rows(Arc<Form>),
    /// Keys and states of groups of this spec, as [`crate::aggregate::partial::Partial::into_batch`] writes them.
    States(Arc<AggregateSpec>),
}

impl Kind {
    /// True where both can lie in one file.
    fn is_same(&self, other: &Kind) -> bool {
        match (self, other) {
            (Kind::Rows(a), Kind::Rows(b)) => Arc::ptr_eq(a, b),
            (Kind::States(a), Kind::States(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    fn keys(&self, columns: &[ArrayRef]) -> Result<Vec<LaneColumn>> {
        match self {
            Kind::Rows(form) => form.keys(columns),
            Kind::States(spec) => columns[..spec.keys.len()].iter().map(LaneColumn::from_array).collect(),
        }
    }
}

/// Batches of one kind and of the same types that are not yet in order.
#[derive(Debug)]
pub(super) struct Loose {
    pub(super) kind: Kind,
    pub(super) batches: Vec<Vec<ArrayRef>>,
    pub(super) rows: usize,
}

#[derive(Debug)]
pub(super) struct Run {
    pub(super) kind: Kind,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Memory {
        columns: Vec<ArrayRef>,
        ends: Vec<usize>,
        grant: Grant,
    },
    Disk {
        file: Arc<dyn Spilled>,
        /// Batches `firsts[p]` to `firsts[p + 1]` are those of partition `p`.
        firsts: Vec<usize>,
    },
}

impl Loose {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, batches: Vec::new(), rows: 0 }
    }

    /// True where a batch has the types of those that are here.
    pub(super) fn accepts(&self, columns: &[ArrayRef]) -> bool {
        self.batches.first().is_none_or(|first| {
            first.iter().zip(columns).all(|(known, column)| known.data_type() == column.data_type())
        })
    }

    pub(super) fn push(&mut self, columns: Vec<ArrayRef>, rows: usize) {
        self.batches.push(columns);
        self.rows += rows;
    }

    /// Bytes of a batch beside those that are here.
    pub(super) fn bytes_of(&self, columns: &[ArrayRef]) -> u64 {
        let before = |at: usize| self.batches.last().and_then(|last| last.get(at));
        columns.iter().enumerate().map(|(at, column)| column_bytes(column, before(at))).sum()
    }

    fn places(&self, level: &Level) -> Result<Places> {
        let mut partitions = Vec::with_capacity(self.rows);
        for columns in &self.batches {
            let rows = columns.first().map_or(0, |column| column.len());
            let hashes = level.shared.hasher.hash(&self.kind.keys(columns)?, rows)?;
            super::locked(&level.distinct).add(&hashes);
            partitions.extend(hashes.into_iter().map(|hash| level.partition(hash)));
        }
        Ok(Places::new(&partitions))
    }

    fn column(&self, at: usize) -> Vec<ArrayRef> {
        self.batches.iter().map(|columns| Arc::clone(&columns[at])).collect()
    }

    fn width(&self) -> usize {
        self.batches.first().map_or(0, Vec::len)
    }

    /// The rows in order, in memory that `grant` holds.
    pub(super) fn arranged(&self, level: &Level, grant: Grant) -> Result<Run> {
        let places = self.places(level)?;
        let columns = (0..self.width()).map(|at| places.arrange(&self.column(at)));
        let columns = columns.collect::<Result<_>>()?;
        Ok(Run { kind: self.kind.clone(), content: Content::Memory { columns, ends: places.ends, grant } })
    }

    /// The rows in order, on disk, one partition in memory at a time.
    pub(super) fn written(&self, level: &Level, spill: &Arc<dyn Spill>) -> Result<Run> {
        let places = self.places(level)?;
        let origins = places.origins(self.batches.iter().map(|columns| columns[0].len()));
        let mut file = SpillFile::new(Arc::clone(spill));
        let mut firsts = vec![0];
        let mut from = 0;
        for &to in &places.ends {
            if to > from {
                let columns = (0..self.width()).map(|at| {
                    let parts: Vec<&dyn Array> =
                        self.batches.iter().map(|batch| batch[at].as_ref()).collect();
                    Ok(interleave(&parts, &origins[from..to])?)
                });
                file.write(&columns.collect::<Result<Vec<_>>>()?, to - from)?;
            }
            firsts.push(file.batches());
            from = to;
        }
        Ok(Run { kind: self.kind.clone(), content: Content::Disk { file: file.finish()?, firsts } })
    }
}

impl Run {
    /// Bytes that writing it to disk frees.
    pub(super) fn memory_bytes(&self) -> u64 {
        match &self.content {
            Content::Memory { grant, .. } => grant.bytes(),
            Content::Disk { .. } => 0,
        }
    }

    /// Gives back what was held for the making of the run.
    pub(super) fn give_back(&mut self, bytes: u64) {
        if let Content::Memory { grant, .. } = &mut self.content {
            grant.shrink(bytes);
        }
    }

    pub(super) fn disk_bytes(&self) -> u64 {
        match &self.content {
            Content::Memory { .. } => 0,
            Content::Disk { file, .. } => file.bytes(),
        }
    }

    /// The rows of neighbouring partitions, in batches; a batch of a file is read when it is asked for.
    pub(super) fn batches(&self, partitions: Range<usize>) -> Batches<'_> {
        match &self.content {
            Content::Memory { columns, ends, .. } => {
                let from = if partitions.start == 0 { 0 } else { ends[partitions.start - 1] };
                let to = if partitions.is_empty() { from } else { ends[partitions.end - 1] };
                let slice = || columns.iter().map(|column| column.slice(from, to - from)).collect();
                let batch = (to > from).then(|| Ok((slice(), to - from)));
                Box::new(batch.into_iter())
            }
            Content::Disk { file, firsts } => {
                Box::new((firsts[partitions.start]..firsts[partitions.end]).map(|batch| {
                    let batch = file.read(batch)?;
                    Ok((batch.columns().to_vec(), batch.num_rows()))
                }))
            }
        }
    }
}

/// Columns and their number of rows.
pub(super) type Batches<'a> = Box<dyn Iterator<Item = Result<(Vec<ArrayRef>, usize)>> + 'a>;

/// Runs on disk, with the runs of one kind in one file, and all batches of a partition side by side.
pub(super) fn spilled(runs: Vec<Run>, spill: &Arc<dyn Spill>) -> Result<Vec<Run>> {
    let mut kinds: Vec<Vec<Run>> = Vec::new();
    for run in runs {
        match kinds.iter_mut().find(|known| fits_one_file(&known[0], &run)) {
            Some(known) => known.push(run),
            None => kinds.push(vec![run]),
        }
    }
    kinds.into_iter().map(|runs| write(&runs, spill)).collect()
}

fn fits_one_file(a: &Run, b: &Run) -> bool {
    let types = |run: &Run| -> Vec<DataType> {
        match &run.content {
            Content::Memory { columns, .. } => {
                columns.iter().map(|column| value_type(column.data_type()).clone()).collect()
            }
            Content::Disk { .. } => Vec::new(),
        }
    };
    a.kind.is_same(&b.kind) && types(a) == types(b)
}

fn write(runs: &[Run], spill: &Arc<dyn Spill>) -> Result<Run> {
    let mut file = SpillFile::new(Arc::clone(spill));
    let mut firsts = vec![0];
    for partition in 0..PARTITIONS {
        for run in runs {
            for batch in run.batches(partition..partition + 1) {
                let (columns, rows) = batch?;
                file.write(&columns, rows)?;
            }
        }
        firsts.push(file.batches());
    }
    Ok(Run { kind: runs[0].kind.clone(), content: Content::Disk { file: file.finish()?, firsts } })
}
