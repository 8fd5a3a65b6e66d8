//! Any sort keys as a sequence of 64-bit words, each made when it is asked for.
//!
//! ```text
//! keys:     a i32 (20 bits)   b i64 (64 bits)   c string      d i16 (9 bits)
//! pieces:   [a 20 | b 44]     [b 20]            [c ...][...]  [d 9]
//! cursor:   the piece, and within a string the byte that its word begins at
//! ```
//! Rows compare as their words do, one after the other. A sort makes the first word of all rows, and of further words only
//! those of rows that agree so far; such rows share their cursor, so that strings need no common length.
//! (Idea: multikey quicksort, Bentley and Sedgewick 1997; the words of DuckDB's sort keys.)

use std::cmp::Ordering;

use arrow::array::ArrayRef;

use super::super::lanes::{LaneColumn, Lanes};
use super::field::{Field, Rows, Window};
use super::text::Text;
use crate::error::{Error, Result};
use crate::sort::SortKey;

/// Sort keys of a batch.
#[derive(Debug)]
pub(crate) struct KeySequence {
    pieces: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    /// One word of fixed fields.
    Packed(Vec<Part>),
    /// A string: one word or more.
    Text(Text),
}

#[derive(Debug)]
struct Part {
    field: std::sync::Arc<Field>,
    bits: Bits,
}

#[derive(Debug)]
enum Bits {
    Flag { at: u32 },
    Window(Window),
}

/// A word of the sequence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    piece: usize,
    /// Bytes of the string before the word.
    skip: usize,
}

impl KeySequence {
    /// The keys of a batch.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where a key names a column that is not there or columns differ in length;
    /// [`Error::Unsupported`] for nested key types.
    pub(crate) fn new(columns: &[ArrayRef], keys: &[SortKey]) -> Result<Self> {
        let mut packing = Packing { pieces: Vec::new(), parts: Vec::new(), free: u64::BITS };
        for (key, column) in keys.iter().zip(super::key_columns(columns, keys)?) {
            packing.add(&column, *key)?;
        }
        Ok(Self { pieces: packing.finish() })
    }

    /// True where there is no word at `cursor`: rows that got there are equal.
    pub(crate) fn is_end(&self, cursor: Cursor) -> bool {
        cursor.piece >= self.pieces.len()
    }

    /// True where rows that agree in the word at `cursor` are equal, whatever they are.
    pub(crate) fn is_last(&self, cursor: Cursor) -> bool {
        let ends = match self.pieces.get(cursor.piece) {
            Some(Piece::Text(text)) => cursor.skip == 0 && text.fits_head(),
            _ => true,
        };
        ends && cursor.piece + 1 >= self.pieces.len()
    }

    /// The words of `rows` at `cursor`, which is not the end; `out` is as long.
    pub(crate) fn words(&self, cursor: Cursor, rows: &Rows<'_>, out: &mut [u64]) {
        match &self.pieces[cursor.piece] {
            Piece::Text(text) => text.words(cursor.skip, rows, out),
            Piece::Packed(parts) => {
                out.fill(0);
                for Part { field, bits } in parts {
                    match bits {
                        Bits::Flag { at } => field.write_flag(*at, rows, out),
                        Bits::Window(window) => field.write(*window, rows, out),
                    }
                }
            }
        }
    }

    /// The word after the one at `cursor`, for rows that agree in it, of which `row` is one.
    pub(crate) fn after(&self, cursor: Cursor, row: usize) -> Cursor {
        let next = match &self.pieces[cursor.piece] {
            Piece::Text(text) => text.next(cursor.skip, row),
            Piece::Packed(_) => None,
        };
        match next {
            Some(skip) => Cursor { skip, ..cursor },
            None => Cursor { piece: cursor.piece + 1, skip: 0 },
        }
    }

    /// [`KeySequence::after`], and then past the bytes that all `rows` have in common, of which there is one at least.
    pub(crate) fn after_common(&self, cursor: Cursor, rows: &Rows<'_>) -> Cursor {
        let next = self.after(cursor, rows.get(0));
        match self.pieces.get(next.piece) {
            Some(Piece::Text(text)) if next.skip > 0 => {
                let rows = (0..rows.len()).map(|at| rows.get(at));
                Cursor { skip: text.common(next.skip, rows), ..next }
            }
            _ => next,
        }
    }

    /// Compares two rows that agree before `cursor`.
    pub(crate) fn compare(&self, mut cursor: Cursor, a: u32, b: u32) -> Ordering {
        while !self.is_end(cursor) {
            let mut words = [0; 2];
            self.words(cursor, &Rows::List(&[a, b]), &mut words);
            let order = words[0].cmp(&words[1]);
            if order.is_ne() {
                return order;
            }
            cursor = self.after_common(cursor, &Rows::List(&[a, b]));
        }
        Ordering::Equal
    }
}

/// Fields on their way into words.
struct Packing {
    pieces: Vec<Piece>,
    /// Of the word that is being filled, from the top.
    parts: Vec<Part>,
    free: u32,
}

impl Packing {
    fn add(&mut self, column: &LaneColumn, key: SortKey) -> Result<()> {
        if let Some(fields) = Field::fixed(column, key) {
            fields.into_iter().for_each(|field| self.add_field(field));
            return Ok(());
        }
        let Lanes::Bytes(array) = &column.lanes else { return Err(Error::invalid("a key without a form")) };
        self.close();
        self.pieces.push(Piece::Text(Text::new(array, column.nulls.as_ref(), key)));
        Ok(())
    }

    fn add_field(&mut self, field: Field) {
        let field = std::sync::Arc::new(field);
        if field.is_flagged() {
            let at = self.take(1).at;
            self.parts.push(Part { field: field.clone(), bits: Bits::Flag { at } });
        }
        let mut left = field.bits;
        while left > 0 {
            let room = self.take(left);
            left -= room.bits;
            let window = Window { drop: left, ..room };
            self.parts.push(Part { field: field.clone(), bits: Bits::Window(window) });
        }
    }

    /// Room for up to `bits` in the word.
    fn take(&mut self, bits: u32) -> Window {
        if self.free == 0 {
            self.close();
        }
        let bits = bits.min(self.free);
        self.free -= bits;
        Window { drop: 0, bits, at: self.free }
    }

    /// Ends the word; its parts move down to bit 0, so that no bit of it is idle.
    fn close(&mut self) {
        let mut parts = std::mem::take(&mut self.parts);
        for part in &mut parts {
            match &mut part.bits {
                Bits::Flag { at } => *at -= self.free,
                Bits::Window(window) => window.at -= self.free,
            }
        }
        self.free = u64::BITS;
        if !parts.is_empty() {
            self.pieces.push(Piece::Packed(parts));
        }
    }

    fn finish(mut self) -> Vec<Piece> {
        self.close();
        self.pieces
    }
}
