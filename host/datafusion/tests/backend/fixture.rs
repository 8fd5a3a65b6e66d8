//! Two sessions over the same files: stock, and with Pilaster.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray,
};
use arrow::util::pretty::pretty_format_batches;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use pilaster_datafusion::{PilasterExec, PilasterSessionExt as _};
use tempfile::TempDir;

/// Rows of the fact table: several row groups and batches.
pub const ROWS: usize = 20_000;
const ROW_GROUP_ROWS: usize = 3_000;

/// Folder with `fact.parquet` and `dim.parquet`.
pub fn data() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("fact.parquet"), &fact());
    write(&folder.path().join("dim.parquet"), &dim());
    folder
}

fn write(path: &Path, batch: &RecordBatch) {
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(ROW_GROUP_ROWS)).build();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// A small generator: the same rows on every machine.
fn noise(row: usize, salt: u64) -> u64 {
    let mut x =
        (row as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ salt.wrapping_mul(0xD1B5_4A32_D192_ED03);
    x ^= x >> 29;
    x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x ^ (x >> 32)
}

fn fact() -> RecordBatch {
    let rows = || 0..ROWS;
    let nullable = |row: usize, salt: u64| !noise(row, salt + 100).is_multiple_of(10);
    let id = Int64Array::from_iter_values(rows().map(|row| row as i64));
    let small =
        Int32Array::from_iter(rows().map(|row| nullable(row, 1).then(|| (noise(row, 1) % 7) as i32 - 3)));
    let big = Int64Array::from_iter(rows().map(|row| nullable(row, 2).then(|| noise(row, 2) as i64 >> 20)));
    let price = Decimal128Array::from_iter(
        rows().map(|row| nullable(row, 3).then(|| (noise(row, 3) % 2_000_000) as i128 - 1_000_000)),
    );
    let price = price.with_precision_and_scale(15, 2).unwrap();
    let rate = Decimal128Array::from_iter_values(rows().map(|row| (noise(row, 4) % 11) as i128));
    let rate = rate.with_precision_and_scale(15, 2).unwrap();
    let flag = StringArray::from_iter(
        rows().map(|row| nullable(row, 5).then(|| ["A", "N", "R"][noise(row, 5) as usize % 3])),
    );
    let name = StringArray::from_iter_values(rows().map(|row| format!("name {}", noise(row, 6) % 500)));
    let day = Date32Array::from_iter_values(rows().map(|row| 8_000 + (noise(row, 7) % 2_500) as i32));
    let ratio = Float64Array::from_iter(
        rows().map(|row| nullable(row, 8).then(|| (noise(row, 8) % 1000) as f64 / 8.0)),
    );
    let good =
        BooleanArray::from_iter(rows().map(|row| nullable(row, 9).then(|| noise(row, 9).is_multiple_of(2))));
    RecordBatch::try_from_iter(vec![
        ("id", Arc::new(id) as ArrayRef),
        ("small", Arc::new(small)),
        ("big", Arc::new(big)),
        ("price", Arc::new(price)),
        ("rate", Arc::new(rate)),
        ("flag", Arc::new(flag)),
        ("name", Arc::new(name)),
        ("day", Arc::new(day)),
        ("ratio", Arc::new(ratio)),
        ("good", Arc::new(good)),
    ])
    .unwrap()
}

fn dim() -> RecordBatch {
    let key = Int32Array::from_iter_values(-3..4);
    let label = StringArray::from_iter_values((-3..4).map(|key| format!("label {}", key % 3)));
    RecordBatch::try_from_iter(vec![("key", Arc::new(key) as ArrayRef), ("label", Arc::new(label))]).unwrap()
}

async fn register(context: &SessionContext, folder: &Path) {
    for table in ["fact", "dim"] {
        let path = folder.join(format!("{table}.parquet"));
        context.register_parquet(table, path.to_str().unwrap(), ParquetReadOptions::default()).await.unwrap();
    }
}

fn config() -> SessionConfig {
    SessionConfig::new().with_target_partitions(3)
}

/// DataFusion as it ships.
pub async fn stock(folder: &Path) -> SessionContext {
    let context = SessionContext::new_with_config(config());
    register(&context, folder).await;
    context
}

/// DataFusion with Pilaster, on the CPU unless the test says otherwise.
pub async fn pilaster(
    folder: &Path,
    base: pilaster::SessionConfig,
    settings: &[(&str, &str)],
) -> SessionContext {
    let builder = SessionStateBuilder::new_with_default_features().with_config(config());
    let mut state = builder.with_pilaster(base).build();
    for (key, value) in settings {
        state.config_mut().options_mut().set(&format!("pilaster.{key}"), value).unwrap();
    }
    let context = SessionContext::new_with_state(state);
    register(&context, folder).await;
    context
}

/// Runs a statement; its plan too.
pub async fn run(
    context: &SessionContext,
    sql: &str,
) -> datafusion::error::Result<(Vec<RecordBatch>, Arc<dyn ExecutionPlan>)> {
    let frame = context.sql(sql).await?;
    let task = Arc::new(frame.task_ctx());
    let plan = frame.create_physical_plan().await?;
    let batches = datafusion::physical_plan::collect(Arc::clone(&plan), task).await?;
    Ok((batches, plan))
}

/// Rows as text, sorted unless the query sorts.
pub fn rows(batches: &[RecordBatch], ordered: bool) -> Vec<String> {
    let text = pretty_format_batches(batches).unwrap().to_string();
    // Column widths depend on how rows fall into batches only through the widest value, which is the same.
    let mut rows: Vec<String> =
        text.lines().filter(|line| !line.starts_with('+')).map(str::to_string).collect();
    if !ordered {
        rows.sort();
    }
    rows
}

/// Nodes of ours in a plan.
pub fn nodes(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let below: usize = plan.children().into_iter().map(nodes).sum();
    below + usize::from(plan.is::<PilasterExec>())
}

/// Operators of a plan that has run which the GPU took.
pub fn taken(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let below: usize = plan.children().into_iter().map(taken).sum();
    below + plan.downcast_ref::<PilasterExec>().map_or(0, |node| node.report().unwrap().taken())
}

/// What the scans of a plan that has run say of themselves.
pub fn scan_details(plan: &Arc<dyn ExecutionPlan>) -> Vec<(String, String)> {
    let mut details: Vec<_> = plan.children().into_iter().flat_map(scan_details).collect();
    if let Some(node) = plan.downcast_ref::<PilasterExec>() {
        let operators = node.report().unwrap().operators;
        let scans = operators.into_iter().filter(|operator| operator.operator.starts_with("Scan"));
        details.extend(scans.flat_map(|scan| scan.details));
    }
    details
}

/// A skip: counted by the run of all tests, a failure where a GPU is required.
pub fn skip(test: &str, reason: &str) {
    assert!(std::env::var("PILASTER_TEST_GPU").as_deref() != Ok("required"), "{test}: {reason}");
    println!("SKIPPED {test}: {reason}");
    if let Some(file) = std::env::var_os("PILASTER_TEST_SKIPS") {
        let mut file = File::options().append(true).create(true).open(file).unwrap();
        writeln!(file, "{test}: {reason}").unwrap();
    }
}
