//! Small sorts on the device: keys as words up, an order down; rows are gathered on the host.

use std::sync::Arc;

use pilaster_kernels::keys::order_words;
use pilaster_kernels::sort::SortKey;
use pilaster_kernels::sort::gpu;
use pilaster_kernels::{Backend, Error, Result};

use super::super::chunk::Chunk;
use super::super::cpu;
use super::super::pipeline::Pipeline;
use super::super::reading::Reading;
use super::super::sink::{self, Gathered, Receiver};
use super::super::task::Task;
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
    let wanted = cpu::wanted(skip, fetch);
    let (rows, _held) = match cpu::gather_to_sort(query, pipeline, readings, tasks)? {
        Gathered::Whole(rows, held) => (rows, held),
        Gathered::Runs(runs) => {
            lane.give_up(Error::unsupported("a sort of more rows than memory holds", Backend::Gpu))?;
            return cpu::give_runs(query, receiver, runs, skip, &mut lane.tally.lock());
        }
    };
    let mut order = match order(lane, &rows, keys) {
        Ok(order) => order,
        Err(error) => {
            lane.give_up(error)?;
            query.on_pool(|| sink::order(&rows, keys, wanted))?
        }
    };
    order.truncate(wanted.unwrap_or(usize::MAX));
    cpu::give_in_order(query, receiver, &rows, order.get(skip..).unwrap_or_default())
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
