//! What every operator of Pilaster computes, over Apache Arrow arrays.
//!
//! This crate knows Arrow; it knows no device, no file and no plan. Each kernel has a folder: `mod.rs` holds its
//! contract, `cpu.rs` the SIMD path, `gpu.rs` its stages and buffers as data (a [`gpu::Program`], which the host runs).
//!
//! | module | computes |
//! | --- | --- |
//! | [`expr`] | typed expressions: CPU evaluation and WGSL generation |
//! | [`filter`] | predicates to selections, compaction |
//! | [`aggregate`] | sum, count, min, max, avg, ungrouped and grouped |
//! | [`sort`] | stable order of a batch by several keys |
//! | [`gather`] | rows by index |
//! | [`join`] | pairs of rows, or rows by whether they have a partner |
//! | [`keys`] | any list of key columns as machine words |
//! | [`parquet`] | Parquet pages to arrays |
//! | [`gpu`] | columns as device words; programs of dispatches |

pub mod aggregate;
pub mod error;
pub mod expr;
pub mod filter;
pub mod gather;
pub mod gpu;
pub mod join;
pub mod keys;
pub mod memory;
pub mod parquet;
pub mod simd;
pub mod sort;

pub use error::{Backend, Error, Result};
