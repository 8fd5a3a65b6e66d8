//! A pipeline on the device: rows are gathered in rounds, each round is one program; a round that the device cannot do is
//! done by the CPU, and so are all after it.
//!
//! ```text
//! tasks -> workers -> round (chunks up to a share of the budgets) -> pack -> program -> run -> decode -> sink
//!                       \-> the device failed: the same chunks, and all later ones, on the CPU
//! ```
//! So a fall-back in mid-query needs no source to be read twice: what the device has finished stays.

mod aggregate;
mod filter;
mod round;
mod sort;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use pilaster_kernels::gpu::Program;
use pilaster_kernels::gpu::ProgramOutput;
use pilaster_kernels::{Error, Result};

use super::pipeline::{Pipeline, Sink};
use super::query::Query;
use super::reading::Reading;
use super::sink::Receiver;
use super::task::Task;
use crate::device::{Device, ProgramRun};

/// What a pipeline's programs moved and took, over all rounds.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tally {
    pub(crate) bytes_up: u64,
    pub(crate) bytes_down: u64,
    pub(crate) submissions: u32,
    pub(crate) read_backs: u32,
    pub(crate) peak_device_bytes: u64,
    pub(crate) stages: Vec<(String, Duration)>,
    /// Bytes that went to disk.
    pub(crate) spilled_bytes: u64,
    /// How groups were found, rounds, ...: for the report.
    pub(crate) details: Vec<(String, String)>,
    /// Why the CPU took over, if it did.
    pub(crate) fell_back: Option<Error>,
}

impl Tally {
    /// Adds a detail, or replaces it.
    pub(crate) fn note(&mut self, name: &str, value: impl Into<String>) {
        self.details.retain(|(known, _)| known != name);
        self.details.push((name.into(), value.into()));
    }

    /// Counts bytes that went to disk, and notes them where there are any.
    pub(crate) fn spilled(&mut self, name: &str, bytes: u64) {
        self.spilled_bytes += bytes;
        if bytes > 0 {
            self.note(name, bytes.to_string());
        }
    }

    fn add(&mut self, run: &ProgramRun) {
        self.bytes_up += run.bytes_up;
        self.bytes_down += run.bytes_down;
        self.submissions += run.submissions;
        self.read_backs += run.read_backs;
        self.peak_device_bytes = self.peak_device_bytes.max(run.device_bytes);
        for (label, time) in &run.stages {
            match self.stages.iter_mut().find(|stage| stage.0 == *label) {
                Some(stage) => stage.1 += *time,
                None => self.stages.push((label.clone(), *time)),
            }
        }
    }
}

/// A device on behalf of one pipeline.
#[derive(Debug)]
pub(super) struct Lane<'a> {
    pub(super) query: &'a Query,
    pub(super) device: &'a Arc<Device>,
    pub(super) tally: Mutex<Tally>,
}

impl Lane<'_> {
    /// Runs a program. Blocks: not for a thread of the pool.
    fn run(&self, program: &Program) -> Result<ProgramOutput> {
        self.query.check()?;
        let run = self.device.run(program, &self.query.cancel)?;
        self.tally.lock().add(&run);
        Ok(run.output)
    }

    /// Notes that the CPU takes over; an error that is no reason to is the query's, and so is every one where the session
    /// is strict.
    fn give_up(&self, error: Error) -> Result<()> {
        let recovers = error.is_device_failure() || matches!(error, Error::Unsupported { .. });
        if !recovers || self.query.engine.config.strict {
            return Err(error);
        }
        tracing::warn!(%error, "pipeline falls back to the CPU");
        self.tally.lock().fell_back.get_or_insert(error);
        Ok(())
    }

    /// Bytes of chunks that a round gathers: their packed form is no larger, and leaves room for states and tables.
    fn round_bytes(&self) -> u64 {
        let device = self.device.memory().limit_bytes() / 4;
        device.min(self.query.host.limit_bytes() / 8).max(1)
    }
}

/// Runs a pipeline that was placed on `device`. What the programs took is in the tally, also where this fails.
pub(super) fn run(
    lane: &Lane<'_>,
    pipeline: &Pipeline,
    readings: &[Arc<Reading>],
    tasks: &[Task],
    receiver: &Receiver<'_>,
) -> Result<()> {
    match &pipeline.sink {
        Sink::Aggregate(_) => aggregate::run(lane, pipeline, readings, tasks, receiver),
        Sink::Sort { keys, skip, fetch } => {
            sort::run(lane, pipeline, readings, tasks, receiver, keys, (*skip, *fetch))
        }
        Sink::Collect => filter::run(lane, pipeline, readings, tasks, receiver),
        Sink::Limit { .. } | Sink::Build { .. } | Sink::Partition { .. } => {
            super::cpu::run(lane.query, pipeline, readings, tasks, receiver, &mut lane.tally.lock())
        }
    }
}
