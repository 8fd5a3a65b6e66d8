//! Streams of DataFusion as inputs of our plans.
//!
//! A plan is lowered before it runs, so its inputs are placeholders ([`EngineInput`]); [`BoundInput`] is the same with
//! the task that runs it. DataFusion's streams are polled on its own async runtime and handed over through a bounded
//! channel; our side blocks, never theirs.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion_execution::TaskContext;
use datafusion_physical_plan::{ExecutionPlan, ExecutionPlanProperties as _};
use futures::StreamExt as _;
use pilaster::plan::BatchSource;
use pilaster::{Error, Result};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Batches that may wait between DataFusion's stream and our reader.
const CHANNEL_BATCHES: usize = 4;

/// Place of a child of DataFusion's in a plan of ours.
#[derive(Debug)]
pub struct EngineInput {
    /// Number among the children of the node.
    pub child: usize,
    schema: SchemaRef,
    partitions: usize,
}

impl EngineInput {
    /// The place of child number `child`.
    pub fn new(child: usize, plan: &Arc<dyn ExecutionPlan>) -> Self {
        let partitions = plan.output_partitioning().partition_count();
        EngineInput { child, schema: plan.schema(), partitions }
    }
}

impl BatchSource for EngineInput {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn partitions(&self) -> usize {
        self.partitions
    }

    fn open(&self, _partition: usize) -> Result<Box<dyn Iterator<Item = Result<RecordBatch>> + Send>> {
        Err(Error::invalid("an engine's input was opened before its plan was executed"))
    }
}

/// A child of DataFusion's with the task that runs it.
#[derive(Debug)]
pub struct BoundInput {
    /// The child.
    pub plan: Arc<dyn ExecutionPlan>,
    /// The task.
    pub context: Arc<TaskContext>,
    /// Where its streams are polled.
    pub runtime: Handle,
}

impl BatchSource for BoundInput {
    fn schema(&self) -> SchemaRef {
        self.plan.schema()
    }

    fn partitions(&self) -> usize {
        self.plan.output_partitioning().partition_count()
    }

    fn open(&self, partition: usize) -> Result<Box<dyn Iterator<Item = Result<RecordBatch>> + Send>> {
        let name = self.plan.name().to_string();
        let failed = move |error: datafusion_common::DataFusionError| Error::External {
            source_name: name.clone(),
            reason: error.to_string(),
        };
        let _entered = self.runtime.enter();
        let mut stream = self.plan.execute(partition, Arc::clone(&self.context)).map_err(&failed)?;
        let (sender, mut receiver) = mpsc::channel(CHANNEL_BATCHES);
        self.runtime.spawn(async move {
            while let Some(batch) = stream.next().await {
                // The reader is gone: the query was cancelled or needs no more rows.
                if sender.send(batch.map_err(&failed)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Box::new(std::iter::from_fn(move || receiver.blocking_recv())))
    }
}
