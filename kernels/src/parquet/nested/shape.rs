//! Which levels are the slots of a node, and what they say of it.

use arrow::array::BooleanBufferBuilder;
use arrow::buffer::{BooleanBuffer, NullBuffer};

use crate::parquet::LevelBatch;

/// The innermost repeated ancestor of a node, by which its slots are told from other levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Context {
    /// Definition level from which on the ancestor has an element: lower levels make no slot.
    pub slot: u16,
    /// Repetition level of the ancestor's elements after the first: higher levels are of lists further in.
    pub repetition: u16,
}

impl Context {
    /// No ancestor is repeated: a slot is a row.
    pub const ROOT: Context = Context { slot: 0, repetition: 0 };

    /// Definition and repetition levels in order.
    pub fn pairs(levels: &LevelBatch) -> impl Iterator<Item = (u16, u16)> {
        let repetition = levels.repetition.iter().copied().chain(std::iter::repeat(0));
        levels.definition.iter().copied().zip(repetition)
    }

    /// Which slots have a definition level of `definition` at least; none where all have.
    pub fn validity(self, definition: u16, levels: &LevelBatch) -> Option<NullBuffer> {
        let bits = if levels.repetition.is_empty() && self == Context::ROOT {
            let levels = &levels.definition;
            BooleanBuffer::collect_bool(levels.len(), |slot| levels[slot] >= definition)
        } else {
            let mut bits = BooleanBufferBuilder::new(levels.definition.len());
            for (level, repetition) in Context::pairs(levels) {
                if level >= self.slot && repetition <= self.repetition {
                    bits.append(level >= definition);
                }
            }
            bits.build()
        };
        Some(NullBuffer::new(bits)).filter(|nulls| nulls.null_count() > 0)
    }

    /// Whether the levels of two leaves say the same of a node that is there from `definition` on, and of all above it.
    pub fn agree(self, definition: u16, left: &LevelBatch, right: &LevelBatch) -> bool {
        let cut = |(level, repetition): (u16, u16)| (level.min(definition), repetition);
        let of_node =
            |levels| Context::pairs(levels).filter(|(_, repetition)| *repetition <= self.repetition).map(cut);
        if left.definition.len() == right.definition.len() && left.repetition == right.repetition {
            let pairs = left.definition.iter().zip(&right.definition).zip(Context::pairs(left));
            return pairs.fold(true, |same, ((&left, &right), (_, repetition))| {
                same & (repetition > self.repetition || left.min(definition) == right.min(definition))
            });
        }
        of_node(left).eq(of_node(right))
    }
}
