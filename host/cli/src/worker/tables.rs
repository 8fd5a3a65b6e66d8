//! Files into memory.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::FileReader;
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::Failure;

/// Rows of a batch that a Parquet file is read in.
const BATCH_ROWS: usize = 1 << 20;

/// Registers the rows of a Parquet or Arrow IPC file under `name`, dealt out to `partitions` partitions.
pub fn load(context: &SessionContext, name: &str, path: &Path, partitions: usize) -> Result<(), Failure> {
    let failed = |error: Failure| Failure::from(format!("{}: {error}", path.display()));
    let is_parquet = path.extension().is_some_and(|extension| extension == "parquet");
    let read = if is_parquet { parquet(path) } else { ipc(path) };
    let (schema, batches) = read.map_err(failed)?;
    let mut dealt = vec![Vec::new(); partitions.max(1)];
    // Stretches, so that rows keep their order.
    let each = batches.len().div_ceil(dealt.len()).max(1);
    for (number, batch) in batches.into_iter().enumerate() {
        dealt[number / each].push(batch);
    }
    context.register_table(name, Arc::new(MemTable::try_new(schema, dealt)?))?;
    Ok(())
}

type Rows = (SchemaRef, Vec<RecordBatch>);

fn parquet(path: &Path) -> Result<Rows, Failure> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    let schema = Arc::clone(builder.schema());
    let batches = builder.with_batch_size(BATCH_ROWS).build()?;
    Ok((schema, batches.collect::<Result<_, _>>()?))
}

fn ipc(path: &Path) -> Result<Rows, Failure> {
    let reader = FileReader::try_new_buffered(File::open(path)?, None)?;
    let schema = reader.schema();
    Ok((schema, reader.collect::<Result<_, _>>()?))
}
