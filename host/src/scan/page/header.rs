//! One page header: the facts of a page, before anything of it is read.

use super::thrift::{Cursor, FALSE, I32, MAX_DEPTH, STRUCT, TRUE};

/// What a page header says. Numbers are as in the file: nothing is checked but that they are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scan) struct Header {
    pub(in crate::scan) uncompressed: i32,
    pub(in crate::scan) compressed: i32,
    /// CRC-32 of the page's bytes as they lie in the file.
    pub(in crate::scan) crc: Option<u32>,
    pub(in crate::scan) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scan) enum Kind {
    Dictionary {
        values: i32,
        encoding: i32,
    },
    V1(V1),
    V2(V2),
    /// Index pages, and what later versions of the format may add: passed over.
    Other,
}

/// Of a data page of version 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scan) struct V1 {
    pub(in crate::scan) levels: i32,
    pub(in crate::scan) encoding: i32,
    pub(in crate::scan) definition_encoding: i32,
    pub(in crate::scan) repetition_encoding: i32,
}

/// Of a data page of version 2: its levels are never compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scan) struct V2 {
    pub(in crate::scan) levels: i32,
    pub(in crate::scan) nulls: i32,
    pub(in crate::scan) rows: i32,
    pub(in crate::scan) encoding: i32,
    pub(in crate::scan) definition_bytes: i32,
    pub(in crate::scan) repetition_bytes: i32,
    /// Whether the values are compressed with the chunk's codec.
    pub(in crate::scan) compressed: bool,
}

const DATA_PAGE: i32 = 0;
const DICTIONARY_PAGE: i32 = 2;
const DATA_PAGE_V2: i32 = 3;

impl Header {
    /// The header at the cursor; `None` where there is none, or where it lacks a field that the format requires.
    pub(in crate::scan) fn read(cursor: &mut Cursor<'_>) -> Option<Self> {
        let (mut page_type, mut uncompressed, mut compressed, mut crc) = (None, None, None, None);
        let (mut v1, mut dictionary, mut v2) = (None, None, None);
        let mut id = 0;
        while let Some(kind) = cursor.field(&mut id)? {
            match (id, kind) {
                (1, I32) => page_type = Some(cursor.i32()?),
                (2, I32) => uncompressed = Some(cursor.i32()?),
                (3, I32) => compressed = Some(cursor.i32()?),
                (4, I32) => crc = Some(cursor.i32()?.cast_unsigned()),
                (5, STRUCT) => v1 = Some(numbers(cursor)?),
                (7, STRUCT) => dictionary = Some(numbers(cursor)?),
                (8, STRUCT) => v2 = Some(numbers(cursor)?),
                _ => cursor.skip(kind, MAX_DEPTH)?,
            }
        }
        let kind = match page_type? {
            DATA_PAGE => Kind::V1(V1::of(&v1?)?),
            DICTIONARY_PAGE => {
                let fields = dictionary?;
                Kind::Dictionary { values: fields.get(1)?, encoding: fields.get(2)? }
            }
            DATA_PAGE_V2 => Kind::V2(V2::of(&v2?)?),
            _ => Kind::Other,
        };
        Some(Header { uncompressed: uncompressed?, compressed: compressed?, crc, kind })
    }
}

impl V1 {
    fn of(fields: &Numbers) -> Option<Self> {
        Some(V1 {
            levels: fields.get(1)?,
            encoding: fields.get(2)?,
            definition_encoding: fields.get(3)?,
            repetition_encoding: fields.get(4)?,
        })
    }
}

impl V2 {
    fn of(fields: &Numbers) -> Option<Self> {
        Some(V2 {
            levels: fields.get(1)?,
            nulls: fields.get(2)?,
            rows: fields.get(3)?,
            encoding: fields.get(4)?,
            definition_bytes: fields.get(5)?,
            repetition_bytes: fields.get(6)?,
            compressed: fields.flags[7].unwrap_or(true),
        })
    }
}

/// The numbers and Booleans of a struct, by field; structs of a page header have eight fields at most.
#[derive(Default)]
struct Numbers {
    numbers: [Option<i32>; 9],
    flags: [Option<bool>; 9],
}

impl Numbers {
    fn get(&self, id: usize) -> Option<i32> {
        self.numbers[id]
    }
}

fn numbers(cursor: &mut Cursor<'_>) -> Option<Numbers> {
    let mut found = Numbers::default();
    let mut id = 0;
    while let Some(kind) = cursor.field(&mut id)? {
        match (usize::try_from(id).ok().filter(|id| *id < found.numbers.len()), kind) {
            (Some(id), I32) => found.numbers[id] = Some(cursor.i32()?),
            (Some(id), TRUE | FALSE) => found.flags[id] = Some(kind == TRUE),
            _ => cursor.skip(kind, MAX_DEPTH)?,
        }
    }
    Some(found)
}
