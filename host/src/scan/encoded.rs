//! Row groups for a device that decodes: columns as pages, decompressed but still encoded, where that is less to send than
//! their packed values; the others decoded here.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, NullArray};
use arrow::datatypes::{DataType, Field};
use pilaster_kernels::gpu::Storage;
use pilaster_kernels::gpu::column::{Corrupt, EncodedColumn, packable};
use pilaster_kernels::memory::Reserve;
use pilaster_kernels::parquet::gpu::{Decode, DecodeError, Segment, range};
use pilaster_kernels::parquet::{Encoding, PageSource, Physical};
use pilaster_kernels::{Error, Result, gather};
use rayon::prelude::*;

use super::group::{Flat, RowGroup};
use super::page::ChunkPages;
use super::stored::StoredLeaf;
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
    let Flat { field, stored, .. } = flat;
    if let Some(encoded) = encoded(&field, &stored)? {
        return Ok(match pays(&encoded, rows) {
            true => Found::Encoded(encoded),
            false => Found::Array(as_logical(&encoded.array(rows)?, &field)?),
        });
    }
    let batch = stored.reader()?.read(rows)?;
    if batch.rows != rows {
        let reason = format!("it ends after {} of its rows", batch.rows);
        return Err(stored.chunk.corrupt(stored.chunk.start(), reason));
    }
    Ok(Found::Array(as_logical(&batch.array, &field)?))
}

/// A column's pages; none where the packer has no form for them, nor the fused shaders: strings are codes there.
fn encoded(field: &Field, stored: &StoredLeaf) -> Result<Option<EncodedColumn>> {
    let packs = packable(field.data_type()).is_ok()
        && !matches!(field.data_type(), DataType::FixedSizeBinary(_) | DataType::Dictionary(_, _));
    let codes = stored.leaf.physical != Physical::ByteArray || stored.chunk.is_all_dictionary();
    if !packs || !codes || !Decode::fuses(&stored.leaf) {
        return Ok(None);
    }
    let Pages::Device { segments, range } = pages_for_device(stored)? else { return Ok(None) };
    // The footer said so; the pages may say otherwise.
    let mut pages = segments.iter().flat_map(|segment| &segment.pages);
    if stored.leaf.physical == Physical::ByteArray && !pages.all(|page| page.encoding == Encoding::Dictionary)
    {
        return Ok(None);
    }
    let chunk = Arc::clone(&stored.chunk);
    let corrupt = Corrupt(Arc::new(move |place, malformed| chunk.corrupt(place, malformed)));
    Ok(Some(EncodedColumn { leaf: stored.leaf.clone(), segments: segments.into(), range, corrupt }))
}

/// A leaf's pages, or why a device does not decode them.
pub(super) enum Pages {
    Device { segments: Vec<Segment>, range: Option<(i128, i128)> },
    Host(String),
}

/// The pages of a leaf for a device; its values are those of the type.
pub(super) fn pages_for_device(stored: &StoredLeaf) -> Result<Pages> {
    let leaf = &stored.leaf;
    let host = |reason: &str| Ok(Pages::Host(reason.into()));
    if let Err(error) = Decode::supports(leaf) {
        return host(&error.to_string());
    }
    let segments = segments(stored.pages())?;
    match range(leaf, &segments) {
        Ok(range) if fits(&leaf.data_type, range) => Ok(Pages::Device { segments, range }),
        Ok(_) => host("values beyond the type"),
        Err(DecodeError::Other(Error::Unsupported { what, .. })) => Ok(Pages::Host(what)),
        Err(error) => Err(stored.refused(error)),
    }
}

/// All pages of a chunk, by dictionary.
fn segments(mut pages: ChunkPages) -> Result<Vec<Segment>> {
    let mut segments = vec![Segment::default()];
    loop {
        if let Some(dictionary) = pages.dictionary()? {
            segments.push(Segment { dictionary: Some(dictionary), pages: Vec::new() });
        }
        let Some(page) = pages.next()? else { break };
        if let Some(segment) = segments.last_mut() {
            segment.pages.push(page);
        }
    }
    segments.retain(|segment| !segment.pages.is_empty());
    Ok(segments)
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
