//! Which steps of pruning run.

use std::fmt;
use std::str::FromStr;

use pilaster_kernels::{Error, Result};

/// One way to leave rows unread, in the order in which they are tried: each costs more than the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PruneStep {
    /// Values in the names of folders.
    Partitions,
    /// Bounds and null counts of row groups, in the footer.
    Statistics,
    /// Bloom filters of column chunks.
    Bloom,
    /// Dictionaries of chunks that hold nothing but codes.
    Dictionary,
    /// Bounds and null counts of pages.
    Pages,
    /// The predicate's columns decoded first, the others only where rows survive.
    Late,
}

impl PruneStep {
    /// All of them, in order.
    pub const ALL: [PruneStep; 6] = [
        PruneStep::Partitions,
        PruneStep::Statistics,
        PruneStep::Bloom,
        PruneStep::Dictionary,
        PruneStep::Pages,
        PruneStep::Late,
    ];

    /// Its name in settings and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            PruneStep::Partitions => "partitions",
            PruneStep::Statistics => "statistics",
            PruneStep::Bloom => "bloom",
            PruneStep::Dictionary => "dictionary",
            PruneStep::Pages => "pages",
            PruneStep::Late => "late",
        }
    }
}

/// The steps that a scan may take. No step changes what a query answers; they are switched off to show that, and to see
/// what each one spares.
///
/// ```
/// use pilaster::scan::{PruneStep, Pruning};
///
/// let two: Pruning = "statistics, pages".parse()?;
/// assert!(two.has(PruneStep::Pages) && !two.has(PruneStep::Bloom));
/// assert_eq!(two.to_string(), "statistics,pages");
/// assert_eq!("none".parse::<Pruning>()?, Pruning::none());
/// # Ok::<(), pilaster::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruning([bool; PruneStep::ALL.len()]);

impl Default for Pruning {
    /// Every step.
    fn default() -> Self {
        Pruning([true; PruneStep::ALL.len()])
    }
}

impl Pruning {
    /// No step: every row group is read in full.
    #[must_use]
    pub fn none() -> Self {
        Pruning([false; PruneStep::ALL.len()])
    }

    /// True where the step runs.
    #[must_use]
    pub fn has(&self, step: PruneStep) -> bool {
        self.0[step as usize]
    }

    /// With the step switched on or off.
    #[must_use]
    pub fn with(mut self, step: PruneStep, on: bool) -> Self {
        self.0[step as usize] = on;
        self
    }
}

impl fmt::Display for Pruning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: Vec<&str> =
            PruneStep::ALL.iter().filter(|step| self.has(**step)).map(|step| step.name()).collect();
        match steps.len() {
            0 => f.write_str("none"),
            count if count == PruneStep::ALL.len() => f.write_str("all"),
            _ => f.write_str(&steps.join(",")),
        }
    }
}

/// `all`, `none`, or names of steps between commas.
impl FromStr for Pruning {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.trim() {
            "all" => return Ok(Pruning::default()),
            "none" => return Ok(Pruning::none()),
            _ => {}
        }
        text.split(',').map(str::trim).try_fold(Pruning::none(), |pruning, name| {
            let step = PruneStep::ALL.into_iter().find(|step| step.name() == name);
            let known = PruneStep::ALL.map(PruneStep::name).join(", ");
            let step = step.ok_or_else(|| {
                Error::invalid(format!("pruning step {name:?}: all, none, or some of {known}"))
            })?;
            Ok(pruning.with(step, true))
        })
    }
}
