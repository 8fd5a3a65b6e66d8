//! One row group as a scan sees it: its columns found in the file, their chunks fetched, readers opened over them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, NullArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use pilaster_kernels::memory::Reserve;
use pilaster_kernels::parquet::{Leaf, LeafReader, Nested};
use pilaster_kernels::{Error, Result};
use rayon::prelude::*;

use super::columns::Column;
use super::file::{Place, ScanFile};
use super::matching::Origin;
use super::page::{Chunk, Pool};
use super::prune::index;
use super::shared::{Chunks, SharedChunks};
use super::stored::{RootColumn, StoredLeaf, assembled};
use super::types::{as_declared, as_logical, declared_flat, decoded_flat, reads_as};
use super::{ReadOptions, Scan, ScanTask};

/// Chunks that lie no farther apart are read together.
const GAP_BYTES: u64 = 64 << 10;
/// One read is no longer than this, unless a single chunk is.
const READ_BYTES: u64 = 16 << 20;

/// What `scan.read` was asked for, with everything resolved against the file.
#[derive(Debug)]
pub(super) struct RowGroup {
    file: ScanFile,
    row_group: usize,
    place: Place,
    /// Logical fields of the scan, and where the values of each come from.
    fields: Vec<(FieldRef, Origin)>,
    /// Of the last batch: all batches of a task have the same, but for what a cast could change.
    physical: Option<SchemaRef>,
    reserve: Arc<dyn Reserve>,
    pool: Arc<Pool>,
    in_parallel: bool,
    /// Whether arrays are of the fields' types exactly.
    declared: bool,
    /// Whether rows may be passed over, so that it pays to know which page they are in.
    skips: bool,
    /// Where other tasks read of this row group too, and which of the scan's it is.
    shared: Option<(Arc<SharedChunks>, (usize, usize))>,
}

impl RowGroup {
    pub(super) fn new(scan: &Scan, task: &ScanTask, options: &ReadOptions) -> Result<Self> {
        let sliced = scan.file_of(task)?;
        let file = &sliced.file;
        let origins = scan.projection.iter().map(|&index| sliced.origins[index].clone());
        let fields = scan.schema.fields().iter().cloned().zip(origins).collect();
        Ok(Self {
            file: file.clone(),
            row_group: task.row_group,
            place: file.place(task.row_group),
            fields,
            physical: None,
            reserve: Arc::clone(&options.reserve),
            pool: Arc::clone(&scan.pool),
            in_parallel: options.columns_in_parallel,
            declared: options.declared_types,
            skips: options.predicate.is_some() || !options.key_filters.is_empty() || task.ranges.is_some(),
            shared: task.ranges.as_ref().map(|_| (Arc::clone(&scan.shared), (task.file, task.row_group))),
        })
    }

    /// Columns whose values come out.
    pub(super) fn output(&self, options: &ReadOptions) -> Result<BTreeSet<usize>> {
        let Some(output) = &options.output else { return Ok((0..self.fields.len()).collect()) };
        match output.iter().find(|&&index| index >= self.fields.len()) {
            Some(index) => Err(Error::invalid(format!("output column {index} of {}", self.fields.len()))),
            None => Ok(output.iter().copied().collect()),
        }
    }

    /// Readers of some columns, at the first row of the row group. Their chunks are fetched here, and reserved before.
    pub(super) fn open(&self, columns: &BTreeSet<usize>) -> Result<Readers> {
        let roots: BTreeSet<usize> =
            columns.iter().filter_map(|&index| self.fields[index].1.root()).collect();
        let leaves = roots.into_iter().flat_map(|root| self.file.leaves(root));
        let chunks = match &self.shared {
            Some((shared, group)) => shared.get(*group, leaves, |missing| self.fetch(missing))?,
            None => self.fetch(leaves.collect())?,
        };
        let open = |&index: &usize| {
            let (field, origin) = &self.fields[index];
            let reader = match origin {
                Origin::Root(root) => Reader::Column(self.column(*root, field, &chunks)?),
                Origin::Constant(_) | Origin::Absent => {
                    Reader::Made(Arc::clone(field), origin.clone(), self.declared)
                }
            };
            Ok((index, reader))
        };
        let columns = columns.iter().map(open).collect::<Result<_>>()?;
        Ok(Readers { columns, in_parallel: self.in_parallel })
    }

    /// Those of some columns that are not nested and need no cast, their chunks fetched. A row group that tasks share has
    /// none.
    pub(super) fn flat(&self, columns: &[usize]) -> Result<Vec<Flat>> {
        let found = |&index: &usize| {
            let (field, origin) = &self.fields[index];
            let root = origin.root()?;
            let arrow = self.file.schema.field(root).data_type();
            let mut column = self.file.decoding(root).filter(|_| reads_as(arrow, field.data_type()))?;
            let (position, leaf) = column.flat()?;
            (leaf.max_repetition == 0).then_some((index, root, *position))
        };
        let found: Vec<_> = columns.iter().filter_map(found).collect();
        let leaves: BTreeSet<usize> = found.iter().map(|(_, _, position)| *position).collect();
        let chunks = self.fetch(leaves.into_iter().collect())?;
        let mut flat = Vec::with_capacity(found.len());
        for (column, root, _) in found {
            let field = &self.fields[column].0;
            let stored = self.stored(root, field, &chunks)?.leaves.into_iter().next();
            flat.extend(stored.map(|stored| Flat { column, field: Arc::clone(field), stored }));
        }
        Ok(flat)
    }

    /// A column of the scan as it is stored, its chunks fetched; none where the file does not have it.
    pub(super) fn root_column(&self, index: usize) -> Result<Option<RootColumn>> {
        let (field, origin) = &self.fields[index];
        let Some(root) = origin.root() else { return Ok(None) };
        let chunks = self.fetch(self.file.leaves(root).collect())?;
        self.stored(root, field, &chunks).map(Some)
    }

    /// A column that the file does not have.
    pub(super) fn made(&self, index: usize, rows: usize) -> Result<ArrayRef> {
        let (field, origin) = &self.fields[index];
        origin.array(field, rows)
    }

    fn stored(&self, root: usize, field: &FieldRef, chunks: &Chunks) -> Result<RootColumn> {
        let place = Place { column: Some(field.name().clone()), ..self.place.clone() };
        let found = self.file.schema.field(root).data_type();
        let mut column: Column = self
            .file
            .decoding(root)
            .ok_or_else(|| place.corrupt(format!("its groups do not make a column of type {found}")))?;
        if let Some((position, leaf)) = column.flat() {
            let codes = chunks.get(position).is_some_and(|chunk| chunk.is_all_dictionary());
            let decoded = if self.declared { declared_flat } else { decoded_flat };
            leaf.data_type = decoded(leaf.physical, found, field.data_type(), codes);
        }
        let stored = |(position, leaf): (usize, Leaf)| {
            let chunk = chunks.get(&position).ok_or_else(|| place.corrupt("a leaf without a chunk"))?;
            let descriptor = self.file.metadata.file_metadata().schema_descr().column(position);
            Ok(StoredLeaf {
                leaf,
                path: descriptor.path().string(),
                chunk: Arc::clone(chunk),
                pool: Arc::clone(&self.pool),
                reserve: Arc::clone(&self.reserve),
            })
        };
        let leaves = column.leaves.into_iter().map(stored).collect::<Result<Vec<_>>>()?;
        Ok(RootColumn { tree: column.tree, leaves, field: Arc::clone(field), place })
    }

    fn column(&self, root: usize, field: &FieldRef, chunks: &Chunks) -> Result<ColumnReader> {
        let RootColumn { tree, leaves, field, place } = self.stored(root, field, chunks)?;
        let leaves = leaves.iter().map(StoredLeaf::reader).collect::<Result<Vec<_>>>()?;
        Ok(ColumnReader { tree, leaves, row: 0, field, place, declared: self.declared })
    }

    /// The chunks of some leaves, neighbours in one read.
    fn fetch(&self, leaves: Vec<usize>) -> Result<Chunks> {
        let metadata = self.file.metadata.row_group(self.row_group);
        let mut wanted: Vec<(Range<u64>, usize)> = leaves
            .into_iter()
            .map(|leaf| {
                // Checked against the file's length when the footer was read.
                let (start, length) = metadata.column(leaf).byte_range();
                (start..start + length, leaf)
            })
            .collect();
        wanted.sort_by_key(|(range, _)| range.start);
        let mut chunks = Chunks::new();
        let mut rest = wanted.as_slice();
        while let Some((first, _)) = rest.first() {
            let mut span = first.clone();
            let together = rest.iter().take_while(|(range, _)| {
                let end = span.end.max(range.end);
                let near =
                    range.start <= span.end.saturating_add(GAP_BYTES) && end - span.start <= READ_BYTES;
                let joins = near || *range == *first;
                if joins {
                    span.end = end;
                }
                joins
            });
            let (now, later) = rest.split_at(together.count());
            let bytes = self.file.read(self.row_group, now[0].1, span.clone(), &self.pool, &self.reserve)?;
            for (range, leaf) in now {
                let metadata = metadata.column(*leaf);
                let place = Place { column: Some(metadata.column_path().string()), ..self.place.clone() };
                let own = bytes.slice((range.start - span.start) as usize..(range.end - span.start) as usize);
                let rows = self.file.rows(self.row_group);
                let mut chunk = Chunk::new(own, metadata, place, &self.reserve)?.of_rows(rows);
                if self.skips && chunk.lacks_rows() {
                    let spans = index::pages(&self.file, metadata, rows)?.unwrap_or_default();
                    let spans: Vec<_> = spans.iter().map(|span| (span.rows.len(), span.bytes)).collect();
                    chunk = chunk.located(&spans);
                }
                chunks.insert(*leaf, Arc::new(chunk));
            }
            rest = later;
        }
        Ok(chunks)
    }

    /// A batch in the types that its arrays have: `arrays` in the scan's positions, null arrays elsewhere.
    pub(super) fn batch(
        &mut self,
        mut arrays: BTreeMap<usize, ArrayRef>,
        rows: usize,
    ) -> Result<RecordBatch> {
        let arrays: Vec<ArrayRef> = (0..self.fields.len())
            .map(|index| arrays.remove(&index).unwrap_or_else(|| Arc::new(NullArray::new(rows))))
            .collect();
        let same = |schema: &&SchemaRef| {
            let types = schema.fields().iter().map(|field| field.data_type());
            types.eq(arrays.iter().map(|array| array.data_type()))
        };
        let schema = match self.physical.as_ref().filter(same) {
            Some(schema) => Arc::clone(schema),
            None => {
                let fields =
                    self.fields.iter().zip(&arrays).map(|((field, _), array)| physical(field, array));
                Arc::clone(self.physical.insert(Arc::new(Schema::new(fields.collect::<Vec<_>>()))))
            }
        };
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(schema, arrays, &options)?)
    }

    pub(super) fn width(&self) -> usize {
        self.fields.len()
    }

    /// Rows of the row group.
    pub(super) fn rows(&self) -> usize {
        self.file.rows(self.row_group)
    }
}

/// A column that is not nested, its pages not yet read.
pub(super) struct Flat {
    /// Position in the scan.
    pub(super) column: usize,
    pub(super) field: FieldRef,
    pub(super) stored: StoredLeaf,
}

/// The field in the type that an array has.
fn physical(field: &FieldRef, array: &ArrayRef) -> FieldRef {
    let null = *array.data_type() == DataType::Null;
    if field.data_type() == array.data_type() && !null {
        return Arc::clone(field);
    }
    let nullable = field.is_nullable() || null;
    Arc::new(field.as_ref().clone().with_data_type(array.data_type().clone()).with_nullable(nullable))
}

/// Readers of columns of one row group, by position in the scan.
pub(super) struct Readers {
    columns: Vec<(usize, Reader)>,
    in_parallel: bool,
}

enum Reader {
    Column(ColumnReader),
    /// A column that the file does not have; whether it is of the field's type exactly.
    Made(FieldRef, Origin, bool),
}

impl Readers {
    /// Some rows of every column; the ranges of successive calls ascend. Rows between them are skipped.
    pub(super) fn read(&mut self, rows: &Range<usize>) -> Result<Vec<(usize, ArrayRef)>> {
        let read = |(index, reader): &mut (usize, Reader)| {
            let array = match reader {
                Reader::Column(column) => column.read(rows)?,
                Reader::Made(field, origin, declared) => match origin.array(field, rows.len())? {
                    array if *declared => as_declared(&array, field)?,
                    array => array,
                },
            };
            Ok((*index, array))
        };
        if self.in_parallel && self.columns.len() > 1 {
            self.columns.par_iter_mut().map(read).collect()
        } else {
            self.columns.iter_mut().map(read).collect()
        }
    }
}

/// A root column of a row group, read in order.
struct ColumnReader {
    tree: Nested,
    leaves: Vec<LeafReader>,
    /// The next row.
    row: usize,
    field: FieldRef,
    place: Place,
    declared: bool,
}

impl ColumnReader {
    fn read(&mut self, rows: &Range<usize>) -> Result<ArrayRef> {
        let missing = |found: usize| {
            let reason = format!("it ends after {found} of its rows");
            self.place.corrupt(reason)
        };
        let ahead = rows.start - self.row;
        let mut batches = Vec::with_capacity(self.leaves.len());
        for leaf in &mut self.leaves {
            let skipped = if ahead > 0 { leaf.skip(ahead)? } else { 0 };
            if skipped != ahead {
                return Err(missing(self.row + skipped));
            }
            let batch = leaf.read(rows.len())?;
            if batch.rows != rows.len() {
                return Err(missing(rows.start + batch.rows));
            }
            batches.push(batch);
        }
        self.row = rows.end;
        let array = assembled(&self.tree, &batches, &self.place)?;
        if self.declared { as_declared(&array, &self.field) } else { as_logical(&array, &self.field) }
    }
}
