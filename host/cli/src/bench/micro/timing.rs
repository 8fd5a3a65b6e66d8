//! Runs of two contenders, in turn.

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

    fn add(&mut self, run: &mut dyn FnMut() -> Result<(), Failure>) -> Result<(), Failure> {
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

/// Runs each of `contenders` once to warm up, then `reps` times in turn.
pub fn interleaved<const N: usize>(
    reps: usize,
    mut contenders: [&mut dyn FnMut() -> Result<(), Failure>; N],
) -> Result<[Timing; N], Failure> {
    for run in &mut contenders {
        run()?;
    }
    let mut timings = [(); N].map(|()| Timing::default());
    for _ in 0..reps {
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
