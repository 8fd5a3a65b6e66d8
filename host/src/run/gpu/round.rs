//! Rounds: chunks gathered until they are worth a program, or all that the budgets allow.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use parking_lot::Mutex;
use pilaster_kernels::gpu::column::{DeviceColumns, pack};
use pilaster_kernels::{Backend, Error, Result};

use super::super::chunk::Chunk;
use super::super::pipeline::Branch;
use super::super::query::Query;
use super::super::task::Reading;
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
    data_types: Vec<DataType>,
    used: Vec<usize>,
    filling: Mutex<Round>,
}

impl Rounds {
    pub(super) fn new(query: &Query, branch: &Branch, reading: &Reading) -> Result<Self> {
        let data_types = branch.schema.fields().iter().map(|field| field.data_type().clone()).collect();
        let filling = Mutex::new(Round { chunks: Vec::new(), bytes: 0, held: query.reservation()? });
        Ok(Rounds { data_types, used: reading.columns().to_vec(), filling })
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

    /// Chunks in device form.
    pub(super) fn pack(&self, lane: &Lane<'_>, chunks: &[Chunk]) -> Result<DeviceColumns> {
        let batches: Vec<&[ArrayRef]> = chunks.iter().map(|chunk| chunk.columns.as_slice()).collect();
        pack(&batches, &self.data_types, &self.used, lane.device.tier().binding_bytes)
    }
}

fn take(round: &mut Round, query: &Query) -> Result<Round> {
    let empty = Round { chunks: Vec::new(), bytes: 0, held: query.reservation()? };
    Ok(std::mem::replace(round, empty))
}

/// Runs `program` over `chunks`, or over parts of them, in order, where the device has no room for all.
pub(super) fn in_parts<T>(chunks: &[Chunk], program: &impl Fn(&[Chunk]) -> Result<T>) -> Result<Vec<T>> {
    match program(chunks) {
        Ok(result) => Ok(vec![result]),
        Err(error @ Error::OutOfMemory { backend: Backend::Gpu, .. }) => {
            let Some((front, back)) = halves(chunks) else { return Err(error) };
            let mut results = in_parts(&front, program)?;
            results.extend(in_parts(&back, program)?);
            Ok(results)
        }
        Err(error) => Err(error),
    }
}

/// The rows of `chunks` in two parts; none where there are too few to try again.
fn halves(chunks: &[Chunk]) -> Option<(Vec<Chunk>, Vec<Chunk>)> {
    let rows: usize = chunks.iter().map(|chunk| chunk.rows).sum();
    if rows < MIN_SPLIT_ROWS {
        return None;
    }
    let (mut front, mut back, mut room) = (Vec::new(), Vec::new(), rows / 2);
    for chunk in chunks {
        let first = room.min(chunk.rows);
        if first > 0 {
            front.push(chunk.slice(0, first));
        }
        if first < chunk.rows {
            back.push(chunk.slice(first, chunk.rows - first));
        }
        room -= first;
    }
    Some((front, back))
}
