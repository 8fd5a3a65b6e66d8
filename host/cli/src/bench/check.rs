//! Is the answer right? Against stock DataFusion's in the same process, and against the suite's expected answer.

use arrow::array::RecordBatch;
use pilaster_bench_data::answers;

use super::measure::Verdict;

/// The expected answer of a query, where the suite has one at this scale.
pub struct Expected {
    order: answers::Order,
    answer: Option<answers::Answer>,
}

impl Expected {
    /// Looks the answer up.
    pub fn new(suite: &str, scale: f64, query: usize) -> Self {
        Expected { order: answers::order(suite, query), answer: answers::expected(suite, scale, query) }
    }

    /// Checks one run's rows; `reference` holds those of the engine compared with.
    pub fn check(&self, rows: &[RecordBatch], reference: Option<&[RecordBatch]>) -> Verdict {
        let own = self.answer.as_ref().map(|answer| answers::check(rows, answer));
        let against = reference.map(|reference| answers::compare(rows, reference, self.order));
        match own.into_iter().chain(against).find_map(Result::err) {
            Some(mismatch) => Verdict::Wrong(mismatch.to_string()),
            None => Verdict::Ok,
        }
    }
}
