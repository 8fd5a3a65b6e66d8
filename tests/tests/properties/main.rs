//! Property tests: reference, CPU and GPU must agree. One binary, so that devices and pipelines are shared.
//!
//! | module | battery |
//! | --- | --- |
//! | `expressions` | predicates and values |
//! | `aggregation` | ungrouped, direct array, hash table; partial states that merge |
//! | `aggregation_functions` | every aggregate function on the CPU; random trees of merges |
//! | `float_sums` | reproducible float sums: the same bits in any order, on any backend |
//! | `aggregation_partitions` | tables that freeze, rows staged by partition, spilling |
//! | `aggregation_sets` | grouping sets, ROLLUP, CUBE |
//! | `sorting` | stable order, top-k |
//! | `joining` | joins of all types, on the CPU |
//! | `parquet_gpu` | Parquet pages decoded on the device |
//! | `plans` | whole plans through a session |
//! | `checker` | planted errors: each comparison must notice them |
//! | `backends` | what instantiates the batteries |
//! | `shapes` | the catalogue of expressions and aggregations that the GPU batteries draw from |
//!
//! `aggregation_gpu_functions` is what is hard in a group-by on a device: sets of values, skew, collisions, partitions, budgets.
//! `gpu_expressions` and `aggregate_gpu_smoke` are fixed cases on every profile of an adapter.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a surprise ends the test")]

mod aggregate_gpu_smoke;
mod aggregation;
mod aggregation_functions;
mod aggregation_gpu_functions;
mod aggregation_partitions;
mod aggregation_sets;
mod backends;
mod checker;
mod expressions;
mod float_sums;
mod gpu_expressions;
mod joining;
mod joins_in_plans;
mod parquet_gpu;
mod plans;
mod shapes;
mod sorting;
