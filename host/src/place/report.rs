//! What ran where, why, and what it cost: the data behind EXPLAIN and EXPLAIN ANALYZE.

use std::fmt;
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

impl Outcome {
    /// TAKEN, LEFT or FELL BACK.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Outcome::Taken => "TAKEN",
            Outcome::Left(_) => "LEFT",
            Outcome::FellBack(_) => "FELL BACK",
        }
    }

    /// Why the operator is not on the GPU; none where it is.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Outcome::Taken => None,
            Outcome::Left(reason) | Outcome::FellBack(reason) => Some(reason),
        }
    }
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
    /// Rows that came out, where they were counted: a filter fused into an aggregation has no count of its own.
    pub rows_out: Option<u64>,
    /// Time on this operator, summed over threads, where it could be told apart from its pipeline's.
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
    /// Rows that its source gave.
    pub rows_in: u64,
    /// Rows that left it.
    pub rows_out: u64,
    /// Bytes to the device.
    pub bytes_up: u64,
    /// Bytes from the device.
    pub bytes_down: u64,
    /// Submissions to the queue.
    pub submissions: u32,
    /// Read-backs.
    pub read_backs: u32,
    /// Bytes written to disk: rows and states that did not fit memory, results for a later pipeline among them.
    pub spilled_bytes: u64,
    /// Wall time.
    pub wall: Duration,
    /// Device time per stage, where the adapter has timestamps.
    pub stages: Vec<(String, Duration)>,
}

impl PipelineReport {
    /// A pipeline that has not run.
    #[must_use]
    pub fn new(pipeline: usize, backend: Backend) -> Self {
        PipelineReport {
            pipeline,
            backend,
            rows_in: 0,
            rows_out: 0,
            bytes_up: 0,
            bytes_down: 0,
            submissions: 0,
            read_backs: 0,
            spilled_bytes: 0,
            wall: Duration::ZERO,
            stages: Vec::new(),
        }
    }
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
    /// True once the plan ran to its end; false for an EXPLAIN, and for a query that failed or was cancelled.
    pub executed: bool,
}

impl Report {
    /// Operators on the GPU.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.count("TAKEN")
    }

    /// Operators left to the CPU.
    #[must_use]
    pub fn left(&self) -> usize {
        self.count("LEFT")
    }

    /// Operators that started on the GPU and ended on the CPU.
    #[must_use]
    pub fn fell_back(&self) -> usize {
        self.count("FELL BACK")
    }

    /// Bytes that all pipelines wrote to disk.
    #[must_use]
    pub fn spilled_bytes(&self) -> u64 {
        self.pipelines.iter().map(|pipeline| pipeline.spilled_bytes).sum()
    }

    fn count(&self, label: &str) -> usize {
        self.operators.iter().filter(|operator| operator.outcome.label() == label).count()
    }
}

/// The table of EXPLAIN ANALYZE: operators, root first; then pipelines, leaves first.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> =
            self.operators.iter().map(|op| format!("{}{}", "  ".repeat(op.depth), op.operator)).collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).clamp(8, 72);
        writeln!(f, "{:width$}  pipe  where  placement  rows", "operator")?;
        for (name, operator) in names.iter().zip(&self.operators) {
            operator.write_row(f, name, width)?;
        }
        if !self.executed {
            return Ok(());
        }
        for pipeline in &self.pipelines {
            writeln!(f, "{pipeline}")?;
        }
        if let Some(adapter) = &self.adapter {
            writeln!(f, "adapter: {adapter}")?;
        }
        write!(f, "peak memory: host {} bytes, device {} bytes", self.peak_host_bytes, self.peak_device_bytes)
    }
}

impl OperatorReport {
    fn write_row(&self, f: &mut fmt::Formatter<'_>, name: &str, width: usize) -> fmt::Result {
        let rows = self.rows_out.map_or_else(|| "-".to_owned(), |rows| rows.to_string());
        let backend = self.backend.to_string();
        write!(f, "{name:width$}  {:>4}  {backend:5}  {:9}  {rows}", self.pipeline, self.outcome.label())?;
        if !self.busy.is_zero() {
            write!(f, "  {:.3} ms", millis(self.busy))?;
        }
        for (what, value) in &self.details {
            write!(f, "  {what}={value}")?;
        }
        match self.outcome.reason() {
            Some(reason) => writeln!(f, "  ({reason})"),
            None => writeln!(f),
        }
    }
}

impl fmt::Display for PipelineReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "pipeline {} on {}: {:.3} ms, rows {} -> {}",
            self.pipeline,
            self.backend,
            millis(self.wall),
            self.rows_in,
            self.rows_out
        )?;
        if self.spilled_bytes > 0 {
            write!(f, ", spilled {} bytes", self.spilled_bytes)?;
        }
        if self.submissions > 0 {
            write!(
                f,
                ", up {} bytes, down {} bytes, {} submission(s), {} read-back(s)",
                self.bytes_up, self.bytes_down, self.submissions, self.read_backs
            )?;
        }
        for (stage, time) in &self.stages {
            write!(f, "\n  {stage}: {:.3} ms", millis(*time))?;
        }
        Ok(())
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
