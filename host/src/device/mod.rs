//! The only code that touches wgpu: adapters, tiers, litmus, pools, submission, read-back, caches, loss.
//!
//! ```text
//! adapter      which adapters there are, best first
//! profile      settings: how much of an adapter, trusted or checked shaders
//! litmus       the self-test that an adapter passes before it is used
//! connection   an open device: typed errors, loss, bounded waits
//! run          Program -> check -> pipeline -> pool -> staging -> dispatch -> read-back (timing)
//! fault        losses and refusals on purpose, for tests
//! ```

mod adapter;
mod check;
mod connection;
mod fault;
mod litmus;
mod pipeline;
mod pool;
mod profile;
mod run;
mod staging;
mod timing;

use std::sync::Arc;
use std::time::Duration;

use pilaster_kernels::gpu::Program;
use pilaster_kernels::{Backend, Error, Result};
use pilaster_shaders::Tier;

pub use adapter::AdapterReport;
pub use fault::Fault;
pub use litmus::Verdict;
pub use profile::{AdapterChoice, DeviceConfig, Profile, ShaderMode};
pub use run::ProgramRun;

use crate::memory::Budget;
use crate::run::Cancellation;
use connection::Connection;
use fault::Faults;
use run::Engine;

/// How long dropping a device may wait for work that was given up (cancelled) to end.
const SETTLE_LIMIT: Duration = Duration::from_secs(20);

/// All adapters, best first, each with its litmus verdict: run now, or remembered from an earlier run with the same
/// driver. Empty where the machine has no loader or driver.
#[must_use]
pub fn adapters() -> Vec<AdapterReport> {
    let config = DeviceConfig::default();
    let found = adapter::enumerate(config.shader_mode);
    let judge = |(index, found): (usize, &adapter::Found)| match open(found, &config) {
        Ok(device) => found.report(index, device.verdict.clone()),
        Err(error) => found.report(index, Verdict::Failed { reason: error.to_string() }),
    };
    found.iter().enumerate().map(judge).collect()
}

/// Whether one of the adapters that the settings allow is more than software. Opens none.
#[must_use]
pub fn has_hardware(config: &DeviceConfig) -> bool {
    let candidates = adapter::select(adapter::enumerate(config.shader_mode), &config.adapter);
    candidates.is_ok_and(|found| found.iter().any(|found| !found.is_software()))
}

/// An open GPU. Programs of several threads may run on it at once; the device works them off in order of submission.
pub struct Device {
    engine: Arc<Engine>,
    name: String,
    software: bool,
    verdict: Verdict,
}

impl Device {
    /// Opens the adapter that the settings choose.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where no adapter matches; [`Error::Device`] where each that does is refused by its
    /// driver or by the litmus, with the reasons.
    pub fn open(config: &DeviceConfig) -> Result<Arc<Device>> {
        let candidates = adapter::select(adapter::enumerate(config.shader_mode), &config.adapter)?;
        let mut refusals = Vec::new();
        for found in &candidates {
            match usable(found, config) {
                Ok(device) => return Ok(Arc::new(device)),
                Err(error) => refusals.push(format!("{}: {error}", found.info.name)),
            }
        }
        Err(Error::Device { stage: "open".into(), reason: refusals.join("; ") })
    }

    /// Runs a program: one submission, one read-back.
    ///
    /// # Errors
    /// - [`Error::Device`] where the program asks for more than the tier has, or the driver refuses it, or it passes
    ///   the time limit (the device counts as lost then);
    /// - [`Error::OutOfMemory`] where its buffers do not fit the budget or the device;
    /// - [`Error::DeviceLost`] now and for ever after the device went away;
    /// - [`Error::Cancelled`].
    pub fn run(&self, program: &Program, cancel: &Cancellation) -> Result<ProgramRun> {
        let engine = &self.engine;
        engine.run_within(program, cancel, engine.mode, engine.time_limit)
    }

    /// What shaders for this device may use.
    #[must_use]
    pub fn tier(&self) -> &Tier {
        &self.engine.tier
    }

    /// The adapter's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs on the CPU: counts as no GPU unless asked for.
    #[must_use]
    pub fn is_software(&self) -> bool {
        self.software
    }

    /// The litmus verdict it was opened with.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// How its shaders are compiled.
    #[must_use]
    pub fn shader_mode(&self) -> ShaderMode {
        self.engine.mode
    }

    /// Largest buffer in bytes.
    #[must_use]
    pub fn max_buffer_bytes(&self) -> u64 {
        self.engine.max_buffer_bytes
    }

    /// The budget that its buffers are reserved from.
    #[must_use]
    pub fn memory(&self) -> &Arc<Budget> {
        self.engine.pool.budget()
    }

    /// Whether device time per stage is measured.
    #[must_use]
    pub fn has_timestamps(&self) -> bool {
        self.engine.timers.is_some()
    }

    /// Stages compiled so far.
    #[must_use]
    pub fn compiled_stages(&self) -> usize {
        self.engine.pipelines.len()
    }

    /// Whether the device went away, or hangs: open another.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.engine.connection.lost().is_some()
    }

    /// Makes something go wrong, once. For tests of what happens then.
    #[doc(hidden)]
    pub fn inject(&self, fault: Fault) {
        self.engine.faults.inject(fault);
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tier = self.tier().name();
        f.debug_struct("Device").field("name", &self.name).field("tier", &tier).finish_non_exhaustive()
    }
}

impl Drop for Device {
    /// Dropping a wgpu device waits for its work, for ever where a shader hangs: such a device is leaked.
    fn drop(&mut self) {
        if !self.engine.connection.settles_within(SETTLE_LIMIT) {
            tracing::warn!(adapter = self.name, "device hangs and is leaked");
            std::mem::forget(Arc::clone(&self.engine));
        }
    }
}

/// Opens an adapter and refuses it where its verdict says so.
fn usable(found: &adapter::Found, config: &DeviceConfig) -> Result<Device> {
    let device = open(found, config)?;
    match &device.verdict {
        Verdict::Failed { reason } => Err(Error::Device { stage: "litmus".into(), reason: reason.clone() }),
        _ => Ok(device),
    }
}

/// Opens an adapter, judges it, and reduces its tier to what the verdict leaves.
fn open(found: &adapter::Found, config: &DeviceConfig) -> Result<Device> {
    let features = found.features(config.profile);
    let limits = config.profile.limits(&found.adapter.limits());
    let tier = profile::tier(features, &limits);
    let memory_bytes = config.memory_bytes.unwrap_or(if found.is_software() { 2 << 30 } else { 8 << 30 });
    let max_buffer_bytes = limits.max_buffer_size & !3;
    let timers = config.timestamps && features.contains(wgpu::Features::TIMESTAMP_QUERY);
    let engine = Engine {
        connection: Connection::open(found, features, limits)?,
        tier,
        max_buffer_bytes,
        mode: config.shader_mode,
        time_limit: config.time_limit,
        pool: pool::Pool::new(Arc::new(Budget::new(Backend::Gpu, memory_bytes)), max_buffer_bytes),
        staging: staging::Staging::new(config.staging_bytes),
        pipelines: pipeline::Pipelines::default(),
        bind_groups: pipeline::BindGroups::default(),
        timers: timers.then(timing::Timers::default),
        faults: Faults::none(),
    };
    let mut device = Device {
        engine: Arc::new(engine),
        name: found.info.name.clone(),
        software: found.is_software(),
        verdict: Verdict::NotRun,
    };
    if config.litmus {
        device.verdict = litmus::judge(&device.engine, found, config);
        let reduced = device.verdict.reduce(device.engine.tier.clone());
        if let Some(engine) = Arc::get_mut(&mut device.engine) {
            engine.tier = reduced;
        }
    }
    Ok(device)
}
