//! Parquet files as batches: footers, pruning, row groups in parallel, late materialisation.
//!
//! ```text
//! Scan::open / from_slices -> with_projection -> tasks(predicate)  one task per row group that may hold a match,
//!                                                   |              or more: ScanTasks::split
//!                                                   |
//!                                                   +-> refine      less of it, by filters and indexes in the file
//!                                                   |
//!                                                   +-> read(task)  batches of it, on whichever thread asks
//!
//! read -> group: chunks fetched -> page: found, checked, decompressed -> kernels::parquet: levels and values decoded
//! ```
//! Tasks are independent and in file order; reading one blocks on positioned reads of a local file, so it belongs on the
//! session's pool. The `parquet` crate reads footers; pages are decoded by our own code.
//!
//! **Types.** [`Scan::schema`] is logical. The arrays of a batch may be physically narrower: a string column of a chunk
//! that is dictionary-encoded throughout comes as `Dictionary(Int32, Utf8)`, a decimal stored in 32 or 64 bits as
//! `Decimal32` or `Decimal64` of the same scale, unless [`ReadOptions::declared_types`] asks for none of it. Every batch
//! carries its own physical schema.
//!
//! **Hostile files.** Whatever a file holds, reading it gives right rows or [`Error::CorruptFile`], in bounded memory.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use pilaster_kernels::expr::{Expr, Scalar};
use pilaster_kernels::join::cpu::RuntimeFilter;
use pilaster_kernels::memory::{Reserve, Unlimited};
use pilaster_kernels::{Error, Result};

use self::fetch::Store;
use self::file::ScanFile;
use self::matching::{Origin, origins};

mod codec;
mod columns;
mod encoded;
mod fetch;
mod file;
mod footers;
mod group;
mod hive;
mod matching;
mod on_device;
mod page;
mod predicate;
mod prune;
mod ranges;
mod read;
mod shared;
mod source;
mod split;
mod statistics;
mod stored;
mod types;

pub(crate) use self::encoded::EncodedGroup;
pub use self::footers::FooterCache;
pub use self::hive::partition_columns;
pub use self::on_device::{DeviceRead, LeafSide};
pub use self::prune::{PruneReport, PruneStep, Pruning, Refinement, StepReport};
pub use self::ranges::RowRanges;
pub use self::source::ByteSource;

/// Rows of a batch where the caller does not say: large enough to amortise per-batch work, small enough for the caches.
pub const DEFAULT_BATCH_ROWS: usize = 32 * 1024;

/// A part of a Parquet file, as an engine hands it out.
#[derive(Debug, Clone)]
pub struct FileSlice {
    /// The file, or what errors and reports call it where `source` gives its bytes.
    pub path: PathBuf,
    /// Where the bytes are, for what is no local file.
    pub source: Option<Arc<dyn ByteSource>>,
    /// Row groups to read, by index; all where absent.
    pub row_groups: Option<Vec<usize>>,
    /// Read only row groups whose first column chunk starts (its dictionary page, else its first data page) in this
    /// byte range: the rule by which engines split one file among readers.
    pub byte_range: Option<Range<u64>>,
    /// Columns whose value is the same in all rows, known without the file: what partition folders say. They must be
    /// columns of the table, and stand for the file's own of that name.
    pub partition: Vec<(String, Scalar)>,
}

impl FileSlice {
    /// The whole of a file.
    pub fn whole(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), source: None, row_groups: None, byte_range: None, partition: Vec::new() }
    }
}

/// One or more Parquet files read as one table. Cheap to clone: footers are read once and shared.
#[derive(Debug, Clone)]
pub struct Scan {
    files: Arc<[SlicedFile]>,
    table: SchemaRef,
    projection: Arc<[usize]>,
    schema: SchemaRef,
    pool: Arc<page::Pool>,
    shared: Arc<shared::SharedChunks>,
    pruning: Pruning,
}

/// A file and those of its row groups that belong to the scan.
#[derive(Debug)]
struct SlicedFile {
    file: ScanFile,
    row_groups: Vec<usize>,
    /// By column of the table.
    origins: Arc<[Origin]>,
}

impl SlicedFile {
    fn new(
        file: ScanFile,
        row_groups: Vec<usize>,
        table: &Schema,
        partition: &[(String, Scalar)],
    ) -> Result<Self> {
        let origins = origins(&file.path.display().to_string(), &file.schema, table, partition)?;
        Ok(Self { file, row_groups, origins })
    }
}

/// One row group to read, or some ranges of its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanTask {
    file: usize,
    row_group: usize,
    rows: usize,
    compressed_bytes: u64,
    /// Rows that are to be read; all where absent. Pages without any of them are not decompressed, and rows outside do
    /// not come out, with or without a predicate.
    ranges: Option<Arc<RowRanges>>,
}

impl ScanTask {
    /// Rows that are to be read, before any predicate.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Encoded bytes of the projected columns.
    #[must_use]
    pub fn compressed_bytes(&self) -> u64 {
        self.compressed_bytes
    }

    /// Which rows of the row group, where not all are to be read.
    #[must_use]
    pub fn ranges(&self) -> Option<&RowRanges> {
        self.ranges.as_deref()
    }
}

/// What is left to read after pruning, in file order, and what pruning did.
#[derive(Debug, Clone, Default)]
pub struct ScanTasks {
    /// Row groups to read.
    pub tasks: Vec<ScanTask>,
    /// What was pruned, and by what.
    pub report: PruneReport,
}

/// A test of one column by the keys of a join's table.
#[derive(Debug, Clone)]
pub struct KeyFilter {
    /// Position in [`Scan::schema`]. The column's type is that of the join's key.
    pub column: usize,
    /// The test.
    pub test: Arc<RuntimeFilter>,
}

/// How to read a task.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// Rows of a batch, at most.
    pub batch_rows: usize,
    /// Over [`Scan::schema`]; only rows where it is true come out, exactly. Columns that it reads are decoded first, the
    /// others only for the rows that survive.
    pub predicate: Option<Arc<Expr>>,
    /// Tests of single columns, applied after the predicate: rows that fail one do not come out. Their columns are decoded
    /// with the predicate's.
    pub key_filters: Vec<KeyFilter>,
    /// Columns of [`Scan::schema`] whose values the caller reads; all where absent. Others keep their place in the batch
    /// as null arrays, so that positions stay valid at no cost. (A predicate may read columns that are not output.)
    pub output: Option<Vec<usize>>,
    /// Decode the columns of a batch in parallel, on the `rayon` pool that the caller is in: for fewer tasks than threads.
    pub columns_in_parallel: bool,
    /// Arrays of exactly the types of [`Scan::schema`], made so by the decoders, instead of codes and narrow decimals where
    /// the file has these: for callers that would cast them.
    pub declared_types: bool,
    /// Budget for the buffers of the row group while it is read.
    pub reserve: Arc<dyn Reserve>,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            batch_rows: DEFAULT_BATCH_ROWS,
            predicate: None,
            key_filters: Vec::new(),
            output: None,
            columns_in_parallel: false,
            declared_types: false,
            reserve: Arc::new(Unlimited),
        }
    }
}

impl Scan {
    /// Opens files, and folders as all `*.parquet` files in and below them, by name (names that begin with `.` or `_`
    /// left out). The table's schema is the first file's; the others must have its columns, by field id or name, of types
    /// that widen to it ([`Scan::from_slices`]).
    ///
    /// Folders named `key=value`, in Hive's manner, are columns behind the file's, or instead of the file's column of
    /// that name: percent-decoded, null for `__HIVE_DEFAULT_PARTITION__` and where a file has no such folder, typed as
    /// integer, date or else string by all values together.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for no file at all or schemas that differ, [`Error::Io`], [`Error::CorruptFile`].
    pub fn open(paths: &[impl AsRef<Path>]) -> Result<Self> {
        let found = hive::list(paths)?;
        let Some(first) = found.first() else {
            return Err(Error::invalid("a scan needs at least one Parquet file"));
        };
        // The embedded key-value metadata is the file's business, not the table's.
        let table = Arc::new(hive::with_keys(&ScanFile::open(&first.path)?.schema, &found));
        Self::of_found(&found, table)
    }

    /// The same as a table of schema `table`, which types the columns that folders name.
    ///
    /// # Errors
    /// As for [`Scan::from_slices`]; [`Error::InvalidInput`] where a folder's value is none of its column's type.
    pub fn open_as(paths: &[impl AsRef<Path>], table: SchemaRef) -> Result<Self> {
        Self::of_found(&hive::list(paths)?, table)
    }

    fn of_found(found: &[hive::Found], table: SchemaRef) -> Result<Self> {
        let files = found.iter().map(|found| {
            let file = ScanFile::open(&found.path)?;
            let row_groups = (0..file.metadata.num_row_groups()).collect();
            SlicedFile::new(file, row_groups, &table, &hive::constants(found, &table)?)
        });
        let files = files.collect::<Result<Vec<_>>>()?;
        Ok(Self::build(files, table))
    }

    /// The bytes of one file that lies in memory; `name` is what errors and reports call it.
    ///
    /// # Errors
    /// [`Error::CorruptFile`].
    pub fn from_bytes(name: impl AsRef<Path>, bytes: Bytes) -> Result<Self> {
        let file = ScanFile::of(name.as_ref(), Store::Memory(bytes))?;
        let table = Arc::new(Schema::new(file.schema.fields().clone()));
        let row_groups = (0..file.metadata.num_row_groups()).collect();
        Ok(Self::build(vec![SlicedFile::new(file, row_groups, &table, &[])?], table))
    }

    /// Parts of files as one table of schema `table`. A file's columns are matched by field id where table and file carry
    /// ids (`PARQUET:field_id`), else by name; one that is missing reads as nulls where the table allows nulls; one of a
    /// narrower type is widened (integers, floats, decimals of the same scale, units of time).
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a row group that is not there, a column of a type that does not widen to the table's, or
    /// a name or id that is not unique in the file; [`Error::Io`], [`Error::CorruptFile`].
    pub fn from_slices(slices: &[FileSlice], table: SchemaRef) -> Result<Self> {
        Self::from_slices_with(slices, table, &FooterCache::new(0))
    }

    /// The same with the footers that `footers` knows.
    ///
    /// # Errors
    /// As for [`Scan::from_slices`].
    pub fn from_slices_with(slices: &[FileSlice], table: SchemaRef, footers: &FooterCache) -> Result<Self> {
        let mut opened: Vec<SlicedFile> = Vec::with_capacity(slices.len());
        let mut files: HashMap<&Path, ScanFile> = HashMap::new();
        for slice in slices {
            // Engines cut one file into many ranges: its footer is read once.
            let file = match files.entry(&slice.path) {
                Entry::Occupied(known) => known.get().clone(),
                Entry::Vacant(place) => place.insert(footers.open(slice)?).clone(),
            };
            let row_groups = file.row_groups_of(slice)?;
            opened.push(SlicedFile::new(file, row_groups, &table, &slice.partition)?);
        }
        Ok(Self::build(opened, table))
    }

    fn build(files: Vec<SlicedFile>, table: SchemaRef) -> Self {
        let projection = (0..table.fields().len()).collect();
        Self {
            files: files.into(),
            schema: Arc::clone(&table),
            table,
            projection,
            pool: Arc::default(),
            shared: Arc::default(),
            pruning: Pruning::default(),
        }
    }

    /// Keeps the columns at `projection` of the table's schema, in that order.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a position outside of the table's schema.
    pub fn with_projection(&self, projection: Vec<usize>) -> Result<Self> {
        let schema = Arc::new(self.table.project(&projection)?);
        Ok(Self { schema, projection: projection.into(), ..self.clone() })
    }

    /// Logical schema of the projected columns.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Logical schema of all columns.
    #[must_use]
    pub fn table_schema(&self) -> &SchemaRef {
        &self.table
    }

    /// Positions of the projected columns in the table's schema.
    #[must_use]
    pub fn projection(&self) -> &[usize] {
        &self.projection
    }

    /// Files that the scan reads, in order, each once.
    #[must_use]
    pub fn paths(&self) -> Vec<&Path> {
        let mut paths: Vec<&Path> = self.files.iter().map(|sliced| sliced.file.path.as_path()).collect();
        paths.dedup();
        paths
    }

    /// Rows, before any predicate.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.row_groups().map(|(sliced, row_group)| sliced.file.rows(row_group) as u64).sum()
    }

    /// Encoded bytes of the projected columns.
    #[must_use]
    pub fn compressed_bytes(&self) -> u64 {
        self.row_groups().map(|(sliced, row_group)| self.sizes(sliced, row_group).0).sum()
    }

    /// Bytes of the projected columns once decompressed, still encoded.
    #[must_use]
    pub fn uncompressed_bytes(&self) -> u64 {
        self.row_groups().map(|(sliced, row_group)| self.sizes(sliced, row_group).1).sum()
    }

    /// The same scan, with these steps of pruning.
    #[must_use]
    pub fn with_pruning(&self, pruning: Pruning) -> Self {
        Self { pruning, ..self.clone() }
    }

    /// Steps of pruning that the scan takes.
    #[must_use]
    pub fn pruning(&self) -> Pruning {
        self.pruning
    }

    /// Row groups that may hold a row for which `predicate` (over [`Scan::schema`]) is true, in file order, by what
    /// folders and footers say. Nothing is read for it.
    ///
    /// A row group is left out only where it is certain that no row can match; statistics that are absent, contradictory,
    /// or of an order that is not ours are not used.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a predicate that reads a column outside of the schema.
    pub fn tasks(&self, predicate: Option<&Expr>) -> Result<ScanTasks> {
        prune::tasks(self, predicate)
    }

    /// What is left of a task of [`Scan::tasks`] by Bloom filters, dictionaries and the page index, which are read for it;
    /// none where no row can match. What was left out is counted in `report`.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a task of another scan or a predicate over other columns; [`Error::Io`]. Damaged
    /// filters and indexes are no error: they prune nothing.
    pub fn refine(
        &self,
        task: &ScanTask,
        predicate: &Expr,
        report: &mut PruneReport,
    ) -> Result<Option<ScanTask>> {
        prune::refine(self, task, predicate, report)
    }

    /// Reads one row group as batches of at most `options.batch_rows` rows, in file order. Batches are never empty.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a task of another scan or positions outside of the schema, [`Error::OutOfMemory`] where
    /// the row group's buffers do not fit the budget, [`Error::Io`], [`Error::CorruptFile`], and what the predicate raises.
    pub fn read(
        &self,
        task: &ScanTask,
        options: &ReadOptions,
    ) -> Result<Box<dyn Iterator<Item = Result<RecordBatch>> + Send>> {
        read::read(self, task, options)
    }

    fn file_of(&self, task: &ScanTask) -> Result<&SlicedFile> {
        let sliced = self.files.get(task.file).filter(|sliced| sliced.row_groups.contains(&task.row_group));
        sliced.ok_or_else(|| Error::invalid("a task of another scan"))
    }

    /// The task of all rows of a task's row group.
    fn row_group_of(&self, task: &ScanTask) -> Result<ScanTask> {
        let sliced = self.file_of(task)?;
        let (compressed_bytes, _) = self.sizes(sliced, task.row_group);
        let rows = sliced.file.rows(task.row_group);
        Ok(ScanTask { rows, compressed_bytes, ranges: None, ..task.clone() })
    }

    fn row_groups(&self) -> impl Iterator<Item = (&SlicedFile, usize)> {
        self.files
            .iter()
            .flat_map(|sliced| sliced.row_groups.iter().map(move |&row_group| (sliced, row_group)))
    }

    /// Encoded and decompressed bytes of the projected columns of one row group.
    fn sizes(&self, sliced: &SlicedFile, row_group: usize) -> (u64, u64) {
        let columns = self.projection.iter().filter_map(|&index| sliced.origins[index].root());
        columns
            .map(|column| sliced.file.sizes(row_group, column))
            .fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1))
    }
}
