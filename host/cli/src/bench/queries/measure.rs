//! Timed runs of one query on several engines.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow::array::RecordBatch;
use indicatif::ProgressBar;
use parquet::arrow::ArrowWriter;
use pilaster_bench_data::Query;
use tokio::runtime::Runtime;

use super::check::Expected;
use crate::engine::{Answer, SqlEngine};
use crate::{Failure, process};

/// One engine with its settings.
pub struct Contender {
    /// The session.
    pub engine: SqlEngine,
    /// `datafusion` or `pilaster`.
    pub name: &'static str,
    /// Backend setting; empty for DataFusion.
    pub backend: String,
}

/// What came out for one query on one engine.
pub struct Measured {
    /// Query number.
    pub query: u32,
    /// Engine.
    pub engine: &'static str,
    /// Backend setting.
    pub backend: String,
    /// Adapter that was used.
    pub adapter: Option<String>,
    /// Wall times of the timed runs, sorted.
    pub walls: Vec<Duration>,
    /// CPU time of each timed run, sorted; empty where the system does not tell.
    pub cpus: Vec<Duration>,
    /// Largest resident size during the timed runs.
    pub peak_rss_bytes: Option<u64>,
    /// Rows of the answer.
    pub rows: usize,
    /// What the check says.
    pub verdict: Verdict,
    /// Operators taken by the GPU, left to the CPU, fallen back to it, in the last run.
    pub placement: Option<Placement>,
    /// Median wall time over that of the engine compared with.
    pub ratio: Option<f64>,
}

/// Counts of a report.
#[derive(Debug, Clone, Copy)]
pub struct Placement {
    /// TAKEN
    pub taken: usize,
    /// LEFT
    pub left: usize,
    /// FELL BACK
    pub fell_back: usize,
}

/// What the check of an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every run gave the expected rows.
    Ok,
    /// A run gave other rows.
    Wrong(String),
    /// A run failed.
    Error(String),
}

impl Measured {
    /// Median wall time of the timed runs.
    pub fn median(&self) -> Option<Duration> {
        self.walls.get(self.walls.len() / 2).copied()
    }

    /// What is to be said of a wrong answer or an error.
    pub fn complaint(&self) -> Option<String> {
        let who = format!("query {} on {} {}", self.query, self.engine, self.backend);
        match &self.verdict {
            Verdict::Ok => None,
            Verdict::Wrong(reason) => Some(format!("{who}: wrong answer: {reason}")),
            Verdict::Error(reason) => Some(format!("{who}: {reason}")),
        }
    }

    fn new(query: u32, contender: &Contender) -> Self {
        Measured {
            query,
            engine: contender.name,
            backend: contender.backend.clone(),
            adapter: None,
            walls: Vec::new(),
            cpus: Vec::new(),
            peak_rss_bytes: None,
            rows: 0,
            verdict: Verdict::Ok,
            placement: None,
            ratio: None,
        }
    }
}

/// One query of a suite.
pub struct Run<'a> {
    /// The query.
    pub query: Query,
    /// What its answers are checked by.
    pub expected: &'a Expected,
    /// Timed runs.
    pub reps: usize,
    /// Where the last engine's answer is written.
    pub answer: Option<PathBuf>,
}

/// Runs a query once on each engine to warm up, then so many times on each in turn. The first engine's answer is the
/// others' check, and so is the suite's own expected answer where it has one at this scale.
pub fn query(runtime: &Runtime, contenders: &[Contender], run: &Run<'_>, bar: &ProgressBar) -> Vec<Measured> {
    let query = run.query;
    let mut results: Vec<Measured> =
        contenders.iter().map(|contender| Measured::new(query.number, contender)).collect();
    let mut reference = None;
    for rep in 0..=run.reps {
        for (at, (contender, measured)) in contenders.iter().zip(&mut results).enumerate() {
            bar.set_message(format!("query {} {} {}", query.number, contender.name, contender.backend));
            if measured.verdict == Verdict::Ok {
                let warm_up = rep == 0;
                match once(runtime, contender, query.sql, measured, warm_up) {
                    Ok(batches) => {
                        measured.verdict = run.expected.check(&batches, reference.as_deref(), warm_up);
                        if let (Some(file), true) = (&run.answer, warm_up && at + 1 == contenders.len())
                            && let Err(failure) = write(file, &batches)
                        {
                            measured.verdict = Verdict::Error(format!("{}: {failure}", file.display()));
                        }
                        // Only the first engine's answer may be the reference.
                        if at == 0 {
                            reference.get_or_insert(batches);
                        }
                    }
                    Err(failure) => measured.verdict = Verdict::Error(failure.to_string()),
                }
            }
            bar.inc(1);
        }
    }
    finish(&mut results);
    results
}

fn write(file: &Path, batches: &[RecordBatch]) -> Result<(), Failure> {
    let Some(first) = batches.first() else { return Err("an answer without a batch".into()) };
    let mut writer = ArrowWriter::try_new(File::create(file)?, first.schema(), None)?;
    batches.iter().try_for_each(|batch| writer.write(batch))?;
    writer.close()?;
    Ok(())
}

fn once(
    runtime: &Runtime,
    contender: &Contender,
    sql: &str,
    measured: &mut Measured,
    warm_up: bool,
) -> Result<Vec<RecordBatch>, Failure> {
    let resets = process::reset_peak_rss();
    let before = process::cpu_time();
    let answer = runtime.block_on(contender.engine.run(sql))?;
    let cpu = process::cpu_time().zip(before).map(|(after, before)| after.saturating_sub(before));
    measured.rows = answer.batches.iter().map(RecordBatch::num_rows).sum();
    measured.placement = placement(&answer);
    measured.adapter = answer.reports.iter().find_map(|report| report.adapter.clone());
    if !warm_up {
        measured.walls.push(answer.wall);
        measured.cpus.extend(cpu);
        let peak = process::peak_rss_bytes().filter(|_| resets);
        measured.peak_rss_bytes = measured.peak_rss_bytes.max(peak);
    }
    Ok(answer.batches)
}

fn placement(answer: &Answer) -> Option<Placement> {
    let sum = |count: fn(&pilaster::place::Report) -> usize| answer.reports.iter().map(count).sum();
    (!answer.reports.is_empty()).then(|| Placement {
        taken: sum(|report| report.taken()),
        left: sum(|report| report.left()),
        fell_back: sum(|report| report.fell_back()),
    })
}

fn finish(results: &mut [Measured]) {
    for measured in results.iter_mut() {
        measured.walls.sort_unstable();
        measured.cpus.sort_unstable();
    }
    let base = results.first().and_then(Measured::median);
    for measured in results {
        measured.ratio =
            measured.median().zip(base).map(|(own, base)| own.as_secs_f64() / base.as_secs_f64());
    }
}
