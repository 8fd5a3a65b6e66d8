//! Small sorts on the device: keys as words up, an order down; rows are gathered on the host.

use std::sync::Arc;

use pilaster_kernels::keys::order_words;
use pilaster_kernels::sort::SortKey;
use pilaster_kernels::sort::gpu;
use pilaster_kernels::{Result, gather};

use super::super::chunk::Chunk;
use super::super::cpu;
use super::super::pipeline::Pipeline;
use super::super::sink::{Receiver, SortSink};
use super::super::task::{Reading, Task};
use super::super::workers;
use super::Lane;

/// Gathers all rows, orders them, gives the wanted ones to `receiver`.
pub(super) fn run(
    lane: &Lane<'_>,
    pipeline: &Pipeline,
    readings: &[Arc<Reading>],
    tasks: &[Task],
    receiver: &Receiver<'_>,
    keys: &[SortKey],
    (skip, fetch): (usize, Option<usize>),
) -> Result<()> {
    let query = lane.query;
    let wanted = fetch.map(|fetch| fetch.saturating_add(skip));
    let steps = cpu::steps(pipeline)?;
    let sink = SortSink::new(
        steps,
        keys.to_vec(),
        wanted,
        Arc::clone(&pipeline.schema),
        tasks.len(),
        query.reservation()?,
    );
    workers::run(query, readings, tasks, &sink)?;
    let (rows, _held) = query.on_pool(|| sink.finish())?;
    let sorted = match order(lane, &rows, keys) {
        Ok(order) => {
            let end = wanted.unwrap_or(usize::MAX).min(order.len());
            let order = order.get(skip..end).unwrap_or_default();
            Chunk::new(gather::take_columns(&rows.columns, order)?, order.len())
        }
        Err(error) => {
            lane.give_up(error)?;
            cpu::sort(query, rows, keys, skip, fetch)?
        }
    };
    cpu::give(query, receiver, sorted)
}

/// Row numbers in the order of `keys`.
fn order(lane: &Lane<'_>, rows: &Chunk, keys: &[SortKey]) -> Result<Vec<u32>> {
    if rows.rows == 0 {
        return Ok(Vec::new());
    }
    let words = lane.query.on_pool(|| order_words(&rows.columns, keys))?;
    let program = gpu::program(&words, lane.device.tier())?;
    gpu::decode(&lane.run(&program)?, rows.rows)
}
