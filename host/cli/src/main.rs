//! The `pilaster` command: devices, data, SQL and benchmarks. Data goes to stdout, messages to stderr.

mod args;
mod bench;
mod devices;
mod engine;
mod generate;
mod process;
mod progress;
mod prompt;
mod sql;
mod worker;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, Command};

/// What ends a command: a message for stderr. The exit code is 1; 2 is clap's, for wrong usage.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Devices(args) => devices::run(&args),
        Command::Gen(args) => generate::run(&args),
        Command::Sql(args) => sql::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Worker(args) => worker::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("pilaster: {failure}");
            ExitCode::FAILURE
        }
    }
}
