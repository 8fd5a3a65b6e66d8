//! The contenders.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::datasource::MemTable;
use pilaster::aggregate::{Aggregate, AggregateFunction};
use pilaster::expr::Expr;
use pilaster::place::Report;
use pilaster::plan::{MemorySource, Plan};
use pilaster::{BackendChoice, Session, SessionConfig};
use tokio::runtime::Runtime;

use crate::Failure;
use crate::engine::{self, SqlEngine};

/// Rows of DataFusion's batches: its own default.
const STOCK_BATCH_ROWS: usize = 8192;

/// Rows in memory: the key's columns, then `v`.
pub struct Input {
    /// How many.
    pub rows: usize,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl Input {
    /// Rows of `batches`.
    pub fn new(batches: Vec<RecordBatch>) -> Result<Self, Failure> {
        let schema = batches.first().map(RecordBatch::schema).ok_or("no batches")?;
        Ok(Input { rows: batches.iter().map(RecordBatch::num_rows).sum(), schema, batches })
    }

    fn keys(&self) -> usize {
        self.schema.fields().len() - 1
    }

    /// The batches dealt out to so many partitions, cut to at most `rows` rows.
    fn partitions(&self, count: usize, rows: usize) -> Vec<Vec<RecordBatch>> {
        let mut partitions = vec![Vec::new(); count];
        for (number, batch) in self.batches.iter().enumerate() {
            let starts = (0..batch.num_rows()).step_by(rows);
            let slices = starts.map(|start| batch.slice(start, rows.min(batch.num_rows() - start)));
            partitions[number % count].extend(slices);
        }
        partitions
    }
}

/// An engine that answers `SELECT k, sum(v), count(*) .. GROUP BY k`.
pub trait Contender {
    /// Its name, with the backend.
    fn name(&self) -> String;

    /// The answer.
    fn run(&self, input: &Input) -> Result<Vec<RecordBatch>, Failure>;

    /// What the last run says of itself.
    fn details(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// Pilaster on one backend.
pub struct Ours {
    session: Session,
    backend: BackendChoice,
    threads: usize,
    report: Mutex<Option<Report>>,
}

impl Ours {
    /// A session of its own.
    pub fn new(backend: BackendChoice, threads: usize) -> Result<Self, Failure> {
        let config = SessionConfig { backend, threads, ..SessionConfig::default() };
        Ok(Ours { session: Session::new(config)?, backend, threads, report: Mutex::default() })
    }
}

fn plan(input: &Input, partitions: usize) -> Result<Plan, Failure> {
    let partitions = input.partitions(partitions, usize::MAX >> 1);
    let source = MemorySource::with_partitions(Arc::clone(&input.schema), partitions)?;
    let column = |index: usize| Expr::column(index, input.schema.field(index).data_type().clone());
    let keys = (0..input.keys()).map(|key| (input.schema.field(key).name().clone(), column(key)));
    let sum = Aggregate::new(AggregateFunction::Sum, vec![column(input.keys())], DataType::Int64);
    let count = Aggregate::new(AggregateFunction::CountRows, Vec::new(), DataType::Int64);
    let aggregates = vec![("s".to_owned(), sum), ("n".to_owned(), count)];
    Ok(Plan::input(Arc::new(source)).aggregate(keys.collect(), aggregates)?)
}

impl Contender for Ours {
    fn name(&self) -> String {
        format!("pilaster {}", self.backend)
    }

    fn run(&self, input: &Input) -> Result<Vec<RecordBatch>, Failure> {
        let (batches, report) = self.session.collect(&plan(input, self.threads)?)?;
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
        Ok(batches)
    }

    fn details(&self) -> Vec<(String, String)> {
        let report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(aggregate) = report.as_ref().and_then(|report| report.operators.first()) else {
            return Vec::new();
        };
        let mut details = aggregate.details.clone();
        details.push(("placement".to_owned(), aggregate.outcome.label().to_owned()));
        details
    }
}

/// DataFusion as it ships.
pub struct Stock {
    engine: SqlEngine,
    runtime: Runtime,
    threads: usize,
}

impl Stock {
    /// On so many partitions and worker threads.
    pub fn new(threads: usize) -> Result<Self, Failure> {
        Ok(Stock { engine: SqlEngine::stock(threads), runtime: engine::runtime(threads)?, threads })
    }
}

impl Contender for Stock {
    fn name(&self) -> String {
        "datafusion".to_owned()
    }

    fn run(&self, input: &Input) -> Result<Vec<RecordBatch>, Failure> {
        let partitions = input.partitions(self.threads, STOCK_BATCH_ROWS);
        let table = MemTable::try_new(Arc::clone(&input.schema), partitions)?;
        self.engine.context.deregister_table("t")?;
        self.engine.context.register_table("t", Arc::new(table))?;
        let keys: Vec<&str> =
            input.schema.fields().iter().take(input.keys()).map(|f| f.name().as_str()).collect();
        let keys = keys.join(", ");
        let sql = format!("SELECT {keys}, sum(v) AS s, count(*) AS n FROM t GROUP BY {keys}");
        Ok(self.runtime.block_on(self.engine.run(&sql))?.batches)
    }
}
