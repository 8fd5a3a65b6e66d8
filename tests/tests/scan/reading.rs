//! One way to read a file: what is asked of the scan, and what the oracle says.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch, UInt64Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{DataType, SchemaRef};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use pilaster::memory::Budget;
use pilaster::scan::{PruneStep, Pruning, ReadOptions, Scan, ScanTasks};
use pilaster_kernels::expr::{CompareOp, Expr, Scalar, value_type};
use pilaster_kernels::{Backend, Error, Result};
use pilaster_tests::datum::values_of;
use pilaster_tests::reference::{self, Row, Table};
use pilaster_tests::strategies::{Choices, all_types, literal};
use pilaster_tests::{Datum, compare};

/// What is asked of a scan.
#[derive(Clone)]
pub struct Reading {
    pub batch_rows: usize,
    /// Columns of the file, in the scan's order.
    pub projection: Vec<usize>,
    /// Columns of the projection whose values are read.
    pub output: Option<Vec<usize>>,
    /// Over the projection.
    pub predicate: Option<Expr>,
    /// What may be left unread by it.
    pub pruning: Pruning,
    /// Row groups are cut into about so many tasks.
    pub tasks: usize,
    pub columns_in_parallel: bool,
    /// Arrays are of the columns' types exactly.
    pub declared_types: bool,
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reading { batch_rows, projection, output, predicate, pruning, .. } = self;
        let Reading { tasks, columns_in_parallel, declared_types, .. } = self;
        write!(
            f,
            "batches of {batch_rows} of columns {projection:?}, output {output:?}, pruned by {pruning}"
        )?;
        write!(f, ", tasks {tasks}, columns in parallel {columns_in_parallel}, declared {declared_types}")?;
        predicate.iter().try_for_each(|predicate| write!(f, ", where {predicate}"))
    }
}

impl Reading {
    /// All of a file.
    pub fn whole(columns: usize) -> Self {
        Reading {
            batch_rows: 1000,
            projection: (0..columns).collect(),
            output: None,
            predicate: None,
            pruning: Pruning::default(),
            tasks: 1,
            columns_in_parallel: false,
            declared_types: false,
        }
    }

    /// Any reading of a file that holds `data`.
    pub fn choose(data: &RecordBatch, choices: &mut Choices) -> Self {
        let columns = data.num_columns();
        let mut projection: Vec<usize> = (0..columns).collect();
        if choices.rarely(3) {
            projection.rotate_left(choices.pick(columns));
            projection.truncate(1 + choices.pick(columns));
        }
        let batch_rows = *choices.one_of(&[1000, 32 * 1024, 1, 7, 64, 100]);
        // Batches of one row cost the comparison more than they show.
        let batch_rows = batch_rows.max(data.num_rows() / 300);
        let predicate = (choices.pick(2) == 1).then(|| predicate(data, &projection, 2, choices)).flatten();
        let some = |choices: &mut Choices| (0..projection.len()).filter(|_| choices.pick(2) == 0).collect();
        let output = choices.rarely(4).then(|| some(choices));
        let some = |choices: &mut Choices| {
            let step = |pruning: Pruning, step| pruning.with(step, choices.pick(2) == 0);
            PruneStep::ALL.into_iter().fold(Pruning::none(), step)
        };
        let pruning = match choices.pick(4) {
            1 => Pruning::none(),
            2 => some(choices),
            _ => Pruning::default(),
        };
        let columns_in_parallel = choices.rarely(4);
        let declared_types = choices.rarely(3);
        Reading {
            batch_rows,
            projection,
            output,
            predicate,
            pruning,
            tasks: 1,
            columns_in_parallel,
            declared_types,
        }
    }

    /// Reads the file through the scan.
    ///
    /// # Errors
    /// What the scan raises.
    pub fn scan(&self, scan: &Scan, budget: &Arc<Budget>) -> Result<Vec<RecordBatch>> {
        let scan = scan.with_projection(self.projection.clone())?.with_pruning(self.pruning);
        let options = ReadOptions {
            batch_rows: self.batch_rows,
            predicate: self.predicate.clone().map(Arc::new),
            key_filters: Vec::new(),
            output: self.output.clone(),
            reserve: Arc::clone(budget) as _,
            columns_in_parallel: self.columns_in_parallel,
            declared_types: self.declared_types,
        };
        let ScanTasks { tasks, mut report } = scan.tasks(options.predicate.as_deref())?.split(self.tasks);
        let mut batches = Vec::new();
        for task in tasks {
            let task = match &options.predicate {
                Some(predicate) => scan.refine(&task, predicate, &mut report)?,
                None => Some(task),
            };
            for batch in task.map(|task| scan.read(&task, &options)).transpose()?.into_iter().flatten() {
                batches.push(batch?);
            }
        }
        Ok(batches)
    }

    /// The rows that must come out, from all rows of the file; columns that are not output are as they would be.
    pub fn expected(&self, all: &RecordBatch) -> RecordBatch {
        let projected = all.project(&self.projection).unwrap();
        let Some(predicate) = &self.predicate else { return projected };
        let mut tested = BTreeSet::new();
        predicate.for_each_column(&mut |column| {
            tested.insert(column);
        });
        let columns: Vec<Vec<Datum>> = (0..projected.num_columns())
            .map(|at| if tested.contains(&at) { values_of(projected.column(at)) } else { Vec::new() })
            .collect();
        let value = |column: &Vec<Datum>, row: usize| column.get(row).cloned().unwrap_or(Datum::Null);
        let row = |row: usize| {
            let values = columns.iter().map(|column| value(column, row));
            Row::exact(values.chain([Datum::Int(row as i128)]).collect())
        };
        let schema = projected.schema();
        let types = schema.fields().iter().map(|field| field.data_type().clone());
        let table = Table {
            types: types.chain([DataType::Int64]).collect(),
            rows: (0..projected.num_rows()).map(row).collect(),
        };
        let number = [Expr::column(columns.len(), DataType::Int64)];
        let kept = reference::project(&table, Some(predicate), &number).expect("no predicate here can fail");
        let numbers = kept.rows.iter().map(|row| match row.values[0] {
            Datum::Int(row) => row as u64,
            _ => panic!("rows have numbers"),
        });
        take_record_batch(&projected, &UInt64Array::from_iter_values(numbers)).unwrap()
    }

    /// Is what the scan gave what it should have given?
    ///
    /// # Errors
    /// What differs.
    pub fn agrees(&self, all: &RecordBatch, got: &[RecordBatch]) -> std::result::Result<(), String> {
        let expected = self.expected(all);
        if let Some(batch) = got.iter().find(|batch| batch.num_rows() > self.batch_rows) {
            return Err(format!("a batch of {} rows, limit {}", batch.num_rows(), self.batch_rows));
        }
        if self.declared_types {
            self.types_are_declared(&expected, got)?;
        }
        let Some(output) = &self.output else { return compare::scanned(&expected, got) };
        let spared = |batch: &RecordBatch| {
            let at = |at: &usize| !output.contains(at) && batch.column(*at).data_type() != &DataType::Null;
            (0..batch.num_columns()).find(at)
        };
        if let Some(column) = got.iter().find_map(spared) {
            return Err(format!("column {column} is not output and has values"));
        }
        let only = |batch: &RecordBatch| batch.project(output).unwrap();
        compare::scanned(&only(&expected), &got.iter().map(only).collect::<Vec<_>>())
    }
}

impl Reading {
    /// Whether every array that is output is of its column's type and no other.
    fn types_are_declared(
        &self,
        expected: &RecordBatch,
        got: &[RecordBatch],
    ) -> std::result::Result<(), String> {
        let is_output = |at: &usize| self.output.as_ref().is_none_or(|output| output.contains(at));
        for batch in got {
            for at in (0..batch.num_columns()).filter(is_output) {
                let (found, due) = (batch.column(at).data_type(), expected.column(at).data_type());
                if found != due {
                    return Err(format!("column {at} is {found}, declared {due}"));
                }
            }
        }
        Ok(())
    }
}

/// All rows of a file, by the `parquet` crate's reader.
///
/// # Errors
/// Where that reader fails.
pub fn oracle(bytes: &Bytes) -> std::result::Result<RecordBatch, String> {
    let text = |error: ParquetError| format!("the oracle failed: {error}");
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).map_err(text)?;
    let schema: SchemaRef = Arc::clone(builder.schema());
    let batches = builder.with_batch_size(4096).build().map_err(text)?;
    let batches = batches.collect::<std::result::Result<Vec<RecordBatch>, _>>();
    batches.and_then(|batches| concat_batches(&schema, &batches)).map_err(|error| text(error.into()))
}

/// A scan of bytes.
///
/// # Errors
/// What opening raises.
pub fn open(bytes: &Bytes) -> Result<Scan> {
    Scan::from_bytes("x.parquet", bytes.clone())
}

/// A budget that no file of these tests should need.
pub fn budget() -> Arc<Budget> {
    Arc::new(Budget::new(Backend::Cpu, 256 << 20))
}

/// Reads `bytes` as asked and compares.
///
/// # Errors
/// What differs, and errors of the scan.
pub fn check(bytes: &Bytes, all: &RecordBatch, reading: &Reading) -> std::result::Result<(), String> {
    let budget = budget();
    let show = |error: Error| format!("the scan failed: {error}");
    let scan = open(bytes).map_err(show)?;
    same_schema(&scan, all)?;
    let got = reading.scan(&scan, &budget).map_err(show)?;
    reading.agrees(all, &got)?;
    drop(got);
    match budget.reserved() {
        0 => Ok(()),
        left => Err(format!("{left} bytes are still reserved")),
    }
}

fn same_schema(scan: &Scan, all: &RecordBatch) -> std::result::Result<(), String> {
    for (found, due) in scan.schema().fields().iter().zip(all.schema().fields()) {
        if found.data_type() != due.data_type() || found.name() != due.name() {
            return Err(format!("the scan's schema has {found:?}, expected {due:?}"));
        }
    }
    (scan.schema().fields().len() == all.num_columns())
        .then_some(())
        .ok_or_else(|| format!("{} columns, expected {}", scan.schema().fields().len(), all.num_columns()))
}

/// A predicate that cannot fail over the flat columns of a projection; none where it has no column to compare.
fn predicate(data: &RecordBatch, projection: &[usize], depth: usize, choices: &mut Choices) -> Option<Expr> {
    match if depth == 0 { 0 } else { choices.pick(5) } {
        3 => {
            let (a, b) = two(data, projection, depth, choices)?;
            Some(Expr::and(a, b).unwrap())
        }
        4 => {
            let (a, b) = two(data, projection, depth, choices)?;
            Some(Expr::or(a, b).unwrap())
        }
        _ => comparison(data, projection, choices),
    }
}

fn two(
    data: &RecordBatch,
    projection: &[usize],
    depth: usize,
    choices: &mut Choices,
) -> Option<(Expr, Expr)> {
    let a = predicate(data, projection, depth - 1, choices)?;
    Some((a, predicate(data, projection, depth - 1, choices)?))
}

fn comparison(data: &RecordBatch, projection: &[usize], choices: &mut Choices) -> Option<Expr> {
    const OPS: [CompareOp; 8] = [
        CompareOp::Eq,
        CompareOp::Lt,
        CompareOp::GtEq,
        CompareOp::NotEq,
        CompareOp::LtEq,
        CompareOp::Gt,
        CompareOp::IsDistinctFrom,
        CompareOp::IsNotDistinctFrom,
    ];
    let known = all_types();
    let comparable = |at: &usize| {
        let data_type = data.column(projection[*at]).data_type();
        known.contains(value_type(data_type)) || matches!(data_type, DataType::FixedSizeBinary(_))
    };
    let usable: Vec<usize> = (0..projection.len()).filter(comparable).collect();
    if usable.is_empty() {
        return None;
    }
    let at = *choices.one_of(&usable);
    let array = data.column(projection[at]);
    let data_type = array.data_type().clone();
    let column = || Expr::column(at, data_type.clone());
    // Mostly a value that is there: the edges of statistics are what can go wrong.
    let constant = |choices: &mut Choices| match choices.pick(4) {
        3 if known.contains(value_type(&data_type)) => literal(value_type(&data_type), choices),
        _ => Scalar::from_array(array, choices.pick(array.len())).unwrap(),
    };
    Some(match choices.pick(8) {
        5 => Expr::is_null(column()),
        6 => Expr::is_not_null(column()),
        7 => {
            let list = (0..1 + choices.pick(4)).map(|_| constant(choices)).collect();
            Expr::in_list(column(), list, choices.rarely(3)).unwrap()
        }
        _ => Expr::compare(*choices.one_of(&OPS), column(), Expr::literal(constant(choices))).unwrap(),
    })
}
