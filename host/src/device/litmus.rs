//! The self-test that an adapter passes before it is trusted.

use pilaster_shaders::Tier;
use serde::{Deserialize, Serialize};

use super::adapter::Found;
use super::profile::DeviceConfig;
use super::run::Engine;

/// What the litmus found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// All claims hold.
    Passed,
    /// The baseline holds; optional features that do not are not used.
    Reduced {
        /// Features that failed, as the tier names them.
        without: Vec<String>,
        /// What was wrong.
        reason: String,
    },
    /// The baseline does not hold: the adapter is not used.
    Failed {
        /// What was wrong.
        reason: String,
    },
    /// Turned off by the settings.
    NotRun,
}

impl Verdict {
    /// `tier` without the features that failed.
    pub(super) fn reduce(&self, tier: Tier) -> Tier {
        let Verdict::Reduced { without, .. } = self else { return tier };
        let keep = |name: &str| !without.iter().any(|failed| failed == name);
        Tier {
            int64: tier.int64 && keep("int64"),
            float64: tier.float64 && keep("float64"),
            subgroups: tier.subgroups && keep("subgroups"),
            ..tier
        }
    }
}

/// Runs the litmus.
pub(super) fn judge(_engine: &Engine, _found: &Found, _config: &DeviceConfig) -> Verdict {
    Verdict::NotRun
}
