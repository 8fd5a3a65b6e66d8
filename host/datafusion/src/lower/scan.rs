//! DataFusion's Parquet scans as ours: local files and those of the session's object stores; order of rows not promised.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion_datasource::PartitionedFile;
use datafusion_datasource::file::FileSource as _;
use datafusion_datasource::file_scan_config::FileScanConfig;
use datafusion_datasource::source::DataSourceExec;
use datafusion_datasource_parquet::source::ParquetSource;
use datafusion_physical_plan::ExecutionPlan;
use object_store::local::LocalFileSystem;
use pilaster::expr::Expr;
use pilaster::plan::Plan;
use pilaster::scan::{FileSlice, Scan};
use pilaster::{Backend, Error, Result};

use super::{Files, expr, named};

/// Lowers a scan, with its projection, its limit and, where DataFusion evaluates it inside the scan, its predicate.
///
/// # Errors
/// [`Error::Unsupported`] naming what keeps the scan with DataFusion; [`Error::CorruptFile`] and [`Error::Io`] where a
/// footer cannot be read.
pub fn lower(node: &DataSourceExec, files: &Files<'_>) -> Result<Plan> {
    let (config, source) = node
        .downcast_to_file_source::<ParquetSource>()
        .ok_or_else(|| unsupported("a source that is not Parquet"))?;
    refuse_what_we_do_not_read(node, config, source)?;
    let partitioned = config.file_groups.iter().flat_map(|group| group.iter());
    let slices = partitioned.map(|file| file_slice(config, file, files)).collect::<Result<Vec<_>>>()?;
    let table_schema = source.table_schema().table_schema();
    let scan = Scan::from_slices_with(&slices, without_ids(table_schema), files.footers)?;
    let pushed = source.filter().filter(|_| pushes_filters_down(source));
    let predicate = pushed.map(|predicate| expr::lower(&predicate, table_schema)).transpose()?;
    let projection = source.projection().map(|items| named(items.as_ref(), table_schema)).transpose()?;
    let mut plan = over_columns(scan.with_pruning(files.pruning), predicate, projection)?;
    if let Some(limit) = config.limit {
        plan = plan.limit(0, Some(limit))?;
    }
    plan.with_schema(node.schema())
}

/// Filter and projection over a scan of the columns that they read: none above it where columns alone are asked for.
fn over_columns(
    scan: Scan,
    predicate: Option<Expr>,
    projection: Option<Vec<(String, Expr)>>,
) -> Result<Plan> {
    let Some(projection) = projection else {
        let plan = Plan::scan(scan);
        return predicate.map_or(Ok(plan.clone()), |predicate| plan.filter(predicate));
    };
    let plain = projection.iter().map(|(_, item)| match item {
        Expr::Column { index, .. } => Some(*index),
        _ => None,
    });
    if let (None, Some(columns)) = (&predicate, plain.collect::<Option<Vec<usize>>>()) {
        return Ok(Plan::scan(scan.with_projection(columns)?));
    }
    let mut read = BTreeSet::new();
    for item in projection.iter().map(|(_, item)| item).chain(&predicate) {
        item.for_each_column(&mut |column| {
            read.insert(column);
        });
    }
    let read: Vec<usize> = read.into_iter().collect();
    // Every column that is asked for is in the list.
    let place = |column: usize| read.binary_search(&column).unwrap_or(usize::MAX);
    let mut plan = Plan::scan(scan.with_projection(read.clone())?);
    if let Some(predicate) = predicate {
        plan = plan.filter(predicate.map_columns(&mut { place }))?;
    }
    plan.project(
        projection.into_iter().map(|(name, item)| (name, item.map_columns(&mut { place }))).collect(),
    )
}

/// DataFusion matches columns by name alone, whatever field ids files carry.
fn without_ids(schema: &SchemaRef) -> SchemaRef {
    let plain = |field: &FieldRef| match field.metadata().is_empty() {
        true => Arc::clone(field),
        false => Arc::new(field.as_ref().clone().with_metadata(HashMap::new())),
    };
    Arc::new(Schema::new(schema.fields().iter().map(plain).collect::<Vec<_>>()))
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
    // Row groups in reverse order serve a sort above, unless the scan promises an order for it.
    let ordered = node.properties().output_ordering().is_some() || config.preserve_order;
    let checks = [
        (source.table_schema().virtual_columns().is_empty(), "virtual columns"),
        (!ordered, "a scan that promises an order"),
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

fn file_slice(config: &FileScanConfig, file: &PartitionedFile, files: &Files<'_>) -> Result<FileSlice> {
    if !file.extensions.is_empty() {
        return Err(unsupported("row selections attached to a file"));
    }
    let columns = config.table_partition_cols();
    if columns.len() != file.partition_values.len() {
        return Err(unsupported("a file without the values of its partition columns"));
    }
    let partition = columns.iter().zip(&file.partition_values);
    let partition = partition
        .map(|(field, value)| Ok((field.name().clone(), expr::lower_scalar(value)?)))
        .collect::<Result<Vec<_>>>()?;
    let byte_range = file.range.as_ref().map(|range| (range.start as u64)..(range.end as u64));
    let url = &config.object_store_url;
    let place = if url.as_str().starts_with("file://") {
        // As that store itself reads its locations.
        let path = LocalFileSystem::new().path_to_filesystem(&file.object_meta.location);
        FileSlice::whole(path.map_err(|error| Error::invalid(error.to_string()))?)
    } else {
        let stores = files.stores.ok_or_else(|| unsupported("a store that is not the local file system"))?;
        let source = stores.file(url, &file.object_meta);
        let source = source.ok_or_else(|| unsupported(format!("no store for {}", url.as_str())))?;
        let path = format!("{}{}", url.as_str(), file.object_meta.location);
        FileSlice { source: Some(source), ..FileSlice::whole(path) }
    };
    Ok(FileSlice { byte_range, partition, ..place })
}

fn unsupported(what: impl std::fmt::Display) -> Error {
    Error::unsupported(format!("scan: {what}"), Backend::Cpu)
}
