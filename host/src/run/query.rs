//! One query: its flag, and its share of what the session has.

use std::sync::Arc;

use pilaster_kernels::Result;
use pilaster_kernels::memory::Reserve;

use super::Cancellation;
use super::engine::Engine;
use crate::memory::{Budget, Reservation};

/// What everything inside a query needs of it.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) engine: Arc<Engine>,
    pub(crate) cancel: Cancellation,
    pub(crate) host: Arc<Budget>,
}

impl Query {
    pub(crate) fn new(engine: &Arc<Engine>) -> Self {
        Query { engine: Arc::clone(engine), cancel: Cancellation::new(), host: engine.host.child() }
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

    /// A reservation of nothing yet.
    pub(crate) fn reservation(&self) -> Result<Reservation> {
        self.host.reserve(0)
    }

    /// Computes on the session's pool, wherever it is called.
    pub(crate) fn on_pool<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.engine.pool.install(work)
    }
}
