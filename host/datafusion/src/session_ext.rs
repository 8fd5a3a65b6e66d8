//! One line on a session of DataFusion.

use std::sync::Arc;

use datafusion::execution::session_state::SessionStateBuilder;
use pilaster::SessionConfig;

use crate::engine::Engine;
use crate::options::PilasterOptions;
use crate::rule::PilasterRule;

/// Adds Pilaster to a session.
pub trait PilasterSessionExt: Sized {
    /// Appends [`PilasterRule`] to the optimizer rules and installs the `pilaster.*` settings. `base` holds the settings
    /// that `SET` does not reach. Object stores are those of the runtime that the builder has by now.
    #[must_use]
    fn with_pilaster(self, base: SessionConfig) -> Self {
        self.with_pilaster_engine(Arc::new(Engine::new(base)))
    }

    /// The same over an engine that several sessions share.
    #[must_use]
    fn with_pilaster_engine(self, engine: Arc<Engine>) -> Self;
}

impl PilasterSessionExt for SessionStateBuilder {
    fn with_pilaster_engine(mut self, engine: Arc<Engine>) -> Self {
        let config = self.config().get_or_insert_default();
        config.options_mut().extensions.insert(PilasterOptions::default());
        let environment = Arc::clone(self.runtime_env().get_or_insert_default());
        self.with_physical_optimizer_rule(Arc::new(PilasterRule::new(engine).with_runtime_env(environment)))
    }
}
