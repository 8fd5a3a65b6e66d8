//! A decode by itself: its program, and the leaf batch that comes back.

use std::sync::Arc;

use arrow::array::{Array, ArrayData, ArrayRef, make_array, new_empty_array};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow::datatypes::DataType;

use super::stages::{STATUS_WORDS, Target};
use super::{Decode, DecodeError};
use crate::error::{Error, Result};
use crate::gpu::column::Storage;
use crate::gpu::program::{BufferInit, Program, ProgramOutput};
use crate::parquet::{LeafBatch, LevelBatch, Malformed};

/// Bits of the status, as `parquet/source` has them.
pub(super) const TOO_FEW: u32 = 1;
pub(super) const NO_SUCH_INDEX: u32 = 2;
pub(super) const NO_SUCH_LEVEL: u32 = 4;
pub(super) const BROKEN_LIST: u32 = 8;

impl Decode {
    /// The decode as a program of its own, for [`Decode::finish`].
    ///
    /// # Errors
    /// As for [`Decode::append`].
    pub fn program(&self) -> Result<Program> {
        let mut program = Program::new("parquet");
        let values = self.storage().bytes(self.levels as u64);
        let validity = if self.nullable { Storage::Bit.bytes(self.levels as u64) } else { 0 };
        let arena = program.buffer("parquet/arena", values + validity, BufferInit::Zero);
        let target = Target { arena, values: 0, validity: (values / 4) as u32, storage: self.storage() };
        let placed = self.append(&mut program, &target, self.reads_levels())?;
        program.read_back(placed.status, 0, STATUS_WORDS * 4);
        program.read_back(arena, 0, values + validity);
        if let Some((buffer, at)) = placed.slots {
            program.read_back(buffer, at, 4);
        }
        for levels in [placed.definition, placed.repetition].into_iter().flatten() {
            if self.reads_levels() {
                program.read_back(levels, 0, (self.levels as u64).div_ceil(2) * 4);
            }
        }
        if let Some((nodes, bytes)) = placed.nodes {
            program.read_back(nodes, 0, bytes);
        }
        Ok(program)
    }

    /// A repeated column's rows are counted by its levels, unless the shapes above it say how many there are.
    fn reads_levels(&self) -> bool {
        self.leaf.with_levels || (self.nested() && self.nodes.is_empty())
    }

    /// What the device noted about the pages, from the status that [`Decode::append`] left.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] naming the first page whose bytes contradict themselves.
    pub fn check(&self, status: &[u32]) -> std::result::Result<(), DecodeError> {
        let &[what, page] = status else {
            return Err(Error::invalid("a status of two words expected").into());
        };
        if what == 0 {
            return Ok(());
        }
        let page = self.places.len().saturating_sub(page as usize);
        let (segment, place) = self.places.get(page).or(self.places.first()).copied().unwrap_or((0, 0));
        let reason = if what & NO_SUCH_LEVEL != 0 {
            "a level above the largest"
        } else if what & BROKEN_LIST != 0 {
            "an element that goes on in no list"
        } else if what & NO_SUCH_INDEX != 0 {
            "an index beyond the dictionary"
        } else {
            debug_assert_eq!(what, TOO_FEW);
            "fewer values than levels say"
        };
        Err(DecodeError::Malformed { segment, place, malformed: Malformed::new(reason) })
    }

    /// The column, from what [`Decode::program`] read back.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] for pages that contradict themselves; [`Error::InvalidInput`] where the output is not
    /// this program's.
    pub fn finish(&self, output: &ProgramOutput) -> std::result::Result<LeafBatch, DecodeError> {
        let mut words = output.words.iter();
        let mut next = || words.next().ok_or_else(|| Error::invalid("too few ranges read back"));
        self.check(next()?)?;
        let arena = next()?;
        let levels = self.levels;
        let nested = self.nested() && levels > 0;
        let slots = if nested { next()?.first().copied().unwrap_or(0) as usize } else { levels };
        let mut halves = |most: u16| -> Result<Vec<u16>> {
            if !self.reads_levels() || most == 0 || levels == 0 {
                return Ok(Vec::new());
            }
            let both = next()?.iter().flat_map(|word| [*word as u16, (*word >> 16) as u16]);
            Ok(both.take(levels).collect())
        };
        let mut definition = halves(self.leaf.max_definition)?;
        if self.leaf.max_definition == 0 && self.leaf.with_levels {
            definition = vec![0; levels];
        }
        let repetition = halves(self.leaf.max_repetition)?;
        let rows = match self.leaf.max_repetition {
            0 => levels,
            _ => repetition.iter().filter(|level| **level == 0).count(),
        };
        let levels = self.leaf.with_levels.then_some(LevelBatch { definition, repetition });
        Ok(LeafBatch { rows, array: self.array(arena, slots)?, levels })
    }

    fn array(&self, arena: &[u32], slots: usize) -> Result<ArrayRef> {
        let values = self.storage().bytes(self.levels as u64) as usize / 4;
        let (values, validity) =
            arena.split_at_checked(values).ok_or_else(|| Error::invalid("too few words read back"))?;
        let nulls = self
            .nullable
            .then(|| NullBuffer::new(BooleanBuffer::new(Buffer::from_slice_ref(validity), 0, slots)));
        let data_type = match self.form.codes {
            true => DataType::Int32,
            false => self.leaf.data_type.clone(),
        };
        let data = ArrayData::builder(data_type)
            .len(slots)
            .add_buffer(Buffer::from_slice_ref(values))
            .nulls(nulls.filter(|nulls| nulls.null_count() > 0))
            .align_buffers(true);
        let array = make_array(data.build()?);
        let Some(strings) = &self.strings else { return Ok(array) };
        let keys = Box::new(DataType::Int32);
        let dictionary = DataType::Dictionary(keys, Box::new(strings.data_type().clone()));
        if slots == 0 {
            return Ok(new_empty_array(&dictionary));
        }
        let data = array.to_data().into_builder().data_type(dictionary).add_child_data(strings.to_data());
        Ok(Arc::new(arrow::array::DictionaryArray::<arrow::datatypes::Int32Type>::from(data.build()?)))
    }
}
