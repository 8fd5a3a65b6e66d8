//! A decode by itself: its program, and the leaf batch that comes back.

use std::sync::Arc;

use arrow::array::{Array, ArrayData, ArrayRef, BinaryArray, StringArray, make_array, new_empty_array};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::DataType;

use super::stages::{STATUS_WORDS, Target};
use super::{Decode, DecodeError, Output};
use crate::error::{Error, Result};
use crate::gpu::column::{Storage, is_text};
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
        let values = self.arena_bytes();
        let validity = if self.nullable { Storage::Bit.bytes(self.levels as u64) } else { 0 };
        let arena = program.buffer("parquet/arena", values + validity, BufferInit::Zero);
        let storage = self.storage().unwrap_or(Storage::Word);
        let target = Target { arena, values: 0, validity: (values / 4) as u32, storage };
        let placed = self.append(&mut program, &target, self.reads_levels())?;
        program.read_back(placed.status, 0, STATUS_WORDS * 4);
        match placed.strings {
            None => {
                program.read_back(arena, 0, values + validity);
            }
            Some([offsets, bytes]) => {
                program.read_back(arena, values, validity);
                program.read_back(offsets, 0, (self.levels as u64 + 1) * 4);
                program.read_back(bytes, 0, self.string_words() * 4);
            }
        }
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

    /// Bytes of the arena before the validity; of strings without codes it holds lengths, one word more, and places.
    fn arena_bytes(&self) -> u64 {
        let levels = self.levels as u64;
        match self.form.output {
            Output::Values(storage) => storage.bytes(levels),
            Output::Codes => Storage::Word.bytes(levels),
            Output::Wide(bytes) => (levels * u64::from(bytes)).next_multiple_of(4),
            Output::Strings => (2 * levels + 1) * 4,
        }
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
        let strings = match self.form.output {
            Output::Strings if levels > 0 => Some([next()?, next()?]),
            _ => None,
        };
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
        let array = match strings {
            None => self.array(arena, slots)?,
            Some([offsets, bytes]) => self.string_array(arena, offsets, bytes, slots)?,
        };
        Ok(LeafBatch { rows, array, levels })
    }

    /// Strings without codes: Utf8 or Binary, whatever the leaf's type is.
    fn string_array(
        &self,
        validity: &[u32],
        offsets: &[u32],
        bytes: &[u32],
        slots: usize,
    ) -> std::result::Result<ArrayRef, DecodeError> {
        let offsets = offsets.get(..=slots).ok_or_else(|| Error::invalid("too few offsets read back"))?;
        let offsets: Vec<i32> = offsets.iter().map(|offset| *offset as i32).collect();
        let bytes = Buffer::from_slice_ref(bytes);
        let ascend = offsets.first() == Some(&0) && offsets.is_sorted();
        let end = offsets.last().map_or(0, |end| *end as usize);
        if !ascend || end > bytes.len() {
            return Err(Error::invalid("offsets read back that are none").into());
        }
        let bytes = bytes.slice_with_length(0, end);
        let nulls = self.nulls(validity, slots);
        let text = is_text(&self.leaf.data_type) == Some(true);
        if text && let Some(slot) = not_text(&bytes, &offsets) {
            return Err(self.malformed_slot(slot, "text that is not UTF-8"));
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        Ok(match text {
            true => Arc::new(StringArray::try_new(offsets, bytes, nulls).map_err(Error::from)?),
            false => Arc::new(BinaryArray::try_new(offsets, bytes, nulls).map_err(Error::from)?),
        })
    }

    /// Names the page that a slot is in; the first one where slots are not levels.
    fn malformed_slot(&self, slot: usize, reason: &'static str) -> DecodeError {
        let page = match self.nested() {
            true => 0,
            false => self.first_levels.partition_point(|first| *first as usize <= slot).saturating_sub(1),
        };
        let (segment, place) = self.places.get(page).copied().unwrap_or((0, 0));
        DecodeError::Malformed { segment, place, malformed: Malformed::new(reason) }
    }

    fn nulls(&self, validity: &[u32], slots: usize) -> Option<NullBuffer> {
        let bits = || BooleanBuffer::new(Buffer::from_slice_ref(validity), 0, slots);
        let nulls = self.nullable.then(|| NullBuffer::new(bits()));
        nulls.filter(|nulls| nulls.null_count() > 0)
    }

    fn array(&self, arena: &[u32], slots: usize) -> Result<ArrayRef> {
        let (values, validity) = match self.form.output {
            // Without levels nothing is decoded.
            Output::Strings => return Ok(new_empty_array(&self.leaf.data_type)),
            _ => arena
                .split_at_checked(self.arena_bytes() as usize / 4)
                .ok_or_else(|| Error::invalid("too few words read back"))?,
        };
        let data_type = match self.form.output {
            Output::Codes => DataType::Int32,
            _ => self.leaf.data_type.clone(),
        };
        let data = ArrayData::builder(data_type)
            .len(slots)
            .add_buffer(Buffer::from_slice_ref(values))
            .nulls(self.nulls(validity, slots))
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

/// The first slot whose bytes are not UTF-8.
fn not_text(bytes: &[u8], offsets: &[i32]) -> Option<usize> {
    let whole = std::str::from_utf8(bytes);
    if let Ok(text) = whole
        && offsets.iter().all(|offset| text.is_char_boundary(*offset as usize))
    {
        return None;
    }
    let value = |pair: &[i32]| bytes.get(pair[0] as usize..pair[1] as usize).unwrap_or_default();
    offsets.windows(2).position(|pair| std::str::from_utf8(value(pair)).is_err())
}
