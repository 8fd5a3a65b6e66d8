//! `pilaster worker`: one engine in one process that answers JSON lines, so that a harness can time it beside others.
//!
//! It first prints `{"ok":1,"version":...}`. Then each line on stdin is a message, answered by one line on stdout, with
//! `"ok":1`, or `"ok":0` and `"err"`:
//!
//! | message | does |
//! | --- | --- |
//! | `{"op":"suite",...}` | nothing |
//! | `{"op":"load","tables":{NAME:PATH},"mode":"scan"}` | registers Parquet files, which queries read |
//! | `{"op":"load","tables":{NAME:PATH},"mode":"mem"}` | reads Parquet or Arrow IPC files into memory |
//! | `{"op":"drop","tables":[NAME,...]}` | forgets tables |
//! | `{"op":"run","sql":TEXT,"check":0}` | runs a query: `s` wall seconds from the text to the last row (rows are not kept), `cpu` seconds of all threads, `peak` MiB resident; with `check`, `rows` and `sum` |
//!
//! `BENCH_THREADS` is the number of threads. What Pilaster has no operator for is an error with `"unsupported":true` and
//! not a query that DataFusion runs in our name, unless `--datafusion` allows it.

mod checksum;
mod tables;

use std::collections::BTreeMap;
use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use pilaster::SessionConfig;
use pilaster_datafusion::Engine;
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use crate::args::WorkerArgs;
use crate::engine::{self, SqlEngine};
use crate::{Failure, process};
use checksum::Checksum;

#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
enum Message {
    Suite {},
    Load {
        tables: BTreeMap<String, PathBuf>,
        mode: Mode,
    },
    Drop {
        tables: Vec<String>,
    },
    Run {
        sql: Option<String>,
        #[serde(default)]
        check: Flag,
    },
}

/// 0 or 1, or what a harness makes of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Flag {
    Boolean(bool),
    Number(u8),
}

impl Default for Flag {
    fn default() -> Self {
        Flag::Number(0)
    }
}

impl Flag {
    fn is_set(self) -> bool {
        !matches!(self, Flag::Boolean(false) | Flag::Number(0))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Scan,
    Mem,
}

#[derive(Debug, Default, Serialize)]
struct Answer {
    ok: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    err: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unsupported: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sum: Option<String>,
}

impl Answer {
    fn good() -> Self {
        Answer { ok: 1, ..Answer::default() }
    }
}

/// An error message is cut to this many characters.
const MOST_ERROR_CHARS: usize = 300;

/// Answers messages until stdin ends.
pub fn run(args: &WorkerArgs) -> Result<(), Failure> {
    let asked = std::env::var("BENCH_THREADS").ok().and_then(|threads| threads.parse().ok());
    let threads = engine::thread_count(args.threads.or(asked).unwrap_or(0));
    let base = SessionConfig { threads, ..SessionConfig::default() };
    let settings = [("backend", args.backend.to_string()), ("strict", (!args.datafusion).to_string())];
    let worker = Worker {
        runtime: engine::runtime(threads)?,
        engine: SqlEngine::pilaster(threads, Arc::new(Engine::new(base)), &settings)?,
        threads,
    };
    answer(&Answer { version: Some(env!("CARGO_PKG_VERSION")), ..Answer::good() })?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let given =
            serde_json::from_str(&line).map_err(Failure::from).and_then(|message| worker.take(message));
        answer(&given.unwrap_or_else(|failure| failed(failure.as_ref())))?;
    }
    Ok(())
}

fn answer(answer: &Answer) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, answer)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

fn failed(failure: &(dyn std::error::Error + 'static)) -> Answer {
    let text = failure.to_string();
    let unsupported = text.contains("unsupported") || text.contains("not supported");
    let err = text.chars().take(MOST_ERROR_CHARS).collect();
    Answer { err: Some(err), unsupported: Some(unsupported), ..Answer::default() }
}

struct Worker {
    runtime: Runtime,
    engine: SqlEngine,
    threads: usize,
}

impl Worker {
    fn take(&self, message: Message) -> Result<Answer, Failure> {
        match message {
            Message::Suite {} => {}
            Message::Load { tables, mode } => {
                for (name, path) in &tables {
                    self.engine.context.deregister_table(name.as_str())?;
                    match mode {
                        Mode::Scan => self.runtime.block_on(self.engine.register(name, path))?,
                        Mode::Mem => tables::load(&self.engine.context, name, path, self.threads)?,
                    }
                }
            }
            Message::Drop { tables } => {
                for name in &tables {
                    self.engine.context.deregister_table(name.as_str())?;
                }
            }
            Message::Run { sql: Some(sql), check } => return self.query(&sql, check.is_set()),
            Message::Run { sql: None, .. } => {
                let err = Some("no form of the query in SQL".to_owned());
                return Ok(Answer { err, unsupported: Some(true), ..Answer::default() });
            }
        }
        Ok(Answer::good())
    }

    fn query(&self, sql: &str, check: bool) -> Result<Answer, Failure> {
        process::reset_peak_rss();
        let (cpu, start) = (process::cpu_time(), Instant::now());
        let mut sum = check.then(Checksum::default);
        let mut checking = Duration::ZERO;
        let add = |batch: RecordBatch| {
            let Some(sum) = &mut sum else { return Ok(()) };
            let start = Instant::now();
            sum.add(&batch)?;
            checking += start.elapsed();
            Ok(())
        };
        let rows = self.runtime.block_on(self.engine.run_each(sql, add))?.rows;
        let seconds = start.elapsed().saturating_sub(checking).as_secs_f64();
        let cpu = process::cpu_time().zip(cpu).map(|(after, before)| after.saturating_sub(before));
        let mut answer = Answer {
            s: Some(seconds),
            cpu: cpu.map(|cpu| cpu.as_secs_f64()),
            peak: process::peak_rss_bytes().map(|bytes| bytes >> 20),
            ..Answer::good()
        };
        if let Some(sum) = sum {
            answer.rows = Some(rows);
            answer.sum = Some(sum.text());
        }
        Ok(answer)
    }
}
