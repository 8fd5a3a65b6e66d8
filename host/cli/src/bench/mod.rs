//! `pilaster bench`: ours and another's, interleaved run by run in one process, every answer checked, losses printed like
//! wins.

mod micro;
mod queries;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::Failure;
use crate::args::{Bench, BenchArgs};

/// Runs a benchmark; an error if an answer was wrong or a run failed.
pub fn run(args: BenchArgs) -> Result<(), Failure> {
    match args.bench {
        Bench::Tpch(args) => queries::tpch(&args),
        Bench::H2o(args) => queries::h2o(&args),
        Bench::Micro(args) => micro::run(&args),
    }
}

/// Where data lives when nobody says: in the user's cache folder, so that the next run finds it.
fn cache_folder() -> Result<PathBuf, Failure> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"));
    let cache = cache.or_else(home).ok_or("no home folder: name one with --data")?;
    Ok(cache.join("pilaster"))
}

/// Appends records to `file`, one JSON object per line.
fn append(file: &Path, records: impl IntoIterator<Item = impl Serialize>) -> Result<(), Failure> {
    let opened = OpenOptions::new().create(true).append(true).open(file);
    let mut out = opened.map_err(|error| format!("{}: {error}", file.display()))?;
    for record in records {
        serde_json::to_writer(&mut out, &record)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}
