//! As much of Thrift's compact protocol as a page header needs.

/// A struct while it is written; fields in ascending order.
#[derive(Debug, Clone, Default)]
pub struct Struct {
    bytes: Vec<u8>,
    last: i32,
}

/// An unsigned number, seven bits a byte.
#[must_use]
pub fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A signed number.
#[must_use]
pub fn zigzag(value: i64) -> Vec<u8> {
    varint(((value << 1) ^ (value >> 63)).cast_unsigned())
}

impl Struct {
    fn field(&mut self, id: i32, kind: u8) {
        match id - self.last {
            delta @ 1..=15 => self.bytes.push((delta as u8) << 4 | kind),
            _ => {
                self.bytes.push(kind);
                self.bytes.extend(zigzag(id.into()));
            }
        }
        self.last = id;
    }

    /// A number.
    #[must_use]
    pub fn i32(mut self, id: i32, value: i32) -> Self {
        self.field(id, 5);
        self.bytes.extend(zigzag(value.into()));
        self
    }

    /// A Boolean.
    #[must_use]
    pub fn bool(mut self, id: i32, value: bool) -> Self {
        self.field(id, if value { 1 } else { 2 });
        self
    }

    /// A string.
    #[must_use]
    pub fn text(mut self, id: i32, value: &str) -> Self {
        self.field(id, 8);
        self.bytes.extend(varint(value.len() as u64));
        self.bytes.extend_from_slice(value.as_bytes());
        self
    }

    /// A struct.
    #[must_use]
    pub fn inner(mut self, id: i32, value: Struct) -> Self {
        self.field(id, 12);
        self.bytes.extend(value.end());
        self
    }

    /// Its bytes.
    #[must_use]
    pub fn end(mut self) -> Vec<u8> {
        self.bytes.push(0);
        self.bytes
    }
}
