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
use arrow::buffer::Buffer;
use arrow::datatypes::DataType;
use pilaster_shaders::Tier;
use rayon::prelude::*;

use super::encoded::refused;
use super::source::{
    Source, Values, Word, append_low_bits, integer_bytes, measure, measure_exponents, nulls_of, plain_source,
    with_values,
};
use super::strings::{Interner, is_text};
use super::{
    ColumnLayout, Corrupt, DeviceBatch, DeviceColumns, DeviceDecode, Dictionary, EncodedColumn, Storage,
};
use crate::error::{Backend, Error, Result};
use crate::parquet::gpu::Decode;

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
    let inputs: Vec<Input<'_>> = batches.iter().map(|columns| Input { columns, encoded: &[] }).collect();
    // No decode, no shader: the tier does not matter.
    pack_encoded(&inputs, data_types, used, binding_bytes, &Tier::BASELINE)
}

/// A batch: its arrays, and columns of it that are still encoded, by position. These stand for arrays of the same
/// positions, which are only as long as the batch.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// One array per column.
    pub columns: &'a [ArrayRef],
    /// Encoded columns; the same ones, of the same leaf, in all batches.
    pub encoded: &'a [(usize, EncodedColumn)],
}

/// As [`pack`], of batches with columns that are decoded on the device: [`DeviceBatch::decodes`]. Batches are not cut then.
///
/// # Errors
/// As for [`pack`], and [`Error::OutOfMemory`] for an encoded batch that is larger than a binding, [`Error::CorruptFile`]
/// for pages whose headers contradict themselves.
pub fn pack_encoded(
    inputs: &[Input<'_>],
    data_types: &[DataType],
    used: &[usize],
    binding_bytes: u64,
    tier: &Tier,
) -> Result<DeviceColumns> {
    let encoded = encoded_columns(inputs)?;
    let host: Vec<usize> = used.iter().copied().filter(|column| !encoded.contains(column)).collect();
    let batches: Vec<&[ArrayRef]> = inputs.iter().map(|input| input.columns).collect();
    check_batches(&batches, data_types, &host)?;
    let prepare_host = |column: usize| -> Result<Option<Prepared>> {
        if !host.contains(&column) {
            return Ok(None);
        }
        let arrays: Vec<&ArrayRef> = batches.iter().map(|batch| &batch[column]).collect();
        prepare(&arrays, &data_types[column]).map(Some)
    };
    let mut prepared: Vec<Option<Prepared>> =
        (0..data_types.len()).into_par_iter().map(prepare_host).collect::<Result<_>>()?;
    let rows: Vec<usize> = batches.iter().map(|batch| batch.first().map_or(0, |array| array.len())).collect();
    let arenas = match inputs.first().filter(|_| !encoded.is_empty()) {
        None => split(&rows, rows_per_arena(prepared.iter().flatten(), binding_bytes)?),
        Some(first) => {
            let widest = first.encoded.iter().map(|(column, of)| widest_layout(&data_types[*column], of));
            let layouts = prepared.iter().flatten().map(|column| column.layout.clone());
            join(&rows, &layouts.chain(widest).collect::<Vec<_>>(), binding_bytes)?
        }
    };
    let decoded: Vec<(usize, Prepared)> = encoded
        .into_par_iter()
        .map(|column| Ok((column, prepare_encoded(inputs, column, &data_types[column], &arenas, tier)?)))
        .collect::<Result<_>>()?;
    for (column, decoded) in decoded {
        prepared[column] = Some(decoded);
    }
    let packed = arenas.par_iter().enumerate().map(|(at, arena)| pack_arena(at, arena, &prepared)).collect();
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
        exponents: prepared
            .iter()
            .map(|prepared| prepared.as_ref().and_then(|prepared| prepared.exponents))
            .collect(),
        dictionaries: prepared
            .iter()
            .map(|prepared| prepared.as_ref().and_then(|prepared| prepared.dictionary.clone()))
            .collect(),
        batches: packed,
    })
}

/// The encoded columns of all inputs.
fn encoded_columns(inputs: &[Input<'_>]) -> Result<Vec<usize>> {
    let positions = |input: &Input<'_>| input.encoded.iter().map(|(column, _)| *column).collect::<Vec<_>>();
    let first = inputs.first().map(positions).unwrap_or_default();
    if inputs.iter().any(|input| positions(input) != first) {
        return Err(Error::invalid("columns that are encoded in some batches only"));
    }
    Ok(first)
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

/// A column ready to be laid out.
struct Prepared {
    layout: ColumnLayout,
    range: Option<(i128, i128)>,
    exponents: Option<(u32, u32)>,
    dictionary: Option<Arc<Dictionary>>,
    sources: Vec<Source>,
    /// By arena, in place of sources.
    decodes: Vec<(Arc<Decode>, Vec<Corrupt>)>,
}

fn prepare(arrays: &[&ArrayRef], data_type: &DataType) -> Result<Prepared> {
    let (sources, dictionary) = match is_text(data_type) {
        Some(text) => string_sources(arrays, text)?,
        None => (arrays.iter().map(|array| plain_source(array)).collect::<Result<_>>()?, None),
    };
    let nullable = sources.iter().any(|source| source.nulls.is_some());
    let fixed = fixed_storage(data_type);
    let range = if fixed.is_some() { None } else { hull(sources.par_iter().filter_map(measure).collect()) };
    let exponents = data_type.is_floating().then(|| {
        let measured: Vec<_> = sources.par_iter().filter_map(measure_exponents).collect();
        measured.into_iter().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or((1, 1))
    });
    let (storage, signed) = fixed.map_or_else(|| narrowest(range), |storage| (storage, false));
    let layout = ColumnLayout { data_type: data_type.clone(), storage, signed, nullable };
    Ok(Prepared { layout, range, exponents, dictionary, sources, decodes: Vec::new() })
}

/// The storage of types that are not narrowed.
fn fixed_storage(data_type: &DataType) -> Option<Storage> {
    match data_type {
        DataType::Boolean => Some(Storage::Bit),
        DataType::Float32 => Some(Storage::Word),
        DataType::Float64 => Some(Storage::Double),
        _ => None,
    }
}

/// The widest layout that an encoded column may turn out to have.
fn widest_layout(data_type: &DataType, column: &EncodedColumn) -> ColumnLayout {
    let storage = match (fixed_storage(data_type), is_text(data_type)) {
        (Some(fixed), _) => fixed,
        (None, Some(_)) => Storage::Word,
        (None, None) => narrowest(column.range).0.max(Storage::Double),
    };
    ColumnLayout { data_type: data_type.clone(), storage, signed: false, nullable: true }
}

fn prepare_encoded(
    inputs: &[Input<'_>],
    column: usize,
    data_type: &DataType,
    arenas: &[Vec<Slice>],
    tier: &Tier,
) -> Result<Prepared> {
    packable(data_type)?;
    let of =
        |slice: &Slice| inputs[slice.batch].encoded.iter().find(|(at, _)| *at == column).map(|(_, of)| of);
    let mut decodes = Vec::with_capacity(arenas.len());
    for arena in arenas {
        let parts: Vec<&EncodedColumn> = arena.iter().filter_map(of).collect();
        let Some(first) = parts.first() else { continue };
        if parts.iter().any(|part| part.leaf != first.leaf) {
            return Err(Error::invalid("batches whose encoded columns differ"));
        }
        let segments: Vec<_> = parts.iter().flat_map(|part| part.segments.iter().cloned()).collect();
        let corrupt: Vec<Corrupt> =
            parts.iter().flat_map(|part| part.segments.iter().map(|_| part.corrupt.clone())).collect();
        let decode = Decode::new(&first.leaf, &segments, tier).map_err(|error| refused(error, &corrupt))?;
        if decode.storage().is_none() {
            return Err(Error::unsupported("strings without codes in a pipeline", Backend::Gpu));
        }
        let rows: usize = arena.iter().map(|slice| slice.rows).sum();
        if decode.levels() != rows {
            return Err(Error::invalid(format!("{} levels for {rows} rows", decode.levels())));
        }
        decodes.push((decode, corrupt));
    }
    let dictionary = match is_text(data_type) {
        Some(text) => Some(Arc::new(recode(&mut decodes, text)?)),
        None => None,
    };
    let nullable = decodes.iter().any(|(decode, _)| decode.nullable());
    if nullable && !decodes.iter_mut().all(|(decode, _)| decode.set_nullable()) {
        return Err(Error::invalid("batches whose encoded columns differ"));
    }
    let fixed = fixed_storage(data_type);
    let range = match &dictionary {
        _ if fixed.is_some() => None,
        Some(dictionary) => dictionary.values.len().checked_sub(1).map(|last| (0, last as i128)),
        None => hull(
            inputs
                .iter()
                .flat_map(|input| input.encoded)
                .filter(|(at, _)| *at == column)
                .filter_map(|(_, of)| of.range)
                .collect(),
        ),
    };
    let (storage, signed) = fixed.map_or_else(|| narrowest(range), |storage| (storage, false));
    let layout = ColumnLayout { data_type: data_type.clone(), storage, signed, nullable };
    let decodes = decodes.into_iter().map(|(decode, corrupt)| (Arc::new(decode), corrupt)).collect();
    Ok(Prepared { layout, range, exponents: None, dictionary, sources: Vec::new(), decodes })
}

/// One dictionary for the codes of all arenas.
fn recode(decodes: &mut [(Decode, Vec<Corrupt>)], text: bool) -> Result<Dictionary> {
    let strings: Vec<Option<ArrayRef>> =
        decodes.iter().map(|(decode, _)| decode.strings().cloned()).collect();
    let mut interner = Interner::new();
    for ((decode, _), strings) in decodes.iter_mut().zip(&strings) {
        if let Some(strings) = strings {
            decode.recode(&interner.codes(strings)?)?;
        }
    }
    Ok(Dictionary { values: interner.finish(text)? })
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

fn hull(ranges: Vec<(i128, i128)>) -> Option<(i128, i128)> {
    ranges
        .into_iter()
        .reduce(|(low, high), (other_low, other_high)| (low.min(other_low), high.max(other_high)))
}

/// The narrowest storage for a range, and whether it is signed.
pub(super) fn narrowest(range: Option<(i128, i128)>) -> (Storage, bool) {
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

/// Joins whole batches into arenas.
fn join(batch_rows: &[usize], layouts: &[ColumnLayout], binding_bytes: u64) -> Result<Vec<Vec<Slice>>> {
    let bytes = |rows: usize| arena_bytes(layouts.iter(), rows as u64);
    let mut arenas: Vec<Vec<Slice>> = Vec::new();
    let mut filled = 0;
    for (batch, &rows) in batch_rows.iter().enumerate().filter(|(_, rows)| **rows > 0) {
        if bytes(rows) > binding_bytes {
            let (asked_bytes, limit_bytes) = (bytes(rows), binding_bytes);
            return Err(Error::OutOfMemory { backend: Backend::Gpu, asked_bytes, limit_bytes });
        }
        match arenas.last_mut() {
            Some(arena) if bytes(filled + rows) <= binding_bytes => {
                arena.push(Slice { batch, start: 0, rows });
                filled += rows;
            }
            _ => {
                arenas.push(vec![Slice { batch, start: 0, rows }]);
                filled = rows;
            }
        }
    }
    Ok(arenas)
}

fn pack_arena(number: usize, arena: &[Slice], columns: &[Option<Prepared>]) -> DeviceBatch {
    let rows: usize = arena.iter().map(|slice| slice.rows).sum();
    let mut bytes = 0;
    let mut parts: Vec<(u64, Part<'_>)> = Vec::new();
    let mut positions = Vec::with_capacity(columns.len());
    let mut decodes = Vec::new();
    for column in columns {
        let mut position = [0; 2];
        if let Some(column) = column {
            let decode = column.decodes.get(number);
            if column.layout.nullable {
                position[0] = (bytes / 4) as u32;
                parts.extend(decode.is_none().then_some((bytes, Part::Validity(column))));
                bytes += Storage::Bit.bytes(rows as u64);
            }
            position[1] = (bytes / 4) as u32;
            match decode {
                None => parts.push((bytes, Part::Values(column))),
                Some((decode, corrupt)) => decodes.push(DeviceDecode {
                    decode: Arc::clone(decode),
                    values: position[1],
                    validity: position[0],
                    storage: column.layout.storage,
                    corrupt: corrupt.clone(),
                }),
            }
            bytes += column.layout.storage.bytes(rows as u64);
        }
        positions.push(position);
    }
    let pieces = parts.par_iter().flat_map_iter(|(offset, part)| part.pieces(arena, *offset)).collect();
    DeviceBatch { rows: rows as u32, pieces, bytes, positions, decodes }
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

/// The low bits of each value, padded to whole words.
fn narrowed<U: Word>(column: &Prepared, arena: &[Slice]) -> Buffer {
    let rows: usize = arena.iter().map(|slice| slice.rows).sum();
    let per_word = (4 / size_of::<U>()).max(1);
    let mut out: Vec<U> = Vec::with_capacity(rows.next_multiple_of(per_word));
    for slice in arena {
        append_low_bits(&mut out, &column.sources[slice.batch], slice.start, slice.rows);
    }
    out.resize(rows.next_multiple_of(per_word), U::default());
    Buffer::from_vec(out)
}
