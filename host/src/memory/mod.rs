//! Budgets: every operator reserves before it allocates, host and device apart.
//!
//! ```text
//! session budget (limit)  <-  query budget (no limit of its own, counts what the query holds)  <-  reservations
//! ```
//! A query reserves through a [`Budget::child`]: what it still holds when it ends, for whatever reason, goes back to the
//! session as a whole, so that no failed query leaks budget.

mod budget;
#[cfg(test)]
mod tests;

pub use budget::{Budget, Reservation};
