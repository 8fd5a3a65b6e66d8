//! The public face: sessions and their settings.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use arrow::array::RecordBatch;
use pilaster_kernels::aggregate::FloatSum;
use pilaster_kernels::{Error, Result};

use crate::device::{Device, DeviceConfig};
use crate::place::Report;
use crate::plan::Plan;
use crate::run::{self, Engine, Execution};
use crate::scan::FooterCache;

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
    /// Fail instead of falling back: where a pipeline that was placed on the GPU cannot end there, and, with
    /// [`BackendChoice::Gpu`], where an operator has no kernel or there is no adapter. What [`BackendChoice::Auto`] or
    /// [`BackendChoice::Cpu`] leaves to the CPU is no failure, nor is an operator that computes nothing.
    pub strict: bool,
    /// Threads of the session's pool; 0 for one per core.
    pub threads: usize,
    /// Host bytes that all queries of the session may reserve together.
    pub host_memory_limit_bytes: u64,
    /// Folder for what does not fit `host_memory_limit_bytes` (aggregations, sorts, limits and results between pipelines
    /// spill; grouping sets fail); where absent, the system's folder for temporary files.
    pub spill_folder: Option<PathBuf>,
    /// Device bytes that all queries of the session may reserve together.
    pub device_memory_limit_bytes: u64,
    /// Adapter by a part of its name; where absent, as `device` says.
    pub adapter: Option<String>,
    /// How a device is opened: profile, shader checks, time limit. Its memory limit is `device_memory_limit_bytes`.
    pub device: DeviceConfig,
    /// Rows of a batch on the CPU: its columns should fit the L2 cache.
    pub cpu_batch_rows: usize,
    /// Rows of a batch on the device: batches of a pipeline are coalesced to this.
    pub device_batch_rows: usize,
    /// How floats are summed: sums, means, variances and covariances.
    pub float_sum: FloatSum,
}

impl Default for SessionConfig {
    fn default() -> Self {
        SessionConfig {
            backend: BackendChoice::Auto,
            strict: false,
            threads: 0,
            host_memory_limit_bytes: 8 << 30,
            spill_folder: None,
            device_memory_limit_bytes: 2 << 30,
            adapter: None,
            device: DeviceConfig::default(),
            cpu_batch_rows: 16 * 1024,
            device_batch_rows: 1 << 20,
            float_sum: FloatSum::default(),
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
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{Int64Array, RecordBatch};
/// use arrow::datatypes::{DataType, Field, Schema};
/// use pilaster::plan::{MemorySource, Plan};
/// use pilaster::sort::SortKey;
/// use pilaster::{Session, SessionConfig};
///
/// let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Int64, false)]));
/// let batch = RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from(vec![3, 1, 2]))])?;
/// let key = SortKey { column: 0, descending: true, nulls_first: false };
/// let plan = Plan::input(Arc::new(MemorySource::try_new(vec![batch])?)).sort(vec![key], Some(2))?;
///
/// let session = Session::new(SessionConfig::default())?;
/// let (batches, report) = session.collect(&plan)?;
/// assert_eq!(batches[0].column(0).as_ref(), &Int64Array::from(vec![3, 2]) as &dyn arrow::array::Array);
/// println!("{report}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Session(Arc<Engine>);

impl Session {
    /// A session. No device is opened before a query wants one.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for settings that cannot be, [`Error::Io`] where threads cannot be started.
    pub fn new(config: SessionConfig) -> Result<Self> {
        config.check()?;
        Ok(Session(Arc::new(Engine::new(config)?)))
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &SessionConfig {
        &self.0.config
    }

    /// Footers of Parquet files that plans of the session have read, for [`crate::scan::Scan::from_slices_with`].
    #[must_use]
    pub fn footers(&self) -> &FooterCache {
        &self.0.footers
    }

    /// Starts a plan. Never blocks: what goes wrong, a strict session's refusals included, is the execution's first and
    /// last item.
    ///
    /// # Errors
    /// [`Error::Io`] where no thread can be started.
    pub fn run(&self, plan: &Plan) -> Result<Execution> {
        run::start(&self.0, plan)
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

    /// Where each operator would run, and why, without running it. May open a device: blocks.
    ///
    /// # Errors
    /// [`Error::Unsupported`] and device errors in a strict session.
    pub fn explain(&self, plan: &Plan) -> Result<Report> {
        run::explain(&self.0, plan)
    }

    /// The session's device, opened now if it was not. For diagnostics; queries open it by themselves.
    ///
    /// # Errors
    /// Why there is none.
    pub fn device(&self) -> Result<Arc<Device>> {
        self.0.device.get()
    }

    /// Host bytes that running queries have reserved.
    #[must_use]
    pub fn reserved_host_bytes(&self) -> u64 {
        self.0.host.reserved()
    }
}
