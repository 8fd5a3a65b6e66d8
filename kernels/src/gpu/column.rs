//! Arrow columns as device words.
//!
//! All columns of a batch travel in one storage buffer (an *arena*), so that any number of columns takes one binding of
//! the eight that the WebGPU baseline has. A column is packed to the narrowest [`Storage`] that its values' range
//! allows; strings become codes into a [`Dictionary`] that the host keeps.
//!
//! ```text
//! arena:  [validity bits col 0][values col 0][validity bits col 1][values col 1]...   each part starts on a word
//! ```

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::buffer::Buffer;
use arrow::datatypes::DataType;

mod encoded;
mod pack;
mod source;
mod strings;
#[cfg(test)]
mod tests;

pub use encoded::{Corrupt, DeviceDecode, EncodedColumn, check_decodes, read_decodes};
pub use pack::{Input, pack, pack_encoded, packable};
pub(crate) use strings::{Interner, is_text};

/// How one value lies in the arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Storage {
    /// One bit: booleans.
    Bit,
    /// 8 bits, four to a word.
    Byte,
    /// 16 bits, two to a word.
    Half,
    /// 32 bits.
    Word,
    /// 64 bits, low word first.
    Double,
    /// 128 bits, low word first.
    Quad,
}

impl Storage {
    /// The narrowest for integers within a range.
    #[must_use]
    pub fn narrowest(range: Option<(i128, i128)>) -> Storage {
        pack::narrowest(range).0
    }

    /// Bits of one value.
    #[must_use]
    pub fn bits(self) -> u64 {
        match self {
            Storage::Bit => 1,
            Storage::Byte => 8,
            Storage::Half => 16,
            Storage::Word => 32,
            Storage::Double => 64,
            Storage::Quad => 128,
        }
    }

    /// Bytes of `rows` values, rounded up to whole words.
    #[must_use]
    pub fn bytes(self, rows: u64) -> u64 {
        (rows * self.bits()).div_ceil(32) * 4
    }
}

/// Shape of one device column: what shader code depends on. Positions are data, not shape.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ColumnLayout {
    /// The logical type.
    pub data_type: DataType,
    /// Width in the arena.
    pub storage: Storage,
    /// Values narrower than a word are sign-extended when loaded.
    pub signed: bool,
    /// A validity bitmap precedes the values.
    pub nullable: bool,
}

/// Distinct values of a string column, over all batches of a pipeline; a code is an index into `values`.
#[derive(Debug, Clone)]
pub struct Dictionary {
    /// Distinct values, without nulls, in order of first appearance.
    pub values: ArrayRef,
}

/// One batch in device form: the arena and where each column lies in it.
#[derive(Debug, Clone)]
pub struct DeviceBatch {
    /// Rows.
    pub rows: u32,
    /// Pieces of the arena: byte offset (a multiple of 4) and contents.
    pub pieces: Vec<(u64, Buffer)>,
    /// Arena size, a multiple of 4.
    pub bytes: u64,
    /// Per column: word index of the validity bitmap (0 where there is none), word index of the values.
    pub positions: Vec<[u32; 2]>,
    /// Columns that travel encoded: the pieces leave their places free.
    pub decodes: Vec<DeviceDecode>,
}

/// All batches of a pipeline's input, packed with one layout per column.
#[derive(Debug, Clone)]
pub struct DeviceColumns {
    /// One per column.
    pub layouts: Vec<ColumnLayout>,
    /// Smallest and largest value of integer-like columns over all batches (codes for strings); none where the column
    /// is all null, boolean, float, or was not measured.
    pub ranges: Vec<Option<(i128, i128)>>,
    /// Exponents of float columns over all batches, as their bits have them: the least and the greatest of finite values
    /// beside zero, with 1 for subnormals, and (1, 1) where there is none. None where they were not measured.
    pub exponents: Vec<Option<(u32, u32)>>,
    /// Dictionaries of string columns.
    pub dictionaries: Vec<Option<Arc<Dictionary>>>,
    /// The batches.
    pub batches: Vec<DeviceBatch>,
}
