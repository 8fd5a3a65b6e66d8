//! One row group as batches.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, BooleanBufferBuilder, NullArray, RecordBatch, RecordBatchOptions,
    new_null_array,
};
use arrow::buffer::BooleanBuffer;
use arrow::compute::CastOptions;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use bytes::{Buf, Bytes};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
    RowSelection,
};
use parquet::basic::{Encoding, PageType, Type as PhysicalType};
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, Length};
use pilaster_kernels::expr::Expr;
use pilaster_kernels::expr::cpu::Predicate;
use pilaster_kernels::memory::Reserve;
use pilaster_kernels::{Error, Result};

use super::file::{Place, ScanFile};
use super::predicate::columns;
use super::{ReadOptions, Scan, ScanTask, page};

/// True where a column of type `found` needs no cast to serve as `wanted`: physically different, logically the same.
pub(super) fn reads_as(found: &DataType, wanted: &DataType) -> bool {
    let text = |data_type: &DataType| {
        matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
            || matches!(data_type, DataType::Dictionary(key, values)
                if **key == DataType::Int32 && **values == DataType::Utf8)
    };
    let decimal = |data_type: &DataType| match data_type {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => Some((*precision, *scale)),
        _ => None,
    };
    match (decimal(found), decimal(wanted)) {
        (Some(found), Some(wanted)) => found.1 == wanted.1 && found.0 <= wanted.0,
        _ => found == wanted || (text(found) && text(wanted)),
    }
}

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
    rows: usize,
    place: Place,
    /// Logical fields of the scan, and the root column of the file behind each.
    fields: Vec<(FieldRef, Option<usize>)>,
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
    let survivors = group.survivors(predicate, &tested, &wanted, batch_rows, &mut reserved)?;
    Ok(Box::new(Batches::new(group, wanted, Some(survivors), batch_rows, reserved)?))
}

impl RowGroup {
    fn new(scan: &Scan, task: &ScanTask) -> Result<Self> {
        let sliced = scan.files.get(task.file).filter(|sliced| sliced.row_groups.contains(&task.row_group));
        let file = &sliced.ok_or_else(|| Error::invalid("a task of another scan"))?.file;
        let fields =
            scan.schema.fields().iter().map(|field| (Arc::clone(field), file.column(field.name()))).collect();
        let place = file.place(task.row_group);
        Ok(Self {
            file: file.clone(),
            row_group: task.row_group,
            rows: file.rows(task.row_group),
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
        let roots = columns.iter().filter_map(|&index| self.fields[index].1);
        let sizes = roots.map(|root| self.file.sizes(self.row_group, root));
        sizes.fold(0, |sum: u64, (encoded, plain)| sum.saturating_add(encoded).saturating_add(plain))
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
            let pages = page::check(&bytes, chunk, &place)?;
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
        for (field, root) in &self.fields {
            let Some(root) = *root else { continue };
            let Some(chunk) = self.file.flat_chunk(self.row_group, root) else { continue };
            if let Some(narrow) = physical_type(chunk, fields[root].data_type(), field.data_type()) {
                fields[root] = Arc::new(fields[root].as_ref().clone().with_data_type(narrow));
            }
        }
        Arc::new(Schema::new_with_metadata(fields, self.file.schema.metadata().clone()))
    }

    /// Tests the predicate on every row, and keeps what was decoded of the columns that come out.
    fn survivors(
        &self,
        predicate: &Expr,
        tested: &BTreeSet<usize>,
        wanted: &BTreeSet<usize>,
        batch_rows: usize,
        reserved: &mut Reserved,
    ) -> Result<Survivors> {
        let test = Predicate::new(predicate)?;
        let mut source = Source::new(self, tested, None, batch_rows, reserved)?;
        let mut mask = BooleanBufferBuilder::new(self.rows);
        let mut kept: BTreeMap<usize, Vec<ArrayRef>> =
            tested.intersection(wanted).map(|&i| (i, vec![])).collect();
        while let Some(batch) = source.next(self, tested)? {
            let passed = test.select(batch.columns(), batch.num_rows(), None)?.bitmap();
            mask.append_buffer(&passed);
            if passed.count_set_bits() > 0 {
                let passed = BooleanArray::new(passed, None);
                for (&index, arrays) in &mut kept {
                    arrays.push(arrow::compute::filter(batch.column(index), &passed)?);
                }
            }
        }
        let mask = mask.finish();
        let columns = kept.into_iter().filter(|(_, arrays)| !arrays.is_empty());
        let columns = columns.map(|(index, arrays)| Ok((index, concat(&arrays)?))).collect::<Result<_>>()?;
        Ok(Survivors { count: mask.count_set_bits(), mask, columns })
    }
}

fn concat(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
    Ok(arrow::compute::concat(&arrays)?)
}

/// Rows that passed a predicate.
struct Survivors {
    count: usize,
    mask: BooleanBuffer,
    /// Those of the predicate's columns that come out, surviving rows only.
    columns: BTreeMap<usize, ArrayRef>,
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
        mask: Option<&BooleanBuffer>,
        batch_rows: usize,
        reserved: &mut Reserved,
    ) -> Result<Self> {
        let roots: BTreeSet<usize> = columns.iter().filter_map(|&index| group.fields[index].1).collect();
        let selection = mask.map(|mask| RowSelection::from_boolean_buffer(mask.clone()));
        let rows_left = mask.map_or(group.rows, BooleanBuffer::count_set_bits);
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
            let (field, root) = &group.fields[index];
            let position = root.and_then(|root| self.roots.iter().position(|&known| known == root));
            match (read.as_ref(), position) {
                _ if !columns.contains(&index) => Ok(Arc::new(NullArray::new(rows))),
                (Some(read), Some(position)) => as_logical(read.column(position), field),
                _ => Ok(new_null_array(field.data_type(), rows)),
            }
        };
        let arrays = (0..group.fields.len()).map(column).collect::<Result<Vec<_>>>()?;
        group.batch(arrays, rows).map(Some)
    }
}

/// Leaves an array that is logically of the field's type as it is, casts any other.
fn as_logical(array: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    if reads_as(array.data_type(), field.data_type()) {
        return Ok(Arc::clone(array));
    }
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let cast = arrow::compute::cast_with_options(array, field.data_type(), &strict);
    cast.map_err(|_| Error::CastFailed {
        value: "a value".into(),
        from: array.data_type().to_string(),
        to: format!("{} of column {}", field.data_type(), field.name()),
    })
}

/// The narrowest type in which the reader can produce a flat chunk of Arrow type `found`, where `wanted` is the table's.
fn physical_type(chunk: &ColumnChunkMetaData, found: &DataType, wanted: &DataType) -> Option<DataType> {
    match (found, chunk.column_type()) {
        (DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View, PhysicalType::BYTE_ARRAY) => {
            if !matches!(wanted, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
                None
            } else if only_dictionary_pages(chunk) {
                Some(DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)))
            } else {
                Some(wanted.clone())
            }
        }
        (DataType::Decimal128(precision, scale), PhysicalType::INT32) if *precision <= 9 => {
            Some(DataType::Decimal32(*precision, *scale))
        }
        (DataType::Decimal128(precision, scale), PhysicalType::INT32 | PhysicalType::INT64)
            if *precision <= 18 =>
        {
            Some(DataType::Decimal64(*precision, *scale))
        }
        _ => None,
    }
}

/// True where the writer says that no data page of the chunk fell back from the dictionary: only then can codes be kept.
fn only_dictionary_pages(chunk: &ColumnChunkMetaData) -> bool {
    let dictionary =
        |encoding: Encoding| matches!(encoding, Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY);
    match (chunk.page_encoding_stats_mask(), chunk.page_encoding_stats()) {
        (Some(mask), _) => mask.encodings().all(dictionary),
        (None, Some(pages)) => {
            let mut data = pages
                .iter()
                .filter(|page| matches!(page.page_type, PageType::DATA_PAGE | PageType::DATA_PAGE_V2));
            data.all(|page| dictionary(page.encoding))
        }
        (None, None) => false,
    }
}

/// Encoded column chunks in memory, addressed as in the file.
struct Chunks(Vec<(Range<u64>, Bytes)>);

impl Chunks {
    /// What is there from `start` to the end of its chunk.
    fn from(&self, start: u64) -> Result<Bytes, ParquetError> {
        let after = self.0.partition_point(|(range, _)| range.start <= start);
        let chunk = after.checked_sub(1).map(|index| &self.0[index]);
        match chunk.filter(|(range, _)| start <= range.end) {
            Some((range, bytes)) => Ok(bytes.slice((start - range.start) as usize..)),
            None => Err(ParquetError::EOF(format!("offset {start} is in no column chunk that is read"))),
        }
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.0.last().map_or(0, |(range, _)| range.end)
    }
}

impl ChunkReader for Chunks {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let bytes = self.from(start)?;
        if length > bytes.len() {
            return Err(ParquetError::EOF(format!(
                "{length} bytes at {start} pass the end of their column chunk"
            )));
        }
        Ok(bytes.slice(..length))
    }
}

/// Iterator over the batches of one task.
struct Batches {
    group: RowGroup,
    wanted: BTreeSet<usize>,
    /// Columns that are still to be decoded; the others come out of `survivors`.
    decoded: BTreeSet<usize>,
    source: Source,
    survivors: BTreeMap<usize, ArrayRef>,
    rows_done: usize,
    failed: bool,
    _reserved: Reserved,
}

impl Batches {
    fn new(
        group: RowGroup,
        wanted: BTreeSet<usize>,
        survivors: Option<Survivors>,
        batch_rows: usize,
        mut reserved: Reserved,
    ) -> Result<Self> {
        let (mask, survivors) = match survivors {
            Some(found) if found.count < group.rows => (Some(found.mask), found.columns),
            Some(found) => (None, found.columns),
            None => (None, BTreeMap::new()),
        };
        let decoded: BTreeSet<usize> =
            wanted.iter().copied().filter(|index| !survivors.contains_key(index)).collect();
        let nothing = mask.as_ref().is_some_and(|mask| mask.count_set_bits() == 0);
        let needed = if nothing { BTreeSet::new() } else { decoded.clone() };
        let source = Source::new(&group, &needed, mask.as_ref(), batch_rows, &mut reserved)?;
        Ok(Self {
            group,
            wanted,
            decoded,
            source,
            survivors,
            rows_done: 0,
            failed: false,
            _reserved: reserved,
        })
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let Some(batch) = self.source.next(&self.group, &self.decoded)? else { return Ok(None) };
        if self.survivors.is_empty() {
            self.rows_done += batch.num_rows();
            return Ok(Some(batch));
        }
        let rows = batch.num_rows();
        let column = |(index, array): (usize, &ArrayRef)| match self.survivors.get(&index) {
            Some(kept) if self.wanted.contains(&index) => kept.slice(self.rows_done, rows),
            _ => Arc::clone(array),
        };
        let arrays = batch.columns().iter().enumerate().map(column).collect();
        self.rows_done += rows;
        self.group.batch(arrays, rows).map(Some)
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
