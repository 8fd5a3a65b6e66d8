//! DataFusion sessions, with Pilaster and without, and what is asked of them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use futures::StreamExt as _;
use pilaster::place::Report;
use pilaster_datafusion::{Engine, PilasterExec, PilasterSessionExt as _};
use tokio::runtime::Runtime;

use crate::Failure;

/// A session of DataFusion: stock, or with Pilaster behind it.
pub struct SqlEngine {
    /// The session.
    pub context: SessionContext,
}

/// Rows and what they cost.
pub struct Answer {
    /// The rows; none where they were handed on as they came.
    pub batches: Vec<RecordBatch>,
    /// Number of rows.
    pub rows: usize,
    /// From the statement's text to the last row.
    pub wall: Duration,
    /// One report per subtree that Pilaster ran.
    pub reports: Vec<Report>,
    /// Operators that stayed with DataFusion below a subtree of ours, with the reason.
    pub left: Vec<String>,
}

impl SqlEngine {
    /// DataFusion as it ships, on `threads` partitions.
    pub fn stock(threads: usize) -> Self {
        let state = SessionStateBuilder::new_with_default_features().with_config(config(threads)).build();
        SqlEngine { context: SessionContext::new_with_state(state) }
    }

    /// DataFusion with Pilaster. `engine` may be shared between sessions; the session's settings start as `settings`.
    pub fn pilaster(
        threads: usize,
        engine: Arc<Engine>,
        settings: &[(&str, String)],
    ) -> Result<Self, Failure> {
        let builder = SessionStateBuilder::new_with_default_features().with_config(config(threads));
        let mut state = builder.with_pilaster_engine(engine).build();
        for (key, value) in settings {
            state.config_mut().options_mut().set(&format!("pilaster.{key}"), value)?;
        }
        Ok(SqlEngine { context: SessionContext::new_with_state(state) })
    }

    /// Registers a Parquet file or a folder of them.
    pub async fn register(&self, name: &str, path: &Path) -> Result<(), Failure> {
        let path =
            path.canonicalize().map_err(|error| format!("table {name}: {}: {error}", path.display()))?;
        let text = path.to_str().ok_or_else(|| format!("table {name}: a path that is not UTF-8"))?;
        let options = match path.extension().and_then(|extension| extension.to_str()) {
            Some(extension) if path.is_file() => ParquetReadOptions::default().file_extension(extension),
            _ => ParquetReadOptions::default().table_partition_cols(partition_columns(&path)?),
        };
        // A name in quotes is taken as it is written.
        let quoted = format!("\"{}\"", name.to_lowercase().replace('"', "\"\""));
        Ok(self.context.register_parquet(quoted, text, options).await?)
    }

    /// Runs a statement to its end.
    pub async fn run(&self, sql: &str) -> Result<Answer, Failure> {
        let mut batches = Vec::new();
        let answer = self.run_each(sql, |batch| {
            batches.push(batch);
            Ok(())
        });
        let answer = answer.await?;
        Ok(Answer { batches, ..answer })
    }

    /// Runs a statement to its end and hands each batch to `take` as it comes, which holds the query back.
    pub async fn run_each(
        &self,
        sql: &str,
        mut take: impl FnMut(RecordBatch) -> Result<(), Failure>,
    ) -> Result<Answer, Failure> {
        let start = Instant::now();
        let frame = self.context.sql(sql).await?;
        let task = Arc::new(frame.task_ctx());
        let plan = frame.create_physical_plan().await?;
        let mut stream = execute_stream(Arc::clone(&plan), task)?;
        let mut rows = 0;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            rows += batch.num_rows();
            take(batch)?;
        }
        drop(stream);
        let wall = start.elapsed();
        let mut answer = Answer { batches: Vec::new(), rows, wall, reports: Vec::new(), left: Vec::new() };
        gather_reports(&plan, &mut answer)?;
        Ok(answer)
    }
}

/// Columns that folders name.
fn partition_columns(folder: &Path) -> Result<Vec<(String, DataType)>, Failure> {
    let columns = pilaster::scan::partition_columns(folder)?;
    Ok(columns.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect())
}

/// The runtime that DataFusion runs on, with as many workers as it has partitions.
pub fn runtime(threads: usize) -> Result<Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?)
}

/// 0 as the number of cores.
pub fn thread_count(threads: usize) -> usize {
    match threads {
        0 => std::thread::available_parallelism().map_or(1, |cores| cores.get()),
        threads => threads,
    }
}

fn config(threads: usize) -> SessionConfig {
    let mut config = SessionConfig::new().with_target_partitions(threads).with_information_schema(true);
    // SQL's own rule: 0.05 is a decimal. As a float it would turn exact comparisons into inexact ones.
    config.options_mut().sql_parser.parse_float_as_decimal = true;
    config
}

fn gather_reports(plan: &Arc<dyn ExecutionPlan>, answer: &mut Answer) -> Result<(), Failure> {
    if let Some(node) = plan.downcast_ref::<PilasterExec>() {
        answer.reports.push(node.report()?);
        answer.left.extend_from_slice(node.left_to_engine());
    }
    plan.children().into_iter().try_for_each(|child| gather_reports(child, answer))
}
