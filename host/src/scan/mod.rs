//! Parquet files as batches: footers, pruning, row groups in parallel, late materialisation.

/// One or more Parquet files read as one table.
#[derive(Debug, Clone)]
pub struct Scan {}
