//! Settings under `pilaster.*`, as `SET` statements change them.

use datafusion_common::config::{ConfigExtension, ConfigOptions};
use datafusion_common::{DataFusionError, Result, extensions_options};
use pilaster::{BackendChoice, Error, SessionConfig};

extensions_options! {
    /// Settings of the Pilaster backend: `SET pilaster.backend = 'gpu'`.
    pub struct PilasterOptions {
        /// False leaves every plan to DataFusion.
        pub enabled: bool, default = true

        /// Where pipelines run: auto, cpu or gpu.
        pub backend: String, default = "auto".to_string()

        /// Fail instead of falling back from the GPU, and instead of leaving an operator to DataFusion.
        pub strict: bool, default = false

        /// Threads of the CPU path; 0 for as many as the machine has cores.
        pub threads: usize, default = 0

        /// Budget of host memory in bytes; 0 for no limit.
        pub host_memory_bytes: u64, default = 0

        /// Budget of device memory in bytes; 0 for what the adapter has.
        pub device_memory_bytes: u64, default = 0
    }
}

impl ConfigExtension for PilasterOptions {
    const PREFIX: &'static str = "pilaster";
}

impl PilasterOptions {
    /// The options of a session, or the defaults where the extension was not installed.
    #[must_use]
    pub fn of(config: &ConfigOptions) -> PilasterOptions {
        config.extensions.get::<PilasterOptions>().cloned().unwrap_or_default()
    }

    /// The backend by its name.
    ///
    /// # Errors
    /// A configuration error for any name but auto, cpu and gpu.
    pub fn backend_choice(&self) -> Result<BackendChoice> {
        self.backend
            .parse()
            .map_err(|error: Error| DataFusionError::Configuration(format!("pilaster.backend: {error}")))
    }

    /// These options over the settings that the backend was made with.
    ///
    /// # Errors
    /// As [`PilasterOptions::backend_choice`].
    pub fn apply(&self, base: &SessionConfig) -> Result<SessionConfig> {
        let mut config = base.clone();
        config.backend = self.backend_choice()?;
        config.strict = self.strict;
        if self.threads > 0 {
            config.threads = self.threads;
        }
        if self.host_memory_bytes > 0 {
            config.host_memory_limit_bytes = self.host_memory_bytes;
        }
        if self.device_memory_bytes > 0 {
            config.device_memory_limit_bytes = self.device_memory_bytes;
        }
        Ok(config)
    }
}
