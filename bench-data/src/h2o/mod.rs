//! The group-by task of H2O.ai's db-benchmark: its table and its ten questions.
//!
//! `G1_ROWS_1e2_0_0`: no nulls, unsorted, K = 100. `id1`, `id2`: text of K values; `id3`: text of ROWS/K; `id4`, `id5`:
//! integers of K values; `id6`: of ROWS/K; `v1`: 1 to 5; `v2`: 1 to 15; `v3`: 0 to 100 with six decimals. The values
//! come from a generator of our own: schema, domains and distributions are the benchmark's, rows are not.

mod write;

#[cfg(test)]
mod tests;

use crate::Query;

pub use write::{GenerateError, H2oFile, generate};

/// Name of the table in the questions.
pub const TABLE: &str = "x";

/// The question of that number.
#[must_use]
pub fn question(number: u32) -> Option<Query> {
    QUESTIONS.iter().find(|question| question.number == number).copied()
}

macro_rules! question {
    ($number:literal, $file:literal) => {
        Query {
            number: $number,
            sql: include_str!(concat!("../../queries/h2o/", $file, ".sql")),
            sorted_by: &[],
        }
    };
}

/// All questions, by number. None is sorted.
pub static QUESTIONS: [Query; 10] = [
    question!(1, "01"),
    question!(2, "02"),
    question!(3, "03"),
    question!(4, "04"),
    question!(5, "05"),
    question!(6, "06"),
    question!(7, "07"),
    question!(8, "08"),
    question!(9, "09"),
    question!(10, "10"),
];
