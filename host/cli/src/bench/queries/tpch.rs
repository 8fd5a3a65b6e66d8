//! `pilaster bench tpch`

use pilaster_bench_data::tpch;

use super::Suite;
use super::check::Expected;
use crate::args::TpchArgs;
use crate::bench::cache_folder;
use crate::{Failure, generate};

/// Runs the suite; an error if an answer was wrong or a query failed.
pub fn run(args: &TpchArgs) -> Result<(), Failure> {
    let folder = args.run.data.clone();
    let folder = folder
        .map_or_else(|| Ok(cache_folder()?.join(format!("tpch/scale-{}", args.scale))), Ok::<_, Failure>)?;
    let dataset = generate::tpch_data(args.scale, &folder)?;
    let queries = args.queries.iter().map(|&number| {
        let query = tpch::query(number).ok_or_else(|| format!("TPC-H has no query {number}"))?;
        Ok::<_, Failure>((query, Expected::stored("tpch", args.scale, query)))
    });
    let suite = Suite {
        name: "tpch",
        scale: args.scale,
        tables: dataset.tables.into_iter().map(|table| (table.name, table.path)).collect(),
        queries: queries.collect::<Result<_, _>>()?,
        answers: None,
    };
    super::run(&suite, &args.run)
}
