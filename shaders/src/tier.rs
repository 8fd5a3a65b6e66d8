//! What an adapter offers to shaders.

/// Features and limits that shaders are composed and linted for. The host makes it from an adapter, or a test profile
/// asks a capable adapter for less.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tier {
    /// Native `i64` and `u64` (condition `int64`).
    pub int64: bool,
    /// Native `f64` (condition `float64`).
    pub float64: bool,
    /// Subgroup operations (condition `subgroups`).
    pub subgroups: bool,
    /// Workgroup memory limit in bytes.
    pub workgroup_bytes: u32,
    /// Largest number of invocations of a workgroup.
    pub workgroup_invocations: u32,
    /// Storage buffers per stage.
    pub storage_buffers: u32,
    /// Largest storage-buffer binding in bytes.
    pub binding_bytes: u64,
    /// Largest number of workgroups per dimension.
    pub workgroups_per_dimension: u32,
}

impl Tier {
    /// The WebGPU baseline: what every adapter has.
    pub const BASELINE: Tier = Tier {
        int64: false,
        float64: false,
        subgroups: false,
        workgroup_bytes: 16 << 10,
        workgroup_invocations: 256,
        storage_buffers: 8,
        binding_bytes: 128 << 20,
        workgroups_per_dimension: 65_535,
    };

    /// `baseline`, or the features joined by `+`: `subgroups+int64+float64`.
    #[must_use]
    pub fn name(&self) -> String {
        let features = [(self.subgroups, "subgroups"), (self.int64, "int64"), (self.float64, "float64")];
        let names: Vec<&str> = features.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
        if names.is_empty() { "baseline".to_string() } else { names.join("+") }
    }
}
