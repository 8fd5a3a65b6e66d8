//! The cost model: few constants, measured once per adapter and driver, corrected by what queries then take.
//!
//! ```text
//! cpu = rows * work / cpu rate / threads
//! gpu = submit + dispatches * dispatch + read-back + bytes / bus + bytes * work / device rate
//! ```
//! A pipeline that was run corrects its backend's estimate by a factor, an exponentially weighted mean of measured over
//! estimated time.

use std::fmt;
use std::time::Duration;

use parking_lot::Mutex;
use pilaster_kernels::Backend;
use serde::{Deserialize, Serialize};

use super::calibrate;
use crate::device::Device;
use crate::run::{Pipeline, Sink};

/// Weight of a new measurement.
const NEW: f64 = 0.3;

/// Bounds of the correction: one odd query must not decide for ever.
const CORRECTION: std::ops::RangeInclusive<f64> = 0.05..=20.0;

/// What an adapter costs. Seconds, and bytes per second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Constants {
    /// A submission, with the mapping of its read-back.
    pub(crate) round_trip_s: f64,
    /// A dispatch more in a submission.
    pub(crate) dispatch_s: f64,
    /// Upload.
    pub(crate) bus_bytes_per_s: f64,
    /// A pass over device memory.
    pub(crate) device_bytes_per_s: f64,
}

impl Default for Constants {
    /// A discrete adapter on a narrow bus: what is assumed until it is measured.
    fn default() -> Self {
        Constants { round_trip_s: 300e-6, dispatch_s: 10e-6, bus_bytes_per_s: 6e9, device_bytes_per_s: 100e9 }
    }
}

impl Constants {
    /// False for numbers that no adapter has: a corrupt cache.
    pub(crate) fn are_sane(&self) -> bool {
        let positive = [self.round_trip_s, self.dispatch_s, self.bus_bytes_per_s, self.device_bytes_per_s];
        positive.iter().all(|value| value.is_finite() && *value > 0.0) && self.round_trip_s < 10.0
    }
}

/// Bytes of input that one core takes in a second per unit of work: a filter with a sum at the decoded width, measured on
/// a Zen 3 core at 3 GHz.
const CPU_BYTES_PER_S: f64 = 1.5e9;

/// Dispatches of a program, for the estimate.
const DISPATCHES: f64 = 4.0;

/// Estimated times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) cpu: Duration,
    pub(crate) gpu: Duration,
    rows: u64,
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        write!(
            f,
            "estimate for {} rows: cpu {:.2} ms, gpu {:.2} ms",
            self.rows,
            millis(self.cpu),
            millis(self.gpu)
        )
    }
}

#[derive(Debug)]
pub(crate) struct CostModel {
    threads: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    constants: Constants,
    calibrated_for: Option<String>,
    cpu_correction: f64,
    gpu_correction: f64,
}

impl CostModel {
    pub(crate) fn new(threads: usize) -> Self {
        let state = State {
            constants: Constants::default(),
            calibrated_for: None,
            cpu_correction: 1.0,
            gpu_correction: 1.0,
        };
        CostModel { threads: threads.max(1), state: Mutex::new(state) }
    }

    /// Takes the adapter's constants from the cache, or measures them; once per device.
    pub(crate) fn calibrate(&self, device: &Device) {
        let mut state = self.state.lock();
        if state.calibrated_for.as_deref() != Some(device.name()) {
            state.constants = calibrate::constants(device);
            state.calibrated_for = Some(device.name().to_owned());
        }
    }

    /// Times of `pipeline` over `rows` rows of `bytes` bytes.
    pub(crate) fn estimate(&self, pipeline: &Pipeline, rows: u64, bytes: u64) -> Estimate {
        let state = self.state.lock();
        let Constants { round_trip_s, dispatch_s, bus_bytes_per_s, device_bytes_per_s } = state.constants;
        let (bytes, work) = (bytes as f64, work(pipeline));
        let cpu = bytes * work / CPU_BYTES_PER_S / self.threads as f64;
        let gpu = round_trip_s
            + DISPATCHES * dispatch_s
            + bytes / bus_bytes_per_s
            + bytes * work / device_bytes_per_s;
        Estimate { cpu: seconds(cpu * state.cpu_correction), gpu: seconds(gpu * state.gpu_correction), rows }
    }

    /// Corrects the model by what a pipeline took on `backend`.
    pub(crate) fn learn(&self, backend: Backend, estimate: &Estimate, took: Duration) {
        let mut state = self.state.lock();
        let (estimated, correction) = match backend {
            Backend::Cpu => (estimate.cpu, &mut state.cpu_correction),
            Backend::Gpu => (estimate.gpu, &mut state.gpu_correction),
        };
        // Short runs measure the machine's noise, not its rate.
        if took < Duration::from_millis(1) || estimated.is_zero() {
            return;
        }
        let measured = *correction * took.as_secs_f64() / estimated.as_secs_f64();
        let mean = (1.0 - NEW) * *correction + NEW * measured;
        *correction = mean.clamp(*CORRECTION.start(), *CORRECTION.end());
    }
}

/// Work per byte of a pipeline, in passes over its input.
fn work(pipeline: &Pipeline) -> f64 {
    match &pipeline.sink {
        Sink::Aggregate(aggregation) => {
            1.0 + 0.25 * aggregation.aggregates.len() as f64 + 2.0 * aggregation.keys.len() as f64
        }
        Sink::Sort { keys, .. } => 4.0 + keys.len() as f64,
        Sink::Build { .. } | Sink::Partition { .. } => 4.0,
        Sink::Limit { .. } | Sink::Collect => 1.0,
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
