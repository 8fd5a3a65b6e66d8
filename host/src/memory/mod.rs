//! Budgets: every operator reserves before it allocates, host and device apart.
//!
//! ```text
//! session budget (limit)  <-  query budget (no limit of its own, counts what the query holds)  <-  reservations
//! ```
//! A query reserves through a [`Budget::child`]: what it still holds when it ends, for whatever reason, goes back to the
//! session as a whole, so that no failed query leaks budget. Operators that can spill answer a refusal by writing to the
//! session's [`SpillFolder`].

mod budget;
mod spill;
#[cfg(test)]
mod tests;

pub use budget::{Budget, Reservation};
pub use pilaster_kernels::memory::{Reserve, Spill, SpillWriter, Spilled};
pub use spill::SpillFolder;
