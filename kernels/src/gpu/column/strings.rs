//! One dictionary per string column, over all batches.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, LargeBinaryBuilder, LargeStringBuilder, StringBuilder,
};
use arrow::datatypes::DataType;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::error::{Error, Result};

/// Distinct values in order of first appearance, and codes for what came in.
pub(crate) struct Interner<'a> {
    codes: HashMap<&'a [u8], u32>,
    values: Vec<&'a [u8]>,
}

impl<'a> Interner<'a> {
    pub(crate) fn new() -> Self {
        Interner { codes: HashMap::new(), values: Vec::new() }
    }

    /// Codes of an array's rows; 0 where `array` is null.
    pub(crate) fn codes(&mut self, array: &'a ArrayRef) -> Result<Vec<u32>> {
        match array.data_type() {
            DataType::Dictionary(_, _) => self.dictionary_codes(array),
            _ => {
                let values = bytes_of(array.as_ref())?;
                let nulls = array.nulls();
                let mut codes = vec![0; array.len()];
                for (row, code) in codes.iter_mut().enumerate() {
                    if nulls.is_none_or(|nulls| nulls.is_valid(row)) {
                        *code = self.intern(values(row))?;
                    }
                }
                Ok(codes)
            }
        }
    }

    /// Remaps a dictionary array per distinct value; only values that a row refers to are interned.
    fn dictionary_codes(&mut self, array: &'a ArrayRef) -> Result<Vec<u32>> {
        let dictionary = array.as_any_dictionary();
        let nulls = array.logical_nulls();
        let mut codes = vec![0; array.len()];
        if dictionary.values().is_empty()
            || nulls.as_ref().is_some_and(|nulls| nulls.null_count() == array.len())
        {
            return Ok(codes);
        }
        let values = bytes_of(dictionary.values().as_ref())?;
        let mut remap: Vec<Option<u32>> = vec![None; dictionary.values().len()];
        let keys = dictionary.normalized_keys();
        for (row, (code, key)) in codes.iter_mut().zip(keys).enumerate() {
            if nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
                *code = match remap[key] {
                    Some(code) => code,
                    None => *remap[key].insert(self.intern(values(key))?),
                };
            }
        }
        Ok(codes)
    }

    fn intern(&mut self, value: &'a [u8]) -> Result<u32> {
        match self.codes.entry(value) {
            Entry::Occupied(entry) => Ok(*entry.get()),
            Entry::Vacant(entry) => {
                let code = u32::try_from(self.values.len()).map_err(|_| {
                    Error::unsupported("a column of 2^32 distinct strings", crate::Backend::Gpu)
                })?;
                self.values.push(value);
                Ok(*entry.insert(code))
            }
        }
    }

    /// The distinct values: `Utf8` or `Binary`, with 64-bit offsets only where 32 bits do not reach.
    pub(crate) fn finish(self, is_text: bool) -> Result<ArrayRef> {
        let bytes: usize = self.values.iter().map(|value| value.len()).sum();
        let large = i32::try_from(bytes).is_err();
        let count = self.values.len();
        macro_rules! build {
            ($builder:ty, $convert:expr) => {{
                let mut builder = <$builder>::with_capacity(count, bytes);
                for value in self.values {
                    builder.append_value($convert(value)?);
                }
                Ok(Arc::new(builder.finish()))
            }};
        }
        match (is_text, large) {
            (true, false) => build!(StringBuilder, text),
            (true, true) => build!(LargeStringBuilder, text),
            (false, false) => build!(BinaryBuilder, Ok::<_, Error>),
            (false, true) => build!(LargeBinaryBuilder, Ok::<_, Error>),
        }
    }
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(Error::invalid)
}

/// Whether the values of a string type are text; none for other types.
pub(crate) fn is_text(data_type: &DataType) -> Option<bool> {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(true),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            Some(false)
        }
        DataType::Dictionary(_, values) if !matches!(values.as_ref(), DataType::Dictionary(_, _)) => {
            is_text(values)
        }
        _ => None,
    }
}

/// Bytes of a row.
type Rows<'a> = Box<dyn Fn(usize) -> &'a [u8] + 'a>;

/// Row to bytes, the type dispatched once.
fn bytes_of<'a>(array: &'a dyn Array) -> Result<Rows<'a>> {
    macro_rules! rows {
        ($array:expr) => {{
            let array = $array;
            Ok(Box::new(move |row| {
                let value: &[u8] = array.value(row).as_ref();
                value
            }))
        }};
    }
    match array.data_type() {
        DataType::Utf8 => rows!(array.as_string::<i32>()),
        DataType::LargeUtf8 => rows!(array.as_string::<i64>()),
        DataType::Utf8View => rows!(array.as_string_view()),
        DataType::Binary => rows!(array.as_binary::<i32>()),
        DataType::LargeBinary => rows!(array.as_binary::<i64>()),
        DataType::BinaryView => rows!(array.as_binary_view()),
        DataType::FixedSizeBinary(_) => rows!(array.as_fixed_size_binary()),
        other => Err(Error::invalid(format!("{other} where strings or binaries were expected"))),
    }
}
