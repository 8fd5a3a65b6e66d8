//! What it costs to scan for TPC-H Q1 and Q6, on one thread: `cargo bench -p pilaster --bench scan -- FOLDER`, where
//! FOLDER holds `lineitem.parquet`. Every variant's result is checked against the first of its query.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Decimal64Type, Decimal128Type};
use pilaster::expr::cpu::Predicate;
use pilaster::expr::{CompareOp, Expr, Scalar};
use pilaster::scan::{ReadOptions, Scan};

const REPS: usize = 7;
/// 1994-01-01, 1995-01-01 and 1998-09-02.
const DAYS: [i32; 3] = [8766, 9131, 10_471];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // `cargo bench` adds flags of its own.
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let Some(folder) = folder else {
        println!("skipped: needs a folder with lineitem.parquet");
        return Ok(());
    };
    let scan = Scan::open(&[PathBuf::from(folder).join("lineitem.parquet")])?;
    println!("{:<44} {:>9} {:>9} {:>10}  checksum", "variant", "min ms", "median ms", "rows");
    query_1(&scan)?;
    query_6(&scan)
}

fn columns(scan: &Scan, names: &[&str]) -> Result<(Scan, Vec<Expr>), Box<dyn std::error::Error>> {
    let schema = scan.table_schema();
    let positions = names.iter().map(|name| schema.index_of(name)).collect::<Result<Vec<_>, _>>()?;
    let types = positions.iter().map(|&position| schema.field(position).data_type().clone());
    let exprs = types.enumerate().map(|(index, data_type)| Expr::column(index, data_type)).collect();
    Ok((scan.with_projection(positions)?, exprs))
}

fn query_1(scan: &Scan) -> Result<(), Box<dyn std::error::Error>> {
    let names = [
        "l_extendedprice",
        "l_quantity",
        "l_discount",
        "l_tax",
        "l_returnflag",
        "l_linestatus",
        "l_shipdate",
    ];
    let (scan, columns) = columns(scan, &names)?;
    for batch_rows in [8 << 10, 32 << 10, 128 << 10] {
        let options = ReadOptions { batch_rows, ..ReadOptions::default() };
        measure(&format!("Q1 all rows, {batch_rows} a batch"), || run(&scan, &options, None))?;
    }
    let predicate =
        Expr::compare(CompareOp::LtEq, columns[6].clone(), Expr::literal(Scalar::date32(DAYS[2])))?;
    let predicate = Arc::new(predicate);
    let output = Some((0..6).collect());
    let filtered = ReadOptions { predicate: Some(Arc::clone(&predicate)), output, ..ReadOptions::default() };
    measure("Q1 filtered by the scan", || run(&scan, &filtered, None))?;
    let after = Predicate::new(&predicate)?;
    measure("Q1 tested after the scan", || run(&scan, &ReadOptions::default(), Some(&after)))?;
    for (index, name) in names.iter().enumerate() {
        let only = ReadOptions { output: Some(vec![index]), ..ReadOptions::default() };
        measure(name, || run(&scan, &only, None))?;
    }
    Ok(())
}

fn query_6(scan: &Scan) -> Result<(), Box<dyn std::error::Error>> {
    let (scan, columns) = columns(scan, &["l_extendedprice", "l_discount", "l_shipdate", "l_quantity"])?;
    let decimal = |unscaled| Scalar::decimal128(unscaled, 15, 2).map(Expr::literal);
    let day = |index: usize| Expr::literal(Scalar::date32(DAYS[index]));
    let from = Expr::compare(CompareOp::GtEq, columns[2].clone(), day(0))?;
    let until = Expr::compare(CompareOp::Lt, columns[2].clone(), day(1))?;
    let discount = Expr::between(columns[1].clone(), decimal(5)?, decimal(7)?, false)?;
    let quantity = Expr::compare(CompareOp::Lt, columns[3].clone(), decimal(2400)?)?;
    let predicate = Arc::new(Expr::and(Expr::and(from, until)?, Expr::and(discount, quantity)?)?);
    let after = Predicate::new(&predicate)?;
    for batch_rows in [8 << 10, 32 << 10, 128 << 10] {
        let output = Some(vec![0, 1]);
        let options = ReadOptions {
            batch_rows,
            predicate: Some(Arc::clone(&predicate)),
            output,
            ..ReadOptions::default()
        };
        measure(&format!("Q6 filtered by the scan, {batch_rows} a batch"), || run(&scan, &options, None))?;
    }
    measure("Q6 tested after the scan", || run(&scan, &ReadOptions::default(), Some(&after)))?;
    Ok(())
}

/// Rows and the sum of the first column that is output.
fn run(scan: &Scan, options: &ReadOptions, after: Option<&Predicate>) -> pilaster::Result<(usize, i128)> {
    let mut rows = 0;
    let mut sum = 0;
    for task in scan.tasks(options.predicate.as_deref())?.tasks {
        for batch in scan.read(&task, options)? {
            let batch = batch?;
            match after {
                Some(test) => {
                    let passed = test.select(batch.columns(), batch.num_rows(), None)?;
                    rows += passed.count();
                    passed.indices().iter().for_each(|&row| sum += value(batch.column(0), row as usize));
                }
                None => {
                    rows += batch.num_rows();
                    sum += total(&batch);
                }
            }
        }
    }
    Ok((rows, sum))
}

fn value(array: &dyn Array, row: usize) -> i128 {
    match array.data_type() {
        DataType::Decimal64(..) => array.as_primitive::<Decimal64Type>().value(row).into(),
        DataType::Decimal128(..) => array.as_primitive::<Decimal128Type>().value(row),
        _ => 0,
    }
}

fn total(batch: &RecordBatch) -> i128 {
    match batch.column(0).data_type() {
        DataType::Decimal64(..) => batch
            .column(0)
            .as_primitive::<Decimal64Type>()
            .values()
            .iter()
            .map(|&value| i128::from(value))
            .sum(),
        _ => 0,
    }
}

fn measure(
    name: &str,
    run: impl Fn() -> pilaster::Result<(usize, i128)>,
) -> Result<(), Box<dyn std::error::Error>> {
    let expected = run()?;
    let mut times = Vec::with_capacity(REPS);
    for _ in 0..REPS {
        let start = Clock::now();
        let found = run()?;
        times.push(start.elapsed_ms());
        if found != expected {
            return Err(format!("{name}: {found:?} after {expected:?}").into());
        }
    }
    times.sort_by(f64::total_cmp);
    println!("{name:<44} {:>9.1} {:>9.1} {:>10}  {}", times[0], times[REPS / 2], expected.0, expected.1);
    Ok(())
}

/// Time on the CPU of this thread where the system tells (a busy machine then measures the same), else wall time.
struct Clock {
    wall: Instant,
    cpu_ns: Option<u64>,
}

impl Clock {
    fn cpu_ns() -> Option<u64> {
        std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
    }

    fn now() -> Self {
        Self { wall: Instant::now(), cpu_ns: Self::cpu_ns() }
    }

    fn elapsed_ms(&self) -> f64 {
        match (self.cpu_ns, Self::cpu_ns()) {
            (Some(start), Some(end)) => (end - start) as f64 / 1e6,
            _ => self.wall.elapsed().as_secs_f64() * 1e3,
        }
    }
}
