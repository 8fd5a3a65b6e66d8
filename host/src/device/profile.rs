//! Settings of a device: which adapter, how much of it, and how far its shaders are trusted.

use std::time::Duration;

use pilaster_shaders::Tier;
use serde::{Deserialize, Serialize};
use wgpu::{Features, Limits};

/// Which adapter to open. Positions and names are those of [`super::adapters`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AdapterChoice {
    /// The first that passes the litmus; real ones come before software.
    #[default]
    First,
    /// By position in the listing.
    Index(usize),
    /// The first whose name contains this text, without regard to case.
    Name(String),
}

/// How much of the adapter is asked for. Every profile but `Full` exists to exercise a lesser tier on a capable
/// adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// The WebGPU baseline: default limits, no optional feature.
    Baseline,
    /// Baseline limits and subgroups; neither `i64` nor `f64`.
    Subgroups,
    /// Baseline limits and `i64`; neither subgroups nor `f64`.
    Int64,
    /// Everything the adapter has.
    #[default]
    Full,
}

impl Profile {
    /// All of them.
    pub const ALL: [Profile; 4] = [Profile::Baseline, Profile::Subgroups, Profile::Int64, Profile::Full];

    /// Optional features to ask for, as far as the adapter has them.
    pub(super) fn features(self) -> Features {
        match self {
            Profile::Baseline => Features::empty(),
            Profile::Subgroups => Features::SUBGROUP,
            Profile::Int64 => Features::SHADER_INT64,
            Profile::Full => Features::SUBGROUP | Features::SHADER_INT64 | Features::SHADER_F64,
        }
    }

    /// Limits to ask for, given the adapter's.
    pub(super) fn limits(self, adapter: &Limits) -> Limits {
        if self == Profile::Full {
            return adapter.clone();
        }
        let base = Limits::defaults();
        Limits {
            max_buffer_size: base.max_buffer_size.min(adapter.max_buffer_size),
            max_storage_buffer_binding_size: base
                .max_storage_buffer_binding_size
                .min(adapter.max_storage_buffer_binding_size),
            max_storage_buffers_per_shader_stage: base
                .max_storage_buffers_per_shader_stage
                .min(adapter.max_storage_buffers_per_shader_stage),
            max_compute_workgroup_storage_size: base
                .max_compute_workgroup_storage_size
                .min(adapter.max_compute_workgroup_storage_size),
            max_compute_invocations_per_workgroup: base
                .max_compute_invocations_per_workgroup
                .min(adapter.max_compute_invocations_per_workgroup),
            max_compute_workgroup_size_x: base
                .max_compute_workgroup_size_x
                .min(adapter.max_compute_workgroup_size_x),
            max_compute_workgroup_size_y: base
                .max_compute_workgroup_size_y
                .min(adapter.max_compute_workgroup_size_y),
            max_compute_workgroup_size_z: base
                .max_compute_workgroup_size_z
                .min(adapter.max_compute_workgroup_size_z),
            ..adapter.clone()
        }
    }
}

/// How far our own shaders are trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShaderMode {
    /// No bounds, loop or division checks, no zeroed workgroup memory, no check of indirect workgroup counts.
    Trusted,
    /// Every check on. A shader that goes out of bounds gives wrong values but does no harm.
    Checked,
}

impl Default for ShaderMode {
    /// Checked wherever debug assertions are on, so that no test runs unchecked without asking for it.
    fn default() -> Self {
        if cfg!(debug_assertions) { ShaderMode::Checked } else { ShaderMode::Trusted }
    }
}

/// Settings of [`super::Device::open`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceConfig {
    /// Which adapter.
    pub adapter: AdapterChoice,
    /// How much of it.
    pub profile: Profile,
    /// Shader checks.
    pub shader_mode: ShaderMode,
    /// Limit of device memory in bytes, pooled buffers included. wgpu does not tell how much there is: where absent,
    /// 8 GiB, or 2 GiB on a software adapter (which takes it from the host).
    pub memory_bytes: Option<u64>,
    /// Host-visible memory that uploads pass through. A larger upload waits for itself and takes more submissions.
    pub staging_bytes: u64,
    /// A submission that takes longer is given up as hung, and the device with it.
    pub time_limit: Duration,
    /// Measure device time per stage, where the adapter can.
    pub timestamps: bool,
    /// Refuse adapters that fail the self-test. Only tests of the self-test turn this off.
    pub litmus: bool,
}

impl Default for DeviceConfig {
    fn default() -> Self {
        DeviceConfig {
            adapter: AdapterChoice::First,
            profile: Profile::Full,
            shader_mode: ShaderMode::default(),
            memory_bytes: None,
            staging_bytes: 512 << 20,
            // A software adapter compiles at the first dispatch: 17 s were measured for one large shader on an idle
            // machine (Mesa 25 lavapipe, 2 cores).
            time_limit: Duration::from_secs(180),
            timestamps: true,
            litmus: true,
        }
    }
}

/// What shaders may use of a device with these features and limits.
pub(super) fn tier(features: Features, limits: &Limits) -> Tier {
    Tier {
        int64: features.contains(Features::SHADER_INT64),
        float64: features.contains(Features::SHADER_F64),
        subgroups: features.contains(Features::SUBGROUP),
        workgroup_bytes: limits.max_compute_workgroup_storage_size,
        workgroup_invocations: limits
            .max_compute_invocations_per_workgroup
            .min(limits.max_compute_workgroup_size_x),
        storage_buffers: limits.max_storage_buffers_per_shader_stage,
        // wgpu takes bindings in multiples of four bytes.
        binding_bytes: limits.max_storage_buffer_binding_size.min(limits.max_buffer_size) & !3,
        workgroups_per_dimension: limits.max_compute_workgroups_per_dimension,
    }
}
