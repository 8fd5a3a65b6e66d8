//! Measures, narrows and lays out.
//!
//! ```text
//! per column:            arrays -> sources (native buffers) -> range over all batches -> layout
//! per arena and column:  slices of batches -> narrowed values, realigned validity -> pieces
//! ```
//! Batches are joined into as few arenas as `binding_bytes` allows, because dispatches should be few and fat. A part whose
//! machine width is the source's and which has no nulls is not copied: the pieces are the source's own buffers.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanBufferBuilder};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowNativeType, DataType};
use rayon::prelude::*;

use super::strings::{Interner, is_text};
use super::{ColumnLayout, DeviceBatch, DeviceColumns, Dictionary, Storage};
use crate::error::{Backend, Error, Result};

/// Packs the batches of a pipeline's input for the device: one layout per column over all batches, few large arenas.
///
/// `batches` hold one array per entry of `data_types`, the logical types; arrays may be physically narrower, sliced, and
/// hold garbage under nulls. Only columns in `used` are packed: the others have an empty layout (`Bit`), no range and no
/// dictionary. An arena takes as many rows as fit `binding_bytes`; rows keep their order over the arenas, whose borders
/// have nothing to do with those of `batches`. No rows, no arena.
///
/// # Errors
/// [`Error::Unsupported`] for a type that has no device form or a row wider than a binding, [`Error::InvalidInput`] for
/// arrays that do not match.
pub fn pack(
    batches: &[&[ArrayRef]],
    data_types: &[DataType],
    used: &[usize],
    binding_bytes: u64,
) -> Result<DeviceColumns> {
    check_batches(batches, data_types, used)?;
    let prepared: Vec<Option<Prepared>> = (0..data_types.len())
        .into_par_iter()
        .map(|column| match used.contains(&column) {
            true => {
                let arrays: Vec<&ArrayRef> = batches.iter().map(|batch| &batch[column]).collect();
                prepare(&arrays, &data_types[column]).map(Some)
            }
            false => Ok(None),
        })
        .collect::<Result<_>>()?;
    let rows: Vec<usize> = batches.iter().map(|batch| batch.first().map_or(0, |array| array.len())).collect();
    let arenas = split(&rows, rows_per_arena(prepared.iter().flatten(), binding_bytes)?);
    let packed = arenas.par_iter().map(|arena| pack_arena(arena, &prepared)).collect();
    let unused = |column: usize| ColumnLayout {
        data_type: data_types[column].clone(),
        storage: Storage::Bit,
        signed: false,
        nullable: false,
    };
    let layout = |(column, prepared): (usize, &Option<Prepared>)| match prepared {
        Some(prepared) => prepared.layout.clone(),
        None => unused(column),
    };
    Ok(DeviceColumns {
        layouts: prepared.iter().enumerate().map(layout).collect(),
        ranges: prepared
            .iter()
            .map(|prepared| prepared.as_ref().and_then(|prepared| prepared.range))
            .collect(),
        dictionaries: prepared
            .iter()
            .map(|prepared| prepared.as_ref().and_then(|prepared| prepared.dictionary.clone()))
            .collect(),
        batches: packed,
    })
}

/// Whether columns of `data_type` can be packed.
///
/// # Errors
/// [`Error::Unsupported`] naming the type.
pub fn packable(data_type: &DataType) -> Result<()> {
    let fits = match data_type {
        DataType::Boolean | DataType::Float32 | DataType::Float64 => true,
        other => is_text(other).is_some() || integer_bytes(other).is_some(),
    };
    if fits { Ok(()) } else { Err(Error::unsupported(format!("a column of type {data_type}"), Backend::Gpu)) }
}

/// Width of the types that are integers to a machine; decimals by their widest physical form here.
fn integer_bytes(data_type: &DataType) -> Option<u64> {
    match data_type {
        DataType::Int8 | DataType::UInt8 => Some(1),
        DataType::Int16 | DataType::UInt16 => Some(2),
        DataType::Int32 | DataType::UInt32 | DataType::Date32 | DataType::Time32(_) => Some(4),
        DataType::Int64 | DataType::UInt64 | DataType::Date64 | DataType::Time64(_) => Some(8),
        DataType::Timestamp(_, _) | DataType::Duration(_) => Some(8),
        DataType::Decimal32(_, _) => Some(4),
        DataType::Decimal64(_, _) => Some(8),
        DataType::Decimal128(_, _) => Some(16),
        _ => None,
    }
}

fn check_batches(batches: &[&[ArrayRef]], data_types: &[DataType], used: &[usize]) -> Result<()> {
    for &column in used {
        let data_type =
            data_types.get(column).ok_or_else(|| Error::invalid(format!("no column {column}")))?;
        packable(data_type)?;
    }
    for batch in batches {
        if batch.len() != data_types.len() {
            return Err(Error::invalid(format!(
                "a batch of {} columns, {} expected",
                batch.len(),
                data_types.len()
            )));
        }
        if batch.windows(2).any(|pair| pair[0].len() != pair[1].len()) {
            return Err(Error::invalid("a batch whose columns differ in length"));
        }
        for &column in used {
            check_physical(batch[column].data_type(), &data_types[column])?;
        }
    }
    Ok(())
}

/// A physical type may be narrower than the logical one: decimals of the same scale, dictionaries over strings.
fn check_physical(physical: &DataType, logical: &DataType) -> Result<()> {
    let matches = match (decimal_scale(physical), decimal_scale(logical)) {
        (Some(physical), Some(logical)) => physical == logical,
        _ => match (is_text(physical), is_text(logical)) {
            (Some(physical), Some(logical)) => physical == logical,
            _ => physical == logical,
        },
    };
    if matches {
        Ok(())
    } else {
        Err(Error::invalid(format!("an array of type {physical} in a column of type {logical}")))
    }
}

fn decimal_scale(data_type: &DataType) -> Option<i8> {
    match data_type {
        DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal128(_, scale) => {
            Some(*scale)
        }
        _ => None,
    }
}

/// Native values of one array, without Arrow's type; floats are their bits.
enum Values {
    Bits(BooleanBuffer),
    I8(ScalarBuffer<i8>),
    I16(ScalarBuffer<i16>),
    I32(ScalarBuffer<i32>),
    I64(ScalarBuffer<i64>),
    I128(ScalarBuffer<i128>),
    U8(ScalarBuffer<u8>),
    U16(ScalarBuffer<u16>),
    U32(ScalarBuffer<u32>),
    U64(ScalarBuffer<u64>),
}

/// Runs `$body` with `$values` bound to the typed buffer, for all variants but bits.
macro_rules! with_values {
    ($source:expr, $values:ident => $body:expr, $bits:pat => $other:expr) => {
        match $source {
            Values::Bits($bits) => $other,
            Values::I8($values) => $body,
            Values::I16($values) => $body,
            Values::I32($values) => $body,
            Values::I64($values) => $body,
            Values::I128($values) => $body,
            Values::U8($values) => $body,
            Values::U16($values) => $body,
            Values::U32($values) => $body,
            Values::U64($values) => $body,
        }
    };
}

/// One array's values and nulls, offsets resolved.
struct Source {
    values: Values,
    nulls: Option<NullBuffer>,
}

/// A column ready to be laid out.
struct Prepared {
    layout: ColumnLayout,
    range: Option<(i128, i128)>,
    dictionary: Option<Arc<Dictionary>>,
    sources: Vec<Source>,
}

fn prepare(arrays: &[&ArrayRef], data_type: &DataType) -> Result<Prepared> {
    let (sources, dictionary) = match is_text(data_type) {
        Some(text) => string_sources(arrays, text)?,
        None => (arrays.iter().map(|array| plain_source(array)).collect::<Result<_>>()?, None),
    };
    let nullable = sources.iter().any(|source| source.nulls.is_some());
    let fixed = match data_type {
        DataType::Boolean => Some(Storage::Bit),
        DataType::Float32 => Some(Storage::Word),
        DataType::Float64 => Some(Storage::Double),
        _ => None,
    };
    let range = if fixed.is_some() { None } else { hull(sources.par_iter().filter_map(measure).collect()) };
    let (storage, signed) = fixed.map_or_else(|| narrowest(range), |storage| (storage, false));
    let layout = ColumnLayout { data_type: data_type.clone(), storage, signed, nullable };
    Ok(Prepared { layout, range, dictionary, sources })
}

fn string_sources(arrays: &[&ArrayRef], text: bool) -> Result<(Vec<Source>, Option<Arc<Dictionary>>)> {
    let mut interner = Interner::new();
    let mut sources = Vec::with_capacity(arrays.len());
    for array in arrays {
        let values = Values::U32(interner.codes(array)?.into());
        sources.push(Source { values, nulls: nulls_of(array) });
    }
    Ok((sources, Some(Arc::new(Dictionary { values: interner.finish(text)? }))))
}

fn plain_source(array: &ArrayRef) -> Result<Source> {
    let data = array.to_data();
    fn buffer<T: ArrowNativeType>(data: &arrow::array::ArrayData) -> ScalarBuffer<T> {
        ScalarBuffer::new(data.buffers()[0].clone(), data.offset(), data.len())
    }
    let values = match array.data_type() {
        DataType::Boolean => {
            Values::Bits(BooleanBuffer::new(data.buffers()[0].clone(), data.offset(), data.len()))
        }
        DataType::Float32 => Values::U32(buffer(&data)),
        DataType::Float64 => Values::U64(buffer(&data)),
        DataType::UInt8 => Values::U8(buffer(&data)),
        DataType::UInt16 => Values::U16(buffer(&data)),
        DataType::UInt32 => Values::U32(buffer(&data)),
        DataType::UInt64 => Values::U64(buffer(&data)),
        other => match integer_bytes(other) {
            Some(1) => Values::I8(buffer(&data)),
            Some(2) => Values::I16(buffer(&data)),
            Some(4) => Values::I32(buffer(&data)),
            Some(8) => Values::I64(buffer(&data)),
            Some(16) => Values::I128(buffer(&data)),
            _ => return Err(Error::unsupported(format!("a column of type {other}"), Backend::Gpu)),
        },
    };
    Ok(Source { values, nulls: nulls_of(array) })
}

/// Logical nulls, none where there are none.
fn nulls_of(array: &ArrayRef) -> Option<NullBuffer> {
    array.logical_nulls().filter(|nulls| nulls.null_count() > 0)
}

/// Smallest and largest valid value.
fn measure(source: &Source) -> Option<(i128, i128)> {
    with_values!(&source.values, values => {
        let range = match &source.nulls {
            None => extremes(values),
            Some(nulls) => nulls.valid_slices().filter_map(|(start, end)| extremes(&values[start..end])).reduce(
                |(low, high), (other_low, other_high)| (low.min(other_low), high.max(other_high)),
            ),
        };
        range.map(|(low, high)| (low.into(), high.into()))
    }, _ => None)
}

fn extremes<T: Copy + Ord>(values: &[T]) -> Option<(T, T)> {
    let first = *values.first()?;
    Some(values.iter().fold((first, first), |(low, high), &value| (low.min(value), high.max(value))))
}

fn hull(ranges: Vec<(i128, i128)>) -> Option<(i128, i128)> {
    ranges
        .into_iter()
        .reduce(|(low, high), (other_low, other_high)| (low.min(other_low), high.max(other_high)))
}

/// The narrowest storage for a range, and whether it is signed.
fn narrowest(range: Option<(i128, i128)>) -> (Storage, bool) {
    let (low, high) = range.unwrap_or((0, 0));
    let signed = low < 0;
    let fits = |storage: Storage| {
        let bits = storage.bits() as u32;
        match signed {
            true => low >= -(1i128 << (bits - 1)) && high < (1i128 << (bits - 1)),
            false => high >> bits == 0,
        }
    };
    let narrow = [Storage::Byte, Storage::Half, Storage::Word, Storage::Double];
    (narrow.into_iter().find(|&storage| fits(storage)).unwrap_or(Storage::Quad), signed)
}

/// Rows `start..start + rows` of one batch.
struct Slice {
    batch: usize,
    start: usize,
    rows: usize,
}

/// Bytes of an arena of `rows` rows.
fn arena_bytes<'a>(layouts: impl Iterator<Item = &'a ColumnLayout>, rows: u64) -> u64 {
    let part = |layout: &ColumnLayout| {
        layout.storage.bytes(rows) + if layout.nullable { Storage::Bit.bytes(rows) } else { 0 }
    };
    layouts.map(part).sum()
}

/// Most rows whose arena fits `binding_bytes`; row numbers stay below 2^31.
fn rows_per_arena<'a>(
    columns: impl Iterator<Item = &'a Prepared> + Clone,
    binding_bytes: u64,
) -> Result<usize> {
    let fits = |rows: u64| arena_bytes(columns.clone().map(|column| &column.layout), rows) <= binding_bytes;
    let (mut fitting, mut too_many) = (0, 1u64 << 31);
    while fitting + 1 < too_many {
        let middle = fitting.midpoint(too_many);
        if fits(middle) { fitting = middle } else { too_many = middle }
    }
    match fitting {
        0 => Err(Error::unsupported(
            format!("a row wider than a binding of {binding_bytes} bytes"),
            Backend::Gpu,
        )),
        rows => Ok(rows as usize),
    }
}

/// Cuts and joins batches of the given lengths into arenas of at most `most` rows.
fn split(batch_rows: &[usize], most: usize) -> Vec<Vec<Slice>> {
    let mut arenas = Vec::new();
    let mut arena = Vec::new();
    let mut free = most;
    for (batch, &rows) in batch_rows.iter().enumerate() {
        let mut start = 0;
        while start < rows {
            let taken = free.min(rows - start);
            arena.push(Slice { batch, start, rows: taken });
            start += taken;
            free -= taken;
            if free == 0 {
                arenas.push(std::mem::take(&mut arena));
                free = most;
            }
        }
    }
    if !arena.is_empty() {
        arenas.push(arena);
    }
    arenas
}

fn pack_arena(arena: &[Slice], columns: &[Option<Prepared>]) -> DeviceBatch {
    let rows: usize = arena.iter().map(|slice| slice.rows).sum();
    let mut bytes = 0;
    let mut parts: Vec<(u64, Part<'_>)> = Vec::new();
    let mut positions = Vec::with_capacity(columns.len());
    for column in columns {
        let mut position = [0; 2];
        if let Some(column) = column {
            if column.layout.nullable {
                position[0] = (bytes / 4) as u32;
                parts.push((bytes, Part::Validity(column)));
                bytes += Storage::Bit.bytes(rows as u64);
            }
            position[1] = (bytes / 4) as u32;
            parts.push((bytes, Part::Values(column)));
            bytes += column.layout.storage.bytes(rows as u64);
        }
        positions.push(position);
    }
    let pieces = parts.par_iter().flat_map_iter(|(offset, part)| part.pieces(arena, *offset)).collect();
    DeviceBatch { rows: rows as u32, pieces, bytes, positions }
}

enum Part<'a> {
    Validity(&'a Prepared),
    Values(&'a Prepared),
}

impl Part<'_> {
    fn pieces(&self, arena: &[Slice], offset: u64) -> Vec<(u64, Buffer)> {
        match self {
            Part::Validity(column) => vec![(offset, validity(column, arena))],
            Part::Values(column) => match column.layout.storage {
                Storage::Bit => vec![(offset, bits(column, arena))],
                Storage::Byte => vec![(offset, narrowed::<u8>(column, arena))],
                Storage::Half => vec![(offset, narrowed::<u16>(column, arena))],
                storage => match shared(column, arena, offset) {
                    Some(pieces) => pieces,
                    None if storage == Storage::Word => vec![(offset, narrowed::<u32>(column, arena))],
                    None if storage == Storage::Double => vec![(offset, narrowed::<u64>(column, arena))],
                    None => vec![(offset, narrowed::<i128>(column, arena))],
                },
            },
        }
    }
}

/// The sources' own buffers, where none needs narrowing or blanking.
fn shared(column: &Prepared, arena: &[Slice], mut offset: u64) -> Option<Vec<(u64, Buffer)>> {
    let width = (column.layout.storage.bits() / 8) as usize;
    let mut pieces = Vec::with_capacity(arena.len());
    for slice in arena {
        let source = &column.sources[slice.batch];
        let buffer = with_values!(&source.values, values => {
            let native = std::mem::size_of_val(&values[0]);
            (native == width && source.nulls.is_none()).then(|| values.slice(slice.start, slice.rows).into_inner())
        }, _ => None)?;
        pieces.push((offset, buffer));
        offset += (slice.rows * width) as u64;
    }
    Some(pieces)
}

fn validity(column: &Prepared, arena: &[Slice]) -> Buffer {
    let mut builder = BooleanBufferBuilder::new(arena.iter().map(|slice| slice.rows).sum());
    for slice in arena {
        match &column.sources[slice.batch].nulls {
            None => builder.append_n(slice.rows, true),
            Some(nulls) => builder.append_buffer(&nulls.inner().slice(slice.start, slice.rows)),
        }
    }
    whole_words(builder)
}

fn bits(column: &Prepared, arena: &[Slice]) -> Buffer {
    let mut builder = BooleanBufferBuilder::new(arena.iter().map(|slice| slice.rows).sum());
    for slice in arena {
        let source = &column.sources[slice.batch];
        if let Values::Bits(values) = &source.values {
            let values = values.slice(slice.start, slice.rows);
            match &source.nulls {
                None => builder.append_buffer(&values),
                Some(nulls) => {
                    builder.append_buffer(&(&values & &nulls.inner().slice(slice.start, slice.rows)))
                }
            }
        }
    }
    whole_words(builder)
}

fn whole_words(mut builder: BooleanBufferBuilder) -> Buffer {
    builder.append_n(builder.len().next_multiple_of(32) - builder.len(), false);
    builder.finish().into_inner()
}

/// The low bits of each value; zero under nulls; padded to whole words.
fn narrowed<U: ArrowNativeType + Default>(column: &Prepared, arena: &[Slice]) -> Buffer
where
    i8: Narrow<U>,
    i16: Narrow<U>,
    i32: Narrow<U>,
    i64: Narrow<U>,
    i128: Narrow<U>,
    u8: Narrow<U>,
    u16: Narrow<U>,
    u32: Narrow<U>,
    u64: Narrow<U>,
{
    let rows: usize = arena.iter().map(|slice| slice.rows).sum();
    let mut out: Vec<U> = Vec::with_capacity(rows.next_multiple_of(4));
    for slice in arena {
        let source = &column.sources[slice.batch];
        let nulls = source.nulls.as_ref().map(|nulls| nulls.slice(slice.start, slice.rows));
        with_values!(&source.values, values => {
            append_narrowed(&mut out, &values[slice.start..slice.start + slice.rows], nulls.as_ref());
        }, _ => ());
    }
    let per_word = (4 / size_of::<U>()).max(1);
    out.resize(rows.next_multiple_of(per_word), U::default());
    Buffer::from_vec(out)
}

fn append_narrowed<T: Narrow<U>, U: Copy + Default>(
    out: &mut Vec<U>,
    values: &[T],
    nulls: Option<&NullBuffer>,
) {
    let Some(nulls) = nulls else {
        out.extend(values.iter().map(|value| value.narrow()));
        return;
    };
    let start = out.len();
    out.resize(start + values.len(), U::default());
    let out = &mut out[start..];
    for (start, end) in nulls.valid_slices() {
        for (slot, value) in out[start..end].iter_mut().zip(&values[start..end]) {
            *slot = value.narrow();
        }
    }
}

/// Truncation to the low bits.
trait Narrow<U>: Copy {
    fn narrow(self) -> U;
}

macro_rules! narrow {
    ($($from:ty),*) => {$(
        narrow!(@to $from: u8, u16, u32, u64, i128);
    )*};
    (@to $from:ty: $($to:ty),*) => {$(
        impl Narrow<$to> for $from {
            fn narrow(self) -> $to {
                self as $to
            }
        }
    )*};
}
narrow!(i8, i16, i32, i64, i128, u8, u16, u32, u64);
