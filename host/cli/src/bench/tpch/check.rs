//! Is the answer right? Against stock DataFusion's in the same process, and against the suite's stored answer.

use arrow::array::RecordBatch;
use pilaster_bench_data::answers::{self, Answer};
use pilaster_bench_data::tpch::Query;

use super::measure::Verdict;

/// What the answers of a query are checked by.
pub struct Expected {
    query: Query,
    stored: Option<Answer>,
}

impl Expected {
    /// Looks up the stored answer, where the suite has one at this scale.
    pub fn new(suite: &str, scale: f64, query: Query) -> Self {
        Expected { query, stored: answers::expected(suite, scale, query.number) }
    }

    /// Checks one run's rows; `reference` holds those of the engine compared with.
    pub fn check(&self, rows: &[RecordBatch], reference: Option<&[RecordBatch]>) -> Verdict {
        let stored = self.stored.as_ref().map(|answer| answers::check(rows, answer));
        let against =
            reference.map(|reference| answers::check(rows, &Answer::of(reference, self.query.sorted_by)?));
        match stored.into_iter().chain(against).find_map(Result::err) {
            Some(mismatch) => Verdict::Wrong(mismatch.to_string()),
            None => Verdict::Ok,
        }
    }
}
