//! One device per profile and shader mode for the whole test binary, so that pipelines are compiled once.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use pilaster::Error;
use pilaster::device::{Device, DeviceConfig, Profile, ShaderMode};

use crate::skips::skip;

/// The profile of this run: `PILASTER_TEST_PROFILE`, or all that the adapter has.
///
/// # Panics
/// On a profile that does not exist.
#[must_use]
pub fn profile() -> Profile {
    match std::env::var("PILASTER_TEST_PROFILE").as_deref() {
        Ok("baseline") => Profile::Baseline,
        Ok("subgroups") => Profile::Subgroups,
        Ok("int64") => Profile::Int64,
        Ok("full") | Err(_) => Profile::Full,
        Ok(other) => panic!("PILASTER_TEST_PROFILE={other}: baseline, subgroups, int64 or full"),
    }
}

/// The device of this run's profile; none, said and counted as a skip of `test`, where the machine has no adapter.
///
/// # Panics
/// Where an adapter is refused, or is missing though `PILASTER_TEST_GPU=required`.
#[must_use]
pub fn device(test: &str, mode: ShaderMode) -> Option<Arc<Device>> {
    static DEVICES: [OnceLock<Result<Arc<Device>, String>>; 2] = [OnceLock::new(), OnceLock::new()];
    let opened = DEVICES[usize::from(mode == ShaderMode::Trusted)].get_or_init(|| open(mode));
    match opened {
        Ok(device) => Some(Arc::clone(device)),
        Err(reason) => {
            let required = std::env::var("PILASTER_TEST_GPU").is_ok_and(|value| value == "required");
            assert!(!required, "{reason}");
            skip(test, reason);
            None
        }
    }
}

/// Settings of a test device.
#[must_use]
pub fn config(mode: ShaderMode) -> DeviceConfig {
    DeviceConfig {
        profile: profile(),
        shader_mode: mode,
        memory_bytes: Some(1 << 30),
        time_limit: Duration::from_secs(120),
        ..DeviceConfig::default()
    }
}

fn open(mode: ShaderMode) -> Result<Arc<Device>, String> {
    match Device::open(&config(mode)) {
        Ok(device) => Ok(device),
        Err(error @ Error::Unsupported { .. }) => Err(error.to_string()),
        Err(error) => panic!("the adapter is refused: {error}"),
    }
}
