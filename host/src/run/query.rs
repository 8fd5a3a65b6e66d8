//! One query: its flag, and its share of what the session has.

use std::sync::Arc;

use pilaster_kernels::Result;
use pilaster_kernels::memory::Reserve;

use super::Cancellation;
use super::engine::Engine;
use crate::memory::{Budget, Spill, SpillFolder};

/// An operator that grows until a reservation is refused would leave the scan below it nothing to read with.
const OPERATOR_SHARE: u64 = 2;

/// Rows between pipelines, of all of a query's pipelines together: an operator above one and what it reads take the rest.
const RESULTS_SHARE: u64 = 4;

/// What everything inside a query needs of it.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) engine: Arc<Engine>,
    pub(crate) cancel: Cancellation,
    pub(crate) host: Arc<Budget>,
    /// What rows that wait for a later pipeline may hold before they go to disk.
    pub(crate) results: Arc<Budget>,
    pub(crate) spill: Arc<dyn Spill>,
}

impl Query {
    pub(crate) fn new(engine: &Arc<Engine>) -> Self {
        let host = engine.host.child();
        Query {
            engine: Arc::clone(engine),
            cancel: Cancellation::new(),
            results: host.part(host.limit_bytes() / RESULTS_SHARE),
            spill: Arc::new(SpillFolder::new(engine.config.spill_folder.as_deref())),
            host,
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.cancel.check()
    }

    pub(crate) fn threads(&self) -> usize {
        self.engine.threads
    }

    pub(crate) fn cpu_batch_rows(&self) -> usize {
        self.engine.config.cpu_batch_rows
    }

    pub(crate) fn host_reserve(&self) -> Arc<dyn Reserve> {
        Arc::clone(&self.host) as Arc<dyn Reserve>
    }

    /// What an operator that can spill may hold.
    pub(crate) fn operator_budget(&self) -> Arc<Budget> {
        self.host.part(self.host.limit_bytes() / OPERATOR_SHARE)
    }

    /// Computes on the session's pool, wherever it is called.
    pub(crate) fn on_pool<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.engine.pool.install(work)
    }
}
