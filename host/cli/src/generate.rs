//! `pilaster gen`

use std::path::Path;

use pilaster_bench_data::tpch::{self, Dataset};

use crate::args::{GenArgs, Suite};
use crate::{Failure, progress};

/// Generates a suite's data and says where it is.
pub fn run(args: &GenArgs) -> Result<(), Failure> {
    let dataset = match args.suite {
        Suite::Tpch => tpch_data(args.scale, &args.out)?,
    };
    for table in &dataset.tables {
        println!("{}\t{} rows\t{} bytes", table.path.display(), table.rows, table.bytes);
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
