//! Data, queries and expected answers of the benchmarks.
//!
//! | module | holds |
//! | --- | --- |
//! | [`tpch`] | the TPC-H tables as Parquet, generated; the 22 queries |
//! | [`columns`] | single columns, one encoding and codec each, generated |
//! | [`h2o`] | the table of the db-benchmark's group-by task, generated; its ten questions |
//! | [`events`] | a table in folders, sorted, with Bloom filters and a page index: what pruning is shown on |
//! | [`groups`] | rows to group by keys of many types, in memory |
//! | [`answers`] | what another engine answered over the same files, and the comparison with it |

pub mod answers;
pub mod columns;
pub mod events;
pub mod groups;
pub mod h2o;
pub mod tpch;

mod query;

pub use query::Query;
