//! Rounds: chunks gathered until they are worth a program, or all that the budgets allow.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use parking_lot::Mutex;
use pilaster_kernels::gpu::column::{DeviceColumns, Input, pack_encoded};
use pilaster_kernels::{Backend, Error, Result};
use rayon::prelude::*;

use super::super::chunk::Chunk;
use super::super::pipeline::Branch;
use super::super::query::Query;
use super::super::reading::Reading;
use super::Lane;
use crate::memory::Reservation;

/// Rounds of fewer rows are not split further: a device that has no room for these has none at all.
const MIN_SPLIT_ROWS: usize = 1 << 12;

/// Chunks that wait for the next program.
pub(super) struct Round {
    pub(super) chunks: Vec<Chunk>,
    bytes: u64,
    held: Reservation,
}

/// A branch of the pipeline, as the device sees it: what is packed, and the round that fills.
pub(super) struct Rounds {
    schema: SchemaRef,
    data_types: Vec<DataType>,
    used: Vec<usize>,
    filling: Mutex<Round>,
}

impl Rounds {
    pub(super) fn new(query: &Query, branch: &Branch, reading: &Reading) -> Result<Self> {
        let data_types = branch.schema.fields().iter().map(|field| field.data_type().clone()).collect();
        let filling = Mutex::new(Round { chunks: Vec::new(), bytes: 0, held: query.host.reserve(0)? });
        Ok(Rounds {
            schema: Arc::clone(&branch.schema),
            data_types,
            used: reading.columns().to_vec(),
            filling,
        })
    }

    /// Adds a chunk; the round comes back once it is full.
    pub(super) fn add(&self, lane: &Lane<'_>, chunk: Chunk) -> Result<Option<Round>> {
        let bytes = chunk.bytes_of(&self.used);
        let mut round = self.filling.lock();
        // Packing makes a copy, of the same size at most.
        round.held.grow(bytes.saturating_mul(2))?;
        round.bytes += bytes;
        round.chunks.push(chunk);
        if round.bytes < lane.round_bytes() {
            return Ok(None);
        }
        take(&mut round, lane.query).map(Some)
    }

    /// What has gathered since the last full round.
    pub(super) fn rest(&self, query: &Query) -> Result<Round> {
        take(&mut self.filling.lock(), query)
    }

    /// Chunks in device form. A column that is encoded in all of them is decoded on the device.
    pub(super) fn pack(&self, lane: &Lane<'_>, chunks: &[Chunk]) -> Result<DeviceColumns> {
        let on_device: Vec<usize> =
            self.used.iter().copied().filter(|column| encoded_alike(chunks, *column)).collect();
        let settled: Vec<Chunk> =
            chunks.par_iter().map(|chunk| chunk.settled(&on_device)).collect::<Result<_>>()?;
        let inputs: Vec<Input<'_>> =
            settled.iter().map(|chunk| Input { columns: &chunk.columns, encoded: &chunk.encoded }).collect();
        let tier = lane.device.tier();
        let packed = pack_encoded(&inputs, &self.data_types, &self.used, tier.binding_bytes, tier)?;
        self.report(lane, &on_device);
        Ok(packed)
    }

    /// Notes where columns were decoded, as far as the source left that to us.
    fn report(&self, lane: &Lane<'_>, on_device: &[usize]) {
        let names = |device: bool| {
            let columns = self.used.iter().filter(|column| on_device.contains(column) == device);
            columns.map(|column| self.schema.field(*column).name().as_str()).collect::<Vec<_>>().join(",")
        };
        let mut tally = lane.tally.lock();
        if !on_device.is_empty() {
            tally.note("decoded_on_device", names(true));
            tally.note("decoded_on_host", names(false));
        }
    }
}

fn take(round: &mut Round, query: &Query) -> Result<Round> {
    let empty = Round { chunks: Vec::new(), bytes: 0, held: query.host.reserve(0)? };
    Ok(std::mem::replace(round, empty))
}

/// Runs `program` over `chunks`, or over parts of them, in order, where the device has no room for all.
pub(super) fn in_parts<T>(chunks: &[Chunk], program: &impl Fn(&[Chunk]) -> Result<T>) -> Result<Vec<T>> {
    match program(chunks) {
        Ok(result) => Ok(vec![result]),
        Err(error @ Error::OutOfMemory { backend: Backend::Gpu, .. }) => {
            let Some((front, back)) = halves(chunks)? else { return Err(error) };
            let mut results = in_parts(&front, program)?;
            results.extend(in_parts(&back, program)?);
            Ok(results)
        }
        Err(error) => Err(error),
    }
}

/// The rows of `chunks` in two parts; none where there are too few to try again.
fn halves(chunks: &[Chunk]) -> Result<Option<(Vec<Chunk>, Vec<Chunk>)>> {
    let rows: usize = chunks.iter().map(|chunk| chunk.rows).sum();
    if rows < MIN_SPLIT_ROWS {
        return Ok(None);
    }
    if chunks.len() > 1 && chunks.iter().any(|chunk| !chunk.encoded.is_empty()) {
        // Pages are not cut.
        let (front, back) = chunks.split_at(chunks.len() / 2);
        return Ok(Some((front.to_vec(), back.to_vec())));
    }
    let (mut front, mut back, mut room) = (Vec::new(), Vec::new(), rows / 2);
    for chunk in chunks {
        let chunk = chunk.settled(&[])?;
        let first = room.min(chunk.rows);
        if first > 0 {
            front.push(chunk.slice(0, first));
        }
        if first < chunk.rows {
            back.push(chunk.slice(first, chunk.rows - first));
        }
        room -= first;
    }
    Ok(Some((front, back)))
}

/// True where all chunks have the column encoded, and in one way.
fn encoded_alike(chunks: &[Chunk], column: usize) -> bool {
    let leaf = |chunk: &Chunk| {
        let found = chunk.encoded.iter().find(|(at, _)| *at == column);
        found.map(|(_, encoded)| encoded.leaf.clone())
    };
    let first = chunks.first().and_then(leaf);
    first.is_some() && chunks.iter().all(|chunk| leaf(chunk) == first)
}
