//! Whole files.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use bytes::Bytes;
use pilaster::memory::Budget;
use pilaster::scan::{ReadOptions, Scan, ScanTasks};
use pilaster_kernels::expr::{CompareOp, Expr, Scalar};
use pilaster_kernels::{Backend, Error, Result};

use crate::compare;

/// What reading one file may reserve.
pub const BUDGET_BYTES: u64 = 64 << 20;

/// Rows that are read of a file: a few bytes may stand for billions of nulls, all of them right.
const MOST_ROWS: usize = 200_000;
const BATCH_ROWS: usize = 4096;

/// Reads a file with and without a predicate; the rows that came out without one.
///
/// # Errors
/// What the scan raises: [`Error::CorruptFile`], [`Error::OutOfMemory`], [`Error::InvalidInput`] or
/// [`Error::Unsupported`].
///
/// # Panics
/// Where a batch breaks Arrow's rules, a predicate keeps more rows than there are, the scan gives fewer rows than the
/// footer says without an error, an error is of another kind, or memory stays reserved.
pub fn file(bytes: &[u8]) -> Result<usize> {
    let scan = typed(Scan::from_bytes("hostile.parquet", Bytes::copy_from_slice(bytes)))?;
    let budget = Arc::new(Budget::new(Backend::Cpu, BUDGET_BYTES));
    let options =
        ReadOptions { batch_rows: BATCH_ROWS, reserve: Arc::clone(&budget) as _, ..ReadOptions::default() };
    let outcome = typed(read(&scan, &options));
    // A predicate tests a whole row group before its first batch.
    if scan.rows() < MOST_ROWS as u64
        && let Some(predicate) = predicate(scan.schema())
    {
        let filtered = ReadOptions { predicate: Some(Arc::new(predicate)), ..options };
        let filtered = typed(read(&scan, &filtered));
        if let (Ok(all), Ok(some)) = (&outcome, &filtered) {
            assert!(some <= all, "{some} of {all} rows pass a predicate");
        }
    }
    assert_eq!(budget.reserved(), 0, "memory stays reserved");
    outcome
}

fn read(scan: &Scan, options: &ReadOptions) -> Result<usize> {
    let ScanTasks { tasks, mut report } = scan.tasks(options.predicate.as_deref())?;
    let mut rows = 0;
    for task in tasks {
        let mut own = 0;
        let task = match &options.predicate {
            Some(predicate) => scan.refine(&task, predicate, &mut report)?,
            None => Some(task),
        };
        let Some(task) = task else { continue };
        for batch in scan.read(&task, options)? {
            let batch: RecordBatch = batch?;
            compare::valid(&batch).unwrap_or_else(|reason| panic!("{reason}"));
            own += batch.num_rows();
            rows += batch.num_rows();
            if rows > MOST_ROWS {
                return Ok(rows);
            }
        }
        if options.predicate.is_none() {
            assert_eq!(own, task.rows(), "rows are missing, and no error says so");
        }
    }
    Ok(rows)
}

/// An error that a hostile file may give.
fn typed<T>(outcome: Result<T>) -> Result<T> {
    match outcome {
        Err(
            error @ (Error::CorruptFile { .. }
            | Error::OutOfMemory { .. }
            | Error::InvalidInput(_)
            | Error::Unsupported { .. }),
        ) => Err(error),
        Err(other) => panic!("an error of another kind: {other:?}"),
        Ok(value) => Ok(value),
    }
}

/// One that keeps some rows, over the first column that can be compared.
fn predicate(schema: &SchemaRef) -> Option<Expr> {
    let of = |data_type: &DataType| match data_type {
        DataType::Int32 => Some(Scalar::from(10i32)),
        DataType::Int64 => Some(Scalar::from(10i64)),
        DataType::Utf8 => Some(Scalar::utf8("m")),
        _ => None,
    };
    let found = schema.fields().iter().enumerate().find_map(|(at, field)| Some((at, of(field.data_type())?)));
    let (at, scalar) = found?;
    let column = Expr::column(at, scalar.data_type.clone());
    Expr::compare(CompareOp::Lt, column, Expr::literal(scalar)).ok()
}
