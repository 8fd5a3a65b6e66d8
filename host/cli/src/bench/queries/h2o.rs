//! `pilaster bench h2o`: the group-by questions of the db-benchmark, through SQL over a Parquet file.

use pilaster_bench_data::h2o;

use super::Suite;
use super::check::Expected;
use crate::args::H2oArgs;
use crate::bench::cache_folder;
use crate::{Failure, generate};

/// Runs the suite; an error if an answer was wrong or a question failed.
pub fn run(args: &H2oArgs) -> Result<(), Failure> {
    let folder = args.run.data.clone();
    let folder = folder.map_or_else(|| Ok(cache_folder()?.join("h2o")), Ok::<_, Failure>)?;
    let file = generate::h2o_data(args.rows, &folder)?;
    let queries = args.questions.iter().map(|&number| {
        let question = h2o::question(number).ok_or_else(|| format!("there is no question {number}"))?;
        Ok::<_, Failure>((question, Expected::rows()))
    });
    if let Some(folder) = &args.answers {
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let suite = Suite {
        name: "h2o",
        scale: args.rows as f64,
        tables: vec![(h2o::TABLE.to_owned(), file.path)],
        queries: queries.collect::<Result<_, _>>()?,
        answers: args.answers.clone(),
    };
    super::run(&suite, &args.run)
}
