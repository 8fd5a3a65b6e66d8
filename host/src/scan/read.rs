//! One row group as batches.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, NullArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{FilterBuilder, FilterPredicate};
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
    RowSelection, RowSelector,
};
use parquet::errors::ParquetError;
use pilaster_kernels::expr::Expr;
use pilaster_kernels::expr::cpu::Predicate;
use pilaster_kernels::memory::Reserve;
use pilaster_kernels::{Error, Result};

use super::chunks::Chunks;
use super::file::{Place, ScanFile};
use super::matching::Origin;
use super::predicate::columns;
use super::types::{as_logical, physical_type};
use super::{ReadOptions, RowRanges, Scan, ScanTask, page::Chunk};

/// Bytes of a task's budget, given back when dropped.
#[derive(Debug)]
struct Reserved {
    reserve: Arc<dyn Reserve>,
    bytes: u64,
}

impl Reserved {
    fn new(reserve: &Arc<dyn Reserve>, bytes: u64) -> Result<Self> {
        reserve.try_grow(bytes)?;
        Ok(Self { reserve: Arc::clone(reserve), bytes })
    }

    fn grow(&mut self, bytes: u64) -> Result<()> {
        self.reserve.try_grow(bytes)?;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.reserve.shrink(self.bytes);
    }
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

/// What `scan.read` was asked for, with everything resolved against the file.
#[derive(Debug)]
struct RowGroup {
    file: ScanFile,
    row_group: usize,
    /// Rows to read: all of the row group, or those of `ranges`.
    rows: usize,
    ranges: Option<Arc<RowRanges>>,
    place: Place,
    /// Logical fields of the scan, and where the values of each come from.
    fields: Vec<(FieldRef, Origin)>,
}

pub(super) fn read(
    scan: &Scan,
    task: &ScanTask,
    options: &ReadOptions,
) -> Result<Box<dyn Iterator<Item = Result<RecordBatch>> + Send>> {
    let group = RowGroup::new(scan, task)?;
    let wanted = group.output(options)?;
    let batch_rows = options.batch_rows.max(1);
    let Some(predicate) = &options.predicate else {
        let reserved = Reserved::new(&options.reserve, group.bytes(&wanted))?;
        return Ok(Box::new(Batches::new(group, wanted, None, batch_rows, reserved)?));
    };
    let tested = columns(predicate, &scan.schema)?;
    let every: BTreeSet<usize> = tested.union(&wanted).copied().collect();
    let mut reserved = Reserved::new(&options.reserve, group.bytes(&every))?;
    let windows = group.windows(predicate, &tested, &wanted, batch_rows, &mut reserved)?;
    let rest = wanted.difference(&tested).copied().collect();
    Ok(Box::new(Batches::new(group, rest, Some(windows), batch_rows, reserved)?))
}

impl RowGroup {
    fn new(scan: &Scan, task: &ScanTask) -> Result<Self> {
        let sliced = scan.files.get(task.file).filter(|sliced| sliced.row_groups.contains(&task.row_group));
        let sliced = sliced.ok_or_else(|| Error::invalid("a task of another scan"))?;
        let file = &sliced.file;
        let origins = scan.projection.iter().map(|&index| sliced.origins[index].clone());
        let fields = scan.schema.fields().iter().cloned().zip(origins).collect();
        let place = file.place(task.row_group);
        Ok(Self {
            file: file.clone(),
            row_group: task.row_group,
            rows: task.rows,
            ranges: task.ranges.clone(),
            place,
            fields,
        })
    }

    fn output(&self, options: &ReadOptions) -> Result<BTreeSet<usize>> {
        let Some(output) = &options.output else { return Ok((0..self.fields.len()).collect()) };
        match output.iter().find(|&&index| index >= self.fields.len()) {
            Some(index) => Err(Error::invalid(format!("output column {index} of {}", self.fields.len()))),
            None => Ok(output.iter().copied().collect()),
        }
    }

    /// Encoded and decompressed bytes of some projected columns.
    fn bytes(&self, columns: &BTreeSet<usize>) -> u64 {
        let roots = columns.iter().filter_map(|&index| self.fields[index].1.root());
        let sizes = roots.map(|root| self.file.sizes(self.row_group, root));
        sizes.fold(0, |sum: u64, (encoded, plain)| sum.saturating_add(encoded).saturating_add(plain))
    }

    /// The rows of `ranges`.
    fn selection(&self) -> Option<RowSelection> {
        let ranges = self.ranges.as_ref()?.ranges().iter().cloned();
        Some(RowSelection::from_consecutive_ranges(ranges, self.file.rows(self.row_group)))
    }

    /// Opens root columns of the file, in their narrow physical types.
    fn open(
        &self,
        roots: &BTreeSet<usize>,
        selection: Option<RowSelection>,
        batch_rows: usize,
        reserved: &mut Reserved,
    ) -> Result<Option<ParquetRecordBatchReader>> {
        if roots.is_empty() {
            return Ok(None);
        }
        let chunks = self.fetch(roots, reserved)?;
        let schema = self.physical_schema();
        self.place.decode(|| {
            let options = ArrowReaderOptions::new().with_schema(schema);
            let metadata = ArrowReaderMetadata::try_new(Arc::clone(&self.file.metadata), options)?;
            let mask = ProjectionMask::roots(metadata.parquet_schema(), roots.iter().copied());
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(chunks, metadata)
                .with_row_groups(vec![self.row_group])
                .with_projection(mask)
                .with_batch_size(batch_rows);
            let builder = match selection {
                Some(selection) => builder.with_row_selection(selection),
                None => builder,
            };
            builder.build().map(Some)
        })
    }

    /// A batch in the types that its arrays have.
    fn batch(&self, arrays: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let fields: Vec<FieldRef> =
            self.fields.iter().zip(&arrays).map(|((field, _), array)| physical(field, array)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)?)
    }

    fn fetch(&self, roots: &BTreeSet<usize>, reserved: &mut Reserved) -> Result<Chunks> {
        let mut chunks = Vec::new();
        for leaf in roots.iter().flat_map(|&root| self.file.leaves(root)) {
            let chunk = self.file.metadata.row_group(self.row_group).column(leaf);
            let (start, length) = chunk.byte_range();
            let bytes = self.file.read_chunk(self.row_group, leaf)?;
            let place = Place { column: Some(chunk.column_path().string()), ..self.place.clone() };
            let pages = Chunk::new(bytes.clone(), chunk, place, &reserved.reserve)?.uncompressed_bytes();
            // Reserved so far is what the footer says.
            reserved.grow(pages.saturating_sub(chunk.uncompressed_size().unsigned_abs()))?;
            chunks.push((start..start + length, bytes));
        }
        chunks.sort_by_key(|(range, _)| range.start);
        Ok(Chunks(chunks))
    }

    /// The file's schema with the narrowest physical types that the reader can be told to produce.
    fn physical_schema(&self) -> SchemaRef {
        let mut fields: Vec<FieldRef> = self.file.schema.fields().iter().cloned().collect();
        for (field, origin) in &self.fields {
            let Some(root) = origin.root() else { continue };
            let Some(chunk) = self.file.flat_chunk(self.row_group, root) else { continue };
            if let Some(narrow) = physical_type(chunk, fields[root].data_type(), field.data_type()) {
                fields[root] = Arc::new(fields[root].as_ref().clone().with_data_type(narrow));
            }
        }
        Arc::new(Schema::new_with_metadata(fields, self.file.schema.metadata().clone()))
    }

    /// Tests the predicate on every row, window by window, and keeps what was decoded of the columns that come out.
    fn windows(
        &self,
        predicate: &Expr,
        tested: &BTreeSet<usize>,
        wanted: &BTreeSet<usize>,
        batch_rows: usize,
        reserved: &mut Reserved,
    ) -> Result<Vec<Window>> {
        let test = Predicate::new(predicate)?;
        let mut source = Source::new(self, tested, None, batch_rows, reserved)?;
        let mut windows = Vec::with_capacity(self.rows.div_ceil(batch_rows));
        while let Some(batch) = source.next(self, tested)? {
            let passed = test.select(batch.columns(), batch.num_rows(), None)?;
            let mut window =
                Window { rows: batch.num_rows(), survivors: passed.count(), filter: None, kept: vec![] };
            if !passed.is_all() && window.survivors > 0 {
                window.filter =
                    Some(FilterBuilder::new(&BooleanArray::new(passed.bitmap(), None)).optimize().build());
            }
            if window.survivors > 0 {
                for &index in tested.intersection(wanted) {
                    let kept = window.filter(batch.column(index))?;
                    reserved.grow(own_bytes(&kept))?;
                    window.kept.push((index, kept));
                }
            }
            windows.push(window);
        }
        Ok(windows)
    }
}

/// Bytes that an array holds alone: a dictionary is shared by the arrays of its chunk.
fn own_bytes(array: &dyn Array) -> u64 {
    match array.data_type() {
        DataType::Dictionary(..) => 4 * array.len() as u64,
        _ => array.get_array_memory_size() as u64,
    }
}

/// A batch's worth of rows of the row group, after the predicate's test.
///
/// Windows where no row survived are skipped without being decoded (whole pages of them without being decompressed). In
/// the others all rows are decoded and then filtered: to skip row by row inside a page costs the decoder more than
/// it spares (TPC-H Q6, 2 rows of 100 survive: 164 ms against 84 ms; `bench-data/records/epyc-2-cores/2026-11-21-scan.md`).
struct Window {
    rows: usize,
    survivors: usize,
    /// Absent where every row survived.
    filter: Option<FilterPredicate>,
    /// Those of the predicate's columns that come out, surviving rows only, and their places.
    kept: Vec<(usize, ArrayRef)>,
}

impl Window {
    fn filter(&self, array: &ArrayRef) -> Result<ArrayRef> {
        match &self.filter {
            _ if *array.data_type() == DataType::Null => Ok(Arc::new(NullArray::new(self.survivors))),
            Some(filter) => Ok(filter.filter(array)?),
            None => Ok(Arc::clone(array)),
        }
    }
}

/// Batches of some columns of a row group, or of the rows of it that are selected.
struct Source {
    reader: Option<ParquetRecordBatchReader>,
    /// Root columns of the file, in the order of the reader's batches.
    roots: Vec<usize>,
    rows_left: usize,
    batch_rows: usize,
}

impl Source {
    fn new(
        group: &RowGroup,
        columns: &BTreeSet<usize>,
        windows: Option<&[Window]>,
        batch_rows: usize,
        reserved: &mut Reserved,
    ) -> Result<Self> {
        let roots: BTreeSet<usize> =
            columns.iter().filter_map(|&index| group.fields[index].1.root()).collect();
        let rows_of = |window: &Window| if window.survivors > 0 { window.rows } else { 0 };
        let rows_left = windows.map_or(group.rows, |windows| windows.iter().map(rows_of).sum());
        let selection = windows.filter(|_| rows_left < group.rows).map(|windows| {
            let select =
                |window: &Window| RowSelector { row_count: window.rows, skip: window.survivors == 0 };
            windows.iter().map(select).collect::<Vec<_>>().into()
        });
        // Windows count the rows of the ranges only.
        let selection = match (group.selection(), selection) {
            (Some(ranges), Some(windows)) => Some(ranges.and_then(&windows)),
            (ranges, windows) => ranges.or(windows),
        };
        let reader = group.open(&roots, selection, batch_rows, reserved)?;
        Ok(Self { reader, roots: roots.into_iter().collect(), rows_left, batch_rows })
    }

    /// The next batch: `columns` in the scan's positions, null arrays elsewhere. `None` after the last row.
    fn next(&mut self, group: &RowGroup, columns: &BTreeSet<usize>) -> Result<Option<RecordBatch>> {
        if self.rows_left == 0 {
            return Ok(None);
        }
        let rows = self.rows_left.min(self.batch_rows);
        let read = match &mut self.reader {
            Some(reader) => {
                let read = group.place.decode(|| reader.next().transpose().map_err(ParquetError::from))?;
                let read =
                    read.ok_or_else(|| group.place.corrupt(format!("{} rows are missing", self.rows_left)))?;
                Some(read)
            }
            None => None,
        };
        if let Some(read) = read.as_ref().filter(|read| read.num_rows() != rows) {
            return Err(group.place.corrupt(format!("{} rows where {rows} were due", read.num_rows())));
        }
        self.rows_left -= rows;
        let column = |index: usize| -> Result<ArrayRef> {
            let (field, origin) = &group.fields[index];
            let position = origin.root().and_then(|root| self.roots.iter().position(|&known| known == root));
            match (read.as_ref(), position) {
                _ if !columns.contains(&index) => Ok(Arc::new(NullArray::new(rows))),
                (Some(read), Some(position)) => as_logical(read.column(position), field),
                _ => origin.array(field, rows),
            }
        };
        let arrays = (0..group.fields.len()).map(column).collect::<Result<Vec<_>>>()?;
        group.batch(arrays, rows).map(Some)
    }
}

/// Iterator over the batches of one task.
struct Batches {
    group: RowGroup,
    /// Columns that this source decodes; the predicate's come out of the windows.
    decoded: BTreeSet<usize>,
    source: Source,
    /// Windows with survivors that are still to come; absent without a predicate.
    windows: Option<std::vec::IntoIter<Window>>,
    failed: bool,
    _reserved: Reserved,
}

impl Batches {
    fn new(
        group: RowGroup,
        decoded: BTreeSet<usize>,
        windows: Option<Vec<Window>>,
        batch_rows: usize,
        mut reserved: Reserved,
    ) -> Result<Self> {
        let nothing =
            windows.as_ref().is_some_and(|windows| windows.iter().all(|window| window.survivors == 0));
        let decoded = if nothing { BTreeSet::new() } else { decoded };
        let source = Source::new(&group, &decoded, windows.as_deref(), batch_rows, &mut reserved)?;
        let windows = windows.map(|mut windows| {
            windows.retain(|window| window.survivors > 0);
            windows.into_iter()
        });
        Ok(Self { group, decoded, source, windows, failed: false, _reserved: reserved })
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let Some(batch) = self.source.next(&self.group, &self.decoded)? else { return Ok(None) };
        let Some(windows) = &mut self.windows else { return Ok(Some(batch)) };
        let window = windows.next().ok_or_else(|| self.group.place.corrupt("more rows than were tested"))?;
        let mut arrays =
            batch.columns().iter().map(|array| window.filter(array)).collect::<Result<Vec<_>>>()?;
        for (index, kept) in window.kept {
            arrays[index] = kept;
        }
        self.group.batch(arrays, window.survivors).map(Some)
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
