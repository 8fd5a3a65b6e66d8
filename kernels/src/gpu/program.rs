//! A GPU program as data: buffers, stages, and what is read back. One program is one submission and one read-back.
//!
//! ```text
//! buffers:  [upload] [zeroed state] [counts] ...
//! stages:   shader + buffers by binding + workgroups (direct, or indirect from a buffer), in order
//! read-back: ranges of buffers, copied into one staging buffer and mapped once
//! ```
//! Stages run in order, each sees all writes of the ones before it. Nothing here touches a device.

use std::sync::Arc;

use arrow::buffer::Buffer;
use pilaster_shaders::Shader;

/// Index of a buffer of a [`Program`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BufferId(pub u32);

/// What a buffer holds before the first stage.
#[derive(Debug, Clone)]
pub enum BufferInit {
    /// All zero.
    Zero,
    /// Bytes from the host: pieces at byte offsets (multiples of 4), zero between and after them.
    Upload(Vec<(u64, Buffer)>),
}

/// A device buffer of a program. Storage, and indirect arguments.
#[derive(Debug, Clone)]
pub struct BufferSpec {
    /// Name for traces and errors.
    pub label: String,
    /// Size; rounded up to a multiple of 4, at least 4, by the device.
    pub bytes: u64,
    /// First contents.
    pub init: BufferInit,
}

/// Bytes `offset..offset + bytes` of a buffer, both multiples of 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BufferRange {
    /// The buffer.
    pub buffer: BufferId,
    /// First byte.
    pub offset: u64,
    /// Length in bytes.
    pub bytes: u64,
}

/// How many workgroups a stage has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workgroups {
    /// Known when the program is written. Each dimension at most 65,535.
    Direct([u32; 3]),
    /// Three words at this byte offset of a buffer, written by an earlier stage.
    Indirect(BufferId, u64),
}

/// One dispatch.
#[derive(Debug, Clone)]
pub struct Stage {
    /// Name for timings and errors: the kernel's name, then the stage's (`aggregate/accumulate`).
    pub label: String,
    /// The shader, composed, validated and reflected.
    pub shader: Arc<Shader>,
    /// Buffers for bindings 0, 1, 2, ... of group 0, as many as the shader's reflection lists.
    pub bindings: Vec<BufferId>,
    /// Grid.
    pub workgroups: Workgroups,
}

/// Buffers, stages and read-backs: one submission.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// Name for traces: the pipeline's.
    pub label: String,
    /// Buffers; a [`BufferId`] is an index.
    pub buffers: Vec<BufferSpec>,
    /// Dispatches in order.
    pub stages: Vec<Stage>,
    /// What comes back, in this order, in one read-back.
    pub read_back: Vec<BufferRange>,
}

impl Program {
    /// An empty program.
    #[must_use]
    pub fn new(label: impl Into<String>) -> Self {
        Program { label: label.into(), ..Program::default() }
    }

    /// Adds a buffer.
    pub fn buffer(&mut self, label: impl Into<String>, bytes: u64, init: BufferInit) -> BufferId {
        self.buffers.push(BufferSpec { label: label.into(), bytes, init });
        BufferId(self.buffers.len() as u32 - 1)
    }

    /// Adds a buffer that holds `words`.
    pub fn upload_words(&mut self, label: impl Into<String>, words: &[u32]) -> BufferId {
        let bytes = std::mem::size_of_val(words) as u64;
        self.buffer(label, bytes, BufferInit::Upload(vec![(0, Buffer::from_slice_ref(words))]))
    }

    /// Adds a stage.
    pub fn stage(
        &mut self,
        label: impl Into<String>,
        shader: Arc<Shader>,
        bindings: Vec<BufferId>,
        workgroups: Workgroups,
    ) {
        self.stages.push(Stage { label: label.into(), shader, bindings, workgroups });
    }

    /// Asks for a range to be read back; its index in [`ProgramOutput`] is returned.
    pub fn read_back(&mut self, buffer: BufferId, offset: u64, bytes: u64) -> usize {
        self.read_back.push(BufferRange { buffer, offset, bytes });
        self.read_back.len() - 1
    }

    /// Device bytes that all buffers take together.
    #[must_use]
    pub fn device_bytes(&self) -> u64 {
        self.buffers.iter().map(|buffer| buffer.bytes.next_multiple_of(4).max(4)).sum()
    }

    /// Bytes that go up.
    #[must_use]
    pub fn upload_bytes(&self) -> u64 {
        let pieces = self.buffers.iter().flat_map(|buffer| match &buffer.init {
            BufferInit::Upload(pieces) => pieces.as_slice(),
            BufferInit::Zero => &[],
        });
        pieces.map(|(_, bytes)| bytes.len() as u64).sum()
    }

    /// Bytes that come down.
    #[must_use]
    pub fn read_back_bytes(&self) -> u64 {
        self.read_back.iter().map(|range| range.bytes).sum()
    }
}

/// What a program read back: one vector of words per entry of [`Program::read_back`].
#[derive(Debug, Clone, Default)]
pub struct ProgramOutput {
    /// Words, in the order asked for.
    pub words: Vec<Vec<u32>>,
}
