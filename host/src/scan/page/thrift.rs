//! The part of Thrift's compact protocol that page headers and page indexes use.
//!
//! Bytes of a struct: `delta << 4 | kind` before each field, 0 at its end; numbers are zigzag varints; a Boolean field is
//! its kind. Nothing is allocated, and nesting is bounded, so that no header costs more than its bytes.

/// Kinds of fields.
pub(in crate::scan) const TRUE: u8 = 1;
pub(in crate::scan) const FALSE: u8 = 2;
pub(in crate::scan) const I32: u8 = 5;
pub(in crate::scan) const LIST: u8 = 9;
pub(in crate::scan) const STRUCT: u8 = 12;

/// Structs of a page header nest three deep.
pub(in crate::scan) const MAX_DEPTH: usize = 8;

/// Thrift's compact protocol; `None` wherever the bytes end or break its grammar.
pub(in crate::scan) struct Cursor<'a> {
    pub(in crate::scan) bytes: &'a [u8],
    pub(in crate::scan) at: usize,
}

impl<'a> Cursor<'a> {
    pub(in crate::scan) fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn advance(&mut self, length: u64) -> Option<()> {
        let end = self.at.checked_add(usize::try_from(length).ok()?)?;
        (end <= self.bytes.len()).then(|| self.at = end)
    }

    /// A number of 32 bits at most: every one in a page header is.
    pub(in crate::scan) fn i32(&mut self) -> Option<i32> {
        i32::try_from(self.zigzag()?).ok()
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub(in crate::scan) fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    /// The next field's kind, its number in `id`; `Some(None)` at the end of the struct.
    pub(in crate::scan) fn field(&mut self, id: &mut i64) -> Option<Option<u8>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Some(None);
        }
        *id = match byte >> 4 {
            0 => self.zigzag()?,
            delta => id.checked_add(delta.into())?,
        };
        Some(Some(byte & 0x0f))
    }

    pub(in crate::scan) fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            // A field's Boolean is in its kind.
            1 | 2 => Some(()),
            3 => self.advance(1),
            4..=6 => self.varint().map(drop),
            7 => self.advance(8),
            8 => {
                let length = self.varint()?;
                self.advance(length)
            }
            9 | 10 => self.skip_list(depth),
            12 => {
                let mut id = 0;
                while let Some(kind) = self.field(&mut id)? {
                    self.skip(kind, depth)?;
                }
                Some(())
            }
            // No map occurs in a page header.
            _ => None,
        }
    }

    /// Bytes behind their length.
    pub(in crate::scan) fn binary(&mut self) -> Option<&'a [u8]> {
        let length = self.varint()?;
        let start = self.at;
        self.advance(length)?;
        Some(&self.bytes[start..self.at])
    }

    /// The head of a list: the kind of its elements, and how many there claim to be.
    pub(in crate::scan) fn list(&mut self) -> Option<(u8, u64)> {
        let byte = self.byte()?;
        let length = match byte >> 4 {
            15 => self.varint()?,
            length => length.into(),
        };
        Some((byte & 0x0f, length))
    }

    fn skip_list(&mut self, depth: usize) -> Option<()> {
        let (kind, length) = self.list()?;
        match kind {
            1..=3 => self.advance(length),
            kind => {
                // Every other element takes a byte at least: the bytes end before a hostile length does.
                (0..length).try_for_each(|_| self.skip(kind, depth))
            }
        }
    }
}
