//! The dispatches of a decode, as data.

use std::sync::Arc;

use arrow::buffer::Buffer;
use pilaster_shaders::{Request, Root, Shader, Tier, shader};

use super::form::{Output, Reading};
use super::lay::{DELTA_BLOCK, head};
use super::{Decode, Shaders};
use crate::error::{Backend, Error, Result};
use crate::gpu::column::Storage;
use crate::gpu::program::{BufferId, BufferInit, Program, Workgroups};
use crate::parquet::{Leaf, Physical};

/// Invocations of a workgroup, `WG` of `shared/grid`.
const WORKGROUP: u64 = 256;
/// Counts that one workgroup of the scan takes: `scan_block()` of `scan/block`.
const SCAN_BLOCK: u64 = 1024;
/// Workgroups of one dimension, as `grid_group` counts them.
const GRID_WIDTH: u32 = 65_535;
/// Words of the status: what went wrong, and in which page.
pub(super) const STATUS_WORDS: u64 = 2;

/// Where a column goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The arena. Words that no column writes keep their contents.
    pub arena: BufferId,
    /// Word of the values.
    pub values: u32,
    /// Word of the validity bitmap, where the column is [`Decode::nullable`].
    pub validity: u32,
    /// Width of a value: the low bits are kept. Narrower than [`Decode::storage`] where the values' range allows. Of no
    /// matter where that is none.
    pub storage: Storage,
}

/// Buffers that a decode leaves beside the arena.
#[derive(Debug, Clone, Copy)]
pub struct Placed {
    /// What went wrong, for [`Decode::check`].
    pub status: BufferId,
    /// Slots of a repeated column: the last word of this buffer, at this byte.
    pub(super) slots: Option<(BufferId, u64)>,
    /// Offsets of strings without codes, and their bytes.
    pub(super) strings: Option<[BufferId; 2]>,
    /// Definition levels, two to a word, where asked for.
    pub(super) definition: Option<BufferId>,
    /// Repetition levels, likewise.
    pub(super) repetition: Option<BufferId>,
    /// Shapes of the nodes above the leaf, and their bytes.
    pub(super) nodes: Option<(BufferId, u64)>,
}

pub(super) fn shaders(tier: &Tier) -> Result<Shaders> {
    let library = |path| compose(path, &[], tier);
    Ok(Shaders {
        tier: tier.clone(),
        levels: library("parquet/levels")?,
        scan: [library("scan/reduce")?, library("scan/spine")?, library("scan/apply")?],
        slots: library("parquet/slots")?,
        count: library("compact/count")?,
        nodes: [library("parquet/contexts")?, library("parquet/nodes")?],
        pages: library("parquet/pages")?,
        delta: [
            library("parquet/delta_reduce")?,
            library("parquet/delta_spine")?,
            library("parquet/delta_apply")?,
        ],
        sizes: library("parquet/sizes")?,
        lows: library("parquet/lows")?,
        unfold: library("parquet/unfold")?,
        gather: library("parquet/gather")?,
    })
}

fn compose(path: &str, constants: &[(&str, f64)], tier: &Tier) -> Result<Arc<Shader>> {
    shader(&Request { label: path, root: Root::Library(path), slots: &[], constants, tier })
        .map_err(|error| Error::Device { stage: path.into(), reason: error.to_string() })
}

/// Buffers of the upload.
pub(super) struct Uploaded {
    pub tables: BufferId,
    pub bytes: BufferId,
    pub status: BufferId,
}

impl Decode {
    /// Appends the decode to a program. `with_levels` writes out the levels themselves, too.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] where a buffer exceeds what the adapter binds; [`Error::Device`] where a stage does not
    /// compose.
    pub fn append(&self, program: &mut Program, target: &Target, with_levels: bool) -> Result<Placed> {
        let first_buffer = program.buffers.len();
        let uploaded = self.upload(program, target);
        let mut placed = Placed {
            status: uploaded.status,
            slots: None,
            strings: None,
            definition: None,
            repetition: None,
            nodes: None,
        };
        if self.levels == 0 {
            return Ok(placed);
        }
        let dummy = program.buffer("parquet/none", 8, BufferInit::Zero);
        let first = program.upload_words("parquet/first slots", &self.first_levels);
        let mut valid = (dummy, dummy);
        if self.nullable {
            valid = self.find_values(program, &uploaded, first, &mut placed);
        }
        let scanned = match (self.delta_blocks, stored_as_bytes(&self.leaf)) {
            (0, _) => dummy,
            (_, false) => self.scan_deltas(program, &uploaded),
            (_, true) => {
                let deltas = self.scan_deltas(program, &uploaded);
                self.scan_sizes(program, &uploaded, deltas)
            }
        };
        let bindings = vec![
            uploaded.tables,
            uploaded.bytes,
            first,
            valid.0,
            valid.1,
            scanned,
            target.arena,
            uploaded.status,
        ];
        let place = compose("parquet/place", &self.place_constants(target), &self.shaders.tier)?;
        program.stage("parquet/place", place, bindings, invocations(self.placing_invocations(target)));
        if self.form.output == Output::Strings {
            placed.strings = Some(self.gather(program, &uploaded, target.arena));
        }
        if with_levels || !self.nodes.is_empty() {
            placed.definition =
                self.expand(program, &uploaded, head::DEFINITION, self.leaf.max_definition)?;
            placed.repetition =
                self.expand(program, &uploaded, head::REPETITION, self.leaf.max_repetition)?;
            self.find_nodes(program, &mut placed)?;
        }
        self.check_sizes(&program.buffers[first_buffer..])?;
        Ok(placed)
    }

    fn place_constants(&self, target: &Target) -> Vec<(&'static str, f64)> {
        let mut constants = match self.form.output {
            Output::Values(_) | Output::Codes => vec![("PLACE_BITS", target.storage.bits() as f64)],
            Output::Wide(bytes) => vec![("PLACE_BITS", 0.0), ("PLACE_STRIDE", f64::from(bytes))],
            Output::Strings => vec![("PLACE_SPANS", 1.0)],
        };
        match self.form.reading {
            Reading::Signed => {}
            Reading::Unsigned => constants.push(("PLACE_UNSIGNED", 1.0)),
            Reading::BigEndian => constants.push(("PLACE_BIG_ENDIAN", 1.0)),
            Reading::From(byte) => constants.push(("PLACE_SKIP", f64::from(byte))),
            Reading::Int96(per_second) => constants.push(("PLACE_PER_SECOND", f64::from(per_second))),
        }
        constants
    }

    /// Of `parquet/place`: one for each value, or for each word of narrow ones and of wide ones.
    fn placing_invocations(&self, target: &Target) -> u64 {
        let levels = self.levels as u64;
        match self.form.output {
            Output::Values(_) | Output::Codes => levels.div_ceil((32 / target.storage.bits()).max(1)),
            Output::Wide(bytes) => (levels * u64::from(bytes)).div_ceil(4),
            Output::Strings => levels,
        }
    }

    /// Offsets and bytes of strings, from the lengths and places that the arena holds.
    fn gather(&self, program: &mut Program, uploaded: &Uploaded, spans: BufferId) -> [BufferId; 2] {
        let offsets = self.scan(program, spans, self.levels as u64 + 1);
        let bytes = program.buffer("parquet/strings", self.string_words() * 4, BufferInit::Zero);
        let bindings = vec![uploaded.tables, uploaded.bytes, spans, offsets, bytes];
        program.stage(
            "parquet/gather",
            self.shaders.gather.clone(),
            bindings,
            invocations(self.string_words()),
        );
        [offsets, bytes]
    }

    /// Room for the bytes of all strings.
    pub(super) fn string_words(&self) -> u64 {
        self.string_bytes.div_ceil(4).max(1)
    }

    fn upload(&self, program: &mut Program, target: &Target) -> Uploaded {
        let mut tables = self.tables.clone();
        tables[head::VALUES] = target.values;
        tables[head::VALIDITY] = target.validity;
        let size = tables.len() as u64 * 4;
        let init = BufferInit::Upload(vec![(0, Buffer::from_vec(tables))]);
        Uploaded {
            tables: program.buffer("parquet/tables", size, init),
            bytes: program.buffer("parquet/bytes", self.bytes_len, BufferInit::Upload(self.bytes.clone())),
            status: program.buffer("parquet/status", STATUS_WORDS * 4, BufferInit::Zero),
        }
    }

    /// Bitmap over slots, and values before each of its words.
    fn find_values(
        &self,
        program: &mut Program,
        uploaded: &Uploaded,
        first: BufferId,
        placed: &mut Placed,
    ) -> (BufferId, BufferId) {
        // A word more, for positions behind the last slot.
        let words = (self.levels as u64).div_ceil(32);
        let mut bitmap = |label: &str| program.buffer(label, (words + 1) * 4, BufferInit::Zero);
        let valid = bitmap("parquet/valid");
        let slots = bitmap("parquet/slots");
        let counts = bitmap("parquet/counts");
        let bindings = vec![uploaded.tables, uploaded.bytes, valid, slots, counts, uploaded.status];
        program.stage("parquet/levels", self.shaders.levels.clone(), bindings, invocations(words));
        let before = self.scan(program, counts, words + 1);
        if !self.nested() {
            return (valid, before);
        }
        placed.slots = Some((before, words * 4));
        let moved = program.buffer("parquet/moved", (words + 1) * 4, BufferInit::Zero);
        let bindings = vec![uploaded.tables, uploaded.bytes, valid, slots, before, moved];
        program.stage("parquet/slots", self.shaders.slots.clone(), bindings, invocations(words));
        let bindings = vec![uploaded.tables, uploaded.bytes, slots, before, first];
        let pages = self.first_levels.len() as u64;
        program.stage("parquet/pages", self.shaders.pages.clone(), bindings, invocations(pages));
        let parameters = program.upload_words("parquet/count parameters", &[self.levels as u32]);
        let counts = program.buffer("parquet/counts", (words + 1) * 4, BufferInit::Zero);
        let bindings = vec![parameters, moved, counts];
        program.stage("parquet/count", self.shaders.count.clone(), bindings, invocations(words));
        (moved, self.scan(program, counts, words + 1))
    }

    /// Exclusive scan of `count` words.
    pub(super) fn scan(&self, program: &mut Program, input: BufferId, count: u64) -> BufferId {
        let blocks = count.div_ceil(SCAN_BLOCK);
        let parameters = program.upload_words("parquet/scan parameters", &[count as u32]);
        let sums = program.buffer("parquet/scan sums", (blocks + 1) * 4, BufferInit::Zero);
        let output = program.buffer("parquet/scanned", count * 4, BufferInit::Zero);
        let [reduce, spine, apply] = &self.shaders.scan;
        let bindings = vec![parameters, input, sums];
        program.stage("parquet/scan reduce", reduce.clone(), bindings, groups(blocks));
        program.stage("parquet/scan spine", spine.clone(), vec![parameters, sums], groups(1));
        let bindings = vec![parameters, input, sums, output];
        program.stage("parquet/scan apply", apply.clone(), bindings, groups(blocks));
        output
    }

    fn scan_deltas(&self, program: &mut Program, uploaded: &Uploaded) -> BufferId {
        let blocks = u64::from(self.delta_blocks);
        let sums = program.buffer("parquet/delta sums", blocks * 8, BufferInit::Zero);
        let values = program.buffer("parquet/deltas", blocks * DELTA_BLOCK as u64 * 8, BufferInit::Zero);
        let [reduce, spine, apply] = &self.shaders.delta;
        let Uploaded { tables, bytes, .. } = *uploaded;
        program.stage("parquet/delta_reduce", reduce.clone(), vec![tables, bytes, sums], groups(blocks));
        program.stage("parquet/delta_spine", spine.clone(), vec![tables, bytes, sums], groups(1));
        let bindings = vec![tables, bytes, sums, values];
        program.stage("parquet/delta_apply", apply.clone(), bindings, groups(blocks));
        values
    }

    /// Levels of one kind, two to a word; none where the column has none.
    fn expand(
        &self,
        program: &mut Program,
        uploaded: &Uploaded,
        at: usize,
        most: u16,
    ) -> Result<Option<BufferId>> {
        if most == 0 {
            return Ok(None);
        }
        let words = (self.levels as u64).div_ceil(2);
        let output = program.buffer("parquet/expanded", words * 4, BufferInit::Zero);
        let expand = compose("parquet/expand", &[("EXPAND_AT", at as f64)], &self.shaders.tier)?;
        let bindings = vec![uploaded.tables, uploaded.bytes, output, uploaded.status];
        program.stage("parquet/expand", expand, bindings, invocations(words));
        Ok(Some(output))
    }

    fn check_sizes(&self, buffers: &[crate::gpu::program::BufferSpec]) -> Result<()> {
        let asked_bytes = buffers.iter().map(|buffer| buffer.bytes).max().unwrap_or(0);
        let limit_bytes = self.shaders.tier.binding_bytes;
        if asked_bytes <= limit_bytes {
            return Ok(());
        }
        Err(Error::OutOfMemory { backend: Backend::Gpu, asked_bytes, limit_bytes })
    }
}

/// Byte arrays, and values that may be written as such: their deltas are lengths.
fn stored_as_bytes(leaf: &Leaf) -> bool {
    matches!(leaf.physical, Physical::ByteArray | Physical::FixedLenByteArray(_))
}

/// Workgroups for that many invocations.
pub(super) fn invocations(count: u64) -> Workgroups {
    groups(count.div_ceil(WORKGROUP))
}

/// Workgroups as `grid_group` counts them.
fn groups(count: u64) -> Workgroups {
    let count = count.max(1) as u32;
    Workgroups::Direct(match count <= GRID_WIDTH {
        true => [count, 1, 1],
        false => [GRID_WIDTH, count.div_ceil(GRID_WIDTH), 1],
    })
}
