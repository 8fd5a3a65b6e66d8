//! Budgets: every operator reserves before it allocates, host and device apart.

mod budget;

pub use budget::Budget;
