//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};
use pilaster::BackendChoice;
use pilaster::aggregate::FloatSum;
use pilaster::scan::Pruning;
use pilaster_bench_data::columns::Codec;

/// GPU-accelerated columnar execution over Arrow and Parquet.
#[derive(Debug, Parser)]
#[command(version, about, propagate_version = true, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  pilaster devices
  pilaster gen tpch --scale 1 --out data/tpch
  pilaster sql -t lineitem=data/tpch/lineitem 'SELECT count(*) FROM lineitem'
  pilaster bench tpch --scale 1 --queries 1,6 --backend cpu,gpu --against datafusion";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List adapters: tier, limits, software or real, and whether the self-test trusts them.
    Devices(DevicesArgs),
    /// Generate benchmark data as Parquet.
    Gen(GenArgs),
    /// Run SQL over Parquet files, or start a prompt.
    #[command(after_help = SQL_EXAMPLES)]
    Sql(SqlArgs),
    /// Run a benchmark on data that it generates itself; every answer is checked.
    #[command(after_help = BENCH_EXAMPLES)]
    Bench(BenchArgs),
    /// Answer queries as JSON lines on stdin and stdout: the engine behind a benchmark's harness.
    Worker(WorkerArgs),
}

const SQL_EXAMPLES: &str = "\
Examples:
  pilaster sql -t t=file.parquet 'SELECT a, sum(b) FROM t GROUP BY a' --format csv
  pilaster sql -t t=folder --backend gpu --strict --analyze 'SELECT count(*) FROM t WHERE a > 1'
  pilaster sql -t t=folder            # a prompt with history";

const BENCH_EXAMPLES: &str = "\
Examples:
  pilaster bench tpch
  pilaster bench tpch --scale 1 --queries 1,6 --backend cpu,gpu --against datafusion --threads 2
  pilaster bench tpch --scale 10 --data /data/tpch --reps 9 --json results.jsonl
  pilaster bench h2o --rows 1e7 --threads 2 --backend cpu
  pilaster bench micro --suite parquet --against arrow-rs --threads 1
  pilaster bench micro --suite parquet --columns dict,delta --codecs none --rows 1000000
  pilaster bench micro --suite aggregate --against datafusion --threads 2
  pilaster bench micro --suite float-sums --backend cpu,gpu --rows 10000000
  pilaster bench micro --suite aggregate --backend cpu,gpu --columns i64,str_long --groups 1024";

/// `pilaster devices`
#[derive(Debug, Args)]
pub struct DevicesArgs {
    /// One JSON array instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// `pilaster gen`
#[derive(Debug, Args)]
pub struct GenArgs {
    /// The suite.
    pub suite: Suite,
    /// Scale factor; 1 is about 1 GB of raw data.
    #[arg(long, default_value = "0.1", value_parser = positive)]
    pub scale: f64,
    /// Folder to write; one folder per table is made in it.
    #[arg(long)]
    pub out: PathBuf,
}

/// Suites of data and queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Suite {
    /// TPC-H, from the tpchgen crates.
    Tpch,
    /// Events sorted by id in folders by year, with Bloom filters and a page index: what pruning can do.
    Events,
}

/// `pilaster sql`
#[derive(Debug, Args)]
pub struct SqlArgs {
    /// A table: a Parquet file, or a folder of them; folders named `key=value` in it are columns.
    #[arg(short, long = "table", value_name = "NAME=FILE_OR_FOLDER")]
    pub tables: Vec<TableArg>,
    /// Where pipelines run.
    #[arg(long, default_value = "auto", value_name = "auto|cpu|gpu")]
    pub backend: BackendChoice,
    /// Fail instead of falling back to the CPU or leaving an operator to DataFusion.
    #[arg(long)]
    pub strict: bool,
    /// Show the plan and where each operator is to run, without running it.
    #[arg(long, conflicts_with = "analyze")]
    pub explain: bool,
    /// Run the query, drop its rows, and show what ran where, with bytes and times.
    #[arg(long)]
    pub analyze: bool,
    /// Steps of pruning in scans: all, none, or some of partitions, statistics, bloom, dictionary, pages, late.
    #[arg(long, default_value = "all", value_name = "STEPS")]
    pub pruning: Pruning,
    /// How floats are summed: fast, or the same bits whatever the order of rows, the threads and the backend.
    #[arg(long, default_value = "fast", value_name = "fast|reproducible")]
    pub float_sum: FloatSum,
    /// How rows are printed.
    #[arg(long, default_value = "table")]
    pub format: Format,
    /// Threads of the CPU path; 0 for one per core.
    #[arg(long, default_value_t = 0)]
    pub threads: usize,
    /// Budget of host memory in MiB.
    #[arg(long, value_name = "MIB")]
    pub memory_limit: Option<u64>,
    /// The statement; without it, a prompt is started.
    #[arg(allow_hyphen_values = true)]
    pub sql: Option<String>,
}

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A drawn table.
    Table,
    /// Comma-separated, with a header.
    Csv,
    /// One JSON object per line.
    Json,
}

/// `NAME=PATH`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableArg {
    /// Name in SQL.
    pub name: String,
    /// File or folder.
    pub path: PathBuf,
}

impl FromStr for TableArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, path)) if !name.is_empty() && !path.is_empty() => {
                Ok(TableArg { name: name.to_string(), path: PathBuf::from(path) })
            }
            _ => Err(format!("{text:?} is not NAME=FILE_OR_FOLDER")),
        }
    }
}

/// `pilaster worker`
#[derive(Debug, Args)]
pub struct WorkerArgs {
    /// Where pipelines run.
    #[arg(long, default_value = "cpu", value_name = "auto|cpu|gpu")]
    pub backend: BackendChoice,
    /// Threads; the environment's BENCH_THREADS where absent, 0 for one per core.
    #[arg(long)]
    pub threads: Option<usize>,
    /// Let DataFusion run what Pilaster has no operator for, instead of an error.
    #[arg(long)]
    pub datafusion: bool,
}

/// `pilaster bench`
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// What to measure.
    #[command(subcommand)]
    pub bench: Bench,
}

/// Benchmarks.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// TPC-H queries, beside another engine.
    Tpch(TpchArgs),
    /// The db-benchmark's ten group-by questions, beside another engine.
    H2o(H2oArgs),
    /// One operator at a time, beside another library in the same process.
    Micro(MicroArgs),
}

/// `pilaster bench tpch`
#[derive(Debug, Args)]
pub struct TpchArgs {
    /// Scale factor.
    #[arg(long, default_value = "0.1", value_parser = positive)]
    pub scale: f64,
    /// Queries by number; all 22 where absent.
    #[arg(long, value_delimiter = ',', default_values_t = 1..=22)]
    pub queries: Vec<u32>,
    /// How they are run.
    #[command(flatten)]
    pub run: QueryArgs,
}

/// `pilaster bench h2o`
#[derive(Debug, Args)]
pub struct H2oArgs {
    /// Rows of the table, as 10000000 or 1e7.
    #[arg(long, default_value = "1e7", value_parser = row_count)]
    pub rows: u64,
    /// Questions by number; all ten where absent.
    #[arg(long, value_delimiter = ',', default_values_t = 1..=10)]
    pub questions: Vec<u32>,
    /// Write the last engine's answers to this folder, one Parquet file each, for another engine to check.
    #[arg(long, value_name = "FOLDER")]
    pub answers: Option<PathBuf>,
    /// How they are run.
    #[command(flatten)]
    pub run: QueryArgs,
}

/// How a suite of queries is run.
#[derive(Debug, Args)]
pub struct QueryArgs {
    /// Backends to time; cpu, and gpu where an adapter is trusted, where absent.
    #[arg(long, value_delimiter = ',', value_name = "auto|cpu|gpu")]
    pub backend: Vec<BackendChoice>,
    /// Engine to compare with, in the same process. Its answers are the check as well.
    #[arg(long, default_value = "datafusion")]
    pub against: Against,
    /// Threads of every engine; 0 for one per core.
    #[arg(long, default_value_t = 0)]
    pub threads: usize,
    /// Timed runs per query and engine, after one warm-up run.
    #[arg(long, default_value_t = 5, value_parser = at_least_one)]
    pub reps: usize,
    /// Folder of the data; made there if it is not. The default is in the user's cache folder.
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Append one JSON object per line and result to this file.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Engines to compare with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Against {
    /// Stock DataFusion.
    Datafusion,
}

/// `pilaster bench micro`
#[derive(Debug, Args)]
pub struct MicroArgs {
    /// The suite.
    #[arg(long)]
    pub suite: MicroSuite,
    /// What to compare with: arrow-rs for parquet (its results are the check as well, so it is the default), datafusion for
    /// aggregate.
    #[arg(long)]
    pub against: Option<MicroAgainst>,
    /// Backends to time, for aggregate and float-sums; cpu where absent.
    #[arg(long, value_delimiter = ',', value_name = "auto|cpu|gpu")]
    pub backend: Vec<BackendChoice>,
    /// Rows; 10 million for parquet (of lists, their elements, about), 2^24 for
    /// aggregate where absent.
    #[arg(long, value_parser = at_least_one)]
    pub rows: Option<usize>,
    /// Only these numbers of groups, for aggregate and float-sums.
    #[arg(long, value_delimiter = ',')]
    pub groups: Vec<usize>,
    /// Rows of a batch, of both, for parquet.
    #[arg(long, default_value_t = pilaster::scan::DEFAULT_BATCH_ROWS, value_parser = at_least_one)]
    pub batch_rows: usize,
    /// Columns whose name contains one of these (parquet), kinds of keys by name (aggregate); all where absent.
    #[arg(long, value_delimiter = ',')]
    pub columns: Vec<String>,
    /// Codecs of parquet: none, snappy, lz4_raw, lz4, zstd, gzip, brotli.
    #[arg(long, value_delimiter = ',', default_value = "none,snappy,lz4_raw,zstd")]
    pub codecs: Vec<Codec>,
    /// Threads of both; 0 for one per core.
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// Timed runs of each, in turn, after one warm-up run.
    #[arg(long, default_value_t = 5, value_parser = at_least_one)]
    pub reps: usize,
    /// Where the values come from.
    #[arg(long, default_value_t = 5)]
    pub seed: u64,
    /// Folder of the data; made there if it is not. The default is in the user's cache folder.
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Append one JSON object per line and result to this file.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Suites of `pilaster bench micro`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MicroSuite {
    /// Parquet columns to Arrow arrays.
    Parquet,
    /// Group-by: numbers of groups and kinds of keys.
    Aggregate,
    /// Sums of floats: one bit pattern in every order, and the price of it.
    FloatSums,
}

/// Libraries to compare with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MicroAgainst {
    /// The `arrow` and `parquet` crates.
    ArrowRs,
    /// Stock DataFusion.
    Datafusion,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(scale) if scale.is_finite() && scale > 0.0 => Ok(scale),
        _ => Err("a positive number is needed".to_string()),
    }
}

/// 1e7 is how people write it.
fn row_count(text: &str) -> Result<u64, String> {
    let number = text.parse::<u64>().ok().or_else(|| {
        let float = text.parse::<f64>().ok()?;
        (float.fract() == 0.0 && (1.0..1e15).contains(&float)).then_some(float as u64)
    });
    number.filter(|&rows| rows > 0).ok_or_else(|| "a whole number from 1 on is needed".to_string())
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("a number from 1 on is needed".to_string()),
    }
}
