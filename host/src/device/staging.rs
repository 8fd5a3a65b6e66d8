//! Bytes on their way up: planned as copies through chunks of mapped memory, the chunks kept mapped between programs.
//!
//! ```text
//! pieces   [ piece ][gap][ piece   ]          [piece]
//! chunks   |c0: bytes 0 bytes ..|c1: .. bytes | bytes|     small gaps are zeros in the chunk
//! copies    c0 -> buffer         c1 -> buffer   c1 -> buffer
//! clears                                  ^^^^ large gaps are cleared on the device
//! ```
//! A fresh mapping costs a page fault per page (measured 5 times slower than a reused one), hence the ring.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::buffer::Buffer;
use parking_lot::Mutex;
use pilaster_kernels::gpu::BufferInit;
use pilaster_kernels::gpu::program::BufferSpec;
use pilaster_kernels::{Error, Result};
use rayon::prelude::*;
use wgpu::{BufferUsages, MapMode, WriteOnly};

use super::check::buffer_bytes;
use super::connection::{Connection, device_error};

/// Chunk for programs that upload little.
const SMALL_CHUNK_BYTES: u64 = 256 << 10;
/// Chunk for the others.
const CHUNK_BYTES: u64 = 16 << 20;
/// Gaps up to this are written as zeros; one copy command costs about as much as copying this.
const SMALL_GAP_BYTES: u64 = 4 << 10;
/// Unit of the parallel copy into a chunk.
const BLOCK_BYTES: u64 = 512 << 10;

/// What to write where in one chunk, and which copies follow.
#[derive(Debug, Default)]
pub(super) struct Chunk<'a> {
    /// Contents without gaps, each with its offset in the chunk.
    parts: Vec<(u64, Part<'a>)>,
    /// Bytes used, a multiple of 4.
    pub(super) bytes: u64,
    /// Copies from the chunk.
    pub(super) copies: Vec<ChunkCopy>,
}

/// Consecutive bytes of a chunk.
#[derive(Debug, PartialEq)]
enum Part<'a> {
    Bytes(&'a [u8]),
    Zeros(usize),
}

/// A copy from a chunk into a program's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChunkCopy {
    pub(super) from: u64,
    pub(super) buffer: usize,
    pub(super) to: u64,
    pub(super) bytes: u64,
}

/// A range of a program's buffer to clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clear {
    pub(super) buffer: usize,
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

/// How the first contents of all buffers get there.
#[derive(Debug)]
pub(super) struct UploadPlan<'a> {
    /// Size of every chunk's buffer.
    pub(super) chunk_bytes: u64,
    pub(super) chunks: Vec<Chunk<'a>>,
    pub(super) clears: Vec<Clear>,
}

impl<'a> UploadPlan<'a> {
    /// Plans all buffers of a checked program. Every byte of every buffer is copied or cleared exactly once.
    pub(super) fn new(buffers: &'a [BufferSpec]) -> Self {
        let pieces = buffers.iter().filter_map(|spec| match &spec.init {
            BufferInit::Upload(pieces) => {
                Some(pieces.iter().map(|(_, piece)| piece.len() as u64 + 4).sum::<u64>())
            }
            BufferInit::Zero => None,
        });
        let small = pieces.sum::<u64>() <= SMALL_CHUNK_BYTES;
        let chunk_bytes = if small { SMALL_CHUNK_BYTES } else { CHUNK_BYTES };
        Self::with_chunks(buffers, chunk_bytes)
    }

    fn with_chunks(buffers: &'a [BufferSpec], chunk_bytes: u64) -> Self {
        let mut plan = UploadPlan { chunk_bytes, chunks: Vec::new(), clears: Vec::new() };
        for (at, spec) in buffers.iter().enumerate() {
            plan.fill(at, buffer_bytes(spec), spec);
        }
        plan
    }

    fn fill(&mut self, buffer: usize, size: u64, spec: &'a BufferSpec) {
        let mut pieces: Vec<&(u64, Buffer)> = match &spec.init {
            BufferInit::Upload(pieces) => pieces.iter().filter(|(_, piece)| !piece.is_empty()).collect(),
            BufferInit::Zero => Vec::new(),
        };
        pieces.sort_unstable_by_key(|(offset, _)| *offset);
        let mut end = 0;
        for (offset, piece) in pieces {
            self.gap(buffer, end, *offset);
            end = self.piece(buffer, *offset, piece);
        }
        self.gap(buffer, end, size);
    }

    /// Zeros from `from` to `to`.
    fn gap(&mut self, buffer: usize, from: u64, to: u64) {
        let bytes = to - from;
        if bytes == 0 {
            return;
        }
        // Zeros go through the chunk only where they join two pieces, or end the last word block cheaply.
        if from > 0 && bytes <= SMALL_GAP_BYTES {
            let mut at = from;
            while at < to {
                let room = self.room(to - at);
                self.push(buffer, at, Part::Zeros(room as usize));
                at += room;
            }
        } else {
            self.clears.push(Clear { buffer, offset: from, bytes });
        }
    }

    /// One piece, padded with zeros to whole words. Returns its padded end.
    fn piece(&mut self, buffer: usize, offset: u64, piece: &'a [u8]) -> u64 {
        let mut rest = piece;
        let mut at = offset;
        while !rest.is_empty() {
            let room = self.room((rest.len() as u64).next_multiple_of(4));
            let (now, later) = rest.split_at(rest.len().min(room as usize));
            self.push(buffer, at, Part::Bytes(now));
            at += now.len() as u64;
            let padding = now.len().next_multiple_of(4) - now.len();
            if padding > 0 {
                self.push(buffer, at, Part::Zeros(padding));
                at += padding as u64;
            }
            rest = later;
        }
        at
    }

    /// How many of `wanted` bytes fit the last chunk; opens a new one where it is full.
    fn room(&mut self, wanted: u64) -> u64 {
        let free = self.chunks.last().map_or(0, |chunk| self.chunk_bytes - chunk.bytes);
        if free > 0 {
            return free.min(wanted);
        }
        self.chunks.push(Chunk::default());
        self.chunk_bytes.min(wanted)
    }

    /// Appends to the last chunk, and to its last copy where that goes on.
    fn push(&mut self, buffer: usize, to: u64, part: Part<'a>) {
        let Some(chunk) = self.chunks.last_mut() else { return };
        let bytes = part.len() as u64;
        chunk.parts.push((chunk.bytes, part));
        match chunk.copies.last_mut() {
            Some(copy) if copy.buffer == buffer && copy.to + copy.bytes == to => copy.bytes += bytes,
            _ => chunk.copies.push(ChunkCopy { from: chunk.bytes, buffer, to, bytes }),
        }
        chunk.bytes += bytes;
    }
}

impl Chunk<'_> {
    /// Writes the contents of bytes `from..from + target.len()` of the chunk.
    fn write(&self, from: u64, target: WriteOnly<'_, [u8]>) {
        let mut rest = target;
        let mut at = from;
        let first = self.parts.partition_point(|(start, part)| start + part.len() as u64 <= from);
        for (start, part) in &self.parts[first..] {
            if rest.is_empty() {
                break;
            }
            let skip = (at - start) as usize;
            let len = (part.len() - skip).min(rest.len());
            let (mut now, later) = rest.split_at(len);
            match part {
                Part::Bytes(bytes) => now.copy_from_slice(&bytes[skip..skip + len]),
                Part::Zeros(_) => now.fill(0),
            }
            at += len as u64;
            rest = later;
        }
    }
}

impl Part<'_> {
    fn len(&self) -> usize {
        match self {
            Part::Bytes(bytes) => bytes.len(),
            Part::Zeros(len) => *len,
        }
    }
}

/// Mapped chunks for uploads and buffers for read-backs, kept between programs.
pub(super) struct Staging {
    limit_bytes: u64,
    /// Chunks that are mapped and free. Shared with the callbacks that put them back.
    free: Arc<Mutex<VecDeque<wgpu::Buffer>>>,
    read_back: Mutex<Vec<wgpu::Buffer>>,
}

impl Staging {
    pub(super) fn new(limit_bytes: u64) -> Self {
        Staging { limit_bytes, free: Arc::default(), read_back: Mutex::default() }
    }

    /// Most bytes of chunks that one program has in flight.
    pub(super) fn limit_bytes(&self) -> u64 {
        self.limit_bytes.max(CHUNK_BYTES)
    }

    /// A mapped chunk of `bytes`. Call inside of an error scope.
    pub(super) fn chunk(&self, connection: &Connection, bytes: u64) -> wgpu::Buffer {
        let mut free = self.free.lock();
        let kept = free.iter().position(|buffer| buffer.size() == bytes).and_then(|at| free.remove(at));
        drop(free);
        kept.unwrap_or_else(|| {
            connection.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("upload"),
                size: bytes,
                usage: BufferUsages::MAP_WRITE | BufferUsages::COPY_SRC,
                mapped_at_creation: true,
            })
        })
    }

    /// Fills a mapped chunk and unmaps it.
    ///
    /// # Errors
    /// [`pilaster_kernels::Error::Device`] where it is not mapped after all.
    pub(super) fn fill(buffer: &wgpu::Buffer, chunk: &Chunk<'_>) -> Result<()> {
        let starts: Vec<u64> = (0..chunk.bytes).step_by(BLOCK_BYTES as usize).collect();
        starts.par_iter().try_for_each(|start| {
            let block = buffer.slice(*start..chunk.bytes.min(start + BLOCK_BYTES));
            let mut view = block.get_mapped_range_mut().map_err(|error| device_error("upload", &error))?;
            chunk.write(*start, view.slice(..));
            Ok::<(), Error>(())
        })?;
        buffer.unmap();
        Ok(())
    }

    /// Maps a chunk again once its submission is done; then it is free.
    pub(super) fn recycle(&self, buffer: wgpu::Buffer) {
        let (free, limit) = (Arc::clone(&self.free), self.limit_bytes());
        let mapped = buffer.clone();
        buffer.slice(..).map_async(MapMode::Write, move |result| {
            let mut free = free.lock();
            let kept: u64 = free.iter().map(wgpu::Buffer::size).sum();
            if result.is_ok() && kept + mapped.size() <= limit {
                free.push_back(mapped);
            }
        });
    }

    /// A buffer for reading back at least `bytes`. Call inside of an error scope.
    pub(super) fn read_back(&self, connection: &Connection, bytes: u64, max_bytes: u64) -> wgpu::Buffer {
        let size = bytes.next_power_of_two().max(SMALL_GAP_BYTES).min(max_bytes & !3).max(bytes);
        let mut kept = self.read_back.lock();
        let found = kept.iter().position(|buffer| buffer.size() == size).map(|at| kept.swap_remove(at));
        drop(kept);
        found.unwrap_or_else(|| {
            connection.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("read back"),
                size,
                usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        })
    }

    /// Keeps an unmapped read-back buffer.
    pub(super) fn keep_read_back(&self, buffer: wgpu::Buffer) {
        let mut kept = self.read_back.lock();
        let bytes: u64 = kept.iter().map(wgpu::Buffer::size).sum();
        if bytes + buffer.size() <= self.limit_bytes() {
            kept.push(buffer);
        }
    }
}

#[cfg(test)]
#[path = "staging_tests.rs"]
mod tests;
