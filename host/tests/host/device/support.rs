//! Devices shared by all tests of the binary, shaders from text, and what happens where there is no adapter.

use std::io::Write;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use pilaster::Error;
use pilaster::device::{Device, DeviceConfig, Profile, ShaderMode};
use pilaster::run::Cancellation;
use pilaster_kernels::gpu::Program;
use pilaster_shaders::{Request, Root, Shader, Tier, shader};

/// Opens a device with these settings; none, and said so, where the machine has no adapter. Any other refusal fails.
pub(crate) fn open(config: &DeviceConfig) -> Option<Arc<Device>> {
    match Device::open(config) {
        Err(Error::Unsupported { what, .. }) => {
            skip(&what);
            None
        }
        opened => Some(opened.expect("the adapter is not refused")),
    }
}

/// Tells the test run's count of skips, unless a GPU was promised.
pub(crate) fn skip(reason: &str) {
    let promised = std::env::var("PILASTER_TEST_GPU").is_ok_and(|value| value == "required");
    assert!(!promised, "{reason}");
    eprintln!("SKIPPED: {reason}");
    if let Some(path) = std::env::var_os("PILASTER_TEST_SKIPS") {
        let file = std::fs::OpenOptions::new().append(true).open(path);
        let written = file.and_then(|mut file| writeln!(file, "a device test: {reason}"));
        written.expect("the skip is counted");
    }
}

/// Settings of a test device.
pub(crate) fn config(profile: Profile, shader_mode: ShaderMode) -> DeviceConfig {
    DeviceConfig {
        profile,
        shader_mode,
        memory_bytes: Some(1 << 30),
        time_limit: Duration::from_secs(120),
        ..DeviceConfig::default()
    }
}

/// The device of a profile and mode, one for all tests.
pub(crate) fn device(profile: Profile, mode: ShaderMode) -> Option<Arc<Device>> {
    static DEVICES: [[OnceLock<Option<Arc<Device>>>; 2]; 4] = [const { [const { OnceLock::new() }; 2] }; 4];
    let mode_at = usize::from(mode == ShaderMode::Trusted);
    DEVICES[profile as usize][mode_at].get_or_init(|| open(&config(profile, mode))).clone()
}

/// Each profile checked, and the full one trusted too.
pub(crate) fn devices() -> Vec<(String, Arc<Device>)> {
    let checked = Profile::ALL.map(|profile| (profile, ShaderMode::Checked));
    let all = checked
        .into_iter()
        .chain([(Profile::Baseline, ShaderMode::Trusted), (Profile::Full, ShaderMode::Trusted)]);
    all.filter_map(|(profile, mode)| Some((format!("{profile:?} {mode:?}"), device(profile, mode)?)))
        .collect()
}

/// A stage of the library.
pub(crate) fn library(path: &str, tier: &Tier) -> Arc<Shader> {
    composed(path, Root::Library(path), tier)
}

/// A stage from text.
pub(crate) fn text(wgsl: &str, tier: &Tier) -> Arc<Shader> {
    composed("test", Root::Generated(wgsl), tier)
}

fn composed(label: &str, root: Root<'_>, tier: &Tier) -> Arc<Shader> {
    shader(&Request { label, root, slots: &[], constants: &[], tier }).expect("the shader is sound")
}

/// Runs a program that must succeed; gives its words.
pub(crate) fn words(device: &Device, program: &Program) -> Vec<Vec<u32>> {
    device.run(program, &Cancellation::new()).expect("the program runs").output.words
}
