//! Proptest strategies for what operators take.
//!
//! A case is decoded from a list of random numbers ([`Choices`]) of which an exhausted one gives zeros, and zero is always the
//! simplest choice. So proptest, which shortens the list and lowers its numbers, shrinks whole batches, expressions and
//! plans without a word about them here.

mod aggregate_functions;
mod aggregates;
mod batches;
mod choices;
mod columns;
mod exprs;
mod joins;
pub mod parquet;
mod random;

pub use aggregate_functions::{any_aggregate, any_aggregate_spec, lengthen, sums_floats};
pub use aggregates::{aggregate, aggregate_spec, avg, count, count_rows, extreme, grouping, sum};
pub use batches::{Batches, batches, sizes};
pub use choices::{Choices, choices};
pub use columns::{ColumnRecipe, Nulls, Physical, Spread, all_types, build};
pub use exprs::{ExprLimits, arithmetic_expr, boolean_expr, expr, literal, sort_keys};
pub use joins::{JOIN_TYPES, JoinInput, any_join, everything, join_side};
pub use random::Random;
