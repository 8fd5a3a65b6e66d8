//! The public face: sessions, settings, executions.

/// Which backend a session uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BackendChoice {
    /// The cost model decides per pipeline; a software adapter counts as no GPU.
    #[default]
    Auto,
    /// CPU only.
    Cpu,
    /// GPU wherever a kernel exists, software adapters included.
    Gpu,
}

/// Settings of a session.
#[derive(Debug, Clone, Default)]
pub struct SessionConfig {}

/// Runs plans.
#[derive(Debug)]
pub struct Session {}

/// A running query.
#[derive(Debug)]
pub struct Execution {}
