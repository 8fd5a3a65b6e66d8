//! Values of a page: by its encoding to a record, runs and miniblocks.

use arrow::buffer::Buffer;

use super::super::form::Output;
use super::super::walk::{self, Expected};
use super::{DELTA_BLOCK, Kind, Layer, PageError, Placed, Record};
use crate::error::{Backend, Error};
use crate::parquet::{DataPage, Encoding, Physical};

impl Layer<'_> {
    pub(super) fn values(
        &mut self,
        page: &DataPage,
        dictionary: Option<Placed>,
    ) -> Result<Record, PageError> {
        let bytes = &page.values;
        let stored = self.form.stored_bytes as usize;
        let record = |kind, byte, available: usize| Record::new(kind, byte, available.min(page.levels));
        match (page.encoding, self.leaf.physical) {
            (Encoding::Plain, Physical::Boolean) => {
                Ok(record(Kind::Boolean, self.upload(bytes)?, bytes.len().saturating_mul(8)))
            }
            (Encoding::Plain, Physical::ByteArray) => self.arrays(bytes, page.levels),
            (Encoding::Plain, _) => Ok(record(Kind::Plain, self.upload(bytes)?, bytes.len() / stored)),
            (Encoding::Rle, Physical::Boolean) => {
                let cut_off = || PageError::malformed("runs are cut off");
                let (len, rest) = bytes.split_first_chunk::<4>().ok_or_else(cut_off)?;
                let len = u32::from_le_bytes(*len) as usize;
                if len > rest.len() {
                    return Err(cut_off());
                }
                let runs = self.page_runs(&bytes.slice_with_length(4, len), 1, page.levels, 1)?;
                Ok(Record { kind: Kind::Runs, ..runs })
            }
            (Encoding::Dictionary, physical) if physical != Physical::Boolean => {
                self.indices(bytes, page.levels, dictionary)
            }
            // A page of nulls alone.
            (Encoding::DeltaBinaryPacked, _) if bytes.is_empty() => Ok(record(Kind::Plain, 0, 0)),
            (Encoding::DeltaBinaryPacked, Physical::Int32 | Physical::Int64) => {
                self.deltas(bytes, page.levels)
            }
            (Encoding::DeltaLengthByteArray, Physical::ByteArray) => self.lengths(bytes, page.levels),
            (Encoding::DeltaByteArray, Physical::ByteArray | Physical::FixedLenByteArray(_)) => {
                self.prefixes(bytes, page.levels)
            }
            (Encoding::ByteStreamSplit, physical)
                if !matches!(physical, Physical::Boolean | Physical::ByteArray | Physical::Int96) =>
            {
                if !bytes.len().is_multiple_of(stored) {
                    return Err(PageError::malformed("streams of different lengths"));
                }
                let values = bytes.len() / stored;
                let width = values as u32;
                Ok(Record { width, ..record(Kind::Split, self.upload(bytes)?, values) })
            }
            (encoding, physical) => {
                let what = format!("decoding {encoding:?} pages of {physical:?}");
                Err(PageError::Other(Error::unsupported(what, Backend::Gpu)))
            }
        }
    }

    /// Indices of a dictionary: a byte of width, then a hybrid.
    fn indices(
        &mut self,
        bytes: &Buffer,
        levels: usize,
        dictionary: Option<Placed>,
    ) -> Result<Record, PageError> {
        let Some((width, _)) = bytes.split_first() else {
            // A page of nulls alone.
            return self.page_runs(bytes, 0, 0, 0);
        };
        let dictionary = dictionary.ok_or_else(|| PageError::malformed("indices without a dictionary"))?;
        let most = dictionary.len.saturating_sub(1);
        let (indices, width) = (bytes.slice(1), u32::from(*width));
        let runs = self.page_runs(&indices, width, levels, most)?;
        let mut record = Record { dictionary: dictionary.byte, dictionary_len: dictionary.len, ..runs };
        if self.leaf.physical == Physical::ByteArray && self.form.output != Output::Codes {
            record.kind = Kind::Entries;
            self.count_entries(&indices, &record)?;
        }
        Ok(record)
    }

    fn page_runs(
        &mut self,
        bytes: &Buffer,
        width: u32,
        levels: usize,
        most: u32,
    ) -> Result<Record, PageError> {
        let byte = self.upload(bytes)?;
        let before = self.runs.len();
        let expected = Expected { width, limit: levels, first: 0, base: byte.into(), most };
        let available = walk::hybrid(bytes, &expected, &mut self.runs)?;
        let run_count = ((self.runs.len() - before) / 2) as u32;
        let record = Record::new(Kind::Dictionary, byte, available);
        Ok(Record { width, runs: before as u32, run_count, ..record })
    }

    fn deltas(&mut self, bytes: &Buffer, levels: usize) -> Result<Record, PageError> {
        let byte = self.upload(bytes)?;
        let (first, values) = self.stream(bytes, byte, levels, 0)?;
        Ok(Record { width: first, ..Record::new(Kind::Delta, byte, values) })
    }

    /// Adds a stream of deltas that begins at a byte of the upload; gives its first value in the scan, and its values.
    pub(super) fn stream(
        &mut self,
        bytes: &[u8],
        byte: u32,
        limit: usize,
        suffixes: u32,
    ) -> Result<(u32, usize), PageError> {
        let miniblocks = self.miniblocks.len() as u32;
        let deltas = walk::deltas(bytes, byte.into(), limit, &mut self.miniblocks)?;
        let first_block = self.delta_blocks;
        self.delta_blocks += deltas.values.div_ceil(DELTA_BLOCK);
        if self.delta_blocks >= (1 << 31) / DELTA_BLOCK {
            return Err(PageError::Other(Error::unsupported("2^31 deltas at once", Backend::Gpu)));
        }
        if deltas.values > 0 {
            self.delta_pages.push([
                first_block as u32,
                deltas.values as u32,
                deltas.first as u32,
                (deltas.first >> 32) as u32,
                miniblocks,
                deltas.per_miniblock,
                suffixes,
            ]);
        }
        Ok(((first_block * DELTA_BLOCK) as u32, deltas.values))
    }
}
