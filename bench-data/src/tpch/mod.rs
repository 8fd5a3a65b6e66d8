//! TPC-H: the eight tables as Parquet files, and the 22 queries.
//!
//! ```no_run
//! use pilaster_bench_data::tpch;
//!
//! let data = tpch::generate(0.1, "tpch-0.1".as_ref(), &tpch::Options::default(), &|_| {})?;
//! assert_eq!(data.table("nation").map(|table| table.rows), Some(25));
//! # Ok::<(), tpch::GenerateError>(())
//! ```

mod queries;
mod tables;
mod write;

pub use queries::{queries, query};
pub use write::{Codec, Dataset, GenerateError, Options, Progress, TableFile, generate};

/// The tables, smallest first.
pub const TABLES: [&str; 8] =
    ["region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem"];

#[cfg(test)]
mod tests;
