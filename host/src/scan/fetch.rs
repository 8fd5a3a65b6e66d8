//! Where the bytes of a file lie, and positioned reads of them.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};

use super::source::ByteSource;

/// The bytes of one file. Cheap to clone; reads are positioned, so that threads share it.
#[derive(Debug, Clone)]
pub(super) enum Store {
    Local { file: Arc<File>, length: u64 },
    Memory(Bytes),
    Source(Arc<dyn ByteSource>),
}

impl Store {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok(Store::Local { file: Arc::new(file), length })
    }

    /// Bytes in all, when it was opened.
    pub(super) fn length(&self) -> u64 {
        match self {
            Store::Local { length, .. } => *length,
            Store::Memory(bytes) => bytes.len() as u64,
            Store::Source(source) => source.length(),
        }
    }

    /// When a local file was last changed, where its file system knows.
    pub(super) fn changed(&self) -> Result<Option<SystemTime>> {
        match self {
            Store::Local { file, .. } => Ok(file.metadata()?.modified().ok()),
            Store::Memory(_) | Store::Source(_) => Ok(None),
        }
    }

    /// `length` bytes from `start` on.
    ///
    /// # Errors
    /// [`ErrorKind::UnexpectedEof`] where it has fewer; nothing is allocated for bytes that were never there.
    pub(super) fn read(&self, start: u64, length: usize) -> Result<Bytes> {
        let end = start.checked_add(length as u64).filter(|&end| end <= self.length());
        let end = end.ok_or_else(|| Error::from(ErrorKind::UnexpectedEof))?;
        match self {
            // The end is within a slice in memory.
            Store::Memory(bytes) => Ok(bytes.slice(start as usize..end as usize)),
            Store::Source(source) => match source.read(start..end)? {
                bytes if bytes.len() == length => Ok(bytes),
                _ => Err(ErrorKind::UnexpectedEof.into()),
            },
            Store::Local { .. } => {
                let mut buffer = vec![0; length];
                self.fill(start, &mut buffer)?;
                Ok(buffer.into())
            }
        }
    }

    /// True where [`Store::fill`] spares a buffer that [`Store::read`] would allocate.
    pub(super) fn fills(&self) -> bool {
        matches!(self, Store::Local { .. })
    }

    /// The bytes from `start` on into all of `buffer`.
    ///
    /// # Errors
    /// As for [`Store::read`].
    pub(super) fn fill(&self, start: u64, buffer: &mut [u8]) -> Result<()> {
        match self {
            Store::Local { file, .. } => read_exact_at(file, buffer, start),
            other => {
                buffer.copy_from_slice(&other.read(start, buffer.len())?);
                Ok(())
            }
        }
    }
}

/// What the `parquet` crate reads footers through.
impl Length for Store {
    fn len(&self) -> u64 {
        self.length()
    }
}

impl ChunkReader for Store {
    type T = ReadFrom;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(ReadFrom { store: self.clone(), at: start })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        self.read(start, length).map_err(|error| ParquetError::External(Box::new(error)))
    }
}

/// Reads a store from a place on.
pub(super) struct ReadFrom {
    store: Store,
    at: u64,
}

impl Read for ReadFrom {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let left = self.store.length().saturating_sub(self.at);
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let bytes = self.store.read(self.at, length)?;
        buffer[..length].copy_from_slice(&bytes);
        self.at += length as u64;
        Ok(length)
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> Result<()> {
    while !buffer.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buffer, offset) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                buffer = &mut buffer[read..];
                offset += read as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
