//! Column chunks in memory, as the `parquet` crate wants to read them.

use std::ops::Range;

use bytes::{Buf, Bytes};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

/// Encoded column chunks in memory, addressed as in the file.
pub(super) struct Chunks(pub(super) Vec<(Range<u64>, Bytes)>);

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
