//! The self-test that an adapter passes before it is trusted.
//!
//! Drivers exist that end loops in silence after 65,535 iterations, and that miscompile 64-bit arithmetic; nothing else
//! would notice. Each probe is a program whose result the host computes by other means. A failed probe of the baseline
//! refuses the adapter. A failed probe of an optional feature (subgroups, `int64`, `float64`) takes that feature from
//! the tier: the baseline was proved by the others, and every kernel has a variant without. Cold, the probes cost their
//! compilation (a second or two on a software adapter); warm, a few milliseconds; remembered, nothing.

mod cache;
mod probes;

use std::time::Duration;

use pilaster_kernels::Error;
use pilaster_shaders::Tier;
use serde::{Deserialize, Serialize};

use super::adapter::Found;
use super::profile::{DeviceConfig, ShaderMode};
use super::run::Engine;
use crate::run::Cancellation;
use probes::Probe;

/// Part of the cache's key: raise it when a probe changes.
const VERSION: u32 = 1;

/// Longest wait for one probe, compilation included.
const TIME_LIMIT: Duration = Duration::from_secs(60);

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
    /// Whether the adapter may be used.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        !matches!(self, Verdict::Failed { .. })
    }

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

    /// From what each probe found wrong: the feature it is about (none for the baseline), and the reason.
    fn of(findings: &[(Option<&str>, String)]) -> Self {
        let reasons: Vec<&str> = findings.iter().map(|(_, reason)| reason.as_str()).collect();
        let reason = reasons.join("; ");
        let without: Option<Vec<String>> =
            findings.iter().map(|(feature, _)| feature.map(str::to_string)).collect();
        match without {
            Some(without) if without.is_empty() => Verdict::Passed,
            Some(without) => Verdict::Reduced { without, reason },
            None => Verdict::Failed { reason },
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Verdict::Passed => f.write_str("passed"),
            Verdict::Reduced { without, reason } => write!(f, "without {}: {reason}", without.join(", ")),
            Verdict::Failed { reason } => write!(f, "failed: {reason}"),
            Verdict::NotRun => f.write_str("not run"),
        }
    }
}

/// The verdict on an open adapter: remembered, or found now.
pub(super) fn judge(engine: &Engine, found: &Found, config: &DeviceConfig) -> Verdict {
    let key = key(engine, found, config);
    let folder = cache::folder();
    if let Some(verdict) = folder.as_deref().and_then(|folder| cache::load(folder, &key)) {
        return verdict;
    }
    let (verdict, lasting) = run(engine, found);
    if lasting && let Some(folder) = folder {
        cache::store(&folder, &key, &verdict);
    }
    verdict
}

/// Runs all probes that the tier has use for. The flag is false where the verdict may be one of the moment (a time-out
/// on a busy machine, a lost device) and is not to be remembered.
fn run(engine: &Engine, found: &Found) -> (Verdict, bool) {
    let subgroup_sizes = [found.info.subgroup_min_size, found.info.subgroup_max_size];
    let mut findings = Vec::new();
    let mut lasting = true;
    for probe in probes::all(&engine.tier, subgroup_sizes) {
        match check(engine, &probe) {
            Ok(()) => {}
            Err(_) if engine.connection.lost().is_some() => {
                let reason = engine.connection.lost().unwrap_or_default();
                findings.push((None, format!("{}: {reason}", probe.name)));
                lasting = false;
                break;
            }
            Err(reason) => findings.push((probe.feature, format!("{}: {reason}", probe.name))),
        }
    }
    (Verdict::of(&findings), lasting)
}

/// Runs one probe in the mode that the device will run in; what breaks the bounds on purpose is always checked.
fn check(engine: &Engine, probe: &Probe) -> Result<(), String> {
    let program = (probe.program)(&engine.tier).map_err(|error| error.to_string())?;
    let mode = if probe.always_checked { ShaderMode::Checked } else { engine.mode };
    match engine.run_within(&program, &Cancellation::new(), mode, TIME_LIMIT) {
        Ok(ran) => (probe.expect)(&ran.output.words),
        Err(Error::Device { reason, .. }) => Err(reason),
        Err(error) => Err(error.to_string()),
    }
}

/// All that a verdict depends on.
fn key(engine: &Engine, found: &Found, config: &DeviceConfig) -> String {
    let info = &found.info;
    let (version, crate_version) = (VERSION, env!("CARGO_PKG_VERSION"));
    let (backend, vendor, device) = (info.backend.to_str(), info.vendor, info.device);
    let sizes = [info.subgroup_min_size, info.subgroup_max_size];
    let (tier, mode) = (engine.tier.name(), config.shader_mode);
    let (name, driver, driver_info) = (&info.name, &info.driver, &info.driver_info);
    format!(
        "{version}|{crate_version}|{backend}|{vendor:x}:{device:x}|{name}|{driver}|{driver_info}|{sizes:?}|{tier}|{mode:?}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: Tier = Tier { int64: true, float64: true, subgroups: true, ..Tier::BASELINE };

    #[test]
    fn the_baseline_refuses_and_features_reduce() {
        assert_eq!(Verdict::of(&[]), Verdict::Passed);
        let optional =
            [(Some("int64"), "wrong product".to_string()), (Some("subgroups"), "size 3".to_string())];
        let reduced = Verdict::of(&optional);
        assert!(reduced.is_usable());
        assert_eq!(reduced.reduce(FULL).name(), "float64");
        assert!(reduced.to_string().contains("wrong product; size 3"));
        let [int64, _] = optional;
        let failed = Verdict::of(&[int64, (None, "loops end early".to_string())]);
        assert!(!failed.is_usable());
        assert!(failed.to_string().contains("loops end early"));
        assert_eq!(Verdict::Passed.reduce(FULL), FULL);
    }
}
