//! Bloom filters of column chunks: values that are in no row, for certain.

use std::cell::RefCell;
use std::collections::HashMap;

use arrow::datatypes::DataType;
use bytes::Bytes;
use parquet::basic::Type as PhysicalType;
use parquet::bloom_filter::Sbbf;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, Length};
use pilaster_kernels::expr::Value;
use pilaster_kernels::{Error, Result};

use super::truth::Evidence;
use crate::scan::fetch::{ReadFrom, Store};
use crate::scan::matching::widens;
use crate::scan::statistics::Facts;
use crate::scan::{Scan, SlicedFile};

/// Larger filters are not read: they cost more than most chunks.
const MAX_BYTES: usize = 16 << 20;

/// The filters of one row group, read when they are first asked.
pub(super) struct Filters<'a> {
    scan: &'a Scan,
    sliced: &'a SlicedFile,
    row_group: usize,
    /// By projected column.
    read: RefCell<HashMap<usize, Option<Sbbf>>>,
    failed: RefCell<Option<Error>>,
}

impl<'a> Filters<'a> {
    pub(super) fn new(scan: &'a Scan, sliced: &'a SlicedFile, row_group: usize) -> Self {
        Self { scan, sliced, row_group, read: RefCell::default(), failed: RefCell::default() }
    }

    /// # Errors
    /// [`Error::Io`] where a filter could not be read.
    pub(super) fn finish(self) -> Result<()> {
        self.failed.into_inner().map_or(Ok(()), Err)
    }

    fn chunk(&self, column: usize) -> Option<(&'a ColumnChunkMetaData, &'a DataType)> {
        let root = self.sliced.origins[self.scan.projection[column]].root()?;
        let chunk = self.sliced.file.flat_chunk(self.row_group, root)?;
        let found = self.sliced.file.schema.field(root).data_type();
        let wanted = self.scan.schema.field(column).data_type();
        let same_values = !matches!(found, DataType::Timestamp(..)) || found == wanted;
        (same_values && widens(found, wanted)).then_some((chunk, found))
    }
}

impl Evidence for Filters<'_> {
    fn facts(&self, column: usize) -> Facts {
        super::facts(self.scan, self.sliced, self.row_group, column)
    }

    fn excludes(&self, column: usize, value: &Value) -> bool {
        let Some((chunk, data_type)) = self.chunk(column) else { return false };
        let Some(hashed) = Hashed::of(value, chunk, data_type) else { return false };
        let mut read = self.read.borrow_mut();
        let filter = read.entry(column).or_insert_with(|| {
            load(self.sliced, self.row_group, chunk).unwrap_or_else(|error| {
                self.failed.borrow_mut().get_or_insert(error);
                None
            })
        });
        filter.as_ref().is_some_and(|filter| !hashed.0.iter().any(|bytes| filter.check(bytes.as_slice())))
    }
}

/// The plain encodings under which a value would be found; none of them where the column cannot hold it.
struct Hashed(Vec<Vec<u8>>);

impl Hashed {
    /// `None` for types whose values have several encodings, or ones that writers do not agree on.
    fn of(value: &Value, chunk: &ColumnChunkMetaData, data_type: &DataType) -> Option<Self> {
        let one = |bytes: &[u8]| Some(Hashed(vec![bytes.to_vec()]));
        let absent = || Some(Hashed(Vec::new()));
        match (value, chunk.column_type()) {
            (Value::Integer(value), PhysicalType::INT32) if data_type.is_unsigned_integer() => {
                u32::try_from(*value).map_or_else(|_| absent(), |value| one(&value.to_le_bytes()))
            }
            (Value::Integer(value), PhysicalType::INT64) if data_type.is_unsigned_integer() => {
                u64::try_from(*value).map_or_else(|_| absent(), |value| one(&value.to_le_bytes()))
            }
            (Value::Integer(value), PhysicalType::INT32) => {
                i32::try_from(*value).map_or_else(|_| absent(), |value| one(&value.to_le_bytes()))
            }
            (Value::Integer(value), PhysicalType::INT64) => {
                i64::try_from(*value).map_or_else(|_| absent(), |value| one(&value.to_le_bytes()))
            }
            (Value::Integer(value), PhysicalType::FIXED_LEN_BYTE_ARRAY) => {
                let length = usize::try_from(chunk.column_descr().type_length()).ok()?;
                let bytes = value.to_be_bytes();
                let (cut, kept) = bytes.split_at_checked(bytes.len().checked_sub(length)?)?;
                let sign = if *value < 0 { u8::MAX } else { 0 };
                let fits = cut.iter().all(|&byte| byte == sign)
                    && kept.first().is_some_and(|first| (first & 0x80 != 0) == (*value < 0));
                if fits { one(kept) } else { absent() }
            }
            (Value::Float(value), _) if value.is_nan() => None,
            // Two zeros are equal, and hash apart.
            (Value::Float(0.0), PhysicalType::FLOAT) => {
                Some(Hashed([0f32, -0f32].iter().map(|zero| zero.to_le_bytes().to_vec()).collect()))
            }
            (Value::Float(0.0), PhysicalType::DOUBLE) => {
                Some(Hashed([0f64, -0f64].iter().map(|zero| zero.to_le_bytes().to_vec()).collect()))
            }
            (Value::Float(value), PhysicalType::FLOAT) => {
                let narrow = *value as f32;
                if f64::from(narrow) == *value { one(&narrow.to_le_bytes()) } else { absent() }
            }
            (Value::Float(value), PhysicalType::DOUBLE) => one(&value.to_le_bytes()),
            (Value::Bytes(bytes), PhysicalType::BYTE_ARRAY | PhysicalType::FIXED_LEN_BYTE_ARRAY) => {
                one(bytes)
            }
            _ => None,
        }
    }
}

/// A chunk's filter; none where it has none, or one that cannot be trusted.
fn load(sliced: &SlicedFile, row_group: usize, chunk: &ColumnChunkMetaData) -> Result<Option<Sbbf>> {
    let Some(start) = chunk.bloom_filter_offset().and_then(|start| u64::try_from(start).ok()) else {
        return Ok(None);
    };
    let file = &sliced.file;
    let filter = match chunk.bloom_filter_length() {
        Some(length) => {
            let length = usize::try_from(length).ok().filter(|&length| length <= MAX_BYTES);
            let Some(length) = length else { return Ok(None) };
            let Some(bytes) = file.read_range(start, length)? else { return Ok(None) };
            file.place(row_group).decode(|| Sbbf::from_bytes(&bytes))
        }
        None => {
            let bounded = Bounded(file.store());
            let read = file.place(row_group).decode(|| Sbbf::read_from_column_chunk(chunk, &bounded));
            match read {
                Ok(filter) => filter.ok_or_else(|| Error::invalid("no filter")),
                Err(error) => Err(error),
            }
        }
    };
    match filter {
        // A filter of no blocks has no place to look.
        Ok(filter) => Ok(Some(filter).filter(|filter| filter.num_blocks() > 0)),
        Err(Error::Io { path, reason }) => Err(Error::Io { path, reason }),
        Err(_) => Ok(None),
    }
}

/// A file from which no large piece is read, whatever a header says.
struct Bounded<'a>(&'a Store);

impl Length for Bounded<'_> {
    fn len(&self) -> u64 {
        self.0.length()
    }
}

impl ChunkReader for Bounded<'_> {
    type T = ReadFrom;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        self.0.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        if length > MAX_BYTES {
            return Err(ParquetError::General(format!("a Bloom filter of {length} bytes")));
        }
        self.0.get_bytes(start, length)
    }
}
