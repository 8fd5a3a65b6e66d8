//! The 22 queries with the validation parameters of the specification.

use crate::Query;

/// The query of that number.
#[must_use]
pub fn query(number: u32) -> Option<Query> {
    queries().iter().find(|query| query.number == number).copied()
}

/// All queries, by number.
#[must_use]
pub fn queries() -> &'static [Query] {
    &QUERIES
}

macro_rules! query {
    ($number:literal, $file:literal, $sorted_by:expr) => {
        Query {
            number: $number,
            sql: include_str!(concat!("../../queries/tpch/", $file, ".sql")),
            sorted_by: $sorted_by,
        }
    };
}

static QUERIES: [Query; 22] = [
    query!(1, "01", &[0, 1]),
    query!(2, "02", &[0, 2, 1, 3]),
    query!(3, "03", &[1, 2]),
    query!(4, "04", &[0]),
    query!(5, "05", &[1]),
    query!(6, "06", &[]),
    query!(7, "07", &[0, 1, 2]),
    query!(8, "08", &[0]),
    query!(9, "09", &[0, 1]),
    query!(10, "10", &[2]),
    query!(11, "11", &[1]),
    query!(12, "12", &[0]),
    query!(13, "13", &[1, 0]),
    query!(14, "14", &[]),
    query!(15, "15", &[0]),
    query!(16, "16", &[3, 0, 1, 2]),
    query!(17, "17", &[]),
    query!(18, "18", &[4, 3]),
    query!(19, "19", &[]),
    query!(20, "20", &[0]),
    query!(21, "21", &[1, 0]),
    query!(22, "22", &[0]),
];
