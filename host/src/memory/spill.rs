//! Files for what does not fit the memory limit: Arrow IPC, buffers compressed by LZ4, one file per spill.
//!
//! A file is deleted when whoever reads it is done, or the query fails; it is closed between reads, so that their number is
//! not bounded by the process's open files.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_ipc::{Block, CompressionType, root_as_footer};
use pilaster_kernels::memory::{Spill, SpillWriter, Spilled};
use pilaster_kernels::{Error, Result};
use tempfile::TempPath;

/// Bytes of the end of an IPC file: the footer's length and the magic.
const TRAILER_BYTES: usize = 10;

/// Where a session's queries spill to.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Int64Array, RecordBatch};
/// use pilaster::memory::{Spill, SpillFolder};
///
/// let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
/// let batch = RecordBatch::try_from_iter([("n", numbers)])?;
/// let mut writer = SpillFolder::new(None).create(batch.schema())?;
/// writer.write(&batch.slice(0, 1))?;
/// writer.write(&batch)?;
/// let file = writer.finish()?;
/// assert_eq!(file.read(1)?, batch);
/// assert!(file.bytes() > 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct SpillFolder {
    folder: PathBuf,
}

impl SpillFolder {
    /// Files in `folder`, or in the system's folder for temporary files. Nothing is touched before something spills.
    #[must_use]
    pub fn new(folder: Option<&Path>) -> Self {
        Self { folder: folder.map_or_else(std::env::temp_dir, Path::to_path_buf) }
    }
}

impl Spill for SpillFolder {
    fn create(&self, schema: SchemaRef) -> Result<Box<dyn SpillWriter>> {
        let failed = |error: std::io::Error| io_error(&self.folder, &error);
        let file = tempfile::Builder::new().prefix("pilaster-").suffix(".arrow").tempfile_in(&self.folder);
        let (file, path) = file.map_err(failed)?.into_parts();
        let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME))?;
        let writer = FileWriter::try_new_with_options(BufWriter::new(file), &schema, options)?;
        Ok(Box::new(Writer { schema, writer, path }))
    }
}

struct Writer {
    schema: SchemaRef,
    writer: FileWriter<BufWriter<File>>,
    path: TempPath,
}

impl SpillWriter for Writer {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch).map_err(|error| io_error(&self.path, &error))
    }

    fn finish(mut self: Box<Self>) -> Result<Arc<dyn Spilled>> {
        self.writer.finish().map_err(|error| io_error(&self.path, &error))?;
        let mut file = File::open(&self.path).map_err(|error| io_error(&self.path, &error))?;
        let bytes = file.seek(SeekFrom::End(0)).map_err(|error| io_error(&self.path, &error))?;
        let read = |from_end: u64, length: usize, file: &mut File| {
            read_at(file, bytes.saturating_sub(from_end), length)
                .map_err(|error| io_error(&self.path, &error))
        };
        let trailer = read(TRAILER_BYTES as u64, TRAILER_BYTES, &mut file)?;
        let mut end = [0; TRAILER_BYTES];
        end.copy_from_slice(&trailer);
        let length = read_footer_length(end)?;
        let footer = read((TRAILER_BYTES + length) as u64, length, &mut file)?;
        let footer = root_as_footer(&footer).map_err(|error| io_error(&self.path, &error))?;
        let batches = footer.recordBatches().map(|blocks| blocks.iter().copied().collect());
        let decoder = FileDecoder::new(self.schema, footer.version());
        let batches = batches.unwrap_or_default();
        Ok(Arc::new(SpilledFile { path: self.path, bytes, batches, decoder }))
    }
}

/// A file that was written, deleted on drop.
#[derive(Debug)]
struct SpilledFile {
    path: TempPath,
    bytes: u64,
    batches: Vec<Block>,
    decoder: FileDecoder,
}

impl Spilled for SpilledFile {
    fn read(&self, batch: usize) -> Result<RecordBatch> {
        let lost =
            || Error::Io { path: self.path.display().to_string(), reason: format!("no batch {batch}") };
        let block = self.batches.get(batch).ok_or_else(lost)?;
        let length = i64::from(block.metaDataLength()).saturating_add(block.bodyLength());
        let (offset, length) = match (u64::try_from(block.offset()), usize::try_from(length)) {
            (Ok(offset), Ok(length)) if offset.saturating_add(length as u64) <= self.bytes => {
                (offset, length)
            }
            _ => return Err(lost()),
        };
        let bytes = File::open(&self.path).and_then(|mut file| read_at(&mut file, offset, length));
        let bytes = bytes.map_err(|error| io_error(&self.path, &error))?;
        self.decoder.read_record_batch(block, &Buffer::from_vec(bytes))?.ok_or_else(lost)
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }
}

fn read_at(file: &mut File, offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn io_error(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Io { path: path.display().to_string(), reason: error.to_string() }
}
