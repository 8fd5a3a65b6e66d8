//! `pilaster gen`

use std::path::Path;

use pilaster_bench_data::tpch;

use crate::args::{GenArgs, Suite};
use crate::{Failure, progress};

/// Generates a suite's data and says where it is.
pub fn run(args: &GenArgs) -> Result<(), Failure> {
    match args.suite {
        Suite::Tpch => tpch_data(args.scale, &args.out)?,
    }
    println!("{}", args.out.display());
    Ok(())
}

/// TPC-H data at `scale` in `folder`, made unless it is there already.
pub fn tpch_data(scale: f64, folder: &Path) -> Result<(), Failure> {
    if tpch::is_complete(scale, folder) {
        return Ok(());
    }
    eprintln!("generating TPC-H at scale {scale} in {}", folder.display());
    let bar = progress::bar("tpch", 0);
    let options = tpch::Options::default();
    tpch::generate(scale, folder, &options, &|progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    })?;
    bar.finish_and_clear();
    Ok(())
}
