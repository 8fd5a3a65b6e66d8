//! Plans as pipelines, pipelines as tasks, tasks on workers; cancellation.
//!
//! ```text
//! plan -> lower -> pipelines (pipeline) -> tasks (task) -> workers -> joins (probing) -> sink -> output -> Execution
//!                                                        |                                \-> store -> tasks of a later pipeline
//!                                                        |                                \-> table of a later pipeline's join
//!                                                        \-> device programs (gpu), the rest of a failed one on the CPU
//! ```

mod cancel;
mod chunk;
mod cpu;
mod device_slot;
mod drive;
mod engine;
mod execution;
mod filter_project;
mod gpu;
mod lower;
mod output;
mod partitioned_join;
mod partitions;
mod pipeline;
mod probing;
mod query;
mod reading;
mod rollup;
mod runtime_filters;
mod sink;
mod sorted_runs;
mod store;
mod task;
mod workers;

pub use cancel::Cancellation;
pub use execution::Execution;

pub(crate) use drive::{explain, start};
pub(crate) use engine::Engine;
pub(crate) use pipeline::{Branch, Pipeline, Sink, Source};
