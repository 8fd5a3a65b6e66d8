//! DataFusion's tables in memory as inputs of ours that need no stream.

use std::sync::Arc;

use datafusion_datasource::memory::MemorySourceConfig;
use datafusion_datasource::source::{DataSource as _, DataSourceExec};
use datafusion_physical_plan::ExecutionPlan as _;
use pilaster::plan::{MemorySource, Plan};
use pilaster::{Error, Result};

/// The batches behind a scan, where they lie in memory.
pub fn batches(node: &DataSourceExec) -> Option<&MemorySourceConfig> {
    let source: &dyn std::any::Any = node.data_source().as_ref();
    source.downcast_ref()
}

/// Lowers a scan of memory, with its projection and its limit.
///
/// # Errors
/// [`Error::InvalidInput`] where batches are not of the table's schema.
pub fn lower(node: &DataSourceExec, source: &MemorySourceConfig) -> Result<Plan> {
    let invalid = |error: arrow::error::ArrowError| Error::invalid(error.to_string());
    let schema = source.original_schema();
    let schema = match source.projection() {
        Some(columns) => Arc::new(schema.project(columns).map_err(invalid)?),
        None => schema,
    };
    let project = |batch: &arrow::array::RecordBatch| {
        let batch = match source.projection() {
            Some(columns) => batch.project(columns).map_err(invalid)?,
            None => batch.clone(),
        };
        batch.with_schema(Arc::clone(&schema)).map_err(invalid)
    };
    let partitions = source.partitions().iter().map(|batches| batches.iter().map(project).collect());
    let partitions = partitions.collect::<Result<Vec<_>>>()?;
    let mut plan = Plan::input(Arc::new(MemorySource::with_partitions(schema, partitions)?));
    if let Some(fetch) = source.fetch() {
        plan = plan.limit(0, Some(fetch))?;
    }
    plan.with_schema(node.schema())
}
