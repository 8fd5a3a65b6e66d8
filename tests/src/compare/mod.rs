//! Is a backend's answer the reference's?

mod rows;
mod scanned;
#[cfg(test)]
mod tests;

use pilaster_kernels::Error;

pub use rows::{Got, Order, table};
pub use scanned::{scanned, valid};

use crate::reference::{Answer, Kind, Table};

/// What differs, for a human.
pub type Mismatch = String;

/// A whole outcome: rows against rows, an error against the errors that the reference allows.
///
/// # Errors
/// What differs.
pub fn outcome(expected: &Answer<Table>, got: &Result<Got, Error>, order: Order) -> Result<(), Mismatch> {
    match (expected, got) {
        (Ok(expected), Ok(got)) => table(expected, got, order),
        (expected, got) => errors(expected, got),
    }
}

/// Errors alone: the rows of two successes are for others to compare.
///
/// # Errors
/// What differs.
pub fn errors<T, U>(expected: &Answer<T>, got: &Result<U, Error>) -> Result<(), Mismatch> {
    match (expected, got) {
        (Ok(_), Ok(_)) => Ok(()),
        (Err(kinds), Err(error)) if kinds.contains(&Kind::from(error)) => Ok(()),
        (Err(kinds), Err(error)) => Err(format!("expected an error of {kinds:?}, got `{error}`")),
        (Err(kinds), Ok(_)) => Err(format!("expected an error of {kinds:?}, got an answer")),
        (Ok(_), Err(error)) => Err(format!("expected an answer, got `{error}`")),
    }
}
