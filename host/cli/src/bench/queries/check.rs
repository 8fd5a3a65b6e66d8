//! Is the answer right? Against stock DataFusion's in the same process, and against the suite's stored answer.

use arrow::array::RecordBatch;
use pilaster_bench_data::Query;
use pilaster_bench_data::answers::{self, Answer};

use super::measure::Verdict;

/// What the answers of a query are checked by.
pub enum Expected {
    /// A stored answer, where there is one, and the order of the reference's rows: at every run.
    Ordered {
        /// The query.
        query: Query,
        /// Its stored answer.
        stored: Option<Answer>,
    },
    /// The reference's rows in any order. Answers of millions of rows are compared once, and counted at every run.
    Rows,
}

impl Expected {
    /// Looks up the stored answer, where the suite has one at this scale.
    pub fn stored(suite: &str, scale: f64, query: Query) -> Self {
        Expected::Ordered { query, stored: answers::expected(suite, scale, query.number) }
    }

    /// The reference's rows in any order.
    pub fn rows() -> Self {
        Expected::Rows
    }

    /// Checks one run's rows; `reference` holds those of the engine compared with.
    pub fn check(&self, rows: &[RecordBatch], reference: Option<&[RecordBatch]>, first: bool) -> Verdict {
        let mismatch = match (self, reference) {
            (Expected::Ordered { query, stored }, reference) => {
                let stored = stored.as_ref().map(|answer| answers::check(rows, answer));
                let against =
                    reference.map(|reference| answers::check(rows, &Answer::of(reference, query.sorted_by)?));
                stored.into_iter().chain(against).find_map(Result::err).map(|mismatch| mismatch.to_string())
            }
            (Expected::Rows, Some(reference)) if first => {
                answers::same_rows(rows, reference).err().map(|mismatch| mismatch.to_string())
            }
            (Expected::Rows, Some(reference)) => {
                let (ours, theirs) = (count(rows), count(reference));
                (ours != theirs).then(|| format!("{ours} rows, expected {theirs}"))
            }
            (Expected::Rows, None) => None,
        };
        mismatch.map_or(Verdict::Ok, Verdict::Wrong)
    }
}

fn count(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}
