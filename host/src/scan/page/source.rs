//! The pages of a chunk, decompressed one after another as a reader asks for them.

use std::sync::Arc;

use arrow::buffer::Buffer;
use parquet::basic::Compression;
use pilaster_kernels::memory::Reserve;
use pilaster_kernels::parquet::{DataPage, DictionaryPage, Levels, Malformed, PageFacts, PageSource};
use pilaster_kernels::{Error, Result};

use super::chunk::{Chunk, Content, Layout, Page};
use super::levels;
use super::pool::Pool;
use crate::scan::codec;

/// Reads a chunk from its first page on. Pages that are not compressed are slices of the chunk; the others are decompressed
/// into buffers of the pool, each reserved before.
pub(crate) struct ChunkPages {
    chunk: Arc<Chunk>,
    pool: Arc<Pool>,
    reserve: Arc<dyn Reserve>,
    /// The next page.
    at: usize,
    /// A dictionary that was passed and not yet asked for.
    dictionary: Option<usize>,
}

impl ChunkPages {
    pub(crate) fn new(chunk: Arc<Chunk>, pool: Arc<Pool>, reserve: Arc<dyn Reserve>) -> Self {
        Self { chunk, pool, reserve, at: 0, dictionary: None }
    }

    /// The next data page; dictionaries before it are noted.
    fn settle(&mut self) -> Option<&Page> {
        while let Some(Page { content: Content::Dictionary { .. }, .. }) = self.chunk.pages.get(self.at) {
            self.dictionary = Some(self.at);
            self.at += 1;
        }
        self.chunk.pages.get(self.at)
    }

    /// Bytes `from..` of a page's body, which decompressed are `size` bytes.
    fn plain(&self, page: &Page, from: usize, size: usize, compressed: bool) -> Result<Buffer> {
        let body = self.chunk.slice(page.body.start + from..page.body.end);
        let corrupt = |malformed: Malformed| self.corrupt(page.offset, &malformed);
        if !compressed || self.chunk.codec == Compression::UNCOMPRESSED {
            return match body.len() == size {
                true => Ok(body),
                false => Err(corrupt(Malformed::new("a page that is not compressed, of two sizes"))),
            };
        }
        if size == 0 {
            // Some writers leave out the bytes that compress nothing.
            return Ok(Buffer::default());
        }
        let decompress =
            |output: &mut [u8]| codec::decompress(self.chunk.codec, &body, output).map_err(corrupt);
        Ok(self.pool.buffer(size, &self.reserve, decompress)?.into())
    }

    fn verify(&self, page: &Page) -> Result<()> {
        match page.crc {
            Some(crc) if crc32fast::hash(&self.chunk.bytes[page.body.clone()]) != crc => {
                Err(self
                    .corrupt(page.offset, &Malformed::new("a page whose bytes do not match its checksum")))
            }
            _ => Ok(()),
        }
    }

    fn data(
        &self,
        page: &Page,
        count: usize,
        encoding: pilaster_kernels::parquet::Encoding,
        layout: Layout,
    ) -> Result<DataPage> {
        self.verify(page)?;
        let (max_definition, max_repetition) = (self.chunk.max_definition, self.chunk.max_repetition);
        let (repetition, definition, values, nulls): (Levels, Levels, Buffer, Option<usize>) = match layout {
            Layout::V1 { packed_definition, packed_repetition } => {
                let plain = self.plain(page, 0, page.uncompressed, true)?;
                let corrupt = |malformed: Malformed| self.corrupt(page.offset, &malformed);
                let (repetition, at) =
                    levels::cut(&plain, 0, max_repetition, packed_repetition, count).map_err(corrupt)?;
                let (definition, at) =
                    levels::cut(&plain, at, max_definition, packed_definition, count).map_err(corrupt)?;
                (repetition, definition, plain.slice(at), None)
            }
            Layout::V2 { repetition, definition, nulls, compressed } => {
                let body = self.chunk.slice(page.body.clone());
                let cut = repetition + definition;
                let values = self.plain(page, cut, page.uncompressed - cut, compressed)?;
                let repetition_levels = levels::separate(&body, 0..repetition, max_repetition);
                (
                    repetition_levels,
                    levels::separate(&body, repetition..cut, max_definition),
                    values,
                    Some(nulls),
                )
            }
        };
        Ok(DataPage { levels: count, nulls, repetition, definition, encoding, values, offset: page.offset })
    }
}

impl PageSource for ChunkPages {
    fn dictionary(&mut self) -> Result<Option<DictionaryPage>> {
        self.settle();
        let Some(index) = self.dictionary.take() else { return Ok(None) };
        let page = &self.chunk.pages[index];
        let Content::Dictionary { values: len } = page.content else { return Ok(None) };
        self.verify(page)?;
        let values = self.plain(page, 0, page.uncompressed, true)?;
        Ok(Some(DictionaryPage { len, values, offset: page.offset }))
    }

    fn peek(&mut self) -> Result<Option<PageFacts>> {
        Ok(match self.settle().map(|page| &page.content) {
            Some(Content::Data { levels, rows, .. }) => Some(PageFacts { levels: *levels, rows: *rows }),
            _ => None,
        })
    }

    fn next(&mut self) -> Result<Option<DataPage>> {
        let Some(page) = self.settle().cloned() else { return Ok(None) };
        let Content::Data { levels, encoding, layout, .. } = page.content else { return Ok(None) };
        let data = self.data(&page, levels, encoding, layout)?;
        self.at += 1;
        Ok(Some(data))
    }

    fn skip(&mut self) -> Result<()> {
        if self.settle().is_some() {
            self.at += 1;
        }
        Ok(())
    }

    fn corrupt(&self, place: u64, malformed: &Malformed) -> Error {
        self.chunk.corrupt(place, malformed)
    }
}
