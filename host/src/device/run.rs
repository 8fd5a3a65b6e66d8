//! A program on a device: check, compile, allocate, upload, dispatch, read back.
//!
//! Everything of one program goes into one command buffer, submitted once; one staging buffer takes all that is read
//! back, the timestamps too, and is mapped once. Only an upload larger than the staging limit is submitted in parts.

use std::num::NonZeroU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use pilaster_kernels::gpu::{Program, ProgramOutput, Stage, Workgroups};
use pilaster_kernels::{Error, Result};
use wgpu::{CommandEncoder, MapMode};

use super::check::{self, buffer_bytes};
use super::connection::{Connection, device_error};
use super::fault::Faults;
use super::pipeline::{BindGroups, Bound, Pipeline, Pipelines};
use super::pool::{Lease, Pool};
use super::profile::ShaderMode;
use super::staging::{Staging, UploadPlan};
use super::timing::{Timer, Timers, by_label};
use crate::run::Cancellation;
use pilaster_shaders::Tier;

/// What a program gave, and what it cost.
#[derive(Debug, Clone, Default)]
pub struct ProgramRun {
    /// What was read back.
    pub output: ProgramOutput,
    /// Device time per stage label, in order of first appearance; empty where the adapter has no timestamps.
    pub stages: Vec<(String, Duration)>,
    /// Bytes that went up.
    pub bytes_up: u64,
    /// Bytes that came down.
    pub bytes_down: u64,
    /// Submissions to the queue: one, unless the upload passed the staging limit.
    pub submissions: u32,
    /// Mappings of a read-back buffer: one, or none where nothing is read back.
    pub read_backs: u32,
    /// Device bytes held while it ran, rounding included.
    pub device_bytes: u64,
}

/// All that programs need of an open device.
pub(super) struct Engine {
    pub(super) connection: Connection,
    pub(super) tier: Tier,
    pub(super) max_buffer_bytes: u64,
    pub(super) mode: ShaderMode,
    pub(super) time_limit: Duration,
    pub(super) pool: Pool,
    pub(super) staging: Staging,
    pub(super) pipelines: Pipelines,
    pub(super) bind_groups: BindGroups,
    pub(super) timers: Option<Timers>,
    pub(super) faults: Faults,
}

/// A running program's command buffer and counts.
struct Recording<'a> {
    engine: &'a Engine,
    program: &'a Program,
    lease: &'a Lease<'a>,
    time_limit: Duration,
    encoder: CommandEncoder,
    submissions: u32,
    chunks: Vec<wgpu::Buffer>,
}

impl Engine {
    /// Runs a program with its shaders in `mode`, each submission within `time_limit`.
    ///
    /// # Errors
    /// See [`super::Device::run`].
    pub(super) fn run_within(
        &self,
        program: &Program,
        cancel: &Cancellation,
        mode: ShaderMode,
        time_limit: Duration,
    ) -> Result<ProgramRun> {
        cancel.check()?;
        self.connection.check()?;
        check::program(program, &self.tier, self.max_buffer_bytes)?;
        let pipelines = self.pipelines.of_program(&self.connection, program, mode)?;
        let _turn = self.connection.turn(cancel)?;
        let sizes = program.buffers.iter().map(buffer_bytes);
        let lease = self.pool.take_all(&self.connection, &self.bind_groups, &self.faults, sizes)?;
        let mut recording = Recording::new(self, program, &lease, time_limit);
        recording.upload(cancel)?;
        recording.finish(&pipelines, cancel)
    }

    /// Creates or submits within error scopes, under the program's name.
    fn scoped<T>(&self, program: &Program, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let limits = [program.device_bytes(), self.pool.budget().limit_bytes()];
        self.connection.scoped(&program.label, limits, work)
    }
}

impl<'a> Recording<'a> {
    fn new(engine: &'a Engine, program: &'a Program, lease: &'a Lease<'a>, time_limit: Duration) -> Self {
        let encoder = new_encoder(engine, program);
        Recording { engine, program, lease, time_limit, encoder, submissions: 0, chunks: Vec::new() }
    }

    /// First contents of all buffers.
    fn upload(&mut self, cancel: &Cancellation) -> Result<()> {
        let plan = UploadPlan::new(&self.program.buffers);
        let most = (self.engine.staging.limit_bytes() / plan.chunk_bytes) as usize;
        for clear in &plan.clears {
            let buffer = &self.lease.buffers[clear.buffer].buffer;
            self.encoder.clear_buffer(buffer, clear.offset, Some(clear.bytes));
        }
        for chunk in &plan.chunks {
            cancel.check()?;
            if self.chunks.len() >= most {
                self.flush(cancel)?;
            }
            let engine = self.engine;
            let staged = engine
                .scoped(self.program, || Ok(engine.staging.chunk(&engine.connection, plan.chunk_bytes)))?;
            // No lock and no error scope is held while the copy runs on the thread pool.
            Staging::fill(&staged, chunk).map_err(|error| self.lost_or(error))?;
            for copy in &chunk.copies {
                let target = &self.lease.buffers[copy.buffer].buffer;
                self.encoder.copy_buffer_to_buffer(&staged, copy.from, target, copy.to, copy.bytes);
            }
            self.chunks.push(staged);
        }
        Ok(())
    }

    /// Submits what is recorded so far and waits, so that its chunks can be used again.
    fn flush(&mut self, cancel: &Cancellation) -> Result<()> {
        let full = std::mem::replace(&mut self.encoder, new_encoder(self.engine, self.program));
        let index = self.submit(full)?;
        self.engine.connection.wait(&self.program.label, &index, self.time_limit, cancel, || true)
    }

    fn submit(&mut self, encoder: CommandEncoder) -> Result<wgpu::SubmissionIndex> {
        let engine = self.engine;
        let index = engine.scoped(self.program, || Ok(engine.connection.queue.submit([encoder.finish()])))?;
        self.submissions += 1;
        for chunk in self.chunks.drain(..) {
            engine.staging.recycle(chunk);
        }
        Ok(index)
    }

    /// Stages, submission, read-back.
    fn finish(mut self, pipelines: &[Arc<Pipeline>], cancel: &Cancellation) -> Result<ProgramRun> {
        let (engine, program) = (self.engine, self.program);
        let mut encoder = std::mem::replace(&mut self.encoder, new_encoder(engine, program));
        let (timer, staged) = engine.scoped(program, || {
            let timers = engine.timers.as_ref();
            let timer = timers.map(|timers| timers.take(&engine.connection, program.stages.len()));
            self.stages(&mut encoder, pipelines, timer.as_ref());
            let staged = self.read_back(&mut encoder, timer.as_ref());
            Ok((timer, staged))
        })?;
        let index = self.submit(encoder)?;
        let (words, stamps) = self.read(staged, timer.as_ref(), &index, cancel)?;
        let period = engine.connection.queue.get_timestamp_period();
        if let (Some(timers), Some(timer)) = (&engine.timers, timer) {
            timers.keep(timer);
        }
        Ok(ProgramRun {
            output: ProgramOutput { words },
            stages: by_label(&program.stages, &stamps, period),
            bytes_up: program.upload_bytes(),
            bytes_down: program.read_back_bytes(),
            submissions: self.submissions,
            read_backs: u32::from(program.read_back_bytes() > 0),
            device_bytes: self.lease.bytes(),
        })
    }

    /// Waits for the submission and takes the words and timestamps out of the read-back buffer.
    fn read(
        &self,
        staged: Option<wgpu::Buffer>,
        timer: Option<&Timer>,
        index: &wgpu::SubmissionIndex,
        cancel: &Cancellation,
    ) -> Result<(Vec<Vec<u32>>, Vec<u64>)> {
        let (connection, label) = (&self.engine.connection, &self.program.label);
        let Some(staged) = staged else {
            connection.wait(label, index, self.time_limit, cancel, || true)?;
            return Ok((vec![Vec::new(); self.program.read_back.len()], Vec::new()));
        };
        let mapped = Arc::new(OnceLock::new());
        let answer = Arc::clone(&mapped);
        staged.slice(..).map_async(MapMode::Read, move |result| {
            answer.get_or_init(|| result.is_ok());
        });
        connection.wait(label, index, self.time_limit, cancel, || mapped.get().is_some())?;
        if mapped.get() != Some(&true) {
            return Err(self.lost_or(device_error(label, &"the read-back could not be mapped")));
        }
        let words = self.words(&staged, timer).map_err(|error| self.lost_or(error))?;
        staged.unmap();
        self.engine.staging.keep_read_back(staged);
        Ok(words)
    }

    /// Encodes all stages: one pass each where they are timed, one for all otherwise.
    fn stages(&self, encoder: &mut CommandEncoder, pipelines: &[Arc<Pipeline>], timer: Option<&Timer>) {
        let stages = || self.program.stages.iter().zip(pipelines);
        let Some(timer) = timer else {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            return stages().for_each(|(stage, pipeline)| self.stage(&mut pass, stage, pipeline));
        };
        for (at, (stage, pipeline)) in stages().enumerate() {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: Some(&stage.label),
                timestamp_writes: timer.writes(at),
            });
            self.stage(&mut pass, stage, pipeline);
        }
    }

    fn stage(&self, pass: &mut wgpu::ComputePass<'_>, stage: &Stage, pipeline: &Pipeline) {
        let engine = self.engine;
        if engine.faults.loses_device() {
            engine.connection.device.destroy();
        }
        let bound: Vec<Bound<'_>> = stage
            .bindings
            .iter()
            .map(|id| {
                let pooled = &self.lease.buffers[id.0 as usize];
                let bytes = buffer_bytes(&self.program.buffers[id.0 as usize]);
                (pooled.id, &pooled.buffer, NonZeroU64::new(bytes).unwrap_or(NonZeroU64::MIN))
            })
            .collect();
        pass.set_pipeline(&pipeline.pipeline);
        pass.set_bind_group(0, &engine.bind_groups.get(&engine.connection, pipeline, &bound), &[]);
        match stage.workgroups {
            Workgroups::Direct([x, y, z]) => pass.dispatch_workgroups(x, y, z),
            Workgroups::Indirect(id, offset) => {
                pass.dispatch_workgroups_indirect(&self.lease.buffers[id.0 as usize].buffer, offset);
            }
        }
    }

    /// Encodes the copies of all read-backs, then of the timestamps, into one buffer; none where there is nothing to
    /// copy.
    fn read_back(&self, encoder: &mut CommandEncoder, timer: Option<&Timer>) -> Option<wgpu::Buffer> {
        let engine = self.engine;
        let stamps_at = self.stamps_at();
        let bytes = stamps_at + timer.map_or(0, Timer::bytes);
        if bytes == 0 {
            return None;
        }
        let staged = engine.staging.read_back(&engine.connection, bytes, engine.max_buffer_bytes);
        let mut at = 0;
        for range in self.program.read_back.iter().filter(|range| range.bytes > 0) {
            let source = &self.lease.buffers[range.buffer.0 as usize].buffer;
            encoder.copy_buffer_to_buffer(source, range.offset, &staged, at, range.bytes);
            at += range.bytes;
        }
        if let Some(timer) = timer {
            timer.resolve(encoder, &staged, stamps_at);
        }
        Some(staged)
    }

    /// Where the timestamps begin in the read-back buffer.
    fn stamps_at(&self) -> u64 {
        self.program.read_back_bytes().next_multiple_of(8)
    }

    /// Words of each read-back and all timestamps, from the mapped buffer.
    fn words(&self, staged: &wgpu::Buffer, timer: Option<&Timer>) -> Result<(Vec<Vec<u32>>, Vec<u64>)> {
        let view =
            staged.slice(..).get_mapped_range().map_err(|error| device_error(&self.program.label, &error))?;
        let mut rest: &[u8] = &view;
        let mut words = Vec::with_capacity(self.program.read_back.len());
        for range in &self.program.read_back {
            let (now, later) = rest.split_at(range.bytes as usize);
            words.push(bytemuck::pod_collect_to_vec(now));
            rest = later;
        }
        let stamps_at = self.stamps_at() as usize;
        let stamp_bytes = timer.map_or(0, Timer::bytes) as usize;
        Ok((words, bytemuck::pod_collect_to_vec(&view[stamps_at..stamps_at + stamp_bytes])))
    }

    /// Loss of the device explains any error.
    fn lost_or(&self, error: Error) -> Error {
        self.engine.connection.lost().map_or(error, Error::DeviceLost)
    }
}

fn new_encoder(engine: &Engine, program: &Program) -> CommandEncoder {
    let descriptor = wgpu::CommandEncoderDescriptor { label: Some(&program.label) };
    engine.connection.device.create_command_encoder(&descriptor)
}
