//! The public face: sessions and their settings.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use arrow::array::RecordBatch;
use pilaster_kernels::{Error, Result};

use crate::place::Report;
use crate::plan::Plan;
use crate::run::Execution;

/// Which backend a session uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BackendChoice {
    /// The cost model decides per pipeline; a software adapter counts as no GPU.
    #[default]
    Auto,
    /// CPU only.
    Cpu,
    /// GPU wherever a kernel exists, software adapters included.
    Gpu,
}

impl fmt::Display for BackendChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BackendChoice::Auto => "auto",
            BackendChoice::Cpu => "cpu",
            BackendChoice::Gpu => "gpu",
        })
    }
}

impl FromStr for BackendChoice {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name.to_ascii_lowercase().as_str() {
            "auto" => Ok(BackendChoice::Auto),
            "cpu" => Ok(BackendChoice::Cpu),
            "gpu" => Ok(BackendChoice::Gpu),
            _ => Err(Error::invalid(format!("backend {name:?}: auto, cpu or gpu"))),
        }
    }
}

/// Settings of a session.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionConfig {
    /// Which backend runs what.
    pub backend: BackendChoice,
    /// Fail where an operator would be left to the CPU for want of a kernel or an adapter, or would fall back to it.
    /// What `backend` or the cost model leaves to the CPU is no failure.
    pub strict: bool,
    /// Threads of the session's pool; 0 for one per core.
    pub threads: usize,
    /// Host bytes that all queries of the session may reserve together.
    pub host_memory_limit_bytes: u64,
    /// Device bytes that all queries of the session may reserve together.
    pub device_memory_limit_bytes: u64,
    /// Rows of a batch on the CPU: its columns should fit the L2 cache.
    pub cpu_batch_rows: usize,
    /// Rows of a batch on the device: batches of a pipeline are coalesced to this.
    pub device_batch_rows: usize,
}

impl Default for SessionConfig {
    fn default() -> Self {
        SessionConfig {
            backend: BackendChoice::Auto,
            strict: false,
            threads: 0,
            host_memory_limit_bytes: 8 << 30,
            device_memory_limit_bytes: 2 << 30,
            cpu_batch_rows: 16 * 1024,
            device_batch_rows: 1 << 20,
        }
    }
}

impl SessionConfig {
    fn check(&self) -> Result<()> {
        let batches =
            [("cpu_batch_rows", self.cpu_batch_rows), ("device_batch_rows", self.device_batch_rows)];
        for (name, rows) in batches {
            if rows == 0 || rows > i32::MAX as usize {
                return Err(Error::invalid(format!("{name} must be from 1 to 2^31 - 1, is {rows}")));
            }
        }
        Ok(())
    }
}

/// Runs plans. Cheap to clone, shared by any number of threads and queries; they share its pool, budgets and device.
#[derive(Debug, Clone)]
pub struct Session(Arc<SessionConfig>);

impl Session {
    /// A session. No device is opened before a query wants one.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for settings that cannot be, [`Error::Io`] where threads cannot be started.
    pub fn new(config: SessionConfig) -> Result<Self> {
        config.check()?;
        Ok(Session(Arc::new(config)))
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &SessionConfig {
        &self.0
    }

    /// Starts a plan.
    ///
    /// # Errors
    /// What is known before any row is read: [`Error::Unsupported`] and device errors in a strict session.
    pub fn run(&self, plan: &Plan) -> Result<Execution> {
        Err(Error::unsupported(plan.title(), pilaster_kernels::Backend::Cpu))
    }

    /// Runs a plan to its end. Blocks: from an async runtime use [`Session::run`].
    ///
    /// # Errors
    /// The query's error.
    pub fn collect(&self, plan: &Plan) -> Result<(Vec<RecordBatch>, Report)> {
        let mut execution = self.run(plan)?;
        let batches = execution.by_ref().collect::<Result<Vec<_>>>()?;
        Ok((batches, execution.report()))
    }

    /// Where each operator would run, and why, without running it.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn explain(&self, plan: &Plan) -> Result<Report> {
        self.run(plan).map(|execution| execution.report())
    }
}
