//! Settings under `pilaster.*`, as `SET` statements change them.

use std::fmt;

use datafusion_common::config::{ConfigExtension, ConfigField, ConfigOptions, Visit};
use datafusion_common::{DataFusionError, Result, extensions_options};
use pilaster::aggregate::FloatSum;
use pilaster::scan::Pruning;
use pilaster::{BackendChoice, SessionConfig};

extensions_options! {
    /// Settings of the Pilaster backend: `SET pilaster.backend = 'gpu'`.
    pub struct PilasterOptions {
        /// False leaves every plan to DataFusion.
        pub enabled: bool, default = true

        /// Where pipelines run: auto, cpu or gpu.
        pub backend: BackendSetting, default = BackendSetting::default()

        /// Fail instead of falling back from the GPU, and instead of leaving an operator to DataFusion.
        pub strict: bool, default = false

        /// Threads of the CPU path; 0 for as many as the machine has cores.
        pub threads: usize, default = 0

        /// Budget of host memory in bytes; 0 for no limit.
        pub host_memory_bytes: u64, default = 0

        /// Budget of device memory in bytes; 0 for what the adapter has.
        pub device_memory_bytes: u64, default = 0

        /// Steps of pruning in scans: all, none, or some of partitions, statistics, bloom, dictionary, pages, late.
        pub pruning: PruningSetting, default = PruningSetting::default()

        /// How floats are summed: fast, or reproducible (the same bits whatever the order of rows, the threads and the
        /// backend).
        pub float_sum: FloatSumSetting, default = FloatSumSetting::default()
    }
}

/// A [`BackendChoice`] as a setting: any other name is refused when it is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BackendSetting(pub BackendChoice);

impl fmt::Display for BackendSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ConfigField for BackendSetting {
    fn visit<V: Visit>(&self, visitor: &mut V, key: &str, description: &'static str) {
        visitor.some(key, self, description);
    }

    fn set(&mut self, _key: &str, value: &str) -> Result<()> {
        let parsed: pilaster::Result<BackendChoice> = value.parse();
        self.0 = parsed.map_err(|error| DataFusionError::Configuration(error.to_string()))?;
        Ok(())
    }
}

/// A [`Pruning`] as a setting: any other name of a step is refused when it is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PruningSetting(pub Pruning);

impl fmt::Display for PruningSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ConfigField for PruningSetting {
    fn visit<V: Visit>(&self, visitor: &mut V, key: &str, description: &'static str) {
        visitor.some(key, self, description);
    }

    fn set(&mut self, _key: &str, value: &str) -> Result<()> {
        let parsed: pilaster::Result<Pruning> = value.parse();
        self.0 = parsed.map_err(|error| DataFusionError::Configuration(error.to_string()))?;
        Ok(())
    }
}

/// A [`FloatSum`] as a setting: any other name is refused when it is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FloatSumSetting(pub FloatSum);

impl fmt::Display for FloatSumSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ConfigField for FloatSumSetting {
    fn visit<V: Visit>(&self, visitor: &mut V, key: &str, description: &'static str) {
        visitor.some(key, self, description);
    }

    fn set(&mut self, _key: &str, value: &str) -> Result<()> {
        let parsed: pilaster::Result<FloatSum> = value.parse();
        self.0 = parsed.map_err(|error| DataFusionError::Configuration(error.to_string()))?;
        Ok(())
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

    /// These options over the settings that the backend was made with.
    #[must_use]
    pub fn apply(&self, base: &SessionConfig) -> SessionConfig {
        let mut config = base.clone();
        config.backend = self.backend.0;
        config.strict = self.strict;
        config.float_sum = self.float_sum.0;
        if self.threads > 0 {
            config.threads = self.threads;
        }
        if self.host_memory_bytes > 0 {
            config.host_memory_limit_bytes = self.host_memory_bytes;
        }
        if self.device_memory_bytes > 0 {
            config.device_memory_limit_bytes = self.device_memory_bytes;
        }
        config
    }
}
