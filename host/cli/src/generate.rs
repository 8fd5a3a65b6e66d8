//! `pilaster gen`

use std::path::{Path, PathBuf};

use pilaster_bench_data::events;
use pilaster_bench_data::h2o::{self, H2oFile};
use pilaster_bench_data::tpch::{self, Dataset};

use crate::args::{GenArgs, Suite};
use crate::{Failure, progress};

/// Generates a suite's data and says where it is.
pub fn run(args: &GenArgs) -> Result<(), Failure> {
    let files: Vec<(PathBuf, u64, u64)> = match args.suite {
        Suite::Tpch => {
            let tables = tpch_data(args.scale, &args.out)?.tables;
            tables.into_iter().map(|table| (table.path, table.rows, table.bytes)).collect()
        }
        Suite::Events => {
            let files = events::generate(args.scale, &args.out)?;
            files.into_iter().map(|file| (file.path, file.rows, file.bytes)).collect()
        }
    };
    for (path, rows, bytes) in files {
        println!("{}\t{rows} rows\t{bytes} bytes", path.display());
    }
    Ok(())
}

/// TPC-H data at `scale` in `folder`, made unless it is there already.
pub fn tpch_data(scale: f64, folder: &Path) -> Result<Dataset, Failure> {
    let bar = progress::bar("tpch", 0);
    let dataset = tpch::generate(scale, folder, &tpch::Options::default(), &|progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
        bar.set_message(progress.table);
    })?;
    bar.finish_and_clear();
    if dataset.generated {
        eprintln!("generated TPC-H at scale {scale} in {}", folder.display());
    }
    Ok(dataset)
}

/// The db-benchmark's table of so many rows in `folder`, made unless it is there already.
pub fn h2o_data(rows: u64, folder: &Path) -> Result<H2oFile, Failure> {
    let file = h2o::generate(rows, folder)?;
    if file.generated {
        eprintln!("generated {} rows in {}", file.rows, file.path.display());
    }
    Ok(file)
}
