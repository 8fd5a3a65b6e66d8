//! DataFusion's Parquet scans as ours: local files, no partition columns, order of rows not promised.

use std::path::PathBuf;
use std::sync::Arc;

use datafusion_datasource::PartitionedFile;
use datafusion_datasource::file::FileSource as _;
use datafusion_datasource::file_scan_config::FileScanConfig;
use datafusion_datasource::source::DataSourceExec;
use datafusion_datasource_parquet::source::ParquetSource;
use datafusion_physical_expr::projection::ProjectionExprs;
use datafusion_physical_plan::ExecutionPlan;
use pilaster::plan::Plan;
use pilaster::scan::{FileSlice, Scan};
use pilaster::{Backend, Error, Result};

use super::expr;

/// Lowers a scan, with its projection, its limit and, where DataFusion evaluates it inside the scan, its predicate.
///
/// # Errors
/// [`Error::Unsupported`] naming what keeps the scan with DataFusion; [`Error::CorruptFile`] and [`Error::Io`] where a
/// footer cannot be read.
pub fn lower(node: &DataSourceExec) -> Result<Plan> {
    let (config, source) = node
        .downcast_to_file_source::<ParquetSource>()
        .ok_or_else(|| unsupported("a source that is not Parquet"))?;
    refuse_what_we_do_not_read(node, config, source)?;
    let files = config.file_groups.iter().flat_map(|group| group.iter());
    let slices = files.map(file_slice).collect::<Result<Vec<_>>>()?;
    let table_schema = source.table_schema().table_schema();
    let mut plan = Plan::scan(Scan::from_slices(&slices, Arc::clone(table_schema))?);
    if pushes_filters_down(source)
        && let Some(predicate) = source.filter()
    {
        plan = plan.filter(expr::lower(&predicate, table_schema)?)?;
    }
    if let Some(projection) = source.projection() {
        plan = project(plan, projection, table_schema)?;
    }
    if let Some(limit) = config.limit {
        plan = plan.limit(0, Some(limit))?;
    }
    plan.with_schema(node.schema())
}

/// True where no `FilterExec` repeats the predicate, so that the scan must apply it exactly.
fn pushes_filters_down(source: &ParquetSource) -> bool {
    source.table_parquet_options().global.pushdown_filters
}

fn refuse_what_we_do_not_read(
    node: &DataSourceExec,
    config: &FileScanConfig,
    source: &ParquetSource,
) -> Result<()> {
    let local = config.object_store_url.as_str().starts_with("file://");
    let ordered = node.properties().output_ordering().is_some() || config.preserve_order;
    let reversed = format!("{source:?}").contains("reverse_row_groups: true");
    let checks = [
        (local, "a store that is not the local file system"),
        (config.table_partition_cols().is_empty(), "partition columns"),
        (source.table_schema().virtual_columns().is_empty(), "virtual columns"),
        (!ordered, "a scan that promises an order"),
        (!reversed, "a scan in reverse order"),
        (reads_plainly(source), "a Parquet reader of the session's own"),
    ];
    match checks.iter().find(|(fine, _)| !fine) {
        Some((_, what)) => Err(unsupported(what)),
        None => Ok(()),
    }
}

/// DataFusion's two readers differ from ours in caching only; one that a user installed may decrypt, count or redirect.
fn reads_plainly(source: &ParquetSource) -> bool {
    let known = ["CachedParquetFileReaderFactory", "DefaultParquetFileReaderFactory"];
    source.parquet_file_reader_factory().is_none_or(|factory| {
        let text = format!("{factory:?}");
        known.iter().any(|name| text.starts_with(name))
    })
}

fn file_slice(file: &PartitionedFile) -> Result<FileSlice> {
    if !file.extensions.is_empty() {
        return Err(unsupported("row selections attached to a file"));
    }
    let path = PathBuf::from(format!("/{}", file.object_meta.location));
    let byte_range = file.range.as_ref().map(|range| (range.start as u64)..(range.end as u64));
    Ok(FileSlice { byte_range, ..FileSlice::whole(path) })
}

fn project(plan: Plan, projection: &ProjectionExprs, schema: &arrow::datatypes::SchemaRef) -> Result<Plan> {
    let expressions =
        projection.iter().map(|item| Ok((item.alias.clone(), expr::lower(&item.expr, schema)?)));
    plan.project(expressions.collect::<Result<Vec<_>>>()?)
}

fn unsupported(what: impl std::fmt::Display) -> Error {
    Error::unsupported(format!("scan: {what}"), Backend::Cpu)
}
