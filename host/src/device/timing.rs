//! Device time per stage, by timestamps around each pass.

use std::time::Duration;

use parking_lot::Mutex;
use pilaster_kernels::gpu::Stage;

use super::connection::Connection;

/// wgpu allows 4,096 queries per set; two per stage. Stages past these are run but not timed.
const MAX_TIMED_STAGES: usize = 2048;
/// Bytes of one timestamp.
const STAMP_BYTES: u64 = 8;

/// Query sets, kept between programs.
#[derive(Default)]
pub(super) struct Timers {
    kept: Mutex<Vec<Timer>>,
}

/// Timestamps of one program.
pub(super) struct Timer {
    set: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    /// Stages it has room for.
    capacity: usize,
    /// Stages it times now.
    stages: usize,
}

impl Timers {
    /// A timer for this many stages. Call inside of an error scope.
    pub(super) fn take(&self, connection: &Connection, stages: usize) -> Timer {
        let stages = stages.min(MAX_TIMED_STAGES);
        let mut kept = self.kept.lock();
        let found = kept.iter().position(|timer| timer.capacity >= stages).map(|at| kept.swap_remove(at));
        drop(kept);
        let mut timer = found.unwrap_or_else(|| Timer::new(connection, stages.next_power_of_two().max(16)));
        timer.stages = stages;
        timer
    }

    pub(super) fn keep(&self, timer: Timer) {
        let mut kept = self.kept.lock();
        if kept.len() < 16 {
            kept.push(timer);
        }
    }
}

impl Timer {
    fn new(connection: &Connection, capacity: usize) -> Self {
        let set = connection.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("stages"),
            ty: wgpu::QueryType::Timestamp,
            count: 2 * capacity as u32,
        });
        let resolved = connection.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("timestamps"),
            size: 2 * capacity as u64 * STAMP_BYTES,
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        Timer { set, resolved, capacity, stages: 0 }
    }

    /// What stage `at` writes.
    pub(super) fn writes(&self, at: usize) -> Option<wgpu::ComputePassTimestampWrites<'_>> {
        (at < self.stages).then(|| wgpu::ComputePassTimestampWrites {
            query_set: &self.set,
            beginning_of_pass_write_index: Some(2 * at as u32),
            end_of_pass_write_index: Some(2 * at as u32 + 1),
        })
    }

    /// Bytes of the timestamps.
    pub(super) fn bytes(&self) -> u64 {
        2 * self.stages as u64 * STAMP_BYTES
    }

    /// Encodes the copy of the timestamps into a read-back buffer.
    pub(super) fn resolve(&self, encoder: &mut wgpu::CommandEncoder, target: &wgpu::Buffer, offset: u64) {
        if self.stages > 0 {
            encoder.resolve_query_set(&self.set, 0..2 * self.stages as u32, &self.resolved, 0);
            encoder.copy_buffer_to_buffer(&self.resolved, 0, target, offset, self.bytes());
        }
    }
}

/// Device time per label, in order of first appearance.
pub(super) fn by_label(stages: &[Stage], stamps: &[u64], period_ns: f32) -> Vec<(String, Duration)> {
    let mut times: Vec<(String, Duration)> = Vec::new();
    for (stage, pair) in stages.iter().zip(stamps.chunks_exact(2)) {
        // Timestamps of different queues or after a reset may go backwards; they mean nothing then.
        let ticks = pair[1].saturating_sub(pair[0]);
        let time = Duration::from_nanos((ticks as f64 * f64::from(period_ns)) as u64);
        match times.iter_mut().find(|(label, _)| *label == stage.label) {
            Some((_, sum)) => *sum += time,
            None => times.push((stage.label.clone(), time)),
        }
    }
    times
}
