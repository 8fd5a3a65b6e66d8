//! Row groups for a device that decodes: columns as pages, decompressed but still encoded, where that is less to send than
//! their packed values; the others decoded here.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, NullArray};
use arrow::datatypes::DataType;
use pilaster_kernels::gpu::Storage;
use pilaster_kernels::gpu::column::{Corrupt, EncodedColumn, packable};
use pilaster_kernels::memory::Reserve;
use pilaster_kernels::parquet::gpu::{Decode, DecodeError, Segment, range};
use pilaster_kernels::parquet::{Encoding, Leaf, PageSource, Physical};
use pilaster_kernels::{Error, Result, gather};
use rayon::prelude::*;

use super::group::{Flat, RowGroup};
use super::page::ChunkPages;
use super::types::as_logical;
use super::{ReadOptions, RowRanges, Scan, ScanTask};

/// The rows of a task.
#[derive(Debug)]
pub(crate) struct EncodedGroup {
    pub(crate) rows: usize,
    /// By column of the scan: arrays, of nulls where the column is not wanted or encoded.
    pub(crate) columns: Vec<ArrayRef>,
    /// Columns that are still encoded.
    pub(crate) encoded: Vec<(usize, EncodedColumn)>,
}

impl Scan {
    /// Reads a task without decoding what a device decodes.
    ///
    /// # Errors
    /// As for [`Scan::read`].
    pub(crate) fn read_encoded(
        &self,
        task: &ScanTask,
        wanted: &[usize],
        reserve: &Arc<dyn Reserve>,
    ) -> Result<EncodedGroup> {
        let options =
            ReadOptions { reserve: Arc::clone(reserve), columns_in_parallel: true, ..ReadOptions::default() };
        let group = RowGroup::new(self, task, &options)?;
        let whole = task.ranges.is_none();
        let flat = if whole { group.flat(wanted)? } else { Vec::new() };
        let mut rest: BTreeSet<usize> = wanted.iter().copied().collect();
        rest.retain(|column| flat.iter().all(|flat| flat.column != *column));
        let found = flat.into_par_iter().map(|flat| Ok((flat.column, decide(flat, task.rows)?)));
        let found = found.collect::<Result<Vec<_>>>()?;
        let nothing = || Arc::new(NullArray::new(task.rows)) as ArrayRef;
        let columns = self.schema.fields().iter().map(|_| nothing()).collect();
        let mut read = EncodedGroup { rows: task.rows, columns, encoded: Vec::new() };
        for (column, found) in found {
            match found {
                Found::Encoded(pages) => read.encoded.push((column, pages)),
                Found::Array(array) => read.columns[column] = array,
            }
        }
        for (column, array) in self.rest(task, &group, &rest)? {
            read.columns[column] = array;
        }
        Ok(read)
    }

    /// All of a task's rows of columns that are read as arrays.
    fn rest(
        &self,
        task: &ScanTask,
        group: &RowGroup,
        columns: &BTreeSet<usize>,
    ) -> Result<Vec<(usize, ArrayRef)>> {
        if columns.is_empty() {
            return Ok(Vec::new());
        }
        let mut readers = group.open(columns)?;
        let all = RowRanges::all(task.rows);
        let ranges = task.ranges.as_deref().unwrap_or(&all).ranges();
        let parts = ranges.iter().map(|rows| readers.read(rows)).collect::<Result<Vec<_>>>()?;
        let column = |&column: &usize| {
            let arrays = parts.iter().flatten().filter(|(of, _)| *of == column);
            let arrays: Vec<ArrayRef> = arrays.map(|(_, array)| Arc::clone(array)).collect();
            Ok((column, gather::concat(&arrays, self.schema.field(column).data_type())?))
        };
        columns.iter().map(column).collect()
    }
}

/// What became of a flat column.
enum Found {
    Encoded(EncodedColumn),
    Array(ArrayRef),
}

/// Leaves a column to the device where it decodes it and that is less to send; else decodes it.
fn decide(flat: Flat, rows: usize) -> Result<Found> {
    if let Some(encoded) = encoded(&flat)? {
        return Ok(match pays(&encoded, rows) {
            true => Found::Encoded(encoded),
            false => Found::Array(as_logical(&encoded.array(rows)?, &flat.field)?),
        });
    }
    let batch = flat.reader()?.read(rows)?;
    if batch.rows != rows {
        let reason = format!("it ends after {} of its rows", batch.rows);
        return Err(flat.chunk.corrupt(flat.chunk.start(), reason));
    }
    Ok(Found::Array(as_logical(&batch.array, &flat.field)?))
}

/// A column's pages; none where it has no device form.
fn encoded(flat: &Flat) -> Result<Option<EncodedColumn>> {
    let text = flat.leaf.physical == Physical::ByteArray;
    let decodes = flat.as_is
        && packable(flat.field.data_type()).is_ok()
        && Decode::supports(&flat.leaf).is_ok()
        && (!text || flat.chunk.is_all_dictionary())
        && !matches!(flat.field.data_type(), DataType::FixedSizeBinary(_) | DataType::Dictionary(_, _));
    if !decodes {
        return Ok(None);
    }
    let Some(segments) = segments(&flat.leaf, flat.pages())? else { return Ok(None) };
    let chunk = Arc::clone(&flat.chunk);
    let corrupt = Corrupt(Arc::new(move |place, malformed| chunk.corrupt(place, malformed)));
    let leaf = flat.leaf.clone();
    match range(&leaf, &segments) {
        Ok(range) if fits(&leaf.data_type, range) => {
            Ok(Some(EncodedColumn { leaf, segments: segments.into(), range, corrupt }))
        }
        Ok(_) | Err(DecodeError::Other(Error::Unsupported { .. })) => Ok(None),
        Err(DecodeError::Other(error)) => Err(error),
        Err(DecodeError::Malformed { place, malformed, .. }) => Err((corrupt.0)(place, &malformed)),
    }
}

/// All pages of a chunk, by dictionary; none where one is of an encoding without a device form.
fn segments(leaf: &Leaf, mut pages: ChunkPages) -> Result<Option<Vec<Segment>>> {
    let mut segments = vec![Segment::default()];
    loop {
        if let Some(dictionary) = pages.dictionary()? {
            segments.push(Segment { dictionary: Some(dictionary), pages: Vec::new() });
        }
        let Some(page) = pages.next()? else { break };
        let decodes = match page.encoding {
            Encoding::Dictionary => true,
            Encoding::Plain | Encoding::DeltaBinaryPacked | Encoding::ByteStreamSplit | Encoding::Rle => {
                leaf.physical != Physical::ByteArray
            }
            Encoding::DeltaLengthByteArray | Encoding::DeltaByteArray => false,
        };
        if !decodes {
            return Ok(None);
        }
        if let Some(segment) = segments.last_mut() {
            segment.pages.push(page);
        }
    }
    segments.retain(|segment| !segment.pages.is_empty());
    Ok(Some(segments))
}

/// True where the pages are no more to send than the values as the packer would narrow them.
fn pays(column: &EncodedColumn, rows: usize) -> bool {
    let storage = match &column.leaf.data_type {
        DataType::Boolean => Storage::Bit,
        DataType::Float32 => Storage::Word,
        DataType::Float64 => Storage::Double,
        _ if column.leaf.physical == Physical::ByteArray => {
            let distinct = column.segments.iter().filter_map(|segment| segment.dictionary.as_ref());
            Storage::narrowest(Some((0, distinct.map(|page| page.len as i128).sum())))
        }
        _ => Storage::narrowest(column.range),
    };
    let validity = if column.leaf.max_definition > 0 { Storage::Bit.bytes(rows as u64) } else { 0 };
    column.bytes() <= storage.bytes(rows as u64) + validity
}

/// True where values within `range` are values of the type: others are the host's to judge.
fn fits(data_type: &DataType, range: Option<(i128, i128)>) -> bool {
    let (least, most) = match data_type {
        DataType::Int8 => (i8::MIN.into(), i8::MAX.into()),
        DataType::Int16 => (i16::MIN.into(), i16::MAX.into()),
        DataType::UInt8 => (0, u8::MAX.into()),
        DataType::UInt16 => (0, u16::MAX.into()),
        DataType::Decimal32(_, _) => (i32::MIN.into(), i32::MAX.into()),
        DataType::Decimal64(_, _) => (i64::MIN.into(), i64::MAX.into()),
        _ => return true,
    };
    range.is_none_or(|(low, high)| least <= low && high <= most)
}
