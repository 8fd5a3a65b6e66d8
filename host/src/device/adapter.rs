//! Which adapters there are, in which order, and what they can do.

use pilaster_kernels::{Backend, Error, Result};
use pilaster_shaders::Tier;
use serde::Serialize;
use wgpu::{Backends, DeviceType, Features, Instance, InstanceDescriptor, InstanceFlags};

use super::litmus::Verdict;
use super::profile::{AdapterChoice, Profile, ShaderMode, tier};

/// Vulkan, Metal and DX12. Never GL: a machine without Vulkan would silently get Mesa's GL software renderer.
const BACKENDS: Backends = Backends::VULKAN.union(Backends::METAL).union(Backends::DX12);

/// Names of software renderers, for drivers that do not say so by their device type.
const SOFTWARE_NAMES: [&str; 5] =
    ["llvmpipe", "lavapipe", "swiftshader", "softpipe", "microsoft basic render driver"];

/// One adapter, as `pilaster devices` lists it.
#[derive(Debug, Clone, Serialize)]
pub struct AdapterReport {
    /// Position in the listing, for [`AdapterChoice::Index`].
    pub index: usize,
    /// The adapter's name.
    pub name: String,
    /// `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// The driver's name.
    pub driver: String,
    /// The driver's version, as it says it.
    pub driver_version: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub kind: String,
    /// Runs on the CPU: counts as no GPU unless asked for.
    pub software: bool,
    /// What shaders may use, after the litmus.
    #[serde(with = "TierFields")]
    pub tier: Tier,
    /// The tier in short.
    pub tier_name: String,
    /// Largest buffer in bytes.
    pub max_buffer_bytes: u64,
    /// Smallest and largest subgroup.
    pub subgroup_sizes: [u32; 2],
    /// Device time per stage can be measured.
    pub timestamps: bool,
    /// Whether it is trusted, and why not.
    pub litmus: Verdict,
}

/// [`Tier`] field by field, for serde: the shader crate knows no serde.
#[derive(Serialize)]
#[serde(remote = "Tier")]
struct TierFields {
    int64: bool,
    float64: bool,
    subgroups: bool,
    workgroup_bytes: u32,
    workgroup_invocations: u32,
    storage_buffers: u32,
    binding_bytes: u64,
    workgroups_per_dimension: u32,
}

/// An adapter that was found, not opened.
pub(super) struct Found {
    pub(super) adapter: wgpu::Adapter,
    pub(super) info: wgpu::AdapterInfo,
}

impl Found {
    pub(super) fn is_software(&self) -> bool {
        is_software(&self.info)
    }

    /// Features to open it with under `profile`, timestamps included where it has them.
    pub(super) fn features(&self, profile: Profile) -> Features {
        self.adapter.features() & (profile.features() | Features::TIMESTAMP_QUERY)
    }

    /// The report, but for the litmus.
    pub(super) fn report(&self, index: usize, litmus: Verdict) -> AdapterReport {
        let limits = self.adapter.limits();
        let tier = litmus.reduce(tier(self.features(Profile::Full), &limits));
        AdapterReport {
            index,
            name: self.info.name.clone(),
            backend: self.info.backend.to_str().to_string(),
            driver: self.info.driver.clone(),
            driver_version: self.info.driver_info.clone(),
            kind: kind(&self.info).to_string(),
            software: self.is_software(),
            tier_name: tier.name(),
            tier,
            max_buffer_bytes: limits.max_buffer_size,
            subgroup_sizes: [self.info.subgroup_min_size, self.info.subgroup_max_size],
            timestamps: self.adapter.features().contains(Features::TIMESTAMP_QUERY),
            litmus,
        }
    }
}

/// All adapters, real before software, otherwise as the system lists them. Empty where there is no loader or driver.
pub(super) fn enumerate(mode: ShaderMode) -> Vec<Found> {
    let instance = Instance::new(InstanceDescriptor {
        backends: BACKENDS,
        flags: flags(mode),
        ..InstanceDescriptor::new_without_display_handle()
    });
    let adapters = pollster::block_on(instance.enumerate_adapters(BACKENDS));
    let mut found: Vec<Found> =
        adapters.into_iter().map(|adapter| Found { info: adapter.get_info(), adapter }).collect();
    found.sort_by_key(|found| rank(&found.info));
    found
}

/// wgpu checks indirect workgroup counts by a hidden dispatch before each, in release builds too unless told otherwise.
fn flags(mode: ShaderMode) -> InstanceFlags {
    let flags = match mode {
        ShaderMode::Checked => InstanceFlags::VALIDATION_INDIRECT_CALL,
        ShaderMode::Trusted => InstanceFlags::empty(),
    };
    flags.with_env()
}

/// Candidates for `choice`, best first.
///
/// # Errors
/// [`Error::Unsupported`] where nothing matches.
pub(super) fn select(found: Vec<Found>, choice: &AdapterChoice) -> Result<Vec<Found>> {
    let names: Vec<String> = found.iter().map(|found| found.info.name.clone()).collect();
    let chosen = chosen(&names, choice);
    if chosen.is_empty() {
        return Err(Error::unsupported(missing(&names, choice), Backend::Gpu));
    }
    Ok(found.into_iter().enumerate().filter(|(at, _)| chosen.contains(at)).map(|(_, found)| found).collect())
}

/// Positions that `choice` means: all for `First`, at most one otherwise.
fn chosen(names: &[String], choice: &AdapterChoice) -> Vec<usize> {
    match choice {
        AdapterChoice::First => (0..names.len()).collect(),
        AdapterChoice::Index(index) => (*index < names.len()).then_some(*index).into_iter().collect(),
        AdapterChoice::Name(part) => {
            let part = part.to_lowercase();
            names.iter().position(|name| name.to_lowercase().contains(&part)).into_iter().collect()
        }
    }
}

fn missing(names: &[String], choice: &AdapterChoice) -> String {
    if names.is_empty() {
        return "GPU work (no Vulkan, Metal or DX12 adapter was found)".to_string();
    }
    let asked = match choice {
        AdapterChoice::First => "an adapter".to_string(),
        AdapterChoice::Index(index) => format!("adapter {index}"),
        AdapterChoice::Name(name) => format!("an adapter named like `{name}`"),
    };
    format!("{asked} (there are: {})", names.join(", "))
}

fn rank(info: &wgpu::AdapterInfo) -> u8 {
    match info.device_type {
        _ if is_software(info) => 4,
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Other | DeviceType::Cpu => 3,
    }
}

fn is_software(info: &wgpu::AdapterInfo) -> bool {
    let name = info.name.to_lowercase();
    info.device_type == DeviceType::Cpu || SOFTWARE_NAMES.iter().any(|known| name.contains(known))
}

fn kind(info: &wgpu::AdapterInfo) -> &'static str {
    match info.device_type {
        _ if is_software(info) => "software",
        DeviceType::DiscreteGpu => "discrete",
        DeviceType::IntegratedGpu => "integrated",
        DeviceType::VirtualGpu => "virtual",
        DeviceType::Other | DeviceType::Cpu => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(name: &str, device_type: DeviceType) -> wgpu::AdapterInfo {
        wgpu::AdapterInfo { name: name.into(), ..wgpu::AdapterInfo::new(device_type, wgpu::Backend::Vulkan) }
    }

    #[test]
    fn software_is_known_by_type_or_name_and_comes_last() {
        assert!(is_software(&info("anything", DeviceType::Cpu)));
        assert!(is_software(&info("SwiftShader Device (Subzero)", DeviceType::Other)));
        assert!(!is_software(&info("NVIDIA H100", DeviceType::DiscreteGpu)));
        let software = rank(&info("llvmpipe (LLVM 15.0.6, 256 bits)", DeviceType::Cpu));
        for real in
            [DeviceType::DiscreteGpu, DeviceType::IntegratedGpu, DeviceType::VirtualGpu, DeviceType::Other]
        {
            assert!(rank(&info("real", real)) < software);
        }
    }

    #[test]
    fn choice_by_position_and_by_part_of_the_name() {
        let names = ["NVIDIA H100".to_string(), "llvmpipe (LLVM 15)".to_string()];
        assert_eq!(chosen(&names, &AdapterChoice::First), [0, 1]);
        assert_eq!(chosen(&names, &AdapterChoice::Index(1)), [1]);
        assert!(chosen(&names, &AdapterChoice::Index(2)).is_empty());
        assert_eq!(chosen(&names, &AdapterChoice::Name("LLVM".into())), [1]);
        assert!(chosen(&names, &AdapterChoice::Name("radeon".into())).is_empty());
        assert!(missing(&names, &AdapterChoice::Name("radeon".into())).contains("NVIDIA H100"));
        assert!(missing(&[], &AdapterChoice::First).contains("no Vulkan"));
    }
}
