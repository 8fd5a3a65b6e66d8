//! Sessions of ours behind sessions of DataFusion: one per distinct settings, made when first asked for.

use std::sync::{Arc, Mutex, PoisonError};

use datafusion_common::Result;
use pilaster::{Session, SessionConfig};

use crate::error::to_datafusion;
use crate::options::PilasterOptions;
use crate::stores::ReadRuntime;

/// Makes and keeps the sessions that plans run on. Share one between all sessions of DataFusion in a process: threads,
/// device and memory budgets are then shared too.
#[derive(Debug)]
pub struct Engine {
    base: SessionConfig,
    sessions: Mutex<Vec<(SessionConfig, Arc<Session>)>>,
    /// Drives reads of files that are not local.
    pub(crate) reads: Arc<ReadRuntime>,
}

impl Engine {
    /// An engine whose sessions start from `base`; `pilaster.*` settings override it.
    #[must_use]
    pub fn new(base: SessionConfig) -> Self {
        Engine { base, sessions: Mutex::new(Vec::new()), reads: Arc::default() }
    }

    /// The session for these options.
    ///
    /// # Errors
    /// An external error where the session cannot be made: settings out of bounds, threads that do not start.
    pub fn session(&self, options: &PilasterOptions) -> Result<Arc<Session>> {
        let config = options.apply(&self.base);
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, session)) = sessions.iter().find(|(known, _)| *known == config) {
            return Ok(Arc::clone(session));
        }
        let session = Arc::new(Session::new(config.clone()).map_err(to_datafusion)?);
        sessions.push((config, Arc::clone(&session)));
        Ok(session)
    }
}
