//! The validity bitmap of a batch, from its stretches.

use arrow::array::BooleanBufferBuilder;
use arrow::buffer::{BooleanBuffer, NullBuffer};

use super::blocks::Stretch;

/// Bitmaps one after another. No bitmap is made while there is no null, and a single one is taken as it is.
#[derive(Default)]
pub(super) struct Validity {
    len: usize,
    bits: Bits,
}

#[derive(Default)]
enum Bits {
    #[default]
    Valid,
    One(BooleanBuffer),
    Many(BooleanBufferBuilder),
}

impl Validity {
    pub fn push(&mut self, stretch: &Stretch) {
        self.bits = match (std::mem::take(&mut self.bits), &stretch.validity) {
            (Bits::Valid, None) => Bits::Valid,
            (Bits::Valid, Some(validity)) if self.len == 0 => Bits::One(validity.clone()),
            (bits, validity) => Bits::Many(append(bits, self.len, validity.as_ref(), stretch.slots)),
        };
        self.len += stretch.slots;
    }

    pub fn finish(self) -> Option<NullBuffer> {
        let bits = match self.bits {
            Bits::Valid => return None,
            Bits::One(bits) => bits,
            Bits::Many(bits) => bits.build(),
        };
        Some(NullBuffer::new(bits)).filter(|nulls| nulls.null_count() > 0)
    }
}

fn append(bits: Bits, len: usize, validity: Option<&BooleanBuffer>, slots: usize) -> BooleanBufferBuilder {
    let mut builder = match bits {
        Bits::Many(builder) => builder,
        bits => {
            let mut builder = BooleanBufferBuilder::new(2 * (len + slots));
            match bits {
                Bits::One(one) => builder.append_buffer(&one),
                _ => builder.append_n(len, true),
            }
            builder
        }
    };
    match validity {
        Some(validity) => builder.append_buffer(validity),
        None => builder.append_n(slots, true),
    }
    builder
}
