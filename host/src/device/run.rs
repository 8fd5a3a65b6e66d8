//! A program on a device: check, compile, allocate, upload, dispatch, read back.
//!
//! Everything of one program goes into one command buffer, submitted once; one staging buffer takes all that is read
//! back, the timestamps too, and is mapped once. Only an upload larger than the staging limit is submitted in parts.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
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
    encoder: CommandEncoder,
    submissions: u32,
    chunks: Vec<wgpu::Buffer>,
}

impl Engine {
    /// Runs a program with its shaders in `mode`.
    ///
    /// # Errors
    /// See [`super::Device::run`].
    pub(super) fn run(
        &self,
        program: &Program,
        cancel: &Cancellation,
        mode: ShaderMode,
    ) -> Result<ProgramRun> {
        cancel.check()?;
        self.connection.check()?;
        check::program(program, &self.tier, self.max_buffer_bytes)?;
        let pipelines = self.pipelines.of_program(&self.connection, program, mode)?;
        cancel.check()?;
        let sizes = program.buffers.iter().map(buffer_bytes);
        let lease = self.pool.take_all(&self.connection, &self.bind_groups, &self.faults, sizes)?;
        let mut recording = Recording::new(self, program, &lease);
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
    fn new(engine: &'a Engine, program: &'a Program, lease: &'a Lease<'a>) -> Self {
        let encoder = new_encoder(engine, program);
        Recording { engine, program, lease, encoder, submissions: 0, chunks: Vec::new() }
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
        self.engine.connection.wait(&self.program.label, &index, cancel, || true)
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
        let engine = self.engine;
        let mut encoder = std::mem::replace(&mut self.encoder, new_encoder(engine, self.program));
        let bytes_down = self.program.read_back_bytes();
        let (timer, staged) = engine
            .scoped(self.program, || {
                let timer = engine
                    .timers
                    .as_ref()
                    .map(|timers| timers.take(&engine.connection, self.program.stages.len()));
                self.stages(&mut encoder, pipelines, timer.as_ref());
                Ok((timer, ()))
            })
            .and_then(|(timer, ())| {
                let stamps_at = bytes_down.next_multiple_of(8);
                let bytes = stamps_at + timer.as_ref().map_or(0, Timer::bytes);
                let staged = if bytes == 0 {
                    None
                } else {
                    Some(self.read_back(&mut encoder, timer.as_ref(), stamps_at, bytes)?)
                };
                Ok((timer, staged))
            })?;
        let index = self.submit(encoder)?;
        let done = Arc::new(AtomicU8::new(0));
        if let Some(staged) = &staged {
            let done = Arc::clone(&done);
            staged.slice(..).map_async(MapMode::Read, move |result| {
                done.store(if result.is_ok() { 1 } else { 2 }, Ordering::Release);
            });
        }
        let is_done = || staged.is_none() || done.load(Ordering::Acquire) != 0;
        engine.connection.wait(&self.program.label, &index, cancel, is_done)?;
        if done.load(Ordering::Acquire) == 2 {
            return Err(self.lost_or(device_error(&self.program.label, &"the read-back could not be mapped")));
        }
        let (words, stamps) = match &staged {
            Some(staged) => {
                self.words(staged, timer.as_ref(), bytes_down).map_err(|error| self.lost_or(error))?
            }
            None => Default::default(),
        };
        if let Some(staged) = staged {
            staged.unmap();
            engine.staging.keep_read_back(staged);
        }
        let period = engine.connection.queue.get_timestamp_period();
        let stages = by_label(&self.program.stages, &stamps, period);
        if let (Some(timers), Some(timer)) = (&engine.timers, timer) {
            timers.keep(timer);
        }
        Ok(ProgramRun {
            read_backs: u32::from(!self.program.read_back.is_empty()),
            output: ProgramOutput { words },
            stages,
            bytes_up: self.program.upload_bytes(),
            bytes_down,
            submissions: self.submissions,
            device_bytes: self.lease.bytes(),
        })
    }

    /// Encodes all stages: one pass each where they are timed, one for all otherwise.
    fn stages(&self, encoder: &mut CommandEncoder, pipelines: &[Arc<Pipeline>], timer: Option<&Timer>) {
        let stages = self.program.stages.iter().zip(pipelines).enumerate();
        let Some(timer) = timer else {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            return stages.for_each(|(_, (stage, pipeline))| self.stage(&mut pass, stage, pipeline));
        };
        for (at, (stage, pipeline)) in stages {
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

    /// Encodes the copies of all read-backs and of the timestamps into one buffer.
    fn read_back(
        &self,
        encoder: &mut CommandEncoder,
        timer: Option<&Timer>,
        stamps_at: u64,
        bytes: u64,
    ) -> Result<wgpu::Buffer> {
        let engine = self.engine;
        engine.scoped(self.program, || {
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
            Ok(staged)
        })
    }

    /// Words of each read-back and all timestamps, from the mapped buffer.
    fn words(
        &self,
        staged: &wgpu::Buffer,
        timer: Option<&Timer>,
        bytes_down: u64,
    ) -> Result<(Vec<Vec<u32>>, Vec<u64>)> {
        let view =
            staged.slice(..).get_mapped_range().map_err(|error| device_error(&self.program.label, &error))?;
        let mut rest: &[u8] = &view;
        let mut words = Vec::with_capacity(self.program.read_back.len());
        for range in &self.program.read_back {
            let (now, later) = rest.split_at(range.bytes as usize);
            words.push(bytemuck::pod_collect_to_vec(now));
            rest = later;
        }
        let stamps_at = bytes_down.next_multiple_of(8) as usize;
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
