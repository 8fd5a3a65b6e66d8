//! One query of a suite.

/// A number, a statement, and the order of its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    /// Its number, from 1.
    pub number: u32,
    /// Its SQL, one statement.
    pub sql: &'static str,
    /// Columns of the result that it is sorted by, most significant first; empty where the order is open.
    pub sorted_by: &'static [usize],
}
