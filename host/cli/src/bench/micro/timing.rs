//! Runs of several contenders, in turn.

use std::time::{Duration, Instant};

use crate::{Failure, process};

/// One contender's timed runs.
#[derive(Debug, Clone, Default)]
pub struct Timing {
    /// Wall times, sorted.
    pub walls: Vec<Duration>,
    /// CPU times of all threads, sorted; empty where the system does not tell.
    pub cpus: Vec<Duration>,
    /// By how much the resident size grew at most during a run.
    pub peak_bytes: Option<u64>,
}

impl Timing {
    /// Median wall time.
    pub fn median(&self) -> Duration {
        middle(&self.walls).unwrap_or_default()
    }

    /// Median CPU time; that of the wall where the system does not tell.
    pub fn median_cpu(&self) -> Duration {
        middle(&self.cpus).unwrap_or_else(|| self.median())
    }

    /// Shortest wall time.
    pub fn min(&self) -> Duration {
        self.walls.first().copied().unwrap_or_default()
    }

    /// Longest wall time.
    pub fn max(&self) -> Duration {
        self.walls.last().copied().unwrap_or_default()
    }

    fn add(&mut self, run: Run<'_>) -> Result<(), Failure> {
        let resets = process::reset_peak_rss();
        let resident = process::peak_rss_bytes();
        let cpu = process::cpu_time_of_threads();
        let start = Instant::now();
        run()?;
        self.walls.push(start.elapsed());
        self.cpus.extend(
            process::cpu_time_of_threads().zip(cpu).map(|(after, before)| after.saturating_sub(before)),
        );
        let peak = process::peak_rss_bytes().zip(resident).filter(|_| resets);
        self.peak_bytes = self.peak_bytes.max(peak.map(|(peak, before)| peak.saturating_sub(before)));
        Ok(())
    }
}

fn middle(sorted: &[Duration]) -> Option<Duration> {
    sorted.get(sorted.len() / 2).copied()
}

/// A contender's run.
pub type Run<'a> = &'a mut dyn FnMut() -> Result<(), Failure>;

/// Fewest timed runs of each.
const FEWEST_RUNS: usize = 3;

/// Runs each of `contenders` once to warm up, then `reps` times in turn.
pub fn interleaved<const N: usize>(
    reps: usize,
    mut contenders: [Run<'_>; N],
) -> Result<[Timing; N], Failure> {
    for run in &mut contenders {
        run()?;
    }
    let mut timings = in_turn(reps, None, &mut contenders)?.into_iter();
    Ok([(); N].map(|()| timings.next().unwrap_or_default()))
}

/// Runs `contenders` in turn, `reps` times each; after three times only until all runs together took `budget`.
pub fn in_turn(
    reps: usize,
    budget: Option<Duration>,
    contenders: &mut [Run<'_>],
) -> Result<Vec<Timing>, Failure> {
    let mut timings = vec![Timing::default(); contenders.len()];
    let start = Instant::now();
    for rep in 0..reps {
        if rep >= FEWEST_RUNS && budget.is_some_and(|budget| start.elapsed() > budget) {
            break;
        }
        for (run, timing) in contenders.iter_mut().zip(&mut timings) {
            timing.add(run)?;
        }
    }
    for timing in &mut timings {
        timing.walls.sort_unstable();
        timing.cpus.sort_unstable();
    }
    Ok(timings)
}
