//! Where each pipeline runs, and the report that says so.

use std::time::Duration;

use pilaster_kernels::Backend;

/// What became of an operator that the GPU was considered for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Ran on the GPU.
    Taken,
    /// Left to the CPU when the pipeline was placed; why (a setting, an estimate, a missing kernel).
    Left(String),
    /// Meant for the GPU, ended on the CPU; why.
    FellBack(String),
}

/// One operator of a plan, as it was placed and as it ran.
#[derive(Debug, Clone)]
pub struct OperatorReport {
    /// Operator and what it does: `Aggregate: keys=[..] ...`.
    pub operator: String,
    /// Depth in the plan, root 0 (reports are in plan order, root first).
    pub depth: usize,
    /// Pipeline that it ran in, numbered from the leaves.
    pub pipeline: usize,
    /// Where it ran.
    pub backend: Backend,
    /// TAKEN, LEFT, FELL BACK.
    pub outcome: Outcome,
    /// Rows that came out.
    pub rows_out: u64,
    /// Wall time of its pipeline stages that could be attributed to it, summed over threads.
    pub busy: Duration,
    /// Operator-specific counts: pruned row groups, groups, spilled bytes, ...
    pub details: Vec<(String, String)>,
}

/// One pipeline: what crossed the bus, and what it cost.
#[derive(Debug, Clone)]
pub struct PipelineReport {
    /// Number, from the leaves.
    pub pipeline: usize,
    /// Where it ran in the end.
    pub backend: Backend,
    /// Bytes to the device.
    pub bytes_up: u64,
    /// Bytes from the device.
    pub bytes_down: u64,
    /// Submissions to the queue.
    pub submissions: u32,
    /// Read-backs.
    pub read_backs: u32,
    /// Wall time.
    pub wall: Duration,
    /// Device time per stage, where the adapter has timestamps.
    pub stages: Vec<(String, Duration)>,
}

/// What ran where, and why.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Root first.
    pub operators: Vec<OperatorReport>,
    /// Leaves first.
    pub pipelines: Vec<PipelineReport>,
    /// The adapter's name, where a device was used.
    pub adapter: Option<String>,
    /// Largest reserved host bytes.
    pub peak_host_bytes: u64,
    /// Largest reserved device bytes.
    pub peak_device_bytes: u64,
}
// impl Report { taken(), left(), fell_back() -> usize counts; impl Display: the table of EXPLAIN ANALYZE }
