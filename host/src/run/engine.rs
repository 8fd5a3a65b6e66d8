//! What all queries of a session share: pool, budgets, device.

use std::sync::Arc;

use pilaster_kernels::{Backend, Error, Result};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::device_slot::DeviceSlot;
use crate::memory::Budget;
use crate::place::CostModel;
use crate::scan::FooterCache;
use crate::session::SessionConfig;

/// Stack of a pool thread: expressions and plans of the allowed depth are walked recursively.
const STACK_BYTES: usize = 8 << 20;

#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) config: SessionConfig,
    pub(crate) pool: ThreadPool,
    pub(crate) threads: usize,
    pub(crate) host: Arc<Budget>,
    pub(crate) device: DeviceSlot,
    pub(crate) model: CostModel,
    pub(crate) footers: FooterCache,
}

impl Engine {
    pub(crate) fn new(config: SessionConfig) -> Result<Self> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if config.threads == 0 { cores() } else { config.threads };
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("pilaster-{index}"))
            .stack_size(STACK_BYTES)
            .build()
            .map_err(|error| Error::Io { path: "thread pool".into(), reason: error.to_string() })?;
        let host = Arc::new(Budget::new(Backend::Cpu, config.host_memory_limit_bytes));
        let device = DeviceSlot::new(&config);
        Ok(Engine {
            config,
            pool,
            threads,
            host,
            device,
            model: CostModel::new(threads),
            footers: FooterCache::default(),
        })
    }
}
